#include "consensus/journal.h"

#include <gtest/gtest.h>

#include "tests/unit/consensus/support.h"

namespace synod::consensus {
namespace {

HardState State(uint64_t learned) { return {B(1, 1), Slot(learned), Slot(learned), Slot(1)}; }

TEST(JournalTest, MakesOneRequestOfEverythingInATurn) {
  Journal journal(State(0), 1000);
  const PersistId id = journal.Put(MakeVote(1, B(1, 1), "a"));
  EXPECT_EQ(journal.Dirty(), id);
  EXPECT_EQ(journal.Put(MakeVote(2, B(1, 1), "b")), id);
  const auto request = journal.Take(State(1));
  ASSERT_TRUE(request.has_value());
  EXPECT_EQ(request->id, id);
  EXPECT_EQ(request->entries.size(), 2u);
  EXPECT_EQ(journal.Take(State(1)), std::nullopt);
}

TEST(JournalTest, DurableLearnedFollowsTheRequestsThatCarriedIt) {
  Journal journal(State(0), 1000);
  journal.Dirty();
  const PersistId first = journal.Take(State(3))->id;
  journal.Dirty();
  const PersistId second = journal.Take(State(5))->id;
  EXPECT_EQ(journal.durable_learned(), Slot(0));
  EXPECT_EQ(journal.requested_learned(), Slot(5));
  journal.Persisted(first);
  EXPECT_EQ(journal.durable_learned(), Slot(3));
  journal.Persisted(second);
  EXPECT_EQ(journal.durable_learned(), Slot(5));
  EXPECT_TRUE(journal.IsDurable(second));
}

TEST(JournalTest, BarrierIsTheNewestRequestOrTheOneBeingGathered) {
  Journal journal(State(0), 1000);
  EXPECT_EQ(journal.Barrier(), PersistId(0));
  const PersistId id = journal.Dirty();
  EXPECT_EQ(journal.Barrier(), id);
  ASSERT_TRUE(journal.Take(State(0)).has_value());
  EXPECT_EQ(journal.Barrier(), id);
}

TEST(JournalTest, IsFullWhileTooMuchIsNotDurable) {
  Journal journal(State(0), 1000);
  journal.Put(MakeVote(1, B(1, 1), std::string(600, 'a')));
  const PersistId first = journal.Take(State(0))->id;
  EXPECT_FALSE(journal.IsFull());
  journal.Put(MakeVote(2, B(1, 1), std::string(600, 'b')));
  EXPECT_TRUE(journal.IsFull());
  const PersistId second = journal.Take(State(0))->id;
  EXPECT_TRUE(journal.IsFull());
  journal.Persisted(first);
  EXPECT_FALSE(journal.IsFull());
  journal.Persisted(second);
  journal.Put(MakeVote(3, B(1, 1), std::string(900, 'c')));
  EXPECT_FALSE(journal.IsFull());
}

TEST(JournalDeathTest, StopsIfThePromiseWouldFall) {
  Journal journal(HardState{B(3, 1), Slot(0), Slot(0), Slot(1)}, 1000);
  journal.Dirty();
  EXPECT_DEATH(std::ignore = journal.Take(State(0)), "promised");
}

TEST(JournalDeathTest, StopsIfTheDriverNamesARequestThatWasNeverMade) {
  Journal journal(State(0), 1000);
  EXPECT_DEATH(journal.Persisted(PersistId(1)), "upto");
}

}  // namespace
}  // namespace synod::consensus
