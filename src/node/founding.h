// Founding: which cluster this node belongs to, and whom it may talk to.
//
// Contract      A node with data keeps its cluster for ever. An empty one asks the listed peers
//               until a majority (itself included) has answered, and founds the cluster if none of
//               them belongs to one; if one does, it joins that one, as the member that its flags
//               name. A member number is bound to the first data directory seen under it: another
//               one under the same number has lost its promises and is refused. Numbers are given
//               out once: one below the next to be given out that is no member's was removed, and
//               is told so, once that cannot be lost with the members that were removed.
// Thread        Core thread only. Pure: decides, the server acts.
// Source        docs/api.md, "Starting it".
#ifndef SYNOD_NODE_FOUNDING_H_
#define SYNOD_NODE_FOUNDING_H_

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "src/base/types.h"
#include "src/node/config.h"

namespace synod::node {

// What peers tell each other before anything else.
struct Introduction {
  NodeId from;
  NodeId to;
  std::string uuid;
  std::string cluster_id;  // 32 hex digits; empty: belongs to none
  std::string founds;      // the cluster id that its flags would found
};

// The id of the cluster that these flags found: the same on every node that was given the same.
std::string ClusterIdOf(const std::string& token, const std::map<uint32_t, HostPort>& members);

class Founding {
 public:
  struct Self {
    NodeId id;
    std::string uuid;
    std::string cluster_id;               // empty: not yet
    std::string founds;                   // from the flags; empty for a node that was given none
    std::set<NodeId> members;             // listed, with itself
    std::map<NodeId, std::string> bound;  // uuid by member number, as far as known
  };
  explicit Founding(Self self) : self_(std::move(self)) {}

  // Why this peer is refused, or nullopt. Reasons that begin with kBoundElsewhere tell the peer
  // that its number is another directory's, with kRemoved that its number is nobody's any more.
  std::optional<std::string> Judge(const Introduction& peer) const;
  static constexpr std::string_view kBoundElsewhere = "identity bound: ";
  static constexpr std::string_view kRemoved = "removed: ";

  // Both sides have accepted each other. True if that decided which cluster this node belongs to:
  // cluster_id() has it then.
  bool Met(const Introduction& peer);
  // A cluster of one founds itself at once.
  bool FoundAlone();
  // The replicated member table says so; what was seen before must agree or gives way.
  void Bind(NodeId id, const std::string& uuid) { self_.bound[id] = uuid; }
  // The membership in force, learners included. Numbers below `removed_below` that are no member's
  // were removed, and may be told so; 0: nobody may yet.
  void SetMembers(std::set<NodeId> members, NodeId removed_below);

  bool decided() const { return !self_.cluster_id.empty(); }
  const std::string& cluster_id() const { return self_.cluster_id; }
  const std::map<NodeId, std::string>& bound() const { return self_.bound; }
  size_t answered() const { return answered_.size() + 1; }
  size_t needed() const { return self_.members.size() / 2 + 1; }

 private:
  Self self_;
  NodeId removed_below_;
  std::set<NodeId> answered_;  // without a cluster, while this node has none
};

}  // namespace synod::node

#endif  // SYNOD_NODE_FOUNDING_H_
