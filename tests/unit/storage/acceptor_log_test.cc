#include "src/storage/acceptor_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "src/base/codec.h"
#include "src/base/crc32c.h"
#include "src/storage/log_format.h"
#include "tests/unit/storage/log_fixture.h"

namespace synod::storage {
namespace {

using consensus::Chosen;
using Op = SimFileSystem::Op;
using testing::HasSubstr;

// A segment as a later version would write it: another format, and a checksum that holds.
std::string WithNewerFormat(std::string segment) {
  std::string head = segment.substr(0, 8);
  Writer w(&head);
  w.Fixed32(kLogFormat + 1);
  w.Fixed32(5);
  w.Fixed32(ExtendCrc32c(Crc32c(head), "hello"));
  w.Append("hello");
  return segment.replace(0, head.size(), head);
}

class AcceptorLogTest : public testing::Test, public LogFixture {
 protected:
  // Slots in order, one a record, each learned by the next record.
  void Fill(uint64_t from, uint64_t to, size_t payload = 100) {
    for (uint64_t s = from; s <= to; ++s)
      ASSERT_TRUE(Append({Vote(s, 1, std::to_string(s) + std::string(payload, '.'))}, s - 1));
  }
  std::vector<uint64_t> ReadSlots(uint64_t from, size_t bytes_max) {
    std::vector<uint64_t> slots;
    for (const Chosen& c : log->ReadChosen(Slot(from), bytes_max).value())
      slots.push_back(c.slot.value);
    return slots;
  }
  // Until a spare is ready; then one record that it is too small for, while the disk is full.
  // Returns the log's size.
  uint64_t FailToGrowTheSpare(Op op) {
    while (fs.Content(kDir + std::string("/spare")).empty())
      Fill(history.size() + 1, history.size() + 1);
    const uint64_t bytes = log->stats().bytes_on_disk;
    fs.SetFault(
        [op](Op o, const std::string& path) { return o == op && path.ends_with("/spare.tmp"); },
        SimFileSystem::Failure::kFull);
    const Status ok = Append({Vote(history.size() + 1, 1, std::string(100 << 10, 'x'))});
    EXPECT_EQ(ok.error().code, Errc::kStorageFull);
    fs.SetFault(nullptr);
    return bytes;
  }
  Random random_{1};
};

TEST_F(AcceptorLogTest, ANewLogIsEmpty) {
  ASSERT_TRUE(Open());
  EXPECT_EQ(recovered.gen, 0u);
  EXPECT_TRUE(recovered.hard_state == consensus::HardState{});
  EXPECT_TRUE(recovered.entries.empty());
  EXPECT_TRUE(AcceptorLogExists(fs, kDir));
}

TEST_F(AcceptorLogTest, GivesBackWhatWasAppended) {
  ASSERT_TRUE(Open());
  ASSERT_TRUE(Append({Vote(1, 1, "a"), Vote(2, 1, std::string(10000, 'b'))}));
  ASSERT_TRUE(Append({}, 1));
  ASSERT_TRUE(Append({Vote(3, 2, "")}, 2));
  ASSERT_TRUE(Open());
  EXPECT_EQ(recovered.gen, 3u);
  EXPECT_EQ(recovered.entries.size(), 3u);
  ExpectRecovered();
}

TEST_F(AcceptorLogTest, KeepsEveryFieldOfAnEntry) {
  ASSERT_TRUE(Open());
  consensus::AcceptedEntry e = Vote(uint64_t{1} << 52, uint64_t{1} << 40, "payload");
  e.ballot.node = NodeId(0xFFFFFFFF);
  e.chosen = true;
  e.entry.kind = consensus::EntryKind::kConfig;
  e.entry.origin = Ballot{3, NodeId(7)};
  ASSERT_TRUE(Append({e}));
  ASSERT_TRUE(Open());
  ASSERT_EQ(recovered.entries.size(), 1u);
  EXPECT_EQ(Describe(recovered.entries[0]), Describe(e));
  EXPECT_EQ(recovered.entries[0].entry.origin, e.entry.origin);
}

TEST_F(AcceptorLogTest, TheLastVoteOfASlotWins) {
  ASSERT_TRUE(Open());
  ASSERT_TRUE(Append({Vote(1, 1, "old"), Vote(2, 1, "kept")}));
  ASSERT_TRUE(Append({Vote(1, 2, "new")}));
  ASSERT_TRUE(Open());
  ASSERT_EQ(recovered.entries.size(), 2u);
  EXPECT_EQ(*recovered.entries[0].entry.payload, "new");
  EXPECT_EQ(*recovered.entries[1].entry.payload, "kept");
}

TEST_F(AcceptorLogTest, ABatchIsOneWriteAndOneSync) {
  ASSERT_TRUE(Open());
  const uint64_t writes = fs.Count(Op::kWrite);
  const uint64_t syncs = fs.Count(Op::kSync);
  std::vector<consensus::PersistRequest> batch(3);
  for (uint64_t i = 0; i < 3; ++i) {
    batch[i].hard_state.promised = Ballot{i + 1, NodeId(1)};
    batch[i].entries = {Vote(i + 1, i + 1, "x")};
  }
  ASSERT_TRUE(log->Append(batch));
  EXPECT_EQ(fs.Count(Op::kWrite), writes + 1);
  EXPECT_EQ(fs.Count(Op::kSync), syncs + 1);
  EXPECT_EQ(log->stats().gen, 1u);
  EXPECT_EQ(log->stats().appended_bytes, kLogPageBytes);
  ASSERT_TRUE(Open());
  EXPECT_EQ(recovered.hard_state.promised.round, 3u);
  EXPECT_EQ(recovered.entries.size(), 3u);
}

TEST_F(AcceptorLogTest, GoesOnInFurtherSegments) {
  ASSERT_TRUE(Open());
  Fill(1, 100);
  EXPECT_GT(Segments().size(), 5u);
  ASSERT_TRUE(Open());
  ExpectRecovered();
  ASSERT_TRUE(Append({Vote(101, 1, "more")}));
  ASSERT_TRUE(Open());
  ExpectRecovered();
}

TEST_F(AcceptorLogTest, ARecordLargerThanASegmentGetsALargerSegment) {
  ASSERT_TRUE(Open());
  Fill(1, 3);
  ASSERT_TRUE(Append({Vote(4, 1, std::string(300000, 'L'))}, 3));
  Fill(5, 8);
  ASSERT_TRUE(Open());
  ExpectRecovered();
}

TEST_F(AcceptorLogTest, GivesOnlyVotesAboveTheStatesSlot) {
  ASSERT_TRUE(Open());
  Fill(1, 100);
  const uint64_t reads = fs.Count(Op::kRead);
  ASSERT_TRUE(Open(Slot(98)));
  EXPECT_EQ(recovered.entries.size(), 2u);
  ExpectRecovered(Slot(98));
  EXPECT_LT(fs.Count(Op::kRead) - reads, 30u) << "segments below the checkpoint are not read";
}

TEST_F(AcceptorLogTest, FirstSlotHidesTruncatedVotes) {
  ASSERT_TRUE(Open());
  Fill(1, 5);
  consensus::PersistRequest request;
  request.hard_state = hard_state;
  request.hard_state.first_slot = Slot(4);
  ASSERT_TRUE(log->Append({&request, 1}));
  ASSERT_TRUE(Open(Slot(3)));
  ASSERT_EQ(recovered.entries.size(), 2u);
  EXPECT_EQ(recovered.entries[0].slot, Slot(4));
  EXPECT_EQ(ReadSlots(4, 1), (std::vector<uint64_t>{4}));
  EXPECT_TRUE(log->ReadChosen(Slot(3), 1000).value().empty());
}

// scylladb#6149: what recycling takes away is below the checkpoint, and the promise stays.
TEST_F(AcceptorLogTest, RecyclesWhatTheCheckpointCoversAndKeepsThePromise) {
  ASSERT_TRUE(Open());
  ASSERT_TRUE(Append({Vote(1, 9, "promise of round 9")}));
  Fill(2, 150);
  const Slot first = log->Recycle(Slot(149)).value();
  EXPECT_GT(first, Slot(50));
  EXPECT_LE(Segments().size(), 4u);
  ASSERT_TRUE(Open(Slot(149)));
  EXPECT_EQ(recovered.hard_state.promised.round, 9u);
  ExpectRecovered(Slot(149));
  EXPECT_EQ(log->Recycle(Slot(149)).value(), first);
  EXPECT_EQ(ReadSlots(first.value, 1).size(), 1u);
  EXPECT_TRUE(ReadSlots(first.value - 1, 1).empty());
}

TEST_F(AcceptorLogTest, RecyclesNothingAboveTheCheckpointOrTheLearnedSlot) {
  ASSERT_TRUE(Open());
  Fill(1, 100);
  EXPECT_EQ(log->Recycle(Slot(10)).value(), Slot(1));
  ASSERT_TRUE(Open());
  ExpectRecovered();
}

TEST_F(AcceptorLogTest, ARecycledSegmentIsUsedAgain) {
  options.keep_bytes = 0;
  ASSERT_TRUE(Open());
  for (uint64_t s = 1; s <= 400; ++s) {
    ASSERT_TRUE(Append({Vote(s, 1, "x")}, s - 1));
    ASSERT_TRUE(log->Recycle(Slot(s - 1)));
  }
  EXPECT_LE(fs.Count(Op::kCreate), 3u);
  ASSERT_TRUE(Open(Slot(399)));
  ExpectRecovered(Slot(399));
}

TEST_F(AcceptorLogTest, ReadsChosenSlotsInOrderAndWithinTheLimit) {
  ASSERT_TRUE(Open());
  Fill(1, 60, 1000);
  EXPECT_EQ(ReadSlots(5, 3000), (std::vector<uint64_t>{5, 6, 7}));
  EXPECT_EQ(ReadSlots(5, 0), (std::vector<uint64_t>{5}));
  EXPECT_EQ(ReadSlots(1, 1 << 20).size(), 59u) << "slot 60 is not known chosen";
  EXPECT_TRUE(ReadSlots(60, 1000).empty());
  ASSERT_TRUE(Open(Slot(59)));
  EXPECT_EQ(ReadSlots(1, 1 << 20).size(), 59u) << "segments that recovery did not read";
}

TEST_F(AcceptorLogTest, ReadsTheLastVoteOfASlotHoweverLateItCame) {
  ASSERT_TRUE(Open());
  ASSERT_TRUE(Append({Vote(1, 1, "never chosen"), Vote(3, 1, "three")}));
  for (uint64_t s = 4; s <= 60; ++s) ASSERT_TRUE(Append({Vote(s, 1, "later")}));
  ASSERT_TRUE(Append({Vote(2, 2, "two"), Vote(1, 2, "one")}, 60));
  for (const Slot state : {Slot(0), Slot(60)}) {
    const std::vector<Chosen> chosen = log->ReadChosen(Slot(1), 100).value();
    ASSERT_GE(chosen.size(), 3u);
    EXPECT_EQ(*chosen[0].entry.payload, "one");
    EXPECT_EQ(*chosen[1].entry.payload, "two");
    EXPECT_EQ(*chosen[2].entry.payload, "three");
    ASSERT_TRUE(Open(state));
  }
}

TEST_F(AcceptorLogTest, ReadsChosenSlotsOfADamagedOldSegmentNotAtAll) {
  ASSERT_TRUE(Open());
  Fill(1, 100);
  fs.FlipBit(Segments()[0], 3 * kLogPageBytes + 50, 1);
  ASSERT_TRUE(Open(Slot(99))) << "the state covers its votes";
  EXPECT_TRUE(ReadSlots(1, 100).empty());
  EXPECT_EQ(ReadSlots(50, 1).size(), 1u);
}

// A bad sector under votes that the state covers and only others ask for.
TEST_F(AcceptorLogTest, ReadsChosenSlotsOfAnOldSegmentThatCannotBeReadNotAtAll) {
  for (const bool indexed : {true, false}) {
    ASSERT_TRUE(Open(Slot(indexed ? 0 : 99)));
    if (indexed)
      Fill(1, 100);
    const std::string bad = Segments()[0];
    fs.SetFault([&](Op op, const std::string& path) { return op == Op::kRead && path == bad; });
    const Result<std::vector<Chosen>> chosen = log->ReadChosen(Slot(1), 100);
    ASSERT_TRUE(chosen) << chosen.error().detail;
    EXPECT_TRUE(chosen->empty());
    EXPECT_EQ(ReadSlots(50, 1).size(), 1u);
    // Each try may take a disk seconds.
    const uint64_t reads = fs.Count(Op::kRead);
    EXPECT_TRUE(ReadSlots(1, 100).empty());
    EXPECT_EQ(fs.Count(Op::kRead), reads);
    fs.SetFault(nullptr);
  }
}

// etcd#14370, leveldb#1180: nothing is acknowledged after a failed write or sync.
TEST_F(AcceptorLogTest, AFailedSyncKillsTheLog) {
  ASSERT_TRUE(Open());
  Fill(1, 3);
  fs.FailNth(Op::kSync, 1);
  EXPECT_FALSE(Append({Vote(4, 1, "x")}));
  EXPECT_FALSE(Append({Vote(5, 1, "x")}));
  EXPECT_FALSE(log->Recycle(Slot(1)));
  EXPECT_FALSE(log->ReadChosen(Slot(1), 1));
}

TEST_F(AcceptorLogTest, AFailedWriteKillsTheLogAndIsTornAfterwards) {
  ASSERT_TRUE(Open());
  Fill(1, 3);
  fs.FailNth(Op::kWrite, 1);
  EXPECT_FALSE(Append({Vote(4, 1, std::string(20000, 'x'))}));
  EXPECT_FALSE(Append({Vote(5, 1, "x")}));
  ASSERT_TRUE(Open());
  ExpectRecovered();
  EXPECT_EQ(recovered.gen, 3u);
}

// The page cache shows a record whose sync failed. Recovery must put it on the disk before anyone
// is told of it.
TEST_F(AcceptorLogTest, OpenMakesWhatThePageCacheShowsDurable) {
  ASSERT_TRUE(Open());
  Fill(1, 3);
  fs.FailNth(Op::kSync, 1);
  EXPECT_FALSE(Append({Vote(4, 1, "x")}));
  ASSERT_TRUE(Open());
  EXPECT_EQ(recovered.gen, 4u);
  acknowledged = 4;  // the node may answer for it now
  fs.Crash(random_, SimFileSystem::Unsynced::kLoseAll);
  ASSERT_TRUE(Open());
  EXPECT_EQ(recovered.gen, 4u);
  ExpectRecovered();
}

TEST_F(AcceptorLogTest, OpenFailsIfItCannotMakeThatDurable) {
  ASSERT_TRUE(Open());
  Fill(1, 3);
  fs.FailNth(Op::kSync, 1);
  EXPECT_FALSE(Open());
}

TEST_F(AcceptorLogTest, NoRoomForAFurtherSegmentIsNotFatal) {
  ASSERT_TRUE(Open());
  fs.SetByteBudget(130 << 10);
  Status ok = Done();
  uint64_t slot = 0;
  while (ok) {
    ok = Append({Vote(++slot, 1, "x")});
    ASSERT_LT(slot, 100u);
  }
  EXPECT_EQ(ok.error().code, Errc::kStorageFull);
  EXPECT_TRUE(log->stats().storage_full);
  history.pop_back();
  fs.SetByteBudget(std::nullopt);
  EXPECT_TRUE(Append({Vote(slot, 1, "x")}));
  EXPECT_FALSE(log->stats().storage_full);
  ASSERT_TRUE(Open());
  ExpectRecovered();
}

// A record that needs more than the spare has meets a full disk. Room for the record is enough to
// go on; that for a further spare is not there.
TEST_F(AcceptorLogTest, ASpareThatCannotGrowYetIsKept) {
  for (const Op op : {Op::kWrite, Op::kSync}) {
    ASSERT_TRUE(Open());
    ExpectRecovered();
    const uint64_t bytes = FailToGrowTheSpare(op);
    EXPECT_EQ(log->stats().bytes_on_disk, bytes);
    EXPECT_TRUE(log->stats().storage_full);
    fs.SetByteBudget(bytes + (60 << 10));
    const Status again = log->Append({&history.back(), 1});
    EXPECT_TRUE(again) << again.error().detail;
    fs.SetByteBudget(std::nullopt);
  }
  ASSERT_TRUE(Open());
  ExpectRecovered();
}

// What was written of it before a failed sync may never reach the disk.
TEST_F(AcceptorLogTest, ASpareThatCouldNotGrowIsWrittenAnewFromThereOn) {
  bool done = false;
  for (uint64_t operations = 1; !done; ++operations) {
    ASSERT_LT(operations, 20u);
    ASSERT_TRUE(Open());
    ExpectRecovered();
    FailToGrowTheSpare(Op::kSync);
    fs.CutPowerAfter(operations);
    done = log->Append({&history.back(), 1}).has_value();
    fs.Crash(random_, SimFileSystem::Unsynced::kLoseAll);
  }
  const Status opened = Open();
  ASSERT_TRUE(opened) << opened.error().detail;
  ExpectRecovered();
}

// How much of it is on the disk nobody can tell the process that starts: else the next segment
// could be shorter than its head says once the power is cut.
TEST_F(AcceptorLogTest, ASpareThatCouldNotGrowIsNotTakenOverByTheNextProcess) {
  bool done = false;
  for (uint64_t operations = 1; !done; ++operations) {
    ASSERT_LT(operations, 40u);
    const Status whole = Open();
    ASSERT_TRUE(whole) << whole.error().detail;
    ExpectRecovered();
    FailToGrowTheSpare(Op::kSync);
    ASSERT_TRUE(Open());
    ExpectRecovered();
    fs.CutPowerAfter(operations);
    done = Append({Vote(history.size() + 1, 1, std::string(90 << 10, 'y'))}).has_value();
    fs.Crash(random_, SimFileSystem::Unsynced::kLoseAll);
  }
  const Status opened = Open();
  ASSERT_TRUE(opened) << opened.error().detail;
  ExpectRecovered();
}

// What else needs room on a full disk does not find it emptier at every try of the log.
TEST_F(AcceptorLogTest, ASpareGrowsOnlyIfThereIsRoomForAllOfIt) {
  ASSERT_TRUE(Open());
  const uint64_t bytes = FailToGrowTheSpare(Op::kWrite);
  const uint64_t grown = fs.Content(kDir + std::string("/spare.tmp")).size();
  fs.SetByteBudget(bytes + (30 << 10));
  EXPECT_FALSE(log->Append({&history.back(), 1}));
  EXPECT_EQ(fs.Content(kDir + std::string("/spare.tmp")).size(), grown);
}

// etcd#3591, etcd#5518: a start needs no further space.
TEST_F(AcceptorLogTest, OpensOnAFullDisk) {
  ASSERT_TRUE(Open());
  Fill(1, 14);
  fs.SetByteBudget(0);
  ASSERT_TRUE(Open());
  ExpectRecovered();
}

TEST_F(AcceptorLogTest, ASpareThreadWritesTheNextSegmentInAdvance) {
  options.spare_thread = true;
  ASSERT_TRUE(Open());
  Fill(1, 200);
  EXPECT_EQ(log->stats().gen, 200u);
  ASSERT_TRUE(Open());
  ExpectRecovered();
}

// For the thread sanitizer: readers and recycling beside the appends.
TEST_F(AcceptorLogTest, ReadsAndRecyclesBesideAppends) {
  options.spare_thread = true;
  ASSERT_TRUE(Open());
  Fill(1, 30);
  std::atomic<bool> stop = false;
  std::atomic<uint64_t> learned = 29;
  std::thread recycler([&] {
    while (!stop) EXPECT_TRUE(log->Recycle(Slot(learned)));
  });
  std::thread reader([&] {
    while (!stop) {
      const uint64_t from = learned / 2 + 1;
      const Result<std::vector<Chosen>> chosen = log->ReadChosen(Slot(from), 2000);
      ASSERT_TRUE(chosen) << chosen.error().detail;
      for (size_t i = 0; i < chosen.value().size(); ++i)
        EXPECT_EQ(chosen.value()[i].slot.value, from + i);
    }
  });
  for (uint64_t s = 31; s <= 600; ++s) {
    ASSERT_TRUE(Append({Vote(s, 1, "x")}, s - 1));
    learned = s - 1;
  }
  stop = true;
  recycler.join();
  reader.join();
}

TEST(AcceptorLogOnDiskTest, WorksOnARealDisk) {
  const std::filesystem::path dir =
      std::filesystem::temp_directory_path() / ("synod_acceptor_log_" + std::to_string(::getpid()));
  std::filesystem::remove_all(dir);
  AcceptorLogOptions options;
  options.segment_bytes = 256 << 10;
  options.keep_bytes = 512 << 10;
  options.seed = 3;
  options.spare_thread = true;
  consensus::Recovered recovered;
  consensus::PersistRequest request;
  request.hard_state.promised = Ballot{1, NodeId(1)};
  for (uint64_t life = 0; life < 3; ++life) {
    auto log =
        AcceptorLog::Open(PosixFileSystem(), dir.string(), options, Slot(life * 300), &recovered);
    ASSERT_TRUE(log) << log.error().detail;
    EXPECT_EQ(recovered.gen, life * 300);
    EXPECT_TRUE(recovered.hard_state == (life == 0 ? consensus::HardState{} : request.hard_state));
    EXPECT_TRUE(recovered.entries.empty());
    for (uint64_t s = life * 300 + 1; s <= life * 300 + 300; ++s) {
      request.hard_state.learned = Slot(s);
      request.entries = {Vote(s, 1, std::string(s % 5000, 'x'))};
      ASSERT_TRUE(log.value()->Append({&request, 1}));
    }
    const Slot first = log.value()->Recycle(Slot(life * 300 + 300)).value();
    EXPECT_EQ(log.value()->ReadChosen(first, 1).value().size(), 1u);
  }
  std::filesystem::remove_all(dir);
}

TEST_F(AcceptorLogTest, ANewerFormatIsRefusedAndLeftAlone) {
  ASSERT_TRUE(Open());
  Fill(1, 3);
  const std::string newer = WithNewerFormat(fs.Content(Segments()[0]));
  fs.SetContent(Segments()[0], newer);
  const Status refused = Open();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().detail, HasSubstr("newer version"));
  options.accept_data_loss = true;
  EXPECT_FALSE(Open());
  EXPECT_TRUE(fs.Content(Segments()[0]) == newer);
}

// ZOOKEEPER-582: the state knows slots that the log has forgotten.
TEST_F(AcceptorLogTest, AMissingLogIsRefusedIfTheStateHasSlots) {
  const Status refused = Open(Slot(5));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().detail, HasSubstr("missing"));
  EXPECT_THAT(refused.error().detail, HasSubstr("forgotten a promise"));
  EXPECT_FALSE(AcceptorLogExists(fs, kDir));
}

