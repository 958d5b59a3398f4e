// Histories that must be refused, and those that must not: each judge against hand-made ones.
#include "tests/histories/appends.h"
#include "tests/histories/counters.h"
#include "tests/histories/expect_complaint.h"
#include "tests/histories/holds.h"
#include "tests/histories/leaders.h"
#include "tests/histories/reads_at_revision.h"
#include "tests/histories/revisions.h"
#include "tests/histories/sets.h"
#include "tests/histories/shared_lists.h"

namespace synod::histories {
namespace {

using sim::RegisterOp;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

struct RevisionCase {
  const char* name;
  std::vector<SeenRevision> seen;
  const char* complaint;
};

class RevisionsTest : public testing::TestWithParam<RevisionCase> {};

TEST_P(RevisionsTest, Judges) {
  ExpectComplaint(JudgeRevisions(GetParam().seen), GetParam().complaint);
}

const RevisionCase kRevisions[] = {
    {"ReadsMayRepeatARevision", {{0, 1, 5, true}, {2, 3, 5, false}, {4, 5, 5, false}}, ""},
    {"ConcurrentAnswersMayComeInAnyOrder", {{0, 9, 5, true}, {1, 8, 6, true}}, ""},
    {"ALaterReadOfAnEarlierRevision",
     {{0, 1, 5, true}, {2, 3, 4, false}},
     "an answer reflects revision 4, and 5 was answered"},
    {"ALaterChangeAtTheSameRevision",
     {{0, 1, 5, true}, {2, 3, 5, true}},
     "a change took revision 5, and 5 was answered"},
};

INSTANTIATE_TEST_SUITE_P(Histories,
                         RevisionsTest,
                         testing::ValuesIn(kRevisions),
                         NameOf<RevisionCase>);

RegisterOp Put(const char* value, uint64_t revision) {
  return {.kind = RegisterOp::Kind::kPut,
          .value = value,
          .outcome = revision == 0 ? RegisterOp::Outcome::kUnknown : RegisterOp::Outcome::kOk,
          .mod_revision = revision};
}
RegisterOp Delete(uint64_t revision) {
  RegisterOp op = Put("", revision);
  op.kind = RegisterOp::Kind::kDelete;
  return op;
}
ReadAtRevision Shows(uint64_t at, const char* value, uint64_t mod_revision) {
  return {.revision = at, .state = {.present = true, .value = value, .mod_revision = mod_revision}};
}
ReadAtRevision ShowsNone(uint64_t at) { return {.revision = at}; }

struct ReadCase {
  const char* name;
  std::vector<RegisterOp> ops;
  ReadAtRevision read;
  const char* complaint;
};

class ReadsAtRevisionTest : public testing::TestWithParam<ReadCase> {};

TEST_P(ReadsAtRevisionTest, Judges) {
  ExpectComplaint(JudgeReadsAtRevision(GetParam().ops, std::span(&GetParam().read, 1)),
                  GetParam().complaint);
}

const ReadCase kReads[] = {
    {"TheLastChangeBeforeIt", {Put("a", 3), Put("b", 7)}, Shows(6, "a", 3), ""},
    {"TheChangeAtItsOwnRevision", {Put("a", 3), Put("b", 7)}, Shows(7, "b", 7), ""},
    {"NothingBeforeTheFirstChange", {Put("a", 3)}, ShowsNone(2), ""},
    {"NothingAfterADelete", {Put("a", 3), Delete(5)}, ShowsNone(6), ""},
    {"AnOpenPut", {Put("a", 3), Put("x", 0)}, Shows(6, "x", 4), ""},
    {"AnOpenDelete", {Put("a", 3), Delete(0)}, ShowsNone(6), ""},
    {"LessThanAskedFor",
     {Put("a", 3)},
     {.min_revision = 9,
      .revision = 8,
      .state = {.present = true, .value = "a", .mod_revision = 3}},
     "reflects less than was asked for"},
    {"AChangeThatIsMissing", {Put("a", 3)}, ShowsNone(4), "misses a change before it"},
    {"AnOverwrittenValue", {Put("a", 3), Put("b", 7)}, Shows(8, "a", 3), "was overwritten"},
    {"ADeletedValue", {Put("a", 3), Delete(5)}, Shows(8, "a", 3), "was overwritten"},
    {"AValueOfTheFuture", {Put("a", 3), Put("b", 7)}, Shows(6, "b", 7), "newer than itself"},
    {"AnotherValueThanWritten", {Put("a", 3)}, Shows(3, "b", 3), "another value"},
    {"AValueThatNobodyWrote", {Put("a", 3)}, Shows(5, "z", 4), "nobody wrote"},
};

INSTANTIATE_TEST_SUITE_P(Histories,
                         ReadsAtRevisionTest,
                         testing::ValuesIn(kReads),
                         NameOf<ReadCase>);

SetAdd Add(uint64_t element, int64_t called, int64_t returned, uint64_t revision = 0) {
  return {element, called, returned, revision};
}
SetRead Read(int64_t called, int64_t returned, std::set<uint64_t> elements) {
  return {.called = called, .returned = returned, .elements = std::move(elements)};
}
SetRead At(uint64_t revision, SetRead read) {
  read.revision = revision;
  return read;
}
SetRead Sequential(uint64_t min_revision, SetRead read) {
  read.sequential = true;
  read.min_revision = min_revision;
  return read;
}

struct SetCase {
  const char* name;
  std::vector<SetAdd> adds;
  std::vector<SetRead> reads;
  const char* complaint;
};

class SetsTest : public testing::TestWithParam<SetCase> {};

TEST_P(SetsTest, Judges) {
  ExpectComplaint(JudgeSet(GetParam().adds, GetParam().reads), GetParam().complaint);
}

const SetCase kSets[] = {
    {"AllThatWasAdded", {Add(1, 0, 1), Add(2, 2, 3)}, {Read(4, 5, {1, 2})}, ""},
    {"ConcurrentAddsInAnyOrder",
     {Add(1, 0, 9), Add(2, 0, 9)},
     {Read(1, 2, {2}), Read(3, 4, {1, 2})},
     ""},
    {"AnOpenAddThatCame", {Add(1, 0, SetAdd::kNever)}, {Read(1, 2, {}), Read(3, 4, {1})}, ""},
    {"AnOpenAddThatNeverCame", {Add(1, 0, SetAdd::kNever)}, {Read(3, 4, {})}, ""},
    {"ASequentialReadThatLags",
     {Add(1, 0, 1, 7), Add(2, 2, 3, 8)},
     {Sequential(7, At(7, Read(4, 5, {1})))},
     ""},
    {"ALostElement", {Add(1, 0, 1)}, {Read(2, 3, {})}, "misses what was added before it: 1"},
    {"AnElementThatCameBackFromNowhere", {}, {Read(2, 3, {4})}, "what nobody added: 4"},
    {"AnElementOfTheFuture", {Add(1, 5, 6)}, {Read(2, 3, {1})}, "what was added after it: 1"},
    {"ALaterElementWithoutTheEarlier",
     {Add(1, 0, 3), Add(2, 4, 9)},
     {Read(1, 8, {2})},
     "has a later element and misses 1"},
    {"ReadsThatDoNotFitEachOther",
     {Add(1, 0, 9), Add(2, 0, 9)},
     {Read(1, 2, {2}), Read(1, 2, {1})},
     "has not all of"},
    {"AnElementSeenAndThenGone",
     {Add(1, 0, SetAdd::kNever)},
     {Read(1, 2, {1}), Read(3, 4, {})},
     "began after the end of"},
    {"ASequentialReadThatMissesItsOwnRevision",
     {Add(1, 0, 1, 7)},
     {Sequential(7, At(7, Read(4, 5, {})))},
     "misses what is not newer than itself: 1"},
    {"ASequentialReadOfLessThanAskedFor",
     {Add(1, 0, 1, 7)},
     {Sequential(7, At(6, Read(4, 5, {})))},
     "reflects less than 7"},
    {"AReadWithMoreThanItsRevision",
     {Add(1, 0, 1, 7)},
     {Sequential(6, At(6, Read(4, 5, {1})))},
     "has what is newer than itself: 1"},
};

INSTANTIATE_TEST_SUITE_P(Histories, SetsTest, testing::ValuesIn(kSets), NameOf<SetCase>);

struct AppendCase {
  const char* name;
  std::vector<AppendTransaction> transactions;
  const char* complaint;
};

class AppendsTest : public testing::TestWithParam<AppendCase> {};

TEST_P(AppendsTest, Judges) {
  ExpectComplaint(JudgeAppends(GetParam().transactions), GetParam().complaint);
}

constexpr int64_t kOpen = AppendTransaction::kNever;

// Lists are 1 and 2; an element's number is its list's and a counter.
const AppendCase kAppends[] = {
    {"AppendsAndReadsInTurn",
     {{0, 1, {{1, 11}}, {{1, {11}}}}, {2, 3, {{1, 12}, {2, 21}}, {{1, {11, 12}}, {2, {21}}}}},
     ""},
    {"ConcurrentTransactionsInEitherOrder",
     {{0, 9, {{1, 11}}, {}}, {0, 9, {{1, 12}}, {}}, {10, 11, {}, {{1, {12, 11}}}}},
     ""},
    {"AnOpenAppendThatCame", {{0, kOpen, {{1, 11}}, {}}, {2, 3, {}, {{1, {11}}}}}, ""},
    {"AnOpenAppendThatNeverCame", {{0, kOpen, {{1, 11}}, {}}, {2, 3, {}, {{1, {}}}}}, ""},
    {"AReadThatIsConcurrentWithTheAppendItMisses",
     {{0, 5, {{1, 11}}, {}}, {1, 2, {}, {{1, {}}}}},
     ""},
    {"ALostAppend",
     {{0, 1, {{1, 11}}, {}}, {2, 3, {}, {{1, {}}}}},
     "and the last before the first"},
    {"ALostUpdate",
     {{0, 9, {{1, 11}}, {}}, {0, 9, {{1, 12}}, {}}, {10, 11, {}, {{1, {11}}}}},
     "and the last before the first"},
    {"ADuplicatedAppend", {{0, 1, {{1, 11}}, {}}, {2, 3, {}, {{1, {11, 11}}}}}, "has 11 twice"},
    {"AnAppendFromNowhere", {{2, 3, {}, {{1, {11}}}}}, "11, which nobody appended"},
    {"AnAppendInAnotherList",
     {{0, 1, {{2, 21}}, {}}, {2, 3, {}, {{1, {21}}}}},
     "which belongs to list 2"},
    {"TwoOrdersOfOneList",
     {{0, 9, {{1, 11}}, {}},
      {0, 9, {{1, 12}}, {}},
      {10, 11, {}, {{1, {11, 12}}}},
      {12, 13, {}, {{1, {12, 11}}}}},
     "two reads disagree"},
    {"AReadWithoutItsOwnAppend", {{0, 1, {{1, 11}}, {{1, {}}}}}, "does not end with its own"},
    {"AStaleRead",
     {{0, 1, {{1, 11}}, {}},
      {2, 3, {{1, 12}}, {}},
      {4, 5, {}, {{1, {11}}}},
      {6, 7, {}, {{1, {11, 12}}}}},
     "and the last before the first"},
    {"AReadOfTheFuture",
     {{0, 1, {}, {{1, {11}}}}, {2, 3, {{1, 11}}, {}}},
     "and the last before the first"},
    {"WriteSkewOfTwoTransactions",
     {{0, 9, {{1, 11}}, {{2, {}}}},
      {0, 9, {{2, 21}}, {{1, {}}}},
      {10, 11, {}, {{1, {11}}, {2, {21}}}}},
     "and the last before the first"},
    {"ATransactionSeenInHalf",
     {{0, 9, {{1, 11}, {2, 21}}, {}},
      {0, 9, {}, {{1, {11}}, {2, {}}}},
      {10, 11, {}, {{1, {11}}, {2, {21}}}}},
     "and the last before the first"},
    {"AnOpenTransactionSeenInHalfForEver",
     {{0, kOpen, {{1, 11}, {2, 21}}, {}}, {1, 2, {}, {{1, {11}}, {2, {}}}}},
     "and the last before the first"},
    {"TwoListsInOppositeOrders",
     {{0, 9, {{1, 11}, {2, 21}}, {}},
      {0, 9, {{1, 12}, {2, 22}}, {}},
      {10, 11, {}, {{1, {11, 12}}, {2, {22, 21}}}}},
     "and the last before the first"},
    {"TwoReadersThatSeeTwoAppendsInDifferentOrder",
     {{0, 20, {{1, 11}}, {}},
      {0, 20, {{2, 21}}, {}},
      {1, 2, {}, {{1, {11}}, {2, {}}}},
      {1, 2, {}, {{1, {}}, {2, {21}}}},
      {30, 31, {}, {{1, {11}}, {2, {21}}}}},
     "and the last before the first"},
};

INSTANTIATE_TEST_SUITE_P(Histories, AppendsTest, testing::ValuesIn(kAppends), NameOf<AppendCase>);

TEST(AppendsExplanationTest, NamesTheTransactionsOfTheCycle) {
  const std::vector<AppendTransaction> history = {
      {0, 9, {{1, 11}}, {{2, {}}}},
      {0, 9, {{2, 21}}, {{1, {}}}},
      {10, 11, {}, {{1, {11}}, {2, {21}}}},
  };
  EXPECT_THAT(JudgeAppends(history),
              ElementsAre(AllOf(HasSubstr("[0, 9] append 11 to 1 read 0 of 2"),
                                HasSubstr("[0, 9] append 21 to 2 read 0 of 1"),
                                Not(HasSubstr("[10, 11]")))));
}

CounterOp Increment(int64_t called, int64_t returned, uint64_t value) {
  return {true, called, returned, value};
}
CounterOp OpenIncrement(int64_t called) { return {.increment = true, .called = called}; }
CounterOp ReadOf(int64_t called, int64_t returned, uint64_t value) {
  return {false, called, returned, value};
}

struct CounterCase {
  const char* name;
  std::vector<CounterOp> ops;
  const char* complaint;
};

class CountersTest : public testing::TestWithParam<CounterCase> {};

TEST_P(CountersTest, Judges) {
  ExpectComplaint(JudgeCounter(GetParam().ops), GetParam().complaint);
}

const CounterCase kCounters[] = {
    {"IncrementsInTurn", {Increment(0, 1, 1), Increment(2, 3, 2), ReadOf(4, 5, 2)}, ""},
    {"ConcurrentIncrements", {Increment(0, 9, 2), Increment(0, 9, 1), ReadOf(1, 2, 0)}, ""},
    {"AnOpenIncrementThatCame", {OpenIncrement(0), Increment(1, 2, 2)}, ""},
    {"AnOpenIncrementThatNeverCame", {OpenIncrement(0), Increment(1, 2, 1)}, ""},
    {"ALostIncrement", {Increment(0, 1, 1), ReadOf(2, 3, 0)}, "and it was 1 at least"},
    {"AnIncrementAppliedTwice", {Increment(0, 1, 1), ReadOf(2, 3, 2)}, "only 1 were asked for"},
    {"AnIncrementBeforeItWasAskedFor",
     {ReadOf(0, 1, 1), OpenIncrement(2)},
     "only 0 were asked for"},
    {"TwoIncrementsWithOneAnswer", {Increment(0, 9, 1), Increment(0, 9, 1)}, "as another one did"},
    {"AnOpenIncrementSeenAndThenGone",
     {OpenIncrement(0), ReadOf(1, 2, 1), ReadOf(3, 4, 0)},
     "and it was 1 at least"},
    {"ALaterIncrementThatAnswersLess",
     {OpenIncrement(0), OpenIncrement(0), Increment(1, 2, 3), Increment(3, 4, 2)},
     "and it was 4 at least"},
};

INSTANTIATE_TEST_SUITE_P(Histories,
                         CountersTest,
                         testing::ValuesIn(kCounters),
                         NameOf<CounterCase>);

struct HoldCase {
  const char* name;
  std::vector<Hold> holds;
  std::vector<FencedWrite> writes;
  const char* complaint;
};

class HoldsTest : public testing::TestWithParam<HoldCase> {};

TEST_P(HoldsTest, Judges) {
  ExpectComplaint(JudgeHolds(GetParam().holds, GetParam().writes), GetParam().complaint);
}

// Token, called, returned, certain until.
const HoldCase kHolds[] = {
    {"OneAfterTheOther", {{5, 0, 1, 4}, {7, 2, 5, 9}}, {{5, 10}, {7, 11}, {7, 12}}, ""},
    {"AnAnswerThatComesWhenTheHoldIsOver", {{5, 0, 8, 4}, {7, 2, 5, 9}}, {}, ""},
    {"TwoAtOnce", {{5, 0, 1, 6}, {7, 1, 5, 9}}, {}, "tokens 5 and 7 were held at once"},
    {"ALowerToken", {{7, 0, 1, 2}, {5, 3, 4, 9}}, {}, "token 5 was given after 7"},
    {"ATokenGivenTwice", {{5, 0, 3, 3}, {5, 1, 4, 4}}, {}, "token 5 was given twice"},
    {"AWriteUnderAStaleToken",
     {{5, 0, 1, 4}, {7, 2, 5, 9}},
     {{5, 10}, {7, 11}, {5, 12}},
     "a write under token 5 came after one under 7"},
};

INSTANTIATE_TEST_SUITE_P(Histories, HoldsTest, testing::ValuesIn(kHolds), NameOf<HoldCase>);

struct LeaderCase {
  const char* name;
  std::vector<Proclamation> proclamations;
  std::vector<LeaderRead> reads;
  const char* complaint;
};

class LeadersTest : public testing::TestWithParam<LeaderCase> {};

TEST_P(LeadersTest, Judges) {
  ExpectComplaint(JudgeLeaders(GetParam().proclamations, GetParam().reads), GetParam().complaint);
}

// Token, value, revision.
const LeaderCase kLeaders[] = {
    {"OneAfterTheOther",
     {{5, "a"}, {5, "b", 8}, {9, "c"}},
     {{6, 5, "a"}, {8, 5, "b"}, {9, 0}, {10, 9, "c"}},
     ""},
    {"AnOpenProclamation", {{5, "a"}, {5, "b", 0, true}}, {{6, 5, "b"}, {7, 5, "b"}}, ""},
    {"ALeaderWhoseElectionNobodyWasTold", {}, {{6, 5, "x"}}, ""},
    {"AnEarlierLeaderIsBack",
     {{5, "a"}, {9, "c"}},
     {{10, 9, "c"}, {11, 5, "a"}},
     "token 5 led at revision 11, after token 9"},
    {"AProclamationOfADeposedLeader",
     {{5, "a"}, {9, "c"}, {5, "b", 12}},
     {{10, 9, "c"}},
     "token 5 led at revision 12, after token 9"},
    {"AStaleProclamation",
     {{5, "a"}, {5, "b", 8}},
     {{9, 5, "a"}},
     "shows token 5 with 'a', which is not what it proclaimed last"},
    {"AProclamationOfTheFuture",
     {{5, "a"}, {5, "b", 8}},
     {{7, 5, "b"}},
     "which is not what it proclaimed last"},
    {"AProclamationOfNobody", {{5, "a"}}, {{7, 5, "z"}}, "which is not what it proclaimed last"},
};

INSTANTIATE_TEST_SUITE_P(Histories, LeadersTest, testing::ValuesIn(kLeaders), NameOf<LeaderCase>);

struct ObservedCase {
  const char* name;
  std::vector<LeaderRead> seen;
  std::vector<Proclamation> proclamations;
  std::vector<LeaderRead> reads;
  const char* complaint;
};

class ObservedTest : public testing::TestWithParam<ObservedCase> {};

TEST_P(ObservedTest, Judges) {
  const ObservedRun run{.messages = GetParam().seen};
  ExpectComplaint(JudgeObserved({&run, 1}, GetParam().proclamations, GetParam().reads),
                  GetParam().complaint);
}

const ObservedCase kObserved[] = {
    {"EveryChangeOnce",
     {{4, 0}, {5, 5, "a"}, {8, 5, "b"}, {9, 0}, {12, 10, "c"}},
     {{5, "a"}, {5, "b", 8}, {10, "c"}},
     {{4, 0}, {7, 5, "a"}, {8, 5, "b"}, {11, 0}, {12, 10, "c"}, {13, 10, "x"}},
     ""},
    {"WhatWasBeforeIsNotAskedFor",
     {{7, 5, "a"}, {12, 10, "c"}},
     {{3, "z"}, {3, "y", 4}, {5, "x", 6}},
     {{6, 5, "x"}},
     ""},
    {"Backwards", {{8, 5, "a"}, {7, 5, "b"}}, {}, {}, "at revision 7, after 8"},
    {"Twice", {{7, 5, "a"}, {7, 5, "b"}}, {}, {}, "at revision 7, after 7"},
    {"NoChange", {{7, 5, "a"}, {8, 5, "a"}}, {}, {}, "is told what it was told before"},
    {"AnEarlierLeaderIsBack",
     {{7, 5, "a"}, {8, 8, "b"}, {9, 5, "a"}},
     {},
     {},
     "sees token 5, after 8"},
    {"AMissingProclamation",
     {{7, 5, "a"}, {9, 5, "c"}},
     {{5, "b", 8}},
     {},
     "not told at revision 8"},
    {"AMissingElection",
     {{7, 5, "a"}, {12, 12, "c"}},
     {{9, "b"}},
     {},
     "not told of the election of token 9"},
    {"AReadOfAnother",
     {{7, 5, "a"}, {12, 12, "c"}},
     {},
     {{11, 9, "b"}},
     "and an observer saw token 5"},
};

TEST(ObservedMarkTest, AProgressMarkSaysThatNothingIsMissing) {
  const ObservedRun run{.messages = {{7, 5, "a"}}, .mark = 12};
  const LeaderRead within{12, 9, "b"};
  const LeaderRead beyond{13, 9, "b"};
  ExpectComplaint(JudgeObserved({&run, 1}, {}, {&within, 1}), "and an observer saw token 5");
  ExpectComplaint(JudgeObserved({&run, 1}, {}, {&beyond, 1}), "");
}

INSTANTIATE_TEST_SUITE_P(Histories,
                         ObservedTest,
                         testing::ValuesIn(kObserved),
                         NameOf<ObservedCase>);

struct SharedListCase {
  const char* name;
  std::vector<std::string> list;
  const char* complaint;
};

class SharedListsTest : public testing::TestWithParam<SharedListCase> {};

TEST_P(SharedListsTest, Judges) {
  const ListUpdates updates = {
      .attempted = {"a1", "a2", "a3", "a4"}, .acknowledged = {"a1", "a2"}, .refused = {"a4"}};
  ExpectComplaint(JudgeSharedList(updates, GetParam().list), GetParam().complaint);
}

const SharedListCase kSharedLists[] = {
    {"WhatWasAcknowledged", {"a2", "a1"}, ""},
    {"AnOpenUpdateThatCame", {"a1", "a2", "a3"}, ""},
    {"ALostUpdate", {"a1", "a3"}, "element a2 was acknowledged and is lost"},
    {"AnUpdateThatCameTwice", {"a1", "a2", "a1"}, "element a1 is there twice"},
    {"ARefusedUpdateThatCame", {"a1", "a2", "a4"}, "a4 is there, and its write was refused"},
    {"AnElementFromNowhere", {"a1", "a2", "z"}, "element z was written by nobody"},
};

INSTANTIATE_TEST_SUITE_P(Histories,
                         SharedListsTest,
                         testing::ValuesIn(kSharedLists),
                         NameOf<SharedListCase>);

}  // namespace
}  // namespace synod::histories
