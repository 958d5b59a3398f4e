// The limits that a node's settings set, at their edge and one past it (docs/operations.md).
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/integration/cluster_test_base.h"
#include "tests/support/websocket_client.h"

namespace synod::integration {
namespace {

constexpr const char* kSettings = R"(
http:
  body_bytes_max: 4096
  header_bytes_max: 2048
  header_timeout_ms: 1000
  body_timeout_ms: 1000
  idle_timeout_ms: 2000
  connections_max: 40
txn: {comparisons_max: 2, operations_max: 3}
list: {nodes_max: 5}
watch: {per_socket_max: 2}
value: {bytes_max: 2000}
change: {nodes_max: 10}
)";

// One node with its own settings for each test.
class LimitsTest : public testing::Test {
 protected:
  void TearDown() override {
    if (HasFailure())
      PrintLogs(cluster_);
  }
  void Start(const std::string& settings) {
    WriteFile(dir_.path() + "/config.yaml", settings);
    cluster_.node(1).Start({"--config", dir_.path() + "/config.yaml"});
    cluster_.AwaitAllReady();
  }
  uint16_t port() { return cluster_.port(1); }
  Answer Do(const std::string& method, const std::string& target, const Call& call = {}) {
    return Http(port(), method, target, call);
  }
  static void ExpectTooLarge(const Answer& answer, int64_t limit) {
    EXPECT_EQ(answer.status, 413) << answer.body;
    EXPECT_EQ(answer.Code(), "too_large");
    EXPECT_EQ(answer.Number("limit"), limit);
  }
  // A transaction with so many of these.
  static std::string Many(const std::string& list, const std::string& item, int n) {
    std::string items;
    for (int i = 0; i < n; ++i) items += (items.empty() ? "" : ",") + item;
    return "{\"" + list + "\":[" + items + "]}";
  }

  TempDir dir_;
  Cluster cluster_{1};
};

TEST_F(LimitsTest, OfBodiesAndValues) {
  Start(kSettings);
  EXPECT_EQ(Do("PUT", "/v1/kv/a", {.body = std::string(2000, 'v')}).status, 201);
  ExpectTooLarge(Do("PUT", "/v1/kv/a", {.body = std::string(2001, 'v')}), 2000);
  const std::string compare = R"({"if":[{"path":"/a","target":"value","op":"==","value":"x"}]})";
  const std::string at_edge = compare + std::string(4096 - compare.size(), ' ');
  EXPECT_EQ(Do("POST", "/v1/txn", {.body = at_edge}).status, 200);
  ExpectTooLarge(Do("POST", "/v1/txn", {.body = at_edge + " "}), 4096);
}

TEST_F(LimitsTest, OfHeaders) {
  Start(kSettings);
  // A field counts with ": " and its line end.
  const auto get = [&](size_t field_bytes) {
    Connection connection(port());
    const std::string host = "Host: localhost\r\n";
    const std::string pad = std::string(field_bytes - host.size() - 5, 'p');
    connection.Send("GET /v1/kv/ HTTP/1.1\r\n" + host + "X: " + pad + "\r\n\r\n");
    return connection.Read();
  };
  EXPECT_EQ(get(2048).status, 200);
  const Answer refused = get(2049);
  EXPECT_EQ(refused.status, 431);
  EXPECT_EQ(refused.Code(), "request_header_fields_too_large");
}

TEST_F(LimitsTest, OfTransactionsListsAndChanges) {
  Start(kSettings);
  const std::string put = R"({"put":{"path":"/a","value":"x"}})";
  EXPECT_EQ(Do("POST", "/v1/txn", {.body = Many("then", put, 3)}).status, 200);
  ExpectTooLarge(Do("POST", "/v1/txn", {.body = Many("then", put, 4)}), 3);
  ExpectTooLarge(Do("POST", "/v1/txn", {.body = Many("else", put, 4)}), 3);
  const std::string exists = R"({"path":"/a","target":"exists","op":"==","value":true})";
  EXPECT_EQ(Do("POST", "/v1/txn", {.body = Many("if", exists, 2)}).status, 200);
  ExpectTooLarge(Do("POST", "/v1/txn", {.body = Many("if", exists, 3)}), 2);
  EXPECT_EQ(Do("GET", "/v1/kv/?list=children&limit=5").status, 200);
  EXPECT_EQ(Do("GET", "/v1/kv/?list=children&limit=6").status, 400);
  const std::string create = R"({"create":{"path":"/t/n-","sequential":true}})";
  for (int i = 0; i < 3; ++i)
    ASSERT_EQ(Do("POST", "/v1/txn", {.body = Many("then", create, 3)}).status, 200);
  // /t and nine below it are ten.
  ASSERT_EQ(Do("PUT", "/v1/kv/t/one-more").status, 201);
  ExpectTooLarge(Do("DELETE", "/v1/kv/t?recursive=true"), 10);
  ASSERT_EQ(Do("DELETE", "/v1/kv/t/one-more").status, 200);
  EXPECT_EQ(Do("DELETE", "/v1/kv/t?recursive=true").Number("deleted"), 10);
}

TEST_F(LimitsTest, AListWithoutALimitIsNoLongerThanThat) {
  Start(kSettings);
  for (int i = 0; i < 6; ++i) ASSERT_EQ(Do("PUT", "/v1/kv/n" + std::to_string(i)).status, 201);
  const Answer page = Do("GET", "/v1/kv/?list=children");
  EXPECT_EQ(page.Json().at("nodes").as_array().size(), 5U);
  EXPECT_TRUE(page.Json().at("more").as_bool());
}

TEST_F(LimitsTest, OfWatchesOnAWebSocket) {
  Start(kSettings);
  WebSocketClient socket(port(), "/v1/watch");
  const auto watch = [&](int id) {
    socket.Send(R"({"op":"watch","path":"/a","id":)" + std::to_string(id) + "}");
    return socket.Next().value_or("");
  };
  EXPECT_NE(watch(1).find("\"created\""), std::string::npos);
  EXPECT_NE(watch(2).find("\"created\""), std::string::npos);
  const std::string third = watch(3);
  EXPECT_NE(third.find("\"too_large\""), std::string::npos) << third;
  EXPECT_NE(third.find("\"limit\":2}"), std::string::npos) << third;
}

TEST_F(LimitsTest, OfConnections) {
  Start(kSettings);
  std::vector<std::unique_ptr<Connection>> open;
  for (int i = 0; i < 40; ++i) {
    open.push_back(std::make_unique<Connection>(port()));
    open.back()->Request("GET", "/version");
    ASSERT_EQ(open.back()->Read().status, 200) << i;
  }
  const Answer refused = Connection(port()).Read();
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.Code(), "overloaded");
  EXPECT_EQ(refused.Header("retry-after"), "1");
  open.pop_back();
  EXPECT_TRUE(Eventually(Milliseconds(10'000), [&] {
    const auto answer = TryHttp(port(), "GET", "/version");
    return answer && answer->status == 200;
  }));
}

