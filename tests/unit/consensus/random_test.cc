// Random schedules: loss, duplicates, reordering, cuts and crashes, then peace, over many seeds.
// The cluster checks agreement all the time; in the end everybody must have the same log.
#include "src/base/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/unit/consensus/cluster.h"

namespace synod::consensus {
namespace {

struct Mix {  // chances in percent, drawn per seed, so that runs differ in kind
  double drop, duplicate, crash, cut, heal, transfer, gone, save, tick, persist, member;
};

class RandomRun {
 public:
  explicit RandomRun(uint64_t seed)
      : random_(seed),
        cluster_(random_.Chance(4) ? 1 : static_cast<uint32_t>(random_.Between(2, 5)),
                 seed,
                 [&](Config* config) { Adjust(config, seed); }) {
    const auto some = [&](double most) { return random_.Chance(50) ? 0 : most; };
    mix_ = {some(20), some(10), some(0.5), some(0.5), 1.0, some(0.3), some(0.3), some(0.5),
            // Many ticks to few deliveries: candidates duel. Few syncs: long pipelines are lost.
            static_cast<double>(random_.Between(3, 35)),
            static_cast<double>(random_.Between(4, 20)), some(2)};
  }

  void Disturb(int steps) {
    for (int i = 0; i < steps && cluster_.fault().empty(); ++i) Step();
  }

  // No more faults: everybody must come to the same log, and new commands must pass.
  void Calm() {
    cluster_.Heal();
    for (uint32_t n = 1; n <= cluster_.size(); ++n) {
      if (!cluster_.IsUp(n))
        cluster_.Restart(n);
    }
    const bool passed = cluster_.RunUntil(
        [&] {
          const uint32_t leader = cluster_.Leader();
          return leader != 0 && cluster_.Propose(leader, "last");
        },
        2000);
    ASSERT_TRUE(passed) << Describe();
    const bool same = cluster_.RunUntil(
        [&] {
          const uint32_t leader = cluster_.Leader();
          if (leader == 0)
            return false;
          for (uint32_t n = 1; n <= cluster_.size(); ++n) {
            if (!cluster_.CurrentMembership().IsMember(NodeId(n)))
              continue;
            const auto commands = cluster_.Commands(n);
            if (commands.empty() || commands.back() != "last" ||
                cluster_.Applied(n).size() != cluster_.Applied(leader).size())
              return false;
          }
          return true;
        },
        1500);
    ASSERT_TRUE(same) << Describe();
  }

  Cluster& cluster() { return cluster_; }

 private:
  static void Adjust(Config* config, uint64_t seed) {
    Random random(seed * 7919);
    config->heartbeat_ticks = 3;
    config->election_ticks_min = 15;
    config->election_ticks_max = 30;
    config->window_slots = random.Between(1, 24);
    config->message_bytes_max = random.Between(40, 400);
    config->cache_bytes = random.Chance(50) ? 300 : 100000;
  }

  std::string Describe() {
    std::string text;
    for (uint32_t n = 1; n <= cluster_.size(); ++n) {
      const Replica& replica = cluster_.replica(n);
      const Membership& m = replica.membership();
      text += "node " + std::to_string(n) + ": role " +
              std::to_string(static_cast<int>(replica.role())) + ", ballot " +
              std::to_string(replica.ballot().round) + "." +
              std::to_string(replica.ballot().node.value) + ", learned " +
              std::to_string(replica.learned().value) + " of " +
              std::to_string(replica.commit().value) + ", membership " + std::to_string(m.version) +
              " (";
      for (const NodeId id : m.voters) text += " " + std::to_string(id.value);
      text += " |";
      for (const NodeId id : m.learners) text += " " + std::to_string(id.value);
      text += " )" + std::string(replica.MembershipChanging() ? " changing" : "") + "\n";
    }
    return text;
  }

  uint32_t AnyNode() { return static_cast<uint32_t>(random_.Between(1, cluster_.size())); }

  void Step() {
    const uint32_t node = AnyNode();
    Break(node);
    if (!cluster_.IsUp(node)) {
      if (random_.Chance(3))
        cluster_.Restart(node);
      return;
    }
    const double kind = static_cast<double>(random_.Below(1000)) / 10;
    if (kind < mix_.tick)
      cluster_.Tick(node);
    else if (kind < mix_.tick + mix_.persist)
      cluster_.Persist(node, random_.Chance(70) ? SIZE_MAX : 1);
    else if (kind < mix_.tick + mix_.persist + 5)
      ProposeSomewhere();
    else if (kind < mix_.tick + mix_.persist + 9)
      cluster_.Read(node, next_++);
    else
      MovePacket();
  }

