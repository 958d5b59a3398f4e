// Replica: electing, agreeing, catching up, surviving.
#include "consensus/replica.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/consensus/cluster.h"
#include "tests/unit/consensus/support.h"

namespace synod::consensus {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

class ClusterSizeTest : public testing::TestWithParam<uint32_t> {};

TEST_P(ClusterSizeTest, ElectsOneLeaderAndAppliesWhatItProposesEverywhere) {
  Cluster cluster(GetParam());
  const uint32_t leader = cluster.Elect();
  ASSERT_NE(leader, 0u);
  EXPECT_TRUE(cluster.Propose(leader, "a"));
  EXPECT_TRUE(cluster.Propose(leader, "b"));
  cluster.Settle();
  for (uint32_t n = 1; n <= GetParam(); ++n)
    EXPECT_THAT(cluster.Commands(n), ElementsAre("a", "b")) << "node " << n;
  EXPECT_EQ(cluster.CountEvents("became_leader"), 1u);
  EXPECT_EQ(cluster.fault(), "");
}

TEST_P(ClusterSizeTest, GoesOnWithAMinorityDown) {
  Cluster cluster(GetParam());
  const uint32_t first = cluster.Elect();
  cluster.Propose(first, "a");
  cluster.Settle();
  uint32_t crashed = 0;
  for (uint32_t n = first; crashed < (GetParam() - 1) / 2; n = n % GetParam() + 1, ++crashed)
    cluster.Crash(n);
  const uint32_t next = cluster.Elect();
  ASSERT_NE(next, 0u);
  EXPECT_TRUE(cluster.Propose(next, "b"));
  cluster.Settle();
  EXPECT_THAT(cluster.Commands(next), ElementsAre("a", "b"));
}

TEST_P(ClusterSizeTest, KeepsEverythingOverAPowerCutOfAll) {
  Cluster cluster(GetParam());
  const uint32_t leader = cluster.Elect();
  cluster.Propose(leader, "a");
  cluster.Settle();
  for (uint32_t n = 1; n <= GetParam(); ++n) cluster.Crash(n);
  for (uint32_t n = 1; n <= GetParam(); ++n) cluster.Restart(n);
  ASSERT_NE(cluster.Elect(), 0u);
  cluster.Run(20);
  for (uint32_t n = 1; n <= GetParam(); ++n) EXPECT_THAT(cluster.Commands(n), ElementsAre("a"));
  EXPECT_EQ(cluster.fault(), "");
}

INSTANTIATE_TEST_SUITE_P(Sizes,
                         ClusterSizeTest,
                         testing::Values(1, 2, 3, 5, 7),
                         [](const auto& suite) { return "Of" + std::to_string(suite.param); });

TEST(ReplicaTest, DoesNotChooseWithoutAMajority) {
  Cluster cluster(3);
  const uint32_t leader = cluster.Elect();
  cluster.Isolate(leader);
  cluster.Propose(leader, "lost");
  cluster.Settle();
  EXPECT_THAT(cluster.Commands(leader), IsEmpty());
}

TEST(ReplicaTest, ASingleVoterLeadsAfterItsFirstTickAndSync) {
  Cluster cluster(1);
  cluster.Tick(1);
  EXPECT_FALSE(cluster.replica(1).IsLeader());
  cluster.Persist(1);
  EXPECT_TRUE(cluster.replica(1).IsLeader());
  EXPECT_TRUE(cluster.Propose(1, "a"));
  EXPECT_THAT(cluster.Commands(1), IsEmpty());
  cluster.Persist(1);
  EXPECT_THAT(cluster.Commands(1), ElementsAre("a"));
}

TEST(ReplicaTest, FirstEntryOfALeaderIsItsLeaderStart) {
  Cluster cluster(3);
  const uint32_t leader = cluster.Elect();
  cluster.Settle();
  const Chosen& start = cluster.Applied(leader).at(0);
  EXPECT_EQ(start.entry.kind, EntryKind::kLeaderStart);
  EXPECT_EQ(start.entry.origin, cluster.replica(leader).ballot());
  EXPECT_THAT(*start.entry.payload, IsEmpty());
}

TEST(ReplicaTest, HandsOutEveryLearnedEntryAboveTheAppliedOneAfterARestart) {
  Cluster cluster(3);
  const uint32_t leader = cluster.Elect();
  for (int i = 0; i < 10; ++i) {
    cluster.Propose(leader, std::to_string(i));
    cluster.Settle();
  }
  const uint32_t follower = leader % 3 + 1;
  const Slot durable = cluster.replica(follower).durable_learned();
  cluster.Crash(follower);
  cluster.Restart(follower);
  EXPECT_EQ(cluster.replica(follower).learned(), durable);
  EXPECT_EQ(cluster.Applied(follower).size(), durable.value);
}

// -- failure detection

TEST(ReplicaTest, WhenTheLeadersProcessIsGoneTheNextLeadsWithinTwoHeartbeats) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Cluster cluster(3, seed);
    const uint32_t leader = cluster.Elect();
    cluster.Run(10);
    cluster.Crash(leader);
    for (uint32_t n = 1; n <= 3; ++n) {
      if (n != leader)
        cluster.PeerGone(n, leader);
    }
    EXPECT_TRUE(cluster.RunUntil([&] { return cluster.Leader() != 0; }, 10)) << "seed " << seed;
  }
}

