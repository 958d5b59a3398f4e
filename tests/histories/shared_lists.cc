#include "tests/histories/shared_lists.h"

#include <algorithm>
#include <iterator>
#include <sstream>

namespace synod::histories {

std::vector<std::string> ElementsOf(const std::string& text) {
  std::vector<std::string> elements;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) elements.push_back(line);
  return elements;
}

std::vector<std::string> LostOf(const std::set<std::string>& acknowledged,
                                std::span<const std::string> list) {
  const std::set<std::string> there(list.begin(), list.end());
  std::vector<std::string> lost;
  std::set_difference(acknowledged.begin(), acknowledged.end(), there.begin(), there.end(),
                      std::back_inserter(lost));
  return lost;
}

std::vector<std::string> JudgeSharedList(const ListUpdates& updates,
                                         std::span<const std::string> list) {
  std::vector<std::string> wrong;
  for (const std::string& element : LostOf(updates.acknowledged, list))
    wrong.push_back("element " + element + " was acknowledged and is lost");
  std::set<std::string> seen;
  for (const std::string& element : list) {
    if (!seen.insert(element).second)
      wrong.push_back("element " + element + " is there twice");
    else if (!updates.attempted.contains(element))
      wrong.push_back("element " + element + " was written by nobody");
    else if (updates.refused.contains(element))
      wrong.push_back("element " + element + " is there, and its write was refused");
  }
  return wrong;
}

}  // namespace synod::histories