  // What the membership may become next, as seen by a leader: ids are never used again.
  Membership NextMembership(const Membership& now) {
    Membership next = now;
    ++next.version;
    next.next_member = NodeId(100);
    const auto take = [&](std::vector<NodeId>* from) {
      const size_t index = random_.Below(from->size());
      const NodeId id = (*from)[index];
      from->erase(from->begin() + static_cast<ptrdiff_t>(index));
      return id;
    };
    const auto vote = [&](NodeId id) {
      next.voters.insert(std::upper_bound(next.voters.begin(), next.voters.end(), id), id);
    };
    const uint64_t kind = random_.Below(8);
    if (kind < 3 && cluster_.size() < 9) {
      next.learners.push_back(NodeId(cluster_.size() + 1));
      cluster_.AddNode(random_.Chance(50) ? next : now);
    } else if (kind < 5 && !next.learners.empty()) {
      do {
        vote(take(&next.learners));
      } while (!next.learners.empty() && random_.Chance(60));
    } else if (kind == 5 && !next.learners.empty()) {
      const NodeId with = take(&next.learners);
      take(&next.voters);
      vote(with);
    } else if (kind == 6 && next.voters.size() > 1) {
      do {
        take(&next.voters);
      } while (next.voters.size() > 1 && random_.Chance(20));
    } else if (kind == 7 && !next.learners.empty()) {
      take(&next.learners);
    }
    return next;
  }

  void ChangeMembership(uint32_t node) {
    if (cluster_.replica(node).CanProposeConfig())
      cluster_.ProposeMembership(node, NextMembership(cluster_.replica(node).membership()));
  }

  // At any node that believes it leads, deposed or not.
  void ProposeSomewhere() {
    const uint32_t first = AnyNode();
    for (uint32_t i = 0; i < cluster_.size(); ++i) {
      const uint32_t node = (first + i) % cluster_.size() + 1;
      if (!cluster_.IsUp(node) || !cluster_.replica(node).CanPropose())
        continue;
      cluster_.Propose(node, std::string(random_.Below(100), 'x') + std::to_string(next_++));
      return;
    }
  }

  void Break(uint32_t node) {
    if (random_.Chance(mix_.crash) && cluster_.IsUp(node)) {
      // What is being written when the power goes may still land.
      cluster_.Persist(node, random_.Below(3));
      cluster_.Crash(node);
    }
    if (random_.Chance(mix_.cut))
      random_.Chance(50) ? cluster_.Cut(node, AnyNode()) : cluster_.CutOneWay(node, AnyNode());
    if (random_.Chance(mix_.heal))
      cluster_.Heal();
    if (!cluster_.IsUp(node))
      return;
    if (random_.Chance(mix_.transfer))
      std::ignore = cluster_.Transfer(node, AnyNode());
    if (random_.Chance(mix_.member))
      ChangeMembership(node);
    if (random_.Chance(mix_.gone))
      cluster_.PeerGone(node, AnyNode());
    if (random_.Chance(mix_.save))
      cluster_.replica(node).PersistLearned();
  }

  void MovePacket() {
    auto& packets = cluster_.packets();
    if (packets.empty())
      return;
    const size_t spread = random_.Chance(50) ? 1 : 20;
    const size_t index = random_.Below(std::min(packets.size(), spread));
    if (random_.Chance(mix_.drop))
      cluster_.DropAt(index);
    else if (random_.Chance(mix_.duplicate))
      cluster_.DuplicateAt(index);
    else
      cluster_.DeliverAt(index);
  }

  Random random_;
  Cluster cluster_;
  Mix mix_{};
  uint64_t next_ = 1;
};

class RandomTest : public testing::TestWithParam<uint64_t> {};

TEST_P(RandomTest, AgreesUnderFaultsAndConvergesAfterThem) {
  constexpr uint64_t kSeedsPerCase = 12;
  for (uint64_t i = 0; i < kSeedsPerCase; ++i) {
    const uint64_t seed = GetParam() * kSeedsPerCase + i;
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomRun run(seed);
    run.Disturb(6000);
    ASSERT_EQ(run.cluster().fault(), "");
    run.Calm();
    ASSERT_EQ(run.cluster().fault(), "");
    if (HasFatalFailure())
      return;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomTest, testing::Range<uint64_t>(0, 8));

}  // namespace
}  // namespace synod::consensus
