#include "src/node/streams.h"

#include <algorithm>
#include <utility>

#include "src/base/check.h"
#include "src/base/path.h"

namespace synod::node {
namespace {

constexpr size_t kHighWaterBytes = size_t{256} << 10;
constexpr int64_t kHeartbeatMs = 10'000;
constexpr int64_t kStallMs = 15'000;

Error Compacted() {
  return {Errc::kCompacted, Outcome::kNotApplied, "the history does not reach back so far"};
}

}  // namespace

Streams::Streams(const machine::Machine* machine, ContextSource context)
    : machine_(machine), context_(std::move(context)), hub_(&machine->tree()) {}
Streams::~Streams() = default;

int Streams::Begin(std::shared_ptr<net::Exchange> exchange,
                   const api::WatchCall& call,
                   int64_t now_ms) {
  Stream stream;
  stream.format = call.format;
  stream.render = call.render;
  if (call.format == api::StreamFormat::kLongPoll) {
    stream.poll = std::make_unique<api::LongPoll>(call.render.base64);
    stream.poll_deadline_ms = now_ms + call.wait_ms;
  }
  return Open(std::move(exchange), call.spec, call.from_revision, std::move(stream), now_ms);
}

int Streams::Begin(std::shared_ptr<net::Exchange> exchange,
                   const api::ObserveCall& call,
                   int64_t now_ms) {
  Stream stream;
  stream.format = call.format;
  stream.render = call.render;
  stream.election = call.path;
  // The election's own node says who leads, so that its history is the history of leaders.
  watch::Spec spec;
  spec.path = std::string(kLocksRoot) + call.path;
  return Open(std::move(exchange), spec, call.from_revision, std::move(stream), now_ms);
}

int Streams::Open(std::shared_ptr<net::Exchange> exchange,
                  const watch::Spec& spec,
                  Revision from,
                  Stream stream,
                  int64_t now_ms) {
  now_ms_ = now_ms;
  const Revision now = machine_->revision();
  // "The next change" is the one after what the linearizable round saw.
  const Revision first = from == Revision() ? now + 1 : from;
  Result<watch::WatchId> id = hub_.Add(spec, first);
  if (!id) {
    net::HttpResponse refusal =
        api::RenderError(stream.render, context_(), id.error(), machine_->tree().floor());
    const int status = refusal.status;
    exchange->Reply(std::move(refusal));
    return status;
  }
  ++counters_.started;
  stream.exchange = std::move(exchange);
  stream.position = first - 1;
  stream.announced = stream.position;
  stream.wrote_ms = now_ms;
  Stream& s = streams_[*id] = std::move(stream);
  s.exchange->OnGone([this, watch = *id] { Forget(watch); });
  if (s.format != api::StreamFormat::kLongPoll) {
    s.exchange->StartStream(api::RenderStreamHead(s.render, context_(), s.format));
    if (s.election) {
      s.leader = LeaderAt(*s.election, from == Revision() ? now : first - 1);
      if (from == Revision())
        Write(&s, api::RenderLeader(s.format, s.render.base64, now, s.leader));
    } else {
      Write(&s, api::RenderCreated(s.format, now, s.position));
    }
  }
  PumpOne(*id);
  return 200;
}

void Streams::Publish(const std::vector<store::RevisionRef>& revisions) {
  for (const store::RevisionRef& revision : revisions) hub_.Publish(revision);
  for (const watch::WatchId id : hub_.TakeReady()) PumpOne(id);
}

void Streams::OnStateReplaced() {
  hub_.Rebase(&machine_->tree());
  for (const watch::WatchId id : hub_.TakeReady()) PumpOne(id);
}

void Streams::PumpOne(watch::WatchId id) {
  const auto it = streams_.find(id);
  if (it == streams_.end())
    return;
  Stream& s = it->second;
  while (true) {
    if (s.exchange->QueuedBytes() > kHighWaterBytes) {
      if (s.blocked_since_ms == 0) {
        s.blocked_since_ms = now_ms_;
        s.exchange->OnDrained([this, id] {
          if (const auto found = streams_.find(id); found != streams_.end()) {
            found->second.blocked_since_ms = 0;
            PumpOne(id);
          }
        });
      }
      return;
    }
    watch::Hub::Step step = hub_.Next(id);
    if (step.kind == watch::Hub::Step::Kind::kCompacted) {
      ++counters_.compacted;
      End(id, api::RenderCompacted(s.format, machine_->tree().floor()), Compacted());
      return;
    }
    if (step.kind == watch::Hub::Step::Kind::kCaughtUp) {
      s.position = std::max(s.position, step.position);
      if (s.poll && !s.poll->empty())
        FinishPoll(id, s.position + 1);
      return;
    }
    if (s.poll) {
      if (!s.poll->Add(*step.message)) {
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

void Streams::WriteMessage(Stream* stream, const watch::Message& message) {
  ++counters_.messages;
  stream->exchange->Write(api::RenderChange(stream->format, stream->render.base64, message));
  stream->announced = message.revision->revision;
  stream->wrote_ms = now_ms_;
}

void Streams::WriteLeader(Stream* stream, Revision revision) {
  std::optional<machine::Holder> leader = LeaderAt(*stream->election, revision);
  const auto same = [](const machine::Holder& a, const machine::Holder& b) {
    return a.token == b.token && a.value == b.value;
  };
  const bool unchanged = leader.has_value() == stream->leader.has_value() &&
                         (!leader || same(*leader, *stream->leader));
  if (unchanged)
    return;
  stream->leader = std::move(leader);
  stream->announced = revision;
  Write(stream, api::RenderLeader(stream->format, stream->render.base64, revision, stream->leader));
}

std::optional<machine::Holder> Streams::LeaderAt(const std::string& election, Revision at) const {
  const Result<std::optional<machine::Holder>> leader = machine_->LeaderAt(election, at);
  return leader ? *leader : std::nullopt;
}

void Streams::FinishPoll(watch::WatchId id, Revision next) {
  Stream& s = streams_.at(id);
  const std::shared_ptr<net::Exchange> exchange = s.exchange;
  ++counters_.messages;
  net::HttpResponse response = s.poll->Render(s.render, context_(), machine_->revision(), next);
  Forget(id);
  exchange->Reply(std::move(response));
}

void Streams::Write(Stream* stream, std::string text) {
  if (text.empty())
    return;
  stream->wrote_ms = now_ms_;
  stream->exchange->Write(std::make_shared<const std::string>(std::move(text)));
}

void Streams::End(watch::WatchId id, std::string last, const Error& of_poll) {
  Stream& s = streams_.at(id);
  const std::shared_ptr<net::Exchange> exchange = s.exchange;
  if (s.poll) {
    exchange->Reply(api::RenderError(s.render, context_(), of_poll, machine_->tree().floor()));
  } else {
    Write(&s, std::move(last));
    exchange->EndStream();
  }
  Forget(id);
}

void Streams::Forget(watch::WatchId id) {
  if (streams_.erase(id) > 0)
    hub_.Remove(id);
}

void Streams::Tick(int64_t now_ms) {
  now_ms_ = now_ms;
  std::vector<watch::WatchId> polls;
  std::vector<watch::WatchId> stalled;
  std::vector<watch::WatchId> idle;
  for (const auto& [id, s] : streams_) {
    if (s.poll && now_ms >= s.poll_deadline_ms)
      polls.push_back(id);
    else if (s.blocked_since_ms != 0 && now_ms - s.blocked_since_ms >= kStallMs)
      stalled.push_back(id);
    else if (!s.poll && s.blocked_since_ms == 0 && now_ms - s.wrote_ms >= kHeartbeatMs)
      idle.push_back(id);
  }
  for (const watch::WatchId id : polls) FinishPoll(id, streams_.at(id).position + 1);
  for (const watch::WatchId id : stalled) {
    ++counters_.overflows;
    End(id, api::RenderOverflow(streams_.at(id).format, streams_.at(id).announced + 1),
        Compacted());
  }
  for (const watch::WatchId id : idle) Heartbeat(id);
  // Those that search a long history a piece at a time, also while nothing is published.
  for (const watch::WatchId id : hub_.TakeReady()) PumpOne(id);
}

void Streams::Heartbeat(watch::WatchId id) {
  PumpOne(id);  // what does not match moves the position on, too
  const auto it = streams_.find(id);
  if (it == streams_.end())
    return;
  Stream& s = it->second;
  std::string text(api::Heartbeat(s.format));
  if (!s.election && s.position > s.announced) {
    text += api::RenderProgress(s.format, s.position);
    s.announced = s.position;
  }
  s.wrote_ms = now_ms_;
  Write(&s, std::move(text));
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
      End(id, api::RenderShuttingDown(s.format, s.announced + 1), refusal.value_or(Compacted()));
  }
}

}  // namespace synod::node
