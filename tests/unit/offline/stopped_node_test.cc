#include "src/offline/stopped_node.h"

#include <set>

#include "src/machine/members.h"
#include "src/offline/describe.h"
#include "src/offline/replay.h"
#include "tests/unit/offline/offline_fixture.h"

namespace synod::offline {
namespace {

class StoppedNodeTest : public OfflineTest {
 protected:
  std::map<std::string, std::string> Files() {
    std::map<std::string, std::string> files;
    for (const char* dir : {"/d/old", "/d/old/log", "/d/old/state"})
      for (const std::string& name : *fs_.List(dir)) {
        const std::string path = std::string(dir) + "/" + name;
        files[path] = fs_.Content(path);
      }
    return files;
  }
};

TEST_F(StoppedNodeTest, ChangesNothing) {
  MakeNode("/d/old", 9, Slot(7));
  WriteState("/d/old/state", 4);
  const auto before = Files();
  {
    auto node = StoppedNode::Open("/d/old", fs_);
    ASSERT_TRUE(node.has_value()) << node.error().detail;
    EXPECT_TRUE((*node)->LoadState().has_value());
    EXPECT_TRUE((*node)->VisitLog([](const LoggedTurn&) { return Done(); }).has_value());
    EXPECT_TRUE((*node)->RecoverLog(Slot(4)).has_value());
  }
  EXPECT_EQ(Files(), before);
}

TEST_F(StoppedNodeTest, RefusesANodeThatRuns) {
  MakeNode("/d/old", 2, Slot(1));
  auto running = storage::DataDir::Open(fs_, "/d/old", kUuid, SmallLog());
  ASSERT_TRUE(running.has_value());
  const auto node = StoppedNode::Open("/d/old", fs_);
  ASSERT_TRUE(node.has_error());
  EXPECT_EQ(node.error().code, Errc::kNotReady);
}

TEST_F(StoppedNodeTest, RefusesWhatIsNoDataDirectoryAndMakesNone) {
  ASSERT_TRUE(fs_.MakeDirectory("/d").has_value());
  const auto node = StoppedNode::Open("/d/nothing", fs_);
  ASSERT_TRUE(node.has_error());
  EXPECT_EQ(node.error().code, Errc::kInvalidRequest);
  EXPECT_FALSE(fs_.Exists("/d/nothing"));
}

TEST_F(StoppedNodeTest, GivesEveryRecordOfTheLogInOrder) {
  MakeNode("/d/old", 6, Slot(5));
  auto node = StoppedNode::Open("/d/old", fs_);
  ASSERT_TRUE(node.has_value());
  std::vector<uint64_t> slots;
  const auto summary = (*node)->VisitLog([&](const LoggedTurn& turn) {
    for (const auto& entry : turn.body.entries) slots.push_back(entry.slot.value);
    return Done();
  });
  ASSERT_TRUE(summary.has_value()) << summary.error().detail;
  EXPECT_EQ(slots, (std::vector<uint64_t>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(summary->records, 6U);
  EXPECT_EQ(summary->hard_state.learned, Slot(5));
}

TEST_F(StoppedNodeTest, TellsADamagedLog) {
  MakeNode("/d/old", 6, Slot(6));
  fs_.FlipBit("/d/old/log/" + fs_.List("/d/old/log")->front(), 3 * 4096 + 50, 1);
  auto node = StoppedNode::Open("/d/old", fs_);
  ASSERT_TRUE(node.has_value());
  EXPECT_TRUE((*node)->VisitLog([](const LoggedTurn&) { return Done(); }).has_error());
}

TEST_F(StoppedNodeTest, TellsAStateThatIsNotTheOneThatWasWritten) {
  MakeNode("/d/old", 6, Slot(6));
  machine::Machine machine = StateAt(4);
  {
    auto store = storage::StateStore::Open(fs_, "/d/old/state");
    storage::Checkpoint checkpoint;
    checkpoint.slot = machine.applied();
    checkpoint.digest = StateAt(3).digest();
    checkpoint.records = machine.TakeDirty();
    ASSERT_TRUE((*store)->Write(checkpoint).has_value());
  }
  auto node = StoppedNode::Open("/d/old", fs_);
  ASSERT_TRUE(node.has_value());
  EXPECT_TRUE((*node)->LoadState().has_error());
}

TEST_F(StoppedNodeTest, ASliceOfTheLogOverASnapshotGivesTheStateOfTheNode) {
  MakeNode("/d/old", 9, Slot(8));
  WriteState("/d/old/state", 6);
  WriteSnapshot("/d/snapshot", StateAt(3));
  const auto replayed = Replay("/d/snapshot", "/d/old", std::nullopt, kQuiet, fs_);
  ASSERT_TRUE(replayed.has_value()) << replayed.error().detail;
  EXPECT_EQ(replayed->from, Slot(3));
  EXPECT_EQ(replayed->to, Slot(8));
  EXPECT_EQ(replayed->entries, 5U);
  EXPECT_EQ(replayed->digest, StateAt(8).digest());
  ASSERT_TRUE(replayed->compared.has_value());
  EXPECT_EQ(replayed->compared->slot, Slot(6));
  EXPECT_TRUE(replayed->compared->same());

  const auto part = Replay("/d/snapshot", "/d/old", Slot(5), kQuiet, fs_);
  ASSERT_TRUE(part.has_value()) << part.error().detail;
  EXPECT_EQ(part->digest, StateAt(5).digest());
  EXPECT_FALSE(part->compared.has_value());
  EXPECT_TRUE(Replay("/d/snapshot", "/d/old", Slot(9), kQuiet, fs_).has_error());
}

TEST_F(StoppedNodeTest, SaysWhatAnEntryDoes) {
  EXPECT_EQ(Describe(Make(consensus::EntryKind::kNoop)).kind, "noop");
  const EntryText put = Describe(PutEntry("/a", "value"));
  EXPECT_EQ(put.kind, "command");
  EXPECT_EQ(put.time, ClusterTime(1000));
  EXPECT_EQ(put.commands, std::vector<std::string>{"put /a 5 bytes"});
  const EntryText bad = Describe(Make(consensus::EntryKind::kCommand, "\xff\xff"));
  ASSERT_EQ(bad.commands.size(), 1U);
  EXPECT_TRUE(bad.commands.front().starts_with("malformed"));
}

TEST_F(StoppedNodeTest, SaysWhoTheMembersAreFromAnEntryOn) {
  using machine::ChangeMembers;
  const auto config = [](const Membership& membership, const ChangeMembers* change) {
    machine::Command command;
    if (change != nullptr)
      command.operation = *change;
    return Describe(
        Make(consensus::EntryKind::kConfig,
             machine::EncodeConfigEntry(membership, ClusterTime(7),
                                        change != nullptr ? machine::Encode(command) : Bytes())));
  };
  const EntryText first = config({1, {NodeId(1), NodeId(2)}, {}, NodeId(3)}, nullptr);
  EXPECT_EQ(first.kind, "config");
  EXPECT_EQ(first.time, ClusterTime(7));
  EXPECT_EQ(first.commands, std::vector<std::string>{"version 1 voters 1,2 learners none"});

  const Membership after{2, {NodeId(1), NodeId(3)}, {NodeId(4)}, NodeId(5)};
  ChangeMembers replace;
  replace.kind = ChangeMembers::Kind::kReplace;
  replace.ids = {NodeId(2)};
  replace.with = NodeId(3);
  EXPECT_EQ(config(after, &replace).commands,
            (std::vector<std::string>{"version 2 voters 1,3 learners 4", "replace 2 with 3"}));
  const EntryText bad = Describe(Make(consensus::EntryKind::kConfig, "\xff\xff"));
  ASSERT_EQ(bad.commands.size(), 1U);
  EXPECT_TRUE(bad.commands.front().starts_with("malformed"));
}

}  // namespace
}  // namespace synod::offline
