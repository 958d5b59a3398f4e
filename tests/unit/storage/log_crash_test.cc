// Power cuts and flipped bits at every place: what the acceptor's log may forget, and what never.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "src/base/random.h"
#include "src/storage/log_format.h"
#include "tests/unit/storage/log_fixture.h"

namespace synod::storage {
namespace {

using Unsynced = SimFileSystem::Unsynced;

// A node's life on a disk that fails at random: appends of all sizes, checkpoints that recycle,
// restarts. `state_slot` plays the state's checkpoint, which survives everything.
class RandomLife : public LogFixture {
 public:
  explicit RandomLife(uint64_t seed) : random_(seed) {
    options.segment_bytes = 32 << 10;
    options.keep_bytes = random_.Below(2) * (64 << 10);
    options.seed = seed;
  }

  void Run(int rounds) {
    for (int round = 0; round < rounds && !testing::Test::HasFailure(); ++round) {
      if (random_.Chance(80))
        fs.CutPowerAfter(random_.Below(60));
      Live();
      log.reset();
      const uint64_t how = random_.Below(8);
      fs.Crash(random_, how == 0   ? Unsynced::kLoseAll
                        : how == 1 ? Unsynced::kKeepAll
                                   : Unsynced::kRandom);
      // A crash during recovery, too.
      if (random_.Chance(20)) {
        fs.CutPowerAfter(random_.Below(8));
        (void)Open(state_slot_);
        log.reset();
        fs.Crash(random_);
      }
      const Status opened = Open(state_slot_);
      ASSERT_TRUE(opened) << opened.error().detail;
      ExpectRecovered(state_slot_);
      next_slot_ = std::max(hard_state.learned.value, MaxVote()) + 1;
    }
  }

 private:
  void Live() {
    if (!log && !Open(state_slot_))
      return;
    for (int i = 0; i < 40; ++i) {
      std::vector<consensus::AcceptedEntry> entries;
      const uint64_t n = random_.Below(4);
      for (uint64_t k = 0; k < n; ++k) {
        const uint64_t size = random_.Chance(10) ? random_.Below(40000) : random_.Below(300);
        entries.push_back(
            Vote(next_slot_++, round_, std::string(size, static_cast<char>(k + 'a'))));
      }
      if (random_.Chance(5))
        ++round_;
      const uint64_t learned =
          entries.empty() ? 0 : std::min<uint64_t>(next_slot_ - 1, entries.front().slot.value - 1);
      if (!Append(std::move(entries), learned))
        return;
      if (random_.Chance(20)) {
        state_slot_ = hard_state.learned;
        if (!log->Recycle(state_slot_))
          return;
      }
    }
  }

  uint64_t MaxVote() const {
    uint64_t max = 0;
    for (const auto& e : recovered.entries) max = std::max(max, e.slot.value);
    return max;
  }

  Random random_;
  Slot state_slot_;
  uint64_t next_slot_ = 1;
  uint64_t round_ = 1;
};

// etcd#14370, etcd#6368, ZOOKEEPER-4643: the power goes at any operation, in any order of what was
// not synced.
TEST(LogCrashTest, RecoversAPrefixWithEverythingAcknowledged) {
  for (uint64_t seed = 1; seed <= 1000 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomLife(seed).Run(4);
  }
}

// Every operation of one short life in turn, with each way to lose what was not synced.
TEST(LogCrashTest, SurvivesAPowerCutAfterEveryOperation) {
  for (const Unsynced unsynced : {Unsynced::kLoseAll, Unsynced::kKeepAll, Unsynced::kRandom}) {
    bool cut = true;
    for (uint64_t n = 0; cut && !testing::Test::HasFailure(); ++n) {
      LogFixture life;
      life.options.segment_bytes = 16 << 10;
      life.options.keep_bytes = 0;
      life.fs.CutPowerAfter(n);
      Status ok = life.Open();
      Slot state_slot;
      for (uint64_t s = 1; ok && s <= 12; ++s) {
        ok = life.Append({Vote(s, 1, std::string(s * 400, 'x'))}, s - 1);
        if (ok && s % 4 == 0) {
          state_slot = Slot(s - 1);
          ok = life.log->Recycle(state_slot) ? Done() : Status(Error{});
        }
      }
      cut = !ok;
      life.log.reset();
      Random random(n);
      life.fs.Crash(random, unsynced);
      const Status opened = life.Open(state_slot);
      ASSERT_TRUE(opened) << "cut after " << n << ": " << opened.error().detail;
      life.ExpectRecovered(state_slot);
    }
  }
}

class LogFailureTest : public testing::TestWithParam<SimFileSystem::Failure> {};

INSTANTIATE_TEST_SUITE_P(Kinds, LogFailureTest, testing::ValuesIn(SimFileSystem::kFailures));

// Fails each operation once instead, without a power cut: after an error the node restarts.
TEST_P(LogFailureTest, SurvivesAFailureOfEveryOperation) {
  bool failed = true;
  for (uint64_t n = 1; failed && !testing::Test::HasFailure(); ++n) {
    LogFixture life;
    life.options.segment_bytes = 16 << 10;
    life.options.keep_bytes = 0;
    uint64_t count = 0;
    life.fs.SetFault([&](SimFileSystem::Op, const std::string&) { return ++count == n; },
                     GetParam());
    Status ok = life.Open();
    Slot state_slot;
    for (uint64_t s = 1; ok && s <= 12; ++s) {
      ok = life.Append({Vote(s, 1, std::string(s * 400, 'x'))}, s - 1);
      if (ok && s % 4 == 0) {
        state_slot = Slot(s - 1);
        ok = life.log->Recycle(state_slot) ? Done() : Status(Error{});
      }
    }
    failed = count >= n;
    life.log.reset();
    Random random(n);
    life.fs.Crash(random);
    const Status opened = life.Open(state_slot);
    ASSERT_TRUE(opened) << "failure " << n << ": " << opened.error().detail;
    life.ExpectRecovered(state_slot);
  }
}

class LogDamageTest : public testing::Test {
 protected:
  // A small log, closed; every vote acknowledged.
  void SetUp() override {
    life_.options.segment_bytes = 16 << 10;
    ASSERT_TRUE(life_.Open());
    for (uint64_t s = 1; s <= 5; ++s)
      ASSERT_TRUE(life_.Append({Vote(s, 1, std::string(s == 2 ? 5000 : 60, 'x'))}, s - 1));
    life_.log.reset();
    for (const std::string& path : life_.Segments()) intact_[path] = life_.fs.Content(path);
    ASSERT_EQ(intact_.size(), 2u);
  }
  void Restore() {
    for (const auto& [path, content] : intact_) life_.fs.SetContent(path, content);
  }

