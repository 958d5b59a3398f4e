#include "src/node/server.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "src/base/check.h"
#include "src/node/log.h"
#include "src/node/process.h"
#include "src/node/state_load.h"

namespace synod::node {
namespace {

constexpr int64_t kTickMs = 10;
constexpr std::chrono::milliseconds kStopLimit{3000};
constexpr size_t kRefusedMax = 100;
constexpr int64_t kNeverMs = int64_t{1} << 50;
// The payload of a member's Hello whose addresses are newer than those of the member table.
constexpr std::string_view kMoved = "moved";

consensus::Config ConsensusConfig(const NodeConfig& config,
                                  NodeId self,
                                  const Membership& membership,
                                  uint64_t boot) {
  consensus::Config c;
  c.self = self;
  c.membership = membership;
  c.seed = Entropy64();
  c.boot_id = boot;
  c.heartbeat_ticks = static_cast<uint32_t>(std::max<int64_t>(1, config.heartbeat_ms / kTickMs));
  c.election_ticks_min = static_cast<uint32_t>(config.election_timeout_ms / kTickMs);
  c.election_ticks_max = 2 * c.election_ticks_min;
  c.lease_ms = config.leader_lease_ms;
  return c;
}

Introduction ToIntroduction(const net::Hello& hello) {
  return {hello.from, hello.to, hello.uuid, hello.cluster_id, hello.payload};
}

api::HttpPolicy MakePolicy(const NodeConfig& config) {
  api::HttpPolicy policy;
  policy.loopback_only = IsLoopback(config.client.host);
  policy.advertised_host = HostOfUrl(config.advertise_client);
  policy.allowed_hosts = config.allowed_hosts;
  policy.allowed_origins = config.allowed_origins;
  return policy;
}

Service::Bounds MakeBounds(const NodeConfig& config) {
  Service::Bounds bounds;
  bounds.request.body_bytes = config.body_bytes_max;
  bounds.request.txn_comparisons = config.txn_comparisons_max;
  bounds.request.txn_operations = config.txn_operations_max;
  bounds.request.list_nodes = config.list_nodes_max;
  bounds.socket_watches = config.socket_watches_max;
  bounds.gate.admission.delay_us = config.overload_delay_ms * 1000;
  bounds.gate.admission.calls_max = config.overload_calls_max;
  bounds.gate.admission.memory_bytes_max = config.memory_bytes_max;
  bounds.gate.rate_per_second = config.rate_per_second;
  bounds.gate.rate_burst = config.rate_burst;
  return bounds;
}

net::HttpOptions MakeHttpOptions(const NodeConfig& config) {
  net::HttpOptions options;
  options.connections_max = config.connections_max;
  options.body_bytes_max = config.body_bytes_max;
  options.header_bytes_max = config.header_bytes_max;
  options.memory_bytes_max = config.memory_bytes_max;
  options.header_timeout = std::chrono::milliseconds(config.header_timeout_ms);
  options.body_timeout = std::chrono::milliseconds(config.body_timeout_ms);
  options.idle_timeout = std::chrono::milliseconds(config.idle_timeout_ms);
  return options;
}

}  // namespace

Server::Server(net::asio::io_context& io, NodeConfig config, Fatal fatal)
    : io_(io),
      config_(std::move(config)),
      fatal_(std::move(fatal)),
      boot_(Entropy64() | 1),
      scrub_schedule_(config_.scrub_interval_ms),
      service_(
          io,
          MakePolicy(config_),
          {config_.auth_required, config_.metrics_open},
          config_.slow_request_ms,
          MakeBounds(config_),
          {[this] { Touch(); }, [this] { return Info(); }, [this] { return MetricsText(); },
           [this](api::StatusView* status) {
             if (!disk_)
               return;
             const DiskThreads::Stats stats = disk_->stats();
             status->log_bytes = stats.log.bytes_on_disk;
             status->state_bytes = stats.state_bytes;
             status->damage = scrub_.log_damage;
             status->damage.insert(status->damage.end(), scrub_.state_damage.begin(),
                                   scrub_.state_damage.end());
           },
           [this](NodeId member) {
             const auto address = addresses_.find(member);
             return address == addresses_.end() ? "" : address->second.ToString();
           },
           [this] { return http_->counters(); },
           [this](Slot at_least, StateTaker taker) { TakeState(at_least, std::move(taker)); }}),
      tick_timer_(io) {}

Server::~Server() = default;

Status Server::Start() {
  if (Status s = OpenData(); !s)
    return s;
  if (Status s = LoadTls(); !s)
    return s;
  net::HttpOptions options = MakeHttpOptions(config_);
  options.tls = client_tls_;
  http_ = std::make_unique<net::HttpServer>(io_, service_, options);
  if (Status s = http_->Listen(config_.client.host, config_.client.port); !s)
    return Error{Errc::kInternal, Outcome::kNotApplied,
                 "cannot listen for clients on " + config_.client.ToString() +
                     " (--client): " + s.error().detail};
  if (const uint64_t most = http_->counters().connections_max; most < config_.connections_max)
    LogWarn("http.connections_max is more than the descriptor limit allows: raise that",
            {{"connections_max", config_.connections_max}, {"connections_taken", most}});
  if (Status s = StartPeers(); !s)
    return s;
  LogInfo("listening", {{"client", config_.client.ToString()}, {"peer", config_.peer.ToString()}});
  if (self_ == NodeId())
    StartJoining();
  else
    StartFounding();
  guard_ =
      std::make_unique<DiskGuard>(io_, storage::PosixFileSystem(), config_.data_dir, config_.disk,
                                  [this](const DiskSpace& space) { OnDiskSpace(space); });
  ScheduleTick();
  return Done();
}

Status Server::OpenData() {
  storage::FileSystem& fs = storage::PosixFileSystem();
  storage::AcceptorLogOptions options;
  options.seed = Entropy64();
  options.accept_data_loss = config_.accept_data_loss;
  options.keep_bytes = config_.acceptor_log_keep_bytes;
  options.segment_bytes = config_.acceptor_log_segment_bytes;
  if (fs.Exists(config_.data_dir))
    if (Result<bool> room = DiskGuard::MakeRoom(fs, config_.data_dir, config_.disk); !room)
      return room.error();
  Result<std::unique_ptr<storage::DataDir>> dir =
      storage::DataDir::Open(fs, config_.data_dir, {Entropy64(), Entropy64()}, options);
  if (!dir)
    return dir.error();
  data_dir_ = *std::move(dir);
  if (Status s = ChooseMembers(); !s)
    return s;
  if (addresses_.size() > 1 && config_.accept_data_loss)
    return Error{
        Errc::kInvalidRequest, Outcome::kNotApplied,
        "--accept-data-loss is for a cluster of one; here the other members have the data: "
        "remove this member and add a new one"};

  if (Status s = OpenState(); !s)
    return s;
  Result<machine::Machine> machine = LoadState(state_.get());
  if (!machine)
    return machine.error();
  machine_.emplace(*std::move(machine));
  options.spare_thread = true;
  options.gen_at_least = state_->log_gen();  // the state bears witness for the log
  options.state_discarded = config_.discard_state;
  Result<std::unique_ptr<storage::AcceptorLog>> log =
      storage::AcceptorLog::Open(fs, data_dir_->log_dir(), options, state_->slot(), &recovered_);
  if (!log)
    return log.error();
  log_ = *std::move(log);

  Result<std::unique_ptr<storage::SnapshotStore>> snapshots =
      storage::SnapshotStore::Open(fs, data_dir_->snapshot_dir());
  if (!snapshots)
    return snapshots.error();
  snapshots_ = *std::move(snapshots);

  const storage::Identity& identity = data_dir_->identity();
  Founding::Self self;
  self.id = self_;
  self.uuid = identity.node_uuid.Hex();
  self.cluster_id = identity.HasCluster() ? identity.cluster_id.Hex() : "";
  self.founds = founds_;
  for (const auto& [id, address] : addresses_) self.members.insert(id);
  for (const auto& [id, uuid] : identity.peers) self.bound[id] = uuid.Hex();
  founding_ = std::make_unique<Founding>(std::move(self));
  return Done();
}

// A state that is to be discarded stays until another takes its place, for what it bears witness to
// and because this start may be one too many; if it cannot be opened, there is nothing to keep.
Status Server::OpenState() {
  storage::FileSystem& fs = storage::PosixFileSystem();
  const std::string dir = data_dir_->states().current();
  if (config_.discard_state) {
    if (addresses_.size() <= 1)
      return Error{Errc::kInvalidRequest, Outcome::kNotApplied,
                   "--discard-state takes the state of another member, and there is none"};
    LogWarn(
        "the state of this node is discarded (--discard-state): another member's takes its "
        "place. Start it without that flag the next time",
        {{"directory", dir}});
  }
  Result<std::unique_ptr<storage::StateStore>> state = storage::StateStore::Open(fs, dir);
  if (!state && config_.discard_state) {
    if (Status s = storage::RemoveTree(fs, dir); !s)
      return s;
    state = storage::StateStore::Open(fs, dir);
  }
  if (!state)
    return state.error();
  state_ = *std::move(state);
  return Done();
}

// What the directory knows wins over flags: they were for its first start.
Status Server::ChooseMembers() {
  const storage::Identity& identity = data_dir_->identity();
  if (!identity.HasCluster())
    return config_.join.empty() ? ChooseFounders() : Done();  // a joiner has no number yet
  self_ = identity.member_id;
  SetLog(config_.log_level, config_.log_format, self_.value);
  membership_ = identity.membership;
  announced_ =
      identity.advertised == storage::Identity::Advertised() || identity.advertised == Advertised();
  if (!config_.join.empty())
    LogInfo("--join is ignored: the data directory belongs to a cluster already",
            {{"member", self_.value}, {"cluster", identity.cluster_id.Hex()}});
  else if (self_.value != config_.id && (config_.id != 1 || !config_.initial_cluster.empty()))
    LogWarn("the data directory belongs to another member number; that one is used",
            {{"directory", self_.value}, {"flag", config_.id}});
  for (const auto& [id, text] : identity.members) {
    const Result<HostPort> address = ParseHostPort(text);
    if (!address)
      return Error{Errc::kInternal, Outcome::kNotApplied,
                   "the identity file lists the address '" + text + "', which is none"};
    addresses_[id] = *address;
  }
  return Done();
}

Status Server::ChooseFounders() {
  self_ = NodeId(config_.id);
  std::map<uint32_t, HostPort> founders = config_.initial_cluster;
  if (founders.empty()) {
    Result<HostPort> own = ParseHostPort(config_.advertise_peer);
    if (!own)
      return own.error();
    founders[config_.id] = *own;
  }
  founds_ = ClusterIdOf(config_.cluster_token, founders);
  for (const auto& [id, address] : founders) {
    addresses_[NodeId(id)] = address;
    membership_.voters.push_back(NodeId(id));
  }
  return Done();
}

Result<machine::Machine> Server::LoadState(storage::StateStore* state) {
  if (config_.discard_state)
    return machine::Machine{auth::Settings(), config_.machine_version};
  if (state->machine_version() > config_.machine_version)
    return Error{Errc::kInternal, Outcome::kNotApplied,
                 "the state in " + data_dir_->states().current() + " is of machine version " +
                     std::to_string(state->machine_version()) + ", and this build knows " +
                     std::to_string(config_.machine_version) +
                     ": it was written by a newer version of synod. Start that version, or a "
                     "later one; nothing was changed"};
  const int64_t start = MonotonicMs();
  Result<machine::Machine> machine =
      node::LoadState(*state, data_dir_->states().current(), config_.machine_version);
  if (!machine || state->slot() == Slot())
    return machine;
  LogInfo("state loaded", {{"slot", state->slot().value},
                           {"nodes", machine->counts().nodes},
                           {"ms", MonotonicMs() - start}});
  return machine;
}

std::string Server::NameOrDefault() const {
  return config_.name.empty() ? "node-" + std::to_string(self_.value) : config_.name;
}

net::Hello Server::MakeHello() const {
  net::Hello hello;
  hello.cluster_id = founding_->cluster_id();
  hello.founded = founding_->decided();
  hello.from = self_;
  hello.uuid = data_dir_->identity().node_uuid.Hex();
  hello.boot_id = boot_;
  hello.name = NameOrDefault();
  hello.peer_address = config_.advertise_peer;
  hello.client_url = config_.advertise_client;
  hello.machine_version = config_.machine_version;
  return hello;
}

Status Server::StartPeers() {
  net::PeerOptions options;
  options.tls = peer_tls_;
  options.seed = Entropy64();
  peers_ = std::make_unique<net::PeerTransport>(io_, *this, MakeHello(), options);
  // Also a cluster of one: it may grow.
  if (Status s = peers_->Listen(config_.peer.host, config_.peer.port); !s)
    return Error{
        Errc::kInternal, Outcome::kNotApplied,
        "cannot listen for peers on " + config_.peer.ToString() + " (--peer): " + s.error().detail};
  return Done();
}

void Server::BeginCluster() {
  const std::string uuid = data_dir_->identity().node_uuid.Hex();
  EngineConfig config;
  config.self = {self_, uuid, NameOrDefault(), config_.advertise_peer, config_.advertise_client};
  config.boot = boot_;
  config.consensus = ConsensusConfig(config_, self_, membership_, boot_);
  config.consensus.lease_before_ms = data_dir_->identity().lease_ms;
  SaveIdentity();  // before a longer lease is given
  config.tick_ms = kTickMs;
  config.pending_changes_max = config_.overload_calls_max;
  if (config_.debug_clock_permille != 1000)
    LogWarn("debug_clock_permille is set: this node's clock is slow");
  if (config_.debug_no_checkpoints) {
    LogWarn("debug_no_checkpoints is set: the log grows without end, and so does the next start");
    config.checkpoint_ms = kNeverMs;
    config.checkpoint_bytes = ~uint64_t{0};
  }
  config.cluster_id = founding_->cluster_id();
  config.witness = state_->witness();
  config.lost = data_dir_->quarantine();
  config.discard_state = config_.discard_state;
  config.state_unconfirmed = data_dir_->unconfirmed();
  config.first_settings = auth::Difference(auth::Settings(), config_.first_settings);
  for (const auto& [path, quota] : config_.first_quotas) config.first_quotas.push_back(quota);
  if (!config.lost.empty())
    LogError(
        "this node is quarantined and takes no part: remove it from the cluster and add a new "
        "member with an empty data directory",
        {{"why", config.lost}});
  OpenDisk();
  const int64_t now = MonotonicMs();
  engine_ = std::make_unique<Engine>(config, *std::move(machine_), std::move(recovered_), now);
  lease_over_ms_ = now + static_cast<int64_t>(config.consensus.lease_before_ms);
  machine_.reset();
  service_.SetEngine(engine_.get());
  LogInfo("member of cluster " + founding_->cluster_id(),
          {{"member", self_.value}, {"uuid", uuid}, {"members", addresses_.size()}});
  Touch();
}

Bytes Server::HelloPayload(NodeId) { return announced_ ? founds_ : Bytes(kMoved); }

net::HelloVerdict Server::OnHello(const net::Hello& hello, bool answer) {
  if (std::optional<std::string> reason = founding_->Judge(ToIntroduction(hello))) {
    // Who is refused asks again and again.
    if (refused_.size() >= kRefusedMax)
      refused_.clear();
    if (std::exchange(refused_[hello.from], *reason) != *reason)
      LogWarn("peer refused", {{"peer", hello.from.value}, {"reason", *reason}});
    return {false, *std::move(reason)};
  }
  refused_.erase(hello.from);
  if (!answer)
    FollowMove(hello);
  // A peer that was met before it belonged to the cluster now says that it does.
  const auto met = up_.find(hello.from);
  if (hello.founded && met != up_.end() && !met->second.founded)
    net::asio::post(io_, [this, hello] {
      const auto still = up_.find(hello.from);
      if (still != up_.end() && still->second.boot_id == hello.boot_id && !still->second.founded)
        OnPeerUp(hello.from, hello);
    });
  return {true, ""};
}

// Only if it is dialed there can it hear of a leader, which it has to tell of its move. One that
// came while this node was away may be the only one that tells it what it has missed.
void Server::FollowMove(const net::Hello& hello) {
  const Result<HostPort> address = ParseHostPort(hello.peer_address);
  const bool known = addresses_.contains(hello.from);
  if (!address || (known && hello.payload != kMoved))
    return;
  if (std::exchange(moved_[hello.from], *address) == *address)
    return;
  LogInfo(known ? "a member has moved" : "a member is new to this node",
          {{"peer", hello.from.value}, {"to", hello.peer_address}});
  net::asio::post(io_, [this] { DialMembers(); });
}

void Server::OnHelloRefused(NodeId peer, const std::string& reason, const net::Hello& theirs) {
  if (std::exchange(refused_[peer], reason) != reason)
    LogWarn("refused by a peer", {{"peer", peer.value}, {"reason", reason}});
  const bool removed = reason.starts_with(Founding::kRemoved);
  if (!founding_->decided()) {
    // Only a node without a past may draw this consequence: its number is another's, or nobody's.
    if (removed || reason.starts_with(Founding::kBoundElsewhere))
      fatal_(Ending::kMustNotRun, "this empty node must not run as member " +
                                      std::to_string(self_.value) + ": " + reason +
                                      ". If its disk was lost, " + HowToComeBack(theirs));
    return;
  }
  // Numbers are never given out again, so one peer that knows is enough.
  if (removed && engine_ && removed_since_ms_ == 0)
    removed_since_ms_ = MonotonicMs();
}

void Server::OnPeerUp(NodeId peer, const net::Hello& theirs) {
  up_[peer] = theirs;
  const size_t bound = founding_->bound().size();
  const bool decided = founding_->Met(ToIntroduction(theirs));
  if (decided || founding_->bound().size() != bound)
    SaveIdentity();
  if (decided) {
    peers_->SetSelf(MakeHello());
    peers_->Reintroduce();
    BeginCluster();
    for (const auto& [id, hello] : up_)
      if (id != peer)
        OnPeerUp(id, hello);
  }
  // It may not have decided yet, but both sides have accepted each other's cluster: what is lost on
  // it until then is sent again.
  if (engine_) {
    LogInfo("peer up", {{"peer", peer.value}});
    engine_->PeerUp({peer, theirs.uuid, theirs.name, theirs.peer_address, theirs.client_url,
                     theirs.machine_version},
                    theirs.boot_id);
    Touch();
  }
}

void Server::OnPeerDown(NodeId peer, bool process_gone) {
  LogInfo("peer down", {{"peer", peer.value}, {"process_gone", process_gone ? "yes" : "unknown"}});
  up_.erase(peer);
  if (!engine_)
    return;
  engine_->PeerDown(peer, process_gone);
  Touch();
}

void Server::OnFrame(NodeId from, std::string_view body) {
  if (!engine_ || removed_)
    return;
  engine_->Receive(from, body);
  Touch();
}

void Server::ScheduleTick() {
  tick_timer_.expires_after(std::chrono::milliseconds(kTickMs));
  tick_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error)
      return;
    const int64_t now = MonotonicMs();
    service_.Tick(now);
    LogLeftOut();
    RefreshTls(now);
    if (engine_ && !removed_) {
      engine_->Advance(now);
      Pump(MonotonicUs());
      FollowMembers(now);
      ForgetUnconfirmed();
      ScrubIfDue(now);
    }
    ScheduleTick();
  });
}

