#include "consensus/acceptor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/consensus/support.h"

namespace synod::consensus {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class AcceptorTest : public testing::Test {
 protected:
  void Sync() {
    if (auto request = journal_.Take(State()))
      journal_.Persisted(request->id);
  }
  HardState State() const { return {acceptor_.promised(), log_.learned(), Slot{}, Slot{1}}; }
  std::vector<Promise> Report(uint64_t from, size_t bytes_max = 1 << 20) const {
    return acceptor_.Report(Slot(from), State(), log_, bytes_max);
  }
  Votes Vote(Ballot ballot, std::vector<std::pair<uint64_t, std::string>> entries) {
    return acceptor_.Vote(MakeAccept(ballot, std::move(entries)), &log_, &journal_);
  }

  Journal journal_{HardState{}, 1000};
  Log log_{{}, Slot{}, Slot{}};
  Acceptor acceptor_{Ballot{}};
};

TEST_F(AcceptorTest, PromisesABallotAboveTheLastOne) {
  EXPECT_TRUE(acceptor_.Promise(B(1, 1), &journal_));
  EXPECT_TRUE(acceptor_.Promise(B(1, 2), &journal_));
  EXPECT_EQ(acceptor_.promised(), B(1, 2));
}

TEST_F(AcceptorTest, RefusesABallotBelowItsPromise) {
  EXPECT_TRUE(acceptor_.Promise(B(2, 1), &journal_));
  EXPECT_FALSE(acceptor_.Promise(B(1, 7), &journal_));
  EXPECT_EQ(acceptor_.promised(), B(2, 1));
}

TEST_F(AcceptorTest, RepeatsThePromiseForADuplicateWithoutANewWrite) {
  EXPECT_TRUE(acceptor_.Promise(B(2, 1), &journal_));
  Sync();
  EXPECT_TRUE(acceptor_.Promise(B(2, 1), &journal_));
  EXPECT_EQ(journal_.Take(State()), std::nullopt);
}

TEST_F(AcceptorTest, ReportsEveryAcceptedSlotFromTheAskedOneOn) {
  Vote(B(1, 1), {{1, "a"}, {2, "b"}, {5, "e"}});
  const auto parts = Report(2);
  ASSERT_EQ(parts.size(), 1u);
  EXPECT_EQ(parts[0].from, Slot(2));
  EXPECT_EQ(parts[0].until, Slot(0));
  ASSERT_EQ(parts[0].entries.size(), 2u);
  EXPECT_EQ(parts[0].entries[0].slot, Slot(2));
  EXPECT_EQ(parts[0].entries[1].slot, Slot(5));
}

TEST_F(AcceptorTest, ReportsNothingAtOrBelowWhatItLearned) {
  Vote(B(1, 1), {{1, "a"}, {2, "b"}});
  log_.AdvanceTo(B(1, 1), Slot(1));
  const auto parts = Report(1);
  ASSERT_EQ(parts.size(), 1u);
  EXPECT_EQ(parts[0].learned, Slot(1));
  ASSERT_EQ(parts[0].entries.size(), 1u);
  EXPECT_EQ(parts[0].entries[0].slot, Slot(2));
}

TEST_F(AcceptorTest, ReportInPartsCoversEverySlotOnce) {
  Vote(B(1, 1), {{1, std::string(100, 'a')}, {2, "b"}, {4, std::string(100, 'd')}, {9, "i"}});
  const auto parts = Report(1, 180);
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].from, Slot(1));
  EXPECT_EQ(parts[0].until, Slot(4));
  EXPECT_EQ(parts[1].from, Slot(4));
  EXPECT_EQ(parts[1].until, Slot(0));
  EXPECT_EQ(parts[0].entries.size() + parts[1].entries.size(), 4u);
}

TEST_F(AcceptorTest, AcceptsAtItsPromisedBallot) {
  ASSERT_TRUE(acceptor_.Promise(B(3, 1), &journal_));
  const Votes votes = Vote(B(3, 1), {{1, "a"}});
  EXPECT_THAT(votes.ranges, ElementsAre(SlotRange{Slot(1), Slot(1)}));
}

// Background study, row 11: an accept that does not raise the promise.
TEST_F(AcceptorTest, AcceptingRaisesThePromiseInTheSameWrite) {
  Vote(B(5, 1), {{1, "a"}});
  EXPECT_EQ(acceptor_.promised(), B(5, 1));
  EXPECT_FALSE(acceptor_.Promise(B(4, 2), &journal_));
  const auto request = journal_.Take(State());
  ASSERT_TRUE(request.has_value());
  EXPECT_EQ(request->hard_state.promised, B(5, 1));
  EXPECT_EQ(request->entries.size(), 1u);
}

