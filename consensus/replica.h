// Replica: one member of the group that agrees on the log. Multi-Paxos as a function: messages,
// ticks and completions go in; messages, things to persist, chosen entries and read grants come
// out.
//
// Contract      Deterministic: no clock, thread, socket, disk or random device. The same inputs in
//               the same order give the same outputs. After any input call TakeOutput() once,
//               persist, send and apply what it says.
// Safety        At most one value per slot is ever chosen (Paxos Made Simple, section 2.2, P2c).
//               Nothing leaves a node before what it stands on is durable: every Send names the
//               PersistId it waits for, and the driver holds it until Persisted(that).
// Liveness      With a majority connected and messages delivered within a heartbeat, a leader is
//               elected and stays.
// Thread        Core thread only.
// Errors        Propose refuses with kNoLeader or kOverloaded (nothing was proposed). Stale or
//               hostile messages are ignored or answered with a Nack; a broken local invariant
//               aborts.
// Not here      The state machine, forwarding, cluster time (src/node/engine.h); disk
//               (src/storage).
#ifndef SYNOD_CONSENSUS_REPLICA_H_
#define SYNOD_CONSENSUS_REPLICA_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "consensus/message.h"
#include "consensus/types.h"
#include "src/base/error.h"

namespace synod::consensus {

struct Config {
  NodeId self;
  // The newest membership that this node knows of, be it told by others; in force until a chosen
  // kConfig entry says otherwise.
  Membership membership;
  // The version that its state machine holds. While that is older, the node knows who its members
  // are but not yet what they agreed on: it does not campaign.
  uint64_t membership_held = 0;
  // The state machine is not there: nothing is handed out before InstallSnapshot(). Such a node
  // promises, votes and learns, and does not campaign.
  bool awaits_state = false;
  uint64_t seed = 0;     // for election jitter
  uint64_t boot_id = 0;  // differs at every start of the process: names the reads it asks a leader
  // In ticks; the driver ticks every 10 ms. Defaults: heartbeat 50 ms, election 500 to 1000 ms.
  uint32_t heartbeat_ticks = 5;
  uint32_t election_ticks_min = 50;
  uint32_t election_ticks_max = 100;  // exclusive
  uint64_t window_slots = 512;
  size_t window_bytes = size_t{16} << 20;
  // Values that were handed to the own log and are not durable yet: above it no more are voted for,
  // learned or proposed; what peers sent is as good as lost.
  size_t unsynced_bytes_max = size_t{64} << 20;
  size_t message_bytes_max = size_t{1}
                             << 20;       // packing limit of one Accept, Promise part, LearnResp
  size_t cache_bytes = size_t{64} << 20;  // chosen entries kept in memory for peers that lag
  // Leader leases for reads (lease.h), asked for and given; 0: none. And what an earlier process of
  // this node may have given.
  uint64_t lease_ms = 0;
  uint64_t lease_before_ms = 0;
};

enum class Role : uint8_t { kFollower, kCandidate, kLeader };

struct Send {
  NodeId to;
  Message message;
  PersistId after;  // 0: at once
};

// A read may be served once everything up to `index` is applied.
struct ReadGrant {
  uint64_t read_id = 0;
  Slot index;
  int64_t leader_stamp = 0;  // the leader's SetStamp() value when it registered the read
};

// A peer needs chosen entries that are no longer in memory: the driver reads them from the
// acceptor's log (slots from `from` on, at most `bytes_max`, contiguous) and gives them to
// Loaded().
struct LoadRequest {
  NodeId peer;
  Slot from;
  size_t bytes_max = 0;
};

// Named things that happened, for logs, metrics and scenario tests; `what` is stable:
//   elections   pre_vote, prepare, became_leader (number: round), leader_start_chosen (slot),
//               follows, leader_gone, asked_to_lead (node)
//   ended       stepped_down or campaign_ended (round), followed by why: lost_quorum, refused,
//               promised_to_another, another_leads, campaign_failed, fetch_failed, transferred,
//               learned_a_foreign_value, installs_snapshot, removed, may_not_lead
//   transfer    transfer_started, transfer_sent, transfer_failed (node)
//   learning    ignored_commit_of_other_ballot (slot), needs_snapshot (first slot to be had),
//               peer_needs_snapshot (node), snapshot_installed (its slot)
//   membership  membership (version), switch_passed (slot), refused_stale_config (node)
//   input       ignored_accept (node): malformed, of a stranger, or of an implausible round
struct Event {
  const char* what = "";
  uint64_t number = 0;
};

struct Output {
  std::vector<PersistRequest> persist;  // in order
  std::vector<Send> send;
  std::vector<Chosen> committed;  // contiguous, continues the previous output
  std::vector<ReadGrant> reads;
  std::vector<uint64_t> reads_failed;  // no leader, or it changed: ask again with a new id
  std::vector<LoadRequest> load;
  std::vector<Event> events;
};

class Replica {
 public:
  // `applied` is the slot that the recovered state machine already reflects (<= learned): committed
  // output begins at the next one.
  Replica(const Config& config, Recovered disk, Slot applied);
  ~Replica();
  Replica(Replica&&) noexcept;
  Replica& operator=(Replica&&) noexcept;