void Server::Touch() {
  if (pump_posted_ || !engine_ || removed_)
    return;
  pump_posted_ = true;
  // Behind everything that is ready in this turn, so that it all shares one entry and one frame.
  net::asio::post(io_, [this] {
    pump_posted_ = false;
    if (removed_)
      return;
    const int64_t now_us = MonotonicUs();
    engine_->Advance(now_us / 1000);
    Pump(now_us);
  });
}

void Server::Pump(int64_t now_us) {
  if (!engine_->HasOutput())
    return;
  engine_->SetTurn(now_us);
  EngineOutput out = engine_->Take();
  const TurnTimes turn{now_us, MonotonicUs()};
  if (!out.persist.empty())
    disk_->Append(std::move(out.persist));
  for (Frame& frame : out.frames) peers_->Send(frame.to, std::move(frame.body));
  service_.OnChangesDone(std::move(out.changes), turn);
  service_.OnReadsReady(std::move(out.reads), turn);
  service_.OnRevisions(out.revisions);
  if (out.checkpoint)
    disk_->WriteCheckpoint(*std::move(out.checkpoint));
  for (const consensus::LoadRequest& request : out.load) disk_->Load(request);
  for (SnapshotJob& job : out.snapshots) disk_->Snapshot(std::move(job));
  LogEvents(out.events);
  LogCrossings(out.crossings);
  if (out.lost)
    Quarantine(*out.lost);
  if (out.end_streams)
    service_.EndWatches(*out.end_streams);
  if (out.stop)
    fatal_(Ending::kMustNotRun, *out.stop);
  turns_.Add(MonotonicUs() - now_us);
  if (engine_->HasOutput())
    Touch();
}

