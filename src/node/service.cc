#include "src/node/service.h"

#include <algorithm>
#include <utility>

#include "src/api/watch_socket.h"
#include "src/base/check.h"
#include "src/node/process.h"

namespace synod::node {
namespace {

// What a learner may lag and still be promoted.
constexpr uint64_t kLearnerLagMax = 1000;

Route RouteOf(const machine::Operation& operation) {
  struct Visitor {
    Route operator()(const machine::Put&) { return Route::kPut; }
    Route operator()(const machine::CreateSequential&) { return Route::kCreate; }
    Route operator()(const machine::Delete&) { return Route::kDelete; }
    Route operator()(const machine::Txn&) { return Route::kTxn; }
    Route operator()(const machine::LeaseGrant&) { return Route::kLease; }
    Route operator()(const machine::LeaseKeepAlive&) { return Route::kLease; }
    Route operator()(const machine::LeaseRevoke&) { return Route::kLease; }
    Route operator()(const machine::Acquire& a) { return OfKind(a.kind); }
    Route operator()(const machine::AcquireAll&) { return Route::kLock; }
    Route operator()(const machine::Release& r) { return OfKind(r.kind); }
    Route operator()(const machine::Proclaim&) { return Route::kElection; }
    Route operator()(const machine::Transfer&) { return Route::kElection; }
    Route operator()(const machine::Compact&) { return Route::kOther; }
    Route operator()(const machine::Disown&) { return Route::kOther; }
    Route operator()(const machine::NodeGone&) { return Route::kOther; }
    Route operator()(const machine::Adopt&) { return Route::kOther; }
    Route operator()(const machine::SetMember&) { return Route::kOther; }
    Route operator()(const machine::ChangeMembers&) { return Route::kOther; }
    Route operator()(const machine::UpdateMember&) { return Route::kOther; }
    Route operator()(const machine::CheckDigests&) { return Route::kOther; }
    Route operator()(const machine::ChangeSettings&) { return Route::kOther; }
    Route operator()(const machine::RaiseFence&) { return Route::kFence; }
    Route operator()(const machine::ForgetFence&) { return Route::kFence; }
    static Route OfKind(machine::LockKind kind) {
      return kind == machine::LockKind::kLock ? Route::kLock : Route::kElection;
    }
  };
  return std::visit(Visitor{}, operation);
}

Route RouteOf(const machine::Query& query) {
  struct Visitor {
    Route operator()(const machine::GetNode&) { return Route::kGet; }
    Route operator()(const machine::ListNodes&) { return Route::kList; }
    Route operator()(const machine::GetLease&) { return Route::kLease; }
    Route operator()(const machine::ListLeases&) { return Route::kLease; }
    Route operator()(const machine::GetLock& q) {
      return q.kind == machine::LockKind::kLock ? Route::kLock : Route::kElection;
    }
    Route operator()(const machine::ListLocks&) { return Route::kLock; }
    Route operator()(const machine::GetSettings&) { return Route::kOther; }
    Route operator()(const machine::GetFence&) { return Route::kFence; }
  };
  return std::visit(Visitor{}, query);
}

Route RouteOf(const api::Call& call) {
  if (const auto* change = std::get_if<api::ChangeCall>(&call))
    return RouteOf(change->command.operation);
  if (const auto* read = std::get_if<api::ReadCall>(&call))
    return RouteOf(read->query);
  if (const auto* plain = std::get_if<api::PlainCall>(&call)) {
    switch (plain->kind) {
      case api::PlainCall::Kind::kStatus:
      case api::PlainCall::Kind::kCluster:
        return Route::kStatus;
      case api::PlainCall::Kind::kMetrics:
        return Route::kMetrics;
      case api::PlainCall::Kind::kVersion:
        return Route::kOther;
      case api::PlainCall::Kind::kLivez:
      case api::PlainCall::Kind::kReadyz:
      case api::PlainCall::Kind::kHealthz:
        return Route::kHealth;
    }
  }
  return Route::kWatch;
}

// The leader tries for one maximal election timeout, by default a second; then once more.
constexpr int64_t kMoveMs = 2500;
constexpr int64_t kAskAgainMs = 250;

Error NotReady(std::string detail) {
  return {Errc::kNotReady, Outcome::kNotApplied, std::move(detail)};
}

}  // namespace

Service::Service(net::asio::io_context& io, api::HttpPolicy policy, Hooks hooks)
    : io_(io), policy_(std::move(policy)), hooks_(std::move(hooks)), started_ms_(MonotonicMs()) {}
Service::~Service() = default;

void Service::SetEngine(Engine* engine) {
  engine_ = engine;
  streams_ = std::make_unique<Streams>(&engine->machine(), [this] { return MakeContext(); });
  sockets_ = std::make_unique<WatchSockets>(engine, streams_.get(), hooks_.touch);
}

api::Context Service::MakeContext() const {
  api::Context context;
  context.node = hooks_.info().id;
  if (engine_ != nullptr) {
    context.revision = engine_->machine().revision();
    context.time = engine_->Now();
    context.leader = engine_->replica().leader();
  }
  return context;
}

net::HttpResponse Service::Refuse(Errc code, std::string detail) {
  api::RenderOptions options;
  options.could_change = true;
  net::HttpResponse response =
      api::RenderError(options, MakeContext(), {code, Outcome::kNotApplied, std::move(detail)});
  stats_.Count(Route::kOther, response.status, 0);
  return response;
}

void Service::OnRequest(std::shared_ptr<net::Exchange> exchange) {
  std::variant<api::Call, net::HttpResponse> parsed =
      api::ParseCall(exchange->request(), limits_, policy_, MakeContext());
  if (auto* response = std::get_if<net::HttpResponse>(&parsed)) {
    stats_.Count(Route::kOther, response->status, 0);
    exchange->Reply(std::move(*response));
    return;
  }
  auto& call = std::get<api::Call>(parsed);
  const Route route = RouteOf(call);
  Start(exchange, std::move(call), route);
}

void Service::Start(const std::shared_ptr<net::Exchange>& exchange, api::Call call, Route route) {
  if (const auto* plain = std::get_if<api::PlainCall>(&call)) {
    AnswerPlain(exchange.get(), *plain, route);
    return;
  }
  const NodeInfo info = hooks_.info();
  if (engine_ == nullptr || !info.refuses.empty()) {
    const api::RenderOptions options = std::visit([](const auto& c) { return c.render; }, call);
    net::HttpResponse response = api::RenderError(
        options, MakeContext(), NotReady(engine_ == nullptr ? info.waiting_for : info.refuses));
    stats_.Count(route, response.status, 0);
    exchange->Reply(std::move(response));
    return;
  }
  if (auto* change = std::get_if<api::ChangeCall>(&call))
    StartChange(exchange, std::move(*change), route);
  else if (auto* read = std::get_if<api::ReadCall>(&call))
    StartRead(exchange, std::move(*read), route);
  else if (auto* watch = std::get_if<api::WatchCall>(&call))
    StartStream(exchange, std::move(*watch), route);
  else if (auto* socket = std::get_if<api::WatchSocketCall>(&call))
    StartStream(exchange, std::move(*socket), route);
  else if (auto* observe = std::get_if<api::ObserveCall>(&call))
    StartStream(exchange, std::move(*observe), route);
  else if (auto* move = std::get_if<api::MoveLeaderCall>(&call))
    StartMove(exchange, std::move(*move), route);
  else
    StartBackup(exchange, std::get<api::SnapshotCall>(std::move(call)), route);
  hooks_.touch();
}

void Service::Wait(CallId id, Waiting waiting) {
  // A client that closed its sending half still reads its answer. Only what may wait for long, and
  // for others, is given up when it seems gone.
  const auto* change = std::get_if<api::ChangeCall>(&waiting.call);
  if (change != nullptr && change->wait_ms.value_or(0) > 0)
    waiting.exchange->OnGone([this, id] {
      if (calls_.erase(id) == 0)
        return;
      engine_->Cancel(id);
      hooks_.touch();
    });
  calls_.emplace(id, std::move(waiting));
}

void Service::StartChange(std::shared_ptr<net::Exchange> exchange,
                          api::ChangeCall call,
                          Route route) {
  const int64_t timeout_ms = call.timeout_ms + call.wait_ms.value_or(0);
  const Result<CallId> id = engine_->Change(std::move(call.command), timeout_ms);
  if (!id) {
    net::HttpResponse response = api::RenderError(call.render, MakeContext(), id.error());
    stats_.Count(route, response.status, 0);
    exchange->Reply(std::move(response));
    return;
  }
  Wait(*id, {std::move(exchange), std::move(call), route, MonotonicUs()});
}

void Service::StartRead(std::shared_ptr<net::Exchange> exchange, api::ReadCall call, Route route) {
  ReadRequest request;
  request.timeout_ms = call.timeout_ms;
  if (call.consistency == api::Consistency::kSequential) {
    request.consistency = Consistency::kSequential;
    request.min_revision = call.min_revision;
    request.max_age_ms = call.max_age_ms;
  }
  const CallId id = engine_->Read(request);
  Wait(id, {std::move(exchange), std::move(call), route, MonotonicUs()});
}

template <typename StreamCall>
void Service::StartStream(std::shared_ptr<net::Exchange> exchange, StreamCall call, Route route) {
  ReadRequest request;
  request.timeout_ms = call.timeout_ms;
  const CallId id = engine_->Read(request);
  Wait(id, {std::move(exchange), std::move(call), route, MonotonicUs()});
}

// A quorum round first: the backup is to cover everything that was acknowledged before.
void Service::StartBackup(std::shared_ptr<net::Exchange> exchange,
                          api::SnapshotCall call,
                          Route route) {
  if (backup_busy_) {
    net::HttpResponse response =
        api::RenderError(call.render, MakeContext(),
                         {Errc::kOverloaded, Outcome::kNotApplied,
                          "this node sends a backup already: one at a time"});
    stats_.Count(route, response.status, 0);
    exchange->Reply(std::move(response));
    return;
  }
  backup_busy_ = true;
  ReadRequest request;
  request.timeout_ms = call.timeout_ms;
  const CallId id = engine_->Read(request);
  Wait(id, {std::move(exchange), std::move(call), route, MonotonicUs()});
}

void Service::BeginBackup(Waiting waiting, ClusterTime time) {
  auto shared = std::make_shared<Waiting>(std::move(waiting));
  hooks_.take_state(
      engine_->machine().applied(),
      [this, shared, time](std::shared_ptr<storage::StateSnapshot> state) {
        storage::SnapshotHeader header;
        header.cluster_id = Hash128::FromHex(hooks_.info().cluster_id).value();
        header.slot = state->slot();
        header.revision = state->revision();
        header.time = state->time();
        header.digest = state->digest();
        api::Context context = MakeContext();
        context.revision = header.revision;
        context.time = time;
        net::HttpResponse head =
            api::RenderSnapshotHead(std::get<api::SnapshotCall>(shared->call).render, context);
        stats_.Count(shared->route, head.status, MonotonicUs() - shared->started_us);
        backup_ = std::make_unique<Backup>(io_, std::move(shared->exchange), std::move(head),
                                           std::move(state), header, [this] {
                                             backup_.reset();
                                             backup_busy_ = false;
                                           });
      });
}

// A quorum round first: whom to move to is judged by the membership as it is now.
void Service::StartMove(std::shared_ptr<net::Exchange> exchange,
                        api::MoveLeaderCall call,
                        Route route) {
  ReadRequest request;
  request.timeout_ms = call.timeout_ms;
  const CallId id = engine_->Read(request);
  Wait(id, {std::move(exchange), std::move(call), route, MonotonicUs()});
}

void Service::BeginMove(Waiting waiting, const api::MoveLeaderCall& call) {
  const Membership& membership = engine_->replica().membership();
  const std::string who = "member " + std::to_string(call.to.value);
  const bool learner = std::count(membership.learners.begin(), membership.learners.end(), call.to);
  if (!membership.IsVoter(call.to)) {
    const Error error = learner
                            ? Error{Errc::kInvalidRequest, Outcome::kNotApplied,
                                    who + " is a learner: it cannot lead before it is promoted"}
                            : Error{Errc::kNotFound, Outcome::kNotApplied, "there is no " + who};
    Reply(waiting, api::RenderError(call.render, MakeContext(), error));
    return;
  }
  const int64_t now_ms = MonotonicMs();
  Move move;
  move.to = call.to;
  move.give_up_ms = now_ms + kMoveMs;
  move.deadline_ms = waiting.started_us / 1000 + call.timeout_ms;
  move.asked_ms = now_ms - kAskAgainMs;
  move.waiting = std::move(waiting);
  moves_.push_back(std::move(move));
  GoOnWithMoves(now_ms);
}

std::optional<net::HttpResponse> Service::GoOn(Move* move, int64_t now_ms) {
  const api::RenderOptions& render = std::get<api::MoveLeaderCall>(move->waiting.call).render;
  if (engine_->LeaderBegun() == move->to)
    return api::RenderLeaderMoved(render, MakeContext(), *LeaderView());
  if (now_ms >= move->give_up_ms || now_ms >= move->deadline_ms) {
    Error error{Errc::kDeadlineExceeded, Outcome::kUnknown,
                "member " + std::to_string(move->to.value) + " has not taken over in timeout_ms"};
    if (now_ms < move->deadline_ms)
      error = {Errc::kNotReady, Outcome::kUnknown,
               "member " + std::to_string(move->to.value) +
                   " did not take over: it lags, or the leader does not reach it"};
    if (!move->asked)
      error = {Errc::kNotReady, Outcome::kNotApplied, move->refusal};
    return api::RenderError(render, MakeContext(), error);
  }
  if (now_ms - move->asked_ms >= kAskAgainMs) {
    move->asked_ms = now_ms;
    const Status asked = engine_->AskToLead(move->to);
    move->asked |= asked.has_value();
    if (!asked)
      move->refusal = asked.error().detail;
  }
  return std::nullopt;
}

void Service::GoOnWithMoves(int64_t now_ms) {
  std::erase_if(moves_, [&](Move& move) {
    std::optional<net::HttpResponse> response = GoOn(&move, now_ms);
    if (response)
      Reply(move.waiting, *std::move(response));
    return response.has_value();
  });
}

void Service::Reply(const Waiting& waiting, net::HttpResponse response) {
  stats_.Count(waiting.route, response.status, MonotonicUs() - waiting.started_us);
  waiting.exchange->Reply(std::move(response));
}

void Service::OnChangesDone(std::vector<ChangeDone> changes) {
  for (ChangeDone& done : changes) {
    auto node = calls_.extract(done.call);
    if (node.empty())
      continue;
    Waiting& waiting = node.mapped();
    const api::RenderOptions& render = std::get<api::ChangeCall>(waiting.call).render;
    Reply(waiting, done.answer ? api::RenderAnswer(render, MakeContext(), *done.answer)
                               : api::RenderError(render, MakeContext(), done.answer.error()));
  }
}

void Service::OnReadsReady(std::vector<ReadReady> reads) {
  const int64_t now_ms = MonotonicMs();
  for (ReadReady& ready : reads) {
    auto node = calls_.extract(ready.call);
    if (node.empty()) {
      sockets_->OnReadReady(ready.call, ready.time ? Done() : Status(ready.time.error()), now_ms);
      continue;
    }
    Waiting& waiting = node.mapped();
    const api::RenderOptions& render = std::visit(
        [](const auto& c) -> const api::RenderOptions& { return c.render; }, waiting.call);
    if (!ready.time) {
      if (std::holds_alternative<api::SnapshotCall>(waiting.call))
        backup_busy_ = false;
      Reply(waiting, api::RenderError(render, MakeContext(), ready.time.error()));
    } else if (const auto* read = std::get_if<api::ReadCall>(&waiting.call)) {
      ServeRead(waiting, *read, *ready.time);
    } else if (const auto* watch = std::get_if<api::WatchCall>(&waiting.call)) {
      stats_.Count(waiting.route, streams_->Begin(waiting.exchange, *watch, now_ms),
                   MonotonicUs() - waiting.started_us);
    } else if (std::holds_alternative<api::WatchSocketCall>(waiting.call)) {
      net::HttpResponse head = api::RenderSocketHead(render, MakeContext());
      stats_.Count(waiting.route, head.status, MonotonicUs() - waiting.started_us);
      sockets_->Open(waiting.exchange, std::move(head));
    } else if (const auto* observe = std::get_if<api::ObserveCall>(&waiting.call)) {
      stats_.Count(waiting.route, streams_->Begin(waiting.exchange, *observe, now_ms),
                   MonotonicUs() - waiting.started_us);
    } else if (const auto* move = std::get_if<api::MoveLeaderCall>(&waiting.call)) {
      const api::MoveLeaderCall call = *move;
      BeginMove(std::move(waiting), call);
    } else {
      BeginBackup(std::move(waiting), *ready.time);
    }
  }
}

void Service::ServeRead(Waiting& waiting, const api::ReadCall& call, ClusterTime time) {
  const machine::Machine& machine = engine_->machine();
  api::Context context = MakeContext();
  context.time = time;
  if (call.consistency == api::Consistency::kAtRevision) {
    if (call.min_revision > machine.revision()) {
      const Error error{
          Errc::kInvalidRequest, Outcome::kNotApplied,
          "at_revision is beyond the present revision " + std::to_string(machine.revision().value)};
      Reply(waiting, api::RenderError(call.render, context, error));
      return;
    }
    context.revision = call.min_revision;
  }
  const Result<machine::QueryResult> result = machine.Read(call.query, time);
  Reply(waiting,
        result ? api::RenderQuery(call.render, context, *result)
               : api::RenderError(call.render, context, result.error(), machine.tree().floor()));
}

void Service::OnRevisions(const std::vector<store::RevisionRef>& revisions) {
  if (!revisions.empty())
    streams_->Publish(revisions);
}

void Service::OnStateReplaced() {
  if (streams_)
    streams_->OnStateReplaced();
}

void Service::Tick(int64_t now_ms) {
  if (streams_)
    streams_->Tick(now_ms);
  if (!moves_.empty())
    GoOnWithMoves(now_ms);
}

void Service::EndStreams() {
  for (const Move& move : std::exchange(moves_, {}))
    Reply(move.waiting,
          api::RenderError(std::get<api::MoveLeaderCall>(move.waiting.call).render, MakeContext(),
                           {Errc::kShuttingDown, Outcome::kUnknown, "the node is stopping"}));
  backup_.reset();
  if (streams_) {
    streams_->EndAll(std::nullopt);
    sockets_->CloseAll({Errc::kShuttingDown, Outcome::kNotApplied, "the node is stopping"});
  }
}

void Service::EndWatches(const Error& why) {
  if (streams_) {
    streams_->EndAll(why);
    sockets_->CloseAll(why);
  }
}

double Service::uptime_seconds() const {
  return static_cast<double>(MonotonicMs() - started_ms_) * 1e-3;
}

std::optional<api::StatusView::Leader> Service::LeaderView() const {
  const std::optional<NodeId> leader = engine_->replica().leader();
  if (!leader)
    return std::nullopt;
  api::StatusView::Leader view{*leader, "", ""};
  for (const machine::MemberView& member : engine_->machine().members())
    if (member.id == *leader)
      view = {*leader, member.name, member.client_url};
  return view;
}

api::StatusView Service::MakeStatus() const {
  const NodeInfo info = hooks_.info();
  api::StatusView status;
  status.id = info.id;
  status.name = info.name;
  status.cluster_id = info.cluster_id;
  status.version = kVersion;
  status.uptime_ms = MonotonicMs() - started_ms_;
  status.role = info.joins ? "learner" : "candidate";
  status.removed = info.refuses;
  hooks_.storage_status(&status);
  if (engine_ == nullptr)
    return status;
  const consensus::Replica& replica = engine_->replica();
  const machine::Machine& machine = engine_->machine();
  if (replica.role() == consensus::Role::kLeader)
    status.role = "leader";
  else if (!replica.membership().IsVoter(info.id) || !info.refuses.empty())
    status.role = "learner";
  else if (replica.role() == consensus::Role::kFollower)
    status.role = "follower";
  status.leader = LeaderView();
  status.ballot = replica.ballot();
  status.revision = machine.revision();
  status.commit_slot = replica.commit();
  status.applied_slot = machine.applied();
  status.first_slot = replica.first_slot();
  status.digest = machine.digest();
  status.digest_check = machine.digest_check();
  // Of itself it may know more than the record does.
  if (engine_->IsDiverged())
    status.digest_check.diverged.insert(info.id);
  status.machine_version = machine.version();
  status.quota_bytes = machine.settings().quota_bytes;
  return status;
}

std::vector<api::MemberStatus> Service::MakeMembers() const {
  std::vector<api::MemberStatus> members;
  const Slot newest = engine_->NewestApplied();
  const Membership& membership = engine_->replica().membership();
  std::map<NodeId, bool> votes;
  for (const NodeId id : membership.voters) votes[id] = true;
  for (const NodeId id : membership.learners) votes[id] = false;
  const std::vector<machine::MemberView> rows = engine_->machine().members();
  for (const auto& [id, voter] : votes) {
    api::MemberStatus m;
    m.id = id;
    for (const machine::MemberView& row : rows)
      if (row.id == id) {
        m.name = row.name;
        m.peer_url = row.peer_address;
        m.client_url = row.client_url;
      }
    if (m.peer_url.empty())
      m.peer_url = hooks_.peer_address(id);
    m.voter = voter;
    m.healthy = engine_->IsConnected(id);
    m.applied_slot = engine_->AppliedOf(id);
    m.lag = newest.value - m.applied_slot.value;
    members.push_back(std::move(m));
  }
  return members;
}

Status Service::Ready() const {
  const NodeInfo info = hooks_.info();
  if (engine_ == nullptr)
    return NotReady(info.waiting_for);
  if (!info.refuses.empty())
    return NotReady(info.refuses);
  if (Status ready = engine_->Ready(); !ready)
    return ready;
  const uint64_t lag = engine_->NewestApplied().value - engine_->machine().applied().value;
  if (!engine_->replica().membership().IsVoter(info.id) && lag > kLearnerLagMax)
    return NotReady("a learner that is " + std::to_string(lag) + " slots behind");
  return Done();
}

void Service::AnswerPlain(net::Exchange* exchange, const api::PlainCall& call, Route route) {
  const api::Context context = MakeContext();
  net::HttpResponse response;
  switch (call.kind) {
    case api::PlainCall::Kind::kStatus:
      response = api::RenderStatus(call.render, context, MakeStatus());
      break;
    case api::PlainCall::Kind::kCluster: {
      const NodeInfo info = hooks_.info();
      if (engine_ == nullptr || !info.refuses.empty())
        response = api::RenderError(call.render, context,
                                    NotReady(engine_ ? info.refuses : info.waiting_for));
      else
        response = api::RenderCluster(call.render, context, info.cluster_id, MakeMembers());
      break;
    }
    case api::PlainCall::Kind::kMetrics:
      response = api::RenderMetrics(call.render, context, hooks_.metrics());
      break;
    case api::PlainCall::Kind::kVersion:
      response = api::RenderVersion(call.render, context, kVersion);
      break;
    case api::PlainCall::Kind::kLivez:
      response = api::RenderHealth(call.render, context, true, "ok: this process makes progress");
      break;
    case api::PlainCall::Kind::kReadyz:
    case api::PlainCall::Kind::kHealthz: {
      const Status ready = Ready();
      response =
          api::RenderHealth(call.render, context, ready.has_value(),
                            ready ? "ok: serves linearizable requests" : ready.error().detail);
      break;
    }
  }
  stats_.Count(route, response.status, 0);
  exchange->Reply(std::move(response));
}

}  // namespace synod::node