TEST_F(LimitsTest, OfTime) {
  Start(kSettings);
  Connection idle(port());
  Connection slow_header(port());
  ASSERT_TRUE(slow_header.Send("GET /v1/kv/a HTTP/1.1\r\nHost: loc"));
  Connection slow_body(port());
  ASSERT_TRUE(
      slow_body.Send("PUT /v1/kv/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nx"));
  // One that waits is not idle, however long that takes.
  Connection waits(port());
  waits.Request("GET", "/v1/watch/a?wait_ms=5000", {}, {{"Accept", "application/json"}});
  for (Connection* slow : {&slow_header, &slow_body}) {
    const Answer refused = slow->Read();
    EXPECT_EQ(refused.status, 408);
    EXPECT_EQ(refused.Code(), "request_timeout");
  }
  EXPECT_TRUE(idle.AwaitClose(Milliseconds(10'000)));
  EXPECT_EQ(waits.Read().status, 200);
}

// --- requests a second ---

TEST_F(LimitsTest, OfRequestsASecondOfAnAddress) {
  Start("http: {rate_per_second: 1, rate_burst: 5}\n");
  // The start took some of the first.
  std::vector<int> statuses;
  Answer refused;
  for (int i = 0; i < 50 && refused.status != 429; ++i) refused = Do("PUT", "/v1/kv/a");
  ASSERT_EQ(refused.status, 429);
  EXPECT_EQ(refused.Code(), "rate_limited");
  EXPECT_EQ(refused.Header("retry-after"), "1");
  EXPECT_EQ(refused.Text("outcome"), "not_applied");
  // Whoever asks for health is not counted.
  for (int i = 0; i < 50; ++i) EXPECT_EQ(Do("GET", "/readyz").status, 200);
  // Retry-After is enough.
  EXPECT_TRUE(
      Eventually(Milliseconds(10'000), [&] { return Do("PUT", "/v1/kv/a").status / 100 == 2; }));
}

TEST_F(LimitsTest, ARenewalIsNeverOneTooMany) {
  Start("http: {rate_per_second: 1, rate_burst: 5}\n");
  int refused = 0;
  const auto do_until = [&](const std::string& method, const std::string& target, int status) {
    Answer answer;
    EXPECT_TRUE(Eventually(Milliseconds(10'000), [&] {
      answer = Do(method, target, {.body = method == "GET" ? "" : R"({"ttl_ms":60000})"});
      refused += answer.status == 429 ? 1 : 0;
      return answer.status == status;
    }));
    return answer;
  };
  const Answer lease = do_until("POST", "/v1/leases", 201);
  const std::string renew = "/v1/leases/" + std::to_string(lease.Number("id")) + "/keepalive";
  for (int i = 0; i < 50; ++i) EXPECT_EQ(Do("POST", renew).status, 200);
  const Answer metrics = do_until("GET", "/metrics", 200);
  EXPECT_EQ(MetricOf(metrics.body, "synod_http_rate_limited_total"), refused);
  // They are counted: hardly anything of the burst is left.
  int served = 0;
  while (Do("PUT", "/v1/kv/a").status != 429) ++served;
  EXPECT_LT(served, 4);
}

// Each try would be free if it looked like a renewal.
TEST_F(LimitsTest, ARenewalByNobodyKnownIsCountedAsAnyRequest) {
  WriteFile(dir_.path() + "/token", "root-token-of-the-tests\n");
  Start("http: {rate_per_second: 1, rate_burst: 5}\nauth: {bootstrap_token_file: " + dir_.path() +
        "/token}\n");
  const auto renew_as = [&](const std::string& token) {
    return Do("POST", "/v1/leases/1/keepalive",
              {.headers = {{"Authorization", "Bearer " + token}}});
  };
  ASSERT_TRUE(Eventually(Milliseconds(20'000),
                         [&] { return renew_as("root-token-of-the-tests").status == 404; }));
  Answer tried;
  for (int i = 0; i < 50 && tried.status != 429; ++i)
    tried = renew_as("a-token-that-is-a-guess-" + std::to_string(i));
  EXPECT_EQ(tried.Code(), "rate_limited");
  for (int i = 0; i < 20; ++i) EXPECT_EQ(renew_as("root-token-of-the-tests").status, 404);
}

TEST_F(LimitsTest, AWatchOfAWebSocketIsARequestAsAnyOtherAndACancelIsNone) {
  Start("http: {rate_per_second: 1, rate_burst: 5}\n");
  std::optional<WebSocketClient> socket;
  ASSERT_TRUE(Eventually(Milliseconds(10'000), [&] {
    if (Do("GET", "/v1/kv/").status == 429)
      return false;
    socket.emplace(port(), "/v1/watch");
    return true;
  }));
  const auto ask = [&](const std::string& op, int id) {
    const std::string path = op == "watch" ? R"(,"path":"/a"})" : "}";
    socket->Send(R"({"op":")" + op + R"(","id":)" + std::to_string(id) + path);
    std::string answer = socket->Next().value_or("");
    EXPECT_TRUE(answer.starts_with(R"({"id":)" + std::to_string(id) + R"(,"op":)")) << answer;
    return answer;
  };
  int id = 0;
  std::string refused;
  while (refused.empty() && id < 50)
    if (std::string answer = ask("watch", ++id); answer.find("\"created\"") == std::string::npos)
      refused = std::move(answer);
  EXPECT_NE(refused.find(R"("op":"error","code":"rate_limited")"), std::string::npos) << refused;
  // The connection goes on, and its other watches, which may end.
  for (int begun = 1; begun < id; ++begun)
    EXPECT_NE(ask("cancel", begun).find("\"canceled\""), std::string::npos);
  EXPECT_TRUE(Eventually(Milliseconds(10'000), [&] {
    return ask("watch", id).find("\"created\"") != std::string::npos;
  }));
}

TEST_F(LimitsTest, WhatIsRefusedBeforeItIsJudgedIsAnsweredAsCompletely) {
  Start("http: {rate_per_second: 1, rate_burst: 5, allowed_origins: [\"http://page\"]}\n");
  const auto refused = [&](const std::string& method, const Call& call) {
    Answer answer;
    for (int i = 0; i < 50 && answer.status != 429; ++i) answer = Do(method, "/v1/txn", call);
    EXPECT_EQ(answer.status, 429);
    return answer;
  };
  const Answer broken = refused("POST", {.body = "{", .headers = {{"Origin", "http://page"}}});
  EXPECT_EQ(broken.Text("outcome"), "not_applied");
  EXPECT_EQ(broken.Header("access-control-allow-origin"), "http://page");
  const Answer preflight =
      refused("OPTIONS",
              {.headers = {{"Origin", "http://page"}, {"Access-Control-Request-Method", "POST"}}});
  EXPECT_EQ(preflight.Header("access-control-allow-origin"), "http://page");
}

// --- changes at once ---

TEST_F(LimitsTest, EveryChangeThatFindsNoRoomIsCounted) {
  Start("overload: {calls_max: 1}\n");
  int refused = 0;
  EXPECT_TRUE(Eventually(Milliseconds(20'000), [&] {
    std::vector<std::unique_ptr<Connection>> writers;
    for (int i = 0; i < 20; ++i) writers.push_back(std::make_unique<Connection>(port()));
    for (const auto& writer : writers) writer->Request("PUT", "/v1/kv/a");
    for (const auto& writer : writers) refused += writer->Read().status == 429 ? 1 : 0;
    return refused > 0;
  }));
  EXPECT_EQ(Metric(port(), "synod_overload_refusals_total{class=\"change\"}"), refused);
}

}  // namespace
}  // namespace synod::integration