void Server::OnDiskSpace(const DiskSpace& space) {
  const DiskLevel level = LevelOf(space, config_.disk, disk_level_);
  if (level != disk_level_) {
    const DiskGuard::View& view = guard_->view();
    const char* what = level == DiskLevel::kOk ? "there is room on the disk again"
                       : level == DiskLevel::kLow
                           ? "the disk is below its soft limit: what grows the state is refused "
                             "while a majority of the members has no more room than this"
                           : "the disk is below its hard limit: this node gives up leadership and "
                             "stands aside while the others suffice; free space";
    Log(level == DiskLevel::kOk ? LogLevel::kInfo : LogLevel::kError, what,
        {{"free_bytes", space.free}, {"soft_limit", view.soft}, {"hard_limit", view.hard}});
  }
  disk_level_ = level;
  if (engine_) {
    engine_->SetDisk(level);
    Touch();
  }
}

void Server::Quarantine(const std::string& why) {
  LogError(
      "this node may have forgotten a promise or a vote: it is quarantined and takes no part "
      "any more; remove it from the cluster and add a new member with an empty data directory",
      {{"why", why}});
  // Without the mark the next start asks the others again, and comes to the same end.
  if (const Status s = data_dir_->Quarantine(why); !s)
    fatal_(Ending::kDiskError, "the mark of the quarantine cannot be written: " + s.error().detail);
}