TEST_F(AcceptorLogTest, ALogBehindTheStateIsRefused) {
  ASSERT_TRUE(Open());
  Fill(1, 10);
  EXPECT_FALSE(Open(Slot(10))) << "learned is 9";
  options.gen_at_least = 11;
  EXPECT_FALSE(Open(Slot(5)));
  options.gen_at_least = 10;
  EXPECT_TRUE(Open(Slot(5)));
}

TEST_F(AcceptorLogTest, AStateOlderThanTheLogReachesBackIsRefused) {
  options.keep_bytes = 0;
  ASSERT_TRUE(Open());
  Fill(1, 100);
  const Slot first = log->Recycle(Slot(99)).value();
  ASSERT_GT(first, Slot(1));
  const Status refused = Open(Slot(0));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().detail, HasSubstr("only reaches back to slot"));
  EXPECT_FALSE(Open(first - 2));
  EXPECT_TRUE(Open(first - 1));
}

TEST_F(AcceptorLogTest, WithoutAStateOnlyWhatIsNotLearnedIsReadBack) {
  options.keep_bytes = 0;
  ASSERT_TRUE(Open());
  Fill(1, 100);
  ASSERT_GT(log->Recycle(Slot(99)).value(), Slot(1));
  ASSERT_FALSE(Open(Slot(0)));
  options.state_discarded = true;
  ASSERT_TRUE(Open(Slot(0)));
  EXPECT_EQ(recovered.hard_state.learned, Slot(99));
  ASSERT_FALSE(recovered.entries.empty());
  EXPECT_EQ(recovered.entries.back().slot, Slot(100));
}

