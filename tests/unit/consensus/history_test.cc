// Bugs that other systems had, each as a scenario here. "Row n" is the number in
// docs/decisions/0001-consensus-core.md, which names the system and the report.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "src/base/random.h"
#include "tests/unit/consensus/cluster.h"
#include "tests/unit/consensus/support.h"

namespace synod::consensus {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

template <typename M>
bool Is(const Packet& packet) {
  return std::holds_alternative<M>(packet.message);
}

uint32_t Other(uint32_t a) { return a % 3 + 1; }
uint32_t Third(uint32_t a, uint32_t b) { return 6 - a - b; }

// Takes all packets that are under way out of the network.
std::vector<Packet> TakePackets(Cluster& cluster) {
  std::vector<Packet> taken(cluster.packets().begin(), cluster.packets().end());
  cluster.packets().clear();
  return taken;
}

// Row 1: reads answered from local state by a leader that was deposed.
TEST(HistoryTest, ADeposedLeaderGrantsNoRead) {
  Cluster cluster(3);
  const uint32_t old = cluster.Elect();
  cluster.Settle();
  cluster.Isolate(old);
  cluster.Read(old, 1);
  ASSERT_TRUE(cluster.RunUntil([&] { return cluster.Leader() != old && cluster.Leader() != 0; }));
  cluster.Propose(cluster.Leader(), "newer");
  cluster.Settle();
  cluster.Heal();
  cluster.Run(100);
  EXPECT_THAT(cluster.TakeGrants(old), IsEmpty());
  EXPECT_THAT(cluster.TakeFailedReads(old), ElementsAre(1));
  EXPECT_EQ(cluster.fault(), "");
}

// Row 2: read index before the leader has chosen anything in its own ballot.
TEST(HistoryTest, ANewLeaderGrantsReadsOnlyAfterItsLeaderStartIsChosen) {
  Cluster cluster(3);
  // Elected, but every vote for its first entry is lost.
  while (cluster.Leader() == 0) {
    cluster.TickAll();
    for (uint32_t n = 1; n <= 3; ++n) cluster.Persist(n);
    cluster.DeliverAll([](const Packet& p) { return Is<Accept>(p); });
  }
  const uint32_t leader = cluster.Leader();
  cluster.Read(leader, 1);
  cluster.DeliverAll([](const Packet& p) {
    const auto* accept = std::get_if<Accept>(&p.message);
    return accept != nullptr && !accept->entries.empty();
  });
  EXPECT_THAT(cluster.TakeGrants(leader), IsEmpty());
  cluster.Run(20);  // sent again
  const auto grants = cluster.TakeGrants(leader);
  ASSERT_THAT(grants, SizeIs(1));
  EXPECT_GE(grants[0].index, Slot(1));
}

// Row 3: late and repeated answers of an earlier round confirm a later read.
TEST(HistoryTest, AnswersOfAnEarlierRoundDoNotConfirmALaterRead) {
  Cluster cluster(3);
  const uint32_t leader = cluster.Elect();
  cluster.Settle();
  cluster.Read(leader, 1);
  std::vector<Packet> answers;
  cluster.DeliverAll([&](const Packet& p) {
    if (Is<Accepted>(p))
      answers.push_back(p);
    return false;
  });
  ASSERT_THAT(cluster.TakeGrants(leader), SizeIs(1));
  ASSERT_THAT(answers, SizeIs(2));
  // Cut off; meanwhile another leader may have chosen more. The old answers come once more.
  cluster.Isolate(leader);
  cluster.Read(leader, 2);
  for (int i = 0; i < 2; ++i) {
    for (const Packet& p : answers) cluster.Give(p.from.value, leader, p.message);
  }
  EXPECT_THAT(cluster.TakeGrants(leader), IsEmpty());
}

TEST(HistoryTest, AReadRoundOfAnEarlierLeadershipConfirmsNothingInALaterOne) {
  Cluster cluster(3);
  const uint32_t leader = cluster.Elect();
  cluster.Settle();
  std::vector<Packet> answers;
  for (uint64_t id = 1; id <= 5; ++id) {
    cluster.Read(leader, id);
    cluster.DeliverAll([&](const Packet& p) {
      if (Is<Accepted>(p))
        answers.push_back(p);
      return false;
    });
  }
  ASSERT_TRUE(cluster.Transfer(leader, Other(leader)).has_value());
  cluster.Run(2);
  ASSERT_TRUE(cluster.Transfer(Other(leader), leader).has_value());
  cluster.Run(2);
  ASSERT_EQ(cluster.Leader(), leader);
  cluster.Settle();
  cluster.TakeGrants(leader);
  cluster.Isolate(leader);
  cluster.Read(leader, 9);
  for (const Packet& p : answers) cluster.Give(p.from.value, leader, p.message);
  EXPECT_THAT(cluster.TakeGrants(leader), IsEmpty());
}

// Row 4: a follower's read right after a transfer is granted at an index that is too low.
TEST(HistoryTest, AFollowersReadAfterATransferCoversEverythingAcknowledged) {
  Cluster cluster(3);
  const uint32_t first = cluster.Elect();
  const uint32_t second = Other(first);
  const uint32_t follower = Third(first, second);
  cluster.Propose(first, "before");
  cluster.Settle();
  const Slot acknowledged = cluster.replica(first).learned();
  ASSERT_TRUE(cluster.Transfer(first, second).has_value());
  cluster.Read(follower, 1);
  cluster.Run(5);
  ASSERT_EQ(cluster.Leader(), second);
  cluster.TakeGrants(follower);
  cluster.Read(follower, 2);
  cluster.Settle();
  const auto grants = cluster.TakeGrants(follower);
  ASSERT_THAT(grants, SizeIs(1));
  EXPECT_GT(grants[0].index, acknowledged);
}

// Row 5: leases or reads that survive a transfer; a TimeoutNow that comes late.
TEST(HistoryTest, ALeaderThatHandedOverNeverResumesItsBallot) {
  Cluster cluster(3);
  const uint32_t first = cluster.Elect();
  const uint32_t second = Other(first);
  cluster.Settle();
  const Ballot ballot = cluster.replica(first).ballot();
  ASSERT_TRUE(cluster.Transfer(first, second).has_value());
  std::vector<Packet> late;
  for (int i = 0; i < 20 && late.empty(); ++i) {
    cluster.TickAll();
    cluster.DeliverAll([&](const Packet& p) {
      if (Is<TimeoutNow>(p))
        late.push_back(p);
      return Is<TimeoutNow>(p);
    });
  }
  ASSERT_THAT(late, SizeIs(1));
  EXPECT_FALSE(cluster.replica(first).IsLeader());
  cluster.Read(first, 1);
  cluster.Settle();
  EXPECT_THAT(cluster.TakeGrants(first), IsEmpty());
  const uint32_t next = cluster.Elect();
  ASSERT_NE(next, 0u);
  EXPECT_GT(cluster.replica(next).ballot(), ballot);
  // Its time has passed: it disturbs nobody.
  const size_t prepares = cluster.CountEvents("prepare");
  cluster.Give(first, second, late[0].message);
  cluster.Settle();
  EXPECT_EQ(cluster.CountEvents("prepare"), prepares);
  EXPECT_EQ(cluster.Leader(), next);
}

// Row 7: counting copies that were made in different ballots (figure 8 of the Raft paper).
TEST(HistoryTest, VotesOfDifferentBallotsDoNotAddUp) {
  Cluster cluster(5);
  // x has votes of 1 and 2 in ballot (1, 1); y one of 5 in ballot (2, 5), promised by 3 and 4.
  cluster.Give(1, 2, MakeAccept(B(1, 1), {{1, "x"}}));
  cluster.Give(1, 3, Prepare{B(1, 1), Slot(1), 1, false});
  for (uint32_t n : {3u, 4u}) cluster.Give(5, n, Prepare{B(2, 5), Slot(1), 1, false});
  cluster.Give(4, 5, MakeAccept(B(2, 4), {{1, "y"}}));
  for (uint32_t n = 1; n <= 5; ++n) cluster.Persist(n);
  TakePackets(cluster);
  for (uint32_t n = 1; n <= 5; ++n) EXPECT_THAT(cluster.Commands(n), IsEmpty());
  // A leader that meets both must take the higher ballot's value and have it voted for anew.
  const uint32_t leader = cluster.Elect();
  ASSERT_NE(leader, 0u);
  cluster.Run(20);
  const auto decided = cluster.Commands(leader);
  for (uint32_t n = 1; n <= 5; ++n) EXPECT_EQ(cluster.Commands(n), decided);
  EXPECT_EQ(cluster.fault(), "");
}

// Row 8: a commit index makes the stale value of a slot "chosen".
TEST(HistoryTest, AFollowerWithAStaleVoteLearnsTheChosenValue) {
  Cluster cluster(3);
  const uint32_t first = cluster.Elect();
  const uint32_t stale = Other(first);
  const uint32_t second = Third(first, stale);
  cluster.Settle();
  // "x" reaches only `stale`; then the other two go on without it and choose "y" in that slot.
  cluster.Cut(first, second);
  cluster.Propose(first, "x");
  cluster.DeliverAll([](const Packet& p) { return Is<Accepted>(p); });
  cluster.Persist(stale);
  cluster.Crash(first);
  cluster.Heal();
  cluster.Isolate(stale);
  cluster.Restart(first);
  const bool elected =
      cluster.RunUntil([&] { return cluster.Leader() == first || cluster.Leader() == second; });
  ASSERT_TRUE(elected);
  cluster.Propose(cluster.Leader(), "y");
  cluster.Settle();
  cluster.TakeEvents(stale);
  cluster.Heal();
  cluster.Run(20);
  EXPECT_THAT(cluster.Commands(stale), ElementsAre("y"));
  EXPECT_THAT(cluster.TakeEvents(stale), Contains("ignored_commit_of_other_ballot"));
  EXPECT_EQ(cluster.fault(), "");
}

// Row 9: packing leaves out an entry that does not fit and goes on with a later, smaller one.
TEST(HistoryTest, PackingStopsAtTheFirstEntryThatDoesNotFit) {
  Cluster cluster(3, 1, [](Config* config) { config->message_bytes_max = 200; });
  const uint32_t leader = cluster.Elect();
  cluster.Settle();
  const uint64_t first = cluster.replica(leader).learned().value + 1;
  Replica& replica = cluster.replica(leader);
  const std::vector<size_t> sizes = {10, 100, 150, 500, 1, 168, 1};
  for (const size_t size : sizes)
    ASSERT_TRUE(replica.Propose(EntryKind::kCommand, Payload(std::string(size, 'p'))).has_value());
  cluster.Pump(leader);
  const uint32_t follower = Other(leader);
  std::vector<std::vector<uint64_t>> messages;
  for (const Packet& p : cluster.packets()) {
    const auto* accept = std::get_if<Accept>(&p.message);
    if (p.to != NodeId(follower) || accept == nullptr)
      continue;
    auto& slots = messages.emplace_back();
    for (const Proposal& proposal : accept->entries)
      slots.push_back(proposal.slot.value - first + 1);
  }
  // 42 + 132 fit; 182 alone; 532 alone, above the limit; 33 alone, since 200 does not join it.
  EXPECT_THAT(messages, ElementsAre(ElementsAre(1, 2), ElementsAre(3), ElementsAre(4),
                                    ElementsAre(5), ElementsAre(6), ElementsAre(7)));
  cluster.Settle();
  EXPECT_THAT(cluster.Commands(follower), SizeIs(sizes.size()));
}

// Row 13: a value accepted by a minority is invisible to one read and visible to the next.
TEST(HistoryTest, ReadsThroughDifferentMajoritiesAgreeOnAnInterruptedWrite) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Cluster cluster(3, seed);
    const uint32_t first = cluster.Elect();
    const uint32_t holder = Other(first);
    cluster.Settle();
    cluster.Cut(first, Third(first, holder));
    cluster.Propose(first, "in doubt");
    cluster.DeliverAll([](const Packet& p) { return Is<Accepted>(p); });
    cluster.Persist(holder);
    cluster.Crash(first);
    cluster.Heal();
    ASSERT_NE(cluster.Elect(), 0u);
    cluster.Settle();
    cluster.Read(holder, 1);
    cluster.Settle();
    const size_t seen = cluster.Commands(holder).size();
    ASSERT_THAT(cluster.TakeGrants(holder), SizeIs(1));
    cluster.Restart(first);
    ASSERT_NE(cluster.Elect(), 0u);
    cluster.Run(10);
    cluster.Read(first, 2);
    cluster.Settle();
    ASSERT_THAT(cluster.TakeGrants(first), SizeIs(1));
    EXPECT_EQ(cluster.Commands(first).size(), seen) << seed;
    EXPECT_EQ(cluster.fault(), "");
  }
}

