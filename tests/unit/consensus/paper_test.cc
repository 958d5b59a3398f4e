// Lamport, "Paxos Made Simple" (2001), statement by statement. The names P1 to P2c and the section
// numbers are the paper's; the sentences say them in our words.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "consensus/acceptor.h"
#include "consensus/takeover.h"
#include "tests/unit/consensus/cluster.h"
#include "tests/unit/consensus/support.h"

namespace synod::consensus {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// The messages of type M that wait in the network.
template <typename M>
std::vector<M> Waiting(Cluster& cluster) {
  std::vector<M> found;
  for (const Packet& packet : cluster.packets()) {
    if (const M* message = std::get_if<M>(&packet.message))
      found.push_back(*message);
  }
  return found;
}

template <typename M>
bool Is(const Packet& packet) {
  return std::holds_alternative<M>(packet.message);
}

// -- Section 2.1, the problem

TEST(PaxosPaperTest, Section21OnlyAProposedValueIsChosen) {
  Cluster cluster(3);
  const uint32_t leader = cluster.Elect();
  cluster.Propose(leader, "proposed");
  cluster.Settle();
  for (uint32_t n = 1; n <= 3; ++n) EXPECT_THAT(cluster.Commands(n), ElementsAre("proposed"));
}

TEST(PaxosPaperTest, Section21OnlyOneValueIsChosenForASlot) {
  Cluster cluster(3);
  const uint32_t first = cluster.Elect();
  cluster.Isolate(first);
  cluster.Propose(first, "minority");
  const uint32_t slot = static_cast<uint32_t>(cluster.replica(first).learned().value + 1);
  cluster.Run(150);
  const uint32_t second = cluster.Leader();
  ASSERT_NE(second, 0u);
  ASSERT_NE(second, first);
  cluster.Propose(second, "majority");
  cluster.Settle();
  cluster.Heal();
  cluster.Run(30);
  const Chosen& at_first = cluster.Applied(first).at(slot - 1);
  const Chosen& at_second = cluster.Applied(second).at(slot - 1);
  EXPECT_TRUE(at_first.entry.SameValue(at_second.entry));
  EXPECT_EQ(cluster.fault(), "");
}

TEST(PaxosPaperTest, Section21NobodyLearnsAValueThatIsNotChosen) {
  Cluster cluster(3);
  const uint32_t leader = cluster.Elect();
  cluster.Propose(leader, "value");
  cluster.DeliverAll([](const Packet& p) { return Is<Accepted>(p); });
  for (uint32_t n = 1; n <= 3; ++n) EXPECT_THAT(cluster.Commands(n), IsEmpty());
}

// -- Section 2.2, choosing a value

class PaperAcceptorTest : public testing::Test {
 protected:
  Votes Vote(Ballot ballot, const std::string& value) {
    return acceptor_.Vote(MakeAccept(ballot, {{1, value}}), &log_, &journal_);
  }
  Promise Report() const {
    return acceptor_.Report(Slot(1), {acceptor_.promised(), {}, {}, Slot(1)}, log_, 1 << 20).at(0);
  }
  Journal journal_{HardState{}, 1000};
  Log log_{{}, Slot{}, Slot{}};
  Acceptor acceptor_{Ballot{}};
};

TEST_F(PaperAcceptorTest, P1AnAcceptorAcceptsTheFirstProposalItReceives) {
  EXPECT_EQ(Vote(B(1, 1), "first").ranges.size(), 1u);
}

struct P1aCase {
  const char* name;
  Ballot promised;
  Ballot asked;
  bool accepted;
};

class P1aTest : public testing::TestWithParam<P1aCase> {};

// P1a: accept a proposal if and only if no prepare with a greater number was answered.
TEST_P(P1aTest, AcceptsIfAndOnlyIfNoGreaterBallotWasPromised) {
  Cluster cluster(3);
  const auto& [name, promised, asked, accepted] = GetParam();
  cluster.Give(promised.node.value, 3, Prepare{promised, Slot(1), 1, false});
  cluster.Persist(3);
  cluster.packets().clear();
  cluster.Give(asked.node.value, 3, MakeAccept(asked, {{1, "v"}}));
  cluster.Persist(3);
  EXPECT_EQ(Waiting<Accepted>(cluster).size(), accepted ? 1u : 0u);
  const auto nacks = Waiting<Nack>(cluster);
  ASSERT_EQ(nacks.size(), accepted ? 0u : 1u);
  if (!accepted) {
    EXPECT_EQ(nacks[0].promised, promised);
  }
}

INSTANTIATE_TEST_SUITE_P(Rounds,
                         P1aTest,
                         testing::Values(
                             // round decides
                             P1aCase{"LowerRound", B(5, 1), B(4, 2), false},
                             P1aCase{"HigherRound", B(5, 1), B(6, 2), true},
                             // then the node
                             P1aCase{"SameRoundLowerNode", B(5, 2), B(5, 1), false},
                             P1aCase{"SameRoundHigherNode", B(5, 1), B(5, 2), true},
                             P1aCase{"SameBallot", B(5, 1), B(5, 1), true}),
                         [](const auto& suite) { return suite.param.name; });

TEST_F(PaperAcceptorTest, Phase1bTellsTheHighestNumberedProposalAccepted) {
  Vote(B(1, 1), "old");
  Vote(B(3, 2), "new");
  ASSERT_TRUE(acceptor_.Promise(B(7, 1), &journal_));
  const Promise promise = Report();
  EXPECT_EQ(promise.ballot, B(7, 1));
  ASSERT_EQ(promise.entries.size(), 1u);
  EXPECT_EQ(promise.entries[0].ballot, B(3, 2));
  EXPECT_EQ(*promise.entries[0].entry.payload, "new");
}

// P2c (a): no acceptor of the majority accepted anything: any value may be proposed.
TEST(PaxosPaperTest, P2cAFreeSlotIsLeftToTheProposer) {
  Takeover takeover(B(9, 1), Slot(1));
  ASSERT_TRUE(takeover.Add(NodeId(1), MakePromise(B(9, 1), 0, {})));
  ASSERT_TRUE(takeover.Add(NodeId(2), MakePromise(B(9, 1), 0, {})));
  EXPECT_EQ(takeover.Bound(Slot(1)), nullptr);
}

// P2c (b): else the value of the highest-numbered proposal among those accepted.
TEST(PaxosPaperTest, P2cABoundSlotTakesTheValueOfTheHighestBallot) {
  Takeover takeover(B(9, 1), Slot(1));
  ASSERT_TRUE(takeover.Add(NodeId(1), MakePromise(B(9, 1), 0, {MakeVote(1, B(2, 2), "v2")})));
  ASSERT_TRUE(takeover.Add(NodeId(2), MakePromise(B(9, 1), 0, {MakeVote(1, B(4, 3), "v4")})));
  ASSERT_TRUE(takeover.Add(NodeId(3), MakePromise(B(9, 1), 0, {MakeVote(1, B(3, 2), "v3")})));
  EXPECT_EQ(*takeover.Bound(Slot(1))->payload, "v4");
}

// P2, through P2a and P2b: once chosen, every higher-numbered proposal has that value.
TEST(PaxosPaperTest, P2AValueChosenInSecretIsProposedAgainByTheNextLeader) {
  Cluster cluster(3);
  const uint32_t first = cluster.Elect();
  const uint32_t other = first % 3 + 1;
  const uint32_t last = other % 3 + 1;
  // Accepted by two of three, but the leader never hears of it and dies: chosen, unknown to all.
  cluster.Cut(first, last);
  cluster.Propose(first, "chosen in secret");
  cluster.Persist(first);
  cluster.DeliverAll([](const Packet& p) { return Is<Accepted>(p); });
  cluster.Persist(other);
  cluster.Crash(first);
  cluster.packets().clear();
  cluster.Heal();
  const uint32_t second = cluster.Elect();
  ASSERT_NE(second, 0u);
  cluster.Settle();
  EXPECT_THAT(cluster.Commands(other), ElementsAre("chosen in secret"));
  EXPECT_THAT(cluster.Commands(last), ElementsAre("chosen in secret"));
  EXPECT_EQ(cluster.fault(), "");
}

TEST(PaxosPaperTest, Phase2aNeedsPromisesOfAMajority) {
  Cluster cluster(5);
  cluster.Isolate(4);
  cluster.Isolate(5);
  cluster.Crash(3);
  cluster.Run(300);
  EXPECT_EQ(cluster.Leader(), 0u);
  cluster.Restart(3);
  EXPECT_TRUE(cluster.RunUntil([&] { return cluster.Leader() != 0; }));
}

TEST(PaxosPaperTest, Section22AnAcceptorMayIgnoreAnyRequest) {
  Cluster cluster(3);
  const uint32_t leader = cluster.Elect();
  const uint32_t deaf = leader % 3 + 1;
  cluster.Isolate(deaf);
  cluster.Propose(leader, "without it");
  cluster.Settle();
  EXPECT_THAT(cluster.Commands(leader), ElementsAre("without it"));
}

TEST(PaxosPaperTest, Section22AnAcceptorRemembersItsPromiseOverARestart) {
  Cluster cluster(3);
  cluster.Give(1, 3, Prepare{B(5, 1), Slot(1), 1, false});
  cluster.Persist(3);
  cluster.Crash(3);
  cluster.Restart(3);
  cluster.packets().clear();
  cluster.Give(2, 3, Prepare{B(4, 2), Slot(1), 1, false});
  const auto nacks = Waiting<Nack>(cluster);
  ASSERT_EQ(nacks.size(), 1u);
  EXPECT_EQ(nacks[0].promised, B(5, 1));
}

TEST(PaxosPaperTest, Section22AProposerIsToldWhenAHigherBallotIsAtWork) {
  Cluster cluster(3);
  const uint32_t leader = cluster.Elect();
  const uint32_t follower = leader % 3 + 1;
  const Ballot higher{cluster.replica(leader).ballot().round + 1, NodeId(follower)};
  cluster.Give(follower, follower % 3 + 1,
               MakeAccept(higher, {}));  // sent by itself or not: ignored
  const uint32_t third = 6 - leader - follower;
  cluster.Give(follower, third, MakeAccept(higher, {}));
  cluster.Propose(leader, "x");
  cluster.Settle();
  EXPECT_GT(cluster.replica(cluster.Leader()).ballot(), higher);
  EXPECT_GE(cluster.CountEvents("refused"), 1u);
}

// -- Section 2.3, learning

TEST(PaxosPaperTest, Section23ALearnerThatMissedAValueFindsOutLater) {
  Cluster cluster(3);
  const uint32_t leader = cluster.Elect();
  const uint32_t missing = leader % 3 + 1;
  cluster.Isolate(missing);
  cluster.Propose(leader, "missed");
  cluster.Settle();
  EXPECT_THAT(cluster.Commands(missing), IsEmpty());
  cluster.Heal();
  cluster.Run(20);
  EXPECT_THAT(cluster.Commands(missing), ElementsAre("missed"));
}

// -- Section 2.4, progress

TEST(PaxosPaperTest, Section24TwoProposersDoNotDuelForEver) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Cluster cluster(3, seed);
    // Both time out in the same tick, again and again if they are unlucky.
    cluster.Run(50);
    EXPECT_NE(cluster.Elect(400), 0u) << "seed " << seed;
    EXPECT_LE(cluster.CountEvents("prepare"), 6u) << "seed " << seed;
  }
}

