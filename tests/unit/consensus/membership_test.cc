// Changes of the membership: the way over the barrier, and what it is for. "Row n" is the number in
// docs/decisions/0001-consensus-core.md.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/unit/consensus/cluster.h"
#include "tests/unit/consensus/support.h"

namespace synod::consensus {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

constexpr NodeId N(uint32_t n) { return NodeId(n); }

std::vector<NodeId> Ids(std::vector<uint32_t> numbers) {
  std::vector<NodeId> ids;
  std::sort(numbers.begin(), numbers.end());
  for (const uint32_t n : numbers) ids.push_back(N(n));
  return ids;
}

Membership M(uint64_t version, std::vector<uint32_t> voters, std::vector<uint32_t> learners = {}) {
  return {version, Ids(std::move(voters)), Ids(std::move(learners)), N(50)};
}

template <typename T>
bool Is(const Packet& packet) {
  return std::holds_alternative<T>(packet.message);
}

class MembershipChangeTest : public testing::Test {
 protected:
  ~MembershipChangeTest() override { EXPECT_EQ(cluster_.fault(), ""); }

  uint32_t Leader() { return cluster_.Leader(); }
  // Proposes the membership at the leader once it takes it.
  void Propose(const Membership& membership) {
    ASSERT_TRUE(cluster_.RunUntil([&] {
      return Leader() != 0 && cluster_.ProposeMembership(Leader(), membership);
    })) << membership.version;
  }
  // And goes on until everybody in it knows, and a leader takes commands again.
  void Change(const Membership& membership) {
    Propose(membership);
    ASSERT_TRUE(cluster_.RunUntil([&] { return IsInForce(membership); })) << membership.version;
  }
  bool IsInForce(const Membership& membership) {
    if (Leader() == 0 || !cluster_.replica(Leader()).CanPropose())
      return false;
    for (uint32_t n = 1; n <= cluster_.size(); ++n) {
      if (membership.IsMember(N(n)) && cluster_.IsUp(n) &&
          cluster_.replica(n).membership() != membership)
        return false;
    }
    return true;
  }
  uint32_t AddLearner(uint64_t version, std::vector<uint32_t> voters) {
    const uint32_t id = cluster_.size() + 1;
    const Membership with = M(version, std::move(voters), {id});
    cluster_.AddNode(with);
    Change(with);
    return id;
  }
  bool Write(const std::string& text) {
    return cluster_.RunUntil([&] {
      const uint32_t leader = Leader();
      return leader != 0 && cluster_.replica(leader).CanPropose() && cluster_.Propose(leader, text);
    });
  }
  // True once the node has applied the command.
  bool Sees(uint32_t node, const std::string& text) {
    return cluster_.RunUntil([&] {
      const auto commands = cluster_.Commands(node);
      return std::find(commands.begin(), commands.end(), text) != commands.end();
    });
  }
  void Lead(uint32_t node) {
    ASSERT_TRUE(cluster_.RunUntil([&] {
      if (Leader() == node)
        return true;
      if (Leader() != 0)
        std::ignore = cluster_.Transfer(Leader(), node);
      return false;
    }));
    ASSERT_TRUE(cluster_.RunUntil([&] { return cluster_.replica(node).CanProposeConfig(); }));
  }

