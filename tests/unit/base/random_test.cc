#include "src/base/random.h"

#include <gtest/gtest.h>

#include <array>
#include <limits>

namespace synod {
namespace {

TEST(RandomTest, GivesTheKnownSequenceOfSplitmix64) {
  Random random(1234567);
  EXPECT_EQ(random.Next(), 6457827717110365317U);
  EXPECT_EQ(random.Next(), 3203168211198807973U);
  EXPECT_EQ(random.Next(), 9817491932198370423U);
  EXPECT_EQ(random.Next(), 4593380528125082431U);
  EXPECT_EQ(random.Next(), 16408922859458223821U);
}

TEST(RandomTest, BelowStaysBelowAndReachesEveryNumber) {
  Random random(1);
  std::array<int, 10> seen{};
  for (int i = 0; i < 10000; ++i) {
    const uint64_t v = random.Below(10);
    ASSERT_LT(v, 10U);
    ++seen[v];
  }
  for (const int count : seen) {
    EXPECT_GT(count, 850);
    EXPECT_LT(count, 1150);
  }
}

TEST(RandomTest, BelowZeroIsZero) { EXPECT_EQ(Random(3).Below(0), 0U); }

TEST(RandomTest, BetweenIncludesBothEnds) {
  Random random(2);
  bool low = false;
  bool high = false;
  for (int i = 0; i < 1000; ++i) {
    const uint64_t v = random.Between(5, 7);
    ASSERT_GE(v, 5U);
    ASSERT_LE(v, 7U);
    low |= v == 5;
    high |= v == 7;
  }
  EXPECT_TRUE(low);
  EXPECT_TRUE(high);
  EXPECT_EQ(random.Between(9, 9), 9U);
}

TEST(RandomTest, BetweenTheEndsOfTheRangeIsNotConstant) {
  Random random(4);
  const uint64_t all = std::numeric_limits<uint64_t>::max();
  EXPECT_NE(random.Between(0, all), random.Between(0, all));
}

TEST(RandomTest, ChanceKeepsItsPercentage) {
  Random random(5);
  int hits = 0;
  for (int i = 0; i < 100000; ++i) {
    hits += random.Chance(12.5) ? 1 : 0;
    ASSERT_FALSE(random.Chance(0));
    ASSERT_TRUE(random.Chance(100));
  }
  EXPECT_NEAR(hits, 12500, 500);
}

TEST(RandomTest, AForkDoesNotMoveItsParentWithItsDraws) {
  Random one(6);
  Random two(6);
  Random fork_of_one = one.Fork();
  Random fork_of_two = two.Fork();
  for (int i = 0; i < 100; ++i) fork_of_one.Next();
  EXPECT_EQ(one.Next(), two.Next());
  EXPECT_NE(fork_of_two.Next(), two.Next());
}

}  // namespace
}  // namespace synod
