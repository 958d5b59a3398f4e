#include "lock/fence_table.h"

#include <gtest/gtest.h>

#include <map>

namespace synod::lock {
namespace {

using Kept = std::map<Bytes, Bytes>;

Kept RecordsOf(const FenceTable& table) {
  Kept records;
  table.ForEachRecord(
      [&](std::string_view key, std::string_view value) { records.emplace(key, value); });
  return records;
}

TEST(FenceTableTest, KeepsTheHighestOfEachPath) {
  FenceTable table;
  EXPECT_EQ(table.Find("/a"), std::nullopt);
  EXPECT_EQ(table.Required("/a"), FenceToken());
  table.Raise("/a", FenceToken(5));
  table.Raise("/a/b", FenceToken(3));
  table.Raise("/a", FenceToken(9));
  EXPECT_EQ(table.Find("/a"), FenceToken(9));
  EXPECT_EQ(table.Find("/a/b"), FenceToken(3));
  EXPECT_EQ(table.Required("/a"), FenceToken(9));
  EXPECT_EQ(table.size(), 2U);
  table.Forget("/a");
  EXPECT_EQ(table.Find("/a"), std::nullopt);
  EXPECT_EQ(table.Required("/a"), FenceToken());
  table.CheckInvariants();
}

TEST(FenceTableTest, TheFloorHoldsForWhatIsThereAndForWhatIsNot) {
  FenceTable table;
  table.Raise("/low", FenceToken(5));
  table.Raise("/high", FenceToken(500));
  table.set_floor(FenceToken(100));
  EXPECT_EQ(table.Find("/low"), FenceToken(100));
  EXPECT_EQ(table.Find("/high"), FenceToken(500));
  EXPECT_EQ(table.Find("/none"), std::nullopt);
  EXPECT_EQ(table.Required("/none"), FenceToken(100));
  table.Forget("/high");
  EXPECT_EQ(table.Required("/high"), FenceToken(100));
}

TEST(FenceTableTest, CountsWhatItHolds) {
  FenceTable table;
  const Digest empty = table.digest();
  table.Raise("/abc", FenceToken(1));
  EXPECT_EQ(table.record_bytes(), FenceTable::SizeOf("/abc"));
  table.Raise("/abc", FenceToken(2));
  EXPECT_EQ(table.record_bytes(), FenceTable::SizeOf("/abc"));
  EXPECT_NE(table.digest(), empty);
  table.Forget("/abc");
  EXPECT_EQ(table.record_bytes(), 0U);
  EXPECT_EQ(table.digest(), empty);
}

TEST(FenceTableTest, CheckpointsTellWhatChanged) {
  FenceTable table;
  table.Raise("/a", FenceToken(5));
  table.Raise("/b", FenceToken(6));
  Records records;
  table.tally().TakeDirty(&records);
  EXPECT_EQ(records.size(), 2U);
  EXPECT_EQ(table.tally().dirty_bytes(), 0U);

  table.Raise("/a", FenceToken(7));
  table.Forget("/b");
  records.clear();
  table.tally().TakeDirty(&records);
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[0].key, "f/a");
  EXPECT_EQ(records[0].value, RecordsOf(table).at("f/a"));
  EXPECT_EQ(records[1].key, "f/b");
  EXPECT_EQ(records[1].value, std::nullopt);
}

TEST(FenceTableTest, LoadsWhatItWrote) {
  FenceTable table;
  table.Raise("/a", FenceToken(5));
  table.Raise("/a/b", FenceToken(uint64_t{1} << 52));
  FenceTable loaded;
  for (const auto& [key, value] : RecordsOf(table)) EXPECT_TRUE(loaded.LoadRecord(key, value));
  loaded.CheckInvariants();
  EXPECT_EQ(loaded.digest(), table.digest());
  EXPECT_EQ(loaded.record_bytes(), table.record_bytes());
  EXPECT_EQ(loaded.tally().dirty_bytes(), 0U);
  EXPECT_EQ(RecordsOf(loaded), RecordsOf(table));
}

TEST(FenceTableTest, RefusesDamagedRecords) {
  FenceTable table;
  EXPECT_TRUE(table.LoadRecord("f/a", "\x05"));
  EXPECT_FALSE(table.LoadRecord("f/a", "\x05")) << "twice";
  EXPECT_FALSE(table.LoadRecord("f", "\x05"));
  EXPECT_FALSE(table.LoadRecord("fa", "\x05"));
  EXPECT_FALSE(table.LoadRecord("f/b", ""));
  EXPECT_FALSE(table.LoadRecord("f/b", "\x05\x05"));
  EXPECT_FALSE(table.LoadRecord("f/b", "\x85"));
  EXPECT_EQ(table.size(), 1U);
}

}  // namespace
}  // namespace synod::lock
