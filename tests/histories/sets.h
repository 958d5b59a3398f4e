// JudgeSet: is a recorded history of one set that only grows linearizable?
//
// Contract      Adds of distinct elements, and reads of the whole set. Every read has what was
//               added before it began and nothing that was not asked for before it ended; of two
//               reads one has all of the other's, the later one more; an element whose add began
//               after another's had ended is not there without that one. Reads that name their
//               revision have exactly what was added up to it.
#ifndef SYNOD_TESTS_HISTORIES_SETS_H_
#define SYNOD_TESTS_HISTORIES_SETS_H_

#include <cstdint>
#include <limits>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace synod::histories {

struct SetAdd {
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

  uint64_t element = 0;
  int64_t called = 0;
  int64_t returned = kNever;  // kNever: nobody knows whether it took effect
  uint64_t revision = 0;      // that it took, if known
};

struct SetRead {
  bool sequential = false;  // not bound to real time
  int64_t called = 0;
  int64_t returned = 0;
  uint64_t min_revision = 0;  // asked for
  uint64_t revision = 0;      // the answer's; 0: it did not say
  std::set<uint64_t> elements = {};
};

// What is wrong, a line each.
std::vector<std::string> JudgeSet(std::span<const SetAdd> adds, std::span<const SetRead> reads);

}  // namespace synod::histories

#endif  // SYNOD_TESTS_HISTORIES_SETS_H_
