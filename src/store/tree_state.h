// TreeState: the parts of a Tree, as its Edit and its loader see them.
//
// Contract      tree.h has it; nobody else includes this.
#ifndef SYNOD_STORE_TREE_STATE_H_
#define SYNOD_STORE_TREE_STATE_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "src/store/history.h"
#include "src/store/node_table.h"
#include "src/store/subtree_counts.h"
#include "src/store/tree.h"

namespace synod::store {

// What the open edit has made of one entry.
struct Staged {
  Entry* entry = nullptr;
  NodeRef now;
  Cause cause = Cause::kClient;
  bool changed = false;  // written or deleted, not merely a parent of what was
};

struct TreeState {
  NodeTable nodes;
  History history{&nodes};
  SubtreeCounts counts;
  std::vector<Staged> staged;  // of the open edit; kept between edits for its memory
  bool editing = false;

  // Between LoadRecord and FinishLoad.
  struct Loading {
    std::map<uint64_t, std::string> chunks;  // by first revision
    std::optional<HistoryBounds> bounds;
    struct Open {
      const Entry* entry;
      uint64_t children;  // so far
    };
    std::vector<Open> open;  // the last node and its ancestors
    Revision newest;
    bool any = false;
  };
  Loading loading;
};

// The next node of a load, in the order of paths (load.cc).
Status LoadNode(EntryOwner node, TreeState* state);
// Checks what was loaded and rebuilds what is derived (load.cc).
Status FinishLoading(TreeState* state);

class Tree::Core : public TreeState {};

class Edit::Core {
 public:
  Core(TreeState* state, Revision revision, const ChangeLimits& limits)
      : state_(*state), revision_(revision), limits_(limits) {}

  const NodeRef& View(const Entry& entry) const {
    return entry.staged == 0 ? entry.current : state_.staged[entry.staged - 1].now;
  }
  NodeRef Find(std::string_view path) const;
  Result<PutResult> Put(std::string_view path,
                        Value value,
                        std::optional<LeaseId> lease,
                        const Precondition& precondition);
  Result<std::string> CreateSequential(std::string_view prefix, Value value, LeaseId lease);
  Result<DeleteResult> Delete(std::string_view path,
                              bool recursive,
                              const Precondition& precondition,
                              bool want_prev);
  bool Empty() const;
  std::vector<UsageChange> UsageChanges() const;
  RevisionRef Commit(ClusterTime time);
  void RollBack();

  const NodeTable& nodes() const { return state_.nodes; }
  void SetCause(Cause cause) { cause_ = cause; }
  void LiftLimits() { limits_.reset(); }
  uint64_t exceeded() const { return exceeded_; }

 private:
  struct Cost {
    uint64_t nodes = 0;
    uint64_t bytes = 0;
  };
  // Adds what changing `path` to a value of that size costs against the limits of one revision,
  // less what it cost so far. A delete costs what the committed value did: history keeps it.
  void AddCost(const Entry* entry, std::string_view path, uint64_t value_bytes, Cost* cost) const;
  Status CheckLimits(const Cost& added);
  uint64_t BytesOf(const Entry& entry, const NodeRef& now) const;

  // Whether `path` may be created; adds what its missing parents cost.
  Status CheckParents(std::string_view path, Cost* cost) const;
  void MakeParents(std::string_view path);
  void Stage(Entry* entry, NodeRef now, bool changed);
  void ChildrenChanged(std::string_view parent, int64_t by, uint64_t sequence);
  Status CheckDelete(std::string_view path,
                     const NodeRef& node,
                     bool recursive,
                     const Precondition& precondition) const;
  Result<std::vector<Entry*>> CollectVictims(std::string_view path);
  void CommitOne(const Staged& staged, RevisionChanges* changes, std::vector<Version>* versions);

  TreeState& state_;
  const Revision revision_;
  Cause cause_ = Cause::kClient;
  Cost cost_;
  std::optional<ChangeLimits> limits_;
  uint64_t exceeded_ = 0;
  bool done_ = false;
};

}  // namespace synod::store

#endif  // SYNOD_STORE_TREE_STATE_H_
