// Counted subtrees: what they hold after every commit, and what an edit would make of them.
#include "tests/unit/store/store_fixture.h"

namespace synod::store {
namespace {

class SubtreeCountsTest : public StoreTest {
 protected:
  void Count(std::string_view path) { tree_.StartCounting(path, tree_.UsageOf(path)); }
  // "/a 2+1 10+7": the nodes and bytes that are there and what the edit adds.
  static std::vector<std::string> Lines(const Edit& edit) {
    std::vector<std::string> lines;
    for (const UsageChange& change : edit.UsageChanges()) {
      const auto part = [](uint64_t before, uint64_t after) {
        const auto by = static_cast<int64_t>(after - before);
        return " " + std::to_string(before) + (by < 0 ? "" : "+") + std::to_string(by);
      };
      lines.push_back(std::string(change.root) + part(change.before.nodes, change.after.nodes) +
                      part(change.before.bytes, change.after.bytes));
    }
    return lines;
  }
};

TEST_F(SubtreeCountsTest, ARootAndAllBelowItCountWithPathsAndValues) {
  Put("/a", "12345");
  Put("/a/b/c", "123");
  Put("/ab", "1234567");
  EXPECT_EQ(tree_.UsageOf("/a"), (Usage{3, 2 + 5 + 4 + 6 + 3}));
  EXPECT_EQ(tree_.UsageOf("/a/b/c"), (Usage{1, 9}));
  EXPECT_EQ(tree_.UsageOf("/none"), Usage());
  EXPECT_EQ(tree_.UsageOf("/"), (Usage{tree_.node_count(), tree_.logical_bytes()}));
}

TEST_F(SubtreeCountsTest, ACountFollowsEveryCommitOfItsSubtreeAndNoOther) {
  Put("/a/b", "1");
  Count("/a");
  Put("/a/b", "123");
  EXPECT_EQ(tree_.UsageOf("/a"), (Usage{2, 2 + 4 + 3}));
  Put("/ab/c", "123");
  Put("/a-", "1");
  EXPECT_EQ(tree_.UsageOf("/a"), (Usage{2, 9}));
  Put("/a/x/y", "");
  EXPECT_EQ(tree_.UsageOf("/a"), (Usage{4, 9 + 4 + 6}));
  Delete("/a", true);
  EXPECT_EQ(tree_.UsageOf("/a"), Usage());
  Put("/a", "12");
  EXPECT_EQ(tree_.UsageOf("/a"), (Usage{1, 4}));
  tree_.CheckInvariants();
}

TEST_F(SubtreeCountsTest, ANodeCountsForEachSubtreeThatItLiesIn) {
  Count("/");
  Count("/a/b/c");
  Count("/a");
  Count("/a/a");
  Put("/a/b/c/d", "1");
  EXPECT_EQ(tree_.UsageOf("/a/b/c"), (Usage{2, 6 + 8 + 1}));
  EXPECT_EQ(tree_.UsageOf("/a"), (Usage{4, 2 + 4 + 15}));
  EXPECT_EQ(tree_.UsageOf("/"), (Usage{5, 1 + 21}));
  EXPECT_EQ(tree_.UsageOf("/a/a"), Usage());
  tree_.StopCounting("/a");
  Put("/a/b/x", "");
  EXPECT_EQ(tree_.UsageOf("/"), (Usage{6, 22 + 6}));
  EXPECT_EQ(tree_.UsageOf("/a/b/c"), (Usage{2, 15}));
  tree_.CheckInvariants();
}

TEST_F(SubtreeCountsTest, WhatTheServiceKeepsForItselfCountsForNobody) {
  Count("/");
  const Usage before = tree_.UsageOf("/");
  Put("/.synod/locks/a", "12345");
  EXPECT_EQ(tree_.UsageOf("/"), before);
  Put("/.synoda", "");
  EXPECT_EQ(tree_.UsageOf("/"), (Usage{before.nodes + 1, before.bytes + 8}));
  tree_.CheckInvariants();
}

TEST_F(SubtreeCountsTest, AnEditTellsItsNetEffectFromTheOutsideInwards) {
  Put("/a/b/x", "12");
  Put("/z", "");
  Count("/a/b");
  Count("/a");
  Count("/z");
  Edit edit = Begin();
  EXPECT_THAT(Lines(edit), testing::IsEmpty());
  ASSERT_TRUE(edit.Put("/a/b/y", Value("123"), {}, kAny));
  EXPECT_THAT(Lines(edit), testing::ElementsAre("/a 3+1 14+9", "/a/b 2+1 12+9"));
  ASSERT_TRUE(edit.Delete("/a/b", true, kAny, false));
  EXPECT_THAT(Lines(edit), testing::ElementsAre("/a 3-2 14-12", "/a/b 2-2 12-12"));
  ASSERT_TRUE(edit.Put("/a/b", Value(""), {}, kAny));
  EXPECT_THAT(Lines(edit), testing::ElementsAre("/a 3-1 14-8", "/a/b 2-1 12-8"));
}

TEST_F(SubtreeCountsTest, WhatIsRolledBackCountsForNothing) {
  Put("/a", "1");
  Count("/a");
  {
    Edit edit = Begin();
    ASSERT_TRUE(edit.Put("/a/b", Value("123"), {}, kAny));
  }
  EXPECT_EQ(tree_.UsageOf("/a"), (Usage{1, 3}));
  Put("/a/c", "");
  EXPECT_EQ(tree_.UsageOf("/a"), (Usage{2, 7}));
  tree_.CheckInvariants();
}

}  // namespace
}  // namespace synod::store
