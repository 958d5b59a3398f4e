// Random edits, rollbacks, compactions, checkpoints and reloads against the model: whatever can be
// read, now and at every kept revision, must be the same, and nobody may notice a restart.
#include <map>
#include <set>

#include "src/base/random.h"
#include "tests/unit/store/model.h"
#include "tests/unit/store/store_fixture.h"

namespace synod::store {
namespace {

constexpr const char* kPaths[] = {
    "/",    "/a",   "/a/b",    "/a/b/c",          "/a-b",          "/a-b/c",
    "/a.b", "/ab",  "/a/b-c",  "/a/ b",           "/a/b/\xC3\xA9", "/q",
    "/q/d", "/.sy", "/.synod", "/.synod/locks/x", "/.synod-a/x",   "/a/b/c/d/e/f"};
constexpr int kSeedsPerShard = 100;
constexpr int kRevisions = 40;

class RandomRun {
 public:
  explicit RandomRun(uint64_t seed) : random_(seed) {}

  void Go() {
    for (int i = 0; i < kRevisions && !testing::Test::HasFailure(); ++i) {
      if (random_.Chance(10))
        CountAnother();
      OneEdit();
      CompareCounts();
      if (random_.Chance(20))
        MoveFloor();
      CompareAt(tree_->last_revision());
      CompareAt(Revision(random_.Between(tree_->floor().value, tree_->last_revision().value)));
      tree_->CheckInvariants();
      if (random_.Chance(20))
        Checkpoint();
      if (random_.Chance(10))
        Restart();
      if (random_.Chance(5))
        TakeOverSnapshot();
    }
    for (Revision r = tree_->floor(); r <= tree_->last_revision(); ++r) CompareAt(r);
    CompareHistory();
  }

 private:
  struct Expected {
    ClusterTime time;
    std::vector<std::string> lines;
  };

  std::string RandomPath() { return kPaths[random_.Below(std::size(kPaths))]; }

  Precondition RandomPrecondition(const std::string& path) {
    if (random_.Chance(60))
      return {};
    Precondition p;
    p.kind = static_cast<Precondition::Kind>(random_.Below(5));
    const auto it = model_.now().find(path);
    const bool right = it != model_.now().end() && random_.Chance(70);
    if (p.kind == Precondition::Kind::kModRevision)
      p.number = right ? it->second.mod : random_.Below(5);
    if (p.kind == Precondition::Kind::kVersion)
      p.number = right ? it->second.version : random_.Below(3);
    return p;
  }

  void OneCall(Edit* edit) {
    const std::string path = RandomPath();
    const std::string value(random_.Below(20), static_cast<char>('a' + random_.Below(26)));
    const uint64_t dice = random_.Below(100);
    if (dice < 15) {
      const std::string prefix = path == "/" || random_.Chance(50) ? path : path + "/";
      const uint64_t lease = random_.Chance(20) ? 7 : 0;
      std::string expected;
      const Errc code = model_.CreateSequential(prefix, value, lease, &expected);
      const auto made = edit->CreateSequential(prefix, Value(value), LeaseId(lease));
      ASSERT_EQ(made ? Errc::kOk : made.error().code, code) << prefix;
      if (made) {
        EXPECT_EQ(*made, expected);
      }
      return;
    }
    const Precondition p = RandomPrecondition(path);
    if (dice < 65) {
      std::optional<uint64_t> lease;
      if (random_.Chance(50))
        lease = random_.Chance(80) ? 0 : 7;
      const Errc code = model_.Put(path, value, lease, p);
      const auto put =
          edit->Put(path, Value(value), lease ? std::optional(LeaseId(*lease)) : std::nullopt, p);
      ASSERT_EQ(put ? Errc::kOk : put.error().code, code) << path;
      if (put) {
        EXPECT_EQ(Plain(*put->node), model_.now().at(path));
      }
      return;
    }
    const bool recursive = random_.Chance(70);
    std::vector<std::string> deleted;
    const Errc code = model_.Delete(path, recursive, p, &deleted);
    const auto gone = edit->Delete(path, recursive, p, true);
    ASSERT_EQ(gone ? Errc::kOk : gone.error().code, code) << path;
    if (gone) {
      EXPECT_EQ(gone->deleted, deleted.size());
      EXPECT_EQ(Paths(gone->prev), deleted);
    }
  }

