// What a call is for the counters, and until when it is served.
#include "src/node/work.h"

#include <gtest/gtest.h>

namespace synod::node {
namespace {

TEST(WorkTest, StreamsAreWatchesAndWhatAdministratorsDoIsNot) {
  EXPECT_EQ(RouteOf(api::WatchCall{}), Route::kWatch);
  EXPECT_EQ(RouteOf(api::ObserveCall{}), Route::kWatch);
  EXPECT_EQ(RouteOf(api::WatchSocketCall{}), Route::kWatch);
  EXPECT_EQ(RouteOf(api::MoveLeaderCall{}), Route::kOther);
  EXPECT_EQ(RouteOf(api::SnapshotCall{}), Route::kOther);
}

TEST(WorkTest, WhatWaitedForItsTimeoutIsNotServed) {
  api::ReadCall read;
  read.timeout_ms = 3000;
  EXPECT_TRUE(MayStillServe(read, 2999));
  const Status late = MayStillServe(read, 3000);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Errc::kDeadlineExceeded);
  EXPECT_EQ(late.error().outcome, Outcome::kNotApplied);
  EXPECT_FALSE(MayStillServe(api::WatchCall{}, 5000));
}

TEST(WorkTest, WhatIsOlderThanItsReaderTakesIsNotServed) {
  api::ReadCall read;
  read.fresh.consistency = api::Consistency::kSequential;
  read.fresh.max_age_ms = 100;
  EXPECT_TRUE(MayStillServe(read, 100));
  const Status old = MayStillServe(read, 101);
  ASSERT_FALSE(old);
  EXPECT_EQ(old.error().code, Errc::kNotReady);
}

}  // namespace
}  // namespace synod::node
