// Leader: phase 2 as its peers see it, over the in-memory cluster.
#include "consensus/leader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/consensus/cluster.h"
#include "tests/unit/consensus/support.h"

namespace synod::consensus {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class LeaderTest : public testing::Test {
 protected:
  LeaderTest() : leader_(cluster_.Elect()), first_(leader_ % 3 + 1), second_(6 - leader_ - first_) {
    cluster_.Settle();
  }

  // "slots/commit" of every Accept that waits for `to`.
  std::vector<std::string> AcceptsFor(uint32_t to) {
    std::vector<std::string> found;
    for (const Packet& p : cluster_.packets()) {
      const auto* accept = std::get_if<Accept>(&p.message);
      if (accept == nullptr || p.to != NodeId(to))
        continue;
      std::string text;
      for (const Proposal& e : accept->entries) text += std::to_string(e.slot.value) + " ";
      found.push_back(text + "commit " + std::to_string(accept->commit.value));
    }
    return found;
  }
  static bool IsAcceptWithEntries(const Packet& p) {
    const auto* accept = std::get_if<Accept>(&p.message);
    return accept != nullptr && !accept->entries.empty();
  }
  static bool IsAccepted(const Packet& p) { return std::holds_alternative<Accepted>(p.message); }

  // Slot 1 is the LeaderStart.
  Cluster cluster_{3};
  uint32_t leader_;
  uint32_t first_;
  uint32_t second_;
};

TEST_F(LeaderTest, SendsTheAcceptsOfATurnAsOneMessageBeforeItsOwnSync) {
  Replica& replica = cluster_.replica(leader_);
  ASSERT_TRUE(replica.Propose(EntryKind::kCommand, Payload("a")).has_value());
  ASSERT_TRUE(replica.Propose(EntryKind::kCommand, Payload("b")).has_value());
  cluster_.Pump(leader_);
  EXPECT_THAT(AcceptsFor(first_), ElementsAre("2 3 commit 1"));
  EXPECT_THAT(AcceptsFor(second_), ElementsAre("2 3 commit 1"));
  EXPECT_EQ(cluster_.Unsynced(leader_), 1u);
}

TEST_F(LeaderTest, OwnVoteCountsOnlyOnceItIsDurable) {
  cluster_.Isolate(second_);
  cluster_.Propose(leader_, "a");
  cluster_.DeliverAll();
  cluster_.Persist(first_);
  cluster_.DeliverAll();
  EXPECT_THAT(cluster_.Commands(leader_), IsEmpty());
  cluster_.Persist(leader_);
  EXPECT_THAT(cluster_.Commands(leader_), ElementsAre("a"));
}

TEST_F(LeaderTest, TwoPeersAreAMajorityWithoutTheOwnDisk) {
  cluster_.Propose(leader_, "a");
  cluster_.DeliverAll();
  cluster_.Persist(first_);
  cluster_.Persist(second_);
  cluster_.DeliverAll();
  EXPECT_THAT(cluster_.Commands(leader_), ElementsAre("a"));
  EXPECT_EQ(cluster_.Unsynced(leader_), 1u);
}

TEST_F(LeaderTest, TellsTheCommitAtOnceWhenNothingElseIsUnderWay) {
  cluster_.Propose(leader_, "a");
  cluster_.DeliverAll();
  cluster_.Persist(leader_);
  cluster_.Persist(first_);
  cluster_.DeliverAt(0);
  EXPECT_THAT(AcceptsFor(first_), ElementsAre("commit 2"));
  cluster_.DeliverAll();
  EXPECT_THAT(cluster_.Commands(first_), ElementsAre("a"));
}

TEST_F(LeaderTest, AnEmptyAcceptThatOnlyTellsTheCommitIsNotAnswered) {
  cluster_.Propose(leader_, "a");
  cluster_.DeliverAll();
  cluster_.Persist(leader_);
  cluster_.Persist(first_);
  cluster_.DeliverAt(0);
  size_t answers = 0;
  cluster_.DeliverAll([&](const Packet& p) {
    answers += IsAccepted(p) ? 1 : 0;
    return false;
  });
  EXPECT_EQ(answers, 0u);
}

TEST_F(LeaderTest, TheCommitRidesOnTheNextAcceptWhileThePipelineIsBusy) {
  cluster_.Propose(leader_, "a");
  cluster_.Propose(leader_, "b");
  cluster_.DeliverAll();
  cluster_.Persist(leader_);
  cluster_.Persist(first_, 1);
  cluster_.DeliverAt(0);  // slot 2 is chosen, slot 3 is not
  ASSERT_EQ(cluster_.replica(leader_).learned(), Slot(2));
  EXPECT_THAT(AcceptsFor(first_), IsEmpty());
  cluster_.Propose(leader_, "c");
  EXPECT_THAT(AcceptsFor(first_), ElementsAre("4 commit 2"));
}

TEST_F(LeaderTest, LostAcceptsAreSentAgain) {
  cluster_.Propose(leader_, "a");
  cluster_.DeliverAll(IsAcceptWithEntries);
  cluster_.Run(20);
  for (uint32_t n = 1; n <= 3; ++n) EXPECT_THAT(cluster_.Commands(n), ElementsAre("a"));
}

TEST_F(LeaderTest, LostAnswersAreGivenAgain) {
  cluster_.Propose(leader_, "a");
  cluster_.DeliverAll();
  cluster_.Persist(first_);
  cluster_.Persist(second_);
  cluster_.DeliverAll(IsAccepted);
  EXPECT_THAT(cluster_.Commands(leader_), IsEmpty());
  const uint64_t writes = cluster_.PersistCount(first_);
  cluster_.Run(20);
  EXPECT_THAT(cluster_.Commands(leader_), ElementsAre("a"));
  EXPECT_EQ(cluster_.PersistCount(first_), writes);
}

TEST_F(LeaderTest, HeartbeatsCauseNoWrites) {
  const uint64_t writes = cluster_.PersistCount(first_);
  cluster_.Run(200);
  EXPECT_EQ(cluster_.PersistCount(first_), writes);
  EXPECT_EQ(cluster_.Leader(), leader_);
}

TEST_F(LeaderTest, NothingIsProposedWhileTheWindowsBytesAreOpen) {
  Cluster cluster(3, 1, [](Config* config) { config->window_bytes = 1000; });
  const uint32_t leader = cluster.Elect();
  cluster.Settle();
  EXPECT_TRUE(cluster.Propose(leader, std::string(5000, 'x')));
  EXPECT_FALSE(cluster.Propose(leader, "y"));
  cluster.Settle();
  EXPECT_TRUE(cluster.Propose(leader, std::string(600, 'x')));
  ASSERT_TRUE(cluster.replica(leader).CanPropose());
  EXPECT_TRUE(cluster.Propose(leader, std::string(5000, 'x')));
  EXPECT_FALSE(cluster.replica(leader).CanPropose());
  EXPECT_FALSE(cluster.Propose(leader, "y"));
  EXPECT_EQ(cluster.replica(leader).InFlight(), 2u);
}

TEST_F(LeaderTest, RefusalsSayThatNothingWasProposed) {
  const auto refused = cluster_.replica(first_).Propose(EntryKind::kCommand, Payload("a"));
  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().code, Errc::kNoLeader);
  EXPECT_EQ(refused.error().outcome, Outcome::kNotApplied);
}

