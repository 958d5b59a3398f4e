// EngineCluster: a few engines joined in memory, for tests: every turn is explicit, time is a
// number.
//
// Contract      Run(ms) advances everybody's clock in steps of 10 ms or as asked, delivers frames
//               between connected nodes in order and makes every persist durable at once, or after
//               some turns. Cut() and Stop() are the only faults; the simulator has the others.
#ifndef SYNOD_TESTS_UNIT_NODE_ENGINE_CLUSTER_H_
#define SYNOD_TESTS_UNIT_NODE_ENGINE_CLUSTER_H_

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "src/base/check.h"
#include "src/node/engine.h"

namespace synod::node {

class EngineCluster {
 public:
  // In what the nodes differ from the usual.
  struct Options {
    uint64_t digest_every = 10'000;
    std::map<uint32_t, auth::Settings> settings = {};  // another state from the beginning
    std::map<uint32_t, uint32_t> supports = {};        // machine versions
    auth::SettingValues first_settings = {};
    std::vector<auth::QuotaChange> first_quotas = {};
    uint64_t lease_ms = 0;  // of leader leases, and what processes before gave
    uint64_t lease_before_ms = 0;
    int64_t sync_turns = 0;  // a persist is durable so many turns after it was asked for
    size_t unsynced_bytes_max = consensus::Config().unsynced_bytes_max;
    bool short_log = false;  // what a checkpoint covers is gone: who lacks it needs a snapshot
  };

  explicit EngineCluster(uint32_t n) : EngineCluster(n, Options()) {}
  EngineCluster(uint32_t n, Options options) : options_(std::move(options)) {
    for (uint32_t i = 1; i <= n; ++i) voters_.push_back(NodeId(i));
    for (const NodeId id : voters_) Start(id);
    for (const NodeId a : voters_)
      for (const NodeId b : voters_)
        if (a != b)
          Connect(a, b);
  }

  Engine& node(uint32_t id) { return *nodes_.at(NodeId(id)); }

  void Cut(uint32_t a, uint32_t b) {
    cut_.insert({NodeId(a), NodeId(b)});
    cut_.insert({NodeId(b), NodeId(a)});
  }
  void CutOneWay(uint32_t from, uint32_t to) { cut_.insert({NodeId(from), NodeId(to)}); }
  void Isolate(uint32_t id) {
    for (const NodeId other : voters_)
      if (other != NodeId(id))
        Cut(id, other.value);
  }
  void Heal() { cut_.clear(); }
  // Breaks the connection and makes it anew at once: what is on the way is lost.
  void Reconnect(uint32_t a, uint32_t b) {
    std::erase_if(wire_, [&](const auto& w) {
      return (w.first == NodeId(a) && w.second.to == NodeId(b)) ||
             (w.first == NodeId(b) && w.second.to == NodeId(a));
    });
    Connect(NodeId(a), NodeId(b));
    Connect(NodeId(b), NodeId(a));
  }
  // The process ends and the others notice.
  void Kill(uint32_t id) {
    nodes_.erase(NodeId(id));
    for (auto& [other, engine] : nodes_) engine->PeerDown(NodeId(id), true);
  }

