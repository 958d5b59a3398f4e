#include "src/node/engine.h"

#include <algorithm>
#include <utility>

#include "src/base/check.h"
#include "src/node/engine_core.h"

namespace synod::node {
namespace {

// After a pause of the process its ticks come in one lump: few of them count, or it would campaign
// before it has read what the others sent meanwhile.
constexpr int64_t kTicksAtOnceMax = 3;
constexpr int64_t kUpkeepMs = 50;
constexpr int64_t kHandOverEveryMs = 1000;
constexpr size_t kFullFrameBytes = size_t{4} << 20;  // or one item that is larger
// A member further behind than this would keep everybody waiting before it could lead.
constexpr uint64_t kLagMax = 1000;

machine::LogEntry ToLogEntry(const consensus::Chosen& chosen) {
  machine::LogEntry entry;
  entry.slot = chosen.slot;
  entry.origin = chosen.entry.origin;
  entry.payload = *chosen.entry.payload;
  switch (chosen.entry.kind) {
    case consensus::EntryKind::kLeaderStart:
      entry.kind = machine::LogEntry::Kind::kLeaderStart;
      break;
    case consensus::EntryKind::kCommand:
      entry.kind = machine::LogEntry::Kind::kCommand;
      break;
    case consensus::EntryKind::kConfig:
      entry.kind = machine::LogEntry::Kind::kConfig;
      break;
    case consensus::EntryKind::kNoop:
      entry.kind = machine::LogEntry::Kind::kNoop;
      entry.payload = {};
      break;
  }
  return entry;
}

// The newer of what the node was told and of what its state machine holds.
consensus::Config ConsensusConfig(const EngineConfig& engine, const Membership& held) {
  consensus::Config config = engine.consensus;
  config.awaits_state = engine.discard_state;
  config.membership_held = held.version;
  if (held.version > config.membership.version)
    config.membership = held;
  return config;
}

consensus::Replica MakeReplica(const EngineConfig& config,
                               const machine::Machine& machine,
                               consensus::Recovered disk) {
  // Without a state nothing of what is learned can be run again, and need not be.
  const Slot applied = config.discard_state ? disk.hard_state.learned : machine.applied();
  return {ConsensusConfig(config, machine.membership()), std::move(disk), applied};
}

}  // namespace

Engine::Core::Core(const EngineConfig& c,
                   machine::Machine m,
                   consensus::Recovered disk,
                   int64_t now)
    : source(c.snapshots, &snapshot_counters),
      sink(&snapshot_counters),
      config(c),
      machine(std::move(m)),
      witness(c.self.id, disk.gen, c.lost),
      replica(MakeReplica(c, machine, std::move(disk))),
      reads(static_cast<int64_t>(c.consensus.election_ticks_max) * c.tick_ms),
      digests(c.self.id, c.digest_every),
      now_ms(now),
      checkpoint_at_ms_(now),
      ticked_ms_(now) {
  config_at_ = machine.applied();
  clock.Advance(now, false);
  replica.SetTime(now);
  lost_reported_ = !c.lost.empty();
  old_ballot_ = replica.ballot();
  witness.Remember(c.cluster_id, c.witness);
  CheckWitness();
  config.self.machine_version = machine.supports();
  unproven = c.discard_state || c.state_unconfirmed;
  TakeOverDigests();
}

bool Engine::Core::IsConnected(NodeId member) const {
  if (member == config.self.id)
    return true;
  const auto it = peers.find(member);
  return it != peers.end() && it->second.connected;
}

bool Engine::Core::LeaderKnown() const {
  if (!Participates())
    return false;
  const std::optional<NodeId> leader = replica.leader();
  if (!leader)
    return false;
  if (*leader == config.self.id)
    return replica.IsLeader();
  const auto peer = peers.find(*leader);
  return peer != peers.end() && peer->second.connected;
}

Status Engine::Core::Serves() const {
  if (shutting_down)
    return Error{Errc::kShuttingDown, Outcome::kNotApplied, "the node is stopping"};
  if (diverged)
    return Diverged();
  return Done();
}

Status Engine::Core::Ready() const {
  if (Status serves = Serves(); !serves)
    return serves;
  if (!machine.digest_check().agreed)
    return Error{Errc::kNotReady, Outcome::kNotApplied,
                 "the voters disagree about the state at slot " +
                     std::to_string(machine.digest_check().slot.value) + ": nothing is changed"};
  if (Status part = TakesPart(); !part)
    return part;
  if (!LeaderKnown())
    return Error{Errc::kNoLeader, Outcome::kNotApplied, "no leader is known to this node"};
  if (replica.IsLeader() && machine.leader_start() != replica.ballot())
    return Error{Errc::kNotReady, Outcome::kNotApplied, "the leader has not begun yet"};
  if (replica.IsLeader() && !replica.QuorumFresh())
    return Error{Errc::kNoQuorum, Outcome::kNotApplied, "the leader hears no majority"};
  return Done();
}

void Engine::Core::Advance(int64_t now) {
  const bool stands = now <= now_ms && now - ticked_ms_ < config.tick_ms;
  now_ms = std::max(now_ms, now);
  // With a lease, what was asked before the time at hand is granted by it.
  if (config.consensus.lease_ms > 0 && replica.IsLeader())
    reads.StartRound(&replica, LeaderKnown());
  replica.SetTime(now_ms);
  if (stands)
    return;
  // Nobody can renew a lease while commands are refused, or come to nothing: time stands still
  // then, too.
  syncing_.Note(last_persist_ > persisted_, persisted_.value, now_ms);
  choosing_.Note(replica.InFlight() > 0, replica.learned().value, now_ms);
  const int64_t election_ms = int64_t{config.consensus.election_ticks_min} * config.tick_ms;
  const bool moves =
      syncing_.StandsFor(now_ms) < election_ms && choosing_.StandsFor(now_ms) < election_ms;
  clock.Advance(now_ms, replica.IsLeader() && replica.QuorumFresh() && replica.CanPropose() &&
                            machine.digest_check().agreed && moves);
  replica.SetStamp(std::max(clock.time(), machine.time()).value);
  int64_t ticks = (now_ms - ticked_ms_) / config.tick_ms;
  if (ticks == 0)
    return;
  touched = true;
  ticked_ms_ += ticks * config.tick_ms;
  for (ticks = std::min(ticks, kTicksAtOnceMax); ticks > 0 && Participates(); --ticks)
    replica.Tick();
  ExpireChanges();
  reads.Expire(now_ms, LeaderKnown(), &out.reads);
  if (now_ms - upkeep_ms_ >= kUpkeepMs) {
    upkeep_ms_ = now_ms;
    Upkeep();
  }
}

void Engine::Core::Receive(NodeId from, std::string_view frame) {
  touched = true;
  Result<std::vector<FrameItem>> items = ParseFrame(frame);
  if (!items) {
    out.events.push_back({"malformed_frame", from.value});
    return;
  }
  for (FrameItem& item : *items) {
    if (auto* message = std::get_if<consensus::Message>(&item))
      Receive(from, *message);
    else if (const auto* statement = std::get_if<Witness::Statement>(&item))
      OnStatement(from, *statement);
    else if (const auto* standing = std::get_if<Standing>(&item))
      peers[from].standing = *standing;
    else if (const auto* forward = std::get_if<Forward>(&item))
      OnForward(from, *forward);
    else if (const auto* reject = std::get_if<Reject>(&item))
      OnReject(*reject);
    else if (const auto* move = std::get_if<MoveLeader>(&item))
      (void)TransferLeadership(move->to);  // the one who asked sees whether it comes about
    else if (const auto* request = std::get_if<SnapshotRequest>(&item))
      OnSnapshotRequest(from, *request);
    else if (const auto* report = std::get_if<Report>(&item))
      OnReport(from, *report);
    else
      OnSnapshotAnswer(from, item);
  }
}

void Engine::Core::OnReport(NodeId from, const Report& report) {
  peers[from].applied = report.applied;
  peers[from].durable = report.durable;
  digests.Heard(from, report.digests);
}

Status Engine::Core::TransferLeadership(NodeId to) {
  touched = true;
  if (!replica.IsLeader())
    return Error{Errc::kNoLeader, Outcome::kNotApplied, "this node does not lead"};
  if (to == config.self.id)
    return Done();
  const auto peer = peers.find(to);
  if (peer == peers.end() || !peer->second.connected)
    return Error{Errc::kNotReady, Outcome::kNotApplied, "the leader is not connected to it"};
  for (const consensus::Replica::PeerProgress& progress : replica.Progress())
    if (progress.peer == to && progress.learned.value + kLagMax < replica.learned().value)
      return Error{Errc::kNotReady, Outcome::kNotApplied, "it has yet to catch up"};
  return replica.TransferLeadership(to);
}

Status Engine::Core::AskToLead(NodeId to) {
  if (replica.IsLeader())
    return TransferLeadership(to);
  if (!LeaderKnown())
    return Error{Errc::kNoLeader, Outcome::kNotApplied, "no leader is known to this node"};
  touched = true;
  Bytes item;
  AppendItem(MoveLeader{to}, &item);
  Post(*replica.leader(), std::move(item));
  return Done();
}

Status Engine::Core::HandOver() {
  std::optional<NodeId> best;
  Slot furthest;
  for (const auto& [id, peer] : peers) {
    if (!peer.connected || !replica.membership().IsVoter(id) || (best && peer.applied <= furthest))
      continue;
    if (!peer.standing.takes_part || peer.standing.disk_level >= uint8_t{2})
      continue;
    best = id;
    furthest = peer.applied;
  }
  if (!best)
    return Error{Errc::kNotReady, Outcome::kNotApplied, "no other voter is connected"};
  return TransferLeadership(*best);
}

// By itself, again and again while there is a reason. False: it does not lead, or did so just now.
bool Engine::Core::TryHandOver() {
  if (!replica.IsLeader() || now_ms - hand_over_ms_ < kHandOverEveryMs)
    return false;
  hand_over_ms_ = now_ms;
  (void)HandOver();
  return true;
}

void Engine::Core::OnPeerUp(NodeId peer) {
  touched = true;
  // Unasked, since it may not know this node's address yet.
  State(peer, !witness.trusted());
  // What was under way to a leader may have been lost with the old connection; numbers make the
  // second copy harmless.
  if (replica.leader() != peer || replica.IsLeader())
    return;
  const Ballot ballot = replica.ballot();
  ForwardTo(peer, ballot, changes.Resend(ballot, now_ms, now_ms));
}

void Engine::Core::Persisted(PersistId upto, uint64_t gen) {
  touched = true;
  witness.Appended(gen);
  SYNOD_CHECK_LE(upto, last_persist_);
  persisted_ = std::max(persisted_, upto);
  replica.Persisted(upto);
  while (!held_.empty() && held_.front().after <= persisted_) {
    Dispatch(held_.front().to, std::move(held_.front().message));
    held_.pop_front();
  }
}

void Engine::Core::Post(NodeId to, Bytes item) {
  Bytes& frame = frames_[to];
  if (!frame.empty() && frame.size() + item.size() > kFullFrameBytes)
    out.frames.push_back({to, std::exchange(frame, Bytes())});
  if (frame.empty())
    frame = std::move(item);
  else
    frame += item;
}

void Engine::Core::HandleSends(std::vector<consensus::Send> sends) {
  for (consensus::Send& send : sends) {
    // Order between messages is kept only among those that wait; Paxos needs no more.
    if (send.after <= persisted_)
      Dispatch(send.to, std::move(send.message));
    else
      held_.push_back({send.to, send.after, std::move(send.message)});
  }
}

void Engine::Core::OnLeaderStart(Ballot origin) {
  ++counters.leader_changes;
  counters.reforwarded += changes.RequeueBelow(origin);
  if (replica.IsLeader() && replica.ballot() == origin) {
    clock.Lead(machine.time(), config.grace_ms);
    proposed_time_ = machine.time();
  }
}

void Engine::Core::ApplyCommitted(const std::vector<consensus::Chosen>& committed) {
  const machine::Observer self{config.self.id, config.boot};
  for (const consensus::Chosen& chosen : committed) {
    if (stopped_)
      return;
    const machine::LogEntry entry = ToLogEntry(chosen);
    if (!machine.Understands(entry)) {
      StopAt(entry);
      return;
    }
    ReleaseAnswers(chosen.slot);
    machine::Applied applied;
    FindProposed(chosen.slot);
    const Ballot before = machine.leader_start();
    const uint32_t version = machine.version();
    machine.Apply(entry, self, &applied);
    ++counters.entries_applied;
    counters.commands_applied += applied.commands;
    if (chosen.entry.kind == consensus::EntryKind::kConfig)
      config_at_ = chosen.slot;
    // Entry by entry: a LeaderStart right behind proves only of what was not applied before it that
    // it never will be.
    for (machine::Completion& completion : applied.completions) {
      if (chosen.entry.kind == consensus::EntryKind::kConfig)
        held_answers_.push_back({chosen.slot, std::move(completion)});
      else
        Complete(std::move(completion));
    }
    applying_ = {};  // what is held until later was not proposed with what is applied then
    for (const uint64_t seq : applied.waiting) changes.Waits(seq, turn_us);
    std::move(applied.revisions.begin(), applied.revisions.end(),
              std::back_inserter(out.revisions));
    if (replica.IsLeader())
      std::ranges::move(applied.crossings, std::back_inserter(out.crossings));
    if (machine.leader_start() != before)
      OnLeaderStart(machine.leader_start());
    if (machine.version() != version)
      out.events.push_back({"machine_version", machine.version()});
    NoteDigest(applied);
  }
}

// Guessing what a newer version means would be a state of its own.
void Engine::Core::StopAt(const machine::LogEntry& entry) {
  stopped_ = true;
  const uint32_t version = machine::VersionOf(entry);
  out.events.push_back({"needs_newer_version", version});
  // Who was removed before the others were upgraded needs no newer build: it leaves.
  if (replica.membership().WasRemoved(config.self.id))
    return;
  out.stop = "the log has an entry of machine version " + std::to_string(version) + " (slot " +
             std::to_string(entry.slot.value) + "), and this build knows " +
             std::to_string(machine.supports()) +
             ": all members were upgraded. Start a newer build; the data directory is sound";
}

void Engine::Core::DrainReplica() {
  consensus::Output o = replica.TakeOutput();
  for (consensus::PersistRequest& persist : o.persist) {
    SYNOD_CHECK_GT(persist.id, last_persist_);
    last_persist_ = persist.id;
    withheld_.push_back(std::move(persist));
  }
  // What a process writes before it is trusted would make up, at the next start, for what its log
  // has lost.
  if (witness.trusted()) {
    std::move(withheld_.begin(), withheld_.end(), std::back_inserter(out.persist));
    withheld_.clear();
  }
  HandleSends(std::move(o.send));
  ApplyCommitted(o.committed);
  ReleaseAnswers(machine.applied());
  for (const consensus::ReadGrant& grant : o.reads) reads.Granted(grant);
  for (const uint64_t round : o.reads_failed) reads.Failed(round);
  std::move(o.load.begin(), o.load.end(), std::back_inserter(out.load));
  std::move(o.events.begin(), o.events.end(), std::back_inserter(out.events));
  if (replica.IsLeader())
    return;
  proposed_.clear();
  if (clock.leading())
    clock.Follow();
}

void Engine::Core::MaybeCheckpoint() {
  if (!checkpoint_ && !checkpoint_out_ && !replica.AwaitsState()) {
    const uint64_t dirty = machine.dirty_bytes();
    const bool due = now_ms - checkpoint_at_ms_ >= config.checkpoint_ms;
    const bool full = dirty >= checkpoint_bytes_;
    if (!checkpoint_asked && !full && (!due || dirty == 0))
      return;
    checkpoint_asked = false;
    checkpoint_bytes_ = full ? config.checkpoint_bytes : FirstCheckpointBytes();
    checkpoint_at_ms_ = now_ms;
    checkpoint_ = CheckpointJob{machine.applied(),   machine.digest(),
                                machine.TakeDirty(), witness.Encode(config.cluster_id),
                                machine.revision(),  machine.time(),
                                machine.version(),   std::nullopt};
    // It must not cover what this node would not know to be chosen after a crash.
    replica.PersistLearned();
  }
  if (checkpoint_ && replica.durable_learned() >= checkpoint_->slot) {
    out.checkpoint = std::move(checkpoint_);
    out.checkpoint->keep_log_above = source.KeepLogAbove();
    checkpoint_.reset();
    checkpoint_out_ = true;
  }
}

void Engine::Core::Checkpointed(Slot, Slot first_kept) {
  touched = true;
  checkpoint_out_ = false;
  if (first_kept > replica.first_slot())
    replica.Truncate(first_kept);
}

EngineOutput Engine::Core::Take() {
  touched = false;
  NoteSynced();
  DrainReplica();
  MaybeCheckpoint();
  MoveSnapshots();
  Route();
  Propose();
  reads.StartRound(&replica, LeaderKnown());
  DrainReplica();
  NoteSynced();
  reads.Collect(machine.applied(), machine.revision(), Engine::Core::machine.time(), &out.reads);
  for (auto& [to, body] : frames_) out.frames.push_back({to, std::move(body)});
  frames_.clear();
  return std::exchange(out, {});
}

bool Engine::Core::HasOutput() const { return touched || !frames_.empty(); }

Engine::Engine(const EngineConfig& config,
               machine::Machine machine,
               consensus::Recovered disk,
               int64_t now_ms)
    : core_(std::make_unique<Core>(config, std::move(machine), std::move(disk), now_ms)) {}
Engine::~Engine() = default;

void Engine::Advance(int64_t now_ms) { core_->Advance(now_ms); }

void Engine::PeerUp(const machine::MemberView& peer, uint64_t boot) {
  Core::Peer& p = core_->peers[peer.id];
  p.view = peer;
  p.boot = boot;
  p.connected = true;
  core_->OnPeerUp(peer.id);
}

void Engine::PeerDown(NodeId peer, bool process_gone) {
  core_->touched = true;
  core_->peers[peer].connected = false;
  core_->peers[peer].standing = {};
  if (process_gone)
    core_->replica.PeerGone(peer);
}

void Engine::Receive(NodeId from, std::string_view frame) { core_->Receive(from, frame); }
Result<CallId> Engine::Change(machine::Command command, int64_t timeout_ms) {
  return core_->Change(std::move(command), timeout_ms);
}
void Engine::Cancel(CallId call) { core_->Cancel(call); }

CallId Engine::Read(const ReadRequest& request) {
  core_->touched = true;
  const CallId call = ++core_->last_call;
  if (const Status serves = core_->Serves(); !serves) {
    core_->out.reads.push_back({call, serves.error()});
    return call;
  }
  if (!core_->witness.lost().empty() && request.consistency == Consistency::kLinearizable) {
    core_->out.reads.push_back({call, core_->TakesPart().error()});
    return call;
  }
  ++core_->counters.reads;
  core_->reads.Add(call, request, core_->now_ms);
  return call;
}

void Engine::Persisted(PersistId upto, uint64_t gen) { core_->Persisted(upto, gen); }
void Engine::AskCheckpoint() {
  core_->checkpoint_asked = true;
  core_->touched = true;
}
void Engine::Checkpointed(Slot slot, Slot first_kept) { core_->Checkpointed(slot, first_kept); }
void Engine::Loaded(const consensus::LoadRequest& request, std::vector<consensus::Chosen> entries) {
  core_->touched = true;
  core_->replica.Loaded(request, std::move(entries));
}
Status Engine::AskToLead(NodeId to) { return core_->AskToLead(to); }
Status Engine::HandOver() { return core_->HandOver(); }
void Engine::Shutdown() { core_->Shutdown(); }
void Engine::SetTurn(int64_t now_us) { core_->turn_us = now_us; }
EngineOutput Engine::Take() { return core_->Take(); }
bool Engine::HasOutput() const { return core_->HasOutput(); }

const machine::Machine& Engine::machine() const { return core_->machine; }
const consensus::Replica& Engine::replica() const { return core_->replica; }
const EngineCounters& Engine::counters() const {
  core_->counters.read_rounds = core_->reads.rounds();
  return core_->counters;
}
ClusterTime Engine::Now() const { return std::max(core_->clock.time(), core_->machine.time()); }
Status Engine::Ready() const { return core_->Ready(); }
std::optional<NodeId> Engine::LeaderBegun() const {
  const std::optional<NodeId> leader = core_->replica.leader();
  const Ballot begun = core_->machine.leader_start();
  if (leader != begun.node || core_->replica.ballot() != begun)
    return std::nullopt;
  return leader;
}
void Engine::SetDisk(DiskLevel level) { core_->SetDisk(level); }
bool Engine::MayGrow() const { return core_->MayGrow(); }
Status Engine::TakesPart() const { return core_->TakesPart(); }
bool Engine::quarantined() const { return !core_->witness.lost().empty(); }
bool Engine::IsDiverged() const { return core_->diverged; }
bool Engine::StateUnconfirmed() const { return core_->unproven; }
bool Engine::MembershipSettled() const { return core_->MembershipSettled(); }
bool Engine::MembershipDurable() const { return core_->MembershipDurable(); }
bool Engine::IsConnected(NodeId peer) const { return core_->IsConnected(peer); }
Slot Engine::AppliedOf(NodeId member) const {
  if (member == core_->config.self.id)
    return core_->machine.applied();
  const auto it = core_->peers.find(member);
  return it == core_->peers.end() ? Slot() : it->second.applied;
}
Slot Engine::NewestApplied() const {
  Slot newest = core_->machine.applied();
  for (const auto& [id, peer] : core_->peers) newest = std::max(newest, peer.applied);
  return newest;
}
uint64_t Engine::pending_calls() const { return core_->changes.size() + core_->reads.size(); }
uint64_t Engine::pending_bytes() const { return core_->changes.bytes() + core_->inbox_bytes_; }
uint64_t Engine::pending_bytes_max() const { return core_->config.pending_bytes_max; }

}  // namespace synod::node
