// Engine: the driver of one node as a function: it joins the replica, the state machine and this
// node's waiting calls, without a clock, thread, socket or disk of its own.
//
// Contract      Feed it time, peer frames, calls and completions; after each batch of inputs call
//               Take() once and do what the output says: hand `persist` to the acceptor's log in
//               order, send `frames`, give `changes` and `reads` to whoever called, publish
//               `revisions`. The simulator drives the same code under virtual time.
// Changes       Every change submitted here ends exactly once in Output::changes. It is proposed by
//               the leader or forwarded to it, in the ballot that it was forwarded for and no
//               other; when the next LeaderStart has been applied and the command has not, it is
//               proven dropped and goes out again. A failure's outcome is kUnknown only if the
//               command may still be in somebody's log.
// Reads         A ready read is served from machine() before the next input. Linearizable reads of
//               one turn share one quorum round.
// Divergence    A node whose digest is not the majority's serves nothing, does not lead, gives no
//               snapshot and goes on voting: votes are about the log, not about the state. A state
//               that was taken anew (discard_state) serves only once the others, without this
//               node's word, have a majority for its digest.
// Cluster time  While this node leads: its own clock, frozen while it could not have proposed,
//               started at the machine's time plus a grace when its LeaderStart is applied.
// Thread        Core thread only.
#ifndef SYNOD_NODE_ENGINE_H_
#define SYNOD_NODE_ENGINE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/replica.h"
#include "src/base/error.h"
#include "src/base/record.h"
#include "src/machine/machine.h"
#include "src/node/engine_snapshots.h"

