#include "consensus/reads.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/consensus/cluster.h"
#include "tests/unit/consensus/support.h"

namespace synod::consensus {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class ReadsTest : public testing::Test {
 protected:
  ReadsTest() : leader_(cluster_.Elect()), follower_(leader_ % 3 + 1) {
    cluster_.Propose(leader_, "a");
    cluster_.Settle();
  }
  template <typename M>
  size_t CountWaiting() {
    size_t count = 0;
    for (const Packet& p : cluster_.packets())
      count += std::holds_alternative<M>(p.message) ? 1 : 0;
    return count;
  }

  Cluster cluster_{3};
  uint32_t leader_;
  uint32_t follower_;
};

TEST_F(ReadsTest, LeaderGrantsAfterOneRoundOfAMajority) {
  cluster_.replica(leader_).SetStamp(77);
  cluster_.Read(leader_, 1);
  EXPECT_THAT(cluster_.TakeGrants(leader_), IsEmpty());
  cluster_.DeliverAll();
  const auto grants = cluster_.TakeGrants(leader_);
  ASSERT_THAT(grants, SizeIs(1));
  EXPECT_EQ(grants[0].read_id, 1u);
  EXPECT_EQ(grants[0].index, cluster_.replica(leader_).learned());
  EXPECT_EQ(grants[0].leader_stamp, 77);
}

TEST_F(ReadsTest, ReadsOfOneTurnShareOneRound) {
  for (uint64_t id = 1; id < 50; ++id) cluster_.replica(leader_).ReadIndex(id);
  cluster_.Read(leader_, 50);
  EXPECT_EQ(CountWaiting<Accept>(), 2u);
}

TEST_F(ReadsTest, EveryQuestionToTheLeaderHasANumberOfItsOwn) {
  Replica& replica = cluster_.replica(follower_);
  replica.ReadIndex(1);
  const Output first = replica.TakeOutput();
  replica.ReadIndex(2);
  const Output second = replica.TakeOutput();
  ASSERT_THAT(first.send, SizeIs(1));
  ASSERT_THAT(second.send, SizeIs(1));
  EXPECT_NE(std::get<ReadIndexReq>(first.send[0].message).id,
            std::get<ReadIndexReq>(second.send[0].message).id);
}

TEST_F(ReadsTest, FollowerAsksTheLeaderOnceForAllReadsOfATurn) {
  cluster_.replica(leader_).SetStamp(-3);
  Replica& replica = cluster_.replica(follower_);
  replica.ReadIndex(1);
  replica.ReadIndex(2);
  Output out = replica.TakeOutput();
  ASSERT_THAT(out.send, SizeIs(1));
  EXPECT_EQ(out.send[0].to, NodeId(leader_));
  cluster_.Give(follower_, leader_, out.send[0].message);
  while (CountWaiting<ReadIndexResp>() == 0) cluster_.DeliverAt(0);
  const Packet answer = cluster_.packets().back();
  replica.Receive(answer.from, answer.message);
  out = replica.TakeOutput();
  ASSERT_THAT(out.reads, SizeIs(2));
  EXPECT_EQ(out.reads[0].read_id, 1u);
  EXPECT_EQ(out.reads[1].read_id, 2u);
  EXPECT_EQ(out.reads[1].index, cluster_.replica(leader_).learned());
  EXPECT_EQ(out.reads[1].leader_stamp, -3);
}

TEST_F(ReadsTest, SingleVoterGrantsAtOnce) {
  Cluster cluster(1);
  ASSERT_EQ(cluster.Elect(), 1u);
  cluster.Settle();
  cluster.Read(1, 1);
  EXPECT_THAT(cluster.TakeGrants(1), SizeIs(1));
}

TEST_F(ReadsTest, FailsAfterAnElectionTimeoutWithoutAnAnswer) {
  cluster_.CutOneWay(follower_, leader_);
  cluster_.Read(follower_, 1);
  cluster_.Run(49);
  EXPECT_THAT(cluster_.TakeFailedReads(follower_), IsEmpty());
  cluster_.Run(1);
  EXPECT_THAT(cluster_.TakeFailedReads(follower_), ElementsAre(1));
}

TEST_F(ReadsTest, FailsWhenTheLeaderChanges) {
  cluster_.CutOneWay(leader_, follower_);
  cluster_.Read(follower_, 1);
  cluster_.packets().clear();
  const uint32_t third = 6 - leader_ - follower_;
  cluster_.Heal();
  ASSERT_TRUE(cluster_.Transfer(leader_, third).has_value());
  cluster_.Settle();
  EXPECT_THAT(cluster_.TakeFailedReads(follower_), ElementsAre(1));
}

TEST_F(ReadsTest, ANodeThatDoesNotLeadSaysSo) {
  const uint32_t third = 6 - leader_ - follower_;
  cluster_.Give(follower_, third, ReadIndexReq{1, 1});
  ASSERT_EQ(CountWaiting<ReadIndexResp>(), 1u);
  EXPECT_FALSE(std::get<ReadIndexResp>(cluster_.packets().back().message).granted);
}

TEST_F(ReadsTest, WaitsForALeaderThatIsBeingElected) {
  Cluster cluster(3);
  cluster.Run(40);
  cluster.Read(1, 1);
  ASSERT_TRUE(cluster.RunUntil([&] { return cluster.Leader() != 0; }, 49));
  cluster.Settle();
  EXPECT_THAT(cluster.TakeGrants(1), SizeIs(1));
}

// An answer to a question of an earlier process of this node: it knows less than the reads of now.
TEST_F(ReadsTest, IgnoresAnswersToAnEarlierProcess) {
  cluster_.Read(follower_, 1);
  cluster_.DeliverAll(
      [&](const Packet& p) { return std::holds_alternative<ReadIndexResp>(p.message); });
  std::vector<Packet> late;
  cluster_.Read(follower_, 2);
  cluster_.DeliverAll([&](const Packet& p) {
    if (std::holds_alternative<ReadIndexResp>(p.message))
      late.push_back(p);
    return std::holds_alternative<ReadIndexResp>(p.message);
  });
  ASSERT_THAT(late, SizeIs(1));
  cluster_.Crash(follower_);
  cluster_.Restart(follower_);
  cluster_.Run(10);
  cluster_.CutOneWay(follower_, leader_);
  cluster_.Read(follower_, 1);
  cluster_.Read(follower_, 2);
  cluster_.Give(leader_, follower_, late[0].message);
  EXPECT_THAT(cluster_.TakeGrants(follower_), IsEmpty());
}

TEST_F(ReadsTest, AtMostTwoRoundsAreUnderWay) {
  for (uint64_t id = 1; id <= 10; ++id) cluster_.Read(leader_, id);
  EXPECT_EQ(CountWaiting<Accept>(), 4u);  // two rounds to two peers
  cluster_.DeliverAll();
  EXPECT_THAT(cluster_.TakeGrants(leader_), SizeIs(10));
}

}  // namespace
}  // namespace synod::consensus
