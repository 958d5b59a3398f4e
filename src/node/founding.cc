#include "src/node/founding.h"

#include <utility>

#include "src/base/hash.h"

namespace synod::node {

std::string ClusterIdOf(const std::string& token, const std::map<uint32_t, HostPort>& members) {
  std::string text = token;
  for (const auto& [id, address] : members)
    text += "," + std::to_string(id) + "=" + address.ToString();
  return HashOf(text, 0x53594e4f44ULL).Hex();
}

std::optional<std::string> Founding::Judge(const Introduction& peer) const {
  const std::string number = std::to_string(peer.from.value);
  if (peer.to != self_.id)
    return "this is node " + std::to_string(self_.id.value) + ", not node " +
           std::to_string(peer.to.value);
  const std::string& ours = decided() ? self_.cluster_id : self_.founds;
  const std::string& theirs = peer.cluster_id.empty() ? peer.founds : peer.cluster_id;
  if (!ours.empty() && !theirs.empty() && ours != theirs)
    return "another cluster: this node is of " + ours + ", node " + number + " of " + theirs +
           " (--initial-cluster and --cluster-token must be the same everywhere)";
  if (peer.from == self_.id)
    return "this is node " + number + " itself";
  if (!self_.members.contains(peer.from)) {
    if (!decided() || peer.cluster_id.empty())
      return "node " + number + " is no member of this cluster, as far as this node knows";
    if (peer.from < removed_below_)
      return std::string(kRemoved) + "member " + number + " was removed from this cluster";
    // It came while this node was away, and all whom this node knows may be gone; or it was
    // removed, and is the last one that can prove it.
    return std::nullopt;
  }
  const auto bound = self_.bound.find(peer.from);
  if (bound != self_.bound.end() && bound->second != peer.uuid)
    return std::string(kBoundElsewhere) + "member " + number + " is bound to the data directory " +
           bound->second + ", not to " + peer.uuid;
  return std::nullopt;
}

void Founding::SetMembers(std::set<NodeId> members, NodeId removed_below) {
  self_.members = std::move(members);
  removed_below_ = removed_below;
  std::erase_if(self_.bound, [&](const auto& b) { return !self_.members.contains(b.first); });
}

bool Founding::Met(const Introduction& peer) {
  self_.bound.emplace(peer.from, peer.uuid);
  if (decided())
    return false;
  if (!peer.cluster_id.empty()) {
    self_.cluster_id = peer.cluster_id;
    return true;
  }
  answered_.insert(peer.from);
  if (answered() < needed())
    return false;
  self_.cluster_id = self_.founds;
  return true;
}

bool Founding::FoundAlone() {
  if (decided() || self_.members.size() != 1)
    return false;
  self_.cluster_id = self_.founds;
  return true;
}

}  // namespace synod::node
