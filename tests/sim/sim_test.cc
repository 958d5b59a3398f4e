#include <gtest/gtest.h>

#include <string>

#include "tests/sim/run.h"
#include "tests/sim/swarm.h"

namespace synod::sim {
namespace {

// What a failed run prints last, here too.
std::string HowToRepeat(uint64_t seed) { return "./dev sim --seed " + std::to_string(seed); }

TEST(SimTest, TheSameSeedGivesTheSameRun) {
  for (const uint64_t seed : {3, 20, 51}) {
    const RunReport first = RunSeed(seed, false);
    const RunReport second = RunSeed(seed, false);
    EXPECT_EQ(first.trace_hash, second.trace_hash) << HowToRepeat(seed);
    EXPECT_EQ(first.steps, second.steps) << HowToRepeat(seed);
  }
}

TEST(SimTest, AnotherSeedGivesAnotherRun) {
  EXPECT_NE(RunSeed(3, false).trace_hash, RunSeed(4, false).trace_hash);
}

// Seeds in slices, so that ctest can run them side by side and a failure names its slice.
class SeedsTest : public testing::TestWithParam<uint64_t> {};

TEST_P(SeedsTest, KeepEveryPromise) {
  constexpr uint64_t kSlice = 25;
  uint64_t operations = 0;
  for (uint64_t i = 0; i < kSlice; ++i) {
    const uint64_t seed = GetParam() * kSlice + i + 1;
    SCOPED_TRACE(HowToRepeat(seed));
    const RunReport report = RunSeed(seed, false);
    ASSERT_EQ(report.failure, "") << Describe(DrawSwarm(seed));
    // A run that did nothing proves nothing. Harsh ones do little: restarts every half a second.
    EXPECT_GT(report.revisions, 0u);
    // With authentication clients wait for the first administrator, whom faults can keep away.
    if (!DrawSwarm(seed).auth) {
      EXPECT_GT(report.history.operations, 0u);
    }
    operations += report.history.operations;
  }
  EXPECT_GT(operations, 100 * kSlice);
}

INSTANTIATE_TEST_SUITE_P(Fixed, SeedsTest, testing::Range<uint64_t>(0, 16));

TEST(SwarmTest, EveryKindOfFaultIsDrawnOftenAndLeftOutOften) {
  constexpr uint64_t kSeeds = 1'000;
  std::array<uint64_t, kFaultCount> on{};
  std::array<uint64_t, 8> sizes{};
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const Swarm swarm = DrawSwarm(seed);
    ++sizes[swarm.nodes];
    for (size_t i = 0; i < kFaultCount; ++i) on[i] += swarm.IsOn(static_cast<Fault>(i)) ? 1 : 0;
  }
  for (size_t i = 0; i < kFaultCount; ++i) {
    EXPECT_GT(on[i], kSeeds / 10) << Name(static_cast<Fault>(i));
    EXPECT_LT(on[i], kSeeds * 6 / 10) << Name(static_cast<Fault>(i));
  }
  for (size_t nodes = 1; nodes <= 7; ++nodes) EXPECT_GT(sizes[nodes], kSeeds / 50) << nodes;
}

}  // namespace
}  // namespace synod::sim