// -- Section 2.5, the implementation

TEST(PaxosPaperTest, Section25AnAnswerLeavesAfterItIsOnDisk) {
  Cluster cluster(3);
  cluster.Give(1, 3, Prepare{B(5, 1), Slot(1), 1, false});
  EXPECT_THAT(Waiting<Promise>(cluster), IsEmpty());
  cluster.Persist(3);
  EXPECT_EQ(Waiting<Promise>(cluster).size(), 1u);
  cluster.Give(1, 3, MakeAccept(B(5, 1), {{1, "v"}}));
  EXPECT_THAT(Waiting<Accepted>(cluster), IsEmpty());
  cluster.Persist(3);
  EXPECT_EQ(Waiting<Accepted>(cluster).size(), 1u);
}

TEST(PaxosPaperTest, Section25ProposersNeverShareABallot) {
  Cluster cluster(3);
  const uint32_t leader = cluster.Elect();
  EXPECT_EQ(cluster.replica(leader).ballot().node, NodeId(leader));
}

TEST(PaxosPaperTest, Section25AProposerNeverUsesABallotAgainAfterARestart) {
  Cluster cluster(1);
  Ballot last;
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(cluster.Elect(), 1u);
    EXPECT_GT(cluster.replica(1).ballot(), last);
    last = cluster.replica(1).ballot();
    cluster.Crash(1);
    cluster.Restart(1);
    EXPECT_FALSE(cluster.replica(1).IsLeader());
  }
}

