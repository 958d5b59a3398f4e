#include "src/node/service.h"

#include <algorithm>
#include <utility>

#include "src/api/watch_socket.h"
#include "src/base/check.h"
#include "src/node/credentials.h"
#include "src/node/process.h"
#include "src/node/work.h"

namespace synod::node {
namespace {

// What a learner may lag and still be promoted.
constexpr uint64_t kLearnerLagMax = 1000;

// The leader tries for one maximal election timeout, by default a second; then once more.
constexpr int64_t kMoveMs = 2500;
constexpr int64_t kAskAgainMs = 250;

int64_t DeadlineMs(int64_t started_us, int64_t timeout_ms) {
  return started_us / 1000 + timeout_ms;
}

Error NotReady(std::string detail) {
  return {Errc::kNotReady, Outcome::kNotApplied, std::move(detail)};
}

bool IsAnsweredAtOnce(const api::Call& call) {
  const auto* plain = std::get_if<api::PlainCall>(&call);
  return plain != nullptr && !plain->fresh;
}

}  // namespace

Service::Service(net::asio::io_context& io,
                 api::HttpPolicy policy,
                 AccessRules rules,
                 int64_t slow_ms,
                 const Bounds& bounds,
                 Hooks hooks)
    : io_(io),
      limits_(bounds.request),
      socket_watches_max_(bounds.socket_watches),
      policy_(std::move(policy)),
      rules_(rules),
      hooks_(std::move(hooks)),
      gate_(io, bounds.gate, hooks_.load, MonotonicUs),
      request_log_(slow_ms),
      started_ms_(MonotonicMs()) {}
Service::~Service() = default;

void Service::SetEngine(Engine* engine) {
  engine_ = engine;
  gate_.SetEngine(engine);
  streams_ = std::make_unique<Streams>(&engine->machine(), [this] { return MakeContext(); });
  sockets_ = std::make_unique<WatchSockets>(engine, streams_.get(), &gate_, socket_watches_max_,
                                            hooks_.touch);
}

api::Context Service::MakeContext(std::optional<ClusterTime> time) {
  api::Context context;
  context.node = hooks_.info().id;
  if (engine_ != nullptr) {
    context.revision = engine_->machine().revision();
    // The leader's clock, which a linearizable read tells, is ahead of this replica's.
    told_time_ = std::max(told_time_, time.value_or(engine_->Now()));
    context.time = told_time_;
    context.leader = engine_->replica().leader();
  }
  return context;
}

net::HttpResponse Service::Refuse(Errc code, std::string detail) {
  api::RenderOptions options;
  options.could_change = true;
  machine::Refusal refusal;
  refusal.error = {code, Outcome::kNotApplied, std::move(detail)};
  if (code == Errc::kTooLarge)
    refusal.limit = limits_.body_bytes;  // the transport refuses nothing else so
  net::HttpResponse response = api::RenderRefusal(options, MakeContext(), refusal);
  stats_.Count(Route::kOther, response.status, 0);
  return response;
}

const machine::Machine* Service::machine() const {
  return engine_ == nullptr ? nullptr : &engine_->machine();
}

ClusterTime Service::Now() const { return engine_ == nullptr ? ClusterTime() : engine_->Now(); }

void Service::OnRequest(std::shared_ptr<net::Exchange> exchange) {
  Waiting waiting;
  waiting.who = PrincipalOf(exchange->request());
  waiting.started_us = MonotonicUs();
  waiting.request_bytes = exchange->request().body.size();
  if (const std::optional<int64_t> waited_us = exchange->request().waited_us)
    gate_.Waited(waiting.started_us, *waited_us);
  std::variant<api::Call, net::HttpResponse> parsed =
      api::ParseCall(exchange->request(), limits_, policy_, MakeContext());
  const bool options = exchange->request().method == "OPTIONS";
  waiting.exchange = std::move(exchange);
  if (auto* response = std::get_if<net::HttpResponse>(&parsed)) {
    std::get<api::ChangeCall>(waiting.call).render =
        api::OptionsOf(waiting.exchange->request(), policy_);
    if (const Status may = gate_.Count({waiting.who, *waiting.exchange}, waiting.started_us);
        !may) {
      Refuse(waiting, may.error());
      return;
    }
    // Who is not let in does not learn either what is wrong with the request.
    const Result<Entrance> entrance =
        JudgeEntrance(rules_, machine(), waiting.call, waiting.who, Now());
    if (!options && !entrance)
      Refuse(waiting, entrance.error());
    else if (!options && *entrance == Entrance::kAsk)
      Refuse(waiting, machine()->Knows(waiting.who, Now()).error());
    else
      Reply(waiting, std::move(*response));
    return;
  }
  waiting.call = std::get<api::Call>(std::move(parsed));
  waiting.route = RouteOf(waiting.call);
  waiting.work = WorkOf(waiting.call);
  waiting.audited = IsAudited(waiting.call);
  if (++requests_ % RequestStats::kParseSampling == 0)
    stats_.Count(Stage::kParse, MonotonicUs() - waiting.started_us);
  Result<Admission::Ticket> ticket =
      gate_.Admit(waiting.call, {waiting.who, *waiting.exchange}, waiting.started_us);
  if (!ticket) {
    Refuse(waiting, ticket.error());
    return;
  }
  waiting.ticket = *std::move(ticket);
  Enter(std::move(waiting));
}

void Service::Enter(Waiting&& waiting) {
  const Result<Entrance> entrance =
      JudgeEntrance(rules_, machine(), waiting.call, waiting.who, Now());
  if (!entrance) {
    Refuse(waiting, entrance.error());
  } else if (*entrance == Entrance::kOpen) {
    Start(std::move(waiting));
  } else if (std::exchange(waiting.at_the_door, true)) {
    Refuse(waiting, machine()->Knows(waiting.who, Now()).error());
  } else if (const NodeInfo info = hooks_.info(); !info.refuses.empty()) {
    Refuse(waiting, NotReady(info.refuses));  // the engine answers nothing any more
  } else {
    StartRead(std::move(waiting), api::Freshness());
    hooks_.touch();
  }
}

void Service::Start(Waiting&& waiting) {
  waiting.at_the_door = false;
  if (IsAnsweredAtOnce(waiting.call)) {
    AnswerPlain(waiting, MakeContext());
    return;
  }
  const NodeInfo info = hooks_.info();
  if (engine_ == nullptr || !info.refuses.empty()) {
    Refuse(waiting, NotReady(engine_ == nullptr ? info.waiting_for : info.refuses));
    return;
  }
  if (std::holds_alternative<api::ChangeCall>(waiting.call)) {
    StartChange(std::move(waiting));
  } else {
    StartRead(std::move(waiting), FreshnessOf(waiting.call));
  }
  hooks_.touch();
}

void Service::Wait(CallId id, Waiting&& waiting) {
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

// Of its timeout, at the door.
int64_t Service::SpentMs(const Waiting& waiting) {
  return waiting.decided_us == 0 ? 0 : (waiting.decided_us - waiting.started_us) / 1000;
}

void Service::StartChange(Waiting&& waiting) {
  auto& call = std::get<api::ChangeCall>(waiting.call);
  const int64_t timeout_ms = call.timeout_ms - SpentMs(waiting) + call.wait_ms.value_or(0);
  call.command.principal = waiting.who;
  // While authentication is off a certificate's name counts as little as a token: what is made is
  // nobody's own.
  if (engine_->machine().settings().auth_enabled == 0)
    call.command.principal.user.clear();
  if (auto* make = std::get_if<machine::MakeToken>(&call.command.operation)) {
    call.render.secret = NewToken();
    make->hash = HashOfToken(call.render.secret);
  }
  const Result<CallId> id = engine_->Change(std::move(call.command), timeout_ms);
  if (!id) {
    Refuse(waiting, id.error());
    return;
  }
  Wait(*id, std::move(waiting));
}

void Service::StartRead(Waiting&& waiting, const api::Freshness& fresh) {
  ReadRequest request;
  request.timeout_ms = TimeoutOf(waiting.call) - SpentMs(waiting);
  if (fresh.consistency == api::Consistency::kSequential) {
    request.consistency = Consistency::kSequential;
    request.min_revision = fresh.min_revision;
    request.max_age_ms = fresh.max_age_ms;
    // What an older revision held is as immutable here as at the leader.
    if (const auto* read = std::get_if<api::ReadCall>(&waiting.call))
      request.min_revision = std::max(request.min_revision, read->at_revision);
  }
  Wait(engine_->Read(request), std::move(waiting));
}

// Behind a quorum round: the backup covers everything that was acknowledged before.
void Service::BeginBackup(Waiting&& waiting, ClusterTime time) {
  if (backup_ || backup_waits_) {
    Refuse(waiting, {Errc::kOverloaded, Outcome::kNotApplied,
                     "this node sends a backup already: one at a time"});
    return;
  }
  backup_waits_ = std::make_shared<Waiting>(std::move(waiting));
  const std::weak_ptr<Waiting> weak = backup_waits_;
  backup_waits_->exchange->OnGone([this, weak] {
    if (weak.lock() != nullptr)
      backup_waits_.reset();
  });
  // Whoever gives the state may outlive this.
  hooks_.take_state(engine_->machine().applied(),
                    [this, weak, time](std::shared_ptr<storage::StateSnapshot> state) {
                      if (weak.lock() != nullptr)
                        SendBackup(std::move(state), time);
                    });
}

void Service::SendBackup(std::shared_ptr<storage::StateSnapshot> state, ClusterTime time) {
  const std::shared_ptr<Waiting> waiting = std::exchange(backup_waits_, nullptr);
  storage::SnapshotHeader header;
  header.cluster_id = Hash128::FromHex(hooks_.info().cluster_id).value();
  header.slot = state->slot();
  header.revision = state->revision();
  header.time = state->time();
  header.digest = state->digest();
  api::Context context = MakeContext(time);
  context.revision = header.revision;
  net::HttpResponse head =
      api::RenderSnapshotHead(std::get<api::SnapshotCall>(waiting->call).render, context);
  Note(*waiting, head.status);
  backup_ = std::make_unique<Backup>(io_, std::move(waiting->exchange), std::move(head),
                                     std::move(state), header, [this] { backup_.reset(); });
}

// Whom to move to is judged by the membership as it is now, after a quorum round.
void Service::BeginMove(Waiting&& waiting, const api::MoveLeaderCall& call) {
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
  move.deadline_ms = DeadlineMs(waiting.started_us, call.timeout_ms);
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

void Service::Refuse(const Waiting& waiting, const Error& error) {
  gate_.CountRefusal(error, waiting.work);
  const api::RenderOptions& render =
      std::visit([](const auto& c) -> const api::RenderOptions& { return c.render; }, waiting.call);
  Reply(waiting, api::RenderError(render, MakeContext(), error));
}

void Service::Reply(const Waiting& waiting, net::HttpResponse response) {
  Note(waiting, response.status, response.body.size());
  waiting.exchange->Reply(std::move(response));
}

// What every answer leaves behind: the counters, and lines of the log if it matters there.
void Service::Note(const Waiting& waiting, int status, size_t answer_bytes) {
  const int64_t now_us = MonotonicUs();
  RequestEnd end{status, now_us - waiting.started_us, waiting.stages, waiting.request_bytes,
                 answer_bytes};
  if (waiting.decided_us != 0)
    end.stages.Set(Stage::kReply, waiting.decided_us, now_us);
  stats_.Count(waiting.route, status, end.total_us);
  stats_.Count(end.stages);
  if (request_log_.IsSlow(end))
    request_log_.Slow(*waiting.exchange, UserOf(waiting), end);
  // Health says by 503 what it is asked for.
  else if (RequestLog::IsFailure(status) && waiting.route != Route::kHealth)
    request_log_.Failed(*waiting.exchange, UserOf(waiting), end);
  NoteAudit(waiting, status);
}

void Service::NoteAudit(const Waiting& waiting, int status) {
  const bool is_on = machine() != nullptr && machine()->settings().auth_enabled != 0;
  if (is_on && (status == 401 || status == 403))
    audit_.Refused(*waiting.exchange, UserOf(waiting), status, MonotonicMs());
  else if (waiting.audited && status < 300)
    audit_.Changed(*waiting.exchange, UserOf(waiting), status, MakeContext().revision.value);
}

std::string Service::UserOf(const Waiting& waiting) const {
  return machine() == nullptr ? "" : machine()->UserName(waiting.who, Now());
}

// Of what was answered in this turn. What gave up on the way was in its last stage until then.
void Service::Measure(Waiting* waiting, const ChangeDone& done, const TurnTimes& turn) const {
  const ChangeTimes& times = done.times;
  Stages& stages = waiting->stages;
  const int64_t left_us = times.proposed_us != 0 ? times.proposed_us : times.sent_us;
  stages.Set(Stage::kQueue, waiting->started_us, left_us != 0 ? left_us : turn.began_us);
  if (left_us != 0)
    stages.Set(Stage::kReplication, left_us, times.waits_us != 0 ? times.waits_us : turn.began_us);
  if (times.synced_us != 0)
    stages.Set(Stage::kSync, times.proposed_us, times.synced_us);
  if (times.waits_us != 0)
    stages.Set(Stage::kWait, times.waits_us, turn.began_us);
  if (done.answer)
    stages.Set(Stage::kApply, turn.began_us, turn.decided_us);
  waiting->decided_us = turn.decided_us;
}

void Service::OnChangesDone(std::vector<ChangeDone> changes, const TurnTimes& turn) {
  for (ChangeDone& done : changes) {
    auto node = calls_.extract(done.call);
    if (node.empty())
      continue;
    Waiting& waiting = node.mapped();
    Measure(&waiting, done, turn);
    if (done.answer)
      Reply(waiting, api::RenderAnswer(std::get<api::ChangeCall>(waiting.call).render,
                                       MakeContext(), *done.answer));
    else
      Refuse(waiting, done.answer.error());
  }
}

void Service::OnReadsReady(std::vector<ReadReady> reads, const TurnTimes& turn) {
  for (ReadReady& ready : reads) {
    auto node = calls_.extract(ready.call);
    if (node.empty()) {
      sockets_->OnReadReady(ready.call, ready.time ? Done() : Status(ready.time.error()));
      continue;
    }
    Waiting& waiting = node.mapped();
    if (waiting.at_the_door || FreshnessOf(waiting.call).NeedsRound())
      waiting.stages.Set(Stage::kRound, waiting.started_us, turn.decided_us);
    waiting.decided_us = turn.decided_us;
    OnReadReady(std::move(waiting), ready.time);
  }
}

void Service::OnReadReady(Waiting&& waiting, const Result<ClusterTime>& ready) {
  if (waiting.at_the_door) {
    if (ready)
      Enter(std::move(waiting));
    else
      Refuse(waiting, ready.error());
    return;
  }
  if (!ready || waiting.work != WorkClass::kCatchUp) {
    ServeReady(waiting, ready);
    return;
  }
  // At a later time than was asked for, which is as good: the replica only goes forward.
  auto shared = std::make_shared<Waiting>(std::move(waiting));
  gate_.Queue(shared->call, shared->started_us, [this, shared, time = *ready](const Status& may) {
    ServeReady(*shared, may ? Result<ClusterTime>(time) : may.error());
  });
}

void Service::ServeReady(Waiting& waiting, const Result<ClusterTime>& ready) {
  Status permitted = ready ? Done() : Status(ready.error());
  if (const std::optional<auth::Need> need = NeedHere(waiting.call); ready && need)
    permitted = machine()->Permits(waiting.who, *need, *ready);
  if (!permitted) {
    Refuse(waiting, permitted.error());
  } else if (const auto* read = std::get_if<api::ReadCall>(&waiting.call)) {
    ServeRead(waiting, *read, *ready);
  } else if (std::holds_alternative<api::PlainCall>(waiting.call)) {
    AnswerPlain(waiting, MakeContext(*ready));
  } else if (const auto* move = std::get_if<api::MoveLeaderCall>(&waiting.call)) {
    waiting.decided_us = 0;  // the answer is made once leadership has moved
    const api::MoveLeaderCall call = *move;
    BeginMove(std::move(waiting), call);
  } else if (std::holds_alternative<api::SnapshotCall>(waiting.call)) {
    waiting.decided_us = 0;  // ... once there is a checkpoint
    BeginBackup(std::move(waiting), *ready);
  } else {
    BeginStream(std::move(waiting));
  }
}

void Service::BeginStream(Waiting&& waiting) {
  const int64_t now_ms = MonotonicMs();
  if (const auto* watch = std::get_if<api::WatchCall>(&waiting.call)) {
    Note(waiting, streams_->Begin(waiting.exchange, *watch, waiting.who, now_ms));
  } else if (const auto* observe = std::get_if<api::ObserveCall>(&waiting.call)) {
    Note(waiting, streams_->Begin(waiting.exchange, *observe, waiting.who, now_ms));
  } else {
    const auto& socket = std::get<api::WatchSocketCall>(waiting.call);
    net::HttpResponse head = api::RenderSocketHead(socket.render, MakeContext());
    Note(waiting, head.status);
    sockets_->Open(waiting.exchange, std::move(head), waiting.who);
  }
}

void Service::ServeRead(Waiting& waiting, const api::ReadCall& call, ClusterTime time) {
  const machine::Machine& machine = engine_->machine();
  api::Context context = MakeContext(time);
  if (call.at_revision != Revision()) {
    if (call.at_revision > machine.revision()) {
      const Error error{
          Errc::kInvalidRequest, Outcome::kNotApplied,
          "at_revision is beyond the present revision " + std::to_string(machine.revision().value)};
      Reply(waiting, api::RenderError(call.render, context, error));
      return;
    }
    context.revision = call.at_revision;
  }
  const Result<machine::QueryResult> result = machine.ReadFor(waiting.who, call.query, time);
  Reply(waiting,
        result ? api::RenderQuery(call.render, context, *result)
               : api::RenderError(call.render, context, result.error(), machine.tree().floor()));
}

void Service::OnRevisions(const std::vector<store::RevisionRef>& revisions) {
  streams_->JudgeAgain();
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
  if (backup_waits_ &&
      now_ms >= DeadlineMs(backup_waits_->started_us, TimeoutOf(backup_waits_->call)))
    Refuse(*std::exchange(backup_waits_, nullptr), {Errc::kDeadlineExceeded, Outcome::kNotApplied,
                                                    "there was no checkpoint in timeout_ms"});
}

void Service::EndStreams() {
  for (const Move& move : std::exchange(moves_, {}))
    Reply(move.waiting,
          api::RenderError(std::get<api::MoveLeaderCall>(move.waiting.call).render, MakeContext(),
                           {Errc::kShuttingDown, Outcome::kUnknown, "the node is stopping"}));
  gate_.Flush();
  if (const std::shared_ptr<Waiting> waiting = std::exchange(backup_waits_, nullptr))
    Refuse(*waiting, {Errc::kShuttingDown, Outcome::kNotApplied, "the node is stopping"});
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
  if (rules_.required && machine()->settings().auth_enabled == 0)
    return AuthMissing();
  const uint64_t lag = engine_->NewestApplied().value - engine_->machine().applied().value;
  if (!engine_->replica().membership().IsVoter(info.id) && lag > kLearnerLagMax)
    return NotReady("a learner that is " + std::to_string(lag) + " slots behind");
  return Done();
}

void Service::AnswerPlain(const Waiting& waiting, const api::Context& context) {
  const auto& call = std::get<api::PlainCall>(waiting.call);
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
  Reply(waiting, std::move(response));
}

}  // namespace synod::node
