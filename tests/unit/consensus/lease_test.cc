#include "consensus/lease.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "src/base/random.h"
#include "tests/unit/consensus/cluster.h"

namespace synod::consensus {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

constexpr uint64_t kLeaseMs = 600;
constexpr uint32_t kLeaseTicks = kLeaseMs / 10;

const Ballot kBallot{5, NodeId(1)};
const Ballot kNone;

TEST(LeaseHoldTest, ForbidsOthersUntilItsTimeIsOver) {
  LeaseHold hold(0);
  hold.SetTime(1000);
  EXPECT_FALSE(hold.Refuses(NodeId(2), kNone));
  hold.Hold(kBallot, 100);
  EXPECT_TRUE(hold.Refuses(NodeId(2), kNone));
  EXPECT_FALSE(hold.Refuses(NodeId(1), kNone)) << "its own leader may campaign again";
  // The time at hand was old when the promise was made: it runs from the next one.
  hold.SetTime(1090);
  hold.SetTime(1189);
  EXPECT_TRUE(hold.Refuses(NodeId(2), kNone));
  hold.SetTime(1190);
  EXPECT_FALSE(hold.Refuses(NodeId(2), kNone));
}

TEST(LeaseHoldTest, IsReleasedByTheBallotThatItIsFor) {
  LeaseHold hold(0);
  hold.SetTime(1);
  hold.Hold(kBallot, 100);
  EXPECT_FALSE(hold.Refuses(NodeId(2), kBallot));
  EXPECT_TRUE(hold.Refuses(NodeId(2), Ballot{4, NodeId(3)}));
}

TEST(LeaseHoldTest, HoldsWhatAnEarlierProcessPromisedAgainstEverybody) {
  LeaseHold hold(100);
  EXPECT_TRUE(hold.Refuses(NodeId(2), kNone));
  hold.SetTime(5000);
  EXPECT_TRUE(hold.Refuses(NodeId(1), kNone));
  hold.SetTime(5100);
  EXPECT_FALSE(hold.Refuses(NodeId(1), kNone));
}

TEST(LeaseHoldTest, AShorterPromiseDoesNotCutALongerOne) {
  LeaseHold hold(0);
  hold.Hold(kBallot, 1000);
  hold.SetTime(1);
  hold.Hold(kBallot, 10);
  hold.SetTime(2);
  hold.SetTime(900);
  EXPECT_TRUE(hold.Refuses(NodeId(2), kNone));
}

TEST(UsableLeaseTest, LeavesOutDriftAndMargin) {
  EXPECT_EQ(UsableLease(1000), 950u);
  EXPECT_EQ(UsableLease(10), 0u);
  EXPECT_EQ(UsableLease(0), 0u);
}

class LeaseTest : public testing::Test {
 protected:
  LeaseTest() : leader_(cluster_.Elect()), other_(leader_ % 3 + 1), third_(other_ % 3 + 1) {
    cluster_.Propose(leader_, "a");
    cluster_.Run(20);
  }
  bool Served() {
    static uint64_t id = 0;
    cluster_.Read(leader_, ++id);
    return !cluster_.TakeGrants(leader_).empty();
  }
  bool SomebodyElseLeads() const { return cluster_.Leader() != 0 && cluster_.Leader() != leader_; }

