// Tree: the replicated namespace: nodes with revisions, preconditions, atomic edits and history.
//
// Contract      Changed only through an Edit, which belongs to one revision and is committed whole
//               or rolled back whole. Reads see the committed state, or the state at any revision
//               not below floor(). Deterministic: equal edits give equal trees, records and
//               digests.
// Invariants    (1) every node but the root has its parent; (2) num_children counts exactly the
//               children; (3) a node with a lease has no children; (4) history holds every revision
//               above floor() that changed a node, in order; (5) logical_bytes() is the sum over
//               nodes of path and value bytes; (6) digest() is the sum over current node records.
// Time          Cluster time only, as an argument; it never falls from one Commit to the next.
// Errors        API codes as in docs/api.md: not_found, precondition_failed, not_empty,
//               leased_parent, too_large, compacted. Paths given in are valid (src/base/path.h):
//               the caller checked, the ten digits of a sequential name included.
// Not here      Whether a lease exists and who may write where (src/machine).
// Thread        Core thread only.
#ifndef SYNOD_STORE_TREE_H_
#define SYNOD_STORE_TREE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/base/record.h"
#include "src/store/entry.h"
#include "src/store/node.h"

namespace synod::store {

struct Precondition {
  enum class Kind : uint8_t { kNone = 0, kModRevision = 1, kExists = 2, kAbsent = 3, kVersion = 4 };
  Kind kind = Kind::kNone;
  uint64_t number = 0;  // of kModRevision (a revision) and kVersion (0: does not exist)
  bool operator==(const Precondition&) const = default;
};

// Of one revision's change.
struct ChangeLimits {
  uint64_t nodes = 10'000;
  uint64_t bytes = uint64_t{16} << 20;
};

struct PutResult {
  NodeRef node;
  NodeRef prev;  // null: it was created
};

struct DeleteResult {
  uint64_t deleted = 0;
  std::vector<NodeView> prev;  // path order; filled only if asked for
};

enum class ListScope : uint8_t { kChildren = 0, kSubtree = 1 };

struct ListResult {
  std::vector<NodeView> nodes;
  bool more = false;  // the last node's path is the cursor for the next page
};

// How much a subtree holds outside of /.synod: its root, if that exists, and all below it; bytes
// are those of paths and values.
struct Usage {
  uint64_t nodes = 0;
  uint64_t bytes = 0;
  bool operator==(const Usage&) const = default;
};
// What an edit makes of a subtree that is counted.
struct UsageChange {
  std::string_view root;
  Usage before;
  Usage after;
};

inline constexpr size_t kListPageBytesMax = size_t{4} << 20;

class Tree;

// One revision's changes in the making. Later calls see the effects of earlier ones. Ends by
// Commit() or by destruction (= roll back). A failed call leaves the edit as it was before that
// call.
class Edit {
 public:
  ~Edit();
  Edit(const Edit&) = delete;
  Edit& operator=(const Edit&) = delete;

  NodeRef Find(std::string_view path) const;

  // kPreconditionFailed, kLeasedParent, kTooLarge. `lease`: nullopt keeps what the node has, 0
  // detaches. Creates missing parents.
  Result<PutResult> Put(std::string_view path,
                        Value value,
                        std::optional<LeaseId> lease,
                        const Precondition& precondition);
  // Creates the child `prefix` + ten digits, numbered from the parent's counter; gives its path.
  Result<std::string> CreateSequential(std::string_view prefix, Value value, LeaseId lease);
  // kPreconditionFailed (of an absent node, any but "does not exist"), kNotFound, kNotEmpty,
  // kTooLarge; judged in this order. Recursive deletes of an ancestor of /.synod leave /.synod
  // alone, and so does a delete of "/" (which empties the tree and keeps the root).
  Result<DeleteResult> Delete(std::string_view path,
                              bool recursive,
                              const Precondition& precondition,
                              bool want_prev);
  Result<ListResult> List(std::string_view path,
                          ListScope scope,
                          size_t limit,
                          std::string_view after) const;
  // The cause that changes made from now on carry.
  void SetCause(Cause cause);
  // For changes that follow by themselves and are bounded elsewhere, such as the end of a lease:
  // from
  // now on nothing is kTooLarge.
  void LiftLimits();
  // Which limit the last kTooLarge was about.
  uint64_t exceeded() const;
  // Net effect so far: was anything changed?
  bool Empty() const;
  // Net effect so far on each counted subtree that something was changed in, in path order: the
  // inner one behind the outer one. Costs nothing while none is counted, else what was changed
  // times how deep counted subtrees lie in each other.
  std::vector<UsageChange> UsageChanges() const;
  // Publishes everything under the edit's revision and appends it to the history, also if nothing
  // changed in the tree (the revision is used up then by something else).
  RevisionRef Commit(ClusterTime time);

