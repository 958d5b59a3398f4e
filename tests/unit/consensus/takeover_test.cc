#include "consensus/takeover.h"

#include <gtest/gtest.h>

#include "tests/unit/consensus/support.h"

namespace synod::consensus {
namespace {

const std::vector<NodeId> kVoters = {NodeId(1), NodeId(2), NodeId(3)};

std::string Bound(const Takeover& takeover, uint64_t slot) {
  const Entry* entry = takeover.Bound(Slot(slot));
  return entry == nullptr ? "free" : *entry->payload;
}

TEST(TakeoverTest, TakesTheValueOfTheHighestBallotPerSlot) {
  Takeover takeover(B(9, 1), Slot(1));
  ASSERT_TRUE(takeover.Add(
      NodeId(1),
      MakePromise(B(9, 1), 0, {MakeVote(1, B(3, 1), "a3"), MakeVote(2, B(1, 1), "b1")})));
  ASSERT_TRUE(takeover.Add(
      NodeId(2),
      MakePromise(B(9, 1), 0, {MakeVote(1, B(2, 2), "a2"), MakeVote(2, B(4, 2), "b4")})));
  EXPECT_EQ(Bound(takeover, 1), "a3");
  EXPECT_EQ(Bound(takeover, 2), "b4");
  EXPECT_EQ(Bound(takeover, 3), "free");
  EXPECT_EQ(takeover.highest_vote(), Slot(2));
}

TEST(TakeoverTest, AChosenValueBeatsAnyBallot) {
  Takeover takeover(B(9, 1), Slot(1));
  AcceptedEntry chosen = MakeVote(1, B(1, 1), "chosen");
  chosen.chosen = true;
  ASSERT_TRUE(takeover.Add(NodeId(1), MakePromise(B(9, 1), 0, {MakeVote(1, B(5, 1), "chosen")})));
  ASSERT_TRUE(takeover.Add(NodeId(2), MakePromise(B(9, 1), 0, {chosen})));
  EXPECT_EQ(Bound(takeover, 1), "chosen");
}

// Background study, row 10: promise lists merged at different offsets.
TEST(TakeoverTest, MergesPromisesOfDifferentStartsAndHolesBySlot) {
  Takeover takeover(B(9, 1), Slot(3));
  ASSERT_TRUE(takeover.Add(
      NodeId(1), MakePromise(B(9, 1), 2, {MakeVote(3, B(1, 1), "c"), MakeVote(7, B(1, 1), "g")})));
  ASSERT_TRUE(takeover.Add(
      NodeId(2), MakePromise(B(9, 1), 5, {MakeVote(6, B(2, 1), "f"), MakeVote(7, B(2, 1), "G")})));
  EXPECT_EQ(takeover.chosen_through(), Slot(5));
  EXPECT_EQ(Bound(takeover, 6), "f");
  EXPECT_EQ(Bound(takeover, 7), "G");
  EXPECT_EQ(takeover.SourceAbove(Slot(2), 0), NodeId(2));
  EXPECT_EQ(takeover.SourceAbove(Slot(5), 0), std::nullopt);
}

TEST(TakeoverTest, CountsAPromiseOnlyWhenAllItsPartsAreHere) {
  Takeover takeover(B(9, 1), Slot(1));
  Promise first = MakePromise(B(9, 1), 0, {MakeVote(1, B(1, 1), "a")});
  first.until = Slot(2);
  Promise last = MakePromise(B(9, 1), 0, {MakeVote(2, B(1, 1), "b")});
  last.from = Slot(2);
  ASSERT_TRUE(takeover.Add(NodeId(2), last));
  EXPECT_FALSE(takeover.IsComplete(NodeId(2)));
  EXPECT_EQ(takeover.CountComplete(kVoters), 0u);
  ASSERT_TRUE(takeover.Add(NodeId(2), first));
  EXPECT_TRUE(takeover.IsComplete(NodeId(2)));
  EXPECT_EQ(takeover.CountComplete(kVoters), 1u);
}

TEST(TakeoverTest, PartsOfTwoAnswersLeaveNoHoleUnseen) {
  // The acceptor learned slots in between, so its second answer was cut elsewhere.
  Takeover takeover(B(9, 1), Slot(5));
  Promise first = MakePromise(B(9, 1), 4, {MakeVote(5, B(1, 1), "e")});
  first.until = Slot(10);
  ASSERT_TRUE(takeover.Add(NodeId(2), first));
  Promise last_of_second = MakePromise(B(9, 1), 7, {MakeVote(13, B(1, 1), "m")});
  last_of_second.from = Slot(13);
  ASSERT_TRUE(takeover.Add(NodeId(2), last_of_second));
  EXPECT_FALSE(takeover.IsComplete(NodeId(2)));
  Promise first_of_second = MakePromise(B(9, 1), 7, {MakeVote(11, B(1, 1), "k")});
  first_of_second.until = Slot(13);
  ASSERT_TRUE(takeover.Add(NodeId(2), first_of_second));
  EXPECT_TRUE(takeover.IsComplete(NodeId(2)));
}

TEST(TakeoverTest, CountsADuplicatePromiseOnce) {
  Takeover takeover(B(9, 1), Slot(1));
  EXPECT_TRUE(takeover.Add(NodeId(2), MakePromise(B(9, 1), 0, {})));
  EXPECT_TRUE(takeover.Add(NodeId(2), MakePromise(B(9, 1), 0, {})));
  EXPECT_EQ(takeover.CountComplete(kVoters), 1u);
}

struct Malformed {
  const char* name;
  Promise promise;
};

class MalformedPromiseTest : public testing::TestWithParam<Malformed> {};

TEST_P(MalformedPromiseTest, IsRefusedAsAWhole) {
  Takeover takeover(B(9, 1), Slot(1));
  EXPECT_FALSE(takeover.Add(NodeId(2), GetParam().promise));
  EXPECT_FALSE(takeover.IsComplete(NodeId(2)));
  EXPECT_EQ(takeover.highest_vote(), Slot(0));
}

Promise WithBounds(Promise promise, uint64_t from, uint64_t until) {
  promise.from = Slot(from);
  promise.until = Slot(until);
  return promise;
}

INSTANTIATE_TEST_SUITE_P(
    Cases,
    MalformedPromiseTest,
    testing::Values(
        Malformed{"OtherBallot", MakePromise(B(8, 1), 0, {})},
        Malformed{"SlotsDescend",
                  MakePromise(B(9, 1), 0, {MakeVote(2, B(1, 1), "b"), MakeVote(1, B(1, 1), "a")})},
        Malformed{"SlotTwice",
                  MakePromise(B(9, 1), 0, {MakeVote(2, B(1, 1), "b"), MakeVote(2, B(1, 1), "b")})},
        Malformed{"SlotLearned", MakePromise(B(9, 1), 4, {MakeVote(4, B(1, 1), "d")})},
        Malformed{"VoteAboveThePromise", MakePromise(B(9, 1), 0, {MakeVote(1, B(9, 2), "a")})},
        Malformed{"VoteWithoutBallot", MakePromise(B(9, 1), 0, {MakeVote(1, Ballot{}, "a")})},
        Malformed{"FarAboveWhatWasLearned",
                  MakePromise(B(9, 1), 0, {MakeVote(uint64_t{1} << 40, B(1, 1), "a")})},
        Malformed{"VoteOutsideItsPart",
                  WithBounds(MakePromise(B(9, 1), 0, {MakeVote(5, B(1, 1), "e")}), 1, 5)},
        Malformed{"EmptyPart", WithBounds(MakePromise(B(9, 1), 0, {}), 5, 5)},
        Malformed{"NoStart", WithBounds(MakePromise(B(9, 1), 0, {}), 0, 0)}),
    [](const auto& suite) { return suite.param.name; });

TEST(TakeoverDeathTest, StopsAtTwoValuesForOneSlotAndBallot) {
  Takeover takeover(B(9, 1), Slot(1));
  ASSERT_TRUE(takeover.Add(NodeId(1), MakePromise(B(9, 1), 0, {MakeVote(1, B(3, 1), "a")})));
  EXPECT_DEATH(takeover.Add(NodeId(2), MakePromise(B(9, 1), 0, {MakeVote(1, B(3, 1), "b")})),
               "SameValue");
}

}  // namespace
}  // namespace synod::consensus