namespace synod::node {

// How full this node's disk is. Low: it should not grow. Full: the node should not be needed.
enum class DiskLevel : uint8_t { kOk = 0, kLow = 1, kFull = 2 };

struct EngineConfig {
  machine::MemberView self;     // id, uuid, name, addresses, as announced to the others
  uint64_t boot = 0;            // differs at every start of the process
  consensus::Config consensus;  // consensus.self == self.id
  int64_t tick_ms = 10;         // length of a consensus tick
  int64_t grace_ms = 1000;      // cluster time stands still for so long after a leader begins
  int64_t checkpoint_ms = 1000;
  // Less means shorter turns in which it is taken; more, that less is written twice.
  uint64_t checkpoint_bytes = uint64_t{2} << 20;
  // Of calls of this node, and of what is handed to it as the leader. Renewals of leases get a
  // quarter more bytes, and are not counted.
  uint64_t pending_bytes_max = uint64_t{64} << 20;
  uint64_t pending_changes_max = 10'000;
  Bytes cluster_id;  // whose members the witness table is of
  Bytes witness;     // the table of the last checkpoint (CheckpointJob::witness)
  std::string lost;  // why this identity must not vote any more, if that was found before
  SnapshotLimits snapshots;
  auth::SettingValues first_settings;  // of a cluster that this node happens to be first to lead
  std::vector<auth::QuotaChange> first_quotas;
  uint64_t digest_every = 10'000;  // slots between two comparisons of the members' states
  // The operator's word that the state is worth nothing: `machine` is empty, and a snapshot of
  // another member takes its place. Promises and votes are as they were.
  bool discard_state = false;
  // A process before this one put another member's state in the place of its own, and ended before
  // that was confirmed.
  bool state_unconfirmed = false;
};

using CallId = uint64_t;

enum class Consistency : uint8_t { kLinearizable, kSequential };

struct ReadRequest {
  Consistency consistency = Consistency::kLinearizable;
  Revision min_revision;              // 0: none
  std::optional<int64_t> max_age_ms;  // kSequential
  int64_t timeout_ms = 5000;
};

struct ReadReady {
  CallId call = 0;
  Result<ClusterTime> time = ClusterTime();  // of the answer; or why it cannot be served
};

// When a change reached each stage of its way, as Engine::SetTurn() told the time; 0: it did not,
// or not at this node.
struct ChangeTimes {
  int64_t sent_us = 0;      // to the leader, or to this node's own queue of proposals
  int64_t proposed_us = 0;  // the leader is this node
  int64_t synced_us = 0;    // ... and had it in its own log
  int64_t waits_us = 0;     // applied; since then it waits in the state machine
};

struct ChangeDone {
  CallId call = 0;
  Result<machine::Answer> answer;
  ChangeTimes times = {};
};

inline constexpr size_t kFrameBytesMax = size_t{16} << 20;  // what peers take (src/net/frame.h)

struct Frame {
  NodeId to;
  Bytes body;
};

struct CheckpointJob {
  Slot slot;
  Digest digest;
  Records records;
  Bytes witness;  // what this node saw of the others' logs; opaque
  Revision revision;
  ClusterTime time;
  uint32_t machine_version = 1;
  // A snapshot of that slot is being sent: keep the log above it if there is room.
  std::optional<Slot> keep_log_above;
};

struct EngineOutput {
  std::vector<consensus::PersistRequest> persist;
  std::vector<Frame> frames;
  std::vector<ChangeDone> changes;
  std::vector<ReadReady> reads;
  std::vector<store::RevisionRef> revisions;
  std::vector<machine::QuotaCrossing> crossings;  // while this node leads: told once a cluster
  std::optional<CheckpointJob> checkpoint;        // at most one is out until Checkpointed()
  std::vector<consensus::LoadRequest> load;
  std::vector<SnapshotJob> snapshots;    // in this order
  std::vector<consensus::Event> events;  // those of the replica, and below
  // Once: this identity may have forgotten a promise, for this reason. It takes no part any more;
  // the driver makes that durable.
  std::optional<std::string> lost;
  std::optional<Error> end_streams;  // this node's state is wrong or stands still: why
  std::optional<std::string> stop;   // the process must end, and why
};

// Events of the engine: malformed_frame, malformed_command (node); state_diverged, state_agrees,
// state_confirmed, digests_without_majority, digests_agree (slot that was compared);
// machine_version, needs_newer_version (version).

// Plain counters, for metrics.
struct EngineCounters {
  uint64_t entries_applied = 0;
  uint64_t commands_applied = 0;
  uint64_t proposals = 0;
  uint64_t proposed_commands = 0;
  uint64_t forwarded = 0;
  uint64_t reforwarded = 0;
  uint64_t forwards_rejected = 0;
  uint64_t read_rounds = 0;
  uint64_t reads = 0;
  uint64_t leader_changes = 0;
  uint64_t ticks_proposed = 0;
};

class Engine {
 public:
  // `machine` reflects the last checkpoint; `disk` is what the acceptor's log gave back. `now_ms`
  // is a clock that never goes back and counts suspend; all later times are on the same clock.
  Engine(const EngineConfig& config,
         machine::Machine machine,
         consensus::Recovered disk,
         int64_t now_ms);
  ~Engine();

  // Time has passed. Call at least every tick_ms, and before other inputs when it is cheap.
  void Advance(int64_t now_ms);

  // A peer's process (named by boot) is connected in both directions / is not any more.
  void PeerUp(const machine::MemberView& peer, uint64_t boot);
  void PeerDown(NodeId peer, bool process_gone);
  void Receive(NodeId from, std::string_view frame);

  // Starts a change; `command.id` is filled in here. kOverloaded: nothing happened, no call was
  // made.
  Result<CallId> Change(machine::Command command, int64_t timeout_ms);
  // The caller has gone: nothing is reported any more; a wait is disowned.
  void Cancel(CallId call);
  CallId Read(const ReadRequest& request);

  // `gen` is the count of the log's records by then.
  void Persisted(PersistId upto, uint64_t gen);
  // A checkpoint as soon as there can be one, whether it is due or not.
  void AskCheckpoint();
  // The checkpoint of the last output is durable. `first_kept` is the first slot that the log still
  // holds.
  void Checkpointed(Slot slot, Slot first_kept);
  void Loaded(const consensus::LoadRequest& request, std::vector<consensus::Chosen> entries);