  void OneEdit() {
    // Leases and the like use up revisions as well.
    const uint64_t revision = tree_->last_revision().value + 1 + random_.Below(2);
    const Digest before = tree_->digest();
    {
      Edit edit = tree_->Begin(Revision(revision));
      model_.Begin(revision);
      for (uint64_t i = random_.Below(6); i-- > 0 && !testing::Test::HasFatalFailure();)
        OneCall(&edit);
      CompareEdit(edit);
      if (random_.Chance(75)) {
        now_.value += static_cast<int64_t>(random_.Below(3));
        const ModelState old = model_.last();
        model_.Commit();
        const RevisionRef done = edit.Commit(now_);
        history_[revision] = {now_, Difference(old, revision)};
        EXPECT_EQ(Lines(*done), history_[revision].lines);
        return;
      }
    }
    EXPECT_EQ(tree_->digest(), before);
  }

  // What a history line says: every number of the states before and after.
  static std::string Line(const std::string& path, const ModelNode* node, const ModelNode* prev) {
    std::string line = path;
    for (const ModelNode* n : {node, prev}) {
      line += " | ";
      if (n == nullptr)
        continue;
      line += n->value;
      for (const uint64_t number :
           {n->version, n->create, n->mod, n->children, n->count, n->lease, n->sequence})
        line += "," + std::to_string(number);
    }
    return line;
  }
  static std::vector<std::string> Lines(const RevisionChanges& changes) {
    std::vector<std::string> lines;
    for (const Change& c : changes.changes) {
      EXPECT_EQ(c.type == Change::Type::kPut, c.node != nullptr);
      const ModelNode node = c.node ? Plain(*c.node) : ModelNode();
      const ModelNode prev = c.prev ? Plain(*c.prev) : ModelNode();
      lines.push_back(Line(c.path, c.node ? &node : nullptr, c.prev ? &prev : nullptr));
    }
    return lines;
  }
  std::vector<std::string> Difference(const ModelState& old, uint64_t revision) const {
    std::vector<std::string> lines;
    ModelState all = model_.last();
    all.insert(old.begin(), old.end());
    for (const auto& [path, unused] : all) {
      const auto before = old.find(path);
      const auto after = model_.last().find(path);
      const bool was = before != old.end();
      const bool is = after != model_.last().end();
      if (was != is || (is && after->second.mod == revision))
        lines.push_back(Line(path, is ? &after->second : nullptr, was ? &before->second : nullptr));
    }
    return lines;
  }