TEST_F(LeaderTest, ProgressTellsWhatEachPeerHasOnDisk) {
  cluster_.Propose(leader_, "a");
  cluster_.Propose(leader_, "b");
  cluster_.Settle();
  cluster_.replica(first_).PersistLearned();
  cluster_.Pump(first_);
  cluster_.Run(10);
  for (const auto& peer : cluster_.replica(leader_).Progress()) {
    EXPECT_LE(peer.ticks_silent, 5u);
    if (peer.peer == NodeId(first_)) {
      EXPECT_EQ(peer.learned, Slot(3));
    } else {
      EXPECT_LT(peer.learned, Slot(3));
    }
  }
}

TEST_F(LeaderTest, ALeaderThatIsRefusedTakesTheNextRoundAtOnce) {
  // One follower promised a higher ballot to a candidate that got no further.
  const Ballot higher = B(cluster_.replica(leader_).ballot().round + 3, second_);
  cluster_.Give(second_, first_, Prepare{higher, Slot(1), 1, true});
  cluster_.Persist(first_);
  cluster_.packets().clear();
  cluster_.Propose(leader_, "a");
  cluster_.Settle();
  EXPECT_EQ(cluster_.Leader(), leader_);
  EXPECT_GT(cluster_.replica(leader_).ballot(), higher);
  for (uint32_t n = 1; n <= 3; ++n) EXPECT_THAT(cluster_.Commands(n), ElementsAre("a"));
}

