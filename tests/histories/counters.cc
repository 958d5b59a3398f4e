#include "tests/histories/counters.h"

#include <algorithm>
#include <set>

namespace synod::histories {
namespace {

std::string Describe(const CounterOp& op) {
  return std::string(op.increment ? "the increment [" : "the read [") + std::to_string(op.called) +
         ", " + std::to_string(op.returned) + "] answered " + std::to_string(op.value);
}

}  // namespace

std::vector<std::string> JudgeCounter(std::span<const CounterOp> ops) {
  std::vector<int64_t> calls;  // of increments
  std::vector<const CounterOp*> by_call;
  for (const CounterOp& op : ops) {
    if (op.increment)
      calls.push_back(op.called);
    if (op.returned != CounterOp::kNever)
      by_call.push_back(&op);
  }
  std::sort(calls.begin(), calls.end());
  std::vector<const CounterOp*> by_return = by_call;
  std::sort(by_call.begin(), by_call.end(),
            [](const CounterOp* a, const CounterOp* b) { return a->called < b->called; });
  std::sort(by_return.begin(), by_return.end(),
            [](const CounterOp* a, const CounterOp* b) { return a->returned < b->returned; });
  std::vector<std::string> wrong;
  std::set<uint64_t> answered;
  uint64_t done = 0;     // increments acknowledged before the call that is looked at
  uint64_t highest = 0;  // value answered before it
  size_t next = 0;
  for (const CounterOp* op : by_call) {
    for (; next < by_return.size() && by_return[next]->returned < op->called; ++next) {
      done += by_return[next]->increment ? 1 : 0;
      highest = std::max(highest, by_return[next]->value);
    }
    const auto asked = static_cast<uint64_t>(
        std::upper_bound(calls.begin(), calls.end(), op->returned) - calls.begin());
    const uint64_t least = std::max(done, highest) + (op->increment ? 1 : 0);
    if (op->value < least)
      wrong.push_back(Describe(*op) + ", and it was " + std::to_string(least) + " at least");
    if (op->value > asked)
      wrong.push_back(Describe(*op) + ", and only " + std::to_string(asked) + " were asked for");
    if (op->increment && !answered.insert(op->value).second)
      wrong.push_back(Describe(*op) + " as another one did");
  }
  return wrong;
}

}  // namespace synod::histories