  void Tick();
  // What a clock that counts suspend and never goes back shows now, in ms; for leases alone. All
  // reads that were asked before are granted here if this node has one.
  void SetTime(int64_t now_ms);
  void Receive(NodeId from, const Message& message);
  // Everything up to and including `upto` is on disk.
  void Persisted(PersistId upto);

  // Leader only: puts an entry (origin = the current ballot) into the next slot. kNoLeader if not
  // the leader, kOverloaded if the window is full or the membership changes: nothing happened.
  // A kConfig entry (its payload begins with the next membership) needs CanProposeConfig().
  Result<Slot> Propose(EntryKind kind, SharedBytes payload);
  // True if Propose(kCommand) would be accepted now.
  bool CanPropose() const;
  // True if Propose(kConfig) would be accepted now: this ballot's LeaderStart is chosen, and so is
  // everything else that was proposed. Nothing is proposed above the entry until a majority of its
  // voters has promised this ballot again and holds everything up to it.
  bool CanProposeConfig() const;
  // From a membership entry's proposal until entries above it may be proposed (leader).
  bool MembershipChanging() const;

  // Starts a linearizable read on any node; ids are unique for the life of the process. The answer
  // is a ReadGrant or an entry in reads_failed in a later output. Calls of one turn share one
  // round.
  void ReadIndex(uint64_t read_id);
  // The number that grants of reads registered from now on carry (cluster time, for the driver).
  void SetStamp(int64_t stamp);

  // The peer's process is gone (connection ended without a goodbye and a new one is refused): if it
  // led, skip the rest of the election timeout and this node's stickiness to it.
  void PeerGone(NodeId peer);
  // Hands leadership to a voter: stops proposing, waits for it to catch up, sends TimeoutNow.
  // kNoLeader if not leading, kInvalidRequest if `to` is no voter, kNotReady while another transfer
  // is under way; progress shows in events.
  Status TransferLeadership(NodeId to);
  // False: never campaigns, not even when asked to; a leader goes on until it hands over.
  void SetMayLead(bool may);
  // Makes the current `learned` durable if no later persist will (an idle node, before a
  // checkpoint).
  void PersistLearned();
  // All slots below `first` are covered by a durable checkpoint and no longer kept on disk.
  void Truncate(Slot first);
  // The driver's state machine now reflects every slot up to `slot`, durably, without having run
  // them: a snapshot of another member. False, and nothing changed, unless that is above
  // InstallsAbove(). The promise and every vote above stay (they are votes); what is below is
  // covered. Persists {learned, first_slot}; the next committed output begins behind `slot`.
  // `membership` is that of the snapshot's state, and counts if it is newer.
  bool InstallSnapshot(Slot slot, const Membership& membership);
  // All that is learned; of one that awaits its state, all that it no longer has in memory.
  Slot InstallsAbove() const;
  bool AwaitsState() const;
  // A member that was asked for what follows learned() no longer has it: only a snapshot helps. The
  // first slot that it has; until something is learned.
  std::optional<Slot> needs_snapshot() const;
  // The answer to a LoadRequest; empty entries: the log no longer has them (event
  // "peer_needs_snapshot").
  void Loaded(const LoadRequest& request, std::vector<Chosen> entries);

  Output TakeOutput();

  Role role() const;
  bool IsLeader() const { return role() == Role::kLeader; }
  Ballot ballot() const;                 // the promised ballot; the leader's own while leading
  std::optional<NodeId> leader() const;  // as this node believes
  Slot commit() const;                   // highest slot known chosen without a gap, held or not
  Slot learned() const;                  // highest slot known chosen and held without a gap
  Slot durable_learned() const;          // the part of it that is on disk
  Slot first_slot() const;
  const Membership& membership() const;
  // Leader only: the highest durable learned slot each peer reported, and ticks since it was heard;
  // voters and learners.
  struct PeerProgress {
    NodeId peer;
    Slot learned;
    uint32_t ticks_silent = 0;
  };
  std::vector<PeerProgress> Progress() const;
  // True while a majority answered the leader within one election timeout.
  bool QuorumFresh() const;
  // Slots proposed and not yet chosen (leader).
  uint64_t InFlight() const;

  // Aborts if an invariant of this replica is broken (consensus/invariants.cc).
  void CheckInvariants() const;

 private:
  class Core;
  std::unique_ptr<Core> core_;
};

}  // namespace synod::consensus

#endif  // SYNOD_CONSENSUS_REPLICA_H_
