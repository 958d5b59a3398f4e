#include "tests/histories/partitions.h"

#include <functional>

namespace synod::histories {

Partition DrawPartition(std::vector<int> nodes, Random* random) {
  for (size_t i = nodes.size() - 1; i > 0; --i) std::swap(nodes[i], nodes[random->Below(i + 1)]);
  const size_t n = nodes.size();
  // Whether the packets from place `a` of the shuffled nodes to place `b` are lost.
  using Lost = std::function<bool(size_t a, size_t b)>;
  const size_t half = n / 2;
  const std::vector<std::pair<std::string, Lost>> shapes = {
      {"isolate", [](size_t a, size_t b) { return a == 0 || b == 0; }},
      {"split", [half](size_t a, size_t b) { return (a < half) != (b < half); }},
      {"deaf", [](size_t, size_t b) { return b == 0; }},
      {"mute", [](size_t a, size_t) { return a == 0; }},
      {"one-way", [](size_t a, size_t b) { return a == 0 && b == 1; }},
      // All see the last one, and it sees all; the others are in two parts.
      {"bridge",
       [n, half](size_t a, size_t b) {
         return a != n - 1 && b != n - 1 && (a < half) != (b < half);
       }},
      // Each sees its neighbours: a majority of its own, of three or five nodes. With three one
      // link goes as well.
      {"ring",
       [n](size_t a, size_t b) {
         const size_t apart = (a + n - b) % n;
         return n <= 3 ? a + b == 1 : apart != 1 && apart != n - 1;
       }},
  };
  const auto& [name, is_lost] = shapes[random->Below(shapes.size())];
  Partition partition{name, {}};
  for (size_t a = 0; a < n; ++a)
    for (size_t b = 0; b < n; ++b)
      if (a != b && is_lost(a, b))
        partition.lost.insert({nodes[a], nodes[b]});
  return partition;
}

}  // namespace synod::histories
