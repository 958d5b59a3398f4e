#include "src/store/subtree_counts.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "src/base/check.h"

namespace synod::store {
namespace {

// Sums wrap around harmlessly: what is taken away was counted.
void Count(std::string_view path, const NodeRef& before, const NodeRef& after, Usage* usage) {
  if (before) {
    --usage->nodes;
    usage->bytes -= path.size() + before->value.size();
  }
  if (after) {
    ++usage->nodes;
    usage->bytes += path.size() + after->value.size();
  }
}

}  // namespace

void SubtreeCounts::Add(std::string_view path, const Usage& usage) {
  SYNOD_CHECK(!IsReserved(path));
  const auto [it, added] = roots_.try_emplace(std::string(path));
  SYNOD_CHECK(added);
  it->second.path = it->first;
  it->second.usage = usage;
  LinkAll();
}

void SubtreeCounts::Remove(std::string_view path) {
  const auto it = roots_.find(path);
  SYNOD_CHECK(it != roots_.end());
  roots_.erase(it);
  LinkAll();
}

void SubtreeCounts::Set(std::string_view path, const Usage& usage) {
  const auto it = roots_.find(path);
  SYNOD_CHECK(it != roots_.end());
  it->second.usage = usage;
}

const Usage* SubtreeCounts::Find(std::string_view path) const {
  const auto it = roots_.find(path);
  return it == roots_.end() ? nullptr : &it->second.usage;
}

SubtreeCounts::Root* SubtreeCounts::Innermost(std::string_view path) {
  // Whatever lies between a root and a path below it, in path order, lies in that root as well.
  const auto behind = roots_.upper_bound(path);
  Root* root = behind == roots_.begin() ? nullptr : &std::prev(behind)->second;
  while (root != nullptr && !IsWithin(path, root->path)) root = root->enclosing;
  return root;
}

// Changes of the roots are rare.
void SubtreeCounts::LinkAll() {
  Root* before = nullptr;
  for (auto& [path, root] : roots_) {
    while (before != nullptr && !IsWithin(path, before->path)) before = before->enclosing;
    root.enclosing = before;
    before = &root;
  }
}

void UsageChangeList::Add(std::string_view path, const NodeRef& before, const NodeRef& after) {
  if (IsReserved(path))
    return;
  for (auto* root = counts_->Innermost(path); root != nullptr; root = root->enclosing) {
    if (root->place == 0) {
      changes_.push_back({root->path, root->usage, root->usage});
      root->place = changes_.size();
    }
    Count(path, before, after, &changes_[root->place - 1].after);
  }
}

std::vector<UsageChange> UsageChangeList::Take() {
  for (const UsageChange& change : changes_) counts_->roots_.find(change.root)->second.place = 0;
  std::sort(changes_.begin(), changes_.end(),
            [](const UsageChange& a, const UsageChange& b) { return PathLess()(a.root, b.root); });
  return std::move(changes_);
}

}  // namespace synod::store
