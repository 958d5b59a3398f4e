// JudgeSharedList: is a list that several append to under a lock complete?
//
// Contract      Each of them reads the list, adds an element of its own and writes all of it back.
//               With a lock that excludes the others, or writes that are refused once it is lost,
//               every acknowledged element is there, once; one whose write was refused never is.
#ifndef SYNOD_TESTS_HISTORIES_SHARED_LISTS_H_
#define SYNOD_TESTS_HISTORIES_SHARED_LISTS_H_

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace synod::histories {

struct ListUpdates {
  std::set<std::string> attempted;
  std::set<std::string> acknowledged;
  std::set<std::string> refused;
};

// One element a line.
std::vector<std::string> ElementsOf(const std::string& text);

// Acknowledged, and not there.
std::vector<std::string> LostOf(const std::set<std::string>& acknowledged,
                                std::span<const std::string> list);

// What is wrong, a line each.
std::vector<std::string> JudgeSharedList(const ListUpdates& updates,
                                         std::span<const std::string> list);

}  // namespace synod::histories

#endif  // SYNOD_TESTS_HISTORIES_SHARED_LISTS_H_