// A crash between the switch to an installed snapshot and the log's note of it.
TEST_F(AcceptorLogTest, AStateAheadOfACompleteLogRaisesItsHardState) {
  ASSERT_TRUE(Open());
  Fill(1, 10);
  options.gen_at_least = 10;
  ASSERT_TRUE(Open(Slot(500)));
  EXPECT_EQ(recovered.hard_state.learned, Slot(500));
  EXPECT_EQ(recovered.hard_state.first_slot, Slot(501));
  EXPECT_EQ(recovered.hard_state.promised.round, 1u);
  fs.Crash(random_, SimFileSystem::Unsynced::kLoseAll);
  options.gen_at_least = 0;
  ASSERT_TRUE(Open(Slot(500)));
  EXPECT_EQ(recovered.hard_state.learned, Slot(500));
  EXPECT_TRUE(ReadSlots(5, 1000).empty());
}

// The note may have to go into the next segment, whose head must not know of it already.
TEST_F(AcceptorLogTest, AStateAheadRaisesTheHardStateWhereverInASegmentTheLogEnds) {
  ASSERT_TRUE(Open());
  // A vote above every state, so that every start reads the whole log.
  ASSERT_TRUE(Append({Vote(1'000'000, 1, "far")}));
  bool rolled = false;
  for (uint64_t i = 0; i < 60; ++i) {
    const uint64_t first = 1000 * i + 1;
    Fill(first, first + random_.Below(5));
    const std::string last = Segments().back();
    options.gen_at_least = log->stats().gen;
    const Slot state(1000 * (i + 1));
    ASSERT_TRUE(Open(state)) << i;
    rolled |= Segments().back() != last;
    options.gen_at_least = 0;
    const Status again = Open(state);
    ASSERT_TRUE(again) << again.error().detail;
    EXPECT_EQ(recovered.hard_state.learned, state);
    hard_state = recovered.hard_state;
  }
  EXPECT_TRUE(rolled);
}

