// NodeHost: one machine of the cluster: the production engine, log and hub on a simulated disk and
// clock, driven as src/node drives them.
//
// Contract      Does what an EngineOutput says, with delays: one append at a time and everything
//               that waits in one record, checkpoints behind it, frames to the network, answers to
//               the callers. Can be killed, cut off from power, paused, frozen and started again at
//               any moment, in the middle of an append or of a checkpoint too.
// Checks        What a restart finds against what was told durable before; that nothing that may
//               only rise falls; bounds of queues; everything else is the observer's.
// Thread        One.
#ifndef SYNOD_TESTS_SIM_NODE_HOST_H_
#define SYNOD_TESTS_SIM_NODE_HOST_H_

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "src/base/random.h"
#include "src/node/engine.h"
#include "src/storage/acceptor_log.h"
#include "src/storage/snapshot_store.h"
#include "tests/sim/network.h"
#include "tests/sim/observer.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/swarm.h"
#include "tests/sim/trace.h"
#include "tests/support/memory_state_store.h"
#include "tests/support/sim_file_system.h"
#include "watch/hub.h"

namespace synod::sim {

struct RunStats {
  uint64_t elections = 0, crashes = 0, restarts = 0, torn_appends = 0, checkpoints = 0;
  uint64_t crashes_at_install = 0;
  uint64_t appends = 0, requests = 0, loads = 0, cancels = 0;
  uint64_t old_disks = 0, damages = 0;     // put in place, done to a log at rest
  uint64_t caught = 0;                     // identities that were found lost, by what peers saw
  uint64_t refused = 0;                    // logs that did not open for their damage
  uint64_t rotten = 0, upgraded = 0;       // nodes, clusters
  uint64_t joined = 0, left = 0;           // nodes that were added, and that were told to go
  std::map<std::string, uint64_t> events;  // of the replicas, by name
};

class NodeHost;

// What all hosts of a run share.
struct World {
  Scheduler scheduler;
  Swarm swarm;
  Trace trace;
  Observer observer;
  SimNetwork network;
  RunStats stats;
  std::map<NodeId, uint32_t> builds;  // machine version that each process knows
  std::map<NodeId, NodeHost*> hosts;  // those that were removed, too
  bool members_change = false;        // a change was asked for and its outcome is not known
  World(const Swarm& s, bool print, Random network_random)
      : swarm(s),
        trace(&scheduler, print),
        observer(&scheduler, swarm),
        network(&scheduler, network_random, swarm) {}

  NodeHost* AnyHost(Random* random) const;
  // Null: a member that nobody is, entered by a request that was repeated and came late.
  const NodeHost* Find(NodeId id) const;
  // Of these nodes: whose disks do not hold what they held, or that have none.
  size_t CountSpoiled(const std::vector<NodeId>& nodes) const;
};

struct ChangeReply {
  RequestId id;
  Result<machine::Answer> answer;
};

struct ReadReply {
  Result<machine::QueryResult> result;
  bool served = false;  // false: `result` says why the read could not be served
  Revision revision;    // of the state that answered
  ClusterTime time;
  Time served_at = 0;
};

class NodeHost final : public Endpoint {
 public:
  // With an empty disk, and told that these are the members.
  NodeHost(World* world, NodeId id, Random random, Membership membership);
  ~NodeHost() override;

  // Loads the state, opens the log, starts the process.
  void Start();
  enum class Crash : uint8_t { kKill, kPowerCut };
  void Stop(Crash how);
  // SIGTERM: refuses new calls, ends the others, then the process.
  void ShutDown();
  void Pause(bool stop_clock);
  void Resume();
  void SlowDisk(int64_t factor) { disk_factor_ = factor; }
  void FailNextSync() { fail_sync_ = true; }
  // The power goes while the next record (or the present one) is being written.
  void TearNextAppend();
  // Remembers the disk as it is. Later, on a stopped node: puts it back.
  void CopyDisk();
  uint64_t gen_of_copy() const { return copy_->gen; }
  const Membership& kept_membership() const { return membership_; }
  void PutOldDisk();
  // On a stopped node: bits flip in the newest segment of its log, or it is lost, or all are. Who
  // then opens a log of fewer than `seen` records must be caught.
  void DamageDisk(uint64_t seen);
  // It takes no part in the rest of the run.
  // Its state on the disk is as if it had applied another entry than the log's, once. Does nothing
  // to a state that does not allow it yet.
  void Rot();
  bool rotten() const { return rotten_; }
  // From the next start on the process is a build of the next machine version.
  void Upgrade() { supports_ = kNextVersion; }
  void Retire();
  bool spoiled() const { return spoiled_; }  // its disk does not hold what it held
  bool retired() const { return retired_; }
  bool removed() const { return removed_; }  // from the cluster, knows it, and has retired
  // It may have forgotten something, and it is open whether the others will find out.
  bool IsLossOpen() const { return !retired_ && (damaged_ || (forgot() && !quarantined())); }
  bool forgot() const { return must_be_caught_; }
  bool quarantined() const { return !quarantine_.empty(); }
  // The records of that node's log that this one will know of after a power cut.
  uint64_t GenKeptOf(NodeId node) const;

  bool running() const { return engine_ != nullptr; }
  bool paused() const { return paused_; }
  uint64_t boot() const { return boot_; }
  NodeId id() const { return id_; }
  // Only while running.
  node::Engine& engine() { return *engine_; }
  watch::Hub& hub() { return *hub_; }

