// Random schedules: loss, duplicates, reordering, cuts and crashes, then peace, over many seeds.
// The cluster checks agreement all the time; in the end everybody must have the same log.
#include "src/base/random.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/consensus/cluster.h"

namespace synod::consensus {
namespace {

struct Mix {  // chances in percent, drawn per seed, so that runs differ in kind
  double drop, duplicate, crash, cut, heal, transfer, gone, save, tick, persist;
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
            static_cast<double>(random_.Between(4, 20))};
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
    ASSERT_NE(cluster_.Elect(1500), 0u);
    const bool passed = cluster_.RunUntil(
        [&] {
          const uint32_t leader = cluster_.Leader();
          return leader != 0 && cluster_.Propose(leader, "last");
        },
        500);
    ASSERT_TRUE(passed);
    const bool same = cluster_.RunUntil(
        [&] {
          for (uint32_t n = 1; n <= cluster_.size(); ++n) {
            const auto commands = cluster_.Commands(n);
            if (commands.empty() || commands.back() != "last" ||
                cluster_.Applied(n).size() != cluster_.Applied(1).size())
              return false;
          }
          return true;
        },
        1500);
    ASSERT_TRUE(same);
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
