#include "tests/histories/revisions.h"

#include <algorithm>

namespace synod::histories {

void Revisions::Add(const SeenRevision& seen) {
  const std::lock_guard lock(mutex_);
  seen_.push_back(seen);
}

std::vector<std::string> JudgeRevisions(std::vector<SeenRevision> seen) {
  std::vector<SeenRevision> by_return = seen;
  std::sort(by_return.begin(), by_return.end(),
            [](const auto& a, const auto& b) { return a.returned < b.returned; });
  std::sort(seen.begin(), seen.end(),
            [](const auto& a, const auto& b) { return a.called < b.called; });
  std::vector<std::string> wrong;
  uint64_t known = 0;  // answered before the call that is looked at
  size_t next = 0;
  for (const SeenRevision& s : seen) {
    for (; next < by_return.size() && by_return[next].returned < s.called; ++next)
      known = std::max(known, by_return[next].revision);
    if (s.revision < known || (s.changed && s.revision == known))
      wrong.push_back((s.changed ? "a change took revision " : "an answer reflects revision ") +
                      std::to_string(s.revision) + ", and " + std::to_string(known) +
                      " was answered before it was asked for");
  }
  return wrong;
}

}  // namespace synod::histories
