// FakeRuntime: a client's world that a test moves by hand: time, timers, and what nodes answer.
//
// Nothing happens but in Advance and in the answers that the test gives. Exchanges that are open
// are
// listed in the order in which they were started.
#ifndef SYNOD_TESTS_UNIT_CLIENT_FAKE_RUNTIME_H_
#define SYNOD_TESTS_UNIT_CLIENT_FAKE_RUNTIME_H_

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "src/client/core.h"
#include "src/client/runtime.h"

namespace synod::client {

class FakeRuntime : public Runtime {
 public:
  void Stop() override {}
  Clock::time_point Now() const override { return now_; }
  bool OnLoop() const override { return true; }
  void Post(Task task) override { At(now_, std::move(task)); }
  TimerId At(Clock::time_point time, Task task) override {
    const TimerId id = ++last_id_;
    timers_[{std::max(time, now_), id}] = std::move(task);
    return id;
  }
  void Cancel(TimerId timer) override {
    std::erase_if(timers_, [&](const auto& t) { return t.first.second == timer; });
  }
  ExchangeId Start(Exchange exchange) override {
    open_.push_back({++last_id_, std::move(exchange)});
    sent_.push_back(open_.back().second.request);
    return last_id_;
  }
  void Abandon(ExchangeId id) override {
    std::erase_if(open_, [&](const auto& e) { return e.first == id; });
  }
  // The largest: pauses are then as long as they get.
  uint64_t Random(uint64_t bound) override { return bound - 1; }

  // Runs what is due, in order, and what that makes due; an exchange at its deadline fails.
  void Advance(Milliseconds time = Milliseconds(0)) {
    const Clock::time_point until = now_ + time;
    while (true) {
      const auto late = std::min_element(
          open_.begin(), open_.end(),
          [](const auto& a, const auto& b) { return a.second.deadline < b.second.deadline; });
      const bool timer_first =
          !timers_.empty() &&
          (late == open_.end() || timers_.begin()->first.first <= late->second.deadline);
      if (timer_first && timers_.begin()->first.first <= until) {
        now_ = timers_.begin()->first.first;
        const Task task = std::move(timers_.begin()->second);
        timers_.erase(timers_.begin());
        task();
      } else if (!timer_first && late != open_.end() && late->second.deadline <= until) {
        now_ = std::max(now_, late->second.deadline);
        const auto index = static_cast<size_t>(late - open_.begin());
        End(index, Error{Errc::kDeadlineExceeded, Outcome::kUnknown, "too late"});
      } else {
        break;
      }
    }
    now_ = until;
  }
  // The process stops and goes on: time has passed, and nothing has run.
  void Sleep(Milliseconds time) { now_ += time; }

  size_t open() const { return open_.size(); }
  const Exchange& exchange(size_t i = 0) const { return open_.at(i).second; }
  // All requests so far.
  const std::vector<HttpRequest>& sent() const { return sent_; }

  void End(size_t i, Result<HttpReply> result) {
    const auto on_end = open_.at(i).second.on_end;
    open_.erase(open_.begin() + static_cast<ptrdiff_t>(i));
    on_end(std::move(result));
  }
  void Reply(int status, std::string body, Headers headers = {}) {
    headers.emplace_back("synod-time", "1000");
    End(0, HttpReply{status, std::move(headers), std::move(body)});
    Advance();
  }
  void Fail(Outcome outcome) {
    End(0, Error{Errc::kInternal, outcome, "it broke"});
    Advance();
  }
  void Data(std::string_view bytes, size_t i = 0) {
    const auto on_data = open_.at(i).second.on_data;
    on_data(bytes);
    Advance();
  }

 private:
  // Begins late, so that a time of zero stands out.
  Clock::time_point now_{std::chrono::hours(1000)};
  uint64_t last_id_ = 0;
  std::map<std::pair<Clock::time_point, TimerId>, Task> timers_;
  std::deque<std::pair<ExchangeId, Exchange>> open_;
  std::vector<HttpRequest> sent_;
};

inline std::string HeaderOf(const HttpRequest& request, std::string_view name) {
  for (const auto& [key, value] : request.headers)
    if (key == name)
      return value;
  return "";
}

}  // namespace synod::client

#endif  // SYNOD_TESTS_UNIT_CLIENT_FAKE_RUNTIME_H_