// Row 16: an entry that no majority has stays in one node's memory over an election.
TEST(HistoryTest, AnEntryOfAMinorityVanishesEverywhereOrAppearsEverywhere) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Cluster cluster(5, seed);
    const uint32_t first = cluster.Elect();
    cluster.Settle();
    cluster.Isolate(first);
    cluster.Propose(first, "minority");
    cluster.Persist(first);
    cluster.Run(150);
    const uint32_t second = cluster.Leader();
    ASSERT_NE(second, 0u);
    cluster.Propose(second, "majority");
    cluster.Settle();
    cluster.Heal();
    cluster.Run(50);
    for (uint32_t n = 1; n <= 5; ++n)
      EXPECT_EQ(cluster.Commands(n), cluster.Commands(second)) << "node " << n;
    EXPECT_EQ(cluster.fault(), "");
  }
}

// Row 17: an answer to learning before the data is on disk.
TEST(HistoryTest, LearnedValuesCountAsDurableOnlyWhenTheyAre) {
  Cluster cluster(3);
  const uint32_t leader = cluster.Elect();
  const uint32_t away = Other(leader);
  cluster.Isolate(away);
  cluster.Propose(leader, "a");
  cluster.Settle();
  cluster.Heal();
  for (int i = 0; i < 20; ++i) {
    cluster.TickAll();
    cluster.DeliverAll();
  }
  ASSERT_THAT(cluster.Commands(away), ElementsAre("a"));
  EXPECT_LT(cluster.replica(away).durable_learned(), cluster.replica(away).learned());
  cluster.Persist(away);
  EXPECT_EQ(cluster.replica(away).durable_learned(), cluster.replica(away).learned());
}

