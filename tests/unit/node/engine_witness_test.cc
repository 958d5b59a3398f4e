// What members remember of each other's logs, and what follows for a log that has lost something.
#include "src/node/engine_witness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/node/engine_cluster.h"

namespace synod::node {
namespace {

using testing::HasSubstr;

const std::vector<NodeId> kThree = {NodeId(1), NodeId(2), NodeId(3)};

Witness::Statement Says(uint64_t gen, uint64_t version = 1, std::vector<NodeId> voters = kThree) {
  return {false, gen, version, std::move(voters)};
}

TEST(WitnessTest, OneOfThreeWaitsForOneOther) {
  Witness witness(NodeId(1), 7, "");
  witness.Judge(1, kThree);
  EXPECT_FALSE(witness.trusted());
  witness.Told(NodeId(2), Says(7));
  witness.Judge(1, kThree);
  EXPECT_TRUE(witness.trusted());
}

TEST(WitnessTest, OneOfFiveWaitsForTwoOthersAndCountsEachOnce) {
  const std::vector<NodeId> five = {NodeId(1), NodeId(2), NodeId(3), NodeId(4), NodeId(5)};
  Witness witness(NodeId(1), 7, "");
  witness.Told(NodeId(2), Says(0, 1, five));
  witness.Told(NodeId(2), Says(0, 1, five));
  witness.Judge(1, five);
  EXPECT_FALSE(witness.trusted());
  witness.Told(NodeId(5), Says(0, 1, five));
  witness.Judge(1, five);
  EXPECT_TRUE(witness.trusted());
}

TEST(WitnessTest, ALoneVoterHasNobodyToAsk) {
  Witness witness(NodeId(1), 7, "");
  witness.Judge(1, {NodeId(1)});
  EXPECT_TRUE(witness.trusted());
}

TEST(WitnessTest, WhoSawMoreThanTheLogHasProvesALoss) {
  Witness witness(NodeId(1), 7, "");
  witness.Told(NodeId(2), Says(8));
  witness.Judge(1, kThree);
  EXPECT_FALSE(witness.trusted());
  EXPECT_THAT(witness.lost(), HasSubstr("member 2 saw 8 records"));
  // Nothing that comes later makes up for it.
  witness.Appended(100);
  witness.Told(NodeId(3), Says(0));
  witness.Judge(1, kThree);
  EXPECT_FALSE(witness.trusted());
}

TEST(WitnessTest, RecordsWrittenSinceTheStartDoNotHideWhatIsGone) {
  Witness witness(NodeId(1), 7, "");
  witness.Appended(8);
  witness.Told(NodeId(2), Says(8));
  witness.Judge(1, kThree);
  EXPECT_FALSE(witness.trusted());
  EXPECT_THAT(witness.lost(), HasSubstr("saw 8 records"));
}

TEST(WitnessTest, ALateWitnessIsHeardToo) {
  Witness witness(NodeId(1), 7, "");
  witness.Told(NodeId(2), Says(7));
  witness.Judge(1, kThree);
  ASSERT_TRUE(witness.trusted());
  witness.Appended(9);
  witness.SawMe(NodeId(3), 9);
  EXPECT_TRUE(witness.trusted());
  witness.SawMe(NodeId(3), 10);
  EXPECT_FALSE(witness.trusted());
}

// It was away while {1,2,3} became {1,4,5}: those whom it knows are switched off.
TEST(WitnessTest, TheVotersOfTodayDecide) {
  const std::vector<NodeId> today = {NodeId(1), NodeId(4), NodeId(5)};
  Witness witness(NodeId(1), 7, "");
  witness.Told(NodeId(4), Says(7, 3, today));
  witness.Judge(1, kThree);
  EXPECT_TRUE(witness.trusted());
  // Who does not vote today is no part of the majority.
  Witness removed(NodeId(2), 7, "");
  removed.Told(NodeId(3), Says(7, 3, today));
  removed.Told(NodeId(4), Says(7, 3, today));
  removed.Judge(1, kThree);
  EXPECT_FALSE(removed.trusted());
  removed.Told(NodeId(5), Says(7, 3, today));
  removed.Judge(1, kThree);
  EXPECT_TRUE(removed.trusted());
}

TEST(WitnessTest, TheTableIsKeptWithACheckpointAndBelongsToItsCluster) {
  Witness witness(NodeId(1), 7, "");
  witness.Saw(NodeId(2), 20);
  witness.Saw(NodeId(3), 30);
  witness.Saw(NodeId(2), 19);
  const Bytes kept = witness.Encode("c1");
  Witness next(NodeId(1), 7, "");
  next.Remember("c1", kept);
  EXPECT_EQ(next.GenOf(NodeId(2)), 20u);
  EXPECT_EQ(next.GenOf(NodeId(3)), 30u);
  Witness other(NodeId(1), 7, "");
  other.Remember("c2", kept);
  other.Remember("c1", "");
  other.Remember("c1", kept.substr(0, kept.size() - 1));
  EXPECT_EQ(other.GenOf(NodeId(3)), 0u);
}

TEST(EngineWitnessTest, AProcessThatNobodyAnsweredTakesNoPart) {
  EngineCluster cluster(3);
  cluster.Isolate(1);
  cluster.Run(3000);
  EXPECT_EQ(cluster.node(1).TakesPart().error().code, Errc::kNotReady);
  EXPECT_EQ(cluster.node(1).replica().ballot(), Ballot());
  EXPECT_TRUE(cluster.node(2).TakesPart());
}

// A frame that is lost is asked for again.
TEST(EngineWitnessTest, AsksUntilItIsAnswered) {
  EngineCluster cluster(3);
  cluster.Isolate(1);
  cluster.Run(100);
  cluster.Heal();
  cluster.Run(100);
  EXPECT_TRUE(cluster.node(1).TakesPart());
}

TEST(EngineWitnessTest, AllMayStartAtOnceAndElect) {
  EngineCluster cluster(5);
  EXPECT_NE(cluster.Elect(), 0u);
}

TEST(EngineWitnessTest, AFollowerKnowsTheOthersFromTheLeadersTable) {
  EngineCluster cluster(3);
  const uint32_t leader = cluster.Elect();
  ASSERT_NE(leader, 0u);
  const uint32_t victim = leader % 3 + 1;
  const uint32_t third = 6 - leader - victim;
  ASSERT_TRUE(cluster.node(leader).Change(EngineCluster::PutCommand("/a", "1"), 1000));
  cluster.Run(200);
  // The leader, the only one that the victim ever answered, is gone with it.
  cluster.Kill(leader);
  cluster.Kill(victim);
  cluster.Start(victim, cluster.GenOf(victim) - 1);
  cluster.Run(3000);
  EXPECT_TRUE(cluster.node(victim).quarantined());
  EXPECT_THAT(cluster.node(victim).TakesPart().error().detail,
              HasSubstr("member " + std::to_string(third) + " saw"));
  EXPECT_TRUE(cluster.lost_.contains(NodeId(victim)));
  EXPECT_EQ(cluster.ended_streams(), 1) << "nothing new comes to it";
  EXPECT_FALSE(cluster.node(third).Ready());
  EXPECT_FALSE(cluster.node(victim).Change(EngineCluster::PutCommand("/a", "2"), 1000));
}

// One that saw less believed it first: it served until the one that saw more was heard.
TEST(EngineWitnessTest, WhatWaitsAtANodeThatIsFoundOutIsAnsweredAtOnce) {
  EngineCluster cluster(3);
  const uint32_t leader = cluster.Elect();
  ASSERT_NE(leader, 0u);
  const uint32_t victim = leader % 3 + 1;
  const uint32_t third = 6 - leader - victim;
  cluster.Run(200);
  cluster.Isolate(third);
  const uint64_t old_copy = cluster.GenOf(victim);
  // More than what the victim writes while it is believed.
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(cluster.node(leader).Change(EngineCluster::PutCommand("/a", "1"), 1000));
    cluster.Run(50);
  }
  ASSERT_GT(cluster.GenOf(victim), old_copy + 10);
  cluster.Kill(victim);
  cluster.Heal();
  cluster.Isolate(leader);
  cluster.Start(victim, old_copy);
  cluster.Run(100);
  ASSERT_TRUE(cluster.node(victim).TakesPart());
  const auto waits = cluster.node(victim).Change(EngineCluster::PutCommand("/a", "2"), 60'000);
  ASSERT_TRUE(waits);
  cluster.Run(10);
  ASSERT_FALSE(cluster.Answer(victim, *waits));
  EXPECT_EQ(cluster.ended_streams(), 0);

  cluster.Heal();
  cluster.Isolate(third);
  cluster.Run(100);
  ASSERT_TRUE(cluster.node(victim).quarantined());
  EXPECT_EQ(cluster.ended_streams(), 1);
  const auto answer = cluster.Answer(victim, *waits);
  ASSERT_TRUE(answer);
  ASSERT_TRUE(answer->has_error());
  EXPECT_EQ(answer->error().code, Errc::kNotReady);
  EXPECT_THAT(answer->error().detail, HasSubstr("quarantined"));
}

TEST(EngineWitnessTest, ACompleteLogIsTakenBackAtOnce) {
  EngineCluster cluster(3);
  const uint32_t leader = cluster.Elect();
  ASSERT_NE(leader, 0u);
  const uint32_t victim = leader % 3 + 1;
  cluster.Kill(victim);
  cluster.Start(victim, cluster.GenOf(victim));
  cluster.Run(30);
  EXPECT_TRUE(cluster.node(victim).TakesPart());
}

// It would make up, at the next start, for what the log has lost.
TEST(EngineWitnessTest, WhatAProcessWritesWaitsUntilItIsTrusted) {
  for (const bool complete : {false, true}) {
    EngineCluster cluster(3);
    const uint32_t leader = cluster.Elect();
    ASSERT_NE(leader, 0u);
    const uint32_t victim = leader % 3 + 1;
    ASSERT_TRUE(cluster.node(leader).Change(EngineCluster::PutCommand("/a", "1"), 1000));
    cluster.Run(200);
    cluster.Kill(victim);
    cluster.Isolate(victim);
    const uint64_t found = cluster.GenOf(victim) - (complete ? 0 : 1);
    cluster.Start(victim, found);
    cluster.Run(3000);
    ASSERT_GT(cluster.node(victim).replica().learned(), Slot()) << "nothing to make durable";
    EXPECT_EQ(cluster.GenOf(victim), found);
    if (!complete) {
      cluster.Kill(victim);
      cluster.Start(victim, cluster.GenOf(victim));
    }
    cluster.Heal();
    cluster.Run(200);
    EXPECT_EQ(cluster.node(victim).quarantined(), !complete);
    EXPECT_EQ(cluster.GenOf(victim) > found, complete);
  }
}

TEST(EngineWitnessTest, AnIdentityThatWasFoundLostStaysSo) {
  EngineCluster cluster(3);
  ASSERT_NE(cluster.Elect(), 0u);
  cluster.Kill(1);
  cluster.Start(1, cluster.GenOf(1), "an old copy");
  cluster.Run(2000);
  EXPECT_TRUE(cluster.node(1).quarantined());
  EXPECT_FALSE(cluster.lost_.contains(NodeId(1)));  // told once, by the process that found it
  EXPECT_THAT(cluster.node(1).Ready().error().detail, HasSubstr("an old copy"));
}

}  // namespace
}  // namespace synod::node
