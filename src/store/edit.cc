#include <algorithm>
#include <utility>

#include "src/base/check.h"
#include "src/base/path.h"
#include "src/store/list.h"
#include "src/store/tree_state.h"

namespace synod::store {
namespace {

constexpr size_t kSequenceDigits = 10;

Error Refused(Errc code, std::string detail) {
  return Error{code, Outcome::kNotApplied, std::move(detail)};
}

bool Holds(const Precondition& p, const NodeRef& node) {
  switch (p.kind) {
    case Precondition::Kind::kNone:
      return true;
    case Precondition::Kind::kModRevision:
      return node && node->mod_revision.value == p.number;
    case Precondition::Kind::kExists:
      return node != nullptr;
    case Precondition::Kind::kAbsent:
      return node == nullptr;
    case Precondition::Kind::kVersion:
      // 0 stands for absence; a root never written has version 0 and exists all the same.
      return p.number == 0 ? node == nullptr : node && node->version == p.number;
  }
  return false;
}

Status Judge(const Precondition& p, std::string_view path, const NodeRef& node) {
  if (Holds(p, node))
    return Done();
  return Refused(Errc::kPreconditionFailed,
                 std::string(path) + (node ? " is not as required" : " does not exist"));
}

std::string SequentialPath(std::string_view prefix, uint64_t number) {
  const std::string digits = std::to_string(number);
  std::string path(prefix);
  if (digits.size() < kSequenceDigits)
    path.append(kSequenceDigits - digits.size(), '0');
  return path + digits;
}

}  // namespace

NodeRef Edit::Core::Find(std::string_view path) const {
  const Entry* entry = state_.nodes.Find(path);
  return entry == nullptr ? nullptr : View(*entry);
}

uint64_t Edit::Core::BytesOf(const Entry& entry, const NodeRef& now) const {
  const NodeRef& state = now ? now : entry.current;
  return entry.path_size + (state ? state->value.size() : 0);
}

void Edit::Core::AddCost(const Entry* entry,
                         std::string_view path,
                         uint64_t value_bytes,
                         Cost* cost) const {
  cost->bytes += path.size() + value_bytes;
  if (entry != nullptr && entry->staged != 0 && state_.staged[entry->staged - 1].changed) {
    cost->bytes -= BytesOf(*entry, View(*entry));
  } else {
    ++cost->nodes;
  }
}

Status Edit::Core::CheckLimits(const Cost& added) {
  if (!limits_)
    return Done();
  // Sums wrap around harmlessly: `added.bytes` may be a negative difference.
  const auto past = [&](uint64_t limit, const char* what) {
    exceeded_ = limit;
    return Refused(Errc::kTooLarge,
                   "more than " + std::to_string(limit) + " " + what + " change in one revision");
  };
  if (cost_.nodes + added.nodes > limits_->nodes)
    return past(limits_->nodes, "nodes");
  if (cost_.bytes + added.bytes > limits_->bytes)
    return past(limits_->bytes, "bytes");
  return Done();
}

Status Edit::Core::CheckParents(std::string_view path, Cost* cost) const {
  while (true) {
    path = ParentOf(path);
    const Entry* entry = state_.nodes.Find(path);
    if (entry != nullptr && View(*entry)) {
      if (View(*entry)->lease.value != 0)
        return Refused(Errc::kLeasedParent, std::string(path) + " is tied to a lease");
      return Done();
    }
    AddCost(entry, path, 0, cost);
  }
}

void Edit::Core::Stage(Entry* entry, NodeRef now, bool changed) {
  if (changed) {
    const NodeRef& was = View(*entry);
    const bool counted = entry->staged != 0 && state_.staged[entry->staged - 1].changed;
    cost_.nodes += counted ? 0 : 1;
    cost_.bytes += BytesOf(*entry, now) - (counted ? BytesOf(*entry, was) : 0);
  }
  if (entry->staged == 0) {
    if (!entry->current)
      state_.nodes.Show(entry);
    state_.staged.push_back({entry, nullptr, cause_, false});
    entry->staged = static_cast<uint32_t>(state_.staged.size());
  }
  Staged& staged = state_.staged[entry->staged - 1];
  staged.now = std::move(now);
  staged.changed |= changed;
  if (changed)
    staged.cause = cause_;
}

void Edit::Core::ChildrenChanged(std::string_view parent, int64_t by, uint64_t sequence) {
  Entry* entry = state_.nodes.Find(parent);
  NodeState state = *View(*entry);
  state.num_children += static_cast<uint64_t>(by);
  state.children_revision = revision_;
  if (sequence != 0)
    state.last_sequence = sequence;
  Stage(entry, Publish(std::move(state)), false);
}

void Edit::Core::MakeParents(std::string_view path) {
  // Upwards until something exists; each made one counts the one below it.
  while (true) {
    path = ParentOf(path);
    Entry* entry = state_.nodes.FindOrAdd(path);
    if (View(*entry)) {
      ChildrenChanged(path, 1, 0);
      return;
    }
    NodeState made;
    made.version = 1;
    made.create_revision = made.mod_revision = made.children_revision = revision_;
    made.num_children = 1;
    Stage(entry, Publish(std::move(made)), true);
  }
}

Result<PutResult> Edit::Core::Put(std::string_view path,
                                  Value value,
                                  std::optional<LeaseId> lease,
                                  const Precondition& precondition) {
  Entry* entry = state_.nodes.Find(path);
  const NodeRef prev = entry == nullptr ? nullptr : View(*entry);
  if (Status s = Judge(precondition, path, prev); !s)
    return s.error();

  NodeState state;
  if (prev) {
    state = *prev;
  } else {
    state.create_revision = revision_;
  }
  state.value = std::move(value);
  ++state.version;
  state.mod_revision = revision_;
  if (lease)
    state.lease = *lease;
  if (state.lease.value != 0 && (state.num_children != 0 || path == "/"))
    return Refused(Errc::kLeasedParent, std::string(path) + " has children, so it takes no lease");

  NodeRef now = Publish(std::move(state));
  Cost cost;
  AddCost(entry, path, now->value.size(), &cost);
  if (!prev) {
    if (Status s = CheckParents(path, &cost); !s)
      return s.error();
  }
  if (Status s = CheckLimits(cost); !s)
    return s.error();

  if (!prev)
    MakeParents(path);
  Stage(entry != nullptr ? entry : state_.nodes.FindOrAdd(path), now, true);
  return PutResult{std::move(now), prev};
}

Result<std::string> Edit::Core::CreateSequential(std::string_view prefix,
                                                 Value value,
                                                 LeaseId lease) {
  const std::string_view parent = ParentOf(prefix);
  const NodeRef node = Find(parent);
  uint64_t number = node ? node->last_sequence : 0;
  std::string path;
  // Names that somebody made by hand are stepped over, once: the counter is past them then.
  do {
    path = SequentialPath(prefix, ++number);
  } while (Find(path));
  Precondition none;
  if (auto put = Put(path, std::move(value), lease, none); !put)
    return put.error();
  ChildrenChanged(parent, 0, number);
  return path;
}

Status Edit::Core::CheckDelete(std::string_view path,
                               const NodeRef& node,
                               bool recursive,
                               const Precondition& precondition) const {
  if (Status s = Judge(precondition, path, node); !s)
    return s;
  if (!node)
    return Refused(Errc::kNotFound, std::string(path) + " does not exist");
  if (recursive)
    return Done();
  if (path == "/")
    return Refused(Errc::kNotEmpty, "the root is never deleted");
  if (node->num_children != 0)
    return Refused(Errc::kNotEmpty, std::string(path) + " has children");
  return Done();
}

Result<std::vector<Entry*>> Edit::Core::CollectVictims(std::string_view path) {
  std::vector<Entry*> victims;
  Cost cost;
  EntryCursor cursor(state_.nodes, false, path);
  const auto take = [&](Entry* entry) {
    victims.push_back(entry);
    AddCost(entry, entry->path(), entry->current ? entry->current->value.size() : 0, &cost);
    // Stops at the limit, not at the end of a large tree.
    return CheckLimits(cost);
  };
  if (path != "/") {
    if (Status s = take(state_.nodes.Find(path)); !s)
      return s.error();
    if (View(*victims[0])->num_children == 0)
      return victims;
  }
  const bool skip_reserved = !IsReserved(path);
  while (Entry* entry = cursor.Current()) {
    if (!IsWithin(entry->path(), path))
      break;
    if (skip_reserved && IsReserved(entry->path())) {
      cursor.SkipSubtree(kReservedRoot);
      continue;
    }
    if (View(*entry)) {
      if (Status s = take(entry); !s)
        return s.error();
    }
    cursor.Next();
  }
  return victims;
}

Result<DeleteResult> Edit::Core::Delete(std::string_view path,
                                        bool recursive,
                                        const Precondition& precondition,
                                        bool want_prev) {
  if (Status s = CheckDelete(path, Find(path), recursive, precondition); !s)
    return s.error();
  auto victims = CollectVictims(path);
  if (!victims)
    return victims.error();

  DeleteResult result;
  result.deleted = victims->size();
  // Those whose parent stays: one, or all the children of the root.
  int64_t tops = 0;
  for (Entry* victim : *victims) {
    if (want_prev)
      result.prev.push_back({std::string(victim->path()), View(*victim)});
    tops += (path == "/" ? ParentOf(victim->path()) : victim->path()) == path ? 1 : 0;
    Stage(victim, nullptr, true);
  }
  if (tops != 0)
    ChildrenChanged(ParentOf(path), -tops, 0);
  return result;
}

bool Edit::Core::Empty() const {
  return std::all_of(state_.staged.begin(), state_.staged.end(),
                     [](const Staged& s) { return s.now == s.entry->current; });
}

std::vector<UsageChange> Edit::Core::UsageChanges() const {
  if (state_.counts.empty())
    return {};
  UsageChangeList changes(&state_.counts);
  for (const Staged& staged : state_.staged) {
    if (staged.changed)
      changes.Add(staged.entry->path(), staged.entry->current, staged.now);
  }
  return changes.Take();
}

void Edit::Core::CommitOne(const Staged& staged,
                           RevisionChanges* changes,
                           std::vector<Version>* versions) {
  Entry* entry = staged.entry;
  const NodeRef before = entry->current;
  entry->staged = 0;
  if (!before && !staged.now) {
    state_.nodes.Hide(entry);  // created and deleted within
    return;
  }
  const bool written = !before || !staged.now || staged.now->mod_revision == revision_;
  if (written) {
    changes->changes.push_back({staged.now ? Change::Type::kPut : Change::Type::kDelete,
                                std::string(entry->path()), staged.now, before, staged.cause});
  }
  Version* version = nullptr;
  if (before)
    version =
        &versions->emplace_back(Version{entry, before, revision_, nullptr, nullptr, !written});
  state_.nodes.Replace(entry, staged.now, version);
}

RevisionRef Edit::Core::Commit(ClusterTime time) {
  SYNOD_CHECK(!done_);
  done_ = true;
  for (const UsageChange& change : UsageChanges()) state_.counts.Set(change.root, change.after);
  auto& staged = state_.staged;
  std::sort(staged.begin(), staged.end(), [](const Staged& a, const Staged& b) {
    return ComparePaths(a.entry->path(), b.entry->path()) < 0;
  });
  auto changes = std::make_shared<RevisionChanges>();
  changes->revision = revision_;
  changes->time = time;
  const auto changed = static_cast<size_t>(
      std::count_if(staged.begin(), staged.end(), [](const Staged& s) { return s.changed; }));
  changes->changes.reserve(changed);
  std::vector<Version> versions;
  // Entries point into it: it must not grow.
  versions.reserve(static_cast<size_t>(std::count_if(
      staged.begin(), staged.end(), [](const Staged& s) { return s.entry->current != nullptr; })));
  for (const Staged& s : staged) CommitOne(s, changes.get(), &versions);
  const size_t touched = staged.size();
  staged.clear();
  state_.editing = false;

  if (changes->changes.empty() && versions.empty()) {
    state_.history.Skip(revision_);
  } else {
    state_.history.Append(changes, std::move(versions));
  }
  // Twice what was added, so that garbage cannot pile up.
  state_.history.Collect(2 * touched + 2);
  return changes;
}

void Edit::Core::RollBack() {
  if (done_)
    return;
  done_ = true;
  for (const Staged& s : state_.staged) {
    s.entry->staged = 0;
    if (!s.entry->current)
      state_.nodes.Hide(s.entry);
  }
  state_.staged.clear();
  state_.editing = false;
}

Edit::Edit(std::unique_ptr<Core> core) : core_(std::move(core)) {}
Edit::~Edit() { core_->RollBack(); }

NodeRef Edit::Find(std::string_view path) const { return core_->Find(path); }

Result<PutResult> Edit::Put(std::string_view path,
                            Value value,
                            std::optional<LeaseId> lease,
                            const Precondition& precondition) {
  return core_->Put(path, std::move(value), lease, precondition);
}

Result<std::string> Edit::CreateSequential(std::string_view prefix, Value value, LeaseId lease) {
  return core_->CreateSequential(prefix, std::move(value), lease);
}

Result<DeleteResult> Edit::Delete(std::string_view path,
                                  bool recursive,
                                  const Precondition& precondition,
                                  bool want_prev) {
  return core_->Delete(path, recursive, precondition, want_prev);
}

Result<ListResult> Edit::List(std::string_view path,
                              ListScope scope,
                              size_t limit,
                              std::string_view after) const {
  if (!core_->Find(path))
    return Refused(Errc::kNotFound, std::string(path) + " does not exist");
  return ListNodes(core_->nodes(), path, scope, limit, after, false,
                   [&](const Entry& entry) { return core_->View(entry); });
}

void Edit::SetCause(Cause cause) { core_->SetCause(cause); }
void Edit::LiftLimits() { core_->LiftLimits(); }
uint64_t Edit::exceeded() const { return core_->exceeded(); }
bool Edit::Empty() const { return core_->Empty(); }
std::vector<UsageChange> Edit::UsageChanges() const { return core_->UsageChanges(); }
RevisionRef Edit::Commit(ClusterTime time) { return core_->Commit(time); }

}  // namespace synod::store
