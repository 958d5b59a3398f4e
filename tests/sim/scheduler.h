// Scheduler: virtual time and what happens in it.
//
// Contract      Runs events in order of their time, those of equal times in the order in which they
//               were scheduled. Nothing else moves time. Microseconds.
// Thread        One.
#ifndef SYNOD_TESTS_SIM_SCHEDULER_H_
#define SYNOD_TESTS_SIM_SCHEDULER_H_

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace synod::sim {

using Time = int64_t;
inline constexpr Time kMillisecond = 1'000;
inline constexpr Time kSecond = 1'000'000;

class Scheduler {
 public:
  Time now() const { return now_; }
  uint64_t steps() const { return steps_; }

  void At(Time time, std::function<void()> run) {
    heap_.push_back({std::max(time, now_), next_++, std::move(run)});
    std::push_heap(heap_.begin(), heap_.end(), Later);
  }
  void After(Time delay, std::function<void()> run) { At(now_ + delay, std::move(run)); }

  // Runs the next event; false if there is none up to `until` (time stands there then).
  bool Step(Time until) {
    if (heap_.empty() || heap_.front().time > until) {
      now_ = std::max(now_, until);
      return false;
    }
    std::pop_heap(heap_.begin(), heap_.end(), Later);
    Item item = std::move(heap_.back());
    heap_.pop_back();
    now_ = item.time;
    ++steps_;
    item.run();
    return true;
  }

 private:
  struct Item {
    Time time = 0;
    uint64_t order = 0;
    std::function<void()> run;
  };
  static bool Later(const Item& a, const Item& b) {
    return a.time != b.time ? a.time > b.time : a.order > b.order;
  }

  Time now_ = 0;
  uint64_t next_ = 0;
  uint64_t steps_ = 0;
  std::vector<Item> heap_;
};

// A node's own clock: runs at its own rate, and can be stopped.
class SimClock {
 public:
  SimClock() = default;
  // `rate_ppm`: 1'000'000 is true time.
  SimClock(int64_t start_ms, int64_t rate_ppm) : local_us_(start_ms * 1000), rate_ppm_(rate_ppm) {}

  int64_t NowMs(Time now) {
    Sync(now);
    return local_us_ / 1000;
  }
  void Stop(Time now) {
    Sync(now);
    stopped_ = true;
  }
  void Go(Time now) {
    Sync(now);
    stopped_ = false;
  }

 private:
  void Sync(Time now) {
    if (!stopped_) {
      const int64_t scaled = (now - at_) * rate_ppm_ + rest_;
      local_us_ += scaled / 1'000'000;
      rest_ = scaled % 1'000'000;
    }
    at_ = now;
  }

  Time at_ = 0;
  int64_t local_us_ = 0;
  int64_t rate_ppm_ = 1'000'000;
  int64_t rest_ = 0;  // of the division, so that reading often does not slow the clock
  bool stopped_ = false;
};

}  // namespace synod::sim

#endif  // SYNOD_TESTS_SIM_SCHEDULER_H_
