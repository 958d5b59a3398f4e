// WebSockets of watches: the handshake, the messages of a client, and the answers.
#include "src/api/watch_socket.h"

#include "tests/unit/api/fixture.h"

namespace synod::api {
namespace {

const HeaderList kUpgrade = {{"upgrade", "websocket"},
                             {"connection", "Upgrade"},
                             {"sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="},
                             {"sec-websocket-version", "13"}};

HeaderList With(const std::string& name, const std::string& value) {
  HeaderList headers;
  for (const auto& header : kUpgrade)
    if (header.first != name)
      headers.push_back(header);
  headers.emplace_back(name, value);
  return headers;
}

std::string VerdictOf(const HeaderList& headers) {
  return Verdict(Parse("GET", "/v1/watch", headers));
}

TEST(WatchSocketTest, TakesTheHandshakeInAllItsSpellings) {
  EXPECT_EQ(VerdictOf(kUpgrade), "call");
  EXPECT_EQ(VerdictOf(With("upgrade", "WebSocket")), "call");
  EXPECT_EQ(VerdictOf(With("upgrade", "h2c, websocket")), "call");
  EXPECT_EQ(VerdictOf(With("connection", "keep-alive ,\tUPGRADE")), "call");
  HeaderList twice = With("connection", "keep-alive");
  twice.emplace_back("connection", "upgrade");
  EXPECT_EQ(VerdictOf(twice), "call");
  EXPECT_EQ(VerdictOf(With("sec-websocket-extensions", "permessage-deflate")), "call");
}

TEST(WatchSocketTest, RefusesWhatIsNoHandshakeOfThisVersion) {
  const std::string refused = "400 invalid_request";
  EXPECT_EQ(VerdictOf(With("upgrade", "h2c")), refused);
  EXPECT_EQ(VerdictOf(With("upgrade", "websockets")), refused);
  EXPECT_EQ(VerdictOf(With("connection", "keep-alive")), refused);
  EXPECT_EQ(VerdictOf(With("connection", "")), refused);
  EXPECT_EQ(VerdictOf(With("sec-websocket-key", "")), refused);
  EXPECT_EQ(VerdictOf(With("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ")), refused);
  EXPECT_EQ(VerdictOf(With("sec-websocket-key", "c2hvcnQ=")), refused);
  EXPECT_EQ(VerdictOf(With("sec-websocket-protocol", "chat")), refused);
  const net::HttpResponse version =
      Refused(Parse("GET", "/v1/watch", With("sec-websocket-version", "8")));
  EXPECT_EQ(Verdict(version), refused);
  EXPECT_EQ(HeaderOf(version, "Sec-WebSocket-Version"), "13");
  EXPECT_EQ(
      HeaderOf(Refused(Parse("GET", "/v1/watch", With("upgrade", "x"))), "Sec-WebSocket-Version"),
      "<absent>");
  net::HttpRequest old = Http("GET", "/v1/watch", kUpgrade);
  old.http_1_0 = true;
  EXPECT_EQ(Verdict(Parse(old)), refused);
}

TEST(WatchSocketTest, TheUpgradeIsAGetWithoutAnythingElse) {
  HeaderList fence = kUpgrade;
  fence.emplace_back("synod-fence", "/a=1");
  ExpectVerdicts({
      {"GET", "/v1/watch", {}, "", "404 not_found"},
      {"POST", "/v1/watch", kUpgrade, "", "405 method_not_allowed"},
      {"HEAD", "/v1/watch", kUpgrade, "", "405 method_not_allowed"},
      {"GET", "/v1/watch?path=/a", kUpgrade, "", "400 invalid_request"},
      {"GET", "/v1/watch", kUpgrade, "{}", "400 invalid_request"},
      {"GET", "/v1/watch", fence, "", "400 invalid_request"},
      // A path makes it the watch of that path, whatever else is offered.
      {"GET", "/v1/watch/a", kUpgrade, "", "call"},
  });
}

std::optional<uint64_t> IdOf(std::string_view text) {
  std::optional<uint64_t> id;
  const Result<SocketRequest> request = ParseSocketRequest(text, &id);
  EXPECT_FALSE(request) << text;
  return id;
}

TEST(WatchSocketTest, AWatchHasTheParametersOfTheQuery) {
  std::optional<uint64_t> id;
  const Result<SocketRequest> plain =
      ParseSocketRequest(R"({"op":"watch","id":0,"path":"/a"})", &id);
  ASSERT_TRUE(plain);
  EXPECT_EQ(id, 0u);
  EXPECT_EQ(plain->id, 0u);
  const WatchCall& w = plain->watch.value();
  EXPECT_EQ(w.spec.path, "/a");
  EXPECT_EQ(w.spec.scope, watch::Scope::kNode);
  EXPECT_TRUE(w.spec.puts && w.spec.deletes && !w.spec.prev && !w.render.base64);
  EXPECT_EQ(w.from_revision, Revision());
  EXPECT_EQ(w.timeout_ms, 5000);
  EXPECT_EQ(w.format, StreamFormat::kNdjson);
  const Result<SocketRequest> full = ParseSocketRequest(
      R"({"id":9007199254740991,"op":"watch","path":"/a b/é","scope":"subtree",)"
      R"("from_revision":5,"prev":true,"filter":"delete","encoding":"base64","timeout_ms":7})",
      &id);
  ASSERT_TRUE(full);
  const WatchCall& f = full->watch.value();
  EXPECT_EQ(full->id, 9007199254740991u);
  EXPECT_EQ(f.spec.path, "/a b/é");
  EXPECT_EQ(f.spec.scope, watch::Scope::kSubtree);
  EXPECT_TRUE(!f.spec.puts && f.spec.deletes && f.spec.prev && f.render.base64);
  EXPECT_EQ(f.from_revision, Revision(5));
  EXPECT_EQ(f.timeout_ms, 7);
}

TEST(WatchSocketTest, ACancelIsAnIdAndNothingMore) {
  std::optional<uint64_t> id;
  const Result<SocketRequest> request = ParseSocketRequest(R"({"op":"cancel","id":3})", &id);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->id, 3u);
  EXPECT_FALSE(request->watch);
  EXPECT_EQ(IdOf(R"({"op":"cancel","id":3,"path":"/a"})"), 3u);
}

TEST(WatchSocketTest, ARefusalKnowsTheIdWheneverThereIsOne) {
  for (const char* text :
       {"", "[]", "{}", R"({"op":"watch"})", R"({"op":"watch","id":"7","path":"/a"})",
        R"({"op":"watch","id":-7,"path":"/a"})", R"({"op":"watch","id":7.5,"path":"/a"})",
        R"({"op":"watch","id":9007199254740992,"path":"/a"})", R"({"id":7,"id":7,"op":"cancel"})"})
    EXPECT_EQ(IdOf(text), std::nullopt) << text;
  for (const char* rest :
       {R"()", R"(,"op":"subscribe")", R"(,"op":1)", R"(,"op":"watch")",
        R"(,"op":"watch","path":"a")", R"(,"op":"watch","path":"/a","scop":"node")",
        R"(,"op":"watch","path":"/a","scope":"all")", R"(,"op":"watch","path":"/a","scope":1)",
        R"(,"op":"watch","path":"/a","filter":"")", R"(,"op":"watch","path":"/a","prev":"true")",
        R"(,"op":"watch","path":"/a","from_revision":0)",
        R"(,"op":"watch","path":"/a","encoding":"utf8")",
        R"(,"op":"watch","path":"/a","wait_ms":10)",
        R"(,"op":"watch","path":"/a","timeout_ms":60001)"})
    EXPECT_EQ(IdOf("{\"id\":7" + std::string(rest) + "}"), 7u) << rest;
}

TEST(WatchSocketTest, AnswersNameTheId) {
  EXPECT_EQ(RenderSocketCreated(7, Revision(41)), R"({"id":7,"op":"created","revision":41})");
  EXPECT_EQ(RenderSocketCanceled(0), R"({"id":0,"op":"canceled"})");
  const Error error{Errc::kNotFound, Outcome::kNotApplied, "no \"watch\""};
  EXPECT_EQ(RenderSocketError(7, error, Revision(3)),
            R"({"id":7,"op":"error","code":"not_found","detail":"no \"watch\""})");
  EXPECT_EQ(
      RenderSocketError(std::nullopt, {Errc::kCompacted, Outcome::kNotApplied, "x"}, Revision(3)),
      R"({"id":null,"op":"error","code":"compacted","detail":"x","compact_revision":3})");
  EXPECT_EQ(RenderSocketError(1, {Errc::kTooLarge, Outcome::kNotApplied, "x"}, Revision(3)),
            R"({"id":1,"op":"error","code":"too_large","detail":"x","limit":10000})");
}

TEST(WatchSocketTest, AMessageIsTheTextOfTheOthersWithItsIdInFront) {
  const std::string ndjson = RenderProgress(StreamFormat::kNdjson, Revision(50));
  EXPECT_EQ(SocketPrefix(17) + std::string(SocketRest(ndjson)),
            R"({"id":17,"type":"progress","revision":50})");
}

TEST(WatchSocketTest, TheHeadHasTheFieldsOfEveryAnswer) {
  const net::HttpResponse head = RenderSocketHead({}, TestContext());
  EXPECT_EQ(head.status, 101);
  EXPECT_EQ(HeaderOf(head, "Synod-Node"), "2");
}

}  // namespace
}  // namespace synod::api
