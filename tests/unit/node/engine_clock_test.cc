#include "src/node/engine_clock.h"

#include <gtest/gtest.h>

namespace synod::node {
namespace {

TEST(ClusterClockTest, RunsOnlyWhileItsNodeLeads) {
  ClusterClock clock;
  clock.Advance(1000, true);
  EXPECT_EQ(clock.time(), ClusterTime(0));
  clock.Lead(ClusterTime(500), 0);
  clock.Advance(1100, true);
  EXPECT_EQ(clock.time(), ClusterTime(600));
  clock.Follow();
  clock.Advance(1200, true);
  EXPECT_EQ(clock.time(), ClusterTime(600));
}

TEST(ClusterClockTest, StandsStillDuringTheGrace) {
  ClusterClock clock;
  clock.Advance(0, true);
  clock.Lead(ClusterTime(500), 150);
  clock.Advance(100, true);
  EXPECT_EQ(clock.time(), ClusterTime(500));
  clock.Advance(200, true);
  EXPECT_EQ(clock.time(), ClusterTime(550));
}

TEST(ClusterClockTest, StandsStillWhileNothingCouldBeProposed) {
  ClusterClock clock;
  clock.Advance(0, true);
  clock.Lead(ClusterTime(500), 0);
  clock.Advance(100, false);
  clock.Advance(200, true);
  EXPECT_EQ(clock.time(), ClusterTime(600));
}

TEST(ClusterClockTest, APauseCountsAsOneStepAtMost) {
  ClusterClock clock;
  clock.Advance(0, true);
  clock.Lead(ClusterTime(0), 0);
  clock.Advance(60'000, true);
  EXPECT_EQ(clock.time(), ClusterTime(ClusterClock::kStepMax));
}

TEST(ClusterClockTest, NeverGoesBack) {
  ClusterClock clock;
  clock.Advance(1000, true);
  clock.Lead(ClusterTime(0), 0);
  clock.Advance(1100, true);
  clock.Advance(900, true);
  EXPECT_EQ(clock.time(), ClusterTime(100));
}

}  // namespace
}  // namespace synod::node
