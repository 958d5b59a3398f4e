// The membership on a simulated machine: what its directory remembers of it, whom it talks to, and
// how it leaves. As src/node/server_members.cc has it.
#include <algorithm>

#include "tests/sim/node_host.h"

namespace synod::sim {
namespace {

constexpr Time kLeaving = 3 * kSecond;      // a removed peer is heard for so long
constexpr Time kLastAnswers = 2 * kSecond;  // so long a removed node waits for those it owes

}  // namespace

NodeHost* World::AnyHost(Random* random) const {
  return std::next(hosts.begin(), static_cast<ptrdiff_t>(random->Below(hosts.size())))->second;
}

const NodeHost* World::Find(NodeId id) const {
  const auto it = hosts.find(id);
  return it == hosts.end() ? nullptr : it->second;
}

size_t World::CountSpoiled(const std::vector<NodeId>& nodes) const {
  const auto spoiled = [&](NodeId id) { return Find(id) == nullptr || Find(id)->spoiled(); };
  return static_cast<size_t>(std::count_if(nodes.begin(), nodes.end(), spoiled));
}

bool NodeHost::Refuses(NodeId peer) const {
  return engine_->replica().membership().WasRemoved(peer) && engine_->MembershipSettled();
}

void NodeHost::FollowMembers() {
  KeepMembership();
  const Time now = world_->scheduler.now();
  std::vector<NodeId> drop;
  for (auto& [peer, since] : peers_up_) {
    if (!Refuses(peer))
      continue;
    if (!since)
      since = now;
    else if (now - *since >= kLeaving)
      drop.push_back(peer);
  }
  for (const NodeId peer : drop) world_->network.Reset(id_, peer);
  if (!removed_since_ && (told_removed_ || Refuses(id_)))
    removed_since_ = now;
  // A leader hands over first.
  if (!removed_since_ || engine_->replica().IsLeader())
    return;
  if (engine_->pending_calls() == 0 || now - *removed_since_ >= kLastAnswers)
    Leave();
}

// Only what the log holds durably: by a newer one votes for older slots would be counted wrongly.
void NodeHost::KeepMembership() {
  const Membership& applied = engine_->machine().membership();
  if (engine_->MembershipDurable() && applied.version > membership_.version)
    membership_ = applied;
}

void NodeHost::Leave() {
  const Membership& now = world_->observer.machine().membership();
  SIM_REQUIRE(!now.IsMember(id_), Who() + "leaves although it is a member");
  ++world_->stats.left;
  world_->trace.Note("left", id_.value, now.version);
  removed_ = true;
  engine_->Shutdown();
  Handle(engine_->Take());
  Retire();
}

}  // namespace synod::sim
