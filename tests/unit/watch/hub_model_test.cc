// Random histories, specs, resume points and compactions against a filter over the list of all
// changes ever made.
#include <map>
#include <optional>
#include <set>

#include "src/base/path.h"
#include "src/base/random.h"
#include "tests/unit/watch/watch_fixture.h"

namespace synod::watch {
namespace {

constexpr const char* kPaths[] = {
    "/",     "/a",       "/a/b",         "/a/b/c",    "/a/d",
    "/a-b",  "/ab",      "/e/f",         "/.synod",   "/.synod/locks/x",
    "/.syn", "/.synod2", "/.synod/zone", "/a/b/c/d/e"};

// The rule of docs/api.md, written down a second time.
bool Wanted(const Spec& spec, const store::Change& c) {
  const std::string below = spec.path == "/" ? "/" : spec.path + "/";
  const bool reserved = c.path == "/.synod" || c.path.starts_with("/.synod/");
  const bool from_within = spec.path == "/.synod" || spec.path.starts_with("/.synod/");
  if (reserved && !from_within)
    return false;
  if (!(c.type == store::Change::Type::kPut ? spec.puts : spec.deletes))
    return false;
  const bool itself = c.path == spec.path;
  const bool under = !itself && c.path.starts_with(below);
  switch (spec.scope) {
    case Scope::kNode:
      return itself;
    case Scope::kChildren:
      return under && c.path.find('/', below.size()) == std::string::npos;
    case Scope::kSubtree:
      return itself || under;
  }
  return false;
}

class HubModelTest : public WatchTest, public testing::WithParamInterface<int> {
 protected:
  struct Listener {
    Spec spec;
    uint64_t next = 0;  // the first revision that it has not been asked about
    bool over = false;
  };

  std::string RandomPath() { return kPaths[random_.Below(std::size(kPaths))]; }

  void Change() {
    store::Edit edit = tree_.Begin(tree_.last_revision() + 1);
    for (uint64_t i = random_.Below(4); i-- > 0;) {
      const std::string path = RandomPath();
      if (random_.Chance(60)) {
        EXPECT_TRUE(edit.Put(path, store::Value("v"), std::nullopt, {}));
      } else {
        const auto gone = edit.Delete(path, true, {}, false);
        EXPECT_TRUE(gone || gone.error().code == Errc::kNotFound);
      }
    }
    const store::RevisionRef revision = edit.Commit(ClusterTime(0));
    history_.push_back(revision);
    hub_.Publish(revision);
  }

  void Listen() {
    Listener listener;
    listener.spec = {RandomPath(), static_cast<Scope>(random_.Below(3)), random_.Chance(80),
                     random_.Chance(80), random_.Chance(50)};
    const uint64_t last = tree_.last_revision().value;
    const uint64_t from = random_.Chance(30) ? 0 : random_.Below(last + 5);
    const auto id = hub_.Add(listener.spec, Revision(from));
    if (from != 0 && from <= tree_.floor().value) {
      ASSERT_FALSE(id.has_value());
      EXPECT_EQ(id.error().code, Errc::kCompacted);
      return;
    }
    ASSERT_TRUE(id.has_value());
    listener.next = from == 0 ? last + 1 : from;
    listeners_[*id] = listener;
  }

  // What the listener has still to be told: the first revision from `next` on with a match.
  std::optional<std::string> Expected(const Listener& l) const {
    // Revisions are 1, 2, 3 and so on here.
    for (size_t i = l.next - 1; i < history_.size(); ++i) {
      const store::RevisionRef& r = history_[i];
      Message message;
      message.revision = r;
      for (const store::Change& c : r->changes) {
        if (Wanted(l.spec, c))
          message.changes.push_back(&c);
      }
      if (!message.changes.empty())
        return Describe(message);
    }
    return std::nullopt;
  }

  void Pull(WatchId id, Listener* l) {
    const std::optional<std::string> expected = Expected(*l);
    const Hub::Step step = hub_.Next(id);
    switch (step.kind) {
      case Hub::Step::Kind::kMessage:
        ASSERT_FALSE(l->over);
        ASSERT_TRUE(expected.has_value());
        EXPECT_EQ(Describe(*step.message), *expected);
        EXPECT_EQ(step.message->prev, l->spec.prev);
        EXPECT_EQ(step.position, step.message->revision->revision);
        l->next = step.position.value + 1;
        break;
      case Hub::Step::Kind::kCaughtUp:
        ASSERT_FALSE(l->over);
        EXPECT_EQ(expected, std::nullopt);
        EXPECT_EQ(step.position.value, std::max(l->next - 1, tree_.last_revision().value));
        l->next = step.position.value + 1;
        break;
      case Hub::Step::Kind::kCompacted:
        l->over = true;
        EXPECT_LE(l->next, tree_.floor().value);
        break;
    }
  }

  Random random_{static_cast<uint64_t>(GetParam())};
  std::vector<store::RevisionRef> history_;
  std::map<WatchId, Listener> listeners_;
};

TEST_P(HubModelTest, TellsEachListenerExactlyWhatItWants) {
  for (int i = 0; i < 1000; ++i) {
    const uint64_t dice = random_.Below(100);
    if (dice < 40) {
      Change();
    } else if (dice < 50) {
      Listen();
    } else if (dice < 52) {
      tree_.Compact(Revision(random_.Below(tree_.last_revision().value + 1)));
    } else if (!listeners_.empty()) {
      auto it = listeners_.begin();
      std::advance(it, static_cast<long>(random_.Below(listeners_.size())));
      if (dice < 55) {
        hub_.Remove(it->first);
        listeners_.erase(it);
      } else {
        Pull(it->first, &it->second);
      }
    }
    if (i % 20 == 0)
      hub_.CheckInvariants();
  }
  // Who is not named has nothing to be told; who is named and asks gets to the end.
  for (auto& [id, listener] : listeners_) {
    for (int i = 0; i < 500; ++i) Pull(id, &listener);
    EXPECT_TRUE(listener.over || !Expected(listener)) << listener.spec.path;
  }
  hub_.TakeReady();
  const uint64_t before = tree_.last_revision().value;
  Change();
  std::set<WatchId> concerned;
  for (auto& [id, listener] : listeners_) {
    if (!listener.over && listener.next <= before + 1 && Expected(listener))
      concerned.insert(id);
  }
  const std::vector<WatchId> ready = hub_.TakeReady();
  EXPECT_EQ(std::set<WatchId>(ready.begin(), ready.end()), concerned);
}

INSTANTIATE_TEST_SUITE_P(Seeds, HubModelTest, testing::Range(0, 40));

}  // namespace
}  // namespace synod::watch