 private:
  friend class Tree;
  class Core;
  explicit Edit(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

class Tree {
 public:
  Tree();
  ~Tree();
  Tree(Tree&&) noexcept;

  // Starts the edit of `revision`, which must be above that of every earlier one. One at a time.
  Edit Begin(Revision revision, const ChangeLimits& limits = {});

  // The node as it is, or null.
  NodeRef Find(std::string_view path) const;
  // The node at `at` (0: now). kCompacted below floor().
  Result<NodeRef> FindAt(std::string_view path, Revision at) const;
  // Nodes below `path` in path order, the named one not among them, after the path `after` (empty:
  // from the start); ends at `limit` or 4 MiB. /.synod is left out unless `path` lies within it.
  // kNotFound if `path` is absent at that revision; kCompacted.
  Result<ListResult> List(std::string_view path,
                          ListScope scope,
                          size_t limit,
                          std::string_view after,
                          Revision at) const;

  // History: revisions are kept from floor() + 1 on. A read at floor() is still exact.
  Revision floor() const;
  Revision last_revision() const;  // of the last Commit
  // The first kept revision >= `from` that changed a node, or null if there is none yet. Its
  // changes may be empty: a child was created and deleted within, which its parent remembers.
  RevisionRef HistoryAt(Revision from) const;
  // Drops history up to and including `upto`.
  void Compact(Revision upto);
  // Drops history older than `keep_ms` before `now`, or beyond `keep_bytes`, oldest first. Either
  // call is quick: the floor moves at once, the memory follows bit by bit in later calls.
  void Retain(ClusterTime now, int64_t keep_ms, uint64_t keep_bytes);
  uint64_t history_bytes() const;
  // For a restore from a backup: forgets the history and goes on above `revision`, which is not
  // below last_revision().
  void Restart(Revision revision);

  uint64_t node_count() const;
  uint64_t logical_bytes() const;  // of nodes outside /.synod, for quotas

  // What the subtree at `path`, which need not exist, holds: looked up if it is counted, else by a
  // walk over it.
  Usage UsageOf(std::string_view path) const;
  // Keeps that count from now on, with every commit. `now` is what it is: a load counts when all is
  // there. `path` is not within /.synod, and not counted yet.
  void StartCounting(std::string_view path, const Usage& now);
  void StopCounting(std::string_view path);

  Digest digest() const;
  // Moves what changed since the last call to the end of *out (kNode and kHistory records).
  void TakeDirty(Records* out);
  uint64_t dirty_bytes() const;
  // Every record of the current state.
  void ForEachRecord(
      const std::function<void(std::string_view key, std::string_view value)>& each) const;
  // One record of a checkpoint or snapshot into an empty tree, those of nodes in the order of their
  // keys; FinishLoad() after the last builds what is derived and checks it.
  Status LoadRecord(std::string_view key, std::string_view value);
  // A node's record that was decoded elsewhere (record_codec.h).
  Status LoadNode(EntryOwner node);
  Status FinishLoad();

  void CheckInvariants() const;

 private:
  friend class Edit;
  class Core;
  std::unique_ptr<Core> core_;
};

}  // namespace synod::store

#endif  // SYNOD_STORE_TREE_H_
