#include "consensus/election.h"

#include <gtest/gtest.h>

#include "tests/unit/consensus/support.h"

namespace synod::consensus {
namespace {

Config MakeConfig(uint64_t seed = 1) {
  Config config;
  config.self = NodeId(1);
  config.membership = {.version = 1,
                       .voters = {NodeId(1), NodeId(2), NodeId(3)},
                       .learners = {},
                       .next_member = NodeId(4)};
  config.seed = seed;
  return config;
}

TEST(ElectionTest, TimeoutsAreSpreadOverTheConfiguredRange) {
  uint64_t lowest = 1000;
  uint64_t highest = 0;
  for (uint64_t seed = 0; seed < 500; ++seed) {
    const Election election(MakeConfig(seed), Ballot{});
    uint64_t t = 0;
    while (!election.IsDue(t)) ++t;
    lowest = std::min(lowest, t);
    highest = std::max(highest, t);
  }
  EXPECT_EQ(lowest, 50u);
  EXPECT_EQ(highest, 99u);
}

TEST(ElectionTest, NextBallotIsAboveEveryRoundSeen) {
  Election election(MakeConfig(), B(4, 3));
  EXPECT_EQ(election.NextBallot(), B(5, 1));
  EXPECT_TRUE(election.Observe(B(9, 2)));
  EXPECT_TRUE(election.Observe(B(7, 2)));
  EXPECT_EQ(election.NextBallot(), B(10, 1));
}

TEST(ElectionTest, RefusesRoundsThatOnlyDamageExplains) {
  Election election(MakeConfig(), B(4, 3));
  EXPECT_TRUE(election.Observe(B(4 + (uint64_t{1} << 32), 2)));
  EXPECT_FALSE(election.Observe(B(5 + (uint64_t{1} << 33), 2)));
  EXPECT_EQ(election.NextBallot(), B(5 + (uint64_t{1} << 32), 1));
}

TEST(ElectionTest, IsStickyWhileTheLeaderHasAMajority) {
  Election election(MakeConfig(), Ballot{});
  EXPECT_FALSE(election.IsSticky(NodeId(3), 100));  // knows no leader
  election.Heard(NodeId(2), 100, 0);
  EXPECT_TRUE(election.IsSticky(NodeId(3), 100));
  EXPECT_TRUE(election.IsSticky(NodeId(3), 149));
  EXPECT_FALSE(election.IsSticky(NodeId(3), 150));
  // Hearing a leader is not enough: it must have heard a majority.
  election.Heard(NodeId(2), 200, 50);
  EXPECT_FALSE(election.IsSticky(NodeId(3), 200));
  EXPECT_FALSE(election.IsDue(200));
}

TEST(ElectionTest, TheLeaderItselfMayCampaignAgain) {
  Election election(MakeConfig(), Ballot{});
  election.Heard(NodeId(2), 100, 0);
  EXPECT_FALSE(election.IsSticky(NodeId(2), 100));
}

TEST(ElectionTest, ALeaderWhoseProcessIsGoneHoldsNobody) {
  Election election(MakeConfig(), Ballot{});
  election.Heard(NodeId(2), 100, 0);
  election.LeaderGone(100);
  EXPECT_FALSE(election.IsSticky(NodeId(3), 100));
  EXPECT_TRUE(election.IsDue(101));
  election.Restart(101);  // nobody granted: others may not know yet
  EXPECT_TRUE(election.IsDue(111));
  election.Heard(NodeId(2), 105, 0);  // it lives after all
  EXPECT_TRUE(election.IsSticky(NodeId(3), 106));
  EXPECT_FALSE(election.IsDue(154));
}

TEST(ElectionTest, CountsEachPreVoteOnceAndOnlyForTheCurrentBallot) {
  Election election(MakeConfig(), B(4, 3));
  election.StartPreVote();
  const Ballot ballot = election.pre_vote_ballot();
  EXPECT_EQ(ballot, B(5, 1));
  EXPECT_FALSE(election.Grant(NodeId(1), ballot, 2));
  EXPECT_FALSE(election.Grant(NodeId(1), ballot, 2));
  EXPECT_FALSE(election.Grant(NodeId(2), B(4, 1), 2));
  EXPECT_TRUE(election.Grant(NodeId(3), ballot, 2));
}

TEST(ElectionTest, ANodeThatIsFarBehindWaitsLonger) {
  Election election(MakeConfig(), Ballot{});
  election.Restart(0, true);
  EXPECT_FALSE(election.IsDue(99));
}

}  // namespace
}  // namespace synod::consensus