TEST_F(AcceptorLogTest, AMissingSegmentIsRefused) {
  ASSERT_TRUE(Open());
  Fill(1, 60);
  ASSERT_TRUE(fs.Remove(Segments()[1]));
  const Status refused = Open();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().detail, HasSubstr("missing"));
}

TEST_F(AcceptorLogTest, AShortenedSegmentIsRefused) {
  ASSERT_TRUE(Open());
  Fill(1, 3);
  fs.SetContent(Segments()[0], fs.Content(Segments()[0]).substr(0, 3 * kLogPageBytes));
  EXPECT_FALSE(Open());
}

TEST_F(AcceptorLogTest, AcceptedDataLossKeepsWhatIsBeforeTheDamage) {
  ASSERT_TRUE(Open());
  Fill(1, 60);
  fs.FlipBit(Segments()[1], 4 * kLogPageBytes + 100, 0);
  const Status refused = Open();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().detail, HasSubstr("--accept-data-loss"));
  options.accept_data_loss = true;
  ASSERT_TRUE(Open());
  EXPECT_EQ(recovered.gen, 18u) << "15 of the first segment, 3 of the second";
  acknowledged = 18;
  ExpectRecovered();
  options.accept_data_loss = false;
  ASSERT_TRUE(Append({Vote(19, 1, "again")}));
  ASSERT_TRUE(Open());
  ExpectRecovered();
}

TEST_F(AcceptorLogTest, AcceptedLossOfTheWholeLogGoesOnFromTheState) {
  ASSERT_TRUE(Open());
  Fill(1, 10);
  ASSERT_TRUE(fs.Remove(Segments()[0]));
  options.accept_data_loss = true;
  ASSERT_TRUE(Open(Slot(9)));
  EXPECT_EQ(recovered.hard_state.learned, Slot(9));
  EXPECT_EQ(recovered.hard_state.first_slot, Slot(10));
  EXPECT_TRUE(recovered.entries.empty());
}

}  // namespace
}  // namespace synod::storage
