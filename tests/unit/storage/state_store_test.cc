#include "src/storage/state_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <leveldb/db.h>

#include <map>

#include "src/storage/leveldb_env.h"
#include "tests/support/memory_state_store.h"
#include "tests/support/sim_file_system.h"

namespace synod::storage {
namespace {

using Op = SimFileSystem::Op;
using Unsynced = SimFileSystem::Unsynced;
using Content = std::map<std::string, std::string>;

class StateStoreTest : public testing::Test {
 protected:
  Status Open() {
    store_.reset();
    Result<std::unique_ptr<StateStore>> opened = StateStore::Open(fs_, "/data/state");
    if (!opened)
      return opened.error();
    store_ = std::move(opened.value());
    return Done();
  }
  Content LoadAll() {
    Content content;
    EXPECT_TRUE(store_->Load([&](std::string_view key, std::string_view value) {
      content.emplace(key, value);
      return Done();
    }));
    return content;
  }
  // Checkpoint number `slot`: puts a key of its own, changes one, deletes an old one.
  Checkpoint Make(uint64_t slot, size_t bytes = 20) {
    Checkpoint c;
    c.slot = Slot(slot);
    c.digest.sum = Hash128{slot, ~slot};
    c.log_gen = slot * 10;
    c.witness = "seen " + std::to_string(slot);
    c.records.push_back({"n" + std::to_string(slot), std::string(bytes, 'v')});
    c.records.push_back({"m", std::to_string(slot)});
    if (slot > 3)
      c.records.push_back({"n" + std::to_string(slot - 3), std::nullopt});
    return c;
  }
  static Content After(uint64_t slot, size_t bytes = 20) {
    Content content;
    for (uint64_t s = slot < 3 ? 1 : slot - 2; s <= slot; ++s)
      content["n" + std::to_string(s)] = std::string(bytes, 'v');
    if (slot > 0)
      content["m"] = std::to_string(slot);
    return content;
  }
  void ExpectAt(uint64_t slot, size_t bytes = 20) {
    EXPECT_EQ(store_->slot(), Slot(slot));
    if (slot > 0) {
      EXPECT_EQ(store_->digest().sum, (Hash128{slot, ~slot}));
    }
    EXPECT_EQ(store_->log_gen(), slot * 10);
    EXPECT_EQ(store_->witness(), slot == 0 ? "" : "seen " + std::to_string(slot));
    EXPECT_TRUE(LoadAll() == After(slot, bytes));
  }