  // What arrives at the process: runs as soon as the process is able to, or never if it ends first.
  void Input(std::function<void()> input);
  // Calls of clients, from within Input(). `done` runs at most once: not at all if the process ends
  // first.
  using ChangeDone = std::function<void(const ChangeReply&)>;
  using ReadDone = std::function<void(const ReadReply&)>;
  Result<node::CallId> Change(machine::Command command, int64_t timeout_ms, ChangeDone done);
  node::CallId Read(const node::ReadRequest& request,
                    machine::Query query,
                    ReadDone done,
                    const auth::Principal& who);
  void Cancel(node::CallId call);
  // Runs after the hub has been told of new revisions.
  void SetHubListener(std::function<void()> listener) { hub_listener_ = std::move(listener); }
  // Runs when the process has ended.
  void SetEndListener(std::function<void()> listener) { end_listener_ = std::move(listener); }

  // From the network.
  void OnPeerUp(NodeId peer, uint64_t boot) override;
  void OnPeerDown(NodeId peer, bool process_gone) override;
  void OnFrame(NodeId from, const std::string& frame) override;
  bool Refuses(NodeId peer) const override;
  void OnToldRemoved() override { told_removed_ = true; }

 private:
  void ScheduleTurn();
  void Turn();
  void Tick(uint64_t process);
  void Handle(node::EngineOutput out);
  void ServeReads(std::vector<node::ReadReady> reads);
  bool MayTell(bool served) const;
  void SendFrames(const std::vector<node::Frame>& frames);
  void AppendSoon();
  void AppendDone();
  void TearAppend();
  void WriteCheckpoint(node::CheckpointJob job);
  bool StoreCheckpoint(const node::CheckpointJob& job, Slot* first_kept);
  void Load(const consensus::LoadRequest& request);
  void CheckAfterTurn();
  void FollowMembers();
  void KeepMembership();
  void Leave();
  Time DrawJobTime(const node::SnapshotJob& job);
  void RunSnapshotJobs();
  void RunSnapshotJob(const node::SnapshotJob& job, storage::StateSnapshot* state);
  void BuildState(const Bytes& witness);
  void InstallState(storage::MemoryStateDisk disk, machine::Machine machine);
  void TearSnapshotJob();
  void OpenSnapshots();
  machine::Machine LoadMachine();
  bool OpenLog(Slot state_slot, consensus::Recovered* recovered);
  // What was durable and is not in `recovered`; empty: nothing.
  std::string FindLost(Slot state_slot, const consensus::Recovered& recovered) const;
  // False: the node does not start.
  bool JudgeDisk(Slot state_slot, const consensus::Recovered& recovered);
  node::EngineConfig MakeConfig() const;
  Time Draw(Time low, Time high);
  int64_t NowMs() { return clock_.NowMs(world_->scheduler.now()); }
  std::string Who() const { return "node " + std::to_string(id_.value) + ": "; }

  World* world_;
  NodeId id_;
  Random random_;
  SimClock clock_;
  int64_t disk_factor_ = 1;
  bool fail_sync_ = false;
  bool tear_next_ = false;

  // The machine: outlives processes.
  storage::SimFileSystem files_;
  storage::MemoryStateDisk state_disk_;
  consensus::HardState durable_;          // as told durable to a process
  std::map<Slot, Ballot> durable_votes_;  // likewise, above the checkpoint
  Slot checkpointed_;
  uint64_t boots_ = 0;
  struct DiskCopy {
    storage::SimFileSystem::Image files;
    storage::MemoryStateDisk state;
    Membership membership;
    uint64_t gen = 0;
  };
  std::optional<DiskCopy> copy_;
  std::string quarantine_;  // the mark in the data directory
  Membership membership_;   // as the data directory remembers it
  bool spoiled_ = false;
  bool damaged_ = false;         // since the last start
  uint64_t seen_by_others_ = 0;  // of the log, when it was damaged
  bool must_be_caught_ = false;  // it forgot something: it must never take part
  bool retired_ = false;
  bool removed_ = false;
  bool rotten_ = false;
  uint32_t supports_ = machine::kMachineVersion;

  // The process. `process_` rises with every start and stop: events of an old one do nothing.
  uint64_t process_ = 0;
  uint64_t boot_ = 0;
  std::unique_ptr<storage::AcceptorLog> log_;
  std::unique_ptr<storage::SnapshotStore> snapshots_;
  std::unique_ptr<node::Engine> engine_;
  std::unique_ptr<watch::Hub> hub_;
  bool paused_ = false;
  bool turn_scheduled_ = false;
  bool silent_ = false;  // it knew before this turn that its state is not the others'
  std::deque<std::function<void()>> backlog_;  // inputs of a paused process
  std::vector<consensus::PersistRequest> queue_;
  std::vector<consensus::PersistRequest> appending_;
  std::optional<node::CheckpointJob> checkpoint_;
  std::deque<node::SnapshotJob> snapshot_jobs_;  // the first one is being done
  bool crash_at_turn_ = false;
  std::map<NodeId, std::optional<Time>> peers_up_;  // since when it is no member
  bool told_removed_ = false;                       // by a peer
  std::optional<Time> removed_since_;
  std::map<node::CallId, ChangeDone> changes_;
  struct PendingRead {
    machine::Query query;
    ReadDone done;
    auth::Principal who;
  };
  std::map<node::CallId, PendingRead> reads_;
  std::set<node::CallId> cancelled_;  // may have ended in the same turn
  std::function<void()> hub_listener_;
  std::function<void()> end_listener_;

  // For what may only rise.
  Ballot seen_ballot_;
  Slot seen_applied_, seen_learned_, seen_durable_learned_;
  Revision seen_revision_;
  ClusterTime seen_time_;
  std::optional<uint64_t> seen_in_flight_;
};

}  // namespace synod::sim

#endif  // SYNOD_TESTS_SIM_NODE_HOST_H_
