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

class LeaderLeaseTest : public testing::Test {
 protected:
  LeaderLeaseTest() : leader_(cluster_.Elect()), other_(leader_ % 3 + 1), third_(other_ % 3 + 1) {
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

TEST_F(LeaderLeaseTest, TheLeaderServesWithoutAMessage) {
  EXPECT_TRUE(Served());
  EXPECT_THAT(cluster_.packets(), IsEmpty());
}

TEST_F(LeaderLeaseTest, AFollowersQuestionIsAnsweredAtOnce) {
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

TEST_F(LeaderLeaseTest, ItEndsWhenNobodyAnswers) {
  cluster_.Isolate(leader_);
  EXPECT_TRUE(Served());
  for (uint32_t t = 0; t < kLeaseTicks; ++t) cluster_.PassTime(leader_);
  EXPECT_FALSE(Served());
}

TEST_F(LeaderLeaseTest, AnAnswerCountsFromItsQuestion) {
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

TEST_F(LeaderLeaseTest, NobodyElseLeadsWhileItLasts) {
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

TEST_F(LeaderLeaseTest, WhoStartedAnewHoldsOn) {
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

TEST_F(LeaderLeaseTest, LeadershipIsHandedOverAtOnce) {
  ASSERT_TRUE(cluster_.Transfer(leader_, other_));
  cluster_.Settle();
  EXPECT_EQ(cluster_.Leader(), other_);
  EXPECT_FALSE(Served());
}

// A hand-over of an older ballot says nothing of the one that is promised a lease.
TEST_F(LeaderLeaseTest, AnOldReleaseFreesNobody) {
  const Ballot ballot = cluster_.replica(leader_).ballot();
  cluster_.Give(other_, third_,
                Prepare{.ballot = {ballot.round + 1, NodeId(other_)},
                        .from = Slot(2),
                        .config_version = 0,
                        .transfer = true,
                        .released = {ballot.round - 1, NodeId(other_)}});
  EXPECT_EQ(cluster_.replica(third_).ballot(), ballot);
}

TEST(LeaderLeaseOffTest, OnlyThoseCountThatGiveALease) {
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
class LeaderLeaseRandomTest : public testing::TestWithParam<uint64_t> {
 protected:
  LeaderLeaseRandomTest() : random_(GetParam()), size_(random_.Chance(50) ? 3 : 5) {
    for (uint32_t n = 1; n <= size_; ++n)
      cluster_.SetClockRate(n, static_cast<uint32_t>(random_.Between(980, 1020)));
  }

  // Leases that outlast election timeouts: others would lead before they are over.
  static void Configure(Config* config) {
    config->lease_ms = kLeaseMs;
    config->election_ticks_min = 15;
    config->election_ticks_max = 30;
  }

  void Step();
  void Strike();

  Random random_;
  const uint32_t size_;
  Cluster cluster_{size_, GetParam(), Configure};
  std::vector<uint32_t> paused_ = std::vector<uint32_t>(size_ + 1);  // ticks that are left
  uint64_t read_ = 0;
  uint64_t granted_ = 0;
};

void LeaderLeaseRandomTest::Step() {
  for (uint32_t n = 1; n <= size_; ++n) {
    if (paused_[n] > 0) {
      --paused_[n];
      cluster_.PassTime(n);
      continue;
    }
    cluster_.Tick(n);
    if (!cluster_.IsUp(n))
      continue;
    cluster_.Persist(n);
    if (random_.Chance(20))
      cluster_.Propose(n, "p");
    if (random_.Chance(30))
      cluster_.Read(n, ++read_);
    granted_ += cluster_.TakeGrants(n).size();
  }
  cluster_.DeliverAll(
      [&](const Packet& p) { return paused_[p.to.value] > 0 || paused_[p.from.value] > 0; });
}

void LeaderLeaseRandomTest::Strike() {
  const auto node = static_cast<uint32_t>(random_.Between(1, size_));
  const uint32_t leader = cluster_.Leader();
  switch (random_.Below(200)) {
    case 0:
      cluster_.Isolate(node);
      break;
    case 1:
    case 2:
      cluster_.Heal();
      break;
    case 3:
      paused_[node] = static_cast<uint32_t>(random_.Between(1, 2 * kLeaseTicks));
      break;
    // The leader, so long that others would lead before its lease is over.
    case 4:
    case 5:
      if (leader != 0)
        paused_[leader] = static_cast<uint32_t>(random_.Between(15, kLeaseTicks));
      break;
    case 6:
      if (cluster_.IsUp(node))
        cluster_.Crash(node);
      break;
    case 7:
    case 8:
      for (uint32_t n = 1; n <= size_; ++n)
        if (!cluster_.IsUp(n))
          cluster_.Restart(n);
      break;
    case 9:
      if (leader != 0 && cluster_.IsUp(node) && cluster_.IsUp(leader))
        (void)cluster_.Transfer(leader, node);
      break;
    default:
      break;
  }
}

TEST_P(LeaderLeaseRandomTest, NoReadIsStale) {
  for (int i = 0; i < 3000 && cluster_.fault().empty(); ++i) {
    Step();
    Strike();
  }
  EXPECT_EQ(cluster_.fault(), "");
  EXPECT_GT(granted_, 0u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, LeaderLeaseRandomTest, testing::Range<uint64_t>(1, 41));

}  // namespace
}  // namespace synod::consensus
