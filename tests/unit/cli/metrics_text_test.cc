#include "cli/metrics_text.h"

#include <gtest/gtest.h>

#include <limits>

namespace synod::cli {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(MetricsTextTest, TakesNamesLabelsAndValues) {
  const MetricsText metrics(
      "# HELP a What it is.\n# TYPE a counter\na 1\n"
      "b{route=\"put\",status=\"200\"} 2.5\nb{route=\"get\",status=\"503\"} 1e+03\n"
      "c{name=\"a \\\"b\\\" \\\\ c\\nd\"} 3\n");
  EXPECT_EQ(metrics.Value("a"), 1);
  ASSERT_EQ(metrics.All("b").size(), 2U);
  EXPECT_EQ(metrics.All("b")[1].value, 1000);
  EXPECT_EQ(metrics.All("b")[1].labels.at("status"), "503");
  EXPECT_EQ(metrics.All("c")[0].labels.at("name"), "a \"b\" \\ c\nd");
}

TEST(MetricsTextTest, WhatANodeDoesNotTellIsZero) {
  EXPECT_EQ(MetricsText("a 1\n").Value("b"), 0);
  EXPECT_FALSE(MetricsText("a 1\n").Has("b"));
  EXPECT_TRUE(MetricsText().All("b").empty());
}

TEST(MetricsTextTest, SkipsWhatIsNotOfTheFormat) {
  const MetricsText metrics("a\nb{x=\"1\nc{x} 2\nd one\n{} 4\n\ne 5");
  for (const char* name : {"a", "b", "c", "d"}) EXPECT_FALSE(metrics.Has(name)) << name;
  EXPECT_EQ(metrics.Value("e"), 5);
}

TEST(BucketsTest, InterpolatesWithinABucket) {
  Buckets buckets;
  buckets.Add(0.1, 10);
  buckets.Add(0.2, 20);
  buckets.Add(kInfinity, 20);
  EXPECT_DOUBLE_EQ(buckets.Quantile(0.5), 0.1);
  EXPECT_DOUBLE_EQ(buckets.Quantile(0.75), 0.15);
  EXPECT_DOUBLE_EQ(buckets.Quantile(1), 0.2);
  EXPECT_EQ(Buckets().Quantile(0.5), 0);
}

TEST(BucketsTest, AboveTheHighestBoundThereIsOnlyThatBound) {
  Buckets buckets;
  buckets.Add(0.1, 0);
  buckets.Add(kInfinity, 5);
  EXPECT_DOUBLE_EQ(buckets.Quantile(0.5), 0.1);
}

TEST(BucketsTest, TellsWhatCameSince) {
  Buckets before;
  before.Add(0.1, 100);
  before.Add(kInfinity, 100);
  Buckets now;
  now.Add(0.1, 100);
  now.Add(kInfinity, 103);
  EXPECT_EQ(now.Since(before).count(), 3);
  EXPECT_EQ(before.Since(now).count(), 100) << "another process: it began anew";
}

}  // namespace
}  // namespace synod::cli