  LogFixture life_;
  std::map<std::string, std::string> intact_;
};

// phxpaxos#32, Jepsen's report on NATS 2.12.1: recovered in full or refused, never silently
// shorter.
TEST_F(LogDamageTest, AFlippedBitIsHarmlessOrRefused) {
  uint64_t refused = 0;
  uint64_t harmless = 0;
  for (const auto& [path, content] : intact_) {
    const auto history = life_.history;
    for (uint64_t at = 0; at < content.size(); ++at) {
      // All bits where something is written, one of each run of zeros.
      if (content[at] == 0 && at % 64 != 0)
        continue;
      life_.fs.FlipBit(path, at, static_cast<int>(at % 8));
      const Status opened = life_.Open();
      life_.log.reset();
      if (opened) {
        ++harmless;
        ASSERT_EQ(life_.recovered.gen, 5u) << path << " byte " << at << ": silently shorter";
        life_.ExpectRecovered();
      } else {
        ++refused;
        ASSERT_THAT(opened.error().detail, testing::HasSubstr("forgotten a promise"));
      }
      ASSERT_FALSE(HasFailure()) << path << " byte " << at;
      Restore();
    }
  }
  EXPECT_GT(refused, 500u);
  EXPECT_GT(harmless, 50u);
}

TEST_F(LogDamageTest, AZeroedPageInTheMiddleIsRefused) {
  const auto& [path, content] = *intact_.begin();
  for (uint64_t page = 0; page < content.size() / kLogPageBytes; ++page) {
    std::string damaged = content;
    damaged.replace(page * kLogPageBytes, kLogPageBytes, kLogPageBytes, '\0');
    life_.fs.SetContent(path, damaged);
    EXPECT_FALSE(life_.Open()) << "page " << page;
    Restore();
  }
}

// The documented limit: a last record that vanished as a whole, or a sector of it that was put back
// to what it was before, looks like an append that was cut short. Peers' memory of `gen` finds
// that.
TEST_F(LogDamageTest, ALostLastRecordLooksTornAndOnlyTheWitnessKnows) {
  const std::string path = life_.Segments().back();
  std::string damaged = intact_[path];
  uint64_t last = 0;
  for (uint64_t page = 1; page < damaged.size() / kLogPageBytes; ++page)
    if (damaged[page * kLogPageBytes] != 0)
      last = page;
  damaged.replace(last * kLogPageBytes, kLogPageBytes, kLogPageBytes, '\0');
  life_.fs.SetContent(path, damaged);
  life_.options.gen_at_least = 5;
  const Status refused = life_.Open();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().detail, testing::HasSubstr("had 5 records, and it has 4"));
  life_.options.gen_at_least = 0;
  ASSERT_TRUE(life_.Open());
  EXPECT_EQ(life_.recovered.gen, 4u);
}

TEST(LogTornTest, ATornTailIsErasedSoThatTheNextTearIsNotTakenForDamage) {
  for (uint64_t seed = 0; seed < 200 && !testing::Test::HasFailure(); ++seed) {
    LogFixture life;
    Random random(seed);
    ASSERT_TRUE(life.Open());
    ASSERT_TRUE(life.Append({Vote(1, 1, "x")}));
    for (int tear = 0; tear < 4; ++tear) {
      life.fs.FailNth(SimFileSystem::Op::kSync, 1);
      EXPECT_FALSE(life.Append({Vote(2, 1, std::string(9000 + random.Below(9000), 'y'))}));
      life.log.reset();
      life.fs.Crash(random);
      const Status opened = life.Open();
      ASSERT_TRUE(opened) << opened.error().detail;
      life.ExpectRecovered();
      if (life.recovered.gen > 1)
        break;
    }
  }
}

}  // namespace
}  // namespace synod::storage