TEST(PaxosPaperTest, Section25ThePrepareWaitsForTheOwnPromise) {
  Cluster cluster(3);
  // Only node 1 moves; the others answer its pre-vote.
  while (cluster.CountEvents("prepare") == 0) {
    cluster.Tick(1);
    cluster.DeliverAll();
  }
  EXPECT_THAT(Waiting<Prepare>(cluster), IsEmpty());
  cluster.Persist(1);
  EXPECT_EQ(Waiting<Prepare>(cluster).size(), 2u);
}

// -- Section 3, the state machine

// The paper's example: a new leader knows 1-134, 138 and 139; phase 1 finds votes for 135 and 140.
// It proposes those again, fills 136 and 137 with no-ops, and goes on with the next command.
TEST(PaxosPaperTest, Section3TheNewLeaderOfTheExampleFillsItsGaps) {
  Cluster cluster(3);
  const Ballot old = B(1, 2);
  Accept known = MakeAccept(old, {}, 4);
  for (uint64_t s = 1; s <= 4; ++s) known.entries.push_back({Slot(s), E("c" + std::to_string(s))});
  for (uint32_t n : {1u, 3u}) {
    // Slots 1-4 are known, 5 and 8 voted for, 6 and 7 are gaps.
    cluster.Give(2, n, known);
    cluster.Give(2, n, MakeAccept(old, {{5, "c5"}, {8, "c8"}}, 4));
    cluster.Persist(n);
  }
  cluster.Crash(2);
  cluster.packets().clear();
  const uint32_t leader = cluster.Elect();
  ASSERT_NE(leader, 0u);
  cluster.Propose(leader, "next");
  cluster.Settle();
  const auto& applied = cluster.Applied(leader);
  ASSERT_EQ(applied.size(), 10u);
  EXPECT_EQ(*applied[4].entry.payload, "c5");
  EXPECT_EQ(applied[5].entry.kind, EntryKind::kNoop);
  EXPECT_EQ(applied[6].entry.kind, EntryKind::kNoop);
  EXPECT_EQ(*applied[7].entry.payload, "c8");
  EXPECT_EQ(applied[8].entry.kind, EntryKind::kLeaderStart);
  EXPECT_EQ(*applied[9].entry.payload, "next");
  // Who proposed a value first stays visible.
  EXPECT_EQ(applied[4].entry.origin, B(1, 1));
  EXPECT_EQ(applied[5].entry.origin, cluster.replica(leader).ballot());
}

