#include "src/storage/snapshot_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "tests/support/memory_state_store.h"
#include "tests/support/sim_file_system.h"

namespace synod::storage {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

using Op = SimFileSystem::Op;

constexpr Hash128 kCluster{3, 4};

class SnapshotStoreTest : public testing::Test {
 protected:
  SnapshotStoreTest() {
    Open();
    for (int i = 0; i < 40; ++i)
      disk_.records["n" + std::to_string(i)] =
          std::string(100'000, static_cast<char>('a' + i % 26));
  }
  void Open() {
    store_ = SnapshotStore::Open(fs_, "/data/snapshots").value();
    const Status recovered = store_->Recover();
    ASSERT_TRUE(recovered) << recovered.error().detail;
  }
  KeptSnapshot Make(uint64_t slot) {
    disk_.slot = Slot(slot);
    disk_.digest.sum = {slot, slot};
    MemoryStateStore state(disk_);
    const Result<KeptSnapshot> made = store_->Make(*state.TakeSnapshot(), kCluster, 0);
    EXPECT_TRUE(made);
    return *made;
  }
  // Sends all of `from` to this store's part, `piece` bytes at a time, from what it has on.
  void Receive(SnapshotStore& source, const KeptSnapshot& from, size_t piece, uint64_t until) {
    const auto& part = store_->part();
    for (uint64_t at = part && part->id == from.id ? part->received : 0; at < until;) {
      const std::string bytes = source.Read(from.id, at, piece).value();
      ASSERT_FALSE(bytes.empty());
      ASSERT_TRUE(store_->StorePart(from.id, from.bytes, at, bytes));
      at += bytes.size();
    }
  }
  std::vector<std::string> Names() { return fs_.List("/data/snapshots").value(); }

  SimFileSystem fs_;
  MemoryStateDisk disk_;
  std::unique_ptr<SnapshotStore> store_;
  Random random_{1};
};

TEST_F(SnapshotStoreTest, WhatOneNodeMadeAnotherReceivesInPiecesAndReadsWhole) {
  const KeptSnapshot made = Make(10);
  SimFileSystem other;
  auto source = std::move(store_);
  store_ = SnapshotStore::Open(other, "/b").value();
  Receive(*source, made, 300'000, made.bytes);
  std::map<std::string, std::string> records;
  const Result<SnapshotInfo> info =
      store_->VisitPart([&](std::string_view key, std::string_view value) {
        records.emplace(key, value);
        return Done();
      });
  ASSERT_TRUE(info) << info.error().detail;
  EXPECT_EQ(info->header.slot, Slot(10));
  EXPECT_EQ(info->header.cluster_id, kCluster);
  EXPECT_EQ(records, disk_.records);
  ASSERT_TRUE(store_->DropPart());
  EXPECT_THAT(other.List("/b").value(), IsEmpty());
}

TEST_F(SnapshotStoreTest, KeepsTheTwoOfTheHighestSlotsAlsoOverARestart) {
  const KeptSnapshot second = Make(200);
  const KeptSnapshot first = Make(90);  // made later, of an older state
  const KeptSnapshot third = Make(1000);
  EXPECT_THAT(store_->kept(), ElementsAre(second, third));
  EXPECT_EQ(store_->Read(first.id, 0, 10).error().code, Errc::kNotFound);
  fs_.Crash(random_, SimFileSystem::Unsynced::kKeepAll);
  Open();
  EXPECT_THAT(store_->kept(), ElementsAre(second, third));
  ASSERT_TRUE(store_->Remove(third.id));
  EXPECT_THAT(Names(), SizeIs(1));
}

TEST_F(SnapshotStoreTest, OneThatCannotBeMadeLeavesNothingBehind) {
  disk_.slot = Slot(10);
  MemoryStateStore state(disk_);
  for (const Op failing : {Op::kCreate, Op::kWrite, Op::kSync, Op::kRename})
    for (int nth = 1, count = 0;; ++nth, count = 0) {
      fs_.SetFault([&](Op op, const auto&) { return op == failing && ++count == nth; },
                   SimFileSystem::Failure::kFull);
      const Result<KeptSnapshot> made = store_->Make(*state.TakeSnapshot(), kCluster, 0);
      fs_.SetFault(nullptr);
      if (made) {
        EXPECT_GT(nth, 1);
        ASSERT_TRUE(store_->Remove(made->id));
        break;
      }
      EXPECT_EQ(made.error().code, Errc::kStorageFull);
      EXPECT_THAT(store_->kept(), IsEmpty());
      EXPECT_THAT(Names(), IsEmpty());
    }
}

TEST_F(SnapshotStoreTest, NoneIsBegunWithoutTheRoomThatIsAskedFor) {
  constexpr uint64_t kRoom = 8 << 20;
  disk_.slot = Slot(10);
  MemoryStateStore state(disk_);
  fs_.SetByteBudget(kRoom - 1);
  const uint64_t before = fs_.operations();
  EXPECT_EQ(store_->Make(*state.TakeSnapshot(), kCluster, kRoom).error().code, Errc::kStorageFull);
  EXPECT_EQ(fs_.operations(), before);
  fs_.SetByteBudget(kRoom);
  EXPECT_TRUE(store_->Make(*state.TakeSnapshot(), kCluster, kRoom));
}

TEST_F(SnapshotStoreTest, AnUnfinishedOrDamagedFileIsRemovedAtTheStart) {
  const KeptSnapshot good = Make(10);
  Make(20);
  fs_.FlipBit("/data/snapshots/0000000000000014.snapshot", 2'000'000, 3);
  fs_.SetContent("/data/snapshots/000000000000001e.snapshot.tmp", "rest");
  Open();
  EXPECT_THAT(store_->kept(), ElementsAre(good));
  EXPECT_THAT(Names(), SizeIs(1));
}

// Row 48: the receiver dies in the middle, and goes on where it was.
TEST_F(SnapshotStoreTest, APartGoesOnBehindItsLastWholeFrameAfterARestart) {
  const KeptSnapshot made = Make(10);
  Receive(*store_, made, 300'000, 2'500'000);
  const uint64_t received = store_->part()->received;
  fs_.Crash(random_, SimFileSystem::Unsynced::kKeepAll);
  Open();
  ASSERT_TRUE(store_->part().has_value());
  EXPECT_EQ(store_->part()->id, made.id);
  EXPECT_EQ(store_->part()->total, made.bytes);
  EXPECT_LE(store_->part()->received, received);
  EXPECT_GT(store_->part()->received, 2'000'000u);
  Receive(*store_, made, 300'000, made.bytes);
  EXPECT_TRUE(store_->VisitPart([](auto, auto) { return Done(); }));
}

TEST_F(SnapshotStoreTest, APowerCutLeavesAPartThatIsGoodAsFarAsItSays) {
  const KeptSnapshot made = Make(10);
  for (uint64_t seed = 0; seed < 20; ++seed) {
    Random random(seed);
    Receive(*store_, made, 300'000, 3'000'000);
    fs_.Crash(random);
    Open();
    Receive(*store_, made, 300'000, made.bytes);
    EXPECT_TRUE(store_->VisitPart([](auto, auto) { return Done(); })) << seed;
    ASSERT_TRUE(store_->DropPart());
  }
}

TEST_F(SnapshotStoreTest, AnotherSnapshotTakesThePlaceOfAPart) {
  const KeptSnapshot first = Make(10);
  const KeptSnapshot second = Make(20);
  Receive(*store_, first, 300'000, 600'000);
  Receive(*store_, second, 300'000, second.bytes);
  EXPECT_EQ(store_->VisitPart([](auto, auto) { return Done(); })->header.slot, Slot(20));
  EXPECT_THAT(Names(), SizeIs(3));
}

TEST_F(SnapshotStoreTest, ThereIsNoneOfAStateWithoutACheckpoint) {
  MemoryStateDisk empty;
  MemoryStateStore state(empty);
  EXPECT_EQ(store_->Make(*state.TakeSnapshot(), kCluster, 0).error().code, Errc::kNotReady);
}

}  // namespace
}  // namespace synod::storage
