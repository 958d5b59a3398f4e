// A fault at every operation of a state's life: checkpoints, compactions, a snapshot that takes its
// place. What is there afterwards is a checkpoint that was whole, the last one acknowledged or the
// one that was being written; what is refused is refused in words of our own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "src/storage/state_dirs.h"
#include "src/storage/state_store.h"
#include "tests/support/sim_file_system.h"

namespace synod::storage {
namespace {

using Op = SimFileSystem::Op;
using Unsynced = SimFileSystem::Unsynced;
using Content = std::map<std::string, std::string>;

constexpr uint64_t kImported = 100;  // slot of the snapshot

Content After(uint64_t slot) {
  Content content;
  for (uint64_t s = slot < 3 ? 1 : slot - 2; s <= slot; ++s)
    content["n" + std::to_string(s)] = std::string(6000, static_cast<char>('a' + s % 26));
  if (slot > 0)
    content["m"] = std::to_string(slot);
  return content;
}

Checkpoint Make(uint64_t slot) {
  const std::string own = "n" + std::to_string(slot);
  Checkpoint c;
  c.slot = Slot(slot);
  c.digest.sum = Hash128{slot, ~slot};
  c.records = {{own, After(slot).at(own)}, {"m", std::to_string(slot)}};
  if (slot > 3)
    c.records.push_back({"n" + std::to_string(slot - 3), std::nullopt});
  return c;
}

Result<Content> Read(StateStore* store) {
  Content content;
  if (Status ok = store->Load([&](std::string_view key, std::string_view value) {
        content.emplace(key, value);
        return Done();
      });
      !ok)
    return ok.error();
  return content;
}

void ExpectOwnWords(const Error& e) {
  EXPECT_THAT(e.detail, testing::Not(testing::ContainsRegex(
                            "Corruption|IO error|NotFound|Not implemented|Invalid argument")));
  EXPECT_THAT(e.detail, testing::HasSubstr("/data"));
}

class StateLife {
 public:
  explicit StateLife(SimFileSystem& fs) : fs_(fs) { EXPECT_TRUE(fs.MakeDirectory("/data")); }

  // Ends at the first failure, as the process does.
  Status Run() {
    // Each start turns what the one before wrote into a table; four of them are compacted.
    for (int round = 0; round < 6; ++round)
      if (Status ok = Start(2); !ok)
        return ok;
    if (Status ok = Import(); !ok)
      return ok;
    return Start(2);
  }

  // As a process that starts now finds it.
  void ExpectWhole() {
    StateDirs dirs(fs_, "/data");
    const Status found = dirs.Open();
    ASSERT_TRUE(found) << found.error().detail;
    Result<std::unique_ptr<StateStore>> store = StateStore::Open(fs_, dirs.current());
    ASSERT_TRUE(store) << store.error().detail;
    const uint64_t slot = store.value()->slot().value;
    EXPECT_TRUE(slot == acknowledged_ || slot == tried_)
        << slot << ", acknowledged " << acknowledged_ << ", tried " << tried_;
    const Result<Content> content = Read(store.value().get());
    ASSERT_TRUE(content) << content.error().detail;
    EXPECT_TRUE(*content == After(slot)) << "of slot " << slot;
    if (slot > 0) {
      EXPECT_EQ(store.value()->digest().sum, (Hash128{slot, ~slot}));
    }
  }

  uint64_t acknowledged() const { return acknowledged_; }

 private:
  Status Start(int checkpoints) {
    StateDirs dirs(fs_, "/data");
    if (Status ok = dirs.Open(); !ok)
      return ok;
    Result<std::unique_ptr<StateStore>> store = StateStore::Open(fs_, dirs.current());
    if (!store)
      return store.error();
    const Result<Content> content = Read(store.value().get());
    if (!content)
      return content.error();
    EXPECT_TRUE(*content == After(store.value()->slot().value));
    for (; checkpoints > 0; --checkpoints) {
      tried_ = acknowledged_ + 1;
      if (Status ok = store.value()->Write(Make(tried_)); !ok)
        return ok;
      acknowledged_ = tried_;
    }
    return Done();
  }

  Status Import() {
    StateDirs dirs(fs_, "/data");
    if (Status ok = dirs.Open(); !ok)
      return ok;
    const std::string old_dir = dirs.current();
    Result<std::unique_ptr<StateImport>> import =
        StateImport::Create(fs_, dirs.For(Slot(kImported)));
    if (!import)
      return import.error();
    for (const auto& [key, value] : After(kImported))
      if (Status ok = import.value()->Add(key, value); !ok)
        return ok;
    Checkpoint whole = Make(kImported);
    whole.records.clear();
    Result<std::unique_ptr<StateStore>> store = import.value()->Finish(whole);
    if (!store)
      return store.error();
    tried_ = kImported;
    if (Status ok = dirs.Switch(Slot(kImported)); !ok)
      return ok;
    acknowledged_ = kImported;
    return RemoveTree(fs_, old_dir);
  }

