// JudgeHolds: is one exclusive lock held by one at a time, and does its token order the writes?
//
// Contract      A hold is certain from the answer of the acquire until its release is asked for or
//               its TTL is over, counted from when the acquire was asked for. No two certain holds
//               overlap; tokens are unique and rise with every later hold; writes under a fence
//               carry tokens that never fall with their revisions.
#ifndef SYNOD_TESTS_HISTORIES_HOLDS_H_
#define SYNOD_TESTS_HISTORIES_HOLDS_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace synod::histories {

struct Hold {
  uint64_t token = 0;
  int64_t called = 0;
  int64_t returned = 0;
  int64_t certain_until = 0;  // before `returned`: never certain
};

struct FencedWrite {
  uint64_t token = 0;
  uint64_t revision = 0;
};

// What is wrong, a line each.
std::vector<std::string> JudgeHolds(std::span<const Hold> holds,
                                    std::span<const FencedWrite> writes);

}  // namespace synod::histories

#endif  // SYNOD_TESTS_HISTORIES_HOLDS_H_
