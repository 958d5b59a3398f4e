// Scrubs of a real directory: what a disk spoils is found, and told apart by what it means.
#include "src/node/scrub.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <utility>
#include <vector>

#include "src/base/random.h"
#include "src/storage/file_system.h"

namespace synod::node {
namespace {

using storage::FileSystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr Slot kCheckpoint{30};

TEST(ScrubScheduleTest, BeginsAnIntervalAfterTheStartAndAfterTheEndOfTheLastOne) {
  ScrubSchedule schedule(1000);
  EXPECT_FALSE(schedule.Begin(5000));
  EXPECT_FALSE(schedule.Begin(5999));
  EXPECT_TRUE(schedule.Begin(6000));
  EXPECT_FALSE(schedule.Begin(9000)) << "it runs still";
  schedule.Ended(9000);
  EXPECT_FALSE(schedule.Begin(9999));
  EXPECT_TRUE(schedule.Begin(10'000));
}

TEST(ScrubScheduleTest, NeverBeginsWithoutAnInterval) {
  ScrubSchedule schedule(0);
  EXPECT_FALSE(schedule.Begin(0));
  EXPECT_FALSE(schedule.Begin(int64_t{1} << 50));
}

class ScrubTest : public testing::Test {
 protected:
  // Forty votes of 8000 bytes over several segments; a state of 500 kB at slot 30, in tables.
  void SetUp() override {
    dir_ = testing::TempDir() + "synod-scrub-" + std::to_string(::getpid());
    TearDown();
    storage::AcceptorLogOptions options;
    options.segment_bytes = 64 << 10;
    options.keep_bytes = 0;
    consensus::Recovered recovered;
    auto log = storage::AcceptorLog::Open(fs_, dir_ + "/log", options, Slot(), &recovered);
    ASSERT_TRUE(log);
    log_ = *std::move(log);
    for (uint64_t slot = 1; slot <= 40; ++slot) Append(slot);
    WriteState();
    state_store_.reset();
    OpenState();
  }
  void TearDown() override {
    state_.reset();
    state_store_.reset();
    log_.reset();
    for (const char* part : {"/log", "/state", ""})
      EXPECT_TRUE(storage::RemoveTree(fs_, dir_ + part));
  }

  void Append(uint64_t slot) {
    consensus::PersistRequest request;
    request.hard_state.promised = {1, NodeId(1)};
    request.hard_state.learned = Slot(slot - 1);
    consensus::AcceptedEntry entry;
    entry.slot = Slot(slot);
    entry.ballot = {1, NodeId(1)};
    entry.entry.origin = entry.ballot;
    entry.entry.payload = std::make_shared<const std::string>(8000, 'x');
    request.entries.push_back(entry);
    ASSERT_TRUE(log_->Append({&request, 1}));
  }
  void OpenState() {
    auto opened = storage::StateStore::Open(fs_, dir_ + "/state");
    ASSERT_TRUE(opened);
    state_store_ = *std::move(opened);
    state_ = state_store_->TakeSnapshot();
  }
  void WriteState() {
    OpenState();
    storage::Checkpoint checkpoint;
    checkpoint.slot = kCheckpoint;
    Random random(1);  // nothing that could be made smaller
    for (int i = 0; i < 50; ++i) {
      std::string value(10'000, '\0');
      for (char& c : value) c = static_cast<char>(random.Below(256));
      checkpoint.records.push_back({"n" + std::to_string(i), std::move(value)});
    }
    ASSERT_TRUE(state_store_->Write(checkpoint));
    state_.reset();
  }

  std::vector<std::string> Files(const std::string& part, const std::string& end) {
    std::vector<std::string> paths;
    for (const std::string& name : fs_.List(dir_ + part).value())
      if (name.ends_with(end))
        paths.push_back(dir_ + part + "/" + name);
    return paths;
  }
  void FlipBit(const std::string& path, uint64_t at) {
    auto file = fs_.Open(path, FileSystem::Mode::kReadWrite);
    ASSERT_TRUE(file) << path;
    std::string byte = file.value()->Read(at, 1).value();
    ASSERT_EQ(byte.size(), 1U);
    byte[0] = static_cast<char>(byte[0] ^ 1);
    ASSERT_TRUE(file.value()->Write(at, byte));
  }

  ScrubReport Scrub(uint64_t bytes_max = ~uint64_t{0}) {
    ScrubReport report;
    const auto pause = [&](uint64_t) { return report.bytes < bytes_max; };
    ScrubLog(*log_, kCheckpoint, pause, &report);
    ScrubState(*state_, pause, &report);
    return report;
  }

  FileSystem& fs_ = storage::PosixFileSystem();
  std::string dir_;
  std::unique_ptr<storage::AcceptorLog> log_;
  std::unique_ptr<storage::StateStore> state_store_;
  std::unique_ptr<storage::StateSnapshot> state_;
};

TEST_F(ScrubTest, ReadsAllOfItAndFindsNothingWhereNothingIsWrong) {
  const ScrubReport report = Scrub();
  EXPECT_THAT(report.log_damage, IsEmpty());
  EXPECT_THAT(report.state_damage, IsEmpty());
  EXPECT_GT(report.bytes, 40U * 8000 + 50 * 10'000);
}

TEST_F(ScrubTest, OldLogThatTheStateCoversIsNotNeeded) {
  FlipBit(Files("/log", ".log").front(), 3 * 4096 + 100);
  EXPECT_THAT(Scrub().log_damage, ElementsAre(testing::AllOf(HasSubstr("is damaged"),
                                                             HasSubstr("checkpoint covers it"))));
}

TEST_F(ScrubTest, DamageThatTheNextStartWouldRefuseIsSaidToBeSo) {
  FlipBit(Files("/log", ".log").back(), 4096 + 100);
  EXPECT_THAT(Scrub().log_damage, ElementsAre(HasSubstr("do not restart it")));
  // It goes on: what is in memory is right.
  Append(41);
}

TEST_F(ScrubTest, ASpoiltHeadIsFound) {
  FlipBit(Files("/log", ".log").front(), 20);
  EXPECT_THAT(Scrub().log_damage, ElementsAre(HasSubstr("the head of segment")));
}

TEST_F(ScrubTest, ADamagedStateIsFound) {
  // Not in the first block, which the start has read and keeps.
  FlipBit(Files("/state", ".ldb").front(), 200'000);
  const ScrubReport report = Scrub();
  EXPECT_THAT(report.log_damage, IsEmpty());
  EXPECT_THAT(report.state_damage,
              ElementsAre(testing::AllOf(HasSubstr("is damaged"), HasSubstr("do not restart"))));
}

TEST_F(ScrubTest, WhatIsRecycledMeanwhileDoesNotCount) {
  const size_t segments = Files("/log", ".log").size();
  ScrubReport report;
  bool recycled = false;
  ScrubLog(
      *log_, kCheckpoint,
      [&](uint64_t) {
        const bool first = !std::exchange(recycled, true);
        return !first || log_->Recycle(kCheckpoint).has_value();
      },
      &report);
  EXPECT_LT(Files("/log", ".log").size(), segments);
  EXPECT_THAT(report.log_damage, IsEmpty());
}

TEST_F(ScrubTest, EndsWhenItIsTold) {
  FlipBit(Files("/log", ".log").back(), 4096 + 100);
  const ScrubReport report = Scrub(10'000);
  EXPECT_LT(report.bytes, 30'000U);
  EXPECT_THAT(report.log_damage, IsEmpty());
  EXPECT_THAT(report.state_damage, IsEmpty());
}

}  // namespace
}  // namespace synod::node
