#include "tests/histories/leader_observer.h"

#include <boost/json/value.hpp>
#include <chrono>
#include <exception>
#include <stdexcept>
#include <utility>

#include "tests/integration/http_client.h"
#include "tests/integration/process.h"

namespace synod::histories {
namespace {

using integration::Milliseconds;
using Clock = std::chrono::steady_clock;

constexpr uint64_t kStreamMs = 3'000;
constexpr Milliseconds kRest(100);

LeaderRead ParseLeader(const boost::json::value& message) {
  LeaderRead seen{.revision = message.at("revision").to_number<uint64_t>()};
  if (const boost::json::value& leader = message.at("leader"); !leader.is_null()) {
    seen.token = leader.at("token").to_number<uint64_t>();
    seen.value = leader.at("value").as_string();
  }
  return seen;
}

}  // namespace

void LeaderObserver::Run() {
  while (!reached() && !abandoned_) {
    try {
      Follow();
    } catch (const integration::HttpFailure&) {
      // The node is not there, broke off, or had nothing to say until the deadline.
    } catch (const std::exception& e) {
      nonsense_.push_back(target_ + ": a stream that is none of the API: " + e.what());
      return;
    }
    integration::Eventually(kRest, [] { return false; });
  }
}

void LeaderObserver::Follow() {
  const bool sse = random_.Chance(50);
  integration::Headers headers = {{"Accept", sse ? "text/event-stream" : "application/x-ndjson"}};
  if (!anew_)
    headers.emplace_back("Last-Event-ID", std::to_string(runs_.back().last()));
  integration::Stream stream(ports_[random_.Below(ports_.size())], target_ + "/observe", headers);
  if (stream.head().status == 410)
    anew_ = true;
  if (stream.head().status != 200)
    return;
  const auto end = Clock::now() + Milliseconds(random_.Below(kStreamMs));
  while (!reached() && !abandoned_) {
    const auto left = std::chrono::ceil<Milliseconds>(end - Clock::now());
    const auto message = stream.Next(std::max(left, Milliseconds(1)));
    if (!message)
      return;
    const boost::json::value json = message->Json();
    const std::string kind = sse ? message->event : json.at("type").as_string().c_str();
    if (kind != "change" && kind != "progress") {
      anew_ = kind == "compacted";  // why it ends
      return;
    }
    if (sse && message->id != std::to_string(json.at("revision").to_number<uint64_t>()))
      nonsense_.push_back(target_ + ": the id is not the revision: " + message->id);
    Take(kind == "progress", json);
  }
}

void LeaderObserver::Take(bool is_mark, const boost::json::value& message) {
  if (is_mark && anew_)
    throw std::domain_error("a progress mark comes before who leads");
  if (std::exchange(anew_, false))
    runs_.emplace_back();
  ObservedRun& run = runs_.back();
  const auto revision = message.at("revision").to_number<uint64_t>();
  if (!run.messages.empty() && revision <= run.last())
    nonsense_.push_back(target_ + ": revision " + std::to_string(revision) + " after " +
                        std::to_string(run.last()));
  if (is_mark)
    run.mark = revision;
  else
    run.messages.push_back(ParseLeader(message));
}

}  // namespace synod::histories
