#include "tests/support/linearizability.h"

#include <gtest/gtest.h>

#include <vector>

#include "src/base/random.h"

namespace synod::sim {
namespace {

using Kind = RegisterOp::Kind;
using Condition = RegisterOp::Condition;
using Outcome = RegisterOp::Outcome;

// Verbs for histories: times first, then what was asked, then what was answered.
RegisterOp Get(int64_t called, int64_t returned, const char* value) {
  return {.kind = Kind::kGet,
          .value = value,
          .called = called,
          .returned = returned,
          .outcome = Outcome::kOk};
}
RegisterOp GetAbsent(int64_t called, int64_t returned) {
  return {
      .kind = Kind::kGet, .called = called, .returned = returned, .outcome = Outcome::kNotFound};
}
RegisterOp Put(int64_t called, int64_t returned, const char* value, uint64_t version = 0) {
  return {.kind = Kind::kPut,
          .value = value,
          .called = called,
          .returned = returned,
          .outcome = Outcome::kOk,
          .version = version};
}
RegisterOp OpenPut(int64_t called, const char* value) {
  return {.kind = Kind::kPut, .value = value, .called = called};
}
RegisterOp Delete(int64_t called, int64_t returned) {
  return {.kind = Kind::kDelete, .called = called, .returned = returned, .outcome = Outcome::kOk};
}
RegisterOp If(RegisterOp op, Condition condition, uint64_t number = 0) {
  op.condition = condition;
  op.condition_number = number;
  return op;
}
RegisterOp At(RegisterOp op, uint64_t mod_revision) {
  op.mod_revision = mod_revision;
  return op;
}
RegisterOp Refused(RegisterOp op) {
  op.outcome = Outcome::kRefused;
  return op;
}

struct Case {
  const char* name;
  std::vector<RegisterOp> history;
  Verdict verdict;
};

class LinearizabilityTest : public testing::TestWithParam<Case> {};

TEST_P(LinearizabilityTest, GivesTheVerdictOf) {
  const LinearizabilityResult result = CheckRegister(GetParam().history);
  EXPECT_EQ(result.verdict, GetParam().verdict) << result.detail;
  EXPECT_EQ(result.detail.empty(), GetParam().verdict == Verdict::kLinearizable);
}

const Case kCases[] = {
    // Real time.
    {"AnEmptyHistory", {}, Verdict::kLinearizable},
    {"AReadAfterAWrite", {Put(0, 1, "a"), Get(2, 3, "a")}, Verdict::kLinearizable},
    {"AStaleRead", {Put(0, 1, "a"), Put(2, 3, "b"), Get(4, 5, "a")}, Verdict::kViolation},
    {"AReadOfTheFuture", {Get(0, 1, "a"), Put(2, 3, "a")}, Verdict::kViolation},
    {"ALostWrite", {Put(0, 1, "a"), GetAbsent(2, 3)}, Verdict::kViolation},
    {"AConcurrentReadOfTheOldValue",
     {Put(0, 1, "a"), Put(2, 9, "b"), Get(3, 4, "a"), Get(5, 6, "b")},
     Verdict::kLinearizable},
    {"ANewOldInversion",
     {Put(0, 1, "a"), Put(2, 9, "b"), Get(3, 4, "b"), Get(5, 6, "a")},
     Verdict::kViolation},
    {"CallsAtTheTimeOfAReturnCountAsConcurrent",
     {Put(0, 5, "a"), GetAbsent(5, 6)},
     Verdict::kLinearizable},
    // Unknown outcomes.
    {"AnOpenWriteThatTookEffectLate",
     {OpenPut(0, "a"), GetAbsent(1, 2), Get(3, 4, "a")},
     Verdict::kLinearizable},
    {"AnOpenWriteThatNeverTookEffect",
     {Put(0, 1, "a"), OpenPut(2, "b"), Get(3, 4, "a")},
     Verdict::kLinearizable},
    {"AnOpenWriteSeenAndThenGone",
     {Put(0, 1, "a"), OpenPut(2, "b"), Get(3, 4, "b"), Get(5, 6, "a")},
     Verdict::kViolation},
    {"AnOpenWriteSeenBeforeItsCall", {Get(0, 1, "a"), OpenPut(2, "a")}, Verdict::kViolation},
    // Preconditions.
    {"TwoCreatesOfWhichOneIsRefused",
     {If(Put(0, 5, "a"), Condition::kAbsent), Refused(If(Put(0, 5, "b"), Condition::kAbsent))},
     Verdict::kLinearizable},
    {"TwoCreatesThatBothSucceed",
     {If(Put(0, 5, "a"), Condition::kAbsent), If(Put(0, 5, "b"), Condition::kAbsent)},
     Verdict::kViolation},
    {"ACompareAndSwapOnTheRightRevision",
     {At(Put(0, 1, "a"), 7), At(If(Put(2, 3, "b"), Condition::kModRevision, 7), 8)},
     Verdict::kLinearizable},
    {"ACompareAndSwapOnAnOverwrittenRevision",
     {At(Put(0, 1, "a"), 7), At(Put(2, 3, "x"), 8),
      At(If(Put(4, 5, "b"), Condition::kModRevision, 7), 9)},
     Verdict::kViolation},
    {"ARefusalThatHadNoReason",
     {At(Put(0, 1, "a"), 7), Refused(If(Put(2, 3, "b"), Condition::kModRevision, 7))},
     Verdict::kViolation},
    {"ARefusalBecauseOfAnOpenWrite",
     {At(Put(0, 1, "a"), 7), OpenPut(2, "b"),
      Refused(If(Put(3, 4, "c"), Condition::kModRevision, 7)), Get(5, 6, "b")},
     Verdict::kLinearizable},
    {"ACompareAndSwapOnTheRevisionOfAnOpenWrite",
     {OpenPut(0, "a"), At(If(Put(3, 4, "b"), Condition::kModRevision, 9), 10)},
     Verdict::kLinearizable},
    {"TwoRevisionsForOneOpenWrite",
     {OpenPut(0, "a"), At(Get(1, 2, "a"), 4), At(Get(3, 4, "a"), 5)},
     Verdict::kViolation},
    // Versions, absence, deletes.
    {"VersionsThatCount",
     {Put(0, 1, "a", 1), Put(2, 3, "b", 2), Delete(4, 5), Put(6, 7, "c", 1)},
     Verdict::kLinearizable},
    {"AVersionThatCountsTwice", {Put(0, 1, "a", 1), Put(2, 3, "b", 3)}, Verdict::kViolation},
    {"AnOpenWriteProvenByTheNextVersion",
     {Put(0, 1, "a", 1), OpenPut(2, "x"), Put(3, 4, "b", 3)},
     Verdict::kLinearizable},
    {"ADeletedValueReadAgain", {Put(0, 1, "a"), Delete(2, 3), Get(4, 5, "a")}, Verdict::kViolation},
    {"ADeleteOfWhatWasNeverThere", {Delete(0, 1)}, Verdict::kViolation},
};

INSTANTIATE_TEST_SUITE_P(Histories,
                         LinearizabilityTest,
                         testing::ValuesIn(kCases),
                         [](const auto& row) { return std::string(row.param.name); });

// A register that really is one, called by several clients: operations take effect at a random
// point between call and return. Some answers are thrown away.
std::vector<RegisterOp> HistoryOfARealRegister(Random* random, int count) {
  std::vector<RegisterOp> history;
  RegisterState state;
  uint64_t revision = 0;
  for (int i = 0; i < count; ++i) {
    RegisterOp op;
    const int64_t effect = 10 * i;
    op.called = effect - static_cast<int64_t>(random->Below(40));
    op.returned = effect + static_cast<int64_t>(random->Below(40));
    op.kind = random->Chance(40) ? Kind::kGet : random->Chance(85) ? Kind::kPut : Kind::kDelete;
    op.value = op.kind == Kind::kPut ? "v" + std::to_string(i) : state.value;
    if (op.kind == Kind::kPut && random->Chance(30))
      op = If(op, Condition::kModRevision,
              state.mod_revision == 0 || random->Chance(30) ? 999'999 : state.mod_revision);
    op.outcome = Outcome::kOk;
    op.mod_revision = op.kind == Kind::kPut ? revision + 1 : state.mod_revision;
    if (op.kind == Kind::kDelete)
      op.mod_revision = 0;
    std::optional<RegisterState> next = StepRegister(state, op);
    if (next && op.kind != Kind::kGet)
      ++revision;
    if (!next) {
      op.outcome = op.kind == Kind::kPut ? Outcome::kRefused : Outcome::kNotFound;
      op.mod_revision = op.kind == Kind::kPut ? state.mod_revision : 0;
      next = StepRegister(state, op);
    }
    state = *next;
    op.version = op.kind == Kind::kDelete ? 0 : state.version;
    if (op.kind != Kind::kGet && random->Chance(8)) {
      op.outcome = Outcome::kUnknown;
      op.version = 0;
      op.mod_revision = 0;
    }
    history.push_back(op);
  }
  return history;
}

TEST(LinearizabilityRandomTest, AcceptsWhatARealRegisterDid) {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    Random random(seed);
    const std::vector<RegisterOp> history = HistoryOfARealRegister(&random, 150);
    const LinearizabilityResult result = CheckRegister(history);
    ASSERT_EQ(result.verdict, Verdict::kLinearizable) << "seed " << seed << ": " << result.detail;
  }
}

// The same history with one read turned into a read of a value that was overwritten long before.
TEST(LinearizabilityRandomTest, FindsOneOldReadAmongManyOperations) {
  int tried = 0;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    Random random(seed);
    std::vector<RegisterOp> history = HistoryOfARealRegister(&random, 150);
    std::string old_value;
    for (const RegisterOp& op : history)
      if (op.kind == Kind::kPut && op.outcome == Outcome::kOk && op.returned < 300)
        old_value = op.value;
    for (RegisterOp& op : history) {
      if (op.kind != Kind::kGet || op.outcome != Outcome::kOk || op.called < 1200)
        continue;
      op.value = old_value;
      op.mod_revision = 0;
      ++tried;
      ASSERT_EQ(CheckRegister(history).verdict, Verdict::kViolation) << "seed " << seed;
      break;
    }
  }
  EXPECT_GT(tried, 60);
}

TEST(LinearizabilityRandomTest, GivesUpAtItsLimitAndClaimsNothing) {
  Random random(1);
  const std::vector<RegisterOp> history = HistoryOfARealRegister(&random, 150);
  const LinearizabilityResult result = CheckRegister(history, {}, 20);
  EXPECT_EQ(result.verdict, Verdict::kUndecided);
  EXPECT_EQ(result.steps, 21U);
}

TEST(LinearizabilityRandomTest, NamesTheOperationThatDoesNotFit) {
  const std::vector<RegisterOp> history = {Put(0, 1, "a"), Put(2, 3, "b"), Get(4, 5, "a")};
  const LinearizabilityResult result = CheckRegister(history);
  EXPECT_NE(result.detail.find("[4, 5] get a -> ok"), std::string::npos) << result.detail;
  EXPECT_NE(result.detail.find("leaves value b"), std::string::npos) << result.detail;
}

}  // namespace
}  // namespace synod::sim