  // Starts a node again, with the first `gen` records of its log, and no checkpoint.
  void Start(uint32_t id, uint64_t gen, std::string lost = {}) {
    const NodeId node(id);
    logs_[node].resize(gen);
    Start(node, std::move(lost), {});
    for (auto& [other, engine] : nodes_)
      if (other != node) {
        Connect(node, other);
        Connect(other, node);
      }
  }
  uint64_t GenOf(uint32_t id) { return logs_[NodeId(id)].size(); }
  struct OfState {
    bool discard = false;
    bool unconfirmed = false;  // is marked so; what the driver marks by itself is, too
  };
  // A new process, of another build maybe, with what the machine of the old one held, or with
  // nothing of it.
  void Restart(uint32_t id, uint32_t supports = machine::kMachineVersion) {
    Restart(id, supports, OfState());
  }
  void Restart(uint32_t id, uint32_t supports, const OfState& of_state) {
    machine::Machine state = Copy(nodes_.at(NodeId(id))->machine(), supports);
    consensus::Recovered disk;
    disk.gen = GenOf(id);
    const consensus::Replica& replica = node(id).replica();
    const bool taken = node(id).StateUnconfirmed() && !replica.AwaitsState();
    disk.hard_state = {.promised = replica.ballot(),
                       .learned = state.applied(),
                       .commit_hint = state.applied(),
                       .first_slot = Slot(1)};
    Kill(id);
    options_.supports[id] = supports;
    EngineConfig config = ConfigOf(NodeId(id));
    config.boot += ++restarts_ * 1000;
    config.consensus.boot_id = config.boot;
    config.discard_state = of_state.discard;
    config.state_unconfirmed = of_state.unconfirmed || taken;
    if (of_state.discard) {
      config.consensus.membership = state.membership();
      state = machine::Machine(auth::Settings(), supports);
    }
    nodes_[NodeId(id)] = std::make_unique<Engine>(config, std::move(state), std::move(disk), now_);
    nodes_[NodeId(id)]->SnapshotsRecovered({}, std::nullopt);
    for (auto& [other, engine] : nodes_)
      if (other != NodeId(id)) {
        engine->PeerUp(ViewOf(NodeId(id)), config.boot);
        Connect(NodeId(id), other);
      }
  }

  // One exchange without time passing, but for the microsecond by which turns are told apart.
  void Turn() {
    ++turn_;
    for (auto& [id, engine] : nodes_) {
      const uint64_t applied = engine->counters().entries_applied;
      engine->SetTurn(turn_);
      EngineOutput out = engine->Take();
      uint64_t& largest = largest_apply_[id];
      largest = std::max(largest, engine->counters().entries_applied - applied);
      if (!out.persist.empty())
        syncs_.push_back({turn_ + options_.sync_turns, id, std::move(out.persist)});
      for (Frame& frame : out.frames) {
        SYNOD_CHECK_LE(frame.body.size(), kFrameBytesMax);
        if (!cut_.contains({id, frame.to}))
          wire_.emplace_back(id, std::move(frame));
      }
      for (ChangeDone& done : out.changes) {
        times_.emplace(std::pair(id, done.call), done.times);
        changes_.emplace(std::pair(id, done.call), std::move(done.answer));
      }
      for (ReadReady& ready : out.reads)
        reads_.emplace(std::pair(id, ready.call), std::move(ready.time));
      ended_streams_ += out.end_streams ? 1 : 0;
      for (const SnapshotJob& job : out.snapshots)
        std::visit([&, node = engine.get()](const auto& j) { Run(node, j); }, job);
      if (out.stop)
        stopped_[id.value] = *out.stop;
      if (out.checkpoint) {
        checkpoints_[id] = out.checkpoint->slot;
        engine->Checkpointed(out.checkpoint->slot,
                             options_.short_log ? out.checkpoint->slot + 1 : Slot(1));
      }
      if (out.lost)
        lost_[id] = *out.lost;
    }
    EndSyncs();
    for (auto& [from, frame] : std::exchange(wire_, {}))
      if (const auto it = nodes_.find(frame.to); it != nodes_.end())
        it->second->Receive(from, frame.body);
  }
  void Settle() {
    for (int i = 0; i < 20; ++i) Turn();
  }
  void Run(int64_t ms, int64_t step_ms = 10) {
    for (const int64_t end = now_ + ms; now_ < end;) {
      now_ += step_ms;
      for (auto& [id, engine] : nodes_)
        if (!frozen_.contains(id))
          engine->Advance(now_);
      for (int i = 0; i < 4; ++i) Turn();
    }
  }
  // Runs until somebody leads, has begun and takes commands (the first leader of all gives the log
  // its membership before); gives its id.
  uint32_t Elect() {
    for (int i = 0; i < 1000; ++i) {
      Run(10);
      for (auto& [id, engine] : nodes_)
        if (engine->replica().IsLeader() && engine->Ready() && IsSteady(*engine))
          return id.value;
    }
    return 0;
  }