  Cluster cluster_{3, 1, [](Config* config) { config->lease_ms = kLeaseMs; }};
  uint32_t leader_;
  uint32_t other_;
  uint32_t third_;
};

TEST_F(LeaseTest, TheLeaderServesWithoutAMessage) {
  EXPECT_TRUE(Served());
  EXPECT_THAT(cluster_.packets(), IsEmpty());
}

TEST_F(LeaseTest, AFollowersQuestionIsAnsweredAtOnce) {
  cluster_.Read(other_, 1);
  ASSERT_THAT(cluster_.packets(), SizeIs(1));
  cluster_.DeliverAt(0);
  cluster_.Tick(leader_);
  while (!cluster_.packets().empty() && cluster_.TakeGrants(other_).empty()) {
    const Packet& next = cluster_.packets().front();
    ASSERT_FALSE(next.to == NodeId(third_) && std::holds_alternative<ReadIndexResp>(next.message));
    if (std::holds_alternative<ReadIndexResp>(next.message)) {
      cluster_.DeliverAt(0);
      EXPECT_THAT(cluster_.TakeGrants(other_), SizeIs(1));
      return;
    }
    cluster_.DropAt(0);
  }
  FAIL() << "no answer";
}

TEST_F(LeaseTest, ItEndsWhenNobodyAnswers) {
  cluster_.Isolate(leader_);
  EXPECT_TRUE(Served());
  for (uint32_t t = 0; t < kLeaseTicks; ++t) cluster_.PassTime(leader_);
  EXPECT_FALSE(Served());
}

TEST_F(LeaseTest, AnAnswerCountsFromItsQuestion) {
  for (int t = 0; t < 5; ++t) cluster_.Tick(leader_);
  // The questions arrive, and the answers much later.
  const auto to_leader = [&](const Packet& p) { return p.to == NodeId(leader_); };
  for (size_t i = 0; i < cluster_.packets().size();) {
    if (to_leader(cluster_.packets()[i]))
      ++i;
    else
      cluster_.DeliverAt(i);
  }
  ASSERT_THAT(cluster_.packets(), testing::Not(IsEmpty()));
  for (uint32_t t = 0; t < kLeaseTicks - 10; ++t) cluster_.PassTime(leader_);
  cluster_.DeliverAll();
  EXPECT_TRUE(Served());
  for (uint32_t t = 0; t < 10; ++t) cluster_.PassTime(leader_);
  EXPECT_FALSE(Served());
}

TEST_F(LeaseTest, NobodyElseLeadsWhileItLasts) {
  cluster_.Isolate(leader_);
  cluster_.PeerGone(other_, leader_);
  cluster_.PeerGone(third_, leader_);
  uint32_t served = 0;
  for (uint32_t t = 0; t < 3 * kLeaseTicks && !SomebodyElseLeads(); ++t) {
    cluster_.Tick(other_);
    cluster_.Tick(third_);
    cluster_.PassTime(leader_);
    cluster_.Persist(other_);
    cluster_.Persist(third_);
    cluster_.DeliverAll();
    served += !SomebodyElseLeads() && Served() ? 1 : 0;
  }
  EXPECT_TRUE(SomebodyElseLeads());
  EXPECT_GT(served, kLeaseTicks / 2);
  EXPECT_FALSE(Served());
}

TEST_F(LeaseTest, WhoStartedAnewHoldsOn) {
  cluster_.Isolate(leader_);
  for (const uint32_t node : {other_, third_}) {
    cluster_.Crash(node);
    cluster_.Restart(node);
  }
  uint32_t ticks = 0;
  for (; ticks < 4 * kLeaseTicks && !SomebodyElseLeads(); ++ticks) {
    cluster_.PassTime(leader_);
    for (const uint32_t node : {other_, third_}) {
      cluster_.Tick(node);
      cluster_.Persist(node);
    }
    cluster_.DeliverAll();
    for (const uint32_t node : {other_, third_}) cluster_.Persist(node);
    cluster_.DeliverAll();
  }
  EXPECT_TRUE(SomebodyElseLeads());
  EXPECT_GE(ticks, kLeaseTicks);
}

TEST_F(LeaseTest, LeadershipIsHandedOverAtOnce) {
  ASSERT_TRUE(cluster_.Transfer(leader_, other_));
  cluster_.Settle();
  EXPECT_EQ(cluster_.Leader(), other_);
  EXPECT_FALSE(Served());
}

// A hand-over of an older ballot says nothing of the one that is promised a lease.
TEST_F(LeaseTest, AnOldReleaseFreesNobody) {
  const Ballot ballot = cluster_.replica(leader_).ballot();
  cluster_.Give(other_, third_,
                Prepare{.ballot = {ballot.round + 1, NodeId(other_)},
                        .from = Slot(2),
                        .config_version = 0,
                        .transfer = true,
                        .released = {ballot.round - 1, NodeId(other_)}});
  EXPECT_EQ(cluster_.replica(third_).ballot(), ballot);
}

TEST(LeaseOffTest, OnlyThoseCountThatGiveALease) {
  Cluster cluster(
      3, 1, [](Config* config) { config->lease_ms = config->self == NodeId(1) ? kLeaseMs : 0; });
  cluster.Elect();
  const Status moved = cluster.Leader() == 1 ? Done() : cluster.Transfer(cluster.Leader(), 1);
  ASSERT_TRUE(moved);
  cluster.Run(30);
  ASSERT_EQ(cluster.Leader(), 1u);
  cluster.Read(1, 1);
  EXPECT_THAT(cluster.TakeGrants(1), IsEmpty());
}

// Clocks as wrong as they may be, pauses, cuts, crashes: no read misses what was chosen before it
// (the cluster checks that of every grant).
class LeaseRandomTest : public testing::TestWithParam<uint64_t> {};

TEST_P(LeaseRandomTest, NoReadIsStale) {
  Random random(GetParam());
  const uint32_t size = random.Chance(50) ? 3 : 5;
  Cluster cluster(size, GetParam(), [](Config* config) { config->lease_ms = kLeaseMs; });
  for (uint32_t n = 1; n <= size; ++n)
    cluster.SetClockRate(n, static_cast<uint32_t>(random.Between(980, 1020)));
  std::vector<uint32_t> paused(size + 1);
  uint64_t id = 0;
  uint64_t granted = 0;
  for (int step = 0; step < 3000 && cluster.fault().empty(); ++step) {
    for (uint32_t n = 1; n <= size; ++n) {
      if (paused[n] > 0) {
        --paused[n];
        cluster.PassTime(n);
        continue;
      }
      cluster.Tick(n);
      if (!cluster.IsUp(n))
        continue;
      cluster.Persist(n);
      if (random.Chance(20))
        cluster.Propose(n, "p");
      // Asked when its clock has been read, or a while after.
      if (random.Chance(30))
        cluster.Read(n, ++id);
      granted += cluster.TakeGrants(n).size();
    }
    const auto is_paused = [&](const Packet& p) {
      return paused[p.to.value] > 0 || paused[p.from.value] > 0;
    };
    cluster.DeliverAll(is_paused);
    const auto node = static_cast<uint32_t>(random.Between(1, size));
    switch (random.Below(200)) {
      case 0:
        cluster.Isolate(node);
        break;
      case 1:
      case 2:
        cluster.Heal();
        break;
      case 3:
        paused[node] = static_cast<uint32_t>(random.Between(1, 2 * kLeaseTicks));
        break;
      case 4:
        if (cluster.IsUp(node))
          cluster.Crash(node);
        break;
      case 5:
      case 6:
        for (uint32_t n = 1; n <= size; ++n)
          if (!cluster.IsUp(n))
            cluster.Restart(n);
        break;
      case 7:
        if (cluster.Leader() != 0 && cluster.IsUp(node) && cluster.IsUp(cluster.Leader()))
          (void)cluster.Transfer(cluster.Leader(), node);
        break;
      default:
        break;
    }
  }
  EXPECT_EQ(cluster.fault(), "");
  EXPECT_GT(granted, 0u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, LeaseRandomTest, testing::Range<uint64_t>(1, 41));

}  // namespace
}  // namespace synod::consensus
