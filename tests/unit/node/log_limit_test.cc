#include "src/node/log_limit.h"

#include <gtest/gtest.h>

namespace synod::node {
namespace {

using LeftOut = std::vector<LogLimit::LeftOut>;

uint64_t Written(LogLimit* limit, const std::string& message, int lines, int64_t now_ms) {
  uint64_t written = 0;
  for (int i = 0; i < lines; ++i) written += limit->Take(message, now_ms) ? 1 : 0;
  return written;
}

TEST(LogLimitTest, BoundsWhatSaysTheSameWithinASecond) {
  LogLimit limit;
  EXPECT_EQ(Written(&limit, "peer down", 1000, 5'000), LogLimit::kPerSecond);
  EXPECT_EQ(Written(&limit, "peer up", 3, 5'999), 3U);
}

TEST(LogLimitTest, TellsOnceHowManyWereLeftOutWhenTheSecondIsOver) {
  LogLimit limit;
  Written(&limit, "peer down", 1000, 5'000);
  Written(&limit, "peer up", LogLimit::kPerSecond, 5'000);
  EXPECT_EQ(limit.Collect(5'999), LeftOut());
  EXPECT_EQ(limit.Collect(6'000), (LeftOut{{"peer down", 1000 - LogLimit::kPerSecond}}));
  EXPECT_EQ(limit.Collect(6'001), LeftOut());
  EXPECT_TRUE(limit.empty());
}

TEST(LogLimitTest, BeginsAnewWithEachSecond) {
  LogLimit limit;
  Written(&limit, "peer down", 1000, 5'000);
  limit.Collect(6'000);
  EXPECT_EQ(Written(&limit, "peer down", 1000, 6'000), LogLimit::kPerSecond);
}

TEST(LogLimitTest, RemembersSoManyMessagesAndCountsTheRestTogether) {
  LogLimit limit;
  for (size_t i = 0; i < LogLimit::kMessagesMax; ++i)
    EXPECT_TRUE(limit.Take("message " + std::to_string(i), 5'000));
  uint64_t written = 0;
  for (int i = 0; i < 100; ++i) written += limit.Take("other " + std::to_string(i), 5'000) ? 1 : 0;
  EXPECT_EQ(written, LogLimit::kPerSecond);
  EXPECT_EQ(limit.Collect(6'000), (LeftOut{{"", 100 - LogLimit::kPerSecond}}));
}

}  // namespace
}  // namespace synod::node
