#include "src/client/client.h"

#include <gtest/gtest.h>

#include <set>

#include "src/client/fence_register.h"
#include "tests/unit/client/fake_node.h"

namespace synod::client {
namespace {

using std::chrono::milliseconds;

Call Put() {
  Call call;
  call.method = "PUT";
  call.target = "/v1/kv/a";
  call.body = "x";
  call.timeout = milliseconds(5000);
  return call;
}

constexpr const char* kNoLeader = R"({"code":"no_leader","outcome":"not_applied","detail":"none"})";

TEST(ClientTest, EndpointsAreHostAndPort) {
  EXPECT_EQ(ParseEndpoint("http://127.0.0.1:7301")->port, 7301);
  EXPECT_EQ(ParseEndpoint("localhost:1/")->host, "localhost");
  EXPECT_EQ(ParseEndpoint("http://[::1]:80")->host, "::1");
  for (const char* bad : {"", "http://", "http://a", "a:0", "a:x", "ftp://a:1", "http://a/b:1"})
    EXPECT_FALSE(ParseEndpoint(bad)) << bad;
}

TEST(ClientTest, PathsKeepTheirSlashesAndNothingElseThatMatters) {
  EXPECT_EQ(EncodePath("/a b/\xc3\xbc?#%"), "/a%20b/%C3%BC%3F%23%25");
  EXPECT_EQ(EncodeQuery("/a&b=c"), "/a%26b%3Dc");
}

TEST(ClientTest, KeysAreNeverTheSame) {
  std::set<std::string> keys;
  for (int i = 0; i < 1000; ++i) keys.insert(UniqueKey());
  EXPECT_EQ(keys.size(), 1000U);
}

TEST(ClientTest, AnotherEndpointAnswersWhenOneIsDown) {
  FakeNode node([](const net::HttpRequest&, int) { return Json(200, "{}"); });
  Client client({{"127.0.0.1", 1}, node.endpoint()});
  const Result<Answer> answer = client.Send(Put());
  ASSERT_TRUE(answer) << answer.error().detail;
  EXPECT_EQ(answer->reply.status, 200);
}

TEST(ClientTest, ARefusedChangeIsRepeatedUnderTheSameKey) {
  FakeNode node([](const net::HttpRequest& request, int nth) {
    if (request.Header("idempotency-key").empty())
      return Json(200, "{}");
    return nth < 4 ? Json(503, kNoLeader) : Json(201, "{}");
  });
  Client client({node.endpoint()});
  const Result<Answer> answer = client.Send(Put());
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->reply.status, 201);
  const std::vector<std::string> keys = node.keys();
  ASSERT_EQ(keys.size(), 4U);
  EXPECT_EQ(keys[0], "");  // asked for the time
  EXPECT_FALSE(keys[1].empty());
  EXPECT_EQ(keys[1], keys[2]);
  EXPECT_EQ(keys[2], keys[3]);
}

TEST(ClientTest, ALargeBodyComesWholeAndOneConnectionServesManyCalls) {
  const std::string large(300'000, 'x');
  FakeNode node([&](const net::HttpRequest&, int) { return Json(200, large); });
  Client client({node.endpoint()});
  for (int i = 0; i < 3; ++i) {
    Call call;
    call.target = "/v1/kv/a";
    const Result<Answer> answer = client.Send(call);
    ASSERT_TRUE(answer) << answer.error().detail;
    EXPECT_EQ(answer->reply.body, large);
  }
}

// Keeps a register at 5.
net::HttpResponse AnswerAsRegister(const net::HttpRequest& request) {
  if (request.target != "/v1/fences/a%20b")
    return Json(404, R"({"code":"not_found","outcome":"not_applied","detail":"none"})");
  if (request.method == "DELETE")
    return Json(200, R"({"revision":7})");
  if (request.method == "GET" || request.body == R"({"token":5})")
    return Json(200, R"({"token":5})");
  return Json(412, R"({"code":"fenced","outcome":"not_applied","detail":"no","highest":5})");
}

TEST(FenceRegisterTest, TakesTheHighestTokenAndTellsIt) {
  FakeNode node([](const net::HttpRequest& request, int) { return AnswerAsRegister(request); });
  Client client({node.endpoint()});
  FenceRegister reg(client, "/a b");
  EXPECT_EQ(reg.Raise(5).value(), 5U);
  const Result<uint64_t> late = reg.Raise(4);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Errc::kFenced);
  EXPECT_EQ(late.error().outcome, Outcome::kNotApplied);
  EXPECT_EQ(reg.Get().value(), 5U);
  EXPECT_TRUE(reg.Forget());

  FenceRegister none(client, "/none");
  EXPECT_EQ(none.Get().value(), 0U);
  EXPECT_EQ(none.Forget().error().code, Errc::kNotFound);
}

TEST(ClientTest, AStreamsBodyGoesToItsReceiverOnly) {
  FakeNode node([](const net::HttpRequest&, int) { return Json(200, "abc"); });
  Client client({node.endpoint()});
  std::string got;
  Call call;
  call.target = "/v1/snapshot";
  const Result<Answer> answer = client.Stream(call, [&](std::string_view bytes) { got += bytes; });
  ASSERT_TRUE(answer);
  EXPECT_EQ(got, "abc");
  EXPECT_EQ(answer->reply.body, "");
}

TEST(ClientTest, AClientGoesWithCallsUnderWay) {
  bool called = false;
  {
    Client client({{"127.0.0.1", 1}});
    client.Send(Put(), [&](const Result<Answer>&) { called = true; });
  }
  EXPECT_FALSE(called);
}

}  // namespace
}  // namespace synod::client
