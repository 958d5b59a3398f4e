// ListNodes: one page of the nodes below a path, from the live nodes and, for the past, the dead.
//
// Contract      As Tree::List (tree.h). `view` gives an entry's state as the reader sees it, null
//               to leave it out. Nodes deeper than wanted are stepped over a subtree at a time.
// Thread        Core thread only.
#ifndef SYNOD_STORE_LIST_H_
#define SYNOD_STORE_LIST_H_

#include <string>
#include <string_view>
#include <utility>

#include "src/base/path.h"
#include "src/store/node_table.h"
#include "src/store/tree.h"

namespace synod::store {

// Walks the entries in path order; an entry in both orders comes once.
class EntryCursor {
 public:
  EntryCursor(const NodeTable& nodes, bool with_dead, std::string_view after)
      : nodes_(nodes), with_dead_(with_dead) {
    live_ = nodes_.live().UpperBound(after);
    dead_ = with_dead_ ? nodes_.dead().UpperBound(after) : nodes_.dead().end();
  }

  Entry* Current() const {
    const bool live = live_ != nodes_.live().end();
    const bool dead = dead_ != nodes_.dead().end();
    if (live && dead)
      return ComparePaths((*dead_)->path(), (*live_)->path()) < 0 ? *dead_ : *live_;
    return live ? *live_ : dead ? *dead_ : nullptr;
  }
  void Next() {
    const Entry* current = Current();
    if (live_ != nodes_.live().end() && *live_ == current)
      ++live_;
    if (dead_ != nodes_.dead().end() && *dead_ == current)
      ++dead_;
  }
  void SkipSubtree(std::string_view path) {
    // U+0001 is in no path, and comes after '/' and before everything else in path order.
    std::string end(path);
    end += '\x01';
    live_ = nodes_.live().LowerBound(end);
    if (with_dead_)
      dead_ = nodes_.dead().LowerBound(end);
  }

 private:
  const NodeTable& nodes_;
  const bool with_dead_;
  Order::Iterator live_;
  Order::Iterator dead_;
};

// The child of `ancestor` on the way to `path`, which lies below it.
inline std::string_view ChildToward(std::string_view path, std::string_view ancestor) {
  const size_t begin = ancestor == "/" ? 1 : ancestor.size() + 1;
  return path.substr(0, path.find('/', begin));
}

template <typename View>
ListResult ListNodes(const NodeTable& nodes,
                     std::string_view path,
                     ListScope scope,
                     size_t limit,
                     std::string_view after,
                     bool with_dead,
                     const View& view) {
  ListResult result;
  size_t bytes = 0;
  const bool skip_reserved = !IsReserved(path);
  const bool resumes = !after.empty() && ComparePaths(after, path) > 0;
  EntryCursor cursor(nodes, with_dead, resumes ? after : path);
  while (Entry* entry = cursor.Current()) {
    const std::string_view here = entry->path();
    if (!IsWithin(here, path))
      break;
    if (skip_reserved && IsReserved(here)) {
      cursor.SkipSubtree(kReservedRoot);
      continue;
    }
    if (scope == ListScope::kChildren) {
      const std::string_view child = ChildToward(here, path);
      if (child.size() != here.size()) {
        cursor.SkipSubtree(child);
        continue;
      }
    }
    if (NodeRef node = view(*entry)) {
      bytes += here.size() + node->value.size();
      const bool is_first = result.nodes.empty();
      if (result.nodes.size() >= limit || (bytes > kListPageBytesMax && !is_first)) {
        result.more = true;
        break;
      }
      result.nodes.push_back({std::string(here), std::move(node)});
    }
    cursor.Next();
  }
  return result;
}

}  // namespace synod::store

#endif  // SYNOD_STORE_LIST_H_