  // An empty node that was told this membership, with all it needs to be connected.
  void Join(uint32_t id, const Membership& told) {
    Start(NodeId(id), {}, told);
    for (auto& [other, engine] : nodes_)
      if (other != NodeId(id)) {
        Connect(NodeId(id), other);
        Connect(other, NodeId(id));
      }
  }

  std::optional<Result<machine::Answer>> Answer(uint32_t id, CallId call) {
    const auto it = changes_.find({NodeId(id), call});
    if (it == changes_.end())
      return std::nullopt;
    return it->second;
  }
  ChangeTimes TimesOf(uint32_t id, CallId call) { return times_.at({NodeId(id), call}); }
  int64_t turn() const { return turn_; }
  std::optional<Result<ClusterTime>> ReadAnswer(uint32_t id, CallId call) {
    const auto it = reads_.find({NodeId(id), call});
    if (it == reads_.end())
      return std::nullopt;
    return it->second;
  }
  int64_t now() const { return now_; }
  size_t UnsyncedBytes(uint32_t id) const {
    size_t bytes = 0;
    for (const Sync& sync : syncs_)
      for (const consensus::PersistRequest& request : sync.record)
        for (const consensus::AcceptedEntry& entry : request.entries)
          bytes += sync.node == NodeId(id) ? entry.entry.ByteSize() : 0;
    return bytes;
  }
  Slot CheckpointOf(uint32_t id) { return checkpoints_[NodeId(id)]; }
  // The most entries that the node applied in one turn so far.
  uint64_t largest_apply(uint32_t id) const { return largest_apply_.at(NodeId(id)); }
  // Nodes that must end, and why.
  const std::map<uint32_t, std::string>& stopped() const { return stopped_; }
  int ended_streams() const { return ended_streams_; }
  std::set<NodeId> frozen_;
  std::set<NodeId> standing_;           // whose logs take nothing
  std::map<NodeId, std::string> lost_;  // as the engines told

  static machine::Command PutCommand(std::string path, std::string value) {
    machine::Command command;
    machine::Put put;
    put.path = std::move(path);
    put.value = std::move(value);
    command.operation = std::move(put);
    return command;
  }

 private:
  static machine::Machine Copy(const machine::Machine& from, uint32_t supports) {
    machine::Machine copy(auth::Settings(), supports);
    from.ForEachRecord([&](std::string_view k, std::string_view v) {
      SYNOD_CHECK(copy.LoadRecord(k, v).has_value());
    });
    SYNOD_CHECK(copy.FinishLoad().has_value());
    return copy;
  }

  // Snapshots: the machine as it is when one is made, and one byte that stands for its file.
  void Run(Engine* node, const MakeSnapshot&) {
    const Slot slot = node->machine().applied();
    const Hash128 id{slot.value, ++snapshots_made_};
    snapshots_.emplace(id, Copy(node->machine(), node->machine().supports()));
    node->SnapshotMade(SnapshotFile{id, slot, 1});
  }
  void Run(Engine* node, const ReadSnapshot& job) { node->SnapshotRead(job, Bytes(1, 'x')); }
  void Run(Engine*, const RemoveSnapshot&) {}
  void Run(Engine* node, const StoreSnapshotPart& job) {
    received_[node] = job.id;
    node->SnapshotStored(Done());
  }
  void Run(Engine*, const DropSnapshotPart&) {}
  void Run(Engine* node, const BuildSnapshot&) {
    const machine::Machine& state = snapshots_.at(received_.at(node));
    (void)node->InstallSnapshot(Copy(state, state.supports()));
  }

