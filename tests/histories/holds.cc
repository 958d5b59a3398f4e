#include "tests/histories/holds.h"

#include <algorithm>
#include <set>

namespace synod::histories {
namespace {

using Wrong = std::vector<std::string>;

void JudgeTokens(std::span<const Hold> holds, Wrong* wrong) {
  std::vector<Hold> by_call(holds.begin(), holds.end());
  std::vector<Hold> by_return = by_call;
  std::sort(by_call.begin(), by_call.end(),
            [](const Hold& a, const Hold& b) { return a.called < b.called; });
  std::sort(by_return.begin(), by_return.end(),
            [](const Hold& a, const Hold& b) { return a.returned < b.returned; });
  std::set<uint64_t> tokens;
  uint64_t highest = 0;
  size_t next = 0;
  for (const Hold& hold : by_call) {
    for (; next < by_return.size() && by_return[next].returned < hold.called; ++next)
      highest = std::max(highest, by_return[next].token);
    if (hold.token <= highest)
      wrong->push_back("token " + std::to_string(hold.token) + " was given after " +
                       std::to_string(highest));
    if (!tokens.insert(hold.token).second)
      wrong->push_back("token " + std::to_string(hold.token) + " was given twice");
  }
}

void JudgeOverlaps(std::span<const Hold> holds, Wrong* wrong) {
  std::vector<Hold> certain;
  for (const Hold& hold : holds)
    if (hold.certain_until > hold.returned)
      certain.push_back(hold);
  std::sort(certain.begin(), certain.end(),
            [](const Hold& a, const Hold& b) { return a.returned < b.returned; });
  for (size_t i = 1; i < certain.size(); ++i)
    if (certain[i].returned < certain[i - 1].certain_until)
      wrong->push_back("tokens " + std::to_string(certain[i - 1].token) + " and " +
                       std::to_string(certain[i].token) + " were held at once");
}

}  // namespace

Wrong JudgeHolds(std::span<const Hold> holds, std::span<const FencedWrite> writes) {
  Wrong wrong;
  JudgeTokens(holds, &wrong);
  JudgeOverlaps(holds, &wrong);
  std::vector<FencedWrite> by_revision(writes.begin(), writes.end());
  std::sort(by_revision.begin(), by_revision.end(),
            [](const FencedWrite& a, const FencedWrite& b) { return a.revision < b.revision; });
  for (size_t i = 1; i < by_revision.size(); ++i)
    if (by_revision[i].token < by_revision[i - 1].token)
      wrong.push_back("a write under token " + std::to_string(by_revision[i].token) +
                      " came after one under " + std::to_string(by_revision[i - 1].token));
  return wrong;
}

}  // namespace synod::histories
