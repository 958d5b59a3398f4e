#include "tests/histories/sets.h"

#include <algorithm>
#include <map>

namespace synod::histories {
namespace {

using Wrong = std::vector<std::string>;

std::string Describe(const SetRead& read) {
  return std::string(read.sequential ? "the sequential read [" : "the read [") +
         std::to_string(read.called) + ", " + std::to_string(read.returned) + "] of " +
         std::to_string(read.elements.size()) + " elements at revision " +
         std::to_string(read.revision);
}

void JudgeElements(const SetRead& read, const std::map<uint64_t, SetAdd>& adds, Wrong* wrong) {
  const auto complain = [&](uint64_t element, const char* what) {
    wrong->push_back(Describe(read) + " " + what + " " + std::to_string(element));
  };
  int64_t last_called = std::numeric_limits<int64_t>::min();
  for (const uint64_t element : read.elements) {
    const auto it = adds.find(element);
    if (it == adds.end()) {
      complain(element, "has what nobody added:");
      continue;
    }
    const SetAdd& add = it->second;
    last_called = std::max(last_called, add.called);
    if (add.called > read.returned)
      complain(element, "has what was added after it:");
    if (read.revision != 0 && add.revision > read.revision)
      complain(element, "has what is newer than itself:");
  }
  for (const auto& [element, add] : adds) {
    if (add.returned == SetAdd::kNever || read.elements.contains(element))
      continue;
    if (!read.sequential && add.returned < read.called)
      complain(element, "misses what was added before it:");
    else if (add.revision != 0 && add.revision <= read.revision)
      complain(element, "misses what is not newer than itself:");
    else if (add.returned < last_called)
      complain(element, "has a later element and misses");
  }
}

// Of two reads one has all of the other's; the later one does.
void JudgePairs(std::span<const SetRead> reads, Wrong* wrong) {
  std::vector<const SetRead*> by_size;
  for (const SetRead& read : reads) by_size.push_back(&read);
  std::stable_sort(by_size.begin(), by_size.end(), [](const SetRead* a, const SetRead* b) {
    return a->elements.size() < b->elements.size();
  });
  for (size_t i = 1; i < by_size.size(); ++i) {
    const SetRead& small = *by_size[i - 1];
    const SetRead& big = *by_size[i];
    if (!std::includes(big.elements.begin(), big.elements.end(), small.elements.begin(),
                       small.elements.end()))
      wrong->push_back(Describe(big) + " has not all of " + Describe(small));
  }
  // The bigger one must not have ended before the smaller one began.
  int64_t earliest_return = SetAdd::kNever;
  const SetRead* earliest = nullptr;
  for (size_t i = by_size.size(); i > 0;) {
    const size_t size = by_size[i - 1]->elements.size();
    size_t first = i;
    for (; first > 0 && by_size[first - 1]->elements.size() == size; --first) {
      const SetRead& read = *by_size[first - 1];
      if (!read.sequential && earliest != nullptr && earliest_return < read.called)
        wrong->push_back(Describe(read) + " began after the end of " + Describe(*earliest));
    }
    for (; i > first; --i) {
      const SetRead& read = *by_size[i - 1];
      if (!read.sequential && read.returned < earliest_return) {
        earliest_return = read.returned;
        earliest = &read;
      }
    }
  }
}

}  // namespace

Wrong JudgeSet(std::span<const SetAdd> adds, std::span<const SetRead> reads) {
  std::map<uint64_t, SetAdd> by_element;
  for (const SetAdd& add : adds) by_element.emplace(add.element, add);
  Wrong wrong;
  for (const SetRead& read : reads) {
    if (read.revision < read.min_revision)
      wrong.push_back(Describe(read) + " reflects less than " + std::to_string(read.min_revision));
    JudgeElements(read, by_element, &wrong);
  }
  JudgePairs(reads, &wrong);
  return wrong;
}

}  // namespace synod::histories
