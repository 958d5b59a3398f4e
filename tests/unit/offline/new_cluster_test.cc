#include "src/offline/new_cluster.h"

#include "src/base/random.h"
#include "tests/unit/offline/offline_fixture.h"

namespace synod::offline {
namespace {

class NewClusterTest : public OfflineTest {
 protected:
  void SetUp() override {
    ASSERT_TRUE(fs_.MakeDirectory("/d").has_value());
    WriteSnapshot("/d/backup", StateAt(6));
  }

  static RestoreOptions OptionsOf(uint32_t member) {
    RestoreOptions options;
    options.snapshot = "/d/backup";
    options.data_dir = "/d/n" + std::to_string(member);
    options.member = NodeId(member);
    options.members = {{NodeId(1), "h1:1"}, {NodeId(2), "h2:2"}, {NodeId(3), "h3:3"}};
    options.cluster_token = "t";
    options.entropy = {50, member};
    options.segment_bytes = SmallLog().segment_bytes;
    return options;
  }

  // What a start of the node finds there.
  struct Started {
    storage::Identity identity;
    machine::Machine machine{auth::Settings()};
    consensus::Recovered log;
  };
  Result<Started> Start(const std::string& path) {
    Started started;
    auto dir = storage::DataDir::Open(fs_, path, {9, 9}, SmallLog());
    if (!dir)
      return dir.error();
    started.identity = (*dir)->identity();
    auto state = storage::StateStore::Open(fs_, (*dir)->states().current());
    if (!state)
      return state.error();
    if ((*state)->slot() != Slot()) {
      const Status loaded = (*state)->Load([&](std::string_view key, std::string_view value) {
        return started.machine.LoadRecord(key, value);
      });
      if (!loaded)
        return loaded.error();
      if (Status whole = started.machine.FinishLoad(); !whole)
        return whole.error();
      EXPECT_EQ(started.machine.digest(), (*state)->digest());
    }
    storage::AcceptorLogOptions options = SmallLog();
    options.gen_at_least = (*state)->log_gen();
    auto log =
        storage::AcceptorLog::Open(fs_, (*dir)->log_dir(), options, (*state)->slot(), &started.log);
    if (!log)
      return log.error();
    return started;
  }
};

TEST_F(NewClusterTest, EveryNodeBeginsWithTheSameStateInOneNewCluster) {
  const machine::Machine lost = StateAt(6);
  std::optional<NewNode> first;
  for (const uint32_t member : {1U, 2U, 3U}) {
    const auto node = Restore(OptionsOf(member), kQuiet, fs_);
    ASSERT_TRUE(node.has_value()) << node.error().detail;
    first = first.value_or(*node);
    EXPECT_EQ(node->digest, first->digest);
    EXPECT_EQ(node->cluster_id, first->cluster_id);
    EXPECT_NE(node->cluster_id, kCluster);

    auto started = Start("/d/n" + std::to_string(member));
    ASSERT_TRUE(started.has_value()) << started.error().detail;
    EXPECT_EQ(started->identity.cluster_id, first->cluster_id);
    EXPECT_EQ(started->identity.member_id, NodeId(member));
    EXPECT_EQ(started->identity.node_uuid, (Hash128{50, member}));
    EXPECT_EQ(started->identity.members.size(), 3U);
    EXPECT_EQ(started->identity.membership.voters.size(), 3U);
    EXPECT_EQ(started->machine.membership().version, 0U);
    EXPECT_EQ(started->machine.digest(), first->digest);
    EXPECT_EQ(started->machine.applied(), Slot(1));
    EXPECT_GT(started->machine.revision().value, lost.revision().value + 1'000'000'000);
    EXPECT_EQ(started->machine.tree().Find("/6")->value.view(), "value");
  }
}

// Else a member that was added later would take the new log for all there is, and begin empty.
TEST_F(NewClusterTest, TheLogBeginsBehindTheState) {
  ASSERT_TRUE(Restore(OptionsOf(1), kQuiet, fs_).has_value());
  const auto started = Start("/d/n1");
  ASSERT_TRUE(started.has_value()) << started.error().detail;
  EXPECT_EQ(started->log.hard_state.learned, Slot(1));
  EXPECT_EQ(started->log.hard_state.first_slot, Slot(2));
  EXPECT_TRUE(started->log.hard_state.promised.IsZero());
  EXPECT_TRUE(started->log.entries.empty());
}

TEST_F(NewClusterTest, AnotherFileTokenOrMemberIsAnotherCluster) {
  const auto id_of = [&](RestoreOptions options, const std::string& data_dir) {
    options.data_dir = data_dir;
    const auto node = Restore(options, kQuiet, fs_);
    EXPECT_TRUE(node.has_value());
    return node->cluster_id;
  };
  RestoreOptions other_token = OptionsOf(1);
  other_token.cluster_token = "another";
  RestoreOptions other_members = OptionsOf(1);
  other_members.members[NodeId(3)] = "h4:4";
  WriteSnapshot("/d/later", StateAt(7));
  RestoreOptions other_file = OptionsOf(1);
  other_file.snapshot = "/d/later";
  const std::set<Hash128> ids{id_of(OptionsOf(1), "/d/a"), id_of(other_token, "/d/b"),
                              id_of(other_members, "/d/c"), id_of(other_file, "/d/e")};
  EXPECT_EQ(ids.size(), 4U);
}

TEST_F(NewClusterTest, RefusesADirectoryThatIsNotEmpty) {
  ASSERT_TRUE(Restore(OptionsOf(1), kQuiet, fs_).has_value());
  const auto again = Restore(OptionsOf(1), kQuiet, fs_);
  ASSERT_TRUE(again.has_error());
  EXPECT_EQ(again.error().code, Errc::kInvalidRequest);
}

TEST_F(NewClusterTest, RefusesADamagedSnapshotBeforeItWritesAnything) {
  const size_t size = fs_.Content("/d/backup").size();
  for (size_t at = 0; at < size; at += 13) {
    storage::SimFileSystem fs;
    std::string bytes = fs_.Content("/d/backup");
    bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
    ASSERT_TRUE(fs.MakeDirectory("/d").has_value());
    fs.SetContent("/d/backup", bytes);
    EXPECT_TRUE(Restore(OptionsOf(1), kQuiet, fs).has_error()) << at;
    EXPECT_FALSE(fs.Exists("/d/n1")) << at;
  }
}

TEST_F(NewClusterTest, WhateverACrashLeavesDoesNotStartAsAnEmptyNode) {
  const std::string backup = fs_.Content("/d/backup");
  bool finished = false;
  for (uint64_t n = 1; !finished; ++n) {
    ASSERT_LT(n, 500U);
    Random random(n);
    storage::SimFileSystem fs;
    ASSERT_TRUE(fs.MakeDirectory("/d").has_value());
    fs.SetContent("/d/backup", backup);
    fs.CutPowerAfter(n);
    finished = Restore(OptionsOf(1), kQuiet, fs).has_value();
    fs.Crash(random);
    if (!fs.Exists("/d/n1/state"))
      continue;  // nothing was begun
    auto dir = storage::DataDir::Open(fs, "/d/n1", {9, 9}, SmallLog());
    if (dir.has_value()) {
      EXPECT_TRUE((*dir)->identity().HasCluster()) << n;
      auto state = storage::StateStore::Open(fs, "/d/n1/state");
      ASSERT_TRUE(state.has_value()) << n;
      EXPECT_EQ((*state)->slot(), Slot(1)) << n;
    } else {
      EXPECT_FALSE(finished) << n << ": " << dir.error().detail;
    }
  }
}

class RecoverTest : public NewClusterTest {
 protected:
  Result<Recovered> Recover() {
    RecoverOptions options;
    options.data_dir = "/d/old";
    options.new_data_dir = "/d/new";
    options.cluster_id = {70, 71};
    options.entropy = {80, 81};
    options.segment_bytes = SmallLog().segment_bytes;
    return RecoverAlone(options, kQuiet, fs_);
  }
};

TEST_F(RecoverTest, TakesWhatTheSurvivorVotedForBehindWhatItLearned) {
  MakeNode("/d/old", 9, Slot(5));
  WriteState("/d/old/state", 3);
  const auto recovered = Recover();
  ASSERT_TRUE(recovered.has_value()) << recovered.error().detail;
  EXPECT_EQ(recovered->state_slot, Slot(3));
  EXPECT_EQ(recovered->learned, Slot(5));
  EXPECT_EQ(recovered->last, Slot(9));
  EXPECT_EQ(recovered->entries, 6U);
  EXPECT_EQ(recovered->survivor, NodeId(2));

  machine::Machine expected = StateAt(9);
  expected.BeginNewCluster();
  const auto started = Start("/d/new");
  ASSERT_TRUE(started.has_value()) << started.error().detail;
  EXPECT_EQ(started->machine.digest(), expected.digest());
  EXPECT_EQ(started->log.hard_state.first_slot, Slot(2));
}

TEST_F(RecoverTest, IsTheOnlyMemberUnderANumberThatNobodyHad) {
  MakeNode("/d/old", 4, Slot(4));
  const auto recovered = Recover();
  ASSERT_TRUE(recovered.has_value()) << recovered.error().detail;
  EXPECT_EQ(recovered->ended, (std::vector<NodeId>{NodeId(1), NodeId(2), NodeId(3)}));
  const auto started = Start("/d/new");
  ASSERT_TRUE(started.has_value()) << started.error().detail;
  EXPECT_EQ(started->identity.cluster_id, (Hash128{70, 71}));
  EXPECT_EQ(started->identity.member_id, NodeId(4));
  EXPECT_EQ(started->identity.members, (std::map<NodeId, std::string>{{NodeId(4), "h2:2"}}));
  EXPECT_EQ(started->identity.membership.voters, std::vector<NodeId>{NodeId(4)});
  EXPECT_TRUE(started->machine.members().empty());
}

TEST_F(RecoverTest, RefusesALogThatLostRecords) {
  MakeNode("/d/old", 9, Slot(9));
  const std::string segment = "/d/old/log/" + fs_.List("/d/old/log")->front();
  fs_.FlipBit(segment, 5 * 4096 + 40, 3);
  const auto recovered = Recover();
  ASSERT_TRUE(recovered.has_error());
  EXPECT_FALSE(fs_.Exists("/d/new/identity"));
}

}  // namespace
}  // namespace synod::offline
