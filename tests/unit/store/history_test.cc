// Reads of the past, the floor, retention and lists in pages.
#include "tests/unit/store/store_fixture.h"

namespace synod::store {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class HistoryTest : public StoreTest {
 protected:
  std::string ValueAt(std::string_view path, uint64_t at) {
    const auto node = tree_.FindAt(path, Revision(at));
    if (!node)
      return std::string(Name(node.error().code));
    return *node ? std::string((*node)->value.view()) : "absent";
  }
};

TEST_F(HistoryTest, EveryRevisionReadsAsItWas) {
  Put("/a", "one");
  Put("/b", "two");
  Put("/a", "three");
  Delete("/a");
  Put("/a", "five");
  EXPECT_EQ(ValueAt("/a", 1), "one");
  EXPECT_EQ(ValueAt("/a", 2), "one");
  EXPECT_EQ(ValueAt("/a", 3), "three");
  EXPECT_EQ(ValueAt("/a", 4), "absent");
  EXPECT_EQ(ValueAt("/a", 5), "five");
  EXPECT_EQ(ValueAt("/b", 1), "absent");
  EXPECT_EQ(ValueAt("/never", 3), "absent");
}

TEST_F(HistoryTest, ThePastCountsItsOwnChildren) {
  Put("/a/1", "x");
  Put("/a/2", "x");
  Delete("/a/1");
  const auto numbers = [&](uint64_t at) {
    const NodeRef node = *tree_.FindAt("/a", Revision(at));
    return std::pair(node->num_children, node->children_revision.value);
  };
  EXPECT_EQ(numbers(1), std::pair(uint64_t{1}, uint64_t{1}));
  EXPECT_EQ(numbers(2), std::pair(uint64_t{2}, uint64_t{2}));
  EXPECT_EQ(numbers(3), std::pair(uint64_t{1}, uint64_t{3}));
}

TEST_F(HistoryTest, AReadAtTheFloorIsExactAndBelowItIsCompacted) {
  Put("/a", "one");
  Put("/a", "two");
  Put("/a", "three");
  tree_.Compact(Revision(2));
  EXPECT_EQ(tree_.floor(), Revision(2));
  EXPECT_EQ(ValueAt("/a", 1), "compacted");
  EXPECT_EQ(ValueAt("/a", 2), "two");
  EXPECT_EQ(ValueAt("/a", 3), "three");
  const auto list = tree_.List("/", ListScope::kSubtree, 10, "", Revision(1));
  ASSERT_FALSE(list.has_value());
  EXPECT_EQ(list.error().code, Errc::kCompacted);
}

TEST_F(HistoryTest, TheFloorNeverFallsAndNeverPassesTheLastRevision) {
  Put("/a", "one");
  Put("/a", "two");
  tree_.Compact(Revision(100));
  EXPECT_EQ(tree_.floor(), Revision(2));
  tree_.Compact(Revision(1));
  EXPECT_EQ(tree_.floor(), Revision(2));
  EXPECT_EQ(tree_.history_bytes(), 0u);
}

TEST_F(HistoryTest, HistoryAtGivesTheNextKeptRevision) {
  Put("/a", "one");
  Begin().Commit(now_);
  Put("/a", "three");
  EXPECT_EQ(tree_.HistoryAt(Revision(1))->revision, Revision(1));
  EXPECT_EQ(tree_.HistoryAt(Revision(2))->revision, Revision(3));
  EXPECT_EQ(tree_.HistoryAt(Revision(4)), nullptr);
  tree_.Compact(Revision(1));
  EXPECT_EQ(tree_.HistoryAt(Revision(1))->revision, Revision(3));
}

TEST_F(HistoryTest, DeletedNodesAreListedInThePastAlone) {
  Put("/q/1", "x");
  Put("/q/2", "x");
  Put("/q/3", "x");
  Delete("/q/2");
  Put("/q/4", "x");
  EXPECT_THAT(List("/q"), ElementsAre("/q/1", "/q/3", "/q/4"));
  EXPECT_THAT(List("/q", ListScope::kChildren, Revision(3)), ElementsAre("/q/1", "/q/2", "/q/3"));
  tree_.Compact(Revision(4));
  EXPECT_THAT(List("/q", ListScope::kChildren, Revision(4)), ElementsAre("/q/1", "/q/3"));
}

TEST_F(HistoryTest, RetainDropsWhatIsOlderThanAsked) {
  for (const int64_t at : {1000, 2000, 3000}) {
    now_ = ClusterTime(at);
    Put("/a", std::to_string(at));
  }
  constexpr uint64_t kPlenty = uint64_t{1} << 40;
  tree_.Retain(ClusterTime(3000), 2000, kPlenty);
  EXPECT_EQ(tree_.floor(), Revision(0));
  tree_.Retain(ClusterTime(3001), 2000, kPlenty);
  EXPECT_EQ(tree_.floor(), Revision(1));
  tree_.Retain(ClusterTime(9000), 2000, kPlenty);
  EXPECT_EQ(tree_.floor(), Revision(3));
}

TEST_F(HistoryTest, RetainDropsTheOldestBeyondItsBytesButNeverTheNewest) {
  const std::string large(100'000, 'x');
  for (int i = 0; i < 10; ++i) Put("/a", large);
  // Nine values are kept by history alone; the tenth is live.
  EXPECT_GT(tree_.history_bytes(), 900'000u);
  EXPECT_LT(tree_.history_bytes(), 910'000u);
  tree_.Retain(now_, 1000, 350'000);
  EXPECT_EQ(tree_.floor(), Revision(7));
  EXPECT_LE(tree_.history_bytes(), 350'000u);
  tree_.Retain(now_, 1000, 1);
  EXPECT_EQ(tree_.floor(), Revision(9));
  EXPECT_EQ(tree_.HistoryAt(Revision(10))->revision, Revision(10));
}

TEST_F(HistoryTest, TheFloorDoesNotDependOnWhatWasCollected) {
  Tree other;
  const auto put = [&](Tree* tree, uint64_t revision) {
    Edit edit = tree->Begin(Revision(revision));
    ASSERT_TRUE(
        edit.Put(JoinPath("/", std::to_string(revision % 100)), Value("x"), std::nullopt, kAny));
    edit.Commit(ClusterTime(static_cast<int64_t>(revision)));
  };
  for (uint64_t r = 1; r <= 5000; ++r) {
    put(&tree_, r);
    put(&other, r);
    // One node is asked for reads and collects at other times than the other.
    if (r == 3000) {
      tree_.Compact(Revision(2500));
      other.Compact(Revision(2500));
      for (int i = 0; i < 20; ++i) tree_.Compact(Revision(0));
    }
  }
  tree_.Retain(ClusterTime(5000), 1 << 20, 200'000);
  other.Retain(ClusterTime(5000), 1 << 20, 200'000);
  EXPECT_EQ(tree_.floor(), other.floor());
  EXPECT_EQ(tree_.history_bytes(), other.history_bytes());
}

TEST_F(HistoryTest, ManyDeletedNodesGoAwayInTheEnd) {
  for (int i = 0; i < 3000; ++i) {
    Put("/q/x", "v");
    Delete("/q/x");
    Put(JoinPath("/q", std::to_string(i)), "v");
    Delete(JoinPath("/q", std::to_string(i)));
  }
  tree_.Compact(tree_.last_revision());
  for (int i = 0; i < 100; ++i) tree_.Compact(tree_.last_revision());
  Records records;
  tree_.TakeDirty(&records);
  tree_.CheckInvariants();
  EXPECT_THAT(List("/q", ListScope::kSubtree, tree_.last_revision()), IsEmpty());
  EXPECT_EQ(tree_.node_count(), 2u);
}

TEST_F(HistoryTest, RestartForgetsThePastAndGoesOnAboveTheRevision) {
  Put("/a", "one");
  tree_.Restart(Revision(1000));
  EXPECT_EQ(tree_.last_revision(), Revision(1000));
  EXPECT_EQ(ValueAt("/a", 999), "compacted");
  EXPECT_EQ(ValueAt("/a", 1000), "one");
  Put("/a", "two");
  EXPECT_EQ(tree_.Find("/a")->mod_revision, Revision(1001));
  const Tree copy = Reload(tree_);
  EXPECT_EQ(copy.last_revision(), Revision(1001));
  EXPECT_EQ(copy.digest(), tree_.digest());
}

TEST_F(HistoryTest, PathOrderIsComponentByComponent) {
  for (const char* path : {"/a-b", "/a/b", "/a", "/ab", "/a/b/c", "/a.b", "/a/b-c", "/a/\xC3\xA9"})
    Put(path, "x");
  EXPECT_THAT(List("/"),
              ElementsAre("/a", "/a/b", "/a/b/c", "/a/b-c", "/a/\xC3\xA9", "/a-b", "/a.b", "/ab"));
  EXPECT_THAT(List("/", ListScope::kChildren), ElementsAre("/a", "/a-b", "/a.b", "/ab"));
  EXPECT_THAT(List("/a", ListScope::kChildren), ElementsAre("/a/b", "/a/b-c", "/a/\xC3\xA9"));
}

TEST_F(HistoryTest, APageGoesOnAfterAnyPathEvenADeletedOne) {
  for (const char* path : {"/a/b/c", "/a/d", "/a/e/f", "/g"}) Put(path, "x");
  const auto after = [&](const char* cursor, ListScope scope) {
    return Paths(tree_.List("/a", scope, 10, cursor, {})->nodes);
  };
  EXPECT_THAT(after("/a/b", ListScope::kChildren), ElementsAre("/a/d", "/a/e"));
  EXPECT_THAT(after("/a/b/c", ListScope::kChildren), ElementsAre("/a/d", "/a/e"));
  EXPECT_THAT(after("/a/c", ListScope::kSubtree), ElementsAre("/a/d", "/a/e", "/a/e/f"));
  EXPECT_THAT(after("/0", ListScope::kChildren), ElementsAre("/a/b", "/a/d", "/a/e"));
  EXPECT_THAT(after("/z", ListScope::kSubtree), IsEmpty());
}

TEST_F(HistoryTest, APageEndsAtFourMebibytesWithAtLeastOneNode) {
  const std::string mebibyte(size_t{1} << 20, 'x');
  for (int i = 0; i < 6; ++i) Put(JoinPath("/", std::to_string(i)), mebibyte);
  Put("/9", std::string(size_t{5} << 20, 'y'));
  const auto page = tree_.List("/", ListScope::kChildren, 100, "", {});
  EXPECT_THAT(Paths(page->nodes), ElementsAre("/0", "/1", "/2"));
  EXPECT_TRUE(page->more);
  const auto last = tree_.List("/", ListScope::kChildren, 100, "/5", {});
  EXPECT_THAT(Paths(last->nodes), ElementsAre("/9"));
  EXPECT_FALSE(last->more);
}

}  // namespace
}  // namespace synod::store
