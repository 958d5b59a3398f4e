#include "src/node/founding.h"

#include "src/base/hash.h"

namespace synod::node {

std::string ClusterIdOf(const std::string& token, const std::map<uint32_t, HostPort>& members) {
  std::string text = token;
  for (const auto& [id, address] : members)
    text += "," + std::to_string(id) + "=" + address.ToString();
  return HashOf(text, 0x53594e4f44ULL).Hex();
}

std::optional<std::string> Founding::Judge(const Introduction& peer) const {
  if (peer.to != self_.id)
    return "this is node " + std::to_string(self_.id.value) + ", not node " +
           std::to_string(peer.to.value);
  if (!self_.members.contains(peer.from) || peer.from == self_.id)
    return "node " + std::to_string(peer.from.value) + " is no member of this cluster";
  const std::string& ours = decided() ? self_.cluster_id : self_.founds;
  const std::string& theirs = peer.cluster_id.empty() ? peer.founds : peer.cluster_id;
  if (!ours.empty() && !theirs.empty() && ours != theirs)
    return "another cluster: this node is of " + ours + ", node " +
           std::to_string(peer.from.value) + " of " + theirs +
           " (--initial-cluster and --cluster-token must be the same everywhere)";
  const auto bound = self_.bound.find(peer.from);
  if (bound != self_.bound.end() && bound->second != peer.uuid)
    return std::string(kBoundElsewhere) + "member " + std::to_string(peer.from.value) +
           " is bound to the data directory " + bound->second + ", not to " + peer.uuid +
           "; a member whose disk was lost must not come back under its old number: remove it and "
           "add a new one";
  return std::nullopt;
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
