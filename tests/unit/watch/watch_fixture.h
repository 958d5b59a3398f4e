// WatchTest: a tree, its hub, and short verbs; each verb is one revision, published at once.
//
// Contract      A verb that fails where the test did not expect it fails the test.
#ifndef SYNOD_TESTS_UNIT_WATCH_WATCH_FIXTURE_H_
#define SYNOD_TESTS_UNIT_WATCH_WATCH_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "src/store/tree.h"
#include "watch/hub.h"

namespace synod::watch {

// "3: put /a x, delete /b"
inline std::string Describe(const Message& message) {
  std::string s = std::to_string(message.revision->revision.value) + ":";
  for (const store::Change* c : message.changes) {
    s += c == message.changes.front() ? " " : ", ";
    s += c->type == store::Change::Type::kPut ? "put " : "delete ";
    s += c->path;
    if (c->node && !c->node->value.empty())
      s += " " + std::string(c->node->value.view());
  }
  return s;
}

class WatchTest : public testing::Test {
 protected:
  void Put(std::string_view path, std::string_view value = "") {
    store::Edit edit = tree_.Begin(tree_.last_revision() + 1);
    const auto put = edit.Put(path, store::Value(value), std::nullopt, {});
    EXPECT_TRUE(put.has_value()) << path;
    hub_.Publish(edit.Commit(ClusterTime(0)));
  }
  void Delete(std::string_view path) {
    store::Edit edit = tree_.Begin(tree_.last_revision() + 1);
    EXPECT_TRUE(edit.Delete(path, true, {}, false).has_value()) << path;
    hub_.Publish(edit.Commit(ClusterTime(0)));
  }
  // A revision that something else than the tree used up.
  void UseRevision() {
    store::Edit edit = tree_.Begin(tree_.last_revision() + 1);
    edit.Commit(ClusterTime(0));
  }

  WatchId Add(const Spec& spec, uint64_t from = 0) {
    const auto id = hub_.Add(spec, Revision(from));
    EXPECT_TRUE(id.has_value());
    return id ? *id : 0;
  }
  WatchId Add(std::string_view path, Scope scope, uint64_t from = 0) {
    Spec spec;
    spec.path = path;
    spec.scope = scope;
    return Add(spec, from);
  }
  // Everything up to the end, or "compacted".
  std::vector<std::string> Drain(WatchId id) {
    std::vector<std::string> lines;
    while (true) {
      const Hub::Step step = hub_.Next(id);
      if (step.kind == Hub::Step::Kind::kMessage) {
        lines.push_back(Describe(*step.message));
        continue;
      }
      if (step.kind == Hub::Step::Kind::kCompacted)
        lines.push_back("compacted");
      return lines;
    }
  }

  store::Tree tree_;
  Hub hub_{&tree_};
};

}  // namespace synod::watch

#endif  // SYNOD_TESTS_UNIT_WATCH_WATCH_FIXTURE_H_