  static bool IsSteady(const Engine& engine) {
    return engine.machine().membership().version > 0 && !engine.replica().MembershipChanging();
  }
  machine::MemberView ViewOf(NodeId id) const {
    const std::string n = std::to_string(id.value);
    const auto supports = options_.supports.find(id.value);
    return {id,
            "uuid-" + n,
            "node-" + n,
            "",
            "",
            supports == options_.supports.end() ? machine::kMachineVersion : supports->second};
  }
  EngineConfig ConfigOf(NodeId id, const Membership& told = {}) const {
    EngineConfig config;
    config.self = ViewOf(id);
    config.digest_every = options_.digest_every;
    config.first_settings = options_.first_settings;
    config.first_quotas = options_.first_quotas;
    config.boot = 100 + id.value;
    config.consensus.self = id;
    config.consensus.membership = told;
    if (told.version == 0)
      config.consensus.membership.voters = voters_;
    config.consensus.seed = id.value;
    config.consensus.boot_id = config.boot;
    config.consensus.unsynced_bytes_max = options_.unsynced_bytes_max;
    config.consensus.lease_ms = options_.lease_ms;
    config.consensus.lease_before_ms = options_.lease_before_ms;
    if (options_.short_log)
      config.consensus.cache_bytes = 0;
    return config;
  }
  void Start(NodeId id, std::string lost = {}, const Membership& told = {}) {
    EngineConfig config = ConfigOf(id, told);
    config.lost = std::move(lost);
    consensus::Recovered disk = RecoverLog(logs_[id]);
    machine::Machine state(options_.settings[id.value], ViewOf(id).machine_version);
    nodes_[id] = std::make_unique<Engine>(config, std::move(state), std::move(disk), now_);
    nodes_[id]->SnapshotsRecovered({}, std::nullopt);
  }
  void Connect(NodeId a, NodeId b) { nodes_.at(a)->PeerUp(ViewOf(b), 100 + b.value); }
  void EndSyncs() {
    std::deque<Sync> later;
    for (Sync& sync : syncs_) {
      const auto it = nodes_.find(sync.node);
      if (sync.ends > turn_ || standing_.contains(sync.node))
        later.push_back(std::move(sync));
      else if (it != nodes_.end())
        Persisted(it->first, it->second.get(), std::move(sync.record));
    }
    syncs_ = std::move(later);
  }

  // What one sync makes durable.
  using LogRecord = std::vector<consensus::PersistRequest>;
  void Persisted(NodeId id, Engine* node, LogRecord record) {
    const PersistId last = record.back().id;
    logs_[id].push_back(std::move(record));
    node->Persisted(last, logs_[id].size());
  }
  static consensus::Recovered RecoverLog(const std::vector<LogRecord>& log) {
    consensus::Recovered disk;
    disk.gen = log.size();
    std::map<Slot, consensus::AcceptedEntry> last;
    for (const LogRecord& record : log)
      for (const consensus::PersistRequest& request : record) {
        disk.hard_state = request.hard_state;
        for (const consensus::AcceptedEntry& entry : request.entries) last[entry.slot] = entry;
      }
    for (auto& [slot, entry] : last) disk.entries.push_back(std::move(entry));
    return disk;
  }

  struct Sync {
    int64_t ends = 0;
    NodeId node;
    LogRecord record;
  };

  Options options_;
  std::map<uint32_t, std::string> stopped_;
  int ended_streams_ = 0;
  uint64_t restarts_ = 0;
  uint64_t snapshots_made_ = 0;
  std::map<Hash128, machine::Machine> snapshots_;
  std::map<Engine*, Hash128> received_;

  std::vector<NodeId> voters_;
  std::map<NodeId, std::unique_ptr<Engine>> nodes_;
  std::map<NodeId, Slot> checkpoints_;
  std::map<NodeId, std::vector<LogRecord>> logs_;
  std::deque<Sync> syncs_;
  std::deque<std::pair<NodeId, Frame>> wire_;
  std::set<std::pair<NodeId, NodeId>> cut_;
  std::map<std::pair<NodeId, CallId>, Result<machine::Answer>> changes_;
  std::map<std::pair<NodeId, CallId>, ChangeTimes> times_;
  std::map<std::pair<NodeId, CallId>, Result<ClusterTime>> reads_;
  std::map<NodeId, uint64_t> largest_apply_;
  int64_t now_ = 1000;
  int64_t turn_ = 0;
};

}  // namespace synod::node

#endif  // SYNOD_TESTS_UNIT_NODE_ENGINE_CLUSTER_H_