TEST(ReplicaTest, AFollowerAloneInItsBeliefThatTheLeaderIsGoneDisturbsNobody) {
  Cluster cluster(3);
  const uint32_t leader = cluster.Elect();
  cluster.Run(10);
  const Ballot ballot = cluster.replica(leader).ballot();
  cluster.PeerGone(leader % 3 + 1, leader);
  cluster.Run(100);
  EXPECT_EQ(cluster.Leader(), leader);
  EXPECT_EQ(cluster.replica(leader).ballot(), ballot);
}

TEST(ReplicaTest, APeerThatDoesNotLeadMayGoAtAnyTime) {
  Cluster cluster(3);
  const uint32_t leader = cluster.Elect();
  const uint32_t gone = leader % 3 + 1;
  cluster.Crash(gone);
  cluster.PeerGone(leader, gone);
  cluster.PeerGone(6 - leader - gone, gone);
  cluster.Run(200);
  EXPECT_EQ(cluster.CountEvents("became_leader"), 1u);
}

// -- catching up

TEST(ReplicaTest, ALaggardIsFedFromMemory) {
  Cluster cluster(3);
  const uint32_t leader = cluster.Elect();
  const uint32_t away = leader % 3 + 1;
  cluster.Isolate(away);
  for (int i = 0; i < 700; ++i) {
    cluster.Propose(leader, std::to_string(i));
    cluster.Settle();
  }
  cluster.Heal();
  cluster.Run(20);
  EXPECT_EQ(cluster.Commands(away), cluster.Commands(leader));
}

TEST(ReplicaTest, ALaggardIsFedFromTheDiskWhenTheMemoryHasForgotten) {
  Cluster cluster(3, 1, [](Config* config) {
    config->cache_bytes = 500;
    config->message_bytes_max = 2000;
  });
  const uint32_t leader = cluster.Elect();
  const uint32_t away = leader % 3 + 1;
  cluster.Isolate(away);
  for (int i = 0; i < 300; ++i) {
    cluster.Propose(leader, std::to_string(i));
    cluster.Settle();
  }
  cluster.Heal();
  cluster.Run(60);
  EXPECT_EQ(cluster.Commands(away), cluster.Commands(leader));
  EXPECT_EQ(cluster.fault(), "");
}