  // What an earlier process left, at any time after the start; results of snapshot jobs.
  void SnapshotsRecovered(const std::vector<SnapshotFile>& files,
                          const std::optional<SnapshotPart>& part);
  void SnapshotMade(const Result<SnapshotFile>& file);
  void SnapshotRead(const ReadSnapshot& job, Result<Bytes> bytes);
  void SnapshotStored(const Status& stored);
  // The part is whole but no sound snapshot.
  void SnapshotBad();
  // Whether a snapshot of this slot is of any use still. If so the driver makes its state the
  // durable one, and calls InstallSnapshot before anything else.
  bool WantsSnapshot(Slot slot) const;
  // The state of the snapshot takes the place of the machine. Changes that were sent and not
  // answered end as unknown, all else goes on; machine() keeps its address, not what it holds.
  // Without WantsSnapshot() it is only told that the part is done with. Gives back the machine that
  // is not used (any more): to destroy it takes long, so not here.
  [[nodiscard]] machine::Machine InstallSnapshot(machine::Machine machine);
  // Hands over to a voter that is connected and nearly up to date, since nothing is proposed
  // meanwhile: at the leader kNotReady if it is not, or another hand-over is under way. Any other
  // node asks the leader. Whether it came about shows in LeaderBegun().
  Status AskToLead(NodeId to);
  // Leader only: to the voter that is furthest. kNotReady if there is none to hand over to.
  Status HandOver();
  // Fails every call with kShuttingDown and takes no more. Waits keep their place for a repeat.
  void Shutdown();

  // The time of the turn that begins, for ChangeTimes alone: nothing is decided by it.
  void SetTurn(int64_t now_us);
  EngineOutput Take();
  // True if Take() would give something: for drivers that call it once a turn.
  bool HasOutput() const;

  const machine::Machine& machine() const;
  const consensus::Replica& replica() const;
  const EngineCounters& counters() const;
  const SnapshotCounters& snapshot_counters() const;
  std::optional<uint64_t> snapshot_percent() const;  // of the one being received
  // Cluster time as well as this node knows it: its clock while leading, else the machine's.
  ClusterTime Now() const;
  // How full the disk is. While a majority of the voters is not known to have room, changes that
  // grow the state are refused everywhere (kStorageFull); deletes, leases and settings pass. With a
  // full disk this node hands leadership over and stands aside, as long as the others suffice.
  void SetDisk(DiskLevel level);
  bool MayGrow() const;

  // This node promises, votes and campaigns. Else the error says why not, and what to do.
  Status TakesPart() const;
  bool quarantined() const;  // and never will again
  // A linearizable request could be served now: a leader with a fresh quorum is known.
  Status Ready() const;
  // The membership of replica() cannot be lost with those whom it removed: a majority of its voters
  // holds it on disk.
  bool MembershipSettled() const;
  // The membership of machine() is final on this node's own disk: its directory may remember it.
  bool MembershipDurable() const;
  bool IsConnected(NodeId peer) const;  // true of this node itself
  // The leader that this node follows, or is, once this node has applied its LeaderStart.
  std::optional<NodeId> LeaderBegun() const;
  bool IsDiverged() const;
  // The state is, or is to be, another member's in the place of one that was discarded, and no
  // majority has confirmed it yet. The driver keeps that over restarts, from before such a state is
  // put in place.
  bool StateUnconfirmed() const;
  // What the members last said of themselves (twice a second), and the highest of it.
  Slot AppliedOf(NodeId member) const;
  Slot NewestApplied() const;
  uint64_t pending_calls() const;
  uint64_t pending_bytes() const;
  uint64_t pending_bytes_max() const;  // of either kind: this node's own, and those to be proposed

 private:
  class Core;
  std::unique_ptr<Core> core_;
};

}  // namespace synod::node

#endif  // SYNOD_NODE_ENGINE_H_
