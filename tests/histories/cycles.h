// Graph: a directed graph that can show a cycle of its own.
#ifndef SYNOD_TESTS_HISTORIES_CYCLES_H_
#define SYNOD_TESTS_HISTORIES_CYCLES_H_

#include <cstddef>
#include <vector>

namespace synod::histories {

class Graph {
 public:
  explicit Graph(size_t nodes) : next_(nodes) {}

  size_t AddNode() {
    next_.emplace_back();
    return next_.size() - 1;
  }
  // A node's edge to itself says nothing.
  void Link(size_t from, size_t to) {
    if (from != to)
      next_[from].push_back(to);
  }
  // The nodes of a shortest cycle through one of the nodes that are on any; empty if there is none.
  std::vector<size_t> ShortCycle() const;

 private:
  // Nodes that are left when those without an incoming edge are taken away again and again.
  std::vector<bool> Core() const;
  std::vector<size_t> ShortestFrom(size_t start, const std::vector<bool>& core) const;

  std::vector<std::vector<size_t>> next_;
};

}  // namespace synod::histories

#endif  // SYNOD_TESTS_HISTORIES_CYCLES_H_
