#include "tests/histories/cycles.h"

#include <algorithm>
#include <deque>

namespace synod::histories {
namespace {

constexpr size_t kNobody = static_cast<size_t>(-1);

}  // namespace

std::vector<bool> Graph::Core() const {
  std::vector<size_t> incoming(next_.size(), 0);
  for (const std::vector<size_t>& edges : next_)
    for (const size_t to : edges) ++incoming[to];
  std::vector<size_t> bare;
  for (size_t i = 0; i < next_.size(); ++i)
    if (incoming[i] == 0)
      bare.push_back(i);
  std::vector<bool> core(next_.size(), true);
  while (!bare.empty()) {
    const size_t node = bare.back();
    bare.pop_back();
    core[node] = false;
    for (const size_t to : next_[node])
      if (--incoming[to] == 0)
        bare.push_back(to);
  }
  return core;
}

// Breadth first, back to `start`; empty if no way leads there.
std::vector<size_t> Graph::ShortestFrom(size_t start, const std::vector<bool>& core) const {
  std::vector<size_t> from(next_.size(), kNobody);
  std::deque<size_t> queue = {start};
  while (!queue.empty()) {
    const size_t node = queue.front();
    queue.pop_front();
    for (const size_t to : next_[node]) {
      if (to == start) {
        std::vector<size_t> cycle;
        for (size_t at = node; at != start; at = from[at]) cycle.push_back(at);
        cycle.push_back(start);
        std::reverse(cycle.begin(), cycle.end());
        return cycle;
      }
      if (core[to] && from[to] == kNobody) {
        from[to] = node;
        queue.push_back(to);
      }
    }
  }
  return {};
}

std::vector<size_t> Graph::ShortCycle() const {
  const std::vector<bool> core = Core();
  // What is left may also hang behind a cycle: not every node of it is on one.
  for (size_t i = 0; i < next_.size(); ++i) {
    if (!core[i])
      continue;
    if (std::vector<size_t> cycle = ShortestFrom(i, core); !cycle.empty())
      return cycle;
  }
  return {};
}

}  // namespace synod::histories
