// /v1/watch: parameters, resuming, and what Accept chooses.
#include "src/api/accept.h"
#include "tests/unit/api/fixture.h"

namespace synod::api {
namespace {

const std::string kBadRequest = "400 invalid_request";

WatchCall Watch(std::string query, HeaderList headers = {}) {
  return Expect<WatchCall>(Parse("GET", "/v1/watch/a" + query, std::move(headers)));
}

TEST(WatchCallsTest, WatchesTheNodeFromTheNextChangeByDefault) {
  const WatchCall call = Watch("");
  EXPECT_EQ(call.spec.path, "/a");
  EXPECT_EQ(call.spec.scope, watch::Scope::kNode);
  EXPECT_TRUE(call.spec.puts);
  EXPECT_TRUE(call.spec.deletes);
  EXPECT_FALSE(call.spec.prev);
  EXPECT_EQ(call.from_revision, Revision(0));
  EXPECT_EQ(call.format, StreamFormat::kSse);
  EXPECT_EQ(Expect<WatchCall>(Parse("GET", "/v1/watch/")).spec.path, "/");
}

TEST(WatchCallsTest, TakesScopeFilterAndPrev) {
  EXPECT_EQ(Watch("?scope=node").spec.scope, watch::Scope::kNode);
  EXPECT_EQ(Watch("?scope=children").spec.scope, watch::Scope::kChildren);
  EXPECT_EQ(Watch("?scope=subtree").spec.scope, watch::Scope::kSubtree);
  EXPECT_TRUE(Watch("?prev=true").spec.prev);
  const WatchCall puts = Watch("?filter=put");
  EXPECT_TRUE(puts.spec.puts);
  EXPECT_FALSE(puts.spec.deletes);
  const WatchCall deletes = Watch("?filter=delete");
  EXPECT_FALSE(deletes.spec.puts);
  EXPECT_TRUE(deletes.spec.deletes);
  const WatchCall both = Watch("?filter=put%2Cdelete");
  EXPECT_TRUE(both.spec.puts);
  EXPECT_TRUE(both.spec.deletes);
  ExpectVerdicts({
      {"GET", "/v1/watch/a?scope=all", {}, "", kBadRequest},
      {"GET", "/v1/watch/a?filter=", {}, "", kBadRequest},
      {"GET", "/v1/watch/a?filter=puts", {}, "", kBadRequest},
      {"GET", "/v1/watch/a?filter=put,put", {}, "", kBadRequest},
      {"GET", "/v1/watch/a?filter=put,", {}, "", kBadRequest},
      {"GET", "/v1/watch/a?prev=yes", {}, "", kBadRequest},
      {"GET", "/v1/watch/a?recursive=true", {}, "", kBadRequest},
  });
}

TEST(WatchCallsTest, ResumesAfterTheLastEventIdWhichBeatsFromRevision) {
  EXPECT_EQ(Watch("?from_revision=5").from_revision, Revision(5));
  EXPECT_EQ(Watch("?from_revision=5", {{"last-event-id", "17"}}).from_revision, Revision(18));
  EXPECT_EQ(Watch("", {{"last-event-id", "0"}}).from_revision, Revision(1));
  EXPECT_EQ(Watch("?from_revision=5", {{"last-event-id", ""}}).from_revision, Revision(5));
  ExpectVerdicts({
      {"GET", "/v1/watch/a?from_revision=0", {}, "", kBadRequest},
      {"GET", "/v1/watch/a?from_revision=-1", {}, "", kBadRequest},
      {"GET", "/v1/watch/a", {{"last-event-id", "x"}}, "", kBadRequest},
      {"GET", "/v1/watch/a", {{"last-event-id", "9007199254740991"}}, "", kBadRequest},
  });
}

TEST(WatchCallsTest, LongPollsTakeAWait) {
  const HeaderList json = {{"accept", "application/json"}};
  EXPECT_EQ(Watch("", json).format, StreamFormat::kLongPoll);
  EXPECT_EQ(Watch("", json).wait_ms, 30'000);
  EXPECT_EQ(Watch("?wait_ms=0", json).wait_ms, 0);
  EXPECT_EQ(Verdict(Parse("GET", "/v1/watch/a?wait_ms=86400001", json)), kBadRequest);
  EXPECT_EQ(Verdict(Parse("GET", "/v1/watch/a?wait_ms=5")), kBadRequest);
}

TEST(WatchCallsTest, HeadOfAStreamIsItsHead) {
  const net::HttpResponse head = Refused(Parse("HEAD", "/v1/watch/a"));
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.content_type, "text/event-stream");
  EXPECT_EQ(HeaderOf(head, "Cache-Control"), "no-store");
  const net::HttpResponse poll =
      Refused(Parse("HEAD", "/v1/watch/a", {{"accept", "application/json"}}));
  EXPECT_EQ(poll.status, 200);
  EXPECT_EQ(poll.content_type, "application/json");
  EXPECT_EQ(Refused(Parse("HEAD", "/v1/elections/a/observe")).content_type, "text/event-stream");
}

TEST(AcceptTest, ChoosesByWeightThenPrecisionThenPreference) {
  const auto kSse = StreamFormat::kSse;
  const auto kNdjson = StreamFormat::kNdjson;
  const auto kPoll = StreamFormat::kLongPoll;
  const struct {
    const char* accept;
    std::optional<StreamFormat> chosen;
  } cases[] = {
      {"*/*", kSse},
      {"text/event-stream", kSse},
      {"text/*", kSse},
      {"application/x-ndjson", kNdjson},
      {"application/json", kPoll},
      {"application/*", kNdjson},
      {"APPLICATION/JSON", kPoll},
      {"application/json;charset=utf-8", kPoll},
      {"application/json, */*", kPoll},
      {"application/json, text/plain, */*", kPoll},
      {"application/json;q=0.5, */*;q=0.9", kSse},
      {"text/event-stream;q=0.5, application/x-ndjson;q=0.6", kNdjson},
      {"text/event-stream;q=0, */*", kNdjson},
      {"application/json , application/x-ndjson", kNdjson},
      {"text/html, application/json;q=0.1", kPoll},
      {"application/json;q=x, application/x-ndjson", kNdjson},
      {"text/html", std::nullopt},
      {"*/*;q=0", std::nullopt},
      {"text/event-stream;q=0.000", std::nullopt},
      {"garbage", std::nullopt},
      {"*/json", std::nullopt},
      {",,", std::nullopt},
  };
  for (const auto& c : cases) EXPECT_EQ(ChooseFormat({c.accept}, true), c.chosen) << c.accept;
  EXPECT_EQ(ChooseFormat({}, true), kSse);
  EXPECT_EQ(ChooseFormat({"text/html", "application/json"}, true), kPoll);
  EXPECT_EQ(ChooseFormat({"application/json"}, false), std::nullopt);
}

TEST(AcceptTest, NothingAcceptableIs406) {
  EXPECT_EQ(Verdict(Parse("GET", "/v1/watch/a", {{"accept", "text/html"}})), "406 not_acceptable");
  EXPECT_EQ(Verdict(Parse("GET", "/v1/watch/a", {{"accept", ""}})), "call");
  EXPECT_EQ(Verdict(Parse("GET", "/v1/kv/a", {{"accept", "text/html"}})), "call");
}

TEST(StreamHeadTest, HeadOfWhatHasNoEndSaysNoLength) {
  const std::pair<const char*, const char*> cases[] = {
      {"/v1/watch/a", "text/event-stream"},
      {"/v1/watch/a", "application/x-ndjson"},
      {"/v1/watch/a", "application/json"},
      {"/v1/elections/a/observe", "text/event-stream"}};
  for (const auto& [target, type] : cases) {
    const auto answer = Parse("HEAD", target, {{"accept", type}});
    const auto* head = std::get_if<net::HttpResponse>(&answer);
    ASSERT_NE(head, nullptr) << target;
    EXPECT_EQ(head->status, 200);
    EXPECT_EQ(head->content_type, type);
    EXPECT_TRUE(head->no_length) << target << " " << type;
  }
}

TEST(PlainCallsTest, EachPathHasItsKind) {
  using Kind = PlainCall::Kind;
  const std::pair<const char*, Kind> cases[] = {
      {"/v1/status", Kind::kStatus}, {"/v1/cluster", Kind::kCluster}, {"/metrics", Kind::kMetrics},
      {"/version", Kind::kVersion},  {"/livez", Kind::kLivez},        {"/readyz", Kind::kReadyz},
      {"/healthz", Kind::kHealthz}};
  for (const auto& [target, kind] : cases)
    for (const char* method : {"GET", "HEAD"})
      EXPECT_EQ(Expect<PlainCall>(Parse(method, target)).kind, kind) << target;
}

TEST(PlainCallsTest, WhatTellsOfTheClusterTakesAConsistency) {
  for (const std::string path : {"/v1/status", "/v1/cluster"}) {
    EXPECT_EQ(Expect<PlainCall>(Parse("GET", path)).fresh, std::nullopt);
    const auto round = Expect<PlainCall>(Parse("GET", path + "?consistency=linearizable")).fresh;
    ASSERT_TRUE(round);
    EXPECT_TRUE(round->NeedsRound());
    const auto local =
        Expect<PlainCall>(Parse("GET", path + "?consistency=sequential&min_revision=7")).fresh;
    ASSERT_TRUE(local);
    EXPECT_FALSE(local->NeedsRound());
    EXPECT_EQ(local->min_revision, Revision(7));
    EXPECT_EQ(Verdict(Parse("GET", path + "?consistency=strong")), "400 invalid_request");
    EXPECT_EQ(Verdict(Parse("GET", path + "?min_revision=7")), "400 invalid_request");
  }
  EXPECT_EQ(Verdict(Parse("GET", "/livez?consistency=sequential")), "400 invalid_request");
}

TEST(SnapshotCallTest, TakesATimeoutAConsistencyAndNothingElse) {
  EXPECT_EQ(Expect<SnapshotCall>(Parse("GET", "/v1/snapshot?timeout_ms=70")).timeout_ms, 70);
  EXPECT_FALSE(
      Expect<SnapshotCall>(Parse("GET", "/v1/snapshot?consistency=sequential")).fresh.NeedsRound());
  EXPECT_TRUE(Expect<SnapshotCall>(Parse("GET", "/v1/snapshot")).fresh.NeedsRound());
  EXPECT_EQ(Verdict(Parse("GET", "/v1/snapshot", {{"if-match", "\"3\""}})), "400 invalid_request");
}

TEST(SnapshotCallTest, TheHeadNamesTheRevisionAndAFile) {
  Context context;
  context.revision = Revision(25);
  const net::HttpResponse head = RenderSnapshotHead({}, context);
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.content_type, "application/octet-stream");
  EXPECT_TRUE(head.body.empty());
  EXPECT_EQ(HeaderOf(head, "Synod-Revision"), "25");
  EXPECT_EQ(HeaderOf(head, "Content-Disposition"), "attachment; filename=\"synod-25.snap\"");
}

}  // namespace
}  // namespace synod::api