  SimFileSystem fs_;
  std::unique_ptr<StateStore> store_;
  Random random_{3};
};

TEST_F(StateStoreTest, ANewOneIsAtSlotZeroAndEmpty) {
  ASSERT_TRUE(Open());
  ExpectAt(0);
}

TEST_F(StateStoreTest, KeepsTheLastCheckpoint) {
  ASSERT_TRUE(Open());
  for (uint64_t s = 1; s <= 10; ++s) ASSERT_TRUE(store_->Write(Make(s)));
  ExpectAt(10);
  fs_.Crash(random_, Unsynced::kLoseAll);
  ASSERT_TRUE(Open());
  ExpectAt(10);
}

TEST_F(StateStoreTest, ADirectoryIsOpenOnce) {
  ASSERT_TRUE(Open());
  EXPECT_FALSE(StateStore::Open(fs_, "/data/state"));
}

TEST_F(StateStoreTest, ANewerFormatIsRefusedWithWhatToDo) {
  ASSERT_TRUE(Open());
  ASSERT_TRUE(store_->Write(Make(1)));
  store_.reset();
  {
    LevelDbEnv env(fs_);
    leveldb::Options options;
    options.env = &env;
    ASSERT_TRUE(env.NewLogger("", &options.info_log).ok());
    const std::unique_ptr<leveldb::Logger> logger(options.info_log);
    leveldb::DB* db = nullptr;
    ASSERT_TRUE(leveldb::DB::Open(options, "/data/state", &db).ok());
    const std::unique_ptr<leveldb::DB> owner(db);
    const std::string newer = "\x02\x04what";
    ASSERT_TRUE(db->Put({}, std::string("\0meta", 5), newer).ok());
  }
  const Status opened = Open();
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().detail, testing::HasSubstr("/data/state"));
  EXPECT_THAT(opened.error().detail, testing::HasSubstr("newer version of synod"));
}

// etcd#13766, etcd#6368, leveldb#402: slot, digest and records move together, whatever the power
// cut leaves of LevelDB's files; nothing acknowledged is lost.
TEST_F(StateStoreTest, APowerCutLeavesTheOldOrTheNewCheckpoint) {
  for (uint64_t seed = 1; seed <= 300 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    store_.reset();
    SimFileSystem fs;
    Random random(seed);
    uint64_t acknowledged = 0;
    uint64_t tried = 0;
    for (int round = 0; round < 3; ++round) {
      fs.CutPowerAfter(random.Below(60));
      if (Result<std::unique_ptr<StateStore>> store = StateStore::Open(fs, "/data/state")) {
        bool ok = true;
        while (ok && tried < acknowledged + 12) {
          ok = store.value()->Write(Make(++tried, 3000)).has_value();
          if (ok)
            acknowledged = tried;
        }
      }
      fs.Crash(random);
      Result<std::unique_ptr<StateStore>> opened = StateStore::Open(fs, "/data/state");
      ASSERT_TRUE(opened) << opened.error().detail;
      store_ = std::move(opened.value());
      const uint64_t slot = store_->slot().value;
      ASSERT_GE(slot, acknowledged);
      ASSERT_LE(slot, tried);
      ExpectAt(slot, 3000);
      acknowledged = tried = slot;
      store_.reset();
    }
  }
}

// The same with enough data that LevelDB rotates its log and compacts.
TEST_F(StateStoreTest, SurvivesPowerCutsDuringCompactions) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    SimFileSystem fs;
    Random random(seed);
    uint64_t acknowledged = 0;
    {
      Result<std::unique_ptr<StateStore>> store = StateStore::Open(fs, "/data/state");
      ASSERT_TRUE(store);
      fs.CutPowerAfter(300 + random.Below(700));
      const size_t bytes = size_t{3} << 20;
      for (uint64_t s = 1; s <= 25 && store.value()->Write(Make(s, bytes)); ++s) acknowledged = s;
    }
    fs.Crash(random);
    Result<std::unique_ptr<StateStore>> opened = StateStore::Open(fs, "/data/state");
    ASSERT_TRUE(opened) << opened.error().detail;
    store_ = std::move(opened.value());
    EXPECT_GE(store_->slot().value, acknowledged);
    ExpectAt(store_->slot().value, size_t{3} << 20);
    store_.reset();
  }
}

// leveldb#1180: LevelDB itself would acknowledge writes after this and lose them.
TEST_F(StateStoreTest, NothingIsWrittenAfterTheDiskWasFull) {
  ASSERT_TRUE(Open());
  ASSERT_TRUE(store_->Write(Make(1)));
  fs_.SetByteBudget(fs_.FreeBytes("/").value() > 0 ? 1000 : 0);
  const Status full = store_->Write(Make(2, 5000));
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, Errc::kStorageFull);
  EXPECT_EQ(full.error().outcome, Outcome::kUnknown);
  fs_.SetByteBudget(std::nullopt);
  EXPECT_FALSE(store_->Write(Make(3)));
  ASSERT_TRUE(Open());
  EXPECT_LE(store_->slot(), Slot(2));
  ASSERT_TRUE(store_->Write(Make(3)));
}

TEST_F(StateStoreTest, NothingIsWrittenAfterAFailedSync) {
  ASSERT_TRUE(Open());
  ASSERT_TRUE(store_->Write(Make(1)));
  fs_.FailNth(Op::kSync, 1);
  EXPECT_FALSE(store_->Write(Make(2)));
  EXPECT_FALSE(store_->Write(Make(3)));
}

