// JudgeCounter: is a history of one counter linearizable, with each increment counted once?
//
// Contract      Increments by one that answer the new value, and reads. A value is at least the
//               number of increments that were acknowledged before it was asked for, at most the
//               number of those that were asked for before it was answered, and never less than a
//               value that was answered before; no two increments answer the same.
#ifndef SYNOD_TESTS_HISTORIES_COUNTERS_H_
#define SYNOD_TESTS_HISTORIES_COUNTERS_H_

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace synod::histories {

struct CounterOp {
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

  bool increment = false;
  int64_t called = 0;
  int64_t returned = kNever;  // kNever: nobody knows whether the increment took effect
  uint64_t value = 0;         // answered
};

// What is wrong, a line each.
std::vector<std::string> JudgeCounter(std::span<const CounterOp> ops);

}  // namespace synod::histories

#endif  // SYNOD_TESTS_HISTORIES_COUNTERS_H_