TEST(ReplicaTest, TheOnlyNodeThatKnowsMoreFeedsTheNewLeader) {
  Cluster cluster(3);
  const uint32_t first = cluster.Elect();
  const uint32_t behind = first % 3 + 1;
  const uint32_t ahead = 6 - first - behind;
  cluster.Isolate(behind);
  for (int i = 0; i < 20; ++i) {
    cluster.Propose(first, std::to_string(i));
    cluster.Settle();
  }
  cluster.Crash(first);
  cluster.Heal();
  // Only the one that is behind may campaign.
  cluster.replica(behind).Receive(NodeId(first), TimeoutNow{cluster.replica(behind).ballot(), {}});
  cluster.Pump(behind);
  cluster.Settle();
  ASSERT_EQ(cluster.Leader(), behind);
  cluster.Settle();
  EXPECT_THAT(cluster.Commands(behind), SizeIs(20));
  EXPECT_EQ(cluster.Commands(behind), cluster.Commands(ahead));
  EXPECT_EQ(cluster.fault(), "");
}

TEST(ReplicaTest, AskedForWhatIsTruncatedItSaysThatASnapshotIsNeeded) {
  Cluster cluster(3, 1, [](Config* config) { config->cache_bytes = 0; });
  const uint32_t leader = cluster.Elect();
  for (int i = 0; i < 10; ++i) {
    cluster.Propose(leader, std::to_string(i));
    cluster.Settle();
  }
  Replica& replica = cluster.replica(leader);
  const Slot first = replica.durable_learned();
  replica.Truncate(first);
  EXPECT_EQ(replica.first_slot(), first);
  cluster.Give(leader % 3 + 1, leader, LearnReq{Slot(2), 1000});
  ASSERT_THAT(cluster.packets(), SizeIs(1));
  const auto& response = std::get<LearnResp>(cluster.packets()[0].message);
  EXPECT_THAT(response.entries, IsEmpty());
  EXPECT_EQ(response.first_available, first);
  EXPECT_THAT(cluster.TakeEvents(leader), Contains("peer_needs_snapshot"));
  cluster.DeliverAll();
}

TEST(ReplicaTest, OneDiskReadPerPeerAtATime) {
  Cluster cluster(3, 1, [](Config* config) { config->cache_bytes = 0; });
  const uint32_t leader = cluster.Elect();
  for (int i = 0; i < 10; ++i) {
    cluster.Propose(leader, std::to_string(i));
    cluster.Settle();
  }
  Replica& replica = cluster.replica(leader);
  const NodeId peer(leader % 3 + 1);
  replica.Receive(peer, LearnReq{Slot(1), 1000});
  replica.Receive(peer, LearnReq{Slot(1), 1000});
  Output out = replica.TakeOutput();
  ASSERT_THAT(out.load, SizeIs(1));
  EXPECT_EQ(out.load[0].peer, peer);
  EXPECT_EQ(out.load[0].from, Slot(1));
  EXPECT_THAT(out.send, IsEmpty());
  replica.Loaded(out.load[0], {});
  replica.Receive(peer, LearnReq{Slot(1), 1000});
  out = replica.TakeOutput();
  EXPECT_THAT(out.load, SizeIs(1));
  EXPECT_THAT(out.send, SizeIs(1));  // that the log no longer has them
}

TEST(ReplicaTest, ALearnerFollowsWithoutAVote) {
  Cluster cluster(4, 1, [](Config* config) {
    config->membership.voters = {NodeId(1), NodeId(2), NodeId(3)};
    config->membership.learners = {NodeId(4)};
  });
  const uint32_t leader = cluster.Elect();
  ASSERT_NE(leader, 0u);
  ASSERT_NE(leader, 4u);
  cluster.Propose(leader, "a");
  cluster.Settle();
  EXPECT_THAT(cluster.Commands(4), ElementsAre("a"));
  // Its answers are no votes, and it never campaigns.
  cluster.Isolate(leader % 3 + 1);
  cluster.Crash(6 - leader - (leader % 3 + 1));
  cluster.Propose(leader, "b");
  cluster.Settle();
  EXPECT_THAT(cluster.Commands(leader), ElementsAre("a"));
  cluster.Crash(leader);
  cluster.Run(300);
  EXPECT_EQ(cluster.replica(4).role(), Role::kFollower);
  cluster.Read(4, 1);
  cluster.Run(60);
  EXPECT_THAT(cluster.TakeFailedReads(4), ElementsAre(1));
}