// Row 18: promise and votes written apart, with a crash in between.
TEST(HistoryTest, APromiseAndTheVotesThatRaisedItReachTheDiskTogether) {
  Cluster cluster(3);
  cluster.Give(1, 2, MakeAccept(B(4, 1), {{1, "a"}, {2, "b"}}));
  EXPECT_EQ(cluster.Unsynced(2), 1u);
  cluster.Crash(2);
  EXPECT_EQ(cluster.Disk(2).promised, Ballot{});
  EXPECT_THAT(cluster.DiskVotes(2), IsEmpty());
  cluster.Restart(2);
  cluster.Give(1, 2, MakeAccept(B(4, 1), {{1, "a"}, {2, "b"}}));
  cluster.Persist(2, 1);
  EXPECT_EQ(cluster.Disk(2).promised, B(4, 1));
  EXPECT_THAT(cluster.DiskVotes(2), SizeIs(2));
}

// Row 18 from the other side: a promise that was told but not written could be forgotten.
TEST(HistoryTest, ACrashBeforeTheSyncTakesBackNothingThatWasTold) {
  Cluster cluster(3);
  cluster.Give(2, 3, Prepare{B(5, 2), Slot(1), 1, false});
  cluster.Give(2, 3, MakeAccept(B(5, 2), {{1, "a"}}));
  EXPECT_THAT(TakePackets(cluster), IsEmpty());
  cluster.Crash(3);
  EXPECT_THAT(TakePackets(cluster), IsEmpty());
  cluster.Restart(3);
  cluster.Give(1, 3, MakeAccept(B(4, 1), {{1, "b"}}));
  cluster.Persist(3);
  const auto packets = TakePackets(cluster);
  ASSERT_THAT(packets, SizeIs(1));
  EXPECT_TRUE(Is<Accepted>(packets[0]));
}

