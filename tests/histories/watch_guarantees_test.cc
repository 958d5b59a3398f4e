// Deliveries that break one of the guarantees of watches, and those that break none.
#include "tests/histories/watch_guarantees.h"

#include "tests/histories/expect_complaint.h"

namespace synod::histories {
namespace {

using Scope = WatchSpec::Scope;

WatchedNode Node(const char* value, uint64_t version, uint64_t created, uint64_t changed) {
  return {value, version, created, changed};
}
WatchedEvent Put(const char* path, WatchedNode node, std::optional<WatchedNode> prev = {}) {
  return {path, std::move(node), std::move(prev)};
}
WatchedEvent Delete(const char* path, std::optional<WatchedNode> prev = {}) {
  return {path, std::nullopt, std::move(prev)};
}

const WatchedNode kA1 = Node("a1", 1, 3, 3);
const WatchedNode kA2 = Node("a2", 2, 3, 7);
const WatchedNode kB1 = Node("b1", 1, 5, 5);
const WatchedNode kB2 = Node("b2", 2, 5, 7);

// What happened: a, b, both at once, b gone, a gone.
const std::vector<WatchedRevision> kHistory = {
    {3, {Put("/w/a", kA1)}},
    {5, {Put("/w/b", kB1)}},
    {7, {Put("/w/a", kA2, kA1), Put("/w/b", kB2, kB1)}},
    {9, {Delete("/w/b", kB2)}},
    {11, {Delete("/w/a", kA2)}},
};
const WatchedWrites kWrites = {{{3, "/w/a", "a1"}, {7, "/w/b", "b2"}, {9, "/w/b", std::nullopt}},
                               {"a1", "a2", "a3", "b1", "b2"}};

// As a watch gets them without `prev`.
const WatchMessage kAt3{3, {Put("/w/a", kA1)}};
const WatchMessage kAt5{5, {Put("/w/b", kB1)}};
const WatchMessage kAt7{7, {Put("/w/a", kA2), Put("/w/b", kB2)}};
const WatchMessage kAt9{9, {Delete("/w/b")}};
const WatchMessage kAt11{11, {Delete("/w/a")}};

WatchMessage Progress(uint64_t revision) { return {.revision = revision}; }
WatchSession From(uint64_t from, std::vector<WatchMessage> messages) {
  return {.from = from, .created = 20, .messages = std::move(messages)};
}
WatchSession Anew(WatchSession session) {
  session.anew = true;
  return session;
}
WatchSession GoOnFrom(uint64_t revision, WatchSession session) {
  session.end = "overflow";
  session.resume_from = revision;
  return session;
}
WatchSession Compacted(uint64_t revision, uint64_t asked, WatchSession session) {
  session.compacted = revision;
  session.compaction_asked = asked;
  return session;
}

struct WatchCase {
  const char* name;
  WatchSpec spec;
  std::vector<WatchSession> sessions;
  const char* complaint;
};

class WatchGuaranteesTest : public testing::TestWithParam<WatchCase> {};

TEST_P(WatchGuaranteesTest, Judges) {
  WatchRecord record{"w", GetParam().spec, GetParam().sessions};
  record.sessions.front().anew = true;
  ExpectComplaint(JudgeWatch(kHistory, record), GetParam().complaint);
}

const WatchSpec kAll = {"/w"};

const WatchCase kWatches[] = {
    {"AllThereIs", kAll, {From(1, {kAt3, kAt5, kAt7, kAt9, kAt11, Progress(15)})}, ""},
    {"AResumeAtAnotherNode", kAll, {From(1, {kAt3, kAt5}), From(6, {kAt7, kAt9, kAt11})}, ""},
    {"AResumeAfterAProgressMark", kAll, {From(1, {kAt3, Progress(4)}), From(5, {kAt5})}, ""},
    {"AProgressMarkAtWhatCameLast", kAll, {From(1, {kAt3, Progress(3), kAt5})}, ""},
    {"AnOverflowAndItsResume", kAll, {GoOnFrom(6, From(1, {kAt3, kAt5})), From(6, {kAt7})}, ""},
    {"AnythingAfterAListOfIt", kAll, {From(1, {kAt3}), Anew(From(9, {kAt9}))}, ""},
    {"CompactedAndAnew", kAll, {Compacted(5, 5, From(1, {kAt3})), Anew(From(8, {kAt9}))}, ""},
    {"OneNodeAlone", {"/w/a", Scope::kNode}, {From(1, {kAt3, {7, {Put("/w/a", kA2)}}, kAt11})}, ""},
    {"OnlyDeletes", {.path = "/w", .puts = false}, {From(1, {kAt9, kAt11})}, ""},
    {"ChildrenWithPrev",
     {.path = "/w", .scope = Scope::kChildren, .prev = true},
     {From(6, {{7, kHistory[2].events}, {9, kHistory[3].events}})},
     ""},
    {"ARecordWithAHole", kAll, {From(1, {kAt3}), From(9, {kAt9})}, "went on at 9 after 3"},
    // Ordered.
    {"WhatIsOlderThanAskedFor", kAll, {From(1, {kAt3}), From(4, {kAt3, kAt5})}, "3 after 3"},
    {"ARevisionBelowAProgressMark",
     kAll,
     {From(1, {kAt3, kAt5, Progress(6)}), From(7, {kAt7, Progress(6)})},
     "a progress mark 6 after revision 7"},
    // Unique.
    {"ADuplicate", kAll, {From(1, {kAt3, kAt5, kAt5})}, "has revision 5 twice"},
    // Atomic.
    {"ATornRevision", kAll, {From(6, {{7, {Put("/w/a", kA2)}}})}, "revision 7 torn"},
    {"EventsOutOfPathOrder",
     kAll,
     {From(6, {{7, {Put("/w/b", kB2), Put("/w/a", kA2)}}})},
     "revision 7 torn"},
    // Reliable.
    {"AMissingRevision", kAll, {From(1, {kAt3, kAt7})}, "misses revision 5 before 7"},
    {"ARevisionThatNeverWas",
     kAll,
     {From(1, {kAt3, {4, {Delete("/w/a")}}})},
     "has revision 4, which changed nothing of it"},
    {"AChangeOutOfScope",
     {"/w/a", Scope::kNode},
     {From(1, {kAt3, kAt5})},
     "has revision 5, which changed nothing of it"},
    {"AnotherValue", kAll, {From(1, {{3, {Put("/w/a", Node("z", 1, 3, 3))}}})}, "/w/a 'z'"},
    {"AnotherCause",
     kAll,
     {From(8, {{9, {{"/w/b", std::nullopt, std::nullopt, "expired"}}}})},
     "by expired instead of"},
    {"AWrongPrev",
     {.path = "/w/a", .prev = true},
     {From(4, {{7, {Put("/w/a", kA2, kB1)}}})},
     "prev 'b1'"},
    {"APrevThatIsMissing",
     {.path = "/w/a", .prev = true},
     {From(4, {{7, {Put("/w/a", kA2)}}})},
     "prev none by client instead of"},
    // Resumable.
    {"AGapOverAResume",
     kAll,
     {From(1, {kAt3}), From(4, {kAt7})},
     "the stream from 4 misses revision 5 before 7"},
    {"AnOverflowThatSkips",
     kAll,
     {GoOnFrom(8, From(1, {kAt3, kAt5})), From(8, {kAt9})},
     "misses revision 7 and is told to go on from 8"},
    {"AnOverflowThatRepeats",
     kAll,
     {GoOnFrom(5, From(1, {kAt3, kAt5}))},
     "is told to go on from 5 and has had 5"},
    {"AHistoryThatIsGoneTooSoon",
     kAll,
     {Compacted(3, 5, From(1, {kAt3, kAt5}))},
     "has had 5 and ended as compacted up to 3"},
    {"ACompactionThatNobodyAskedFor",
     kAll,
     {Compacted(8, 5, From(1, {kAt3}))},
     "only 5 was asked for"},
    // Bookmarkable.
    {"AProgressMarkThatIsTooHigh",
     kAll,
     {From(1, {kAt3, Progress(6)})},
     "misses revision 5 before its progress mark 6"},
    {"AnIdThatIsTooHigh", kAll, {From(1, {{3, kAt3.events, 5}})}, "has the id 5 at revision 3"},
    {"ABeginningThatIsTooHigh",
     kAll,
     {{.from = 4, .anew = true, .created = 20, .created_id = 20}},
     "a resume after 20 loses nothing"},
    {"ABeginningInThePast",
     kAll,
     {{.anew = true, .acknowledged = 9, .created = 8}},
     "was created at 8, and 9 was acknowledged before"},
};

INSTANTIATE_TEST_SUITE_P(Histories,
                         WatchGuaranteesTest,
                         testing::ValuesIn(kWatches),
                         NameOf<WatchCase>);

TEST(WatchOrderTest, ARevisionThatComesTooLateIsMissedAndThenOutOfOrder) {
  EXPECT_THAT(JudgeWatch(kHistory, {"w", kAll, {Anew(From(4, {kAt7, kAt5, kAt9}))}}),
              testing::ElementsAre("w: the stream from 4 misses revision 5 before 7",
                                   "w: the stream from 4 has revision 5 after 7"));
}

struct HistoryCase {
  const char* name;
  std::vector<WatchedRevision> history;
  const char* complaint;
};

class WatchedHistoryTest : public testing::TestWithParam<HistoryCase> {};

TEST_P(WatchedHistoryTest, Judges) {
  ExpectComplaint(JudgeHistory(GetParam().history, kWrites), GetParam().complaint);
}

// kHistory with other events at a revision; none: without it.
std::vector<WatchedRevision> With(uint64_t revision, std::vector<WatchedEvent> events) {
  std::vector<WatchedRevision> history = kHistory;
  std::erase_if(history, [&](WatchedRevision& r) {
    if (r.revision == revision)
      r.events = events;
    return r.events.empty();
  });
  return history;
}

const HistoryCase kHistories[] = {
    {"AsItWas", kHistory, ""},
    {"AnAcknowledgedChangeThatIsMissing",
     {kHistory[0], kHistory[1], kHistory[2]},
     "the change of /w/b that was acknowledged at revision 9 is missing"},
    {"AValueThatNobodyWrote",
     {kHistory[0],
      kHistory[1],
      kHistory[2],
      kHistory[3],
      {10, {Put("/w/c", Node("c", 1, 10, 10))}}},
     "has a value that nobody wrote"},
    {"AValueThatIsWrittenTwice",
     {kHistory[0],
      kHistory[1],
      kHistory[2],
      kHistory[3],
      {10, {Put("/w/a", Node("a2", 3, 3, 10), kA2)}}},
     "was written before"},
    {"APrevThatItWasNot", With(9, {Delete("/w/b", kB1)}), "and it was 'b2'"},
    {"ADeleteOfNothing", With(11, {Delete("/w/c")}), "deletes what is not there"},
    {"AVersionThatIsSkipped", With(11, {Put("/w/a", Node("a3", 4, 3, 11), kA2)}),
     "has another version than the next"},
    {"EventsOutOfOrder", With(7, {Put("/w/b", kB2, kB1), Put("/w/a", kA2, kA1)}),
     "is not in path order"},
};

INSTANTIATE_TEST_SUITE_P(Histories,
                         WatchedHistoryTest,
                         testing::ValuesIn(kHistories),
                         NameOf<HistoryCase>);

struct ListCase {
  const char* name;
  WatchedList list;
  const char* complaint;
};

class WatchedListTest : public testing::TestWithParam<ListCase> {};

TEST_P(WatchedListTest, Judges) {
  ExpectComplaint(JudgeLists(kHistory, {GetParam().list}), GetParam().complaint);
}

const ListCase kLists[] = {
    {"AtARevision", {"/w", 7, {{"/w/a", kA2}, {"/w/b", kB2}}}, ""},
    {"BetweenTwo", {"/w", 10, {{"/w/a", kA2}}}, ""},
    {"NothingBeforeTheFirst", {"/w", 2, {}}, ""},
    {"NothingBelowALeaf", {"/w/a", 7, {}}, ""},
    {"ANodeThatIsMissing", {"/w", 7, {{"/w/b", kB2}}}, "has and not /w/a"},
    {"ANodeThatIsGone", {"/w", 9, {{"/w/a", kA2}, {"/w/b", kB2}}}, "has /w/b"},
    {"AnOlderNode", {"/w", 7, {{"/w/a", kA1}, {"/w/b", kB2}}}, "has /w/a 'a1'"},
};

INSTANTIATE_TEST_SUITE_P(Histories, WatchedListTest, testing::ValuesIn(kLists), NameOf<ListCase>);

}  // namespace
}  // namespace synod::histories
