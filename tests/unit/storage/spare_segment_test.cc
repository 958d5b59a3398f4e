#include "src/storage/spare_segment.h"

#include <gtest/gtest.h>

#include <latch>
#include <string>

#include "src/storage/acceptor_log.h"
#include "tests/support/sim_file_system.h"
#include "tests/unit/storage/log_fixture.h"

namespace synod::storage {
namespace {

using Op = SimFileSystem::Op;

constexpr uint64_t kMiB = uint64_t{1} << 20;
const std::string kLog = "/log";

class SpareSegmentTest : public testing::Test {
 protected:
  SpareSegmentTest() { EXPECT_TRUE(fs_.MakeDirectory(kLog)); }

  SimFileSystem fs_;
};

TEST_F(SpareSegmentTest, IsMadeNoFasterThanItIsAskedFor) {
  std::latch first_piece(1);
  bool seen = false;
  fs_.SetFault([&](Op op, const std::string& path) {
    if (op == Op::kWrite && path.ends_with("spare.tmp") && !std::exchange(seen, true))
      first_piece.count_down();
    return false;
  });
  {
    SpareSegment spare(fs_, kLog, true);
    spare.Step(2 * kMiB - 1, 4 * kMiB);
    first_piece.wait();
    EXPECT_EQ(spare.ready_bytes(), 0u);
  }
  EXPECT_EQ(fs_.Content(kLog + "/spare.tmp").size(), kMiB);
}

TEST_F(SpareSegmentTest, IsMadeAtOnceForWhoWaits) {
  SpareSegment spare(fs_, kLog, true);
  spare.Step(kMiB, 4 * kMiB);
  ASSERT_TRUE(spare.Take(4 * kMiB));
  EXPECT_EQ(fs_.DurableContent(spare.path()), std::string(4 * kMiB, '\0'));
}

TEST_F(SpareSegmentTest, WithoutAThreadStepsMakeIt) {
  SpareSegment spare(fs_, kLog, false);
  for (int i = 0; i < 7; ++i) spare.Step(kMiB / 8, kMiB);
  EXPECT_EQ(spare.ready_bytes(), 0u);
  spare.Step(kMiB / 8, kMiB);
  EXPECT_EQ(spare.ready_bytes(), kMiB);
}

// Whoever watches full() is told when there is room again, not when the whole spare is made anew.
TEST_F(SpareSegmentTest, IsFullUntilTheNextTryFindsRoom) {
  std::latch pieces(2);
  SpareSegment spare(fs_, kLog, true);
  fs_.SetFault([](Op op, const std::string&) { return op == Op::kWrite; });
  ASSERT_FALSE(spare.Take(4 * kMiB));
  EXPECT_TRUE(spare.full());
  fs_.SetFault([&](Op op, const std::string&) {
    if (op == Op::kWrite)
      pieces.count_down();
    return false;
  });
  spare.Step(2 * kMiB, 4 * kMiB);
  pieces.wait();
  EXPECT_FALSE(spare.full());
  EXPECT_EQ(spare.ready_bytes(), 0u);
}

TEST_F(SpareSegmentTest, WithoutAThreadIsFullUntilTheNextTryFindsRoom) {
  SpareSegment spare(fs_, kLog, false);
  fs_.FailNth(Op::kWrite, 1);
  spare.Step(kMiB, 4 * kMiB);
  EXPECT_TRUE(spare.full());
  spare.Step(kMiB, 4 * kMiB);
  EXPECT_FALSE(spare.full());
  EXPECT_EQ(spare.ready_bytes(), 0u);
}

TEST_F(SpareSegmentTest, OneOfAnySizeIsTakenOver) {
  {
    SpareSegment spare(fs_, kLog, false);
    spare.Step(kMiB, kMiB);
  }
  SpareSegment spare(fs_, kLog, false);
  ASSERT_TRUE(spare.Adopt());
  EXPECT_EQ(spare.ready_bytes(), kMiB);
}

class GrowingLogTest : public testing::Test, public LogFixture {};

// A new node starts with little, and its log never waits for zeros.
TEST_F(GrowingLogTest, SegmentsGrowAndTheNextIsReadyHalfway) {
  options.segment_bytes = 32 * kMiB;
  ASSERT_TRUE(FormatAcceptorLog(fs, kDir, options));
  ASSERT_TRUE(Open());
  const auto size = [&](const std::string& name) { return fs.Content(kDir + name).size(); };
  EXPECT_EQ(size("/0000000000000001.log"), 4 * kMiB);
  uint64_t slot = 0;
  const auto append = [&](uint64_t mib) {
    for (uint64_t i = 0; i < 8 * mib; ++i) {
      ++slot;
      ASSERT_TRUE(Append({Vote(slot, 1, std::string(kMiB / 8 - 2048, '.'))}, slot - 1));
    }
  };
  append(2);
  EXPECT_EQ(size("/spare"), 16 * kMiB);
  append(2);
  EXPECT_EQ(size("/0000000000000002.log"), 16 * kMiB);
  EXPECT_EQ(size("/spare"), 0u);
  append(9);
  EXPECT_EQ(size("/spare"), 32 * kMiB);
}

// A disk that was full has room again when the segment is nearly so.
TEST_F(GrowingLogTest, TheNextIsReadyInTimeEvenIfItIsBegunLate) {
  options.segment_bytes = 4 * kMiB;
  ASSERT_TRUE(Open());
  uint64_t slot = 0;
  const auto append_up_to = [&](uint64_t bytes) {
    while (log->stats().appended_bytes < bytes) {
      ++slot;
      ASSERT_TRUE(Append({Vote(slot, 1, std::string(14 << 10, '.'))}, slot - 1));
    }
  };
  fs.SetFault([](Op, const std::string& path) { return path.ends_with("spare.tmp"); });
  append_up_to(7 * kMiB / 2);
  EXPECT_TRUE(log->stats().storage_full);
  fs.SetFault(nullptr);
  append_up_to(31 * kMiB / 8);
  EXPECT_EQ(fs.Content(kDir + std::string("/spare")).size(), 4 * kMiB);
}

}  // namespace
}  // namespace synod::storage
