// Node, Change, RevisionChanges: what the tree holds and what one revision changed in it.
//
// Contract      Immutable once published: history, watches, reads and the tree share them by
//               pointer.
// Source        docs/api.md, sections "Nodes" and "Watches".
#ifndef SYNOD_STORE_NODE_H_
#define SYNOD_STORE_NODE_H_

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "src/base/types.h"
#include "src/store/value.h"

namespace synod::store {

// One version of a node.
struct NodeState : boost::intrusive_ref_counter<NodeState> {
  Value value;
  uint64_t version = 0;
  Revision create_revision;
  Revision mod_revision;
  Revision children_revision;
  uint64_t num_children = 0;
  LeaseId lease;               // 0: persistent
  uint64_t last_sequence = 0;  // highest number given to a sequential child
};

using NodeRef = boost::intrusive_ptr<const NodeState>;

inline NodeRef Publish(NodeState state) { return NodeRef(new NodeState(std::move(state))); }

struct NodeView {
  std::string path;
  NodeRef node;  // never null
};

// Why a node changed; numbers are on disk.
enum class Cause : uint8_t { kClient = 0, kExpired = 1, kReleased = 2 };

struct Change {
  enum class Type : uint8_t { kPut = 0, kDelete = 1 };
  Type type = Type::kPut;
  std::string path;
  NodeRef node;  // as it is now; null for a delete
  NodeRef prev;  // as it was before this revision; null if it did not exist
  Cause cause = Cause::kClient;
};

// All that one revision changed, in path order, at most one change a path. Changes of num_children
// alone are not changes. May be empty (a lease grant takes a revision too).
struct RevisionChanges {
  Revision revision;
  ClusterTime time;
  std::vector<Change> changes;
};

using RevisionRef = std::shared_ptr<const RevisionChanges>;

}  // namespace synod::store

#endif  // SYNOD_STORE_NODE_H_
