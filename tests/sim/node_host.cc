#include "tests/sim/node_host.h"

#include <algorithm>
#include <utility>

#include "src/node/engine_frames.h"
#include "src/node/engine_witness.h"

namespace synod::sim {
namespace {

constexpr const char* kLogDir = "/data/log";

machine::MemberView ViewOf(NodeId id, uint32_t build) {
  const std::string n = std::to_string(id.value);
  return {id,   "uuid-" + n, "node-" + n, "10.0.0." + n + ":7302", "http://10.0.0." + n + ":7301",
          build};
}

}  // namespace

NodeHost::NodeHost(World* world, NodeId id, Random random, Membership membership)
    : world_(world), id_(id), random_(random), membership_(std::move(membership)) {
  const int64_t spread = world->swarm.clock_spread_ppm;
  const int64_t rate = 1'000'000 - spread +
                       static_cast<int64_t>(random_.Below(static_cast<uint64_t>(2 * spread + 1)));
  clock_ = SimClock(static_cast<int64_t>(random_.Below(1'000'000)), rate);
  world->network.Register(id, this);
}

NodeHost::~NodeHost() = default;

Time NodeHost::Draw(Time low, Time high) {
  return static_cast<Time>(
      random_.Between(static_cast<uint64_t>(low), static_cast<uint64_t>(high)));
}

node::EngineConfig NodeHost::MakeConfig() const {
  const Swarm& s = world_->swarm;
  node::EngineConfig config;
  config.self = ViewOf(id_, supports_);
  config.boot = boot_;
  config.witness = state_disk_.witness;
  config.lost = quarantine_;
  config.grace_ms = s.grace_ms;
  config.checkpoint_ms = s.checkpoint_ms;
  config.checkpoint_bytes = s.checkpoint_bytes;
  config.pending_bytes_max = s.pending_bytes_max;
  config.snapshots = s.snapshots;
  config.digest_every = s.digest_every;
  config.consensus.self = id_;
  config.consensus.seed = s.seed * 1000 + id_.value * 100 + boots_;
  config.consensus.boot_id = boot_;
  config.consensus.membership = membership_;
  config.consensus.heartbeat_ticks = s.heartbeat_ticks;
  config.consensus.election_ticks_min = s.election_ticks_min;
  config.consensus.election_ticks_max = s.election_ticks_max;
  config.consensus.window_slots = s.window_slots;
  config.consensus.window_bytes = s.window_bytes;
  config.consensus.unsynced_bytes_max = s.unsynced_bytes_max;
  config.consensus.message_bytes_max = s.message_bytes_max;
  config.consensus.cache_bytes = s.cache_bytes;
  config.consensus.lease_ms = s.lease_ms;
  config.consensus.lease_before_ms = boots_ > 1 ? s.lease_ms : 0;
  return config;
}

// --- starting
// -------------------------------------------------------------------------------------

machine::Machine NodeHost::LoadMachine() {
  storage::MemoryStateStore store(state_disk_);
  machine::Machine machine(world_->swarm.settings, supports_);
  if (store.slot() == Slot(0))
    return machine;
  const Status loaded = store.Load(
      [&](std::string_view key, std::string_view value) { return machine.LoadRecord(key, value); });
  SIM_REQUIRE(loaded.has_value(), Who() + "a record does not load: " + loaded.error().detail);
  const Status finished = machine.FinishLoad();
  SIM_REQUIRE(finished.has_value(), Who() + "the state does not load: " + finished.error().detail);
  SIM_REQUIRE(machine.applied() == store.slot(),
              Who() + "the state is not of its checkpoint's slot");
  SIM_REQUIRE(machine.digest() == store.digest(), Who() + "the loaded state has another digest");
  SIM_REQUIRE(machine.applied() >= checkpointed_, Who() + "a durable checkpoint is lost");
  if (!rotten_)
    world_->observer.OnApplied(id_, machine);
  return machine;
}

bool NodeHost::OpenLog(Slot state_slot, consensus::Recovered* recovered) {
  storage::AcceptorLogOptions options;
  options.segment_bytes = world_->swarm.segment_bytes;
  options.keep_bytes = world_->swarm.log_keep_bytes;
  options.keep_sending_bytes = world_->swarm.log_keep_sending_bytes;
  options.seed = random_.Next();
  options.gen_at_least = state_disk_.log_gen;
  auto log = storage::AcceptorLog::Open(files_, kLogDir, options, state_slot, recovered);
  SIM_REQUIRE(log.has_value() || damaged_, Who() + "the log does not open: " + log.error().detail);
  if (!log)
    return false;
  log_ = std::move(*log);
  return true;
}

std::string NodeHost::FindLost(Slot state_slot, const consensus::Recovered& recovered) const {
  const consensus::HardState& found = recovered.hard_state;
  if (found.promised < durable_.promised)
    return "a durable promise is lost";
  if (found.learned < durable_.learned)
    return "a durable `learned` is lost";
  SIM_REQUIRE(found.learned >= state_slot, Who() + "the checkpoint is ahead of `learned`");
  std::map<Slot, const consensus::AcceptedEntry*> votes;
  Slot last;
  for (const consensus::AcceptedEntry& entry : recovered.entries) {
    SIM_REQUIRE(entry.slot > last, Who() + "recovered entries are not ascending");
    last = entry.slot;
    votes[entry.slot] = &entry;
  }
  for (const auto& [slot, ballot] : durable_votes_) {
    if (slot <= state_slot)
      continue;
    const auto vote = votes.find(slot);
    if (vote == votes.end() || (!vote->second->chosen && vote->second->ballot < ballot))
      return "a durable vote is lost: slot " + std::to_string(slot.value);
  }
  return {};
}

bool NodeHost::JudgeDisk(Slot state_slot, const consensus::Recovered& recovered) {
  const bool damaged = std::exchange(damaged_, false);
  if (must_be_caught_)
    return true;
  const std::string lost = FindLost(state_slot, recovered);
  SIM_REQUIRE(lost.empty() || damaged, Who() + lost);
  if (lost.empty())
    return true;
  must_be_caught_ = recovered.gen < seen_by_others_;
  return must_be_caught_;  // else only those knew of it who need not answer
}

void NodeHost::Start() {
  SIM_REQUIRE(!running(), Who() + "started twice");
  world_->builds[id_] = supports_;
  ++process_;
  ++boots_;
  ++world_->stats.restarts;
  boot_ = (uint64_t{id_.value} << 40) + boots_;
  const Time now = world_->scheduler.now();
  clock_.Go(now);
  machine::Machine machine = LoadMachine();
  const Slot state_slot = machine.applied();
  consensus::Recovered recovered;
  if (!OpenLog(state_slot, &recovered)) {
    ++world_->stats.refused;
    world_->trace.Note("refuses_to_start", id_.value);
    Retire();
    return;
  }
  if (!JudgeDisk(state_slot, recovered)) {
    Retire();
    return;
  }
  durable_ = recovered.hard_state;
  if (!must_be_caught_)
    world_->observer.OnDurable(id_, recovered.hard_state, recovered.entries);
  world_->trace.Note("start", id_.value, state_slot.value, recovered.hard_state.learned.value);
  seen_ballot_ = recovered.hard_state.promised;
  seen_applied_ = state_slot;
  seen_learned_ = seen_durable_learned_ = recovered.hard_state.learned;
  seen_in_flight_.reset();
  seen_revision_ = machine.revision();
  seen_time_ = machine.time();
  engine_ = std::make_unique<node::Engine>(MakeConfig(), std::move(machine), std::move(recovered),
                                           NowMs());
  OpenSnapshots();
  hub_ = std::make_unique<watch::Hub>(&engine_->machine().tree());
  world_->network.ProcessStarted(id_, boot_);
  ScheduleTurn();
  Tick(process_);
}

// --- stopping
// -------------------------------------------------------------------------------------

// The process or the power goes while a record is being written: some of it may be on the disk.
void NodeHost::TearAppend() {
  const bool aimed = std::exchange(tear_next_, false);
  if (appending_.empty() || (!aimed && random_.Chance(40)))
    return;
  ++world_->stats.torn_appends;
  // Aimed: everything is written and nothing of it synced, so that any of its pages may survive.
  files_.CutPowerAfter(aimed ? 1 : random_.Below(4));
  (void)log_->Append(appending_);
}

void NodeHost::Stop(Crash how) {
  if (!running())
    return;
  ++world_->stats.crashes;
  world_->trace.Note(how == Crash::kKill ? "kill" : "power_cut", id_.value);
  if (checkpoint_ && checkpoint_->slot >= state_disk_.slot && random_.Chance(50)) {
    storage::MemoryStateStore store(state_disk_);
    const uint64_t gen = log_->stats().gen;
    (void)store.Write({checkpoint_->slot, checkpoint_->digest, checkpoint_->records, gen,
                       checkpoint_->witness, checkpoint_->revision, checkpoint_->time,
                       checkpoint_->machine_version});
  }
  TearSnapshotJob();
  TearAppend();
  world_->network.ProcessEnded(
      id_, how == Crash::kKill ? SimNetwork::End::kKilled : SimNetwork::End::kPowerCut);
  files_.Crash(random_, how == Crash::kKill ? storage::SimFileSystem::Unsynced::kKeepAll
                                            : storage::SimFileSystem::Unsynced::kRandom);
  ++process_;
  paused_ = false;
  turn_scheduled_ = false;
  fail_sync_ = false;
  tear_next_ = false;
  backlog_.clear();
  queue_.clear();
  appending_.clear();
  checkpoint_.reset();
  snapshot_jobs_.clear();
  crash_at_turn_ = false;
  changes_.clear();
  reads_.clear();
  cancelled_.clear();
  peers_up_.clear();
  told_removed_ = false;
  removed_since_.reset();
  hub_.reset();
  engine_.reset();
  log_.reset();
  snapshots_.reset();
  if (end_listener_)
    end_listener_();
}

void NodeHost::ShutDown() {
  if (!running() || paused_)
    return;
  world_->trace.Note("shutdown", id_.value);
  Input([this] { engine_->Shutdown(); });
  world_->scheduler.After(Draw(1, 100 * kMillisecond), [this, process = process_] {
    if (process == process_)
      Stop(Crash::kKill);
  });
}

void NodeHost::Pause(bool stop_clock) {
  if (!running() || paused_)
    return;
  world_->trace.Note(stop_clock ? "freeze" : "pause", id_.value);
  paused_ = true;
  if (stop_clock)
    clock_.Stop(world_->scheduler.now());
}

void NodeHost::Resume() {
  clock_.Go(world_->scheduler.now());
  if (!paused_)
    return;
  world_->trace.Note("resume", id_.value);
  paused_ = false;
  std::deque<std::function<void()>> backlog = std::exchange(backlog_, {});
  for (std::function<void()>& input : backlog) Input(std::move(input));
}

// --- turns
// ----------------------------------------------------------------------------------------

void NodeHost::Input(std::function<void()> input) {
  if (!running())
    return;
  if (paused_) {
    backlog_.push_back(std::move(input));
    return;
  }
  engine_->Advance(NowMs());
  input();
  ScheduleTurn();
}

void NodeHost::ScheduleTurn() {
  if (std::exchange(turn_scheduled_, true))
    return;
  const Time delay = world_->swarm.turn_max == 0 ? 0 : Draw(0, world_->swarm.turn_max);
  world_->scheduler.After(delay, [this, process = process_] {
    if (process != process_)
      return;
    turn_scheduled_ = false;
    if (paused_)
      backlog_.push_back([] {});
    else
      Turn();
  });
}

void NodeHost::Tick(uint64_t process) {
  if (process != process_)
    return;
  if (!paused_) {
    engine_->Advance(NowMs());
    if (engine_->HasOutput())
      ScheduleTurn();
    FollowMembers();
    if (process != process_)
      return;
  }
  world_->scheduler.After(10 * kMillisecond, [this, process] { Tick(process); });
}

void NodeHost::Turn() {
  const uint64_t process = process_;
  if (crash_at_turn_) {
    ++world_->stats.crashes_at_install;
    Stop(random_.Chance(50) ? Crash::kKill : Crash::kPowerCut);
    return;
  }
  engine_->Advance(NowMs());
  silent_ = engine_->IsDiverged();
  engine_->SetTurn(world_->scheduler.now());
  node::EngineOutput out = engine_->Take();
  SIM_REQUIRE(rotten_ || !engine_->IsDiverged(), Who() + "takes a sound state for a wrong one");
  SIM_REQUIRE(!out.stop, Who() + *out.stop);
  Handle(std::move(out));
  if (process == process_)
    CheckAfterTurn();
}

void NodeHost::Handle(node::EngineOutput out) {
  const uint64_t process = process_;
  if (out.lost) {
    SIM_REQUIRE(must_be_caught_, Who() + "is quarantined for nothing: " + *out.lost);
    ++world_->stats.caught;
    world_->trace.Note("quarantined", id_.value);
    quarantine_ = *out.lost;
  }
  ServeReads(std::move(out.reads));
  for (consensus::PersistRequest& request : out.persist) {
    ++world_->stats.requests;
    queue_.push_back(std::move(request));
  }
  SendFrames(out.frames);
  for (const consensus::Event& event : out.events) {
    ++world_->stats.events[event.what];
    world_->trace.Note(event.what, id_.value, event.number);
  }
  for (const store::RevisionRef& revision : out.revisions) hub_->Publish(revision);
  if (!out.revisions.empty() && hub_listener_)
    hub_listener_();
  for (node::ChangeDone& done : out.changes) {
    const auto it = changes_.find(done.call);
    if (it == changes_.end() && cancelled_.contains(done.call))
      continue;
    SIM_REQUIRE(it != changes_.end(), Who() + "a change ended twice or was never made");
    const RequestId id{id_, boot_, done.call};
    if (!MayTell(done.answer.has_value()))
      done.answer = Error{Errc::kNoQuorum, Outcome::kUnknown, "lost on its way"};
    if (done.answer)
      world_->observer.OnAnswered(id);
    else if (done.answer.error().outcome == Outcome::kNotApplied)
      world_->observer.OnNotApplied(id);
    const ChangeDone callback = std::move(it->second);
    changes_.erase(it);
    callback({id, std::move(done.answer)});
  }
  if (process != process_)
    return;
  for (const consensus::LoadRequest& request : out.load) Load(request);
  if (out.checkpoint)
    WriteCheckpoint(std::move(*out.checkpoint));
  const bool idle = snapshot_jobs_.empty();
  std::move(out.snapshots.begin(), out.snapshots.end(), std::back_inserter(snapshot_jobs_));
  if (idle)
    RunSnapshotJobs();
  AppendSoon();
}

// What a node tells before it is found out may be wrong, and nobody can help it: such answers are
// lost on their way, which only a change's sender is told. From then on it must be silent.
bool NodeHost::MayTell(bool served) const {
  SIM_REQUIRE(!served || !silent_, Who() + "serves although its state is known to be wrong");
  return !served || !rotten_;
}

void NodeHost::ServeReads(std::vector<node::ReadReady> reads) {
  for (node::ReadReady& ready : reads) {
    const auto it = reads_.find(ready.call);
    if (it == reads_.end() && cancelled_.contains(ready.call))
      continue;
    SIM_REQUIRE(it != reads_.end(), Who() + "a read ended twice or was never made");
    PendingRead read = std::move(it->second);
    reads_.erase(it);
    if (!MayTell(ready.time.has_value()))
      continue;
    if (!ready.time) {
      read.done({ready.time.error(), false, Revision(), ClusterTime(), 0});
      continue;
    }
    const machine::Machine& machine = engine_->machine();
    read.done({machine.ReadFor(read.who, read.query, *ready.time), true, machine.revision(),
               *ready.time, world_->scheduler.now()});
  }
}

void NodeHost::SendFrames(const std::vector<node::Frame>& frames) {
  for (const node::Frame& frame : frames) {
    const Result<std::vector<node::FrameItem>> items = node::ParseFrame(frame.body);
    SIM_REQUIRE(items.has_value(), Who() + "sends a frame that cannot be parsed");
    SIM_REQUIRE(frame.body.size() <= node::kFrameBytesMax, Who() + "sends a frame too large");
    for (const node::FrameItem& item : *items)
      if (const auto* message = std::get_if<consensus::Message>(&item)) {
        if (world_->trace.printing())
          world_->trace.Print("n" + std::to_string(id_.value) + " -> n" +
                              std::to_string(frame.to.value) + " " + consensus::Name(*message));
        world_->observer.OnSend(id_, *message);
      }
    world_->trace.Note("send", id_.value, frame.to.value, frame.body.size());
    world_->trace.MixBytes(frame.body);
    world_->network.Send(id_, frame.to, frame.body);
  }
}

void NodeHost::CheckAfterTurn() {
  const machine::Machine& m = engine_->machine();
  const consensus::Replica& r = engine_->replica();
  SIM_REQUIRE(!must_be_caught_ || !engine_->TakesPart(),
              Who() + "takes part although it forgot something");
  if (m.applied() != seen_applied_ && !rotten_)
    world_->observer.OnApplied(id_, m);
  SIM_REQUIRE(r.ballot() >= seen_ballot_, Who() + "its promise fell");
  SIM_REQUIRE(m.applied() >= seen_applied_, Who() + "its applied slot fell");
  SIM_REQUIRE(r.learned() >= seen_learned_, Who() + "its learned slot fell");
  SIM_REQUIRE(r.durable_learned() >= seen_durable_learned_, Who() + "its durable_learned fell");
  SIM_REQUIRE(m.applied() <= r.learned(), Who() + "applied what it has not learned");
  SIM_REQUIRE(r.learned() <= world_->observer.chosen(), Who() + "learned what is not chosen");
  SIM_REQUIRE(r.membership().version <= world_->observer.machine().membership().version,
              Who() + "goes by a membership that is not chosen");
  SIM_REQUIRE(m.revision() >= seen_revision_, Who() + "its revision fell");
  SIM_REQUIRE(m.time() >= seen_time_, Who() + "cluster time fell");
  // A takeover may find more to propose again than the window; from there on it only shrinks.
  const bool same_leader = r.IsLeader() && r.ballot() == seen_ballot_ && seen_in_flight_;
  SIM_REQUIRE(
      !same_leader || r.InFlight() <= std::max(world_->swarm.window_slots + 1, *seen_in_flight_),
      Who() + "more slots open than the window");
  seen_in_flight_ = r.IsLeader() ? std::optional(r.InFlight()) : std::nullopt;
  seen_ballot_ = r.ballot();
  seen_applied_ = m.applied();
  seen_learned_ = r.learned();
  seen_durable_learned_ = r.durable_learned();
  seen_revision_ = m.revision();
  seen_time_ = m.time();
}

// --- disk
// -----------------------------------------------------------------------------------------

void NodeHost::TearNextAppend() {
  if (!running())
    return;
  tear_next_ = true;
  if (!appending_.empty())
    Stop(Crash::kPowerCut);
}

void NodeHost::CopyDisk() {
  copy_ = DiskCopy{files_.DurableImage(), state_disk_, membership_,
                   log_ ? log_->stats().gen : UINT64_MAX};
}

void NodeHost::PutOldDisk() {
  ++world_->stats.old_disks;
  world_->trace.Note("old_disk", id_.value, copy_->gen);
  files_.SetImage(copy_->files);
  state_disk_ = copy_->state;
  membership_ = copy_->membership;
  checkpointed_ = state_disk_.slot;
  durable_votes_.clear();
  spoiled_ = must_be_caught_ = true;
}

void NodeHost::DamageDisk(uint64_t seen) {
  const Result<std::vector<std::string>> names = files_.List(kLogDir);
  std::vector<std::string> segments;
  if (names)
    for (const std::string& name : *names)
      if (name.ends_with(".log"))
        segments.push_back(std::string(kLogDir) + "/" + name);
  if (segments.empty())
    return;
  ++world_->stats.damages;
  spoiled_ = damaged_ = true;
  seen_by_others_ = seen;
  const std::string& newest = segments.back();
  const uint64_t how = random_.Below(10);
  world_->trace.Note("damage", id_.value, how);
  if (how == 0)
    for (const std::string& path : segments) files_.Lose(path);
  else if (how == 1)
    files_.Lose(newest);
  else
    for (uint64_t n = random_.Between(1, 3); n > 0; --n) {
      const std::string content = files_.Content(newest);
      uint64_t at = random_.Below(content.size());
      for (int i = 0; i < 20 && content[at] == 0; ++i) at = random_.Below(content.size());
      files_.FlipBit(newest, at, static_cast<int>(random_.Below(8)));
    }
}

void NodeHost::Retire() {
  retired_ = true;
  Stop(Crash::kKill);
  log_.reset();
}

uint64_t NodeHost::GenKeptOf(NodeId node) const {
  node::Witness kept(id_, 0, {});
  kept.Remember({}, state_disk_.witness);
  return kept.GenOf(node);
}

void NodeHost::AppendSoon() {
  if (!appending_.empty() || queue_.empty())
    return;
  appending_ = std::exchange(queue_, {});
  const Time delay = Draw(world_->swarm.sync_min, world_->swarm.sync_max) * disk_factor_;
  if (tear_next_)
    world_->scheduler.After(delay / 2, [this, process = process_] {
      if (process == process_)
        Stop(Crash::kPowerCut);
    });
  world_->scheduler.After(delay, [this, process = process_] {
    if (process == process_)
      AppendDone();
  });
}

void NodeHost::AppendDone() {
  if (std::exchange(fail_sync_, false))
    files_.FailNth(storage::SimFileSystem::Op::kSync, 1);
  const Status appended = log_->Append(appending_);
  if (!appended) {
    world_->trace.Note("sync_error", id_.value);
    appending_.clear();
    Stop(Crash::kKill);
    return;
  }
  ++world_->stats.appends;
  const std::vector<consensus::PersistRequest> done = std::exchange(appending_, {});
  for (const consensus::PersistRequest& request : done) {
    world_->observer.OnDurable(id_, request.hard_state, request.entries);
    durable_ = request.hard_state;
    for (const consensus::AcceptedEntry& entry : request.entries)
      durable_votes_[entry.slot] = entry.ballot;
  }
  Input([this, upto = done.back().id, gen = log_->stats().gen] { engine_->Persisted(upto, gen); });
  AppendSoon();
}

bool NodeHost::StoreCheckpoint(const node::CheckpointJob& job, Slot* first_kept) {
  storage::MemoryStateStore store(state_disk_);
  // One that a snapshot has overtaken goes to the old directory, which nobody reads any more.
  const bool overtaken = job.slot < state_disk_.slot;
  if (!overtaken && !store.Write({job.slot, job.digest, job.records, log_->stats().gen, job.witness,
                                  job.revision, job.time, job.machine_version}))
    return false;
  const Result<Slot> kept = log_->Recycle(job.slot, job.keep_log_above);
  if (!kept)
    return false;
  *first_kept = *kept;
  if (overtaken)
    return true;
  checkpointed_ = job.slot;
  durable_votes_.erase(durable_votes_.begin(), durable_votes_.upper_bound(job.slot));
  return true;
}

void NodeHost::WriteCheckpoint(node::CheckpointJob job) {
  SIM_REQUIRE(!checkpoint_, Who() + "two checkpoints at a time");
  SIM_REQUIRE(job.slot <= durable_.learned, Who() + "a checkpoint beyond the durable `learned`");
  SIM_REQUIRE(rotten_ || job.digest == world_->observer.DigestAt(job.slot),
              Who() + "a checkpoint with another digest");
  checkpoint_ = std::move(job);
  const Time delay = Draw(500, world_->swarm.checkpoint_write_max) * disk_factor_;
  world_->scheduler.After(delay, [this, process = process_] {
    if (process != process_)
      return;
    ++world_->stats.checkpoints;
    const node::CheckpointJob written = *std::exchange(checkpoint_, std::nullopt);
    Slot first_kept;
    if (!StoreCheckpoint(written, &first_kept)) {
      Stop(Crash::kKill);
      return;
    }
    Input([this, slot = written.slot, first_kept] { engine_->Checkpointed(slot, first_kept); });
  });
}

void NodeHost::Load(const consensus::LoadRequest& request) {
  ++world_->stats.loads;
  world_->scheduler.After(Draw(50, 3'000), [this, request, process = process_] {
    if (process != process_)
      return;
    Result<std::vector<consensus::Chosen>> entries =
        log_->ReadChosen(request.from, request.bytes_max);
    SIM_REQUIRE(entries.has_value(), Who() + "the log cannot be read: " + entries.error().detail);
    Input([this, request, loaded = std::move(*entries)] { engine_->Loaded(request, loaded); });
  });
}

// --- calls and peers
// ------------------------------------------------------------------------------

Result<node::CallId> NodeHost::Change(machine::Command command,
                                      int64_t timeout_ms,
                                      ChangeDone done) {
  engine_->Advance(NowMs());
  Result<node::CallId> call = engine_->Change(std::move(command), timeout_ms);
  if (call)
    changes_[*call] = std::move(done);
  ScheduleTurn();
  return call;
}

node::CallId NodeHost::Read(const node::ReadRequest& request,
                            machine::Query query,
                            ReadDone done,
                            const auth::Principal& who) {
  engine_->Advance(NowMs());
  const node::CallId call = engine_->Read(request);
  reads_[call] = {std::move(query), std::move(done), who};
  ScheduleTurn();
  return call;
}

void NodeHost::Cancel(node::CallId call) {
  changes_.erase(call);
  reads_.erase(call);
  cancelled_.insert(call);
  Input([this, call] { engine_->Cancel(call); });
}

void NodeHost::OnPeerUp(NodeId peer, uint64_t boot) {
  peers_up_[peer].reset();
  world_->trace.Note("peer_up", id_.value, peer.value, boot);
  Input([this, view = ViewOf(peer, world_->builds[peer]), boot] { engine_->PeerUp(view, boot); });
}

void NodeHost::OnPeerDown(NodeId peer, bool process_gone) {
  peers_up_.erase(peer);
  world_->trace.Note("peer_down", id_.value, peer.value, process_gone ? 1 : 0);
  Input([this, peer, process_gone] { engine_->PeerDown(peer, process_gone); });
}

void NodeHost::OnFrame(NodeId from, const std::string& frame) {
  if (paused_)
    Input([this, from, frame] { engine_->Receive(from, frame); });
  else if (running()) {
    engine_->Advance(NowMs());
    engine_->Receive(from, frame);
    ScheduleTurn();
  }
}

}  // namespace synod::sim
