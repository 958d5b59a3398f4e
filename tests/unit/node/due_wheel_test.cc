#include "src/node/due_wheel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace synod::node {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

TEST(DueWheelTest, GivesEachIdOnceWhenItIsDue) {
  DueWheel wheel;
  wheel.Put(1, 1'000'000, 1'010'000);
  wheel.Put(2, 1'000'000, 1'002'000);
  EXPECT_THAT(wheel.Take(1'001'999, 10), IsEmpty());
  EXPECT_THAT(wheel.Take(1'002'000 + DueWheel::kStepMs, 10), ElementsAre(2));
  EXPECT_THAT(wheel.Take(1'009'999, 10), IsEmpty());
  EXPECT_THAT(wheel.Take(1'010'000 + DueWheel::kStepMs, 10), ElementsAre(1));
  EXPECT_EQ(wheel.size(), 0u);
}

TEST(DueWheelTest, KeepsWhatItIsNotAskedFor) {
  DueWheel wheel;
  for (uint64_t id = 1; id <= 5; ++id) wheel.Put(id, 0, 1000);
  wheel.Put(6, 0, 2000);
  EXPECT_EQ(wheel.Take(5000, 3).size(), 3u);
  EXPECT_EQ(wheel.Take(5000, 3).size(), 3u);
  EXPECT_THAT(wheel.Take(5000, 3), IsEmpty());
}

TEST(DueWheelTest, WhatIsOverdueWhenItIsPutInComesAtOnce) {
  DueWheel wheel;
  wheel.Put(1, 10'000, 20'000);
  EXPECT_THAT(wheel.Take(15'000, 10), IsEmpty());
  wheel.Put(2, 15'000, 3'000);
  EXPECT_THAT(wheel.Take(15'000 + DueWheel::kStepMs, 10), ElementsAre(2));
}

TEST(DueWheelTest, SurvivesALongPause) {
  DueWheel wheel;
  wheel.Put(1, 0, 10'000);
  // Nobody took anything for an hour.
  wheel.Put(2, 3'600'000, 3'610'000);
  EXPECT_THAT(wheel.Take(3'600'000, 10), UnorderedElementsAre(1, 2));
  wheel.Put(3, 3'600'000, 3'610'000);
  EXPECT_THAT(wheel.Take(3'609'999, 10), IsEmpty());
  EXPECT_THAT(wheel.Take(3'610'000, 10), ElementsAre(3));
}

}  // namespace
}  // namespace synod::node
