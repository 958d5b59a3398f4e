#include "src/storage/state_dirs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "src/storage/state_store.h"
#include "tests/support/sim_file_system.h"

namespace synod::storage {
namespace {

using testing::HasSubstr;
using Content = std::map<std::string, std::string>;

Content ContentOf(StateStore* store) {
  Content content;
  EXPECT_TRUE(store->Load([&](std::string_view key, std::string_view value) {
    content.emplace(key, value);
    return Done();
  }));
  return content;
}

Checkpoint At(uint64_t slot) {
  Checkpoint c;
  c.slot = Slot(slot);
  c.digest.sum = {slot, slot};
  c.log_gen = 7;
  return c;
}

class StateDirsTest : public testing::Test {
 protected:
  // Builds a state of `slot` from two records and makes it the state.
  static Status Replace(FileSystem& fs, StateDirs* dirs, uint64_t slot) {
    Result<std::unique_ptr<StateImport>> import = StateImport::Create(fs, dirs->For(Slot(slot)));
    if (!import)
      return import.error();
    for (const char* key : {"na", "nb"})
      if (Status ok = import.value()->Add(key, std::to_string(slot)); !ok)
        return ok;
    Result<std::unique_ptr<StateStore>> store = import.value()->Finish(At(slot));
    return store ? dirs->Switch(Slot(slot)) : Status(store.error());
  }
  // What a process finds that starts now.
  static Slot Recovered(FileSystem& fs) {
    StateDirs dirs(fs, "/data");
    const Status opened = dirs.Open();
    EXPECT_TRUE(opened) << opened.error().detail;
    Result<std::unique_ptr<StateStore>> store = StateStore::Open(fs, dirs.current());
    EXPECT_TRUE(store);
    const Slot slot = store.value()->slot();
    if (slot > Slot(1)) {
      const std::string text = std::to_string(slot.value);
      EXPECT_EQ(ContentOf(store.value().get()), (Content{{"na", text}, {"nb", text}}));
    }
    for (const std::string& name : fs.List("/data").value())
      EXPECT_TRUE(!name.starts_with("state") || "/data/" + name == dirs.current()) << name;
    return slot;
  }
  static void WriteFirst(FileSystem& fs) {
    ASSERT_TRUE(fs.MakeDirectory("/data"));
    Result<std::unique_ptr<StateStore>> store = StateStore::Open(fs, "/data/state");
    ASSERT_TRUE(store && store.value()->Write(At(1)));
  }

