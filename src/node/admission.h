// Admission: which requests a node takes while it cannot serve all that come.
//
// Contract      A pure value. Requests are of four classes, and the lower ones are refused first:
//               - by queueing: if for kStandingUs no request was read sooner than `delay_us` after
//                 it came, the queue stands, and catch-ups are refused; reads at twice that delay,
//                 changes at four times. One late moment is no overload.
//               - by memory of requests and answers: past half of it, 3/4, 7/8.
//               - by number: reads and catch-ups that were taken and are not answered yet. Of
//                 changes the engine counts what waits, since a wait for a lock is none.
//               - catch-ups by their cost: no more than the node works off in kBacklogUs.
//               What is vital is never refused here: a renewal that is late costs more than it
//               saves.
// Refusals      kOverloaded: nothing happened.
// Thread        Any one.
#ifndef SYNOD_NODE_ADMISSION_H_
#define SYNOD_NODE_ADMISSION_H_

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

#include "src/base/error.h"

namespace synod::node {

enum class WorkClass : uint8_t {
  kVital,  // renewals of leases, health, an operator's word
  kChange,
  kRead,     // of one thing
  kCatchUp,  // lists, and streams and backups that begin with what was before
};
inline constexpr std::array<std::string_view, 4> kWorkClassNames = {"vital", "change", "read",
                                                                    "catch_up"};

struct AdmissionLimits {
  int64_t delay_us = 100'000;
  uint64_t calls_max = 10'000;  // of each class
  uint64_t memory_bytes_max = uint64_t{256} << 20;
};

class Admission {
 public:
  static constexpr int64_t kStandingUs = 500'000;
  static constexpr int64_t kBacklogUs = 1'000'000;

  // Of a request that was taken; it counts until this goes.
  class Ticket {
   public:
    Ticket() = default;
    Ticket(Admission* of, WorkClass work) : of_(of), work_(work) { ++of_->taken(work_); }
    Ticket(Ticket&& other) noexcept : of_(std::exchange(other.of_, nullptr)), work_(other.work_) {}
    Ticket& operator=(Ticket&& other) noexcept {
      std::swap(of_, other.of_);
      std::swap(work_, other.work_);
      return *this;
    }
    ~Ticket() {
      if (of_ != nullptr)
        --of_->taken(work_);
    }

   private:
    Admission* of_ = nullptr;
    WorkClass work_ = WorkClass::kVital;
  };

  explicit Admission(const AdmissionLimits& limits) : limits_(limits) {}

  // A request was read at `now_us` that had waited for so long.
  void Waited(int64_t now_us, int64_t waited_us);
  // `held_bytes`: of all requests and answers now. The ticket is the caller's to keep.
  Result<Ticket> Take(WorkClass work, int64_t now_us, uint64_t held_bytes);
  // Whether an answer may still be made of what was taken, and has waited for its turn so long.
  Status MayAnswer(WorkClass work, int64_t waited_us, uint64_t held_bytes);
  // One was refused for want of room: here or anywhere else.
  void Refused(WorkClass work) { ++refused_[static_cast<size_t>(work)]; }
  // What answering one catch-up took.
  void Served(int64_t took_us) { mean_us_ += (static_cast<double>(took_us) - mean_us_) / 16; }

  uint64_t in_flight(WorkClass work) const { return taken_[static_cast<size_t>(work)]; }
  uint64_t refused(WorkClass work) const { return refused_[static_cast<size_t>(work)]; }
  // What every request waits at least; 0 while there is no standing queue.
  int64_t standing_us(int64_t now_us) const;

 private:
  uint64_t& taken(WorkClass work) { return taken_[static_cast<size_t>(work)]; }
  // Empty if it may be taken.
  std::string_view WhyNot(WorkClass work, int64_t now_us, uint64_t held_bytes) const;
  bool IsTooMuch(WorkClass work, uint64_t held_bytes) const;

  const AdmissionLimits limits_;
  std::array<uint64_t, kWorkClassNames.size()> taken_{};
  std::array<uint64_t, kWorkClassNames.size()> refused_{};
  // The shortest wait of the present and of the last window of kStandingUs.
  int64_t window_us_ = 0;
  int64_t least_now_us_ = 0;
  int64_t least_before_us_ = 0;
  double mean_us_ = 0;  // of catch-ups, the last ones counting most
};

}  // namespace synod::node

#endif  // SYNOD_NODE_ADMISSION_H_
