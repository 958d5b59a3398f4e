// Loading: from records to a tree. Node records give the present; the chunks, walked from the
// newest change to the oldest, give each earlier state and the changes that led from it to the
// next.
#include <algorithm>
#include <utility>
#include <vector>

#include "src/base/path.h"
#include "src/store/tree_state.h"

namespace synod::store {
namespace {

Error Damaged(std::string detail) {
  return Error{Errc::kInternal, Outcome::kNotApplied, std::move(detail)};
}

// The ancestors of where the load is are open; those that `path` is not below have all their
// children; without a path, all.
Status CloseUpTo(std::string_view path, TreeState::Loading* loading) {
  while (!loading->open.empty() &&
         (path.empty() || !IsWithin(path, loading->open.back().entry->path()))) {
    const TreeState::Loading::Open& top = loading->open.back();
    if (top.children != top.entry->current->num_children)
      return Damaged("node " + std::string(top.entry->path()) + " has a wrong count of children");
    loading->open.pop_back();
  }
  return Done();
}

class HistoryLoader {
 public:
  explicit HistoryLoader(TreeState* state) : nodes_(state->nodes), history_(state->history) {}

  Status LoadChunk(Revision first, std::string_view value);
  // Once the past is complete: what is of the past only is told apart.
  void Finish() {
    for (const Tail& tail : tails_) {
      tail.entry->staged = 0;
      if (!tail.entry->current)
        nodes_.Bury(tail.entry);
    }
  }

 private:
  // How far back a path's states are known: the oldest state, and its Version if it is one.
  struct Tail {
    Entry* entry;
    NodeRef state;
    Version* version = nullptr;
  };

  Status LoadRevision(StoredRevision stored, Span* span);
  Status LoadStep(Step step, RevisionChanges* changes, std::vector<Version>* versions);

  NodeTable& nodes_;
  History& history_;
  // An entry's is at `staged` - 1, as in an edit: none is open now.
  std::vector<Tail> tails_;
  Revision newer_{~uint64_t{0}};  // the revision after the one being loaded
  ClusterTime newer_time_{INT64_MAX};
};

// Whether the step of revision `r` leads from `before` (null: nothing) to `after`.
bool Fits(Step::Kind kind, Revision r, const NodeRef& before, const NodeRef& after) {
  if (before && Since(*before) >= r)
    return false;
  switch (kind) {
    case Step::Kind::kCreate:
      return after && after->mod_revision == r && after->create_revision == r;
    case Step::Kind::kReplace:
      return after && after->mod_revision == r;
    case Step::Kind::kDelete:
      return !after;
    case Step::Kind::kChildren:
      return after && after->mod_revision < r && after->children_revision == r;
  }
  return false;
}

Status HistoryLoader::LoadStep(Step step,
                               RevisionChanges* changes,
                               std::vector<Version>* versions) {
  Entry* entry = nodes_.FindOrAdd(step.path);
  if (entry->staged == 0) {
    tails_.push_back({entry, entry->current, nullptr});
    entry->staged = static_cast<uint32_t>(tails_.size());
  }
  Tail& tail = tails_[entry->staged - 1];
  const NodeRef after = tail.state;

  NodeRef before;
  if (step.kind == Step::Kind::kChildren) {
    if (!after)
      return Damaged("history has children of " + step.path + ", which did not exist");
    NodeState state = *after;
    state.children_revision = step.before->children_revision;
    state.num_children = step.before->num_children;
    state.last_sequence = step.before->last_sequence;
    before = Publish(std::move(state));
  } else if (step.before) {
    before = Publish(std::move(*step.before));
  }
  const bool root_goes = step.path == "/" && (!before || step.kind == Step::Kind::kDelete);
  if (root_goes || !Fits(step.kind, changes->revision, before, after))
    return Damaged("history does not fit the state of " + step.path);

  if (before) {
    Version& version = versions->emplace_back();
    version.entry = entry;
    version.before = before;
    version.until = changes->revision;
    version.link = tail.version == nullptr ? &entry->older : &tail.version->older;
    version.children_only = step.kind == Step::Kind::kChildren;
    *version.link = &version;
    tail.version = &version;
  }
  tail.state = before;
  if (step.kind != Step::Kind::kChildren) {
    changes->changes.push_back({after ? Change::Type::kPut : Change::Type::kDelete,
                                std::move(step.path), after, std::move(before), step.cause});
  }
  return Done();
}

Status HistoryLoader::LoadRevision(StoredRevision stored, Span* span) {
  if (stored.revision >= newer_ || stored.time > newer_time_)
    return Damaged("history is out of order");
  newer_ = stored.revision;
  newer_time_ = stored.time;
  auto changes = std::make_shared<RevisionChanges>();
  changes->revision = stored.revision;
  changes->time = stored.time;
  // Entries will point into it: it must not grow.
  span->versions.reserve(stored.steps.size());
  for (Step& step : stored.steps) {
    if (Status s = LoadStep(std::move(step), changes.get(), &span->versions); !s)
      return s;
  }
  span->revision = stored.revision;
  span->changes = std::move(changes);
  return Done();
}

Status HistoryLoader::LoadChunk(Revision first, std::string_view value) {
  auto revisions = DecodeChunk(value);
  if (!revisions)
    return revisions.error();
  if (revisions->front().revision < first || revisions->back().revision > history_.last())
    return Damaged("a history chunk is not where it belongs");
  const Revision last = revisions->back().revision;
  const Revision floor = history_.floor();
  std::erase_if(*revisions, [floor](const StoredRevision& r) { return r.revision <= floor; });
  std::vector<Span> spans(revisions->size());
  for (size_t i = spans.size(); i-- > 0;) {
    if (Status s = LoadRevision(std::move((*revisions)[i]), &spans[i]); !s)
      return s;
  }
  history_.PrependChunk(first, last, std::move(spans));
  return Done();
}

}  // namespace

// Parents exist and counts are right: checked while path and state are at hand.
Status LoadNode(EntryOwner node, TreeState* state) {
  auto& loading = state->loading;
  const std::string_view path = node->path();
  loading.any = true;
  if (Status s = CloseUpTo(path, &loading); !s)
    return s;
  const Entry* entry = state->nodes.Load(&node);
  if (entry == nullptr)
    return Damaged("node " + std::string(path) + " comes twice, or behind a later one");
  if (path != "/") {
    if (loading.open.empty() || loading.open.back().entry->path() != ParentOf(path))
      return Damaged("node " + std::string(path) + " has no parent");
    ++loading.open.back().children;
  }
  loading.newest = std::max(loading.newest, Since(*entry->current));
  loading.open.push_back({entry, 0});
  return Done();
}

Status FinishLoading(TreeState* state) {
  auto& loading = state->loading;
  if (!loading.any)
    return Done();
  if (!loading.bounds)
    return Damaged("the record of the history's bounds is missing");
  state->history.SetBounds(*loading.bounds);
  if (Status s = CloseUpTo("", &loading); !s)
    return s;
  if (loading.newest > loading.bounds->last)
    return Damaged("a node is newer than the last revision");

  HistoryLoader loader(state);
  while (!loading.chunks.empty()) {
    const auto newest = std::prev(loading.chunks.end());
    if (Status s = loader.LoadChunk(Revision(newest->first), newest->second); !s)
      return s;
    loading.chunks.erase(newest);
  }
  loader.Finish();
  state->history.FinishLoad();
  loading = {};
  return Done();
}

}  // namespace synod::store