// Row 20: a hole in one node's cache spreads to the others.
TEST(HistoryTest, LearnedEntriesWithAGapAreRefused) {
  Cluster cluster(3);
  const auto give = [&](uint64_t from, std::vector<uint64_t> slots) {
    LearnResp response{.from = Slot(from), .commit = {}, .first_available = {}, .entries = {}};
    for (const uint64_t s : slots) response.entries.push_back({Slot(s), E(std::to_string(s))});
    const Replica& replica = cluster.replica(2);
    const Slot before = replica.learned();
    cluster.replica(2).Receive(NodeId(1), response);
    return replica.learned().value - before.value;
  };
  EXPECT_EQ(give(1, {1, 3}), 0u);     // a hole inside
  EXPECT_EQ(give(2, {2, 3}), 0u);     // a hole before it
  EXPECT_EQ(give(1, {2, 1}), 0u);     // out of order
  EXPECT_EQ(give(1, {2}), 0u);        // not what it says
  EXPECT_EQ(give(1, {1, 2}), 2u);     // what continues the prefix
  EXPECT_EQ(give(1, {1, 2, 3}), 1u);  // overlap is fine
}

// Row 36: an acknowledgement of the older value is taken for the newer one in the same slot.
TEST(HistoryTest, AnAcknowledgementNamesTheBallotItIsFor) {
  Cluster cluster(3);
  cluster.Give(1, 3, MakeAccept(B(1, 1), {{1, "old"}}));
  cluster.Give(2, 3, MakeAccept(B(2, 2), {{1, "new"}}));
  ASSERT_EQ(cluster.Unsynced(3), 2u);
  cluster.Persist(3, 1);
  auto packets = TakePackets(cluster);
  ASSERT_THAT(packets, SizeIs(1));
  EXPECT_EQ(std::get<Accepted>(packets[0].message).ballot, B(1, 1));
  EXPECT_EQ(packets[0].to, NodeId(1));
  cluster.Persist(3, 1);
  packets = TakePackets(cluster);
  ASSERT_THAT(packets, SizeIs(1));
  EXPECT_EQ(std::get<Accepted>(packets[0].message).ballot, B(2, 2));
  EXPECT_EQ(packets[0].to, NodeId(2));
}