  void CompareEdit(const Edit& edit) {
    for (const char* path : kPaths) {
      const NodeRef node = edit.Find(path);
      const auto it = model_.now().find(path);
      ASSERT_EQ(node != nullptr, it != model_.now().end()) << path;
      if (node) {
        EXPECT_EQ(Plain(*node), it->second) << path;
      }
    }
    EXPECT_EQ(edit.Empty(), model_.now() == model_.last());
    const std::string path = RandomPath();
    for (const ListScope scope : {ListScope::kChildren, ListScope::kSubtree}) {
      const auto list = edit.List(path, scope, 10'000, "");
      if (list) {
        EXPECT_EQ(Paths(list->nodes), Model::List(model_.now(), path, scope));
      }
    }
  }

  void CompareAt(Revision at) {
    if (at.value == 0)
      return;  // 0 means now
    const ModelState& state = model_.At(at.value);
    for (const char* path : kPaths) {
      const auto node = tree_->FindAt(path, at);
      ASSERT_TRUE(node.has_value());
      const auto it = state.find(path);
      ASSERT_EQ(*node != nullptr, it != state.end()) << path << " at " << at.value;
      if (*node) {
        EXPECT_EQ(Plain(**node), it->second) << path << " at " << at.value;
      }
    }
    const std::string path = RandomPath();
    CompareList(path, ListScope::kChildren, at, state);
    CompareList(path, ListScope::kSubtree, at, state);
  }

  // Page by page.
  void CompareList(const std::string& path, ListScope scope, Revision at, const ModelState& state) {
    const size_t limit = random_.Between(1, 5);
    std::vector<std::string> paths;
    std::string after;
    while (true) {
      const auto page = tree_->List(path, scope, limit, after, at);
      if (!state.contains(path)) {
        ASSERT_FALSE(page.has_value());
        EXPECT_EQ(page.error().code, Errc::kNotFound);
        return;
      }
      ASSERT_TRUE(page.has_value());
      for (const NodeView& n : page->nodes) {
        paths.push_back(n.path);
        EXPECT_EQ(Plain(*n.node), state.at(n.path));
      }
      if (!page->more)
        break;
      ASSERT_EQ(page->nodes.size(), limit);
      after = page->nodes.back().path;
    }
    EXPECT_EQ(paths, Model::List(state, path, scope)) << path << " at " << at.value;
  }

  void CompareHistory() {
    for (const auto& [revision, expected] : history_) {
      if (revision <= tree_->floor().value || expected.lines.empty())
        continue;
      const RevisionRef found = tree_->HistoryAt(Revision(revision));
      ASSERT_NE(found, nullptr);
      ASSERT_EQ(found->revision, Revision(revision));
      EXPECT_EQ(found->time, expected.time);
      EXPECT_EQ(Lines(*found), expected.lines);
    }
    EXPECT_EQ(tree_->HistoryAt(tree_->last_revision() + 1), nullptr);
  }

  // Or one less.
  void CountAnother() {
    const std::string path = RandomPath();
    if (counted_.erase(path) != 0) {
      tree_->StopCounting(path);
    } else if (!IsReserved(path)) {
      tree_->StartCounting(path, tree_->UsageOf(path));
      counted_.insert(path);
    }
  }
  void CompareCounts() {
    for (const std::string& root : counted_) {
      Usage expected;
      for (const auto& [path, node] : model_.last()) {
        if (!IsWithin(path, root) || IsReserved(path))
          continue;
        ++expected.nodes;
        expected.bytes += path.size() + node.value.size();
      }
      ASSERT_EQ(tree_->UsageOf(root), expected) << root;
    }
  }

  void MoveFloor() {
    if (random_.Chance(50)) {
      tree_->Compact(Revision(random_.Between(0, tree_->last_revision().value)));
    } else {
      tree_->Retain(now_, static_cast<int64_t>(random_.Below(20)), random_.Between(1000, 20'000));
    }
  }

  void Checkpoint() {
    Records records;
    tree_->TakeDirty(&records);
    for (const Record& record : records) {
      if (record.value) {
        disk_[record.key] = *record.value;
      } else {
        disk_.erase(record.key);
      }
    }
    EXPECT_EQ(tree_->dirty_bytes(), 0u);
    Digest sum;
    for (const auto& [key, value] : disk_) {
      if (key[0] == static_cast<char>(RecordTag::kNode))
        sum.Add(HashOfRecord(key, value));
    }
    EXPECT_EQ(sum, tree_->digest());
  }

  // The nodes' records come in the order of their keys, the others anywhere.
  void Load(const std::map<std::string, std::string>& records) {
    std::vector<const std::string*> keys;
    const std::string node(1, static_cast<char>(RecordTag::kNode));
    const auto nodes = records.lower_bound(node);
    for (auto it = nodes; it != records.end() && it->first.starts_with(node); ++it)
      keys.push_back(&it->first);
    for (const auto& [key, value] : records)
      if (!key.starts_with(node))
        keys.insert(keys.begin() + static_cast<long>(random_.Below(keys.size() + 1)), &key);
    Tree loaded;
    for (const std::string* key : keys) ASSERT_TRUE(loaded.LoadRecord(*key, records.at(*key)));
    const Status done = loaded.FinishLoad();
    ASSERT_TRUE(done) << done.error().detail;
    EXPECT_EQ(loaded.digest(), tree_->digest());
    EXPECT_EQ(loaded.floor(), tree_->floor());
    EXPECT_EQ(loaded.last_revision(), tree_->last_revision());
    EXPECT_EQ(loaded.history_bytes(), tree_->history_bytes());
    EXPECT_EQ(loaded.node_count(), tree_->node_count());
    EXPECT_EQ(loaded.logical_bytes(), tree_->logical_bytes());
    EXPECT_EQ(loaded.dirty_bytes(), 0u);
    for (const std::string& path : counted_) loaded.StartCounting(path, loaded.UsageOf(path));
    loaded.CheckInvariants();
    tree_.emplace(std::move(loaded));
  }
  void Restart() {
    Checkpoint();
    Load(disk_);
  }
  void TakeOverSnapshot() {
    std::map<std::string, std::string> records;
    tree_->ForEachRecord([&](std::string_view key, std::string_view value) {
      EXPECT_TRUE(records.emplace(key, value).second);
    });
    Load(records);
    disk_ = records;
  }

  Random random_;
  Model model_;
  std::optional<Tree> tree_{std::in_place};
  std::map<uint64_t, Expected> history_;
  std::map<std::string, std::string> disk_;
  ClusterTime now_{1000};
  std::set<std::string> counted_;
};

class TreeModelTest : public testing::TestWithParam<int> {};

TEST_P(TreeModelTest, ReadsAsTheModelAtEveryRevisionThroughRestarts) {
  for (int i = 0; i < kSeedsPerShard && !HasFailure(); ++i) {
    const int seed = GetParam() * kSeedsPerShard + i;
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomRun(static_cast<uint64_t>(seed)).Go();
  }
}

INSTANTIATE_TEST_SUITE_P(Shards, TreeModelTest, testing::Range(0, 20));

}  // namespace
}  // namespace synod::store