void Server::TakeState(Slot at_least, StateTaker taker) {
  state_takers_.emplace_back(at_least, std::move(taker));
  engine_->AskCheckpoint();
  Touch();
}

void Server::GiveStates(Slot slot) {
  std::erase_if(state_takers_, [&](auto& waiting) {
    if (waiting.first > slot)
      return false;
    disk_->TakeState(std::move(waiting.second));
    return true;
  });
}

void Server::LogEvents(const std::vector<consensus::Event>& events) {
  for (const consensus::Event& event : events) {
    const std::string_view what = event.what;
    const bool alarm = what == "state_diverged" || what == "digests_without_majority";
    Log(alarm ? LogLevel::kError : LogLevel::kInfo, what, {{"number", event.number}});
  }
}

void Server::LogCrossings(const std::vector<machine::QuotaCrossing>& crossings) {
  for (const machine::QuotaCrossing& crossing : crossings)
    Log(crossing.over ? LogLevel::kWarn : LogLevel::kInfo,
        crossing.over ? "a subtree is above a soft limit of its quota"
                      : "a subtree is no longer above a soft limit of its quota",
        {{"path", crossing.path},
         {"kind", std::string(crossing.kind)},
         {"soft_limit", crossing.soft},
         {"used", crossing.used}});
}

