#include "src/node/server.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "src/base/check.h"
#include "src/node/log.h"
#include "src/node/process.h"

namespace synod::node {
namespace {

constexpr int64_t kTickMs = 10;
constexpr std::chrono::milliseconds kStopLimit{3000};

consensus::Config ConsensusConfig(const NodeConfig& config,
                                  NodeId self,
                                  const std::map<uint32_t, HostPort>& members,
                                  uint64_t boot) {
  consensus::Config c;
  c.self = self;
  for (const auto& [id, address] : members) c.membership.voters.push_back(NodeId(id));
  c.seed = Entropy64();
  c.boot_id = boot;
  c.heartbeat_ticks = static_cast<uint32_t>(std::max<int64_t>(1, config.heartbeat_ms / kTickMs));
  c.election_ticks_min = static_cast<uint32_t>(config.election_timeout_ms / kTickMs);
  c.election_ticks_max = 2 * c.election_ticks_min;
  return c;
}

Introduction ToIntroduction(const net::Hello& hello) {
  return {hello.from, hello.to, hello.uuid, hello.cluster_id, hello.payload};
}

std::string HostOfUrl(const std::string& url) {
  const size_t begin = url.find("://") + 3;
  const std::string authority = url.substr(begin, url.find('/', begin) - begin);
  const Result<HostPort> parsed = ParseHostPort(authority);
  return parsed ? parsed->host : authority;
}

api::HttpPolicy MakePolicy(const NodeConfig& config) {
  api::HttpPolicy policy;
  policy.loopback_only = IsLoopback(config.client.host);
  policy.advertised_host = HostOfUrl(config.advertise_client);
  policy.allowed_hosts = config.allowed_hosts;
  policy.allowed_origins = config.allowed_origins;
  return policy;
}

}  // namespace

Server::Server(net::asio::io_context& io, NodeConfig config, std::function<void(std::string)> fatal)
    : io_(io),
      config_(std::move(config)),
      fatal_(std::move(fatal)),
      boot_(Entropy64() | 1),
      service_(io,
               MakePolicy(config_),
               {[this] { Touch(); }, [this] { return Info(); }, [this] { return MetricsText(); },
                [this](api::StatusView* status) {
                  if (!disk_)
                    return;
                  const DiskThreads::Stats stats = disk_->stats();
                  status->log_bytes = stats.log.bytes_on_disk;
                  status->state_bytes = stats.state_bytes;
                }}),
      tick_timer_(io) {}

Server::~Server() = default;

Status Server::Start() {
  if (Status s = OpenData(); !s)
    return s;
  if (Status s = StartPeers(); !s)
    return s;
  net::HttpOptions options;
  options.connections_max = config_.connections_max;
  http_ = std::make_unique<net::HttpServer>(io_, service_, options);
  if (Status s = http_->Listen(config_.client.host, config_.client.port); !s)
    return Error{
        Errc::kInternal, Outcome::kNotApplied,
        "cannot listen for clients on " + config_.client.ToString() + ": " + s.error().detail};
  LogInfo("listening", {{"client", config_.client.ToString()}, {"peer", config_.peer.ToString()}});
  if (founding_->FoundAlone())
    SaveIdentity();
  if (founding_->decided())
    BeginCluster();
  ScheduleTick();
  return Done();
}

Status Server::OpenData() {
  storage::FileSystem& fs = storage::PosixFileSystem();
  storage::AcceptorLogOptions options;
  options.seed = Entropy64();
  options.accept_data_loss = config_.accept_data_loss;
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

  Result<std::unique_ptr<storage::StateStore>> state =
      storage::StateStore::Open(fs, data_dir_->state_dir());
  if (!state)
    return state.error();
  state_ = *std::move(state);
  Result<machine::Machine> machine = LoadState(state_.get());
  if (!machine)
    return machine.error();
  machine_.emplace(*std::move(machine));
  options.spare_thread = true;
  options.gen_at_least = state_->log_gen();  // the state bears witness for the log
  Result<std::unique_ptr<storage::AcceptorLog>> log =
      storage::AcceptorLog::Open(fs, data_dir_->log_dir(), options, state_->slot(), &recovered_);
  if (!log)
    return log.error();
  log_ = *std::move(log);

  const storage::Identity& identity = data_dir_->identity();
  Founding::Self self;
  self.id = self_;
  self.uuid = identity.node_uuid.Hex();
  self.cluster_id = identity.HasCluster() ? identity.cluster_id.Hex() : "";
  self.founds = ClusterIdOf(config_.cluster_token, addresses_);
  for (const auto& [id, address] : addresses_) self.members.insert(NodeId(id));
  for (const auto& [id, uuid] : identity.peers) self.bound[id] = uuid.Hex();
  founding_ = std::make_unique<Founding>(std::move(self));
  return Done();
}

// What the directory knows wins over flags: they were for its first start.
Status Server::ChooseMembers() {
  const storage::Identity& identity = data_dir_->identity();
  if (!identity.HasCluster()) {
    self_ = NodeId(config_.id);
    addresses_ = config_.initial_cluster;
    if (addresses_.empty()) {
      Result<HostPort> own = ParseHostPort(config_.advertise_peer);
      if (!own)
        return own.error();
      addresses_[config_.id] = *own;
    }
    return Done();
  }
  self_ = identity.member_id;
  if (self_.value != config_.id)
    LogWarn("the data directory belongs to another member number; that one is used",
            {{"directory", self_.value}, {"flag", config_.id}});
  for (const auto& [id, text] : identity.members) {
    const Result<HostPort> address = ParseHostPort(text);
    if (!address)
      return Error{Errc::kInternal, Outcome::kNotApplied,
                   "the identity file lists the address '" + text + "', which is none"};
    addresses_[id.value] = *address;
  }
  return Done();
}

Result<machine::Machine> Server::LoadState(storage::StateStore* state) {
  machine::Machine machine{auth::Settings()};
  if (state->slot() == Slot())
    return machine;
  const int64_t start = MonotonicMs();
  if (Status s = state->Load([&](std::string_view key, std::string_view value) {
        return machine.LoadRecord(key, value);
      });
      !s)
    return s.error();
  if (Status s = machine.FinishLoad(); !s)
    return s.error();
  if (machine.digest() != state->digest() || machine.applied() != state->slot())
    return Error{
        Errc::kInternal, Outcome::kNotApplied,
        "the state in " + data_dir_->state_dir() +
            " is damaged: its digest is not the one it was written with. Do not delete the log. "
            "Remove this member and add a new one in its place"};
  LogInfo("state loaded", {{"slot", state->slot().value},
                           {"nodes", machine.counts().nodes},
                           {"ms", MonotonicMs() - start}});
  return machine;
}

net::Hello Server::MakeHello() const {
  net::Hello hello;
  hello.cluster_id = founding_->cluster_id();
  hello.founded = founding_->decided();
  hello.from = self_;
  hello.uuid = data_dir_->identity().node_uuid.Hex();
  hello.boot_id = boot_;
  hello.name = config_.name;
  hello.peer_address = config_.advertise_peer;
  hello.client_url = config_.advertise_client;
  return hello;
}

Status Server::StartPeers() {
  net::PeerOptions options;
  options.seed = Entropy64();
  peers_ = std::make_unique<net::PeerTransport>(io_, *this, MakeHello(), options);
  if (addresses_.size() > 1) {
    if (Status s = peers_->Listen(config_.peer.host, config_.peer.port); !s)
      return Error{
          Errc::kInternal, Outcome::kNotApplied,
          "cannot listen for peers on " + config_.peer.ToString() + ": " + s.error().detail};
    std::vector<net::PeerAddress> list;
    for (const auto& [id, address] : addresses_)
      if (NodeId(id) != self_)
        list.push_back({NodeId(id), address.host, address.port});
    peers_->SetPeers(std::move(list));
  }
  if (!founding_->decided())
    LogInfo("belongs to no cluster yet: asking the listed members",
            {{"members", addresses_.size()}, {"needed", founding_->needed()}});
  return Done();
}

void Server::SaveIdentity() {
  if (!founding_->decided())
    return;
  storage::Identity identity = data_dir_->identity();
  identity.cluster_id = Hash128::FromHex(founding_->cluster_id()).value();
  identity.member_id = self_;
  for (const auto& [id, address] : addresses_) identity.members[NodeId(id)] = address.ToString();
  for (const auto& [id, uuid] : founding_->bound())
    if (const std::optional<Hash128> parsed = Hash128::FromHex(uuid))
      identity.peers[id] = *parsed;
  if (identity == data_dir_->identity())
    return;
  if (const Status s = data_dir_->Save(identity); !s)
    fatal_("the identity cannot be written: " + s.error().detail);
}

void Server::BeginCluster() {
  const std::string uuid = data_dir_->identity().node_uuid.Hex();
  EngineConfig config;
  config.self = {self_, uuid, config_.name, config_.advertise_peer, config_.advertise_client};
  config.boot = boot_;
  config.consensus = ConsensusConfig(config_, self_, addresses_, boot_);
  config.tick_ms = kTickMs;
  config.cluster_id = founding_->cluster_id();
  config.witness = state_->witness();
  config.lost = data_dir_->quarantine();
  if (!config.lost.empty())
    LogError(
        "this node is quarantined and takes no part: remove it from the cluster and add a new "
        "member with an empty data directory",
        {{"why", config.lost}});
  disk_ = std::make_unique<DiskThreads>(
      io_, std::move(log_), std::move(state_),
      DiskThreads::Callbacks{
          [this](PersistId upto, uint64_t gen) {
            engine_->Persisted(upto, gen);
            Touch();
          },
          [this](Slot slot, Slot first_kept) {
            engine_->Checkpointed(slot, first_kept);
            Touch();
          },
          [this](const consensus::LoadRequest& request, std::vector<consensus::Chosen> entries) {
            engine_->Loaded(request, std::move(entries));
            Touch();
          }});
  engine_ =
      std::make_unique<Engine>(config, *std::move(machine_), std::move(recovered_), MonotonicMs());
  machine_.reset();
  service_.SetEngine(engine_.get());
  LogInfo("member of cluster " + founding_->cluster_id(),
          {{"member", self_.value}, {"uuid", uuid}, {"members", addresses_.size()}});
  Touch();
}

Bytes Server::HelloPayload(NodeId) { return ClusterIdOf(config_.cluster_token, addresses_); }

net::HelloVerdict Server::OnHello(const net::Hello& hello, bool) {
  if (std::optional<std::string> reason = founding_->Judge(ToIntroduction(hello))) {
    LogWarn("peer refused", {{"peer", hello.from.value}, {"reason", *reason}});
    return {false, *std::move(reason)};
  }
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

void Server::OnHelloRefused(NodeId peer, const std::string& reason, const net::Hello&) {
  // Only a node without a past may draw the consequence: its number is another's.
  if (reason.starts_with(Founding::kBoundElsewhere) && !founding_->decided()) {
    fatal_("this empty node must not join as member " + std::to_string(self_.value) + ": " +
           reason);
    return;
  }
  LogWarn("refused by a peer", {{"peer", peer.value}, {"reason", reason}});
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
    engine_->PeerUp({peer, theirs.uuid, theirs.name, theirs.peer_address, theirs.client_url},
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
  if (!engine_)
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
    if (engine_) {
      engine_->Advance(now);
      Pump();
    }
    ScheduleTick();
  });
}

void Server::Touch() {
  if (pump_posted_ || !engine_)
    return;
  pump_posted_ = true;
  // Behind everything that is ready in this turn, so that it all shares one entry and one frame.
  net::asio::post(io_, [this] {
    pump_posted_ = false;
    engine_->Advance(MonotonicMs());
    Pump();
  });
}

void Server::Pump() {
  if (!engine_->HasOutput())
    return;
  EngineOutput out = engine_->Take();
  if (!out.persist.empty())
    disk_->Append(std::move(out.persist));
  for (Frame& frame : out.frames) peers_->Send(frame.to, std::move(frame.body));
  service_.OnChangesDone(std::move(out.changes));
  service_.OnReadsReady(std::move(out.reads));
  service_.OnRevisions(out.revisions);
  if (out.checkpoint) {
    LearnMembers();
    disk_->WriteCheckpoint(*std::move(out.checkpoint));
  }
  for (const consensus::LoadRequest& request : out.load) disk_->Load(request);
  LogEvents(out.events);
  if (out.lost)
    Quarantine(*out.lost);
  if (engine_->HasOutput())
    Touch();
}

void Server::Quarantine(const std::string& why) {
  LogError(
      "this node may have forgotten a promise or a vote: it is quarantined and takes no part "
      "any more; remove it from the cluster and add a new member with an empty data directory",
      {{"why", why}});
  // Without the mark the next start asks the others again, and comes to the same end.
  if (const Status s = data_dir_->Quarantine(why); !s)
    fatal_("the mark of the quarantine cannot be written: " + s.error().detail);
}

void Server::LogEvents(const std::vector<consensus::Event>& events) {
  for (const consensus::Event& event : events)
    Log(LogLevel::kInfo, event.what, {{"number", event.number}});
}

void Server::LearnMembers() {
  bool changed = false;
  for (const machine::MemberView& member : engine_->machine().members()) {
    const auto it = founding_->bound().find(member.id);
    if (member.id == self_ || (it != founding_->bound().end() && it->second == member.uuid))
      continue;
    founding_->Bind(member.id, member.uuid);
    changed = true;
  }
  if (changed)
    SaveIdentity();
}

NodeInfo Server::Info() const {
  NodeInfo info;
  info.id = self_;
  info.name = config_.name;
  info.cluster_id = founding_->cluster_id();
  if (!founding_->decided())
    info.waiting_for = "belongs to no cluster yet: " + std::to_string(founding_->answered()) +
                       " of " + std::to_string(founding_->needed()) +
                       " members needed have answered";
  return info;
}

std::string Server::MetricsText() {
  Metrics::Sources sources;
  sources.engine = engine_.get();
  sources.disk = disk_.get();
  sources.service = &service_;
  sources.http = http_.get();
  sources.peers = peers_.get();
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
  const bool waiting = replica.IsLeader() && addresses_.size() > 1 && up_.size() > 0;
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
  if (engine_) {
    engine_->Shutdown();
    Pump();
  }
  service_.EndStreams();
  http_->CloseIdle();
  // One more turn, in which the last answers leave.
  net::asio::post(io_, [this, done = std::exchange(stopped_, nullptr)] {
    peers_->Goodbye();
    http_->Close();
    tick_timer_.cancel();
    disk_.reset();  // waits for what was handed to it
    LogInfo("stopped");
    done();
  });
}

}  // namespace synod::node
