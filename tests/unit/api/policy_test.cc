// Host, Origin, CORS and OPTIONS.
#include "tests/unit/api/fixture.h"

namespace synod::api {
namespace {

HttpPolicy Loopback() {
  HttpPolicy policy;
  policy.loopback_only = true;
  policy.advertised_host = "synod.internal";
  policy.allowed_hosts = {"dev.box"};
  policy.allowed_origins = {"https://console.example:8443"};
  return policy;
}

Parsed Send(std::string method,
            std::string target,
            HeaderList headers,
            const HttpPolicy& policy = Loopback()) {
  net::HttpRequest request;
  request.head = method == "HEAD";
  request.method = std::move(method);
  request.target = std::move(target);
  request.headers = std::move(headers);
  return ParseCall(request, Limits{}, policy, TestContext());
}

TEST(PolicyTest, LetsInOnlyItsOwnHostsWhileOnLoopback) {
  struct Case {
    const char* host;
    bool allowed;
  };
  const Case cases[] = {
      {"localhost", true},
      {"localhost:7301", true},
      {"LOCALHOST:7301", true},
      {"127.0.0.1:7301", true},
      {"10.1.2.3", true},
      {"[::1]:7301", true},
      {"[fe80::1]", true},
      {"synod.internal:7301", true},
      {"Synod.Internal", true},
      {"dev.box", true},
      {"dev.box:1", true},
      {"evil.example", false},
      {"localhost.evil.example", false},
      {"evil.localhost", false},
      {"127.0.0.1.nip.io", false},
      {"127.0.0.256", false},
      {"127.0.0", false},
      {"", false},
      {"localhost:x", false},
      {"localhost:7301:1", false},
      {"[::1", false},
      {"[::1]x", false},
      {"[evil]", false},
      {"user@localhost", false},
      {"localhost.", false},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(Verdict(Send("GET", "/v1/kv/a", {{"host", c.host}})),
              c.allowed ? "call" : "403 permission_denied")
        << c.host;
    EXPECT_EQ(Verdict(Send("GET", "/readyz", {{"host", c.host}})), "call") << c.host;
  }
}

TEST(PolicyTest, JudgesNoHostWhenBoundToMoreThanLoopback) {
  HttpPolicy open;
  EXPECT_EQ(Verdict(Send("GET", "/v1/kv/a", {{"host", "evil.example"}}, open)), "call");
  EXPECT_EQ(Verdict(Send("GET", "/v1/kv/a", {}, open)), "400 invalid_request");
}

TEST(PolicyTest, WantsExactlyOneHost) {
  EXPECT_EQ(Verdict(Send("GET", "/v1/kv/a", {})), "400 invalid_request");
  EXPECT_EQ(Verdict(Send("GET", "/livez", {})), "call");
  EXPECT_EQ(Verdict(Send("GET", "/v1/kv/a", {{"host", "localhost"}, {"host", "localhost"}})),
            "400 invalid_request");
}

TEST(PolicyTest, TheAuthorityOfAnAbsoluteTargetBeatsHost) {
  EXPECT_EQ(Verdict(Send("GET", "http://localhost:7301/v1/kv/a", {{"host", "evil.example"}})),
            "call");
  EXPECT_EQ(Verdict(Send("GET", "http://evil.example/v1/kv/a", {{"host", "localhost"}})),
            "403 permission_denied");
}

TEST(PolicyTest, RefusesForeignHostsBeforeSayingWhatExists) {
  EXPECT_EQ(Verdict(Send("GET", "/nothing", {{"host", "evil.example"}})), "403 permission_denied");
  EXPECT_EQ(Verdict(Send("PATCH", "/v1/kv/a", {{"host", "evil.example"}})),
            "403 permission_denied");
  EXPECT_EQ(Verdict(Send("GET", "/metrics", {{"host", "evil.example"}})), "403 permission_denied");
}

TEST(PolicyTest, RefusesOriginsThatAreNotAllowed) {
  for (const char* origin : {"https://evil.example", "null", "", "https://console.example",
                             "http://console.example:8443"}) {
    const net::HttpResponse response =
        Refused(Send("PUT", "/v1/kv/a", {{"host", "localhost"}, {"origin", origin}}));
    EXPECT_EQ(Verdict(response), "403 permission_denied") << origin;
    EXPECT_EQ(HeaderOf(response, "Access-Control-Allow-Origin"), "<absent>");
  }
  EXPECT_EQ(Verdict(Send("GET", "/livez", {{"origin", "https://evil.example"}})),
            "403 permission_denied");
}

TEST(PolicyTest, AllowedOriginsGetCorsHeadersOnEveryAnswer) {
  const HeaderList headers = {{"host", "localhost"}, {"origin", "https://console.example:8443"}};
  const ReadCall call = Expect<ReadCall>(Send("GET", "/v1/kv/a", headers));
  const net::HttpResponse found =
      RenderQuery(call.render, TestContext(), machine::NodeResult{MakeNode("/a", "x")});
  EXPECT_EQ(HeaderOf(found, "Access-Control-Allow-Origin"), "https://console.example:8443");
  EXPECT_EQ(HeaderOf(found, "Vary"), "Origin");
  EXPECT_NE(HeaderOf(found, "Access-Control-Expose-Headers").find("Synod-Revision"),
            std::string::npos);
  const net::HttpResponse refused = Refused(Send("GET", "/v1/kv/a/", headers));
  EXPECT_EQ(HeaderOf(refused, "Access-Control-Allow-Origin"), "https://console.example:8443");
}

TEST(PolicyTest, AnswersPreflights) {
  const net::HttpResponse response = Refused(Send("OPTIONS", "/v1/kv/a",
                                                  {{"host", "localhost"},
                                                   {"origin", "https://console.example:8443"},
                                                   {"access-control-request-method", "PUT"}}));
  EXPECT_EQ(response.status, 204);
  EXPECT_EQ(HeaderOf(response, "Access-Control-Allow-Origin"), "https://console.example:8443");
  EXPECT_EQ(HeaderOf(response, "Access-Control-Allow-Methods"),
            "GET, HEAD, PUT, POST, DELETE, OPTIONS");
  EXPECT_NE(HeaderOf(response, "Access-Control-Allow-Headers").find("Idempotency-Key"),
            std::string::npos);
  EXPECT_EQ(HeaderOf(response, "Access-Control-Max-Age"), "600");
}

TEST(PolicyTest, OptionsNamesTheMethods) {
  const HeaderList headers = {{"host", "localhost"}};
  const net::HttpResponse response = Refused(Send("OPTIONS", "/v1/txn", headers));
  EXPECT_EQ(response.status, 204);
  EXPECT_EQ(HeaderOf(response, "Allow"), "POST, OPTIONS");
  EXPECT_EQ(HeaderOf(response, "Access-Control-Allow-Methods"), "<absent>");
  EXPECT_EQ(Refused(Send("OPTIONS", "*", headers)).status, 204);
  EXPECT_EQ(Verdict(Send("OPTIONS", "/nothing", headers)), "404 not_found");
}

}  // namespace
}  // namespace synod::api