  SimFileSystem& fs_;
  uint64_t acknowledged_ = 0;
  uint64_t tried_ = 0;
};

class StateFaultTest : public testing::TestWithParam<SimFileSystem::Failure> {};

INSTANTIATE_TEST_SUITE_P(Kinds, StateFaultTest, testing::ValuesIn(SimFileSystem::kFailures));

// Each operation fails once, reads among them; the process ends, or it has not noticed and goes on.
TEST_P(StateFaultTest, AFailureOfAnyOperationLeavesAWholeCheckpoint) {
  bool failed = true;
  uint64_t noticed = 0;
  for (uint64_t n = 1; failed && !HasFailure(); ++n) {
    SCOPED_TRACE("failure " + std::to_string(n));
    SimFileSystem fs;
    uint64_t count = 0;
    fs.SetFault([&](Op, const std::string&) { return ++count == n; }, GetParam());
    StateLife life(fs);
    const Status ran = life.Run();
    failed = count >= n;
    if (!ran) {
      ++noticed;
      ExpectOwnWords(ran.error());
    }
    Random random(n);
    fs.Crash(random, n % 2 == 0 ? Unsynced::kKeepAll : Unsynced::kRandom);
    life.ExpectWhole();
    if (!failed) {
      EXPECT_EQ(life.acknowledged(), kImported + 2);
    }
  }
  EXPECT_GT(noticed, 100U);
}

TEST(StateFaultTest, APowerCutAtAnyOperationLeavesAWholeCheckpoint) {
  for (const Unsynced unsynced : {Unsynced::kRandom, Unsynced::kLoseAll}) {
    bool cut = true;
    for (uint64_t n = 0; cut && !testing::Test::HasFailure(); ++n) {
      SCOPED_TRACE("cut after " + std::to_string(n));
      SimFileSystem fs;
      StateLife life(fs);
      fs.CutPowerAfter(n);
      cut = !life.Run();
      Random random(n);
      fs.Crash(random, unsynced);
      life.ExpectWhole();
    }
  }
}

// What a disk does to files that lie still: a flipped bit, a file that is cut short or gone.
class StateDamageTest : public testing::Test {
 protected:
  void SetUp() override {
    SimFileSystem fs;
    StateLife life(fs);
    ASSERT_TRUE(life.Run());
    intact_ = fs.DurableImage();
  }

  // Opens and reads it all: an error in our words, or the last checkpoint. True for an error.
  bool RefusedOrWhole(SimFileSystem& fs) {
    StateDirs dirs(fs, "/data");
    const Status found = dirs.Open();
    if (!found) {
      ExpectOwnWords(found.error());
      return true;
    }
    Result<std::unique_ptr<StateStore>> store = StateStore::Open(fs, dirs.current());
    if (!store) {
      ExpectOwnWords(store.error());
      return true;
    }
    const Result<Content> content = Read(store.value().get());
    if (!content) {
      ExpectOwnWords(content.error());
      return true;
    }
    // An older checkpoint, or none: the acceptor's log knows that it reaches back no further.
    const uint64_t slot = store.value()->slot().value;
    EXPECT_TRUE(slot == 0 || *content == After(slot)) << "of slot " << slot;
    return false;
  }
  static std::unique_ptr<SimFileSystem> Copy(const SimFileSystem::Image& image) {
    auto fs = std::make_unique<SimFileSystem>();
    for (const auto& [path, content] : image) {
      EXPECT_TRUE(fs->MakeDirectory(path.substr(0, path.find_last_of('/'))));
      fs->SetContent(path, content);
    }
    return fs;
  }

  SimFileSystem::Image intact_;
};

TEST_F(StateDamageTest, AFlippedBitIsRefusedInOurWordsOrHarmless) {
  uint64_t refused = 0;
  for (const auto& [path, content] : intact_)
    for (uint64_t at = 0; at < content.size() && !HasFailure(); at += content.size() / 150 + 1) {
      SCOPED_TRACE(path + " byte " + std::to_string(at));
      const auto fs = Copy(intact_);
      fs->FlipBit(path, at, static_cast<int>(at % 8));
      refused += RefusedOrWhole(*fs) ? 1 : 0;
    }
  EXPECT_GT(refused, 200U);
}

TEST_F(StateDamageTest, AFileThatIsMissingOrCutShortIsRefusedInOurWordsOrHarmless) {
  uint64_t refused = 0;
  for (const auto& [path, content] : intact_)
    for (const bool missing : {true, false}) {
      SCOPED_TRACE(path + (missing ? " missing" : " short"));
      const auto fs = Copy(intact_);
      if (missing)
        fs->Lose(path);
      else
        fs->SetContent(path, content.substr(0, content.size() / 2));
      refused += RefusedOrWhole(*fs) ? 1 : 0;
    }
  EXPECT_GT(refused, 5U);
}

}  // namespace
}  // namespace synod::storage
