// SubtreeCounts: what chosen subtrees hold, followed commit by commit.
//
// Contract      A root is the path of a counted subtree; whether there is a node at it does not
//               matter. Roots may lie within each other: then a node counts for each. Nodes within
//               /.synod count for none.
// Invariants    (1) a root's usage is what a walk over its subtree finds;  (2) `enclosing` is the
//               innermost other root that it lies in. So those that a path lies in are found by one
//               search and a climb.
// Thread        Core thread only.   Errors: none.
#ifndef SYNOD_STORE_SUBTREE_COUNTS_H_
#define SYNOD_STORE_SUBTREE_COUNTS_H_

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/path.h"
#include "src/store/node.h"
#include "src/store/tree.h"

namespace synod::store {

class SubtreeCounts {
 public:
  bool empty() const { return roots_.empty(); }
  void Add(std::string_view path, const Usage& usage);
  void Remove(std::string_view path);
  void Set(std::string_view path, const Usage& usage);
  // Null if it is not counted.
  const Usage* Find(std::string_view path) const;

  template <typename Each>
  void ForEach(Each each) const {
    for (const auto& [path, root] : roots_) each(std::string_view(path), root.usage);
  }

 private:
  friend class UsageChangeList;
  struct Root {
    std::string_view path;
    Usage usage;
    Root* enclosing = nullptr;
    size_t place = 0;  // 1 + place in a list of changes that is being made
  };

  // The innermost root that `path` lies in, or null.
  Root* Innermost(std::string_view path);
  void LinkAll();

  std::map<std::string, Root, PathLess> roots_;
};

// Adds up what becomes of nodes. One at a time for the same counts.
class UsageChangeList {
 public:
  explicit UsageChangeList(SubtreeCounts* counts) : counts_(counts) {}

  void Add(std::string_view path, const NodeRef& before, const NodeRef& after);
  // In path order.
  std::vector<UsageChange> Take();

 private:
  SubtreeCounts* counts_;
  std::vector<UsageChange> changes_;
};

}  // namespace synod::store

#endif  // SYNOD_STORE_SUBTREE_COUNTS_H_
