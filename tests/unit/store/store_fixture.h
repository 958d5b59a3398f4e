// StoreTest: a tree and short verbs to arrange it with; each verb is one revision of its own.
//
// Contract      A verb that fails where the test did not expect it fails the test.
#ifndef SYNOD_TESTS_UNIT_STORE_STORE_FIXTURE_H_
#define SYNOD_TESTS_UNIT_STORE_STORE_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/path.h"
#include "src/store/tree.h"

namespace synod::store {

inline constexpr Precondition kAny{};

// "put /a v1 was v0 (expired)": one change as a line, so that whole revisions can be compared.
inline std::string Describe(const Change& c) {
  std::string s = c.type == Change::Type::kPut ? "put " : "delete ";
  s += c.path;
  if (c.node)
    s += " " + std::string(c.node->value.view());
  if (c.prev)
    s += " was " + std::string(c.prev->value.view());
  if (c.cause == Cause::kExpired)
    s += " (expired)";
  if (c.cause == Cause::kReleased)
    s += " (released)";
  return s;
}

inline std::vector<std::string> Describe(const RevisionRef& revision) {
  std::vector<std::string> lines;
  for (const Change& c : revision->changes) lines.push_back(Describe(c));
  return lines;
}

inline std::vector<std::string> Paths(const std::vector<NodeView>& nodes) {
  std::vector<std::string> paths;
  for (const NodeView& n : nodes) paths.push_back(n.path);
  return paths;
}

// Every record of the tree, loaded into a new one.
inline Tree Reload(const Tree& tree) {
  Tree copy;
  tree.ForEachRecord([&](std::string_view key, std::string_view value) {
    EXPECT_TRUE(copy.LoadRecord(key, value).has_value());
  });
  const Status done = copy.FinishLoad();
  EXPECT_TRUE(done.has_value()) << (done ? "" : done.error().detail);
  return copy;
}

class StoreTest : public testing::Test {
 protected:
  Edit Begin() { return tree_.Begin(tree_.last_revision() + 1); }

  RevisionRef Put(std::string_view path, std::string_view value, LeaseId lease = {}) {
    Edit edit = Begin();
    const auto put = edit.Put(path, Value(value), lease, kAny);
    EXPECT_TRUE(put.has_value()) << path;
    return edit.Commit(now_);
  }
  RevisionRef Delete(std::string_view path, bool recursive = false) {
    Edit edit = Begin();
    const auto gone = edit.Delete(path, recursive, kAny, false);
    EXPECT_TRUE(gone.has_value()) << path;
    return edit.Commit(now_);
  }
  std::vector<std::string> List(std::string_view path,
                                ListScope scope = ListScope::kSubtree,
                                Revision at = {}) {
    const auto list = tree_.List(path, scope, 10'000, "", at);
    EXPECT_TRUE(list.has_value()) << path;
    return list ? Paths(list->nodes) : std::vector<std::string>();
  }

  Tree tree_;
  ClusterTime now_{1000};
};

}  // namespace synod::store

#endif  // SYNOD_TESTS_UNIT_STORE_STORE_FIXTURE_H_
