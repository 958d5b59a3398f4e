// Checkpoints, what they hold, and damaged ones.
#include <map>

#include "src/base/random.h"
#include "src/store/record_codec.h"
#include "tests/unit/store/store_fixture.h"

namespace synod::store {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

class LoadTest : public StoreTest {
 protected:
  using Disk = std::map<std::string, std::string>;

  Records TakeDirty() {
    Records records;
    tree_.TakeDirty(&records);
    return records;
  }
  static std::vector<std::string> Keys(const Records& records) {
    std::vector<std::string> keys;
    for (const Record& r : records) {
      std::string key = r.key;
      for (char& c : key) c = c == '\0' ? '/' : c;
      keys.push_back((r.value ? "" : "gone ") + (key[0] == 'n' ? key : key.substr(0, 1)));
    }
    return keys;
  }
  Disk AllRecords() const {
    Disk disk;
    tree_.ForEachRecord(
        [&](std::string_view key, std::string_view value) { disk.emplace(key, value); });
    return disk;
  }
  static Status Load(const Disk& disk) {
    Tree tree;
    for (const auto& [key, value] : disk) {
      if (Status s = tree.LoadRecord(key, value); !s)
        return s;
    }
    if (Status s = tree.FinishLoad(); !s)
      return s;
    // What was accepted can be used.
    tree.CheckInvariants();
    for (Revision r = tree.floor() + 1; r <= tree.last_revision(); ++r) {
      (void)tree.List("/", ListScope::kSubtree, 1000, "", r);
      (void)tree.HistoryAt(r);
    }
    tree.Compact(tree.last_revision());
    tree.Compact(tree.last_revision());
    return Done();
  }
  // A tree of some of everything.
  void Populate() {
    Put("/a/b", "1");
    Put("/a/c", "2");
    TakeDirty();
    Put("/a/b", "3");
    Delete("/a/c");
    Edit edit = Begin();
    ASSERT_TRUE(edit.CreateSequential("/q/", Value("x"), LeaseId(0)));
    ASSERT_TRUE(edit.CreateSequential("/q/", Value("y"), LeaseId(9)));
    edit.Commit(now_);
  }
};

TEST_F(LoadTest, ACheckpointHoldsWhatChangedOnceEach) {
  EXPECT_THAT(Keys(TakeDirty()), UnorderedElementsAre("n", "h"));
  Put("/a", "1");
  Put("/a", "2");
  Put("/b", "3");
  EXPECT_GT(tree_.dirty_bytes(), 0u);
  // Two node records, their parent's, the chunk and the bounds.
  EXPECT_THAT(Keys(TakeDirty()), UnorderedElementsAre("n", "n/a", "n/b", "h", "h"));
  EXPECT_EQ(tree_.dirty_bytes(), 0u);
  EXPECT_THAT(Keys(TakeDirty()), ElementsAre());
  Delete("/a");
  EXPECT_THAT(Keys(TakeDirty()), UnorderedElementsAre("n", "gone n/a", "h", "h"));
}

TEST_F(LoadTest, ACompactionAloneIsACauseForACheckpoint) {
  Put("/a", "1");
  TakeDirty();
  ASSERT_EQ(tree_.dirty_bytes(), 0u);
  tree_.Compact(Revision(1));
  EXPECT_GT(tree_.dirty_bytes(), 0u);
  EXPECT_THAT(Keys(TakeDirty()), UnorderedElementsAre("gone h", "h"));
  EXPECT_EQ(tree_.dirty_bytes(), 0u);
}

TEST_F(LoadTest, AChunkIsDroppedWhenAllOfItIsBelowTheFloor) {
  Put("/a", "1");
  Put("/a", "2");
  TakeDirty();
  tree_.Compact(Revision(1));
  EXPECT_THAT(Keys(TakeDirty()), ElementsAre("h"));
  tree_.Compact(Revision(2));
  EXPECT_THAT(Keys(TakeDirty()), ElementsAre("gone h", "h"));
}

TEST_F(LoadTest, AChunkIsAboutFourMebibytesAtMost) {
  const std::string mebibyte(size_t{1} << 20, 'x');
  for (int i = 0; i < 12; ++i) Put("/a", mebibyte);
  size_t chunks = 0;
  for (const Record& r : TakeDirty()) {
    if (r.key[0] == 'h' && r.key.size() > 1) {
      ++chunks;
      EXPECT_LT(r.value->size(), (size_t{5} << 20) + 100);
    }
  }
  EXPECT_EQ(chunks, 3u);
}

TEST_F(LoadTest, AnEmptyTreeLoadsFromNothingAndFromItsOwnRecords) {
  EXPECT_TRUE(Load({}));
  const Tree copy = Reload(tree_);
  EXPECT_EQ(copy.digest(), tree_.digest());
}

TEST_F(LoadTest, OnlyTheOrderOfTheNodesMatters) {
  Populate();
  const Disk disk = AllRecords();
  Random random(3);
  for (int round = 0; round < 20; ++round) {
    std::vector<std::pair<std::string, std::string>> records;
    for (const auto& record : disk)
      if (record.first.starts_with('n'))
        records.push_back(record);
    for (const auto& record : disk)
      if (!record.first.starts_with('n'))
        records.insert(records.begin() + static_cast<long>(random.Below(records.size() + 1)),
                       record);
    Tree copy;
    for (const auto& [key, value] : records) ASSERT_TRUE(copy.LoadRecord(key, value));
    ASSERT_TRUE(copy.FinishLoad());
    copy.CheckInvariants();
    EXPECT_EQ(copy.digest(), tree_.digest());
    EXPECT_EQ(copy.Find("/a/b")->value.view(), "3");
  }
}

TEST_F(LoadTest, TheDigestFollowsFromTheRecordsAlone) {
  Populate();
  Digest sum;
  for (const auto& [key, value] : AllRecords()) {
    if (key[0] == 'n')
      sum.Add(HashOfRecord(key, value));
  }
  EXPECT_EQ(sum, tree_.digest());
}

TEST_F(LoadTest, TreesWithAnotherPastAndTheSamePresentHaveEqualDigests) {
  Put("/a", "1");
  Put("/b", "2");
  tree_.Compact(Revision(2));
  EXPECT_EQ(Reload(tree_).digest(), tree_.digest());
  Put("/a", "1");
  EXPECT_NE(Reload(tree_).digest(), Digest());
}

TEST_F(LoadTest, ValuesOfThePastAreSharedWithWhoeverHasThem) {
  Put("/a", "1");
  Put("/a/b", "2");
  const Tree copy = Reload(tree_);
  // The parent's state changed at revision 2; its value did not.
  EXPECT_TRUE((*copy.FindAt("/a", Revision(1)))->value.SharesWith(copy.Find("/a")->value));
  EXPECT_EQ(copy.HistoryAt(Revision(1))->changes[0].node, *copy.FindAt("/a", Revision(1)));
}

struct Damage {
  const char* name;
  void (*make)(std::map<std::string, std::string>* disk);
};

std::string NodeValue(const NodeState& state) {
  std::string key, value;
  EncodeNode("/x", state, &key, &value);
  return value;
}

NodeState Sound() {
  NodeState s;
  s.value = Value("v");
  s.version = 1;
  s.create_revision = s.mod_revision = Revision(1);
  return s;
}

constexpr Damage kDamage[] = {
    {"NoBounds", [](auto* disk) { disk->erase("h"); }},
    {"BoundsCutShort", [](auto* disk) { (*disk)["h"].pop_back(); }},
    {"BoundsUpsideDown",
     [](auto* disk) {
       (*disk)["h"] = EncodeBounds({Revision(9), Revision(2)});
     }},
    {"NodesNewerThanTheLastRevision",
     [](auto* disk) {
       (*disk)["h"] = EncodeBounds({Revision(0), Revision(2)});
     }},
    {"NodeWithoutParent", [](auto* disk) { (*disk)[NodeKey("/no/x")] = NodeValue(Sound()); }},
    {"ParentsCountTooLow", [](auto* disk) { (*disk)[NodeKey("/a/x")] = NodeValue(Sound()); }},
    {"ParentsCountTooHigh", [](auto* disk) { disk->erase(NodeKey("/a/b")); }},
    {"RootsCountTooLow", [](auto* disk) { (*disk)[NodeKey("/x")] = NodeValue(Sound()); }},
    {"InvalidPath", [](auto* disk) { (*disk)[std::string("n\0..", 4)] = NodeValue(Sound()); }},
    {"PathWithASlash", [](auto* disk) { (*disk)["n/a"] = NodeValue(Sound()); }},
    {"NodeCutShort", [](auto* disk) { (*disk)[NodeKey("/a/b")].pop_back(); }},
    {"NodeWithATail", [](auto* disk) { (*disk)[NodeKey("/a/b")] += 'x'; }},
    {"NodeOfUnknownFormat", [](auto* disk) { (*disk)[NodeKey("/a/b")][0] = 99; }},
    {"EmptyNode", [](auto* disk) { (*disk)[NodeKey("/a/b")] = ""; }},
    {"VersionZero",
     [](auto* disk) {
       NodeState s = Sound();
       s.version = 0;
       (*disk)[NodeKey("/a/b")] = NodeValue(s);
     }},
    {"ModifiedBeforeItWasCreated",
     [](auto* disk) {
       NodeState s = Sound();
       s.create_revision = Revision(2);
       (*disk)[NodeKey("/a/b")] = NodeValue(s);
     }},
    {"LeaseAndChildren",
     [](auto* disk) {
       NodeState s = Sound();
       s.lease = LeaseId(1);
       s.num_children = 1;
       (*disk)[NodeKey("/a")] = NodeValue(s);
     }},
    {"ForeignKey", [](auto* disk) { (*disk)["z"] = ""; }},
    {"EmptyKey", [](auto* disk) { (*disk)[""] = ""; }},
    {"ChunkKeyTooShort", [](auto* disk) { (*disk)["h123"] = ""; }},
    {"ChunkOfUnknownFormat", [](auto* disk) { (*disk)[ChunkKey(Revision(3))][0] = 9; }},
    {"ChunkCutShort", [](auto* disk) { (*disk)[ChunkKey(Revision(3))].pop_back(); }},
    {"ChunkUnderAnotherKey",
     [](auto* disk) {
       (*disk)[ChunkKey(Revision(4))] = (*disk)[ChunkKey(Revision(3))];
       disk->erase(ChunkKey(Revision(3)));
     }},
    {"ChunkTwice",
     [](auto* disk) { (*disk)[ChunkKey(Revision(2))] = (*disk)[ChunkKey(Revision(3))]; }},
    {"ChunkMissing", [](auto* disk) { disk->erase(ChunkKey(Revision(3))); }},
};

class DamageTest : public LoadTest, public testing::WithParamInterface<Damage> {};

TEST_P(DamageTest, IsAnErrorAndNotACrash) {
  Populate();
  Disk disk = AllRecords();
  ASSERT_TRUE(disk.contains(ChunkKey(Revision(1))));
  ASSERT_TRUE(disk.contains(ChunkKey(Revision(3))));
  ASSERT_TRUE(Load(disk));
  GetParam().make(&disk);
  const Status status = Load(disk);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, Errc::kInternal);
  EXPECT_NE(status.error().detail, "");
}