// -- who may not lead

TEST(ReplicaTest, WhoMayLeadNoMoreTakesNoNextRoundWhenItIsRefused) {
  for (const bool may_lead : {true, false}) {
    Cluster cluster(3);
    const uint32_t leader = cluster.Elect();
    ASSERT_NE(leader, 0u);
    cluster.Settle();
    const uint32_t other = leader % 3 + 1;
    const Ballot ballot = cluster.replica(leader).ballot();
    cluster.replica(leader).SetMayLead(may_lead);
    cluster.Give(other, leader,
                 Nack{ballot, B(ballot.round + 1, other), Slot(1), NackReason::kStale});
    cluster.Pump(leader);
    EXPECT_EQ(cluster.replica(leader).role(), may_lead ? Role::kCandidate : Role::kFollower);
    cluster.Run(300);
    EXPECT_EQ(cluster.Leader() == leader, may_lead);
    EXPECT_NE(cluster.Leader(), 0u);
  }
}

// -- durability of what is learned

TEST(ReplicaTest, PersistLearnedWritesOnlyIfThereIsSomethingNew) {
  Cluster cluster(3);
  const uint32_t leader = cluster.Elect();
  cluster.Propose(leader, "a");
  cluster.Settle();
  Replica& replica = cluster.replica(leader);
  ASSERT_LT(replica.durable_learned(), replica.learned());
  replica.PersistLearned();
  replica.PersistLearned();
  cluster.Pump(leader);
  EXPECT_EQ(cluster.Unsynced(leader), 1u);
  cluster.Persist(leader);
  EXPECT_EQ(replica.durable_learned(), replica.learned());
  replica.PersistLearned();
  cluster.Pump(leader);
  EXPECT_EQ(cluster.Unsynced(leader), 0u);
}

// -- hostile and foreign input

TEST(ReplicaTest, StrangersAreNotHeard) {
  Cluster cluster(3);
  const uint32_t leader = cluster.Elect();
  cluster.Settle();
  const Ballot ballot = cluster.replica(leader).ballot();
  const Ballot theirs = B(ballot.round + 1, 9);
  for (uint32_t n = 1; n <= 3; ++n) {
    cluster.Give(9, n, PreVote{theirs, Slot(100), 0});
    cluster.Give(9, n, Prepare{theirs, Slot(1), 0, true});
    cluster.Give(9, n, MakeAccept(theirs, {{1, "theirs"}}, 1));
    cluster.Give(9, n, TimeoutNow{ballot, Slot(1)});
    cluster.Give(9, n, ReadIndexReq{1, 1});
    cluster.Give(9, n, LearnReq{Slot(1), 100});
    cluster.Give(9, n, LearnResp{Slot(1), Slot(5), Slot(3), {{Slot(2), E("x")}}});
    cluster.Give(9, n, Nack{ballot, theirs, Slot(1), NackReason::kStale});
    cluster.Give(9, n, Accepted{ballot, 9, Slot(1), Slot(1), 0, {{Slot(1), Slot(9)}}});
  }
  for (const Packet& p : cluster.packets()) {
    const auto* nack = std::get_if<Nack>(&p.message);
    const auto* reply = std::get_if<PreVoteReply>(&p.message);
    EXPECT_TRUE((nack != nullptr && nack->reason == NackReason::kConfigStale) ||
                (reply != nullptr && !reply->granted))
        << Name(p.message);
  }
  cluster.packets().clear();
  cluster.Run(20);
  EXPECT_EQ(cluster.Leader(), leader);
  EXPECT_EQ(cluster.replica(leader).ballot(), ballot);
}

TEST(ReplicaTest, NobodySpeaksInTheNameOfAnother) {
  Cluster cluster(3);
  cluster.Give(1, 2, Prepare{B(5, 3), Slot(1), 1, false});
  cluster.Give(1, 2, MakeAccept(B(5, 3), {{1, "x"}}));
  cluster.Give(1, 2, PreVote{B(5, 3), Slot(0), 1});
  EXPECT_EQ(cluster.replica(2).ballot(), Ballot{});
  EXPECT_THAT(cluster.packets(), IsEmpty());
}