NodeInfo Server::Info() const {
  NodeInfo info;
  info.id = self_;
  info.name = name_.empty() ? NameOrDefault() : name_;
  info.cluster_id = founding_->cluster_id();
  if (removed_)
    info.refuses = "member " + std::to_string(self_.value) +
                   " was removed from the cluster and takes no part any more; stop this node and "
                   "delete its data directory " +
                   config_.data_dir + "; started empty with --join it becomes a new member";
  info.joins = joining_ != nullptr;
  if (joining_ && !engine_)
    info.waiting_for = joining_->progress();
  else if (!founding_->decided())
    info.waiting_for = "belongs to no cluster yet: " + std::to_string(founding_->answered()) +
                       " of " + std::to_string(founding_->needed()) +
                       " members needed have answered";
  return info;
}

std::string Server::MetricsText() {
  Metrics::Sources sources;
  sources.engine = engine_.get();
  sources.disk = disk_.get();
  sources.guard = guard_.get();
  sources.disk_level = disk_level_;
  sources.scrub = scrub_;
  sources.service = &service_;
  sources.http = http_.get();
  sources.peers = peers_.get();
  sources.turns = turns_;
  sources.uptime_seconds = service_.uptime_seconds();
  return metrics_.Render(sources);
}

void Server::Stop(std::function<void()> done) {
  if (stopping_)
    return;
  stopping_ = true;
  stopped_ = std::move(done);
  http_->StopAccepting();
  stop_timer_ = std::make_unique<net::asio::steady_timer>(io_);
  stop_timer_->expires_after(kStopLimit);
  stop_timer_->async_wait([this](const boost::system::error_code& error) {
    if (!error)
      FinishStop();
  });
  if (!engine_) {
    FinishStop();
    return;
  }
  HandOver();
}

