#include "tests/histories/watcher.h"

#include <boost/json/array.hpp>
#include <chrono>
#include <stdexcept>

#include "tests/integration/http_client.h"
#include "tests/integration/process.h"

namespace synod::histories {
namespace {

using Clock = std::chrono::steady_clock;
using integration::Milliseconds;

constexpr uint64_t kSessionMsMin = 100;
constexpr uint64_t kSessionMsMax = 4'000;
constexpr uint64_t kAwayMsMax = 4'000;
// A mark follows 10 s of silence.
constexpr Milliseconds kForMark(25'000);
// The server cuts off who takes nothing for 15 s, once its own buffers are full.
constexpr uint64_t kStallMs = 21'000;
constexpr Milliseconds kToDrain(10'000);
constexpr int kSmallBuffer = 4'096;
constexpr uint64_t kLagMsMax = 40;

bool HasMark(const WatchSession& session) {
  return !session.messages.empty() && session.messages.back().events.empty();
}

}  // namespace

WatchedList ReadWatchedList(uint16_t port, const std::string& options) {
  const integration::Answer answer = integration::Http(
      port, "GET", std::string("/v1/kv") + kWatchedRoot + "?list=subtree&limit=10000" + options,
      {.timeout = Milliseconds(5'000)});
  if (answer.status != 200 && answer.status != 404)
    throw std::runtime_error("no list: " + std::to_string(answer.status) + " " + answer.body);
  WatchedList list{.path = kWatchedRoot, .revision = answer.Revision(), .nodes = {}};
  if (answer.status == 404)
    return list;
  const boost::json::value body = answer.Json();
  if (body.at("more").as_bool() || body.at("revision").to_number<uint64_t>() != list.revision)
    throw WatchNonsense("a list of more than a page, or of two revisions");
  for (const boost::json::value& node : body.at("nodes").as_array())
    list.nodes.emplace(node.at("path").as_string(), ParseWatchedNode(node));
  return list;
}

Watcher::Watcher(const Kind& kind, uint64_t seed, WatchShared* shared)
    : kind_(kind), random_(seed), shared_(shared) {
  record_.name = kind.name;
  record_.spec = kind.spec;
}

bool Watcher::Reached(uint64_t position) const {
  const uint64_t goal = shared_->goal;
  return goal != 0 && position >= goal;
}

void Watcher::Rest(uint64_t ms) const {
  integration::Eventually(Milliseconds(ms),
                          [&] { return shared_->goal != 0 || shared_->abandoned; });
}

void Watcher::Run() {
  while (!shared_->abandoned && !Reached(position_)) {
    WatchSession session;
    try {
      Begin(&session);
      WatchStream stream(AnyPort(), kind_.spec, kind_.format,
                         kind_.pace == Pace::kStalling ? kSmallBuffer : 0, &session);
      Read(&stream, &session);
    } catch (const std::logic_error& e) {
      nonsense_.push_back(record_.name + ": " + e.what());
    } catch (const std::runtime_error&) {
      // Down, cut off, without a leader, gone in the middle, or long enough: another node goes on.
    }
    End(std::move(session));
    if (kind_.pace == Pace::kSleeping)
      Rest(random_.Between(500, kAwayMsMax));
  }
  ended_ = true;
}

// Who begins anew reads the state and watches what comes after it, or watches the next change.
void Watcher::Begin(WatchSession* session) {
  session->acknowledged = shared_->acknowledged;
  if (position_ != 0 || kind_.first) {
    session->from = position_ + 1;
    session->anew = record_.sessions.empty();
    return;
  }
  session->anew = true;
  // A long poll does not say where it began.
  if (kind_.format != WatchFormat::kLongPoll && random_.Chance(30))
    return;
  lists_.push_back(ReadWatchedList(AnyPort(), "&timeout_ms=1500"));
  session->from = lists_.back().revision + 1;
}

void Watcher::Read(WatchStream* stream, WatchSession* session) {
  Clock::time_point until =
      Clock::now() + (kind_.pace == Pace::kPatient
                          ? kForMark
                          : Milliseconds(random_.Between(kSessionMsMin, kSessionMsMax)));
  while (stream->Next(until)) {
    if (kind_.first)
      shared_->delivered = PositionOf(*session);
    const bool over = session->compacted != 0 || session->resume_from != 0 ||
                      Reached(PositionOf(*session)) || Clock::now() >= until ||
                      (kind_.pace == Pace::kPatient && HasMark(*session));
    if (over)
      return;
    if (kind_.pace == Pace::kLagging)
      Rest(random_.Below(kLagMsMax));
    if (kind_.pace == Pace::kStalling && session->messages.size() == 1) {
      Rest(kStallMs);
      until = Clock::now() + kToDrain;
    }
  }
}

void Watcher::End(WatchSession session) {
  session.compaction_asked = shared_->compaction_asked;
  if (!session.created && session.compacted == 0)
    return;
  if (session.compacted == 0)
    position_ = PositionOf(session);
  else if (!kind_.first)
    position_ = 0;
  record_.sessions.push_back(std::move(session));
}

}  // namespace synod::histories