TEST_F(AcceptorTest, KeepsTheHigherBallotValueOfASlot) {
  Vote(B(1, 1), {{1, "old"}});
  Vote(B(2, 2), {{1, "new"}});
  EXPECT_EQ(*log_.Find(Slot(1))->entry.payload, "new");
  EXPECT_EQ(log_.Find(Slot(1))->ballot, B(2, 2));
}

TEST_F(AcceptorTest, VoteWaitsForItsOwnPersistRequest) {
  const PersistId first = Vote(B(1, 1), {{1, "a"}}).after;
  const auto request = journal_.Take(State());
  EXPECT_EQ(request->id, first);
  const PersistId second = Vote(B(1, 1), {{2, "b"}}).after;
  EXPECT_EQ(second, first + 1);
}

TEST_F(AcceptorTest, DuplicateIsAnsweredAfterTheFirstWriteAndWithoutAnother) {
  const PersistId first = Vote(B(1, 1), {{1, "a"}}).after;
  ASSERT_TRUE(journal_.Take(State()).has_value());
  const Votes again = Vote(B(1, 1), {{1, "a"}});
  EXPECT_EQ(again.after, first);
  EXPECT_THAT(again.ranges, ElementsAre(SlotRange{Slot(1), Slot(1)}));
  EXPECT_EQ(journal_.Take(State()), std::nullopt);
}

TEST_F(AcceptorTest, NamesTheSlotsItVotedForAsRanges) {
  const Votes votes = Vote(B(1, 1), {{1, "a"}, {2, "b"}, {4, "d"}, {5, "e"}, {9, "i"}});
  EXPECT_THAT(votes.ranges, ElementsAre(SlotRange{Slot(1), Slot(2)}, SlotRange{Slot(4), Slot(5)},
                                        SlotRange{Slot(9), Slot(9)}));
}

TEST_F(AcceptorTest, RefusesSlotsTooFarAboveWhatItLearned) {
  const Votes votes = Vote(B(1, 1), {{kHoleCap, "far"}, {kHoleCap + 1, "too far"}});
  EXPECT_TRUE(votes.too_far);
  EXPECT_THAT(votes.ranges, ElementsAre(SlotRange{Slot(kHoleCap), Slot(kHoleCap)}));
  EXPECT_EQ(log_.Find(Slot(kHoleCap + 1)), nullptr);
}

// Row 12: acceptor state dropped below the first slot. A truncated or learned slot is chosen; an
// answer to a late Accept of a later ballot needs no vote, and an older ballot is refused before.
TEST_F(AcceptorTest, AnswersForLearnedSlotsWithoutWriting) {
  Vote(B(1, 1), {{1, "a"}});
  log_.AdvanceTo(B(1, 1), Slot(1));
  Sync();
  log_.Evict(Slot(1), 0);
  const Votes votes = Vote(B(1, 1), {{1, "a"}});
  EXPECT_THAT(votes.ranges, ElementsAre(SlotRange{Slot(1), Slot(1)}));
  EXPECT_EQ(journal_.Take(State()), std::nullopt);
}

TEST_F(AcceptorTest, RestoresPromiseAndVotesFromDisk) {
  Log log({MakeVote(3, B(2, 1), "c"), MakeVote(5, B(2, 2), "e")}, Slot(2), Slot(2));
  const Acceptor acceptor(B(4, 2));
  const auto parts =
      acceptor.Report(Slot(1), {acceptor.promised(), Slot(2), Slot(2), Slot(1)}, log, 1 << 20);
  ASSERT_EQ(parts.size(), 1u);
  EXPECT_EQ(parts[0].ballot, B(4, 2));
  ASSERT_EQ(parts[0].entries.size(), 2u);
  EXPECT_EQ(parts[0].entries[0].ballot, B(2, 1));
  EXPECT_EQ(parts[0].entries[1].slot, Slot(5));
}

using AcceptorDeathTest = AcceptorTest;

TEST_F(AcceptorDeathTest, StopsAtTwoValuesForOneSlotAndBallot) {
  Vote(B(1, 1), {{1, "a"}});
  EXPECT_DEATH(Vote(B(1, 1), {{1, "b"}}), "SameValue");
}

// Learned without a promise, from a node that had the value in a later ballot; then comes a
// proposal of the older ballot, which its leader had sent and lost before its own vote was on disk.
TEST_F(AcceptorTest, DoesNotAcknowledgeAnOlderProposalThatIsNotTheChosenValue) {
  acceptor_.Promise(B(1, 1), &journal_);
  log_.Learn(E("chosen"), B(1, 1), journal_.Put({Slot(1), B(1, 1), true, E("chosen")}));
  Sync();
  const Votes votes = Vote(B(1, 1), {{1, "lost"}, {2, "next"}});
  EXPECT_THAT(votes.ranges, ElementsAre(SlotRange{Slot(2), Slot(2)}));
  EXPECT_TRUE(log_.Find(Slot(1))->entry.SameValue(E("chosen")));
}

}  // namespace
}  // namespace synod::consensus
