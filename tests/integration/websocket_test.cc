// Watches over WebSockets on three nodes: many on one connection, resume elsewhere, what is
// refused, how they end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <map>

#include "tests/integration/cluster_test_base.h"
#include "tests/support/websocket_client.h"

namespace synod::integration {
namespace {

namespace json = boost::json;

const Headers kUpgrade = {{"Upgrade", "websocket"},
                          {"Connection", "keep-alive, Upgrade"},
                          {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
                          {"Sec-WebSocket-Version", "13"}};

class WebSocketTest : public ClusterTest<3> {
 protected:
  static json::object Next(WebSocketClient& socket) {
    const std::optional<std::string> text = socket.Next();
    if (!text)
      throw HttpFailure("the WebSocket ended with " + std::to_string(socket.close_code()));
    return json::parse(*text).as_object();
  }
  // The next that is no progress.
  static json::object NextOfMany(WebSocketClient& socket) {
    while (true) {
      json::object message = Next(socket);
      if (!message.contains("type") || message.at("type").as_string() != "progress")
        return message;
    }
  }
  static json::object Ask(WebSocketClient& socket, const std::string& text) {
    socket.Send(text);
    return NextOfMany(socket);
  }
  static std::string Watch(uint64_t id, const std::string& path, const std::string& more = "") {
    return R"({"op":"watch","id":)" + std::to_string(id) + R"(,"path":")" + path + "\"" + more +
           "}";
  }
  static uint64_t Number(const json::object& message, std::string_view field) {
    return message.at(field).to_number<uint64_t>();
  }
  static std::string Text(const json::object& message, std::string_view field) {
    return std::string(message.at(field).as_string());
  }
};

TEST_F(WebSocketTest, CarriesManyWatchesOverOneConnection) {
  WebSocketClient socket(port(1), "/v1/watch");
  EXPECT_EQ(socket.Header("Synod-Node"), "2");
  const uint64_t before = Put("/ws1/a", "0").Revision();
  const json::object created = Ask(socket, Watch(1, "/ws1/a"));
  EXPECT_EQ(Number(created, "id"), 1U);
  EXPECT_EQ(Text(created, "op"), "created");
  EXPECT_GE(Number(created, "revision"), before);
  EXPECT_EQ(Text(Ask(socket, Watch(2, "/ws1", R"(,"scope":"children","prev":true)")), "op"),
            "created");
  EXPECT_EQ(Text(Ask(socket, Watch(9007199254740991, "/ws1/b", R"(,"encoding":"base64")")), "op"),
            "created");
  const uint64_t put = Put("/ws1/a", "1", 2).Revision();
  std::map<uint64_t, json::object> seen;
  for (int i = 0; i < 2; ++i) {
    const json::object change = NextOfMany(socket);
    EXPECT_EQ(Text(change, "type"), "change");
    EXPECT_EQ(Number(change, "revision"), put);
    seen[Number(change, "id")] = change;
  }
  EXPECT_EQ(seen.at(1).at("events").at(0).at("node").at("value").as_string(), "1");
  EXPECT_FALSE(seen.at(1).at("events").at(0).as_object().contains("prev"));
  EXPECT_EQ(seen.at(2).at("events").at(0).at("prev").at("value").as_string(), "0");
  EXPECT_EQ(json::serialize(Ask(socket, R"({"op":"cancel","id":2})")),
            R"({"id":2,"op":"canceled"})");
  Put("/ws1/b", "x");
  const json::object last = NextOfMany(socket);
  EXPECT_EQ(Number(last, "id"), 9007199254740991U);
  EXPECT_EQ(last.at("events").at(0).at("node").at("value_base64").as_string(), "eA==");
  socket.Close();
}

TEST_F(WebSocketTest, ResumesOnAnotherNodeAndFromAnyRevision) {
  const uint64_t first = Put("/ws2", "1").Revision();
  Put("/ws2", "2");
  const uint64_t third = Put("/ws2", "3").Revision();
  for (int n = 0; n < 3; ++n) {
    WebSocketClient socket(port(n), "/v1/watch");
    const std::string from = R"(,"from_revision":)" + std::to_string(first + 1);
    EXPECT_EQ(Text(Ask(socket, Watch(7, "/ws2", from)), "op"), "created");
    EXPECT_EQ(NextOfMany(socket).at("events").at(0).at("node").at("value").as_string(), "2");
    const json::object last = NextOfMany(socket);
    EXPECT_EQ(Number(last, "revision"), third);
    EXPECT_EQ(last.at("events").at(0).at("node").at("value").as_string(), "3");
  }
}

TEST_F(WebSocketTest, SaysOnItsIdWhatIsWrongWithAMessageAndGoesOn) {
  WebSocketClient socket(port(2), "/v1/watch");
  struct Case {
    std::string text;
    std::string id;
    std::string code;
    std::string detail;
  };
  const std::vector<Case> cases = {
      {"{", "null", "invalid_json", "at byte"},
      {"[]", "null", "invalid_request", "must be a JSON object"},
      {R"({"op":"watch","path":"/a"})", "null", "invalid_request", "id is missing"},
      {R"({"op":"watch","id":"1","path":"/a"})", "null", "invalid_request", "id must be"},
      {R"({"op":"watch","id":1,"id":2,"path":"/a"})", "null", "invalid_json", "appears twice"},
      {R"({"op":"observe","id":1})", "1", "invalid_request", "op must be watch or cancel"},
      {R"({"id":1,"path":"/a"})", "1", "invalid_request", "op is missing"},
      {R"({"op":"watch","id":1})", "1", "invalid_request", "path is missing"},
      {Watch(1, "a"), "1", "invalid_path", "path: "},
      {Watch(1, "/a", R"(,"from_revison":5)"), "1", "invalid_request", "from_revison is not"},
      {Watch(1, "/a", R"(,"from_revision":0)"), "1", "invalid_request", "from_revision must"},
      {Watch(1, "/a", R"(,"scope":"tree")"), "1", "invalid_request", "scope must"},
      {R"({"op":"cancel","id":1})", "1", "not_found", "no watch of this connection has id 1"},
      {R"({"op":"cancel","id":1,"path":"/a"})", "1", "invalid_request", "path is not a field"}};
  for (const Case& c : cases) {
    const json::object answer = Ask(socket, c.text);
    EXPECT_EQ(Text(answer, "op"), "error") << c.text;
    EXPECT_EQ(json::serialize(answer.at("id")), c.id) << c.text;
    EXPECT_EQ(Text(answer, "code"), c.code) << c.text;
    EXPECT_THAT(Text(answer, "detail"), testing::HasSubstr(c.detail)) << c.text;
  }
  EXPECT_EQ(Text(Ask(socket, Watch(1, "/ws3")), "op"), "created");
  // The watch that has the id goes on.
  const json::object duplicate = Ask(socket, Watch(1, "/elsewhere"));
  EXPECT_EQ(Text(duplicate, "code"), "invalid_request");
  Put("/ws3", "x");
  EXPECT_EQ(Number(NextOfMany(socket), "id"), 1U);
}

TEST_F(WebSocketTest, RefusesABadHandshakeBeforeTheUpgrade) {
  const auto without = [](const std::string& name) {
    Headers headers;
    for (const auto& header : kUpgrade)
      if (header.first != name)
        headers.push_back(header);
    return headers;
  };
  const auto with = [](const std::string& name, const std::string& value) {
    Headers headers = kUpgrade;
    for (auto& header : headers)
      if (header.first == name)
        header.second = value;
    return headers;
  };
  const auto refusal = [](const std::string& method, const Headers& headers) {
    return Http(port(0), method, "/v1/watch", {.headers = headers});
  };
  for (const char* name : {"Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version"}) {
    const Answer answer = refusal("GET", without(name));
    EXPECT_EQ(answer.status, 400) << name;
    EXPECT_EQ(answer.Header("content-type"), "application/problem+json") << name;
    EXPECT_THAT(answer.Text("detail"), testing::HasSubstr(name));
  }
  EXPECT_EQ(refusal("GET", with("Sec-WebSocket-Key", "c2hvcnQ=")).status, 400);
  const Answer version = refusal("GET", with("Sec-WebSocket-Version", "8"));
  EXPECT_EQ(version.status, 400);
  EXPECT_EQ(version.Header("sec-websocket-version"), "13");
  Headers protocol = kUpgrade;
  protocol.emplace_back("Sec-WebSocket-Protocol", "chat");
  EXPECT_THAT(refusal("GET", protocol).Text("detail"),
              testing::HasSubstr("Sec-WebSocket-Protocol"));
  const Answer post = refusal("POST", kUpgrade);
  EXPECT_EQ(post.status, 405);
  EXPECT_EQ(post.Header("allow"), "GET, OPTIONS");
  Headers foreign = kUpgrade;
  foreign.emplace_back("Origin", "http://evil.example");
  EXPECT_EQ(refusal("GET", foreign).status, 403);
}

TEST_F(WebSocketTest, HasThousandsOfWatchesAndNoMoreThanTheLimit) {
  WebSocketClient socket(port(1), "/v1/watch");
  constexpr uint64_t kMax = 10'000;
  for (uint64_t id = 1; id <= kMax; ++id) {
    const std::string path = id % 2 == 0 ? "/ws5/hot" : "/ws5/" + std::to_string(id);
    socket.Send(Watch(id, path));
    // The answers are taken as they come: a client that does not listen is not listened to.
    for (int i = 0; id % 100 == 0 && i < 100; ++i)
      ASSERT_EQ(Text(NextOfMany(socket), "op"), "created");
  }
  const json::object over = Ask(socket, Watch(kMax + 1, "/ws5/more"));
  EXPECT_EQ(Text(over, "code"), "too_large");
  EXPECT_EQ(Number(over, "limit"), kMax);
  const uint64_t hot = Put("/ws5/hot", "x").Revision();
  uint64_t ids = 0;
  for (uint64_t i = 0; i < kMax / 2; ++i) {
    const json::object change = NextOfMany(socket);
    EXPECT_EQ(Number(change, "revision"), hot);
    ids += Number(change, "id");
  }
  EXPECT_EQ(ids, kMax / 2 * (kMax / 2 + 1));
  Put("/ws5/777", "x");
  EXPECT_EQ(Number(NextOfMany(socket), "id"), 777U);
  EXPECT_EQ(Text(Ask(socket, R"({"op":"cancel","id":2})"), "op"), "canceled");
  EXPECT_EQ(Text(Ask(socket, Watch(kMax + 1, "/ws5/more")), "op"), "created");
}

TEST_F(WebSocketTest, IdleWatchesShowThatTheyLive) {
  WebSocketClient socket(port(0), "/v1/watch");
  ASSERT_EQ(Text(Ask(socket, Watch(4, "/ws6")), "op"), "created");
  const uint64_t elsewhere = Put("/elsewhere", "x").Revision();
  const std::optional<std::string> progress = socket.Next(Milliseconds(25'000));
  ASSERT_TRUE(progress);
  const json::object message = json::parse(*progress).as_object();
  EXPECT_EQ(Text(message, "type"), "progress");
  EXPECT_EQ(Number(message, "id"), 4U);
  EXPECT_GE(Number(message, "revision"), elsewhere);
}

TEST_F(WebSocketTest, CompactedHistoryIsAnErrorThatTellsWhereItBegins) {
  const uint64_t first = Put("/ws7", "1").Revision();
  const uint64_t second = Put("/ws7", "2").Revision();
  ASSERT_EQ(Http(port(0), "POST", "/v1/compact",
                 {.body = R"({"revision":)" + std::to_string(second) + "}"})
                .status,
            200);
  WebSocketClient socket(port(2), "/v1/watch");
  const json::object answer =
      Ask(socket, Watch(3, "/ws7", R"(,"from_revision":)" + std::to_string(first)));
  EXPECT_EQ(Text(answer, "op"), "error");
  EXPECT_EQ(Text(answer, "code"), "compacted");
  EXPECT_EQ(Number(answer, "compact_revision"), second);
  // The id is free.
  EXPECT_EQ(Text(Ask(socket, Watch(3, "/ws7")), "op"), "created");
}

TEST_F(WebSocketTest, ClosesOnWhatIsNoText) {
  WebSocketClient socket(port(0), "/v1/watch");
  socket.SendBinary(Watch(1, "/a"));
  EXPECT_EQ(socket.Next(), std::nullopt);
  EXPECT_EQ(socket.close_code(), 1003);
  WebSocketClient large(port(0), "/v1/watch");
  large.Send(std::string((64 << 10) + 1, ' '));
  EXPECT_EQ(large.Next(), std::nullopt);
  EXPECT_EQ(large.close_code(), 1009);
}

TEST_F(WebSocketTest, ASlowListenerIsCutOffAndGoesOnWhereEachWatchWas) {
  WebSocketClient socket(port(1), "/v1/watch", {.receive_buffer = 4096});
  ASSERT_EQ(Text(Ask(socket, Watch(1, "/ws9")), "op"), "created");
  ASSERT_EQ(Text(Ask(socket, Watch(2, "/ws9", R"(,"scope":"subtree")")), "op"), "created");
  const std::string large(100'000, 'v');
  std::vector<uint64_t> puts;
  for (int i = 0; i < 100; ++i) puts.push_back(Put("/ws9", large).Revision());
  const auto cut_off = [] {
    return Http(port(1), "GET", "/metrics").body.find("synod_watch_overflows_total 2") !=
           std::string::npos;
  };
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!cut_off() && std::chrono::steady_clock::now() < deadline) {
  }
  ASSERT_TRUE(cut_off());
  // What it had not taken is still there: then the ends.
  std::map<uint64_t, uint64_t> last;
  std::map<uint64_t, uint64_t> resume_from;
  while (const std::optional<std::string> text = socket.Next()) {
    const json::object message = json::parse(*text).as_object();
    const uint64_t id = Number(message, "id");
    if (Text(message, "type") == "overflow")
      resume_from[id] = Number(message, "resume_from");
    else
      last[id] = Number(message, "revision");
  }
  EXPECT_EQ(socket.close_code(), 1013);
  ASSERT_EQ(resume_from.size(), 2U);
  for (const auto& [id, from] : resume_from) {
    EXPECT_EQ(from, last.at(id) + 1);
    EXPECT_LT(last.at(id), puts.back());
    WebSocketClient again(port(2), "/v1/watch");
    ASSERT_EQ(
        Text(Ask(again, Watch(id, "/ws9", R"(,"from_revision":)" + std::to_string(from))), "op"),
        "created");
    EXPECT_EQ(Number(NextOfMany(again), "revision"),
              *std::upper_bound(puts.begin(), puts.end(), last.at(id)));
  }
}

// A cluster of its own, whose node is stopped.
TEST(WebSocketShutdownTest, EveryWatchIsToldWhereToGoOnAndTheConnectionEndsWith1001) {
  Cluster cluster(3);
  cluster.Start();
  const uint64_t put = Http(cluster.port(1), "PUT", "/v1/kv/a", {.body = "1"}).Revision();
  WebSocketClient socket(cluster.port(2), "/v1/watch");
  const auto next = [&] { return json::parse(socket.Next().value()).as_object(); };
  socket.Send(R"({"op":"watch","id":1,"path":"/a","from_revision":1})");
  ASSERT_EQ(next().at("op").as_string(), "created");
  ASSERT_EQ(next().at("revision").to_number<uint64_t>(), put);
  socket.Send(R"({"op":"watch","id":2,"path":"/b"})");
  ASSERT_EQ(next().at("op").as_string(), "created");
  ASSERT_EQ(cluster.node(2).Stop(), 0);
  std::map<uint64_t, json::object> last;
  while (const std::optional<std::string> text = socket.Next()) {
    const json::object message = json::parse(*text).as_object();
    last[message.at("id").to_number<uint64_t>()] = message;
  }
  EXPECT_EQ(socket.close_code(), 1001);
  ASSERT_EQ(last.size(), 2U);
  for (const auto& [id, message] : last) {
    EXPECT_EQ(message.at("type").as_string(), "shutting_down");
    EXPECT_GE(message.at("resume_from").to_number<uint64_t>(), put + 1) << id;
  }
  // Nothing is lost on the way to another node.
  Http(cluster.port(1), "PUT", "/v1/kv/a", {.body = "2"});
  WebSocketClient other(cluster.port(3), "/v1/watch");
  other.Send(R"({"op":"watch","id":1,"path":"/a","from_revision":)" +
             json::serialize(last.at(1).at("resume_from")) + "}");
  ASSERT_NE(other.Next()->find("created"), std::string::npos);
  EXPECT_NE(other.Next()->find(R"("value":"2")"), std::string::npos);
}

}  // namespace
}  // namespace synod::integration