TEST(HistoryTest, ALateAcknowledgementOfAnOlderBallotIsNotCounted) {
  Cluster cluster(3);
  const uint32_t leader = cluster.Elect();
  cluster.Settle();
  cluster.Isolate(leader);
  cluster.Propose(leader, "mine");
  cluster.Persist(leader);
  const Slot slot = cluster.replica(leader).learned() + 1;
  Ballot older = cluster.replica(leader).ballot();
  --older.round;
  cluster.Give(Other(leader), leader, Accepted{older, 0, {}, {}, 0, {{slot, slot}}});
  EXPECT_THAT(cluster.Commands(leader), IsEmpty());
  cluster.Give(Other(leader), leader,
               Accepted{cluster.replica(leader).ballot(), 0, {}, {}, 0, {{slot, slot}}});
  EXPECT_THAT(cluster.Commands(leader), ElementsAre("mine"));
}

// -- Row 46: elections that never end, or that a hopeless node disturbs

TEST(HistoryTest, ANodeBackFromIsolationDisturbsNobody) {
  Cluster cluster(3);
  const uint32_t leader = cluster.Elect();
  const uint32_t away = Other(leader);
  cluster.Isolate(away);
  cluster.Run(1000);
  cluster.Heal();
  cluster.Run(300);
  EXPECT_EQ(cluster.Leader(), leader);
  EXPECT_EQ(cluster.CountEvents("stepped_down"), 0u);
  EXPECT_EQ(cluster.replica(away).leader(), NodeId(leader));
}

