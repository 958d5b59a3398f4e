// DueWheel: what is to be looked at some seconds from now, without a timer each.
//
// Contract      An id comes out once for each time it was put in, not before it is due and at most
//               kStepMs late, or later if Take() was asked for few; early only if it was put in for
//               more than kAheadMs after the oldest one that is left. Nothing is ever taken out
//               otherwise: who puts in an id that can go meanwhile checks it when it comes out.
// Cost          8 bytes an id; Take() costs what it gives, and a step for each kStepMs passed.
// Thread        The loop's thread.
#ifndef SYNOD_NODE_DUE_WHEEL_H_
#define SYNOD_NODE_DUE_WHEEL_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

namespace synod::node {

class DueWheel {
 public:
  static constexpr int64_t kStepMs = 125;
  static constexpr int64_t kSlots = 256;
  static constexpr int64_t kAheadMs = (kSlots - 1) * kStepMs;

  void Put(uint64_t id, int64_t now_ms, int64_t due_ms) {
    if (size_++ == 0)
      step_ = now_ms / kStepMs;
    const int64_t step = (due_ms + kStepMs - 1) / kStepMs;
    SlotOf(std::clamp(step, step_, step_ + kSlots - 1)).push_back(id);
  }

  // What is due, at most `at_most` of it.
  std::vector<uint64_t> Take(int64_t now_ms, size_t at_most) {
    std::vector<uint64_t> due;
    while (size_ > 0 && due.size() < at_most && step_ <= now_ms / kStepMs) {
      std::vector<uint64_t>& slot = SlotOf(step_);
      const size_t n = std::min(at_most - due.size(), slot.size());
      due.insert(due.end(), slot.end() - static_cast<std::ptrdiff_t>(n), slot.end());
      slot.resize(slot.size() - n);
      size_ -= n;
      if (slot.empty()) {
        slot.shrink_to_fit();
        ++step_;
      }
    }
    return due;
  }

  size_t size() const { return size_; }

 private:
  std::vector<uint64_t>& SlotOf(int64_t step) { return slots_[static_cast<size_t>(step % kSlots)]; }

  std::array<std::vector<uint64_t>, kSlots> slots_;
  int64_t step_ = 0;  // slots before it are empty
  size_t size_ = 0;
};

}  // namespace synod::node

#endif  // SYNOD_NODE_DUE_WHEEL_H_