TEST(PaxosPaperTest, Section3OnePrepareCoversAllSlots) {
  Cluster cluster(3);
  const uint32_t leader = cluster.Elect();
  const size_t prepares = cluster.CountEvents("prepare");
  for (int i = 0; i < 100; ++i) {
    cluster.Propose(leader, std::to_string(i));
    cluster.Settle();
  }
  EXPECT_EQ(cluster.CountEvents("prepare"), prepares);
  EXPECT_EQ(cluster.Commands(leader).size(), 100u);
}

TEST(PaxosPaperTest, Section3ALeaderProposesAheadUpToItsWindow) {
  Cluster cluster(3, 1, [](Config* config) { config->window_slots = 4; });
  const uint32_t leader = cluster.Elect();
  cluster.Settle();
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(cluster.Propose(leader, std::to_string(i)));
  EXPECT_FALSE(cluster.replica(leader).CanPropose());
  EXPECT_FALSE(cluster.Propose(leader, "one too many"));
  cluster.Settle();
  EXPECT_TRUE(cluster.Propose(leader, "4"));
  cluster.Settle();
  EXPECT_THAT(cluster.Commands(leader), ElementsAre("0", "1", "2", "3", "4"));
}

TEST(PaxosPaperTest, Section3CommandsAreHandedOutInSlotOrderWhateverOrderTheyAreChosenIn) {
  Cluster cluster(3);
  const uint32_t leader = cluster.Elect();
  const uint32_t follower = leader % 3 + 1;
  cluster.Isolate(6 - leader - follower);
  for (const char* c : {"a", "b", "c"}) cluster.Propose(leader, c);
  // Always the newest packet first.
  for (bool busy = true; busy;) {
    busy = !cluster.packets().empty() || cluster.Unsynced(follower) + cluster.Unsynced(leader) > 0;
    while (!cluster.packets().empty()) cluster.DeliverAt(cluster.packets().size() - 1);
    cluster.Persist(follower);
    cluster.Persist(leader);
  }
  cluster.Settle();
  EXPECT_THAT(cluster.Commands(leader), ElementsAre("a", "b", "c"));
  EXPECT_EQ(cluster.fault(), "");
}

}  // namespace
}  // namespace synod::consensus