  Cluster cluster_{3};
};

// -- the golden path

TEST_F(MembershipChangeTest, ALearnerReceivesEverythingAndIsNotCounted) {
  ASSERT_TRUE(Write("before"));
  AddLearner(1, {1, 2, 3});
  EXPECT_TRUE(Sees(4, "before"));
  ASSERT_TRUE(Write("after"));
  EXPECT_TRUE(Sees(4, "after"));
  // Two of three are gone: the learner does not make up for them.
  const uint32_t leader = Leader();
  for (uint32_t n = 1; n <= 3; ++n)
    if (n != leader)
      cluster_.Crash(n);
  cluster_.Propose(leader, "never");
  cluster_.Run(300);
  EXPECT_EQ(cluster_.Leader(), 0u);
  EXPECT_THAT(cluster_.Commands(4), Not(Contains("never")));
}

TEST_F(MembershipChangeTest, ALearnerNeverCampaigns) {
  AddLearner(1, {1, 2, 3});
  const size_t before = cluster_.CountEvents("prepare");
  for (uint32_t n = 1; n <= 3; ++n) cluster_.Crash(n);
  cluster_.Run(500);
  EXPECT_EQ(cluster_.CountEvents("prepare"), before);
}

TEST_F(MembershipChangeTest, APromotedLearnerCounts) {
  AddLearner(1, {1, 2, 3});
  Change(M(2, {1, 2, 3, 4}));
  cluster_.Crash(Leader() == 1 ? 2 : 1);
  ASSERT_NE(cluster_.Elect(), 0u);
  EXPECT_TRUE(Write("three of four"));
  EXPECT_TRUE(Sees(4, "three of four"));
}

TEST_F(MembershipChangeTest, ADeadVoterIsReplacedInOneStep) {
  AddLearner(1, {1, 2, 3});
  const uint32_t dead = Leader() == 3 ? 2 : 3;
  cluster_.Crash(dead);
  Change(M(2, dead == 3 ? std::vector<uint32_t>{1, 2, 4} : std::vector<uint32_t>{1, 3, 4}));
  // The quorum is two of three again: one more may die.
  cluster_.Crash(dead == 3 ? 2 : 3);
  ASSERT_NE(cluster_.Elect(), 0u);
  EXPECT_TRUE(Write("on"));
  EXPECT_TRUE(Sees(4, "on"));
}

TEST_F(MembershipChangeTest, ARemovedFollowerLearnsItAndStaysQuiet) {
  ASSERT_NE(cluster_.Elect(), 0u);
  const uint32_t gone = Leader() == 1 ? 2 : 1;
  Change(M(1, gone == 1 ? std::vector<uint32_t>{2, 3} : std::vector<uint32_t>{1, 3}));
  EXPECT_EQ(cluster_.replica(gone).membership().version, 1u);
  const size_t before = cluster_.CountEvents("pre_vote");
  cluster_.Run(500);
  EXPECT_EQ(cluster_.CountEvents("pre_vote"), before);
  EXPECT_TRUE(Write("on"));
}

TEST_F(MembershipChangeTest, ARemovedFollowerThatMissedItIsToldWhenItCampaigns) {
  ASSERT_NE(cluster_.Elect(), 0u);
  const uint32_t gone = Leader() == 1 ? 2 : 1;
  cluster_.Isolate(gone);
  Change(M(1, gone == 1 ? std::vector<uint32_t>{2, 3} : std::vector<uint32_t>{1, 3}));
  const Ballot ballot = cluster_.replica(Leader()).ballot();
  cluster_.Heal();
  ASSERT_TRUE(cluster_.RunUntil([&] { return cluster_.replica(gone).membership().version == 1; }));
  EXPECT_GT(cluster_.CountEvents("refused_stale_config"), 0u);
  cluster_.Run(300);
  EXPECT_EQ(cluster_.replica(Leader()).ballot(), ballot);  // nobody was disturbed
}

TEST_F(MembershipChangeTest, ARemovedLeaderHandsOver) {
  ASSERT_NE(cluster_.Elect(), 0u);
  const uint32_t old = Leader();
  std::vector<uint32_t> rest;
  for (uint32_t n = 1; n <= 3; ++n)
    if (n != old)
      rest.push_back(n);
  ASSERT_TRUE(Write("before"));
  const Membership next = M(1, rest);
  Change(next);
  EXPECT_NE(Leader(), old);
  EXPECT_EQ(cluster_.CountEvents("asked_to_lead"), 1u);  // nobody waited for a timeout
  EXPECT_EQ(cluster_.replica(old).role(), Role::kFollower);
  cluster_.Crash(old);
  EXPECT_TRUE(Write("after"));
  EXPECT_TRUE(Sees(rest[0], "after"));
}

TEST_F(MembershipChangeTest, AllThreeAreExchangedOneByOne) {
  ASSERT_TRUE(Write("first"));
  for (uint32_t n = 1; n <= 3; ++n) cluster_.AddNode(M(0, {1, 2, 3}));
  Change(M(1, {1, 2, 3}, {4, 5, 6}));
  Change(M(2, {2, 3, 4}, {5, 6}));
  Change(M(3, {3, 4, 5}, {6}));
  Change(M(4, {4, 5, 6}));
  for (uint32_t n = 1; n <= 3; ++n) cluster_.Crash(n);
  ASSERT_NE(cluster_.Elect(), 0u);
  ASSERT_TRUE(Write("last"));
  for (uint32_t n = 4; n <= 6; ++n) {
    EXPECT_TRUE(Sees(n, "last"));
    EXPECT_THAT(cluster_.Commands(n), ElementsAre("first", "last"));
  }
}

TEST_F(MembershipChangeTest, AnotherMajorityMayTakeOverAtOnce) {
  ASSERT_TRUE(Write("first"));
  for (uint32_t n = 1; n <= 3; ++n) cluster_.AddNode(M(0, {1, 2, 3}));
  Change(M(1, {1, 2, 3}, {4, 5, 6}));
  Change(M(2, {4, 5, 6}));
  EXPECT_GE(Leader(), 4u);
  for (uint32_t n = 1; n <= 3; ++n) cluster_.Crash(n);
  ASSERT_TRUE(Write("last"));
  EXPECT_TRUE(Sees(5, "last"));
}

TEST(MembershipGrowthTest, OneBecomesThreeAtOnce) {
  Cluster cluster(1);
  ASSERT_EQ(cluster.Elect(), 1u);
  cluster.Settle();
  cluster.Propose(1, "alone");
  cluster.Settle();
  const auto change = [&](const Membership& next) {
    return cluster.RunUntil([&] { return cluster.ProposeMembership(1, next); }) &&
           cluster.RunUntil([&] { return cluster.replica(1).CanPropose(); });
  };
  cluster.AddNode(M(1, {1}, {2}));
  ASSERT_TRUE(change(M(1, {1}, {2})));
  cluster.AddNode(M(2, {1}, {2, 3}));
  ASSERT_TRUE(change(M(2, {1}, {2, 3})));
  ASSERT_TRUE(change(M(3, {1, 2, 3})));
  cluster.Crash(1);
  ASSERT_NE(cluster.Elect(), 0u);
  EXPECT_THAT(cluster.Commands(2), ElementsAre("alone"));
  EXPECT_EQ(cluster.fault(), "");
}

// -- the barrier

TEST_F(MembershipChangeTest, NothingIsProposedAboveTheEntryBeforeTheNewVotersAnswered) {
  const uint32_t learner = AddLearner(1, {1, 2, 3});
  const uint32_t leader = Leader();
  // The learner hears nothing from now on: neither half of the barrier can pass with 2 and 3 gone.
  for (uint32_t n = 1; n <= 4; ++n)
    if (n != leader)
      cluster_.Isolate(n);
  cluster_.Heal();
  Propose(M(2, {leader, learner}));
  EXPECT_FALSE(cluster_.replica(leader).CanPropose());
  EXPECT_TRUE(cluster_.replica(leader).MembershipChanging());
  cluster_.Cut(leader, learner);
  cluster_.Run(10);
  // Chosen by the old majority, but the new one has not promised.
  EXPECT_EQ(cluster_.replica(leader).membership().version, 2u);
  EXPECT_FALSE(cluster_.replica(leader).CanPropose());
  EXPECT_EQ(cluster_.CountEvents("switch_passed"), 1u);  // of the learner's addition
  cluster_.Heal();
  EXPECT_TRUE(cluster_.RunUntil([&] { return IsInForce(M(2, {leader, learner})); }));
  EXPECT_EQ(cluster_.CountEvents("switch_passed"), 2u);
}

TEST_F(MembershipChangeTest, AnEntryNeedsAnEmptyPipeline) {
  ASSERT_NE(cluster_.Elect(), 0u);
  const uint32_t leader = Leader();
  ASSERT_TRUE(cluster_.RunUntil([&] { return cluster_.replica(leader).CanProposeConfig(); }));
  cluster_.Propose(leader, "open");
  EXPECT_FALSE(cluster_.replica(leader).CanProposeConfig());
  const auto refused =
      cluster_.replica(leader).Propose(EntryKind::kConfig, Payload(M(1, {1, 2, 3})));
  EXPECT_EQ(refused.error().code, Errc::kOverloaded);
  cluster_.Settle();
  EXPECT_TRUE(cluster_.ProposeMembership(leader, M(1, {1, 2, 3})));
  const auto second =
      cluster_.replica(leader).Propose(EntryKind::kConfig, Payload(M(2, {1, 2, 3})));
  EXPECT_EQ(second.error().code, Errc::kOverloaded);
}

TEST_F(MembershipChangeTest, TheSwitchWaitsUntilAMajorityHoldsTheEntryDurably) {
  AddLearner(1, {1, 2, 3});
  const uint32_t leader = Leader();
  Propose(M(2, {1, 2, 3, 4}));
  // Everything is delivered, and only the leader's disk and one more sync.
  const uint32_t other = leader == 1 ? 2 : 1;
  const auto passed = [&] { return cluster_.CountEvents("switch_passed") == 2; };
  for (int i = 0; i < 60 && !passed(); ++i) {
    cluster_.TickAll();
    cluster_.DeliverAll();
    cluster_.Persist(leader);
    cluster_.Persist(other);
    cluster_.DeliverAll();
  }
  EXPECT_FALSE(passed());  // two of four
  EXPECT_TRUE(cluster_.RunUntil(passed));
}

// -- failures on the way

// Row 14: a membership entry was accepted by some and never learned; whoever takes over must finish
// it before it proposes anything above.
TEST_F(MembershipChangeTest, ATakeoverFinishesAnOpenMembershipEntryFirst) {
  AddLearner(1, {1, 2, 3});
  const uint32_t leader = Leader();
  const uint32_t other = leader % 3 + 1;
  const uint32_t third = 6 - leader - other;
  cluster_.Cut(leader, third);
  Propose(M(2, {1, 2, 3, 4}));
  // It reaches one more disk, and no answer comes back.
  for (int i = 0; i < 3; ++i) {
    cluster_.DeliverAll([](const Packet& p) { return Is<Accepted>(p); });
    for (uint32_t n = 1; n <= 4; ++n) cluster_.Persist(n);
  }
  cluster_.packets().clear();
  EXPECT_EQ(cluster_.replica(leader).membership().version, 1u);
  cluster_.Crash(leader);
  ASSERT_TRUE(cluster_.RunUntil([&] { return IsInForce(M(2, {1, 2, 3, 4})); }));
  EXPECT_TRUE(Write("after"));
  EXPECT_TRUE(Sees(4, "after"));
}

// Row 43: an old and a new leader change the membership at the same time. At most one of the two
// becomes the next version, and no slot gets two values.
TEST_F(MembershipChangeTest, ConcurrentChangesOfTwoLeadersDoNotMix) {
  ASSERT_NE(cluster_.Elect(), 0u);
  const uint32_t old = Leader();
  ASSERT_TRUE(cluster_.RunUntil([&] { return cluster_.replica(old).CanProposeConfig(); }));
  cluster_.Isolate(old);
  const uint32_t other = old % 3 + 1;
  const uint32_t third = 6 - old - other;
  ASSERT_TRUE(cluster_.ProposeMembership(old, M(1, {old, other})));
  ASSERT_TRUE(cluster_.RunUntil([&] { return Leader() != 0 && Leader() != old; }));
  Change(M(1, {other, third}));
  cluster_.Heal();
  cluster_.Run(300);
  EXPECT_EQ(cluster_.CurrentMembership(), M(1, {other, third}));
  for (uint32_t n = 1; n <= 3; ++n)
    EXPECT_EQ(cluster_.replica(n).membership(), M(1, {other, third})) << n;
  EXPECT_TRUE(Write("on"));
}

// A voter of the new membership has voted above the entry in an older ballot, when it was a learner
// or cut off: the fresh Prepare brings that to light. Here it is what a majority of the new voters
// chose under a leader that the old ones never heard of again.
TEST_F(MembershipChangeTest, WhatNewVotersHaveChosenAboveTheEntryIsKept) {
  AddLearner(1, {1, 2, 3});
  Lead(1);
  Change(M(2, {1, 3, 4}));
  // 2 is gone from the membership and 3 from the network: 1 and 4 choose above the entry.
  cluster_.Isolate(3);
  ASSERT_TRUE(Write("chosen by 1 and 4"));
  ASSERT_TRUE(Sees(4, "chosen by 1 and 4"));
  cluster_.Crash(1);
  cluster_.Heal();
  ASSERT_TRUE(Sees(3, "chosen by 1 and 4"));
  EXPECT_TRUE(Write("on"));
}

// Row 41: a candidate that knows an old membership only. It needs the old majority, meets one who
// knows better, and must not win.
TEST_F(MembershipChangeTest, ACandidateOfAnOldMembershipDoesNotWin) {
  for (uint32_t n = 1; n <= 2; ++n) cluster_.AddNode(M(0, {1, 2, 3}));
  Change(M(1, {1, 2, 3}, {4, 5}));
  Lead(1);
  cluster_.Isolate(3);
  Change(M(2, {1, 4, 5}));
  ASSERT_TRUE(Write("newer"));
  // 3 and 2 can talk, and 1 is away: two of the old three.
  cluster_.Heal();
  cluster_.Isolate(1);
  cluster_.Cut(3, 4);
  cluster_.Cut(3, 5);
  cluster_.Cut(2, 4);
  cluster_.Cut(2, 5);
  cluster_.Run(600);
  EXPECT_FALSE(cluster_.replica(2).IsLeader());
  EXPECT_FALSE(cluster_.replica(3).IsLeader());
  EXPECT_EQ(cluster_.replica(3).membership().version, 2u);
  EXPECT_GE(Leader(), 4u);
}

// The old majority took the entry without learning it, and those who know more are away: the
// candidate finishes the entry and finds that it is out.
TEST_F(MembershipChangeTest, ACandidateThatFinishesItsOwnRemovalStepsDown) {
  for (uint32_t n = 1; n <= 2; ++n) cluster_.AddNode(M(0, {1, 2, 3}));
  Change(M(1, {1, 2, 3}, {4, 5}));
  Lead(1);
  Propose(M(2, {1, 4, 5}));
  for (int i = 0; i < 3; ++i) {
    cluster_.DeliverAll(
        [](const Packet& p) { return Is<Accepted>(p) || p.to == N(4) || p.to == N(5); });
    for (uint32_t n = 1; n <= 3; ++n) cluster_.Persist(n);
  }
  cluster_.packets().clear();
  cluster_.Isolate(1);
  ASSERT_TRUE(cluster_.RunUntil([&] { return cluster_.replica(4).membership().version == 2; }));
  ASSERT_TRUE(cluster_.RunUntil([&] { return Leader() >= 4; }));
  EXPECT_FALSE(cluster_.replica(2).IsLeader());
  EXPECT_FALSE(cluster_.replica(3).IsLeader());
  EXPECT_TRUE(Write("on"));
}

// The leader that chose the entry dies before any of the new voters has learned it, and is no voter
// when it comes back: nobody would campaign.
TEST_F(MembershipChangeTest, NewVotersThatHearNoLeaderAskTheOldMembers) {
  for (uint32_t n = 1; n <= 3; ++n) cluster_.AddNode(M(0, {1, 2, 3}));
  Change(M(1, {1, 2, 3}, {4, 5, 6}));
  Lead(1);
  for (uint32_t n = 4; n <= 6; ++n) cluster_.Isolate(n);
  Propose(M(2, {4, 5, 6}));
  ASSERT_TRUE(cluster_.RunUntil([&] {
    for (uint32_t n = 1; n <= 3; ++n)
      if (cluster_.replica(n).membership().version != 2)
        return false;
    return true;
  }));
  cluster_.Crash(1);
  cluster_.Run(200);
  EXPECT_EQ(Leader(), 0u);
  cluster_.Heal();
  cluster_.Restart(1);
  EXPECT_TRUE(Write("on"));
  EXPECT_GE(Leader(), 4u);
}

// The leader dies once the entry is chosen and one new voter has learned it. That one has the votes
// of the others for slots above before they know why they may vote; from the first of these slots
// on whoever asked believes that the old machines may go, and then it is the next to die.
TEST_F(MembershipChangeTest, ASuccessorSpreadsTheEntryBeforeAnythingAboveIsChosen) {
  for (uint32_t n = 1; n <= 2; ++n) cluster_.AddNode(M(0, {1, 2, 3}));
  Change(M(1, {1, 2, 3}, {4, 5}));
  Lead(1);
  for (uint32_t n = 4; n <= 5; ++n) cluster_.Isolate(n);
  Propose(M(2, {2, 4, 5}));
  ASSERT_TRUE(cluster_.RunUntil([&] { return cluster_.replica(2).membership().version == 2; }));
  const Slot entry = cluster_.replica(2).learned();
  cluster_.Crash(1);
  cluster_.Crash(3);
  cluster_.packets().clear();
  cluster_.Heal();
  // 4 and 5 answer all that they are asked, and do not learn what was chosen.
  for (int tick = 0; tick < 300; ++tick) {
    cluster_.TickAll();
    for (int i = 0; i < 4; ++i) {
      for (const uint32_t n : {2, 4, 5}) cluster_.Persist(n);
      cluster_.DeliverAll([](const Packet& p) { return Is<LearnResp>(p); });
    }
  }
  EXPECT_EQ(cluster_.replica(2).learned(), entry);
  EXPECT_EQ(cluster_.replica(4).membership().version, 1u);
  ASSERT_TRUE(cluster_.RunUntil([&] { return cluster_.replica(2).learned() > entry; }));
  cluster_.Crash(2);
  EXPECT_TRUE(Write("by the two who are left"));
}

// Row 44: joiners among themselves are no cluster, nor is one that restarts before it learned
// anything.
TEST_F(MembershipChangeTest, JoinersNeverElectAmongThemselves) {
  const Membership told = M(1, {1, 2, 3}, {4, 5, 6});
  for (uint32_t n = 4; n <= 6; ++n) cluster_.AddNode(told);
  for (uint32_t n = 1; n <= 3; ++n) cluster_.Crash(n);
  cluster_.Run(300);
  cluster_.Crash(5);
  cluster_.Restart(5);
  cluster_.Run(300);
  EXPECT_EQ(cluster_.CountEvents("pre_vote"), 0u);
}

// It was told a membership in which it votes, by whoever let it in, but its log does not say so
// yet: a majority of such nodes could fill slots that others have chosen.
TEST_F(MembershipChangeTest, WhoWasOnlyToldThatItVotesDoesNotCampaign) {
  const Membership told = M(2, {1, 4, 5});
  for (uint32_t n = 4; n <= 5; ++n) cluster_.AddNode(told);
  for (uint32_t n = 1; n <= 3; ++n) cluster_.Crash(n);
  cluster_.Run(600);
  EXPECT_EQ(cluster_.CountEvents("pre_vote"), 0u);
  for (uint32_t n = 1; n <= 3; ++n) cluster_.Restart(n);
  Propose(M(1, {1, 2, 3}, {4, 5}));
  Change(told);
  cluster_.Crash(Leader());
  EXPECT_TRUE(Write("by those who know now"));
}

TEST_F(MembershipChangeTest, ReadsOfTheOldMembershipFailAtTheSwitch) {
  AddLearner(1, {1, 2, 3});
  const uint32_t leader = Leader();
  cluster_.Settle();
  Propose(M(2, {1, 2, 3, 4}));
  cluster_.Read(leader, 7);
  // Until the entry is chosen the old majority answers as ever; what was not answered then fails or
  // is granted under the new one, and nothing is granted while the switch is under way.
  cluster_.DeliverAll([](const Packet& p) { return Is<Promise>(p); });
  for (int i = 0; i < 4; ++i) {
    for (uint32_t n = 1; n <= 4; ++n) cluster_.Persist(n);
    cluster_.DeliverAll([](const Packet& p) { return Is<Promise>(p); });
  }
  ASSERT_TRUE(cluster_.replica(leader).MembershipChanging());
  cluster_.TakeGrants(leader);
  cluster_.TakeFailedReads(leader);
  cluster_.Read(leader, 8);
  for (int i = 0; i < 20; ++i) {
    cluster_.TickAll();
    cluster_.DeliverAll([](const Packet& p) { return Is<Promise>(p); });
  }
  EXPECT_THAT(cluster_.TakeGrants(leader), IsEmpty());
  ASSERT_TRUE(cluster_.RunUntil([&] { return cluster_.replica(leader).CanPropose(); }));
  cluster_.Read(leader, 9);
  cluster_.Run(3);
  EXPECT_FALSE(cluster_.TakeGrants(leader).empty());
}

// A restart of everybody in the middle of each stage: the entry is finished or was never there, and
// the group goes on in both cases.
TEST(MembershipRestartTest, ARestartAtAnyStageLosesNothing) {
  for (int stage = 0; stage < 40; ++stage) {
    SCOPED_TRACE(stage);
    Cluster cluster(3);
    ASSERT_NE(cluster.Elect(), 0u);
    const Membership with = M(1, {1, 2, 3}, {4});
    cluster.AddNode(with);
    const auto propose = [&](const Membership& next) {
      return cluster.RunUntil([&] {
        return cluster.Leader() != 0 && cluster.ProposeMembership(cluster.Leader(), next);
      });
    };
    const auto usable = [&] {
      return cluster.Leader() != 0 && cluster.replica(cluster.Leader()).CanPropose();
    };
    ASSERT_TRUE(propose(with));
    ASSERT_TRUE(cluster.RunUntil(usable));
    const uint32_t gone = cluster.Leader();
    std::vector<uint32_t> voters;
    for (uint32_t n = 1; n <= 4; ++n)
      if (n != gone)
        voters.push_back(n);
    ASSERT_TRUE(propose(M(2, voters)));
    // So many single steps of disks and deliveries, then the power goes everywhere.
    for (int step = 0; step < stage; ++step) {
      if (step % 3 == 2) {
        cluster.Persist(static_cast<uint32_t>(step / 3) % 4 + 1);
      } else if (!cluster.packets().empty()) {
        cluster.DeliverAt(0);
      } else {
        cluster.TickAll();
      }
    }
    for (uint32_t n = 1; n <= 4; ++n) cluster.Crash(n);
    cluster.packets().clear();
    for (uint32_t n = 1; n <= 4; ++n) cluster.Restart(n);
    ASSERT_TRUE(cluster.RunUntil(usable));
    const std::string text = "after " + std::to_string(stage);
    ASSERT_TRUE(cluster.Propose(cluster.Leader(), text));
    ASSERT_TRUE(cluster.RunUntil([&] {
      const uint32_t leader = cluster.Leader();
      return leader != 0 && !cluster.Commands(leader).empty() &&
             cluster.Commands(leader).back() == text;
    }));
    EXPECT_EQ(cluster.fault(), "");
  }
}

}  // namespace
}  // namespace synod::consensus