TEST_F(LeaderTest, ALeaderThatLearnsAForeignValueStepsDown) {
  cluster_.Isolate(leader_);
  cluster_.Propose(leader_, "mine");
  LearnResp response{.from = Slot(2), .commit = Slot(2), .first_available = {}, .entries = {}};
  response.entries.push_back({Slot(2), E("theirs", B(99, first_))});
  cluster_.replica(leader_).Receive(NodeId(first_), response);
  EXPECT_FALSE(cluster_.replica(leader_).IsLeader());
  EXPECT_EQ(cluster_.replica(leader_).learned(), Slot(2));
}

// -- transfer

TEST_F(LeaderTest, HandsOverToTheNodeThatWasNamed) {
  cluster_.Propose(leader_, "a");
  ASSERT_TRUE(cluster_.Transfer(leader_, second_).has_value());
  EXPECT_FALSE(cluster_.replica(leader_).CanPropose());
  cluster_.Settle();
  EXPECT_EQ(cluster_.Leader(), second_);
  EXPECT_THAT(cluster_.Commands(second_), ElementsAre("a"));
}

TEST_F(LeaderTest, ATransferToANodeThatDiedEndsInAnElection) {
  cluster_.Run(10);  // the leader knows that the target has everything
  const Ballot ballot = cluster_.replica(leader_).ballot();
  cluster_.Crash(second_);
  ASSERT_TRUE(cluster_.Transfer(leader_, second_).has_value());
  EXPECT_FALSE(cluster_.replica(leader_).IsLeader());
  const uint32_t next = cluster_.Elect();
  ASSERT_NE(next, 0u);
  EXPECT_GT(cluster_.replica(next).ballot(), ballot);
  EXPECT_TRUE(cluster_.Propose(next, "a"));
  cluster_.Settle();
  EXPECT_THAT(cluster_.Commands(first_), ElementsAre("a"));
}

TEST_F(LeaderTest, ATransferToANodeThatDoesNotCatchUpIsGivenUp) {
  cluster_.Isolate(second_);
  cluster_.Propose(leader_, "a");
  cluster_.Settle();
  ASSERT_TRUE(cluster_.Transfer(leader_, second_).has_value());
  cluster_.Run(99);
  EXPECT_FALSE(cluster_.replica(leader_).CanPropose());
  cluster_.Run(2);
  EXPECT_TRUE(cluster_.replica(leader_).IsLeader());
  EXPECT_TRUE(cluster_.Propose(leader_, "b"));
  EXPECT_EQ(cluster_.CountEvents("transfer_failed"), 1u);
}

TEST_F(LeaderTest, TransfersAreRefusedToStrangersAndByFollowers) {
  EXPECT_EQ(cluster_.Transfer(leader_, 9).error().code, Errc::kInvalidRequest);
  EXPECT_EQ(cluster_.Transfer(first_, second_).error().code, Errc::kNoLeader);
  EXPECT_TRUE(cluster_.Transfer(leader_, leader_).has_value());
  EXPECT_TRUE(cluster_.replica(leader_).CanPropose());
}

}  // namespace
}  // namespace synod::consensus
