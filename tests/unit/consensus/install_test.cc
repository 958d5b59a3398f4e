// A snapshot of another member takes the place of slots that were never learned here: what goes,
// what stays, and from where the log goes on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "consensus/replica.h"
#include "tests/unit/consensus/cluster.h"
#include "tests/unit/consensus/support.h"

namespace synod::consensus {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class InstallTest : public testing::Test {
 protected:
  InstallTest() : replica_(MakeConfig(), {}, Slot(0)) {}

  static Config MakeConfig() {
    Config config;
    config.self = NodeId(3);
    config.membership.version = 1;
    config.membership.voters = {NodeId(1), NodeId(2), NodeId(3)};
    return config;
  }
  Output Take() {
    Output out = replica_.TakeOutput();
    replica_.CheckInvariants();
    for (const PersistRequest& request : out.persist) {
      last_persist_ = request.id;
      disk_ = request.hard_state;
    }
    return out;
  }
  void Persist() { replica_.Persisted(last_persist_); }
  // Votes for slots `first` to `last` in `ballot`, none of them known to be chosen.
  void VoteFor(Ballot ballot, uint64_t first, uint64_t last) {
    std::vector<std::pair<uint64_t, std::string>> entries;
    for (uint64_t s = first; s <= last; ++s) entries.emplace_back(s, "v" + std::to_string(s));
    replica_.Receive(ballot.node, MakeAccept(ballot, entries));
    Take();
    Persist();
  }
  // The slots that this acceptor reports votes for, with their ballots' rounds.
  std::vector<std::pair<uint64_t, uint64_t>> Reported(Send* sent = nullptr) {
    for (int i = 0; i < 200; ++i) replica_.Tick();  // whoever led is forgotten
    Take();
    replica_.Receive(NodeId(2), Prepare{B(100, 2), Slot(1), 1, true});
    std::vector<std::pair<uint64_t, uint64_t>> votes;
    for (const Send& send : Take().send)
      if (const auto* promise = std::get_if<Promise>(&send.message)) {
        for (const AcceptedEntry& e : promise->entries)
          votes.emplace_back(e.slot.value, e.ballot.round);
        if (sent != nullptr)
          *sent = send;
      }
    return votes;
  }