TEST(HistoryTest, ALeaderWithoutAMajorityStepsDown) {
  Cluster cluster(5);
  const uint32_t leader = cluster.Elect();
  cluster.Settle();
  cluster.Isolate(leader);
  ASSERT_TRUE(cluster.replica(leader).QuorumFresh());
  cluster.Run(60);
  EXPECT_FALSE(cluster.replica(leader).IsLeader());
}

TEST(HistoryTest, ALeaderHeardOnlyByABridgeDoesNotStopTheOthers) {
  // The leader reaches one node; that one and the three others reach each other.
  Cluster cluster(5);
  const uint32_t leader = cluster.Elect();
  const uint32_t bridge = leader % 5 + 1;
  for (uint32_t n = 1; n <= 5; ++n) {
    if (n != leader && n != bridge)
      cluster.Cut(leader, n);
  }
  cluster.Run(300);
  const uint32_t next = cluster.Leader();
  EXPECT_NE(next, 0u);
  EXPECT_NE(next, leader);
  EXPECT_FALSE(cluster.replica(leader).IsLeader());
}

TEST(HistoryTest, AHighRoundWithAShortLogDoesNotBlockTheElection) {
  // Node 3 has promised a high round and holds nothing; 1 and 2 hold a value and low rounds.
  Cluster cluster(3);
  cluster.Give(2, 1, MakeAccept(B(1, 2), {{1, "long"}}, 1));
  cluster.Give(1, 3, Prepare{B(50, 1), Slot(1), 1, false});
  for (uint32_t n = 1; n <= 3; ++n) cluster.Persist(n);
  cluster.packets().clear();
  EXPECT_NE(cluster.Elect(300), 0u);
}

TEST(HistoryTest, EveryConnectedMajorityElectsALeaderUnderAnyPartialPartition) {
  // All sets of cut links of three nodes, and random ones of five and seven.
  Random random(7);
  for (uint64_t round = 0; round < 32; ++round) {
    const uint32_t size = round < 8 ? 3 : (round % 2 == 0 ? 5 : 7);
    Cluster cluster(size, round + 1);
    ASSERT_NE(cluster.Elect(), 0u);
    std::vector<std::vector<bool>> linked(size + 1, std::vector<bool>(size + 1, true));
    uint32_t link = 0;
    for (uint32_t a = 1; a <= size; ++a) {
      for (uint32_t b = a + 1; b <= size; ++b, ++link) {
        const bool cut = size == 3 ? (round >> link & 1) != 0 : random.Chance(35);
        if (cut) {
          cluster.Cut(a, b);
          linked[a][b] = linked[b][a] = false;
        }
      }
    }
    bool possible = false;  // somebody reaches a majority
    for (uint32_t a = 1; a <= size; ++a) {
      const auto reached = std::count(linked[a].begin() + 1, linked[a].end(), true);
      possible = possible || reached >= static_cast<int>(size / 2 + 1);
    }
    cluster.Run(400);
    const size_t before = cluster.CountEvents("became_leader");
    const auto led = [&] {
      return cluster.Leader() != 0 && cluster.replica(cluster.Leader()).QuorumFresh();
    };
    EXPECT_EQ(cluster.RunUntil(led, 600), possible) << "round " << round;
    cluster.Run(600);
    EXPECT_LE(cluster.CountEvents("became_leader") - before, 8u) << "round " << round;
    EXPECT_EQ(cluster.fault(), "");
  }
}

}  // namespace
}  // namespace synod::consensus