  SimFileSystem fs_;
  Random random_{1};
};

TEST_F(StateDirsTest, WithoutAPointerTheStateIsWhereItAlwaysWas) {
  WriteFirst(fs_);
  EXPECT_EQ(Recovered(fs_), Slot(1));
}

TEST_F(StateDirsTest, ANewStateTakesThePlaceOfTheOldOneAndTheOldOneGoes) {
  WriteFirst(fs_);
  StateDirs dirs(fs_, "/data");
  ASSERT_TRUE(dirs.Open());
  ASSERT_TRUE(Replace(fs_, &dirs, 100));
  ASSERT_TRUE(Replace(fs_, &dirs, 200));
  fs_.Crash(random_, SimFileSystem::Unsynced::kLoseAll);
  EXPECT_EQ(Recovered(fs_), Slot(200));
  EXPECT_FALSE(fs_.Exists("/data/state"));
}

TEST_F(StateDirsTest, APowerCutAtAnyPointLeavesOneWholeState) {
  std::map<uint64_t, int> found;
  bool cut = true;
  for (uint64_t n = 0; cut; ++n) {
    SimFileSystem fs;
    WriteFirst(fs);
    StateDirs dirs(fs, "/data");
    ASSERT_TRUE(dirs.Open());
    fs.CutPowerAfter(n);
    cut = !Replace(fs, &dirs, 100);
    Random random(n);
    fs.Crash(random);
    const Slot slot = Recovered(fs);
    EXPECT_TRUE(slot == Slot(1) || slot == Slot(100)) << n;
    if (!cut) {
      EXPECT_EQ(slot, Slot(100));
    }
    ++found[slot.value];
  }
  EXPECT_GT(found[1], 5);
  EXPECT_GT(found[100], 0);
}

TEST_F(StateDirsTest, ADamagedPointerIsRefused) {
  WriteFirst(fs_);
  StateDirs dirs(fs_, "/data");
  ASSERT_TRUE(dirs.Open());
  ASSERT_TRUE(Replace(fs_, &dirs, 100));
  const std::string text = fs_.Content("/data/current");
  for (size_t at = 0; at < text.size(); ++at) {
    fs_.FlipBit("/data/current", at, 0);
    StateDirs damaged(fs_, "/data");
    const Status opened = damaged.Open();
    ASSERT_FALSE(opened) << at;
    EXPECT_THAT(opened.error().detail, HasSubstr("is damaged"));
    fs_.SetContent("/data/current", text);
  }
}

TEST_F(StateDirsTest, WhatAnEarlierTryLeftIsNotTakenOver) {
  WriteFirst(fs_);
  StateDirs dirs(fs_, "/data");
  ASSERT_TRUE(dirs.Open());
  {
    Result<std::unique_ptr<StateImport>> import = StateImport::Create(fs_, dirs.For(Slot(100)));
    ASSERT_TRUE(import);
    ASSERT_TRUE(import.value()->Add("nz", std::string(5 << 20, 'z')));
  }
  ASSERT_TRUE(Replace(fs_, &dirs, 100));
  EXPECT_EQ(Recovered(fs_), Slot(100));
}

TEST_F(StateDirsTest, AStateOfTheSameSlotTakesThePlaceOfOneThatIsWrong) {
  WriteFirst(fs_);
  StateDirs dirs(fs_, "/data");
  ASSERT_TRUE(dirs.Open());
  ASSERT_TRUE(Replace(fs_, &dirs, 100));
  const std::string first = dirs.current();
  for (int i = 0; i < 3; ++i) {
    const std::string before = dirs.current();
    EXPECT_NE(dirs.For(Slot(100)), before);
    ASSERT_TRUE(Replace(fs_, &dirs, 100));
    EXPECT_NE(dirs.current(), before);
    EXPECT_EQ(Recovered(fs_), Slot(100));
  }
}

TEST(StateSnapshotTest, ShowsItsCheckpointWhileLaterOnesAreWrittenAndWhenTheStoreIsGone) {
  SimFileSystem fs;
  Result<std::unique_ptr<StateStore>> store = StateStore::Open(fs, "/data/state");
  ASSERT_TRUE(store);
  Checkpoint one = At(1);
  one.revision = Revision(11);
  one.time = ClusterTime(12);
  one.records = {{"na", "1"}, {"nb", "1"}};
  ASSERT_TRUE(store.value()->Write(one));
  const std::unique_ptr<StateSnapshot> snapshot = store.value()->TakeSnapshot();
  Checkpoint two = At(2);
  two.records = {{"na", std::nullopt}, {"nb", "2"}, {"nc", std::string(20 << 20, 'c')}};
  ASSERT_TRUE(store.value()->Write(two));
  store.value().reset();
  Content content;
  ASSERT_TRUE(snapshot->ForEach([&](std::string_view key, std::string_view value) {
    content.emplace(key, value);
    return Done();
  }));
  EXPECT_EQ(content, (Content{{"na", "1"}, {"nb", "1"}}));
  EXPECT_EQ(snapshot->slot(), Slot(1));
  EXPECT_EQ(snapshot->digest(), one.digest);
  EXPECT_EQ(snapshot->revision(), Revision(11));
  EXPECT_EQ(snapshot->time(), ClusterTime(12));
}

}  // namespace
}  // namespace synod::storage