  Replica replica_;
  PersistId last_persist_;
  HardState disk_;
};

// Background study, row 47: an install that keeps the wrong half of the log, on each side of the
// last vote.
TEST_F(InstallTest, KeepsEveryVoteAboveItWhenItIsBelowTheLastOne) {
  VoteFor(B(4, 1), 1, 8);
  VoteFor(B(5, 2), 7, 7);
  ASSERT_TRUE(replica_.InstallSnapshot(Slot(5), {}));
  EXPECT_THAT(Take().committed, IsEmpty());
  EXPECT_EQ(disk_.learned, Slot(5));
  EXPECT_EQ(disk_.first_slot, Slot(6));
  EXPECT_EQ(disk_.promised, B(5, 2));
  EXPECT_THAT(Reported(), ElementsAre(std::pair(6u, 4u), std::pair(7u, 5u), std::pair(8u, 4u)));
}

TEST_F(InstallTest, ForgetsAllVotesWhenItIsAtTheLastOne) {
  VoteFor(B(4, 1), 1, 8);
  ASSERT_TRUE(replica_.InstallSnapshot(Slot(8), {}));
  Take();
  EXPECT_EQ(disk_.learned, Slot(8));
  EXPECT_EQ(disk_.promised, B(4, 1));
  EXPECT_THAT(Reported(), IsEmpty());
}

TEST_F(InstallTest, GoesOnBehindItWhenItIsAboveTheLastVote) {
  VoteFor(B(4, 1), 1, 3);
  ASSERT_TRUE(replica_.InstallSnapshot(Slot(100), {}));
  Take();
  Persist();
  EXPECT_EQ(replica_.durable_learned(), Slot(100));
  EXPECT_EQ(replica_.first_slot(), Slot(101));
  replica_.Receive(NodeId(1), MakeAccept(B(4, 1), {{101, "next"}}, 101));
  const Output out = Take();
  ASSERT_EQ(out.committed.size(), 1u);
  EXPECT_EQ(out.committed[0].slot, Slot(101));
  EXPECT_EQ(*out.committed[0].entry.payload, "next");
}

// A vote in an old ballot above the snapshot is a vote, not a chosen value, whatever the commit.
TEST_F(InstallTest, AConflictingVoteAboveItIsNotTakenForTheChosenValue) {
  VoteFor(B(4, 1), 6, 6);
  replica_.Receive(NodeId(2), MakeAccept(B(5, 2), {}, 6));
  ASSERT_TRUE(replica_.InstallSnapshot(Slot(5), {}));
  EXPECT_THAT(Take().committed, IsEmpty());
  EXPECT_EQ(replica_.learned(), Slot(5));
}

TEST_F(InstallTest, VotesAboveItThatTheLeaderHasCommittedAreChosenAtOnce) {
  VoteFor(B(4, 1), 6, 7);
  replica_.Receive(NodeId(1), MakeAccept(B(4, 1), {}, 7));
  Take();
  EXPECT_EQ(replica_.learned(), Slot(0));
  ASSERT_TRUE(replica_.InstallSnapshot(Slot(5), {}));
  const Output out = Take();
  ASSERT_EQ(out.committed.size(), 2u);
  EXPECT_EQ(out.committed[0].slot, Slot(6));
}

TEST_F(InstallTest, IsRefusedUnlessItIsAboveWhatIsLearned) {
  replica_.Receive(NodeId(1), MakeAccept(B(4, 1), {{1, "a"}, {2, "b"}}, 2));
  Take();
  Persist();
  EXPECT_FALSE(replica_.InstallSnapshot(Slot(1), {}));
  EXPECT_FALSE(replica_.InstallSnapshot(Slot(2), {}));
  EXPECT_EQ(replica_.first_slot(), Slot(1));
  EXPECT_THAT(Take().persist, IsEmpty());
  EXPECT_TRUE(replica_.InstallSnapshot(Slot(3), {}));
}

// Row 21 and 17: nothing is promised on the strength of it before it is on the disk.
TEST_F(InstallTest, APromiseThatStandsOnItWaitsForItsPersist) {
  ASSERT_TRUE(replica_.InstallSnapshot(Slot(9), {}));
  Send sent;
  EXPECT_THAT(Reported(&sent), IsEmpty());
  const auto& promise = std::get<Promise>(sent.message);
  EXPECT_EQ(promise.learned, Slot(9));
  EXPECT_EQ(sent.after, last_persist_);
  EXPECT_EQ(replica_.durable_learned(), Slot(0));
  Persist();
  EXPECT_EQ(replica_.durable_learned(), Slot(9));
}

TEST_F(InstallTest, ANodeWithNothingComesUpByItAloneAfterARestartToo) {
  ASSERT_TRUE(replica_.InstallSnapshot(Slot(1000), {}));
  Take();
  Recovered recovered;
  recovered.hard_state = disk_;
  replica_ = Replica(MakeConfig(), recovered, Slot(1000));
  replica_.Receive(NodeId(1), MakeAccept(B(4, 1), {{1001, "next"}}, 1001));
  const Output out = replica_.TakeOutput();
  ASSERT_EQ(out.committed.size(), 1u);
  EXPECT_EQ(out.committed[0].slot, Slot(1001));
}

// Row 41: a configuration that came from slots which the snapshot replaces must not survive it.
TEST_F(InstallTest, TheNewerMembershipCounts) {
  Membership newer = MakeConfig().membership;
  newer.version = 7;
  newer.voters = {NodeId(1), NodeId(2), NodeId(4)};
  ASSERT_TRUE(replica_.InstallSnapshot(Slot(9), newer));
  EXPECT_EQ(replica_.membership(), newer);
  Membership older = newer;
  older.version = 6;
  older.voters = {NodeId(3)};
  ASSERT_TRUE(replica_.InstallSnapshot(Slot(10), older));
  EXPECT_EQ(replica_.membership(), newer);
}

TEST_F(InstallTest, SaysThatItIsNeededUntilSomethingIsLearned) {
  EXPECT_EQ(replica_.needs_snapshot(), std::nullopt);
  replica_.Receive(NodeId(1), LearnResp{Slot(1), Slot(90), Slot(51), {}});
  EXPECT_EQ(replica_.needs_snapshot(), Slot(51));
  replica_.Receive(NodeId(2), LearnResp{Slot(1), Slot(90), Slot(1), {{Slot(1), E("a")}}});
  EXPECT_EQ(replica_.needs_snapshot(), std::nullopt);
  replica_.Receive(NodeId(1), LearnResp{Slot(2), Slot(90), Slot(51), {}});
  EXPECT_EQ(replica_.needs_snapshot(), Slot(51));
  ASSERT_TRUE(replica_.InstallSnapshot(Slot(60), {}));
  EXPECT_EQ(replica_.needs_snapshot(), std::nullopt);
}

// Its state was thrown away: it votes and learns, campaigns never, and hands everything out once
// there is a state that it goes on from.
TEST_F(InstallTest, WhoAwaitsItsStateHandsNothingOutBeforeIt) {
  Config config = MakeConfig();
  config.awaits_state = true;
  Recovered disk;
  disk.hard_state = {
      .promised = B(4, 1), .learned = Slot(5), .commit_hint = Slot(5), .first_slot = Slot(3)};
  replica_ = Replica(config, disk, Slot(5));
  Membership next = config.membership;
  next.version = 2;
  next.voters = {NodeId(1), NodeId(3), NodeId(4)};
  next.next_member = NodeId(5);
  Accept accept = MakeAccept(B(4, 1), {{6, "six"}}, 7);
  accept.entries.push_back({Slot(7), {EntryKind::kConfig, B(4, 1), Payload(next)}});
  accept.read_seq = 1;
  replica_.Receive(NodeId(1), accept);
  Output out = Take();
  EXPECT_THAT(out.committed, IsEmpty());
  ASSERT_EQ(out.send.size(), 1u);
  EXPECT_EQ(std::get<Accepted>(out.send[0].message).ranges,
            std::vector{(SlotRange{Slot(6), Slot(7)})});
  Persist();
  EXPECT_EQ(replica_.learned(), Slot(7));
  for (int i = 0; i < 300; ++i) replica_.Tick();
  replica_.Receive(NodeId(1), TimeoutNow{B(4, 1), Slot(7)});
  EXPECT_EQ(replica_.role(), Role::kFollower);
  EXPECT_THAT(Take().committed, IsEmpty());

  EXPECT_EQ(replica_.InstallsAbove(), Slot(4));
  EXPECT_FALSE(replica_.InstallSnapshot(Slot(4), config.membership));
  EXPECT_TRUE(replica_.AwaitsState());
  ASSERT_TRUE(replica_.InstallSnapshot(Slot(5), config.membership));
  EXPECT_FALSE(replica_.AwaitsState());
  out = Take();
  ASSERT_EQ(out.committed.size(), 2u);
  EXPECT_EQ(out.committed[0].slot, Slot(6));
  EXPECT_EQ(out.committed[1].slot, Slot(7));
  EXPECT_EQ(replica_.membership(), next);
  EXPECT_EQ(replica_.first_slot(), Slot(3)) << "the log stays";
  EXPECT_EQ(replica_.InstallsAbove(), Slot(7));
}

// Row 37: batches that a deposed leader had under way are nowhere once it gets a snapshot.
TEST(InstallOnALeaderTest, ADeposedLeaderGivesUpWhatItProposed) {
  Cluster cluster(3);
  const uint32_t leader = cluster.Elect();
  cluster.Isolate(leader);
  ASSERT_TRUE(cluster.Propose(leader, "mine"));
  cluster.Persist(leader);
  Replica& replica = cluster.replica(leader);
  const Slot learned = replica.learned();
  ASSERT_TRUE(replica.InstallSnapshot(learned + 50, {}));
  EXPECT_EQ(replica.role(), Role::kFollower);
  EXPECT_EQ(replica.learned(), learned + 50);
  const Output out = replica.TakeOutput();
  EXPECT_THAT(out.committed, IsEmpty());
  EXPECT_FALSE(replica.Propose(EntryKind::kCommand, Payload("late")));
  replica.CheckInvariants();
}

}  // namespace
}  // namespace synod::consensus