TEST(ReplicaTest, ARoundFromTheFarFuturePoisonsNobody) {
  Cluster cluster(3);
  const Ballot poison = B(uint64_t{1} << 60, 1);
  cluster.Give(1, 2, Prepare{poison, Slot(1), 1, true});
  cluster.Give(1, 2, MakeAccept(poison, {{1, "x"}}));
  cluster.Give(1, 2, Nack{B(1, 2), poison, Slot(1), NackReason::kStale});
  EXPECT_EQ(cluster.replica(2).ballot(), Ballot{});
  const uint32_t leader = cluster.Elect();
  ASSERT_NE(leader, 0u);
  EXPECT_LT(cluster.replica(leader).ballot().round, 100u);
}

// Kept, it would be written as commit_hint, told in every promise, and never be reached.
TEST(ReplicaTest, ACommitFromTheFarFutureIsIgnored) {
  Cluster cluster(3);
  const uint32_t leader = cluster.Elect();
  ASSERT_NE(leader, 0u);
  const uint32_t node = leader % 3 + 1;
  const Slot before = cluster.replica(node).commit();
  const Slot far{~uint64_t{0} - 5};
  LearnResp learnt;
  learnt.from = before + 1;
  learnt.commit = far;
  cluster.Give(leader, node, MakeAccept(cluster.replica(leader).ballot(), {}, ~uint64_t{0} - 5));
  cluster.Give(leader, node, learnt);
  EXPECT_EQ(cluster.replica(node).commit(), before);
}

TEST(ReplicaTest, APromiseThatClaimsTheFarFutureIsIgnored) {
  Cluster cluster(3);
  while (cluster.packets().empty()) cluster.Tick(1);
  const auto* asked = std::get_if<PreVote>(&cluster.packets().front().message);
  ASSERT_NE(asked, nullptr);
  const Ballot ballot = asked->ballot;
  cluster.Give(2, 1, PreVoteReply{ballot, true, {}, {}, {}});
  cluster.Persist(1);
  Promise promise = MakePromise(ballot, 0, {});
  promise.commit_hint = Slot(~uint64_t{0} - 5);
  cluster.Give(2, 1, promise);
  EXPECT_EQ(cluster.replica(1).commit(), Slot());
  EXPECT_FALSE(cluster.replica(1).IsLeader());
  promise.commit_hint = Slot();
  cluster.Give(2, 1, promise);
  EXPECT_TRUE(cluster.replica(1).IsLeader());
}

TEST(ReplicaTest, AnAcceptWithSlotsOutOfOrderIsIgnored) {
  Cluster cluster(3);
  cluster.Give(1, 2, MakeAccept(B(1, 1), {{2, "b"}, {1, "a"}}));
  cluster.Give(1, 2, MakeAccept(B(1, 1), {{2, "b"}, {2, "b"}}));
  cluster.Give(1, 2, MakeAccept(B(1, 1), {{0, "z"}}));
  EXPECT_EQ(cluster.Unsynced(2), 0u);
  EXPECT_THAT(cluster.packets(), IsEmpty());
}

TEST(ReplicaTest, TheSameInputsGiveTheSameOutputs) {
  const auto run = [] {
    Cluster cluster(3, 99);
    const uint32_t leader = cluster.Elect();
    std::string transcript;
    for (int i = 0; i < 5; ++i) cluster.Propose(leader, std::to_string(i));
    for (int i = 0; i < 100; ++i) {
      cluster.TickAll();
      for (const Packet& p : cluster.packets()) {
        transcript += Name(p.message);
        Writer writer(&transcript);
        Encode(p.message, &writer);
      }
      cluster.Settle();
    }
    return transcript;
  };
  EXPECT_EQ(run(), run());
}

}  // namespace
}  // namespace synod::consensus
