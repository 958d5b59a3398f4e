// The promises of a watch, one at a time.
#include <algorithm>
#include <set>

#include "tests/unit/watch/watch_fixture.h"

namespace synod::watch {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class HubTest : public WatchTest {};

TEST_F(HubTest, ANodeWatchSeesThatNodeAlone) {
  const WatchId id = Add("/a", Scope::kNode);
  Put("/a", "1");
  Put("/a/b", "2");
  Put("/a-b", "3");
  Put("/a", "4");
  EXPECT_THAT(Drain(id), ElementsAre("1: put /a 1", "4: put /a 4"));
}

TEST_F(HubTest, AChildrenWatchSeesDirectChildrenAlone) {
  const WatchId id = Add("/a", Scope::kChildren);
  const WatchId root = Add("/", Scope::kChildren);
  Put("/a", "1");
  Put("/a/b", "2");
  Put("/a/b/c", "3");
  Delete("/a/b");
  Put("/", "5");
  EXPECT_THAT(Drain(id), ElementsAre("2: put /a/b 2", "4: delete /a/b"));
  EXPECT_THAT(Drain(root), ElementsAre("1: put /a 1"));
}

TEST_F(HubTest, ASubtreeWatchSeesTheNodeAndAllBelow) {
  const WatchId id = Add("/a", Scope::kSubtree);
  const WatchId root = Add("/", Scope::kSubtree);
  Put("/a/b/c", "1");
  Put("/a-b", "2");
  Delete("/a");
  Put("/", "4");
  EXPECT_THAT(Drain(id), ElementsAre("1: put /a, put /a/b, put /a/b/c 1",
                                     "3: delete /a, delete /a/b, delete /a/b/c"));
  EXPECT_THAT(Drain(root), ElementsAre("1: put /a, put /a/b, put /a/b/c 1", "2: put /a-b 2",
                                       "3: delete /a, delete /a/b, delete /a/b/c", "4: put / 4"));
}

TEST_F(HubTest, WatchesOfOnePathComeAndGoInAnyOrder) {
  constexpr Scope kScopes[] = {Scope::kNode, Scope::kChildren, Scope::kSubtree};
  uint64_t revision = 0;
  for (const size_t gone : {size_t{0}, size_t{1}, size_t{2}}) {
    std::vector<WatchId> ids;
    for (const Scope scope : kScopes) ids.push_back(Add("/a", scope));
    hub_.Remove(ids[gone]);
    hub_.CheckInvariants();
    const WatchId again = Add("/a", kScopes[gone]);
    EXPECT_NE(again, ids[gone]);  // the place is the same, the name is not
    ids[gone] = again;
    Put("/a", "x");
    const std::string put = std::to_string(++revision) + ": put /a x";
    EXPECT_THAT(Drain(ids[0]), ElementsAre(put));
    EXPECT_THAT(Drain(ids[1]), IsEmpty());
    EXPECT_THAT(Drain(ids[2]), ElementsAre(put));
    for (const WatchId id : ids) hub_.Remove(id);
    EXPECT_EQ(hub_.size(), 0u);
  }
}

TEST_F(HubTest, TheFilterLeavesOutPutsOrDeletes) {
  Spec puts{"/a", Scope::kSubtree, true, false, false};
  Spec deletes{"/a", Scope::kSubtree, false, true, false};
  const WatchId p = Add(puts);
  const WatchId d = Add(deletes);
  Put("/a", "1");
  Delete("/a");
  EXPECT_THAT(Drain(p), ElementsAre("1: put /a 1"));
  EXPECT_THAT(Drain(d), ElementsAre("2: delete /a"));
}

TEST_F(HubTest, TheServicesOwnIsSeenOnlyFromWithin) {
  const WatchId root = Add("/", Scope::kSubtree);
  const WatchId children = Add("/", Scope::kChildren);
  const WatchId within = Add("/.synod", Scope::kSubtree);
  const WatchId node = Add("/.synod/locks/x", Scope::kNode);
  const WatchId beside = Add("/.synodx", Scope::kSubtree);
  Put("/.synod/locks/x", "1");
  Put("/.synodx", "2");
  for (const bool again : {false, true}) {
    // Live, and from the history.
    const uint64_t from = again ? 1 : 0;
    const auto see = [&](WatchId live, const char* path, Scope scope) {
      return Drain(again ? Add(path, scope, from) : live);
    };
    EXPECT_THAT(see(root, "/", Scope::kSubtree), ElementsAre("2: put /.synodx 2"));
    EXPECT_THAT(see(children, "/", Scope::kChildren), ElementsAre("2: put /.synodx 2"));
    EXPECT_THAT(see(within, "/.synod", Scope::kSubtree),
                ElementsAre("1: put /.synod, put /.synod/locks, put /.synod/locks/x 1"));
    EXPECT_THAT(see(node, "/.synod/locks/x", Scope::kNode),
                ElementsAre("1: put /.synod/locks/x 1"));
    EXPECT_THAT(see(beside, "/.synodx", Scope::kSubtree), ElementsAre("2: put /.synodx 2"));
  }
}

TEST_F(HubTest, OnlyWatchesThatARevisionConcernsBecomeReadyEachOnce) {
  const WatchId a = Add("/a", Scope::kNode);
  const WatchId b = Add("/b", Scope::kNode);
  const WatchId all = Add("/", Scope::kSubtree);
  EXPECT_FALSE(hub_.HasReady());
  Put("/a");
  Put("/a");
  EXPECT_THAT(hub_.TakeReady(), UnorderedElementsAre(a, all));
  EXPECT_THAT(hub_.TakeReady(), IsEmpty());
  // Not drained: they are known to have something, so they are not named again.
  Put("/b");
  EXPECT_THAT(hub_.TakeReady(), ElementsAre(b));
  Drain(a);
  Put("/a");
  EXPECT_THAT(hub_.TakeReady(), ElementsAre(a));
}

TEST_F(HubTest, ARemovedWatchIsNeverNamed) {
  const WatchId a = Add("/a", Scope::kNode);
  const WatchId also = Add("/a", Scope::kNode);
  Put("/a");
  hub_.Remove(a);
  EXPECT_THAT(hub_.TakeReady(), ElementsAre(also));
  hub_.Remove(also);
  EXPECT_EQ(hub_.size(), 0u);
  Put("/a");
  EXPECT_FALSE(hub_.HasReady());
}

TEST_F(HubTest, AWatchFromThePastReplaysTheHistoryAndGoesOn) {
  Put("/a", "1");
  Put("/b", "2");
  Put("/a", "3");
  const WatchId id = Add("/a", Scope::kNode, 2);
  EXPECT_THAT(hub_.TakeReady(), ElementsAre(id));
  EXPECT_THAT(Drain(id), ElementsAre("3: put /a 3"));
  Put("/a", "4");
  EXPECT_THAT(hub_.TakeReady(), ElementsAre(id));
  EXPECT_THAT(Drain(id), ElementsAre("4: put /a 4"));
}

TEST_F(HubTest, AWatchFromTheFutureIsToldNothingBelowIt) {
  Put("/a", "1");
  const WatchId id = Add("/a", Scope::kNode, 4);
  Put("/a", "2");
  Put("/a", "3");
  EXPECT_FALSE(hub_.HasReady());
  EXPECT_THAT(Drain(id), IsEmpty());
  EXPECT_EQ(hub_.Next(id).position, Revision(3));
  Put("/a", "4");
  EXPECT_THAT(hub_.TakeReady(), ElementsAre(id));
  EXPECT_THAT(Drain(id), ElementsAre("4: put /a 4"));
}

TEST_F(HubTest, TheNextChangeIsTheOneAfterNow) {
  Put("/a", "1");
  const WatchId id = Add("/a", Scope::kNode, 0);
  EXPECT_THAT(Drain(id), IsEmpty());
  Put("/a", "2");
  EXPECT_THAT(Drain(id), ElementsAre("2: put /a 2"));
}

TEST_F(HubTest, APositionMovesOnWhileNothingMatches) {
  const WatchId id = Add("/a", Scope::kNode);
  EXPECT_EQ(hub_.Next(id).position, Revision(0));
  Put("/b");
  UseRevision();
  EXPECT_EQ(hub_.Next(id).kind, Hub::Step::Kind::kCaughtUp);
  EXPECT_EQ(hub_.Next(id).position, Revision(2));
}

TEST_F(HubTest, HistoryThatIsGoneCannotBeWatched) {
  Put("/a", "1");
  Put("/a", "2");
  tree_.Compact(Revision(1));
  Spec spec;
  spec.path = "/a";
  const auto id = hub_.Add(spec, Revision(1));
  ASSERT_FALSE(id.has_value());
  EXPECT_EQ(id.error().code, Errc::kCompacted);
  EXPECT_THAT(Drain(Add("/a", Scope::kNode, 2)), ElementsAre("2: put /a 2"));
}

TEST_F(HubTest, AWatchOvertakenByCompactionSaysSoAndIsOver) {
  const WatchId id = Add("/a", Scope::kNode);
  Put("/a", "1");
  Put("/a", "2");
  Put("/a", "3");
  EXPECT_EQ(hub_.Next(id).position, Revision(1));
  tree_.Compact(Revision(2));
  const Hub::Step step = hub_.Next(id);
  EXPECT_EQ(step.kind, Hub::Step::Kind::kCompacted);
  EXPECT_EQ(step.position, Revision(1));
  EXPECT_THAT(Drain(id), ElementsAre("compacted"));
  Put("/a", "4");
  EXPECT_THAT(Drain(id), ElementsAre("compacted"));
}

TEST_F(HubTest, CompactionDoesNotOvertakeAWatchThatHasCaughtUp) {
  const WatchId id = Add("/a", Scope::kNode);
  Put("/a", "1");
  Drain(id);
  for (int i = 0; i < 10; ++i) Put("/b");
  tree_.Compact(Revision(11));
  EXPECT_THAT(Drain(id), IsEmpty());
  Put("/a", "12");
  EXPECT_THAT(Drain(id), ElementsAre("12: put /a 12"));
}

TEST_F(HubTest, ListenersOfOneStreamShareOneMessage) {
  std::set<const Message*> messages;
  std::vector<WatchId> ids;
  for (int i = 0; i < 1000; ++i) ids.push_back(Add("/a", Scope::kSubtree));
  Put("/a/b", "x");
  for (const WatchId id : ids) messages.insert(hub_.Next(id).message.get());
  EXPECT_EQ(messages.size(), 1u);
  // Those who come late, too.
  for (int i = 0; i < 10; ++i)
    messages.insert(hub_.Next(Add("/a", Scope::kSubtree, 1)).message.get());
  EXPECT_EQ(messages.size(), 1u);
}

TEST_F(HubTest, StreamsThatDifferInAnythingShareNothing) {
  Spec plain{"/a", Scope::kSubtree, true, true, false};
  Spec with_prev = plain;
  with_prev.prev = true;
  const WatchId a = Add(plain);
  const WatchId b = Add(with_prev);
  Put("/a", "x");
  const MessageRef of_a = hub_.Next(a).message;
  const MessageRef of_b = hub_.Next(b).message;
  EXPECT_NE(of_a, of_b);
  EXPECT_FALSE(of_a->prev);
  EXPECT_TRUE(of_b->prev);
}

TEST_F(HubTest, AMessageOutlivesItsHistory) {
  const WatchId id = Add("/a", Scope::kNode);
  Put("/a", "1");
  const MessageRef message = hub_.Next(id).message;
  Put("/a", "2");
  tree_.Compact(Revision(2));
  tree_.Compact(Revision(2));
  EXPECT_EQ(Describe(*message), "1: put /a 1");
}

TEST_F(HubTest, ALongSearchIsCutIntoStepsThatMoveOn) {
  constexpr uint64_t kRevisions = 20'000;
  for (uint64_t i = 0; i < kRevisions; ++i) Put("/b");
  Put("/a", "x");
  const WatchId id = Add("/a", Scope::kNode, 1);
  int steps = 0;
  Revision position;
  while (true) {
    EXPECT_THAT(hub_.TakeReady(), ElementsAre(id));
    const Hub::Step step = hub_.Next(id);
    EXPECT_GT(step.position, position);
    position = step.position;
    if (step.kind == Hub::Step::Kind::kMessage)
      break;
    ++steps;
  }
  EXPECT_EQ(position, Revision(kRevisions + 1));
  EXPECT_GT(steps, 3);
  EXPECT_EQ(hub_.Next(id).kind, Hub::Step::Kind::kCaughtUp);
  EXPECT_FALSE(hub_.HasReady());
}

TEST_F(HubTest, ARevisionReadFromTheHistoryIsNotToldAgainWhenPublished) {
  const WatchId id = Add("/a", Scope::kNode);
  Put("/a", "1");
  store::Edit edit = tree_.Begin(Revision(2));
  ASSERT_TRUE(edit.Put("/a", store::Value("2"), std::nullopt, {}));
  const store::RevisionRef second = edit.Commit(ClusterTime(0));
  EXPECT_THAT(Drain(id), ElementsAre("1: put /a 1", "2: put /a 2"));
  hub_.Publish(second);
  EXPECT_THAT(Drain(id), IsEmpty());
  hub_.CheckInvariants();
}

// The state is replaced by a later one: what it skipped comes from the new history.
TEST_F(HubTest, GoesOnInTheHistoryOfAStateThatTookThePlace) {
  Put("/a", "1");
  Put("/b", "2");
  const WatchId idle = Add("/a", Scope::kNode);
  const WatchId behind = Add("/b", Scope::kNode, 2);
  Put("/c", "3");
  store::Tree later;
  const auto put = [&](std::string_view path, std::string_view value) {
    store::Edit edit = later.Begin(later.last_revision() + 1);
    EXPECT_TRUE(edit.Put(path, store::Value(value), std::nullopt, {}));
    edit.Commit(ClusterTime(0));
  };
  put("/a", "1");
  put("/b", "2");
  put("/c", "3");
  put("/a", "4");
  put("/b", "5");
  hub_.Rebase(&later);
  EXPECT_THAT(hub_.TakeReady(), testing::UnorderedElementsAre(idle, behind));
  EXPECT_THAT(Drain(idle), ElementsAre("4: put /a 4"));
  EXPECT_THAT(Drain(behind), ElementsAre("2: put /b 2", "5: put /b 5"));
  hub_.CheckInvariants();
}

TEST_F(HubTest, IsOverWhereTheNewHistoryDoesNotReachBack) {
  Put("/a", "1");
  const WatchId id = Add("/a", Scope::kNode);
  store::Tree later;
  for (int i = 0; i < 5; ++i) {
    store::Edit edit = later.Begin(later.last_revision() + 1);
    EXPECT_TRUE(edit.Put("/a", store::Value("x"), std::nullopt, {}));
    edit.Commit(ClusterTime(0));
  }
  later.Compact(Revision(3));
  hub_.Rebase(&later);
  EXPECT_THAT(Drain(id), ElementsAre("compacted"));
}

}  // namespace
}  // namespace synod::watch
