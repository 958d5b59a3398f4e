#include "src/store/tree.h"

#include <utility>

#include "src/base/check.h"
#include "src/store/list.h"
#include "src/store/tree_state.h"

namespace synod::store {
namespace {

// Nodes whose memory one call that moves the floor gives back.
constexpr size_t kCollectBudget = 512;

Error Compacted(Revision floor) {
  return Error{Errc::kCompacted, Outcome::kNotApplied,
               "history is kept from revision " + std::to_string(floor.value) + " on"};
}

Error NotFound(std::string_view path) {
  return Error{Errc::kNotFound, Outcome::kNotApplied, std::string(path) + " does not exist"};
}

Usage Measure(const NodeTable& nodes, std::string_view path) {
  Usage usage;
  EntryCursor cursor(nodes, false, path);
  const auto count = [&](const Entry& entry) {
    if (!entry.current)
      return;
    ++usage.nodes;
    usage.bytes += entry.path_size + entry.current->value.size();
  };
  if (const Entry* root = nodes.Find(path); root != nullptr)
    count(*root);
  while (const Entry* entry = cursor.Current()) {
    if (!IsWithin(entry->path(), path))
      break;
    if (IsReserved(entry->path())) {
      cursor.SkipSubtree(kReservedRoot);
      continue;
    }
    count(*entry);
    cursor.Next();
  }
  return usage;
}

Error Damaged(std::string detail) {
  return Error{Errc::kInternal, Outcome::kNotApplied, std::move(detail)};
}

}  // namespace

Tree::Tree() : core_(std::make_unique<Core>()) {}
Tree::~Tree() = default;
Tree::Tree(Tree&&) noexcept = default;

Edit Tree::Begin(Revision revision, const ChangeLimits& limits) {
  SYNOD_CHECK(!core_->editing);
  SYNOD_CHECK_GT(revision, core_->history.last());
  core_->editing = true;
  return Edit(std::make_unique<Edit::Core>(core_.get(), revision, limits));
}

NodeRef Tree::Find(std::string_view path) const {
  const Entry* entry = core_->nodes.Find(path);
  return entry == nullptr ? nullptr : entry->current;
}

Result<NodeRef> Tree::FindAt(std::string_view path, Revision at) const {
  if (at.value == 0)
    return Find(path);
  if (at < core_->history.floor())
    return Compacted(core_->history.floor());
  const Entry* entry = core_->nodes.Find(path);
  return entry == nullptr ? nullptr : StateAt(*entry, at);
}

Result<ListResult> Tree::List(std::string_view path,
                              ListScope scope,
                              size_t limit,
                              std::string_view after,
                              Revision at) const {
  auto node = FindAt(path, at);
  if (!node)
    return node.error();
  if (!*node)
    return NotFound(path);
  if (at.value == 0 || at >= core_->history.last()) {
    return ListNodes(core_->nodes, path, scope, limit, after, false,
                     [](const Entry& entry) { return entry.current; });
  }
  return ListNodes(core_->nodes, path, scope, limit, after, true,
                   [at](const Entry& entry) { return StateAt(entry, at); });
}

Revision Tree::floor() const { return core_->history.floor(); }
Revision Tree::last_revision() const { return core_->history.last(); }
RevisionRef Tree::HistoryAt(Revision from) const { return core_->history.At(from); }
uint64_t Tree::history_bytes() const { return core_->history.bytes(); }
uint64_t Tree::node_count() const { return core_->nodes.node_count(); }
uint64_t Tree::logical_bytes() const { return core_->nodes.logical_bytes(); }
Usage Tree::UsageOf(std::string_view path) const {
  const Usage* counted = core_->counts.Find(path);
  return counted != nullptr ? *counted : Measure(core_->nodes, path);
}

void Tree::StartCounting(std::string_view path, const Usage& now) {
  SYNOD_CHECK(!core_->editing);
  core_->counts.Add(path, now);
}

void Tree::StopCounting(std::string_view path) {
  SYNOD_CHECK(!core_->editing);
  core_->counts.Remove(path);
}

Digest Tree::digest() const { return core_->nodes.digest(); }

void Tree::Compact(Revision upto) {
  SYNOD_CHECK(!core_->editing);
  core_->history.Compact(upto);
  core_->history.Collect(kCollectBudget);
}

void Tree::Retain(ClusterTime now, int64_t keep_ms, uint64_t keep_bytes) {
  SYNOD_CHECK(!core_->editing);
  core_->history.Retain(now, keep_ms, keep_bytes);
  core_->history.Collect(kCollectBudget);
}

void Tree::Restart(Revision revision) {
  SYNOD_CHECK(!core_->editing);
  core_->history.Restart(revision);
}

void Tree::TakeDirty(Records* out) {
  SYNOD_CHECK(!core_->editing);
  core_->nodes.TakeDirty(out);
  core_->history.TakeDirty(out);
}

uint64_t Tree::dirty_bytes() const {
  return core_->nodes.dirty_bytes() + core_->history.dirty_bytes();
}

void Tree::ForEachRecord(
    const std::function<void(std::string_view key, std::string_view value)>& each) const {
  SYNOD_CHECK(!core_->editing);
  std::string key, value;
  for (const Entry* entry : core_->nodes.live()) {
    EncodeNode(entry->path(), *entry->current, &key, &value);
    each(key, value);
  }
  core_->history.ForEachRecord(each);
}

Status Tree::LoadRecord(std::string_view key, std::string_view value) {
  auto& loading = core_->loading;
  loading.any = true;
  if (key == BoundsKey()) {
    auto bounds = DecodeBounds(value);
    if (!bounds)
      return bounds.error();
    if (loading.bounds)
      return Damaged("the bounds of the history come twice");
    loading.bounds = *bounds;
    return Done();
  }
  if (!key.empty() && key[0] == BoundsKey()[0]) {
    auto first = FirstOfChunk(key);
    if (!first)
      return first.error();
    if (!loading.chunks.emplace(first->value, value).second)
      return Damaged("a history chunk comes twice");
    return Done();
  }
  auto node = DecodeNode(key, value);
  if (!node)
    return node.error();
  return LoadNode(std::move(*node));
}

Status Tree::LoadNode(EntryOwner node) { return store::LoadNode(std::move(node), core_.get()); }

Status Tree::FinishLoad() { return FinishLoading(core_.get()); }

void Tree::CheckInvariants() const {
  core_->nodes.CheckInvariants();
  core_->history.CheckInvariants();
  core_->counts.ForEach([&](std::string_view path, const Usage& usage) {
    SYNOD_CHECK(usage == Measure(core_->nodes, path));
  });
}

}  // namespace synod::store
