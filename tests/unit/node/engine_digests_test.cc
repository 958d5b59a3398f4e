// Digests compared, nodes that diverge, and builds of different versions in one cluster.
#include "src/node/engine_digests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/node/engine_cluster.h"

namespace synod::node {
namespace {

using testing::HasSubstr;

auth::Settings OtherState() {
  auth::Settings settings;
  settings.quota_bytes += 1;
  return settings;
}

// Slots, one each.
void Write(EngineCluster& cluster, uint32_t through, int count) {
  for (int i = 0; i < count; ++i) {
    const auto call = cluster.node(through).Change(EngineCluster::PutCommand("/a", "x"), 5000);
    ASSERT_TRUE(call) << call.error().detail;
    cluster.Settle();
    ASSERT_TRUE(cluster.Answer(through, *call));
  }
}

Errc ReadCode(EngineCluster& cluster, uint32_t id, Consistency consistency) {
  ReadRequest request;
  request.consistency = consistency;
  const CallId call = cluster.node(id).Read(request);
  cluster.Run(100);
  const auto answer = cluster.ReadAnswer(id, call);
  if (!answer)
    return Errc::kInternal;
  return *answer ? Errc::kOk : answer->error().code;
}

// Node 3 has another state than those who are to find out.
uint32_t ElectAnotherThan3(EngineCluster& cluster) {
  if (cluster.Elect() == 3) {
    EXPECT_TRUE(cluster.node(3).AskToLead(NodeId(1)));
  }
  cluster.Run(300);
  return cluster.Elect();
}

// What was said to the leader before it is said to its successor again, one by one: a few early
// voices must not look like a cluster that does not agree.
TEST(DigestWatchTest, ANewLeaderWaitsUntilItCanHaveHeardEverybody) {
  const Digest good{{1, 1}};
  const Digest other{{2, 2}};
  const std::vector<NodeId> voters = {NodeId(1), NodeId(2), NodeId(3), NodeId(4), NodeId(5)};
  DigestWatch watch(NodeId(1), 10);
  watch.Note(Slot(10), good, false, 1'000);
  watch.Heard(NodeId(2), {{Slot(10), good}});
  watch.Heard(NodeId(3), {{Slot(10), other}});
  machine::DigestCheck last;
  last.agreed = true;
  EXPECT_FALSE(watch.Next(last, voters, 10'000, 10'100));
  watch.Heard(NodeId(4), {{Slot(10), good}});
  EXPECT_FALSE(watch.Next(last, voters, 10'000, 11'999));
  const auto check = watch.Next(last, voters, 10'000, 12'000);
  ASSERT_TRUE(check);
  EXPECT_EQ(check->slot, Slot(10));
  EXPECT_EQ(check->reports.size(), 4U);
}

// Two of five have started since and do not know the slot any more, one has another state: that is
// no cluster that does not agree.
TEST(DigestWatchTest, EverybodyIsAskedBeforeNobodyIsFoundRight) {
  const Digest good{{1, 1}};
  const Digest other{{2, 2}};
  const std::vector<NodeId> voters = {NodeId(1), NodeId(2), NodeId(3), NodeId(4), NodeId(5)};
  machine::DigestCheck last;
  last.agreed = true;
  for (const bool enough : {true, false}) {
    DigestWatch watch(NodeId(1), 10);
    watch.Note(Slot(10), other, true, 10'000);  // somebody else asked
    watch.Heard(NodeId(2), {{Slot(10), good}});
    watch.Heard(NodeId(3), {{Slot(10), good}});
    const auto question = watch.Next(last, voters, 1'000, 12'000);
    ASSERT_TRUE(question);
    EXPECT_EQ(question->slot, Slot());
    EXPECT_FALSE(watch.Next(last, voters, 1'000, 12'100)) << "once is enough";

    watch.Note(Slot(12), other, true, 12'100);
    watch.Heard(NodeId(2), {{Slot(12), good}});
    watch.Heard(NodeId(3), {{Slot(12), good}});
    if (enough)
      watch.Heard(NodeId(4), {{Slot(12), good}});
    EXPECT_FALSE(watch.Next(last, voters, 1'000, 14'099));
    const auto check = watch.Next(last, voters, 1'000, 14'100);
    ASSERT_TRUE(check);
    EXPECT_EQ(check->slot, Slot(12));
    EXPECT_EQ(check->reports.size(), enough ? 4U : 3U);
  }
}

TEST(EngineDigestsTest, AllVotersAreComparedAtEachMultiple) {
  EngineCluster cluster(3, {.digest_every = 20});
  const uint32_t leader = cluster.Elect();
  Write(cluster, leader, 30);
  cluster.Run(1200);
  for (uint32_t id = 1; id <= 3; ++id) {
    const machine::DigestCheck& check = cluster.node(id).machine().digest_check();
    EXPECT_EQ(check.slot, Slot(20));
    EXPECT_TRUE(check.agreed);
    EXPECT_TRUE(check.diverged.empty());
    EXPECT_FALSE(cluster.node(id).IsDiverged());
  }
  // One entry a slot: an idle cluster stays idle.
  const Slot applied = cluster.node(leader).machine().applied();
  cluster.Run(30'000);
  EXPECT_EQ(cluster.node(leader).machine().applied(), applied);
}

TEST(EngineDigestsTest, ANodeWithAnotherStateServesNothingAndTheOthersGoOn) {
  EngineCluster cluster(3, {.digest_every = 20, .settings = {{3, OtherState()}}});
  const uint32_t good = ElectAnotherThan3(cluster);
  ASSERT_NE(good, 3U);
  Write(cluster, good, 30);
  // A wait of its own client is pending when it finds out.
  const auto wait = cluster.node(3).Change(EngineCluster::PutCommand("/b", "x"), 60'000);
  ASSERT_TRUE(wait);
  cluster.Run(1200);
  EXPECT_TRUE(cluster.node(3).IsDiverged());
  EXPECT_EQ(cluster.ended_streams(), 1);
  EXPECT_EQ(cluster.node(3).Ready().error().code, Errc::kNotReady);
  EXPECT_EQ(ReadCode(cluster, 3, Consistency::kLinearizable), Errc::kNotReady);
  EXPECT_EQ(ReadCode(cluster, 3, Consistency::kSequential), Errc::kNotReady);
  const auto change = cluster.node(3).Change(EngineCluster::PutCommand("/c", "x"), 5000);
  ASSERT_FALSE(change);
  EXPECT_EQ(change.error().code, Errc::kNotReady);
  EXPECT_EQ(change.error().outcome, Outcome::kNotApplied);
  for (const uint32_t id : {1U, 2U}) {
    EXPECT_FALSE(cluster.node(id).IsDiverged());
    EXPECT_EQ(cluster.node(id).machine().digest_check().diverged, std::set{NodeId(3)});
    EXPECT_EQ(ReadCode(cluster, id, Consistency::kLinearizable), Errc::kOk);
    Write(cluster, id, 1);
  }
  // It still votes: with one of the others gone, it is what makes the majority.
  cluster.Kill(good == 1 ? 2 : 1);
  cluster.Run(2000);
  ASSERT_EQ(cluster.Elect(), good);
  Write(cluster, good, 1);
}

TEST(EngineDigestsTest, ALeaderThatDivergedHandsOverAndDoesNotLeadAgain) {
  EngineCluster cluster(3, {.digest_every = 20, .settings = {{3, OtherState()}}});
  ASSERT_NE(cluster.Elect(), 0U);
  ASSERT_TRUE(cluster.node(1).AskToLead(NodeId(3)));
  cluster.Run(100);
  ASSERT_EQ(cluster.node(1).LeaderBegun(), NodeId(3));
  Write(cluster, 3, 30);
  cluster.Run(1500);
  EXPECT_TRUE(cluster.node(3).IsDiverged());
  const auto next = cluster.node(1).LeaderBegun();
  ASSERT_TRUE(next);
  EXPECT_NE(*next, NodeId(3));
  Write(cluster, next->value, 1);
  ASSERT_TRUE(cluster.node(1).AskToLead(NodeId(3)));
  cluster.Run(1500);
  for (uint32_t id = 1; id <= 2; ++id) {
    ASSERT_TRUE(cluster.node(id).LeaderBegun());
    EXPECT_NE(*cluster.node(id).LeaderBegun(), NodeId(3));
  }
}

TEST(EngineDigestsTest, ARestartDoesNotForgetTheDivergence) {
  EngineCluster cluster(3, {.digest_every = 20, .settings = {{3, OtherState()}}});
  const uint32_t leader = cluster.Elect();
  Write(cluster, leader, 30);
  cluster.Run(1200);
  ASSERT_TRUE(cluster.node(3).IsDiverged());
  cluster.Restart(3);
  EXPECT_TRUE(cluster.node(3).IsDiverged()) << "before it has heard of anybody";
  EXPECT_EQ(ReadCode(cluster, 3, Consistency::kSequential), Errc::kNotReady);
  cluster.Run(20'000);
  EXPECT_TRUE(cluster.node(3).IsDiverged());
}

TEST(EngineDigestsTest, AStateThatWasLoadedIsComparedWithoutWaitingForAMultiple) {
  EngineCluster cluster(3, {.settings = {{3, OtherState()}}});
  const uint32_t leader = cluster.Elect();
  Write(cluster, leader, 3);
  cluster.Run(5000);
  EXPECT_FALSE(cluster.node(3).IsDiverged());
  const uint32_t restarted = leader == 1 ? 2 : 1;
  cluster.Restart(restarted);
  cluster.Run(5000);
  EXPECT_TRUE(cluster.node(3).IsDiverged());
  EXPECT_FALSE(cluster.node(restarted).IsDiverged());
}

TEST(EngineDigestsTest, ADiscardedStateIsTakenAnewAndServesOnceTheOthersAgreeOnIt) {
  EngineCluster cluster(3, {.digest_every = 20, .settings = {{3, OtherState()}}});
  Write(cluster, cluster.Elect(), 30);
  cluster.Run(3000);
  ASSERT_TRUE(cluster.node(3).IsDiverged());
  const uint32_t leader = cluster.Elect();
  ASSERT_NE(leader, 3U);
  cluster.Restart(3, machine::kMachineVersion, {.discard = true});
  cluster.Run(20);
  EXPECT_TRUE(cluster.node(3).replica().AwaitsState());
  EXPECT_EQ(ReadCode(cluster, 3, Consistency::kSequential), Errc::kNotReady);
  cluster.Run(2000);
  EXPECT_FALSE(cluster.node(3).replica().AwaitsState());
  EXPECT_EQ(cluster.node(3).machine().digest(), cluster.node(leader).machine().digest());
  cluster.Run(15'000);
  EXPECT_FALSE(cluster.node(3).IsDiverged());
  EXPECT_TRUE(cluster.node(leader).machine().digest_check().diverged.empty());
  EXPECT_EQ(ReadCode(cluster, 3, Consistency::kLinearizable), Errc::kOk);
  Write(cluster, 3, 1);
  ASSERT_TRUE(cluster.node(leader).AskToLead(NodeId(3)));
  cluster.Run(500);
  EXPECT_TRUE(cluster.node(3).replica().IsLeader());
}

// Without a state it votes, and what is learned meanwhile is run once there is one.
TEST(EngineDigestsTest, ANodeThatAwaitsItsStateVotes) {
  EngineCluster cluster(3);
  const uint32_t leader = cluster.Elect();
  Write(cluster, leader, 5);
  const uint32_t victim = leader % 3 + 1;
  const uint32_t third = 6 - leader - victim;
  cluster.Restart(victim, machine::kMachineVersion, {.discard = true});
  cluster.Kill(third);
  cluster.Run(20);
  ASSERT_TRUE(cluster.node(victim).replica().AwaitsState());
  Write(cluster, leader, 5);
  cluster.Run(3000);
  EXPECT_FALSE(cluster.node(victim).replica().AwaitsState());
  EXPECT_EQ(cluster.node(victim).machine().digest(), cluster.node(leader).machine().digest());
  // One voter's word is no majority: nothing is confirmed.
  EXPECT_TRUE(cluster.node(victim).IsDiverged());
}

// The one that gave its state is wrong and nobody knows: with the one that took it, it would be two
// of three. Nor does the operator's word end with the process that it was given to.
TEST(EngineDigestsTest, AWrongStateIsNotMadeTheMajorityByWhoTookIt) {
  for (const bool restarted : {false, true}) {
    EngineCluster cluster(3, {.settings = {{2, OtherState()}}});
    ASSERT_NE(cluster.Elect(), 0U);
    ASSERT_TRUE(cluster.node(1).AskToLead(NodeId(2)));
    cluster.Run(300);
    ASSERT_EQ(cluster.Elect(), 2U);
    Write(cluster, 2, 5);
    cluster.Cut(1, 3);
    cluster.Restart(3, machine::kMachineVersion, {.discard = true});
    cluster.Run(5'000);
    ASSERT_FALSE(cluster.node(3).replica().AwaitsState());
    if (restarted)
      cluster.Restart(3);
    cluster.Heal();
    cluster.Run(10'000);
    ASSERT_EQ(cluster.node(3).machine().settings().quota_bytes, OtherState().quota_bytes);
    EXPECT_TRUE(cluster.node(3).IsDiverged()) << restarted;
    EXPECT_FALSE(cluster.node(1).IsDiverged()) << restarted;
    EXPECT_FALSE(cluster.node(1).machine().digest_check().agreed) << restarted;
  }
}

TEST(EngineDigestsTest, AStateThatIsNotConfirmedBeforeARestartIsConfirmedAfterIt) {
  EngineCluster cluster(3);
  const uint32_t leader = cluster.Elect();
  Write(cluster, leader, 5);
  const uint32_t victim = leader % 3 + 1;
  cluster.Isolate(6 - leader - victim);
  cluster.Restart(victim, machine::kMachineVersion, {.discard = true});
  cluster.Run(10'000);
  ASSERT_FALSE(cluster.node(victim).replica().AwaitsState());
  cluster.Restart(victim);
  cluster.Run(10'000);
  EXPECT_TRUE(cluster.node(victim).IsDiverged());
  EXPECT_THAT(cluster.node(victim).Ready().error().detail, HasSubstr("is not confirmed yet"));
  cluster.Heal();
  cluster.Run(15'000);
  EXPECT_FALSE(cluster.node(victim).StateUnconfirmed());
  EXPECT_FALSE(cluster.node(victim).IsDiverged());
  EXPECT_EQ(ReadCode(cluster, victim, Consistency::kLinearizable), Errc::kOk);
}

// Stopped after the mark was made and before the other state was in its place.
TEST(EngineDigestsTest, AnUnconfirmedStateThatIsFoundWrongSaysWhatToDo) {
  EngineCluster cluster(3, {.settings = {{3, OtherState()}}});
  ASSERT_NE(ElectAnotherThan3(cluster), 3U);
  cluster.Restart(3, machine::kMachineVersion, {.unconfirmed = true});
  cluster.Run(20'000);
  EXPECT_TRUE(cluster.node(3).StateUnconfirmed());
  EXPECT_THAT(cluster.node(3).Ready().error().detail, HasSubstr("start it once with"));
}

TEST(EngineDigestsTest, WithoutAMajorityNobodyTakesChangesAndReadsGoOn) {
  auth::Settings third;
  third.quota_bytes += 2;
  EngineCluster cluster(3, {.digest_every = 20, .settings = {{2, OtherState()}, {3, third}}});
  const uint32_t leader = cluster.Elect();
  Write(cluster, leader, 30);
  cluster.Run(1500);
  for (uint32_t id = 1; id <= 3; ++id) {
    EXPECT_FALSE(cluster.node(id).machine().digest_check().agreed);
    EXPECT_FALSE(cluster.node(id).IsDiverged());
    EXPECT_EQ(cluster.node(id).Ready().error().code, Errc::kNotReady);
    const auto change = cluster.node(id).Change(EngineCluster::PutCommand("/c", "x"), 5000);
    ASSERT_FALSE(change);
    EXPECT_EQ(change.error().code, Errc::kNotReady);
    EXPECT_EQ(change.error().outcome, Outcome::kNotApplied);
    EXPECT_EQ(ReadCode(cluster, id, Consistency::kLinearizable), Errc::kOk);
  }
  // Nobody could renew a lease: its time stands still.
  const ClusterTime before = cluster.node(leader).Now();
  cluster.Run(10'000);
  EXPECT_EQ(cluster.node(leader).Now(), before);
}

TEST(EngineDigestsTest, ANodeThatWasAwayIsComparedWhenItReturns) {
  EngineCluster cluster(3, {.digest_every = 20, .settings = {{3, OtherState()}}});
  const uint32_t good = ElectAnotherThan3(cluster);
  ASSERT_NE(good, 3U);
  cluster.Isolate(3);
  Write(cluster, good, 30);
  cluster.Run(4000);
  // A majority was enough.
  EXPECT_EQ(cluster.node(good).machine().digest_check().slot, Slot(20));
  EXPECT_TRUE(cluster.node(good).machine().digest_check().diverged.empty());
  EXPECT_FALSE(cluster.node(3).IsDiverged());
  cluster.Heal();
  cluster.Run(2000);
  EXPECT_TRUE(cluster.node(3).IsDiverged()) << "by its own digest of that slot";
}

// It was found out by what it said while it heard nothing, and what it lacks comes as a snapshot.
TEST(EngineDigestsTest, ASnapshotThatTellsOfADivergenceEndsWhatIsServed) {
  EngineCluster cluster(3,
                        {.digest_every = 20, .settings = {{3, OtherState()}}, .short_log = true});
  uint32_t good = ElectAnotherThan3(cluster);
  ASSERT_NE(good, 3U);
  Write(cluster, good, 30);
  for (const uint32_t id : {1U, 2U}) cluster.CutOneWay(id, 3);
  cluster.Run(5000);
  good = cluster.Elect();
  ASSERT_NE(good, 3U);
  Write(cluster, good, 3);
  cluster.Run(5000);
  ASSERT_EQ(cluster.node(good).machine().digest_check().diverged, std::set{NodeId(3)});
  ASSERT_FALSE(cluster.node(3).IsDiverged());
  ASSERT_EQ(cluster.ended_streams(), 0);
  cluster.Heal();
  cluster.Run(15'000);
  EXPECT_EQ(cluster.node(3).snapshot_counters().installed, 1U);
  EXPECT_EQ(cluster.ended_streams(), 1);
  EXPECT_FALSE(cluster.node(3).IsDiverged()) << "it has what the others have now";
}

TEST(EngineVersionsTest, TheVersionRisesOnceEveryMemberSupportsTheNewOne) {
  EngineCluster cluster(3, {.supports = {{1, 2}, {2, 2}}});
  cluster.Elect();
  cluster.Run(2000);
  Write(cluster, 1, 3);
  for (uint32_t id = 1; id <= 3; ++id) EXPECT_EQ(cluster.node(id).machine().version(), 1U) << id;
  cluster.Restart(3, 2);
  cluster.Run(3000);
  for (uint32_t id = 1; id <= 3; ++id) EXPECT_EQ(cluster.node(id).machine().version(), 2U) << id;
  Write(cluster, 3, 1);
  // An idle cluster stays idle.
  const Slot applied = cluster.node(1).machine().applied();
  cluster.Run(10'000);
  EXPECT_EQ(cluster.node(1).machine().applied(), applied);
}

TEST(EngineVersionsTest, AnOlderBuildStopsAtTheFirstEntryItDoesNotKnowAndSaysWhy) {
  EngineCluster cluster(3, {.supports = {{1, 2}, {2, 2}, {3, 2}}});
  const uint32_t leader = cluster.Elect();
  const uint32_t old = leader == 1 ? 2 : 1;
  while (cluster.node(leader).machine().members().size() < 3) cluster.Run(10);
  // Back to an older build before the raise is in its log, and the others do not know.
  cluster.Isolate(old);
  cluster.Run(3000);
  ASSERT_EQ(cluster.node(leader).machine().version(), 2U);
  ASSERT_EQ(cluster.node(old).machine().version(), 1U);
  cluster.Restart(old, 1);
  EXPECT_TRUE(cluster.stopped().empty());
  cluster.Heal();
  cluster.Run(3000);
  ASSERT_TRUE(cluster.stopped().contains(old));
  EXPECT_NE(cluster.stopped().at(old).find("machine version 2"), std::string::npos);
  EXPECT_EQ(cluster.stopped().size(), 1U);
  EXPECT_EQ(cluster.node(old).machine().version(), 1U);
}

}  // namespace
}  // namespace synod::node
