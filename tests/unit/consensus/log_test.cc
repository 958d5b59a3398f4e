#include "consensus/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/consensus/support.h"

namespace synod::consensus {
namespace {

Log EmptyLog() { return Log({}, Slot{}, Slot{}); }

// Background study, row 8: a commit index alone makes a stale vote "chosen".
TEST(LogTest, VoteOfAnotherBallotIsNotChosenByTheCommit) {
  Log log = EmptyLog();
  log.Vote(Slot(1), B(1, 1), E("x"), {});
  EXPECT_FALSE(log.AdvanceTo(B(2, 2), Slot(1)));
  EXPECT_EQ(log.learned(), Slot(0));
  log.Learn(E("y"), B(2, 2), {});
  EXPECT_EQ(*log.Find(Slot(1))->entry.payload, "y");
  EXPECT_EQ(log.learned(), Slot(1));
}

TEST(LogTest, LearnedStopsAtTheFirstHole) {
  Log log = EmptyLog();
  log.Vote(Slot(1), B(1, 1), E("a"), {});
  log.Vote(Slot(3), B(1, 1), E("c"), {});
  EXPECT_TRUE(log.AdvanceTo(B(1, 1), Slot(3)));
  EXPECT_EQ(log.learned(), Slot(1));
  log.Learn(E("b"), B(1, 1), {});
  EXPECT_TRUE(log.AdvanceTo(B(1, 1), Slot(3)));
  EXPECT_EQ(log.learned(), Slot(3));
}

TEST(LogTest, LearningTheValueVotedForNeedsNoWrite) {
  Log log = EmptyLog();
  log.Vote(Slot(1), B(1, 1), E("a"), PersistId(4));
  EXPECT_FALSE(log.Learn(E("a"), B(3, 1), PersistId(9)));
  EXPECT_EQ(log.Find(Slot(1))->persist, PersistId(4));
  EXPECT_TRUE(log.Learn(E("b"), B(3, 1), PersistId(9)));
}

TEST(LogTest, ReadStopsAtTheFirstEntryThatDoesNotFit) {
  Log log = EmptyLog();
  const std::vector<std::string> payloads = {"a", std::string(500, 'b'), "c"};
  for (const std::string& p : payloads) log.Learn(E(p), B(1, 1), {});
  const auto read = log.Read(Slot(1), 100);
  ASSERT_EQ(read.size(), 1u);
  EXPECT_EQ(read[0].slot, Slot(1));
  EXPECT_EQ(log.Read(Slot(2), 100).size(), 1u);  // at least one, however large
  EXPECT_EQ(log.Read(Slot(4), 100).size(), 0u);
}

TEST(LogTest, EvictsFromTheOldEndOnlyWhileAboveTheLimit) {
  Log log = EmptyLog();
  for (int i = 0; i < 10; ++i) log.Learn(E(std::string(68, 'x')), B(1, 1), {});
  EXPECT_EQ(log.cached_bytes(), 1000u);
  log.Evict(Slot(9), 450);
  EXPECT_EQ(log.cached_bytes(), 400u);
  EXPECT_EQ(log.begin(), Slot(7));
  log.Evict(Slot(7), 0);
  EXPECT_EQ(log.begin(), Slot(8));
  EXPECT_EQ(log.Find(Slot(7)), nullptr);
  EXPECT_NE(log.Find(Slot(8)), nullptr);
}

TEST(LogTest, KeepsTheRecoveredPrefixOnlyWithoutAGap) {
  const Log log({MakeVote(2, B(1, 1), "b"), MakeVote(4, B(1, 1), "d"), MakeVote(5, B(1, 1), "e"),
                 MakeVote(7, B(2, 1), "g")},
                Slot(5), Slot(4));
  EXPECT_EQ(log.begin(), Slot(4));
  EXPECT_TRUE(log.Find(Slot(5))->chosen);
  EXPECT_EQ(log.Find(Slot(6)), nullptr);
  EXPECT_FALSE(log.Find(Slot(7))->chosen);
  EXPECT_EQ(log.end(), Slot(8));
}

TEST(LogDeathTest, StopsIfAChosenValueWouldChange) {
  Log log = EmptyLog();
  log.Vote(Slot(1), B(1, 1), E("a"), {});
  log.AdvanceTo(B(1, 1), Slot(1));
  EXPECT_DEATH(log.Vote(Slot(1), B(2, 1), E("b"), {}), "learned_");
}

TEST(LogDeathTest, StopsIfALowerBallotOverwritesAVote) {
  Log log = EmptyLog();
  log.Vote(Slot(1), B(2, 1), E("a"), {});
  EXPECT_DEATH(log.Vote(Slot(1), B(1, 1), E("b"), {}), "ballot");
}

TEST(LogDeathTest, StopsIfTheRecoveredPrefixDoesNotReachTheAppliedSlot) {
  EXPECT_DEATH(Log({MakeVote(5, B(1, 1), "e")}, Slot(5), Slot(2)), "applied");
}

TEST(LogTest, SkippingToASnapshotKeepsWhatIsAboveIt) {
  Log log = EmptyLog();
  log.Learn(E("a"), B(1, 1), {});
  log.Vote(Slot(2), B(1, 1), E("b"), {});
  log.Vote(Slot(5), B(1, 1), E("e"), {});
  log.SkipTo(Slot(4));
  EXPECT_EQ(log.learned(), Slot(4));
  EXPECT_EQ(log.begin(), Slot(5));
  EXPECT_EQ(log.cached_bytes(), 0u);
  EXPECT_NE(log.Find(Slot(5)), nullptr);
  log.SkipTo(Slot(9));
  EXPECT_EQ(log.begin(), Slot(10));
  EXPECT_EQ(log.end(), Slot(10));
  log.Learn(E("j"), B(1, 1), {});
  EXPECT_EQ(log.learned(), Slot(10));
}

}  // namespace
}  // namespace synod::consensus
