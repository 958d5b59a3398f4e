// How full is full, and the reserve for a start on a full disk.
#include "src/node/disk_guard.h"

#include <gtest/gtest.h>

#include "tests/support/sim_file_system.h"

namespace synod::node {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kGiB = uint64_t{1} << 30;

TEST(DiskLimitsTest, DefaultsFollowTheSizeOfTheDisk) {
  const DiskLimits limits;
  EXPECT_EQ(limits.Soft(1000 * kGiB), 2 * kGiB);
  EXPECT_EQ(limits.Hard(1000 * kGiB), 512 * kMiB);
  EXPECT_EQ(limits.Soft(kGiB), kGiB / 10);
  EXPECT_EQ(limits.Hard(kGiB), kGiB / 20);
}

TEST(DiskLimitsTest, ALevelIsLeftOnlyWithSomeRoomToSpare) {
  DiskLimits limits;
  limits.soft_bytes = 800;
  limits.hard_bytes = 400;
  struct Case {
    uint64_t free;
    DiskLevel before;
    DiskLevel after;
  };
  const Case kCases[] = {
      {800, DiskLevel::kOk, DiskLevel::kOk},    {799, DiskLevel::kOk, DiskLevel::kLow},
      {899, DiskLevel::kLow, DiskLevel::kLow},  {900, DiskLevel::kLow, DiskLevel::kOk},
      {399, DiskLevel::kOk, DiskLevel::kFull},  {449, DiskLevel::kFull, DiskLevel::kFull},
      {450, DiskLevel::kFull, DiskLevel::kLow}, {899, DiskLevel::kFull, DiskLevel::kLow},
      {5000, DiskLevel::kFull, DiskLevel::kOk},
  };
  for (const Case& c : kCases)
    EXPECT_EQ(LevelOf({c.free, 10'000}, limits, c.before), c.after) << c.free;
}

TEST(DiskGuardTest, GivesUpTheReserveOnlyWhenTheDiskIsNearlyFull) {
  storage::SimFileSystem fs;
  ASSERT_TRUE(fs.MakeDirectory("/data"));
  DiskLimits limits;
  limits.reserve_bytes = 1000;
  EXPECT_FALSE(DiskGuard::MakeRoom(fs, "/data", limits).value());
  fs.SetContent("/data/reserve", std::string(1000, '\0'));
  fs.SetByteBudget(2000);
  EXPECT_FALSE(DiskGuard::MakeRoom(fs, "/data", limits).value());
  fs.SetByteBudget(1999);
  EXPECT_TRUE(DiskGuard::MakeRoom(fs, "/data", limits).value());
  EXPECT_FALSE(fs.Exists("/data/reserve"));
  EXPECT_EQ(fs.FreeBytes("/data").value(), 1999u);
}

}  // namespace
}  // namespace synod::node
