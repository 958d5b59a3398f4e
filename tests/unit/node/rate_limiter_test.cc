#include "src/node/rate_limiter.h"

#include <gtest/gtest.h>

#include <string>

namespace synod::node {
namespace {

constexpr int64_t kSecond = 1'000'000;

// How many of so many at once are let through.
int Taken(RateLimiter& limiter, const std::string& client, int64_t now_us, int of = 100) {
  int taken = 0;
  for (int i = 0; i < of; ++i) taken += limiter.Take(client, now_us) ? 1 : 0;
  return taken;
}

TEST(RateLimiterTest, IsOffByDefault) {
  RateLimiter limiter(0, 0);
  EXPECT_FALSE(limiter.on());
  EXPECT_EQ(Taken(limiter, "a", 0), 100);
  EXPECT_EQ(limiter.clients(), 0U);
}

TEST(RateLimiterTest, ABurstAtOnceAndThenTheRate) {
  RateLimiter limiter(10, 30);
  EXPECT_EQ(Taken(limiter, "a", kSecond), 30);
  EXPECT_EQ(Taken(limiter, "a", kSecond + 99'999), 0);
  EXPECT_EQ(Taken(limiter, "a", kSecond + 100'000), 1);
  EXPECT_EQ(Taken(limiter, "a", 2 * kSecond), 9);
  // Never more than a burst, however long it was quiet.
  EXPECT_EQ(Taken(limiter, "a", 1000 * kSecond), 30);
}

TEST(RateLimiterTest, ABurstIsThatOfASecondUnlessSaid) {
  RateLimiter limiter(10, 0);
  EXPECT_EQ(Taken(limiter, "a", kSecond), 10);
}

TEST(RateLimiterTest, ClientsDoNotTakeFromEachOther) {
  RateLimiter limiter(10, 10);
  EXPECT_EQ(Taken(limiter, "a", kSecond), 10);
  EXPECT_EQ(Taken(limiter, "b", kSecond), 10);
}

TEST(RateLimiterTest, AClockThatStandsGivesNothing) {
  RateLimiter limiter(10, 10);
  EXPECT_EQ(Taken(limiter, "a", kSecond), 10);
  EXPECT_EQ(Taken(limiter, "a", kSecond), 0);
  EXPECT_EQ(Taken(limiter, "a", kSecond - 1), 0);
}

TEST(RateLimiterTest, KnowsSoManyClientsAndForgetsThoseWhoseBucketIsFull) {
  RateLimiter limiter(1, 2);
  for (size_t i = 0; i < RateLimiter::kClientsMax; ++i)
    ASSERT_TRUE(limiter.Take(std::to_string(i), 10 * kSecond));
  EXPECT_EQ(limiter.clients(), RateLimiter::kClientsMax);
  // Those beyond share one bucket: two tokens.
  EXPECT_TRUE(limiter.Take("x", 10 * kSecond));
  EXPECT_TRUE(limiter.Take("y", 10 * kSecond));
  EXPECT_FALSE(limiter.Take("z", 10 * kSecond));
  EXPECT_EQ(limiter.clients(), RateLimiter::kClientsMax + 1);
  // A second later all are full again but the shared one.
  EXPECT_TRUE(limiter.Take("z", 11 * kSecond));
  EXPECT_EQ(limiter.clients(), 2U);
}

}  // namespace
}  // namespace synod::node
