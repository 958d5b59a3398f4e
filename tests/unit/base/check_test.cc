#include "src/base/check.h"

#include <gtest/gtest.h>

#include "src/base/types.h"

namespace synod {
namespace {

TEST(CheckTest, PassesWhatIsTrue) {
  SYNOD_CHECK(1 + 1 == 2);
  SYNOD_CHECK_EQ(Slot(3), Slot(3));
  SYNOD_CHECK_LT(Slot(3), Slot(4));
}

TEST(CheckDeathTest, AbortsAndNamesTheExpressionAndItsPlace) {
  EXPECT_DEATH(SYNOD_CHECK(2 < 1), "check_test.cc:[0-9]+: 2 < 1");
}

TEST(CheckDeathTest, PrintsBothValues) {
  const int found = 7;
  EXPECT_DEATH(SYNOD_CHECK_EQ(found, 8), "found == 8: 7 vs 8");
}

TEST(CheckDeathTest, PrintsTheValuesOfStrongTypes) {
  EXPECT_DEATH(SYNOD_CHECK_GE(Slot(4), Slot(9)), "4 vs 9");
}

TEST(CheckDeathTest, ReportsValuesThatCannotBePrintedByTheirExpression) {
  const Ballot mine{1, NodeId(1)};
  const Ballot other{2, NodeId(1)};
  EXPECT_DEATH(SYNOD_CHECK_EQ(mine, other), "mine == other");
}

TEST(CheckTest, EvaluatesItsArgumentsOnceWhenItPasses) {
  int calls = 0;
  SYNOD_CHECK_EQ(++calls, 1);
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace synod