// Leadership goes to the voter that is furthest; what waits here is answered once it has gone or a
// moment has passed.
void Server::HandOver() {
  const consensus::Replica& replica = engine_->replica();
  if (replica.IsLeader() && !handed_over_) {
    handed_over_ = true;
    if (engine_->HandOver()) {
      LogInfo("handing leadership over");
      Touch();
    }
  }
  const bool waiting =
      replica.IsLeader() && replica.membership().voters.size() > 1 && !up_.empty() && !removed_;
  if (!waiting) {
    FinishStop();
    return;
  }
  hand_over_timer_ = std::make_unique<net::asio::steady_timer>(io_);
  hand_over_timer_->expires_after(std::chrono::milliseconds(kTickMs));
  hand_over_timer_->async_wait([this](const boost::system::error_code& error) {
    if (!error && stopped_)
      HandOver();
  });
}

void Server::FinishStop() {
  if (!stopped_)
    return;
  stop_timer_->cancel();
  joining_.reset();
  if (engine_ && !removed_) {
    engine_->Shutdown();
    Pump(MonotonicUs());
  }
  service_.EndStreams();
  http_->CloseIdle();
  // One more turn, in which the last answers leave.
  net::asio::post(io_, [this, done = std::exchange(stopped_, nullptr)] {
    peers_->Goodbye();
    http_->Close();
    tick_timer_.cancel();
    guard_.reset();
    disk_.reset();  // waits for what was handed to it
    LogInfo("stopped");
    done();
  });
}

}  // namespace synod::node
