#include "src/node/streams.h"

#include <algorithm>
#include <utility>

#include "src/base/check.h"
#include "src/base/path.h"
#include "src/node/access.h"

namespace synod::node {
namespace {

constexpr size_t kHighWaterBytes = size_t{256} << 10;
constexpr int64_t kHeartbeatMs = 10'000;
constexpr int64_t kStallMs = 15'000;
// A stream with its share of the tables here and in the hub, besides its path (docs/operations.md).
constexpr uint64_t kStreamBytes = 320;
// With authentication, who listens and to what.
constexpr uint64_t kViewerBytes = 192;
// Idle streams that one tick looks at: many that began together must not hold up a change.
constexpr size_t kIdlePerTick = 256;

Error Compacted() {
  return {Errc::kCompacted, Outcome::kNotApplied, "the history does not reach back so far"};
}

}  // namespace

Streams::Streams(const machine::Machine* machine, ContextSource context)
    : machine_(machine), context_(std::move(context)), hub_(&machine->tree()) {}
Streams::~Streams() = default;

int Streams::Begin(std::shared_ptr<net::Exchange> exchange,
                   const api::WatchCall& call,
                   const auth::Principal& who,
                   int64_t now_ms) {
  if (call.format == api::StreamFormat::kLongPoll)
    return BeginPoll(std::move(exchange), call, who, now_ms);
  const auto sink = std::make_shared<HttpSink>(exchange, call.format);
  Stream stream;
  stream.sink = sink;
  stream.base64 = call.render.base64;
  stream.viewer = ViewerOf(who, NeedOfWatch(call.spec));
  const Result<watch::WatchId> id = Add(call.spec, call.from_revision, std::move(stream), now_ms);
  if (!id)
    return Refuse(exchange.get(), call.render, id.error());
  exchange->OnGone([this, watch = *id] { Forget(watch); });
  sink->Begin(api::RenderStreamHead(call.render, context_(), call.format), *id);
  sink->Created(0, machine_->revision(), streams_.at(*id).position);
  PumpOne(*id);
  return 200;
}

int Streams::BeginPoll(std::shared_ptr<net::Exchange> exchange,
                       const api::WatchCall& call,
                       const auth::Principal& who,
                       int64_t now_ms) {
  Stream stream;
  stream.base64 = call.render.base64;
  stream.viewer = ViewerOf(who, NeedOfWatch(call.spec));
  stream.poll = std::make_unique<Poll>(
      Poll{exchange, call.render, api::LongPoll(call.render.base64), poll_deadlines_.end()});
  const Result<watch::WatchId> id = Add(call.spec, call.from_revision, std::move(stream), now_ms);
  if (!id)
    return Refuse(exchange.get(), call.render, id.error());
  streams_.at(*id).poll->deadline = poll_deadlines_.emplace(now_ms + call.wait_ms, *id);
  exchange->OnGone([this, watch = *id] { Forget(watch); });
  PumpOne(*id);
  return 200;
}

int Streams::Begin(std::shared_ptr<net::Exchange> exchange,
                   const api::ObserveCall& call,
                   const auth::Principal& who,
                   int64_t now_ms) {
  const auto sink = std::make_shared<HttpSink>(exchange, call.format);
  Stream stream;
  stream.sink = sink;
  stream.base64 = call.render.base64;
  stream.viewer = ViewerOf(who, {auth::Verb::kLock, call.path});
  stream.election = std::make_unique<const std::string>(call.path);
  // The election's own node says who leads, so that its history is the history of leaders.
  watch::Spec spec;
  spec.path = std::string(kLocksRoot) + call.path;
  const Result<watch::WatchId> id = Add(spec, call.from_revision, std::move(stream), now_ms);
  if (!id)
    return Refuse(exchange.get(), call.render, id.error());
  exchange->OnGone([this, watch = *id] { Forget(watch); });
  sink->Begin(api::RenderStreamHead(call.render, context_(), call.format), *id);
  const Revision now = machine_->revision();
  Stream& s = streams_.at(*id);
  if (call.from_revision == Revision())
    Write(&s, api::RenderLeader(call.format, s.base64, now, LeaderAt(call.path, now)));
  PumpOne(*id);
  return 200;
}

Status Streams::Begin(std::shared_ptr<Sink> sink,
                      uint64_t tag,
                      const api::WatchCall& call,
                      const auth::Principal& who,
                      int64_t now_ms,
                      watch::WatchId* id) {
  Stream stream;
  stream.sink = sink;
  stream.tag = tag;
  stream.base64 = call.render.base64;
  stream.viewer = ViewerOf(who, NeedOfWatch(call.spec));
  const Result<watch::WatchId> added =
      Add(call.spec, call.from_revision, std::move(stream), now_ms);
  if (!added)
    return added.error();
  *id = *added;
  sink->Created(tag, machine_->revision(), streams_.at(*added).position);
  PumpOne(*added);
  return Done();
}

Result<watch::WatchId> Streams::Add(const watch::Spec& spec,
                                    Revision from,
                                    Stream stream,
                                    int64_t now_ms) {
  now_ms_ = now_ms;
  stream.path_bytes = static_cast<uint16_t>(spec.path.size());
  const uint64_t takes = BytesOf(stream);
  if (bytes_ + takes > kBytesMax)
    return Error{Errc::kOverloaded, Outcome::kNotApplied, "this node has too many watches"};
  // "The next change" is the one after what the linearizable round saw.
  const Revision first = from == Revision() ? machine_->revision() + 1 : from;
  Result<watch::WatchId> id = hub_.Add(spec, first);
  if (!id)
    return id;
  ++counters_.started;
  bytes_ += takes;
  stream.position = first - 1;
  stream.announced = stream.position;
  stream.wrote_ms = now_ms;
  if (!stream.poll)
    idle_.Put(*id, now_ms, now_ms + kHeartbeatMs);
  streams_.emplace(*id, std::move(stream));
  return id;
}

uint64_t Streams::BytesOf(const Stream& stream) {
  return kStreamBytes + stream.path_bytes +
         (stream.viewer == nullptr ? 0 : kViewerBytes + stream.path_bytes);
}

int Streams::Refuse(net::Exchange* exchange, const api::RenderOptions& render, const Error& error) {
  net::HttpResponse refusal = api::RenderError(render, context_(), error, compact_revision());
  const int status = refusal.status;
  exchange->Reply(std::move(refusal));
  return status;
}

std::unique_ptr<const Streams::Viewer> Streams::ViewerOf(const auth::Principal& who,
                                                         auth::Need need) {
  return who.nobody() ? nullptr : std::make_unique<const Viewer>(Viewer{who, std::move(need)});
}

bool Streams::MaySee(const Stream& stream, ClusterTime now) const {
  if (machine_->settings().auth_enabled == 0)
    return true;
  return stream.viewer != nullptr &&
         machine_->Permits(stream.viewer->who, stream.viewer->need, now).has_value();
}

void Streams::JudgeAgain() {
  if (judged_ == machine_->permission_changes())
    return;
  judged_ = machine_->permission_changes();
  const ClusterTime now = context_().time;
  std::vector<watch::WatchId> denied;
  for (const auto& [id, s] : streams_)
    if (!MaySee(s, now))
      denied.push_back(id);
  std::sort(denied.begin(), denied.end());
  for (const watch::WatchId id : denied) {
    const Stream& s = streams_.at(id);
    ++counters_.denied;
    End(id, s.sink ? api::RenderDenied(s.sink->format) : std::string(),
        {Errc::kPermissionDenied, Outcome::kNotApplied, "the permission was withdrawn"});
  }
}

void Streams::Publish(const std::vector<store::RevisionRef>& revisions) {
  for (const store::RevisionRef& revision : revisions) hub_.Publish(revision);
  PumpReady();
}

void Streams::OnStateReplaced() {
  judged_.reset();
  JudgeAgain();
  hub_.Rebase(&machine_->tree());
  PumpReady();
}

void Streams::PumpReady() {
  for (const watch::WatchId id : hub_.TakeReady()) PumpOne(id);
}

void Streams::PumpOne(watch::WatchId id) {
  // The machine may be further than what was published.
  JudgeAgain();
  const auto it = streams_.find(id);
  if (it == streams_.end())
    return;
  Stream& s = it->second;
  while (!WaitsForRoom(id, &s)) {
    watch::Hub::Step step = hub_.Next(id);
    if (step.kind == watch::Hub::Step::Kind::kCompacted) {
      ++counters_.compacted;
      End(id, s.sink ? api::RenderCompacted(s.sink->format, compact_revision()) : std::string(),
          Compacted());
      return;
    }
    if (step.kind == watch::Hub::Step::Kind::kCaughtUp) {
      s.position = std::max(s.position, step.position);
      if (s.poll && !s.poll->gathered.empty())
        FinishPoll(id, s.position + 1);
      return;
    }
    if (s.poll) {
      if (!s.poll->gathered.Add(*step.message)) {
        FinishPoll(id, step.message->revision->revision);
        return;
      }
    } else if (s.election) {
      WriteLeader(&s, step.message->revision->revision);
    } else {
      WriteMessage(&s, *step.message);
    }
    s.position = std::max(s.position, step.position);
  }
}

bool Streams::WaitsForRoom(watch::WatchId id, Stream* stream) {
  Sink* sink = stream->sink.get();
  if (sink == nullptr || sink->QueuedBytes() <= kHighWaterBytes)
    return false;
  if (!std::exchange(stream->waiting, true))
    sink->waiting.push_back(id);
  if (sink->blocked_since_ms != 0)
    return true;
  sink->blocked_since_ms = now_ms_;
  sink->OnDrained([this, weak = std::weak_ptr<Sink>(stream->sink)] {
    if (const auto drained = weak.lock())
      Resume(drained.get());
  });
  if (!std::exchange(sink->listed, true))
    blocked_.push_back(stream->sink);
  return true;
}

// In turns: a stream that fills the sink again goes behind those that have waited meanwhile.
void Streams::Resume(Sink* sink) {
  sink->blocked_since_ms = 0;
  while (sink->blocked_since_ms == 0 && !sink->waiting.empty()) {
    const watch::WatchId id = sink->waiting.front();
    sink->waiting.pop_front();
    const auto it = streams_.find(id);
    if (it == streams_.end())
      continue;
    it->second.waiting = false;
    PumpOne(id);
  }
}

void Streams::WriteMessage(Stream* stream, const watch::Message& message) {
  ++counters_.messages;
  stream->sink->Write(stream->tag,
                      api::RenderChange(stream->sink->format, stream->base64, message));
  stream->announced = message.revision->revision;
  stream->wrote_ms = now_ms_;
}

void Streams::WriteLeader(Stream* stream, Revision revision) {
  // What led before is read where it was and not remembered: a stream may begin in the future.
  const std::optional<machine::Holder> before = LeaderAt(*stream->election, revision - 1);
  const std::optional<machine::Holder> leader = LeaderAt(*stream->election, revision);
  const auto same = [](const machine::Holder& a, const machine::Holder& b) {
    return a.token == b.token && a.value == b.value;
  };
  const bool unchanged =
      leader.has_value() == before.has_value() && (!leader || same(*leader, *before));
  if (unchanged)
    return;
  stream->announced = revision;
  Write(stream, api::RenderLeader(stream->sink->format, stream->base64, revision, leader));
}

std::optional<machine::Holder> Streams::LeaderAt(const std::string& election, Revision at) const {
  const Result<std::optional<machine::Holder>> leader = machine_->LeaderAt(election, at);
  return leader ? *leader : std::nullopt;
}

void Streams::FinishPoll(watch::WatchId id, Revision next) {
  const Poll& poll = *streams_.at(id).poll;
  const std::shared_ptr<net::Exchange> exchange = poll.exchange;
  ++counters_.messages;
  net::HttpResponse response =
      poll.gathered.Render(poll.render, context_(), machine_->revision(), next);
  Forget(id);
  exchange->Reply(std::move(response));
}

void Streams::Write(Stream* stream, std::string text) {
  if (text.empty())
    return;
  stream->wrote_ms = now_ms_;
  stream->sink->Write(stream->tag, std::make_shared<const std::string>(std::move(text)));
}

void Streams::End(watch::WatchId id, std::string last, const Error& of_poll) {
  Stream& s = streams_.at(id);
  if (s.poll) {
    const std::shared_ptr<net::Exchange> exchange = s.poll->exchange;
    Refuse(exchange.get(), s.poll->render, of_poll);
  } else {
    Write(&s, std::move(last));
    s.sink->End(s.tag);
  }
  Forget(id);
}

void Streams::Forget(watch::WatchId id) {
  const auto it = streams_.find(id);
  if (it == streams_.end())
    return;
  const Stream& s = it->second;
  if (s.poll)
    poll_deadlines_.erase(s.poll->deadline);
  bytes_ -= BytesOf(s);
  streams_.erase(it);
  hub_.Remove(id);
}

void Streams::Tick(int64_t now_ms) {
  now_ms_ = now_ms;
  JudgeAgain();
  while (!poll_deadlines_.empty() && poll_deadlines_.begin()->first <= now_ms) {
    const watch::WatchId id = poll_deadlines_.begin()->second;
    FinishPoll(id, streams_.at(id).position + 1);
  }
  TickSinks();
  TickIdle();
  // Those that search a long history a piece at a time, also while nothing is published.
  PumpReady();
}

void Streams::TickSinks() {
  std::vector<std::shared_ptr<Sink>> stalled;
  std::erase_if(blocked_, [&](const std::weak_ptr<Sink>& weak) {
    const auto sink = weak.lock();
    if (sink == nullptr)
      return true;
    const bool is_stalled =
        sink->blocked_since_ms != 0 && now_ms_ - sink->blocked_since_ms >= kStallMs;
    if (is_stalled)
      stalled.push_back(sink);
    sink->listed = sink->blocked_since_ms != 0 && !is_stalled;
    return !sink->listed;
  });
  for (const auto& sink : stalled) CutOff(sink);
}

void Streams::CutOff(const std::shared_ptr<Sink>& sink) {
  for (const watch::WatchId id : sink->streams()) {
    const auto it = streams_.find(id);
    if (it == streams_.end())
      continue;
    ++counters_.overflows;
    End(id, api::RenderOverflow(sink->format, it->second.announced + 1), Compacted());
  }
  sink->CutOff();
}

void Streams::TickIdle() {
  const size_t at_most = std::max(kIdlePerTick, streams_.size() / kIdlePerTick);
  for (const watch::WatchId id : idle_.Take(now_ms_, at_most)) {
    const auto it = streams_.find(id);
    if (it == streams_.end())
      continue;
    const int64_t due_ms = it->second.wrote_ms + kHeartbeatMs;
    const bool idle = due_ms <= now_ms_ && it->second.sink->blocked_since_ms == 0;
    idle_.Put(id, now_ms_, idle ? now_ms_ + kHeartbeatMs : std::max(due_ms, now_ms_ + 1000));
    if (idle)
      Heartbeat(id, &it->second);
  }
}

void Streams::Heartbeat(watch::WatchId id, Stream* stream) {
  PumpOne(id);  // what does not match moves the position on, too
  if (!streams_.contains(id))
    return;
  std::string text(api::Heartbeat(stream->sink->format));
  if (stream->position > stream->announced) {
    text += api::RenderProgress(stream->sink->format, stream->position);
    stream->announced = stream->position;
  }
  stream->wrote_ms = now_ms_;
  Write(stream, std::move(text));
}

void Streams::EndAll(const std::optional<Error>& refusal) {
  std::vector<watch::WatchId> all;
  for (const auto& [id, s] : streams_) all.push_back(id);
  std::sort(all.begin(), all.end());
  for (const watch::WatchId id : all) {
    Stream& s = streams_.at(id);
    if (s.poll && !refusal)
      FinishPoll(id, s.position + 1);
    else
      End(id, s.sink ? api::RenderShuttingDown(s.sink->format, s.announced + 1) : std::string(),
          refusal.value_or(Compacted()));
  }
}

}  // namespace synod::node
