// JudgeLeaders: does an election show one leader at a time, with what that one proclaimed?
//
// Contract      Tokens order the leaders: no read of a later revision names an earlier one, and no
//               proclamation of an earlier one comes after it. A read shows the last proclamation
//               of its leader up to its revision, or one whose outcome nobody knows.
//               An observer is told of every change in order, once: what it saw last at or before
//               a revision is what a read of that revision shows, and every proclamation and every
//               election whose answer came is among what it saw.
// Not here      That the holds of two leaders do not overlap (holds.h).
#ifndef SYNOD_TESTS_HISTORIES_LEADERS_H_
#define SYNOD_TESTS_HISTORIES_LEADERS_H_

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace synod::histories {

// What a leader said: at its election (revision 0, since it was chosen at another's) or afterwards.
struct Proclamation {
  uint64_t token = 0;
  std::string value;
  uint64_t revision = 0;
  bool open = false;  // nobody knows whether it took effect
};

struct LeaderRead {
  uint64_t revision = 0;
  uint64_t token = 0;  // 0: nobody led
  std::string value = {};
};

// What one observer was told without a gap, over one stream or several that were resumed.
struct ObservedRun {
  // Nothing up to here is missing.
  uint64_t last() const { return std::max(messages.back().revision, mark); }
  std::vector<LeaderRead> messages;  // not empty
  uint64_t mark = 0;                 // the last one of progress
};

// What is wrong, a line each.
std::vector<std::string> JudgeObserved(std::span<const ObservedRun> runs,
                                       std::span<const Proclamation> proclamations,
                                       std::span<const LeaderRead> reads);
std::vector<std::string> JudgeLeaders(std::span<const Proclamation> proclamations,
                                      std::span<const LeaderRead> reads);

}  // namespace synod::histories

#endif  // SYNOD_TESTS_HISTORIES_LEADERS_H_