INSTANTIATE_TEST_SUITE_P(Kinds, DamageTest, testing::ValuesIn(kDamage), [](const auto& damage) {
  return std::string(damage.param.name);
});

TEST_F(LoadTest, ARecordThatComesTwiceIsAnError) {
  Populate();
  Tree tree;
  for (const auto& [key, value] : AllRecords()) {
    ASSERT_TRUE(tree.LoadRecord(key, value));
    EXPECT_FALSE(tree.LoadRecord(key, value));
  }
}

TEST_F(LoadTest, NodesComeInTheOrderOfTheirKeys) {
  Populate();
  Tree tree;
  Disk disk = AllRecords();
  const std::string early = disk.extract(NodeKey("/a")).mapped();
  disk.erase(NodeKey("/a/b"));
  for (const auto& [key, value] : disk) ASSERT_TRUE(tree.LoadRecord(key, value));
  const Status late = tree.LoadRecord(NodeKey("/a"), early);
  ASSERT_FALSE(late);
  EXPECT_NE(late.error().detail.find("behind"), std::string::npos) << late.error().detail;
}

TEST_F(LoadTest, FlippedBytesNeverCrash) {
  Populate();
  const Disk disk = AllRecords();
  Random random(1);
  int refused = 0;
  constexpr int kRounds = 5000;
  for (int i = 0; i < kRounds; ++i) {
    Disk damaged = disk;
    auto it = damaged.begin();
    std::advance(it, static_cast<long>(random.Below(damaged.size())));
    if (random.Chance(20)) {
      damaged.erase(it);
    } else if (random.Chance(10)) {
      it->second.resize(random.Below(it->second.size() + 1));
    } else {
      for (uint64_t n = random.Between(1, 3); n-- > 0;)
        it->second[random.Below(it->second.size())] = static_cast<char>(random.Next());
    }
    refused += Load(damaged) ? 0 : 1;
  }
  // A value's own bytes can change unseen here: the digest of the whole state sees that.
  EXPECT_GT(refused, kRounds / 2);
}

}  // namespace
}  // namespace synod::store