// leveldb#252, leveldb#768: an unreadable sector is an error that is reported.
TEST_F(StateStoreTest, AFailedReadIsReported) {
  ASSERT_TRUE(Open());
  ASSERT_TRUE(store_->Write(Make(1, 70'000)));
  ASSERT_TRUE(store_->Write(Make(2, 70'000)));
  ASSERT_TRUE(Open());  // now in a table of two blocks, of which Open read the first
  fs_.SetFault(
      [](Op op, const std::string& path) { return op == Op::kRead && path.ends_with(".ldb"); });
  EXPECT_FALSE(store_->Load([](std::string_view, std::string_view) { return Done(); }));
}

TEST_F(StateStoreTest, AFlippedBitInATableIsReportedOrHarmless) {
  ASSERT_TRUE(Open());
  for (uint64_t s = 1; s <= 5; ++s) ASSERT_TRUE(store_->Write(Make(s)));
  ASSERT_TRUE(Open());
  store_.reset();
  std::map<std::string, std::string> files;
  for (const std::string& name : fs_.List("/data/state").value())
    files["/data/state/" + name] = fs_.Content("/data/state/" + name);
  uint64_t reported = 0;
  for (const auto& [path, content] : files) {
    if (!path.ends_with(".ldb"))
      continue;
    for (uint64_t at = 0; at < content.size(); ++at) {
      SimFileSystem fs;
      ASSERT_TRUE(fs.MakeDirectory("/data/state"));
      for (const auto& [p, c] : files) fs.SetContent(p, c);
      fs.FlipBit(path, at, 3);
      Result<std::unique_ptr<StateStore>> opened = StateStore::Open(fs, "/data/state");
      Content content_read;
      const bool loaded =
          opened && opened.value()->Load([&](std::string_view k, std::string_view v) {
            content_read.emplace(k, v);
            return Done();
          });
      if (!loaded) {
        ++reported;
      } else if (opened.value()->slot() == Slot(5)) {
        EXPECT_TRUE(content_read == After(5)) << path << " byte " << at;
      }
    }
  }
  EXPECT_GT(reported, 50u);
}

TEST_F(StateStoreTest, HalvesAreReadApart) {
  ASSERT_TRUE(Open());
  EXPECT_EQ(store_->Middle(), "");
  Content written;
  for (uint64_t slot = 1; slot <= 40; ++slot) {
    Checkpoint c;
    c.slot = Slot(slot);
    for (uint64_t i = 0; i < 10; ++i) {
      // Bytes that do not compress, or the tables would be small.
      std::string value;
      for (uint64_t word = 0; word < 12'500; ++word) {
        const Hash128 hash = HashOf(std::to_string(word), slot * 10 + i);
        value.append(reinterpret_cast<const char*>(&hash), 8);
      }
      const std::string key = "n" + std::to_string(slot * 10 + i + 100'000);
      written[key] = value;
      c.records.push_back({key, value});
    }
    ASSERT_TRUE(store_->Write(c));
  }
  ASSERT_TRUE(Open());
  const std::string middle = store_->Middle();
  Content first, second;
  const auto into = [](Content* content) {
    return [content](std::string_view key, std::string_view value) {
      content->emplace(key, value);
      return Done();
    };
  };
  ASSERT_TRUE(store_->LoadRange({{}, middle}, into(&first)));
  ASSERT_TRUE(store_->LoadRange({middle, {}}, into(&second)));
  EXPECT_GT(first.size(), written.size() / 4);
  EXPECT_GT(second.size(), written.size() / 4);
  first.merge(second);
  EXPECT_TRUE(second.empty());
  EXPECT_TRUE(first == written);
}

TEST_F(StateStoreTest, TheLoaderMayStop) {
  ASSERT_TRUE(Open());
  ASSERT_TRUE(store_->Write(Make(5)));
  int seen = 0;
  const Status stopped = store_->Load([&](std::string_view, std::string_view) -> Status {
    ++seen;
    return Error{Errc::kInternal, Outcome::kNotApplied, "enough"};
  });
  EXPECT_FALSE(stopped);
  EXPECT_EQ(seen, 1);
}

class LevelDbEnvTest : public testing::Test {
 protected:
  LevelDbEnvTest() { EXPECT_TRUE(fs_.MakeDirectory("/d")); }
  std::unique_ptr<leveldb::WritableFile> Create(const std::string& name) {
    leveldb::WritableFile* file = nullptr;
    EXPECT_TRUE(env_.NewWritableFile("/d/" + name, &file).ok());
    return std::unique_ptr<leveldb::WritableFile>(file);
  }
  SimFileSystem fs_;
  LevelDbEnv env_{fs_};
  Random random_{1};
};

TEST_F(LevelDbEnvTest, AWriteAheadLogIsSyncedWhenItIsDestroyed) {
  auto log = Create("000003.log");
  ASSERT_TRUE(log->Append("unsynced").ok());
  log.reset();
  fs_.Crash(random_, Unsynced::kLoseAll);
  EXPECT_EQ(fs_.Content("/d/000003.log"), "unsynced") << "data and name";
}

TEST_F(LevelDbEnvTest, ARenameIsDurableAndSoIsWhatAManifestNames) {
  auto current = Create("000001.dbtmp");
  ASSERT_TRUE(current->Append("MANIFEST-000002\n").ok());
  ASSERT_TRUE(current->Sync().ok());
  ASSERT_TRUE(env_.RenameFile("/d/000001.dbtmp", "/d/CURRENT").ok());
  auto table = Create("000005.ldb");
  auto manifest = Create("MANIFEST-000002");
  ASSERT_TRUE(manifest->Sync().ok());
  fs_.Crash(random_, Unsynced::kLoseAll);
  EXPECT_EQ(fs_.Content("/d/CURRENT"), "MANIFEST-000002\n");
  EXPECT_TRUE(fs_.Exists("/d/000005.ldb"));
}

TEST_F(LevelDbEnvTest, TheFirstFailureIsForEverAndForAllFiles) {
  auto one = Create("000003.log");
  auto two = Create("000005.ldb");
  fs_.FailNth(Op::kSync, 1);
  ASSERT_TRUE(one->Append("x").ok());
  EXPECT_FALSE(one->Sync().ok());
  EXPECT_FALSE(one->Sync().ok());
  EXPECT_FALSE(two->Append("y").ok());
  leveldb::WritableFile* three = nullptr;
  EXPECT_FALSE(env_.NewWritableFile("/d/000006.ldb", &three).ok());
  EXPECT_FALSE(env_.RenameFile("/d/000005.ldb", "/d/CURRENT").ok());
  EXPECT_FALSE(env_.RemoveFile("/d/000005.ldb").ok());
  EXPECT_TRUE(env_.error());
}

TEST(MemoryStateStoreTest, ACheckpointIsTakenOrNotAndAFailureIsFinal) {
  MemoryStateDisk disk;
  Checkpoint one;
  one.slot = Slot(1);
  one.records = {{"n1", "a"}};
  for (const auto fault :
       {MemoryStateDisk::Fault::kFailWithout, MemoryStateDisk::Fault::kFailAfter}) {
    MemoryStateStore store(disk);
    disk.next_write = fault;
    EXPECT_FALSE(store.Write(one));
    EXPECT_EQ(disk.slot, Slot(fault == MemoryStateDisk::Fault::kFailAfter ? 1 : 0));
    EXPECT_FALSE(store.Write(one));
  }
  MemoryStateStore store(disk);
  one.slot = Slot(2);
  one.records = {{"n1", std::nullopt}, {"n2", "b"}};
  ASSERT_TRUE(store.Write(one));
  EXPECT_EQ(store.slot(), Slot(2));
  EXPECT_EQ(disk.records, (Content{{"n2", "b"}}));
}

}  // namespace
}  // namespace synod::storage
