// Authentication and authorization on three nodes, against clients that try what is not theirs.
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/integration/cluster.h"
#include "tests/support/websocket_client.h"

namespace synod::integration {
namespace {

constexpr const char* kRootToken = "root-token-of-the-tests";

class AuthTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    dir_ = new TempDir();
    cluster_ = new Cluster(3);
    const std::string token_file = dir_->path() + "/token";
    WriteFile(token_file, std::string(kRootToken) + "\n");
    const std::string config_file = dir_->path() + "/config.yaml";
    WriteFile(config_file, "auth:\n  bootstrap_token_file: " + token_file + "\n");
    for (int id = 1; id <= 3; ++id) {
      Arguments arguments = cluster_->InitialArguments();
      arguments.insert(arguments.end(), {"--config", config_file});
      cluster_->node(id).Start(arguments);
    }
    cluster_->AwaitAllReady();
    // Until the first administrator is there nobody is served.
    ASSERT_TRUE(Eventually(Milliseconds(20'000), [] {
      return Http(port(1), "GET", "/v1/settings", As(kRootToken)).status == 200;
    }));
    SetUpUsers();
  }
  static void TearDownTestSuite() {
    delete cluster_;
    delete dir_;
  }

  static uint16_t port(int n) { return cluster_->port(1 + n % 3); }
  static Call As(const std::string& token, const std::string& body = "", Headers headers = {}) {
    if (!token.empty())
      headers.emplace_back("Authorization", "Bearer " + token);
    return {.body = body, .headers = std::move(headers)};
  }
  static Answer Root(const std::string& method,
                     const std::string& target,
                     const std::string& body) {
    return Http(port(0), method, target, As(kRootToken, body));
  }
  static void SetRole(const std::string& name, const std::string& permissions) {
    const Answer answer = Root("PUT", "/v1/auth/roles/" + name, permissions);
    ASSERT_EQ(answer.status / 100, 2) << answer.body;
  }
  static void SetUser(const std::string& name, const std::string& role) {
    const Answer answer = Root("PUT", "/v1/auth/users/" + name, R"({"roles":[)" + role + "]}");
    ASSERT_EQ(answer.status / 100, 2) << answer.body;
  }
  static std::string MakeToken(const std::string& user, const std::string& more = "") {
    const Answer answer = Root("POST", "/v1/auth/tokens", R"({"user":")" + user + '"' + more + '}');
    EXPECT_EQ(answer.status, 201) << answer.body;
    return answer.Text("token");
  }
  static void SetUpUsers() {
    SetRole("app", R"({"permissions":[{"prefix":"/app","verbs":["read","write","lock"]}]})");
    SetUser("ann", R"("app")");
    ann_ = new std::string(MakeToken("ann"));
    Root("PUT", "/v1/kv/other/x", "hidden-value");
    Root("PUT", "/v1/kv/app/x", "1");
  }
  // Nothing of the tokens, nor of what lies outside, is in what was answered.
  static void ExpectNothingLeaks(const Answer& answer) {
    for (const std::string& secret : {std::string("hidden-value"), *ann_, std::string(kRootToken)})
      EXPECT_EQ(answer.body.find(secret), std::string::npos) << answer.body;
  }

  static TempDir* dir_;
  static Cluster* cluster_;
  static std::string* ann_;
};

TempDir* AuthTest::dir_ = nullptr;
Cluster* AuthTest::cluster_ = nullptr;
std::string* AuthTest::ann_ = nullptr;

struct Attempt {
  const char* name;
  const char* method;
  const char* target;
  const char* body = "";
  Headers headers = {};
};

const Attempt kOutside[] = {
    {"get", "GET", "/v1/kv/other/x"},
    {"get what is absent", "GET", "/v1/kv/other/absent"},
    {"get sequentially", "GET", "/v1/kv/other/x?consistency=sequential"},
    {"get the past", "GET", "/v1/kv/other/x?at_revision=1"},
    {"list across the border", "GET", "/v1/kv/?list=subtree"},
    {"list children of the root", "GET", "/v1/kv/?list=children"},
    {"put", "PUT", "/v1/kv/other/x", "v"},
    {"put beside", "PUT", "/v1/kv/apple", "v"},
    {"create", "POST", "/v1/kv/other/job-", "v"},
    {"create beside", "POST", "/v1/kv/app", "v"},
    {"delete", "DELETE", "/v1/kv/other/x"},
    {"delete across the border", "DELETE", "/v1/kv/?recursive=true"},
    {"a forbidden leg", "POST", "/v1/txn",
     R"({"then":[{"put":{"path":"/app/x","value":"2"}},{"get":{"path":"/other/x"}}]})"},
    {"a forbidden leg that does not run", "POST", "/v1/txn",
     R"({"then":[{"put":{"path":"/app/x","value":"2"}}],"else":[{"delete":{"path":"/other/x"}}]})"},
    {"a forbidden comparison", "POST", "/v1/txn",
     R"({"if":[{"path":"/other/x","target":"exists","op":"==","value":true}],"then":[]})"},
    {"watch", "GET", "/v1/watch/other/x"},
    {"watch across the border", "GET", "/v1/watch/?scope=subtree"},
    {"long poll", "GET", "/v1/watch/other/x?wait_ms=100", "", {{"Accept", "application/json"}}},
    {"lock", "POST", "/v1/locks/other/l/acquire", R"({"ttl_ms":10000})"},
    {"several locks", "POST", "/v1/locks",
     R"({"locks":[{"path":"/app/l"},{"path":"/other/l"}],"ttl_ms":10000})"},
    {"lock state", "GET", "/v1/locks/other/l"},
    {"all locks", "GET", "/v1/locks?prefix=/"},
    {"contenders", "GET", "/v1/kv/.synod/locks?list=subtree"},
    {"campaign", "POST", "/v1/elections/other/e/campaign", R"({"ttl_ms":10000})"},
    {"observe", "GET", "/v1/elections/other/e/observe"},
    {"fence register", "POST", "/v1/fences/other/f", R"({"token":5})"},
    {"read a fence register", "GET", "/v1/fences/other/f"},
    {"forget one of one's own", "DELETE", "/v1/fences/app/f"},
    {"a fence outside", "PUT", "/v1/kv/app/x", "v", {{"Synod-Fence", "/other/l=1"}}},
    {"break a hold", "DELETE", "/v1/kv/.synod/locks/app/l/@0000000001?force=true"},
    {"users", "GET", "/v1/auth/users"},
    {"a token for oneself", "POST", "/v1/auth/tokens", R"({"user":"root"})"},
    {"a role for oneself", "PUT", "/v1/auth/roles/app",
     R"({"permissions":[{"prefix":"/","verbs":["admin"]}]})"},
    {"switch it off", "PATCH", "/v1/settings", R"({"auth.enabled":false})"},
    {"compact", "POST", "/v1/compact", R"({"revision":1})"},
    {"backup", "GET", "/v1/snapshot"},
    {"move the leader", "POST", "/v1/cluster/leader", R"({"id":1})"},
    {"remove a member", "DELETE", "/v1/cluster/members/2"},
    {"add a member", "POST", "/v1/cluster/members",
     R"({"peer_url":"127.0.0.1:1","client_url":"http://127.0.0.1:2"})"},
};

TEST_F(AuthTest, WhatIsOutsideIsRefusedToTheLastRow) {
  const uint64_t before = Root("GET", "/v1/kv/", "").Revision();
  for (int n = 0; n < 3; ++n) {
    for (const Attempt& attempt : kOutside) {
      const Answer answer =
          Http(port(n), attempt.method, attempt.target, As(*ann_, attempt.body, attempt.headers));
      EXPECT_EQ(answer.status, 403) << attempt.name << ": " << answer.body;
      EXPECT_EQ(answer.Code(), "permission_denied") << attempt.name;
      ExpectNothingLeaks(answer);
    }
  }
  EXPECT_EQ(Root("GET", "/v1/kv/", "").Revision(), before) << "something happened";
  EXPECT_EQ(Root("GET", "/v1/kv/other/x", "").Text("value"), "hidden-value");
}

TEST_F(AuthTest, NobodyGetsInWithoutAValidToken) {
  const uint64_t before = Root("GET", "/v1/kv/", "").Revision();
  for (const std::string& token : {std::string(), std::string("synod_wrong"), *ann_ + "x"}) {
    for (const Attempt& attempt : kOutside) {
      const Answer answer =
          Http(port(1), attempt.method, attempt.target, As(token, attempt.body, attempt.headers));
      EXPECT_EQ(answer.status, 401) << attempt.name << ": " << answer.body;
      EXPECT_TRUE(answer.Has("www-authenticate"));
      ExpectNothingLeaks(answer);
    }
    for (const char* target : {"/v1/kv/app/x", "/v1/status", "/v1/cluster", "/v1/settings",
                               "/v1/leases", "/metrics", "/version", "/v1/nothing"})
      EXPECT_EQ(Http(port(2), "GET", target, As(token)).status, 401) << target;
    EXPECT_EQ(Http(port(2), "HEAD", "/v1/watch/app", As(token)).status, 401);
  }
  Call basic;
  basic.headers = {{"Authorization", "Basic " + *ann_}};
  EXPECT_EQ(Http(port(0), "GET", "/v1/kv/app/x", basic).status, 401);
  for (const char* target : {"/livez", "/readyz", "/healthz"})
    EXPECT_EQ(Http(port(0), "GET", target).status, 200) << target;
  EXPECT_EQ(Root("GET", "/v1/kv/", "").Revision(), before);
}

TEST_F(AuthTest, ItIsNotSwitchedOffWhereItIsRequired) {
  const Answer refused = Root("PATCH", "/v1/settings", R"({"auth.enabled":false})");
  EXPECT_EQ(refused.status, 400) << refused.body;
  EXPECT_NE(refused.Text("detail").find("auth.required"), std::string::npos) << refused.body;
  EXPECT_EQ(Http(port(1), "GET", "/v1/kv/app/x", As("")).status, 401);
}

TEST_F(AuthTest, WhatIsInsideIsServedByEveryNode) {
  for (int n = 0; n < 3; ++n) {
    EXPECT_EQ(Http(port(n), "PUT", "/v1/kv/app/x", As(*ann_, "v")).status, 200);
    EXPECT_EQ(Http(port(n), "GET", "/v1/kv/app/x", As(*ann_)).Text("value"), "v");
    EXPECT_EQ(Http(port(n), "GET", "/v1/kv/app?list=subtree", As(*ann_)).status, 200);
    EXPECT_EQ(Http(port(n), "GET", "/v1/status", As(*ann_)).status, 200);
    EXPECT_EQ(Http(port(n), "GET", "/metrics", As(*ann_)).status, 200);
    const Answer hold =
        Http(port(n), "POST", "/v1/locks/app/l/acquire", As(*ann_, R"({"ttl_ms":10000})"));
    ASSERT_EQ(hold.status, 200) << hold.body;
    const std::string token = std::to_string(hold.Number("token"));
    EXPECT_EQ(Http(port(n + 1), "POST", "/v1/locks/app/l/release",
                   As(*ann_, R"({"token":)" + token + "}"))
                  .status,
              200);
  }
}

TEST_F(AuthTest, ATokenCountsOnEveryNodeAtOnceAndUntilItExpires) {
  for (int i = 0; i < 10; ++i) {
    const std::string token = MakeToken("ann");
    EXPECT_EQ(Http(port(i), "GET", "/v1/status", As(token)).status, 200);
    EXPECT_EQ(Http(port(i + 1), "PUT", "/v1/kv/app/t", As(token, "v")).status / 100, 2);
  }
  const std::string brief = MakeToken("ann", R"(,"ttl_ms":1500)");
  EXPECT_EQ(Http(port(0), "GET", "/v1/kv/app/x", As(brief)).status, 200);
  EXPECT_TRUE(Eventually(Milliseconds(20'000), [&] {
    return Http(port(1), "GET", "/v1/kv/app/x", As(brief)).status == 401;
  }));
  EXPECT_EQ(Http(port(0), "PUT", "/v1/kv/app/x", As(brief, "v")).status, 401);
}

TEST_F(AuthTest, ARevokedTokenIsGoneOnEveryNode) {
  const Answer made = Root("POST", "/v1/auth/tokens", R"({"user":"ann","name":"laptop"})");
  const std::string id = std::to_string(made.Number("id"));
  EXPECT_EQ(Root("DELETE", "/v1/auth/tokens/" + id, "").status, 200);
  EXPECT_EQ(Root("GET", "/v1/auth/tokens/" + id, "").status, 404);
  for (int n = 0; n < 3; ++n)
    EXPECT_EQ(Http(port(n), "GET", "/v1/kv/app/x", As(made.Text("token"))).status, 401);
  EXPECT_EQ(Root("GET", "/v1/auth/tokens", "").body.find(made.Text("token")), std::string::npos);
}

TEST_F(AuthTest, AReplayedAnswerDoesNotShowTheTokenAgain) {
  Call call = As(kRootToken, R"({"user":"ann"})");
  call.headers.emplace_back("Idempotency-Key", "make-one");
  const Answer first = Http(port(0), "POST", "/v1/auth/tokens", call);
  const Answer again = Http(port(1), "POST", "/v1/auth/tokens", call);
  EXPECT_FALSE(first.Text("token").empty());
  EXPECT_EQ(again.status, 201);
  EXPECT_EQ(again.Header("synod-replayed"), "true");
  EXPECT_EQ(again.Number("id"), first.Number("id"));
  EXPECT_EQ(again.body.find("\"token\""), std::string::npos);
}

TEST_F(AuthTest, StreamsEndWhenThePermissionIsWithdrawn) {
  SetRole("temp", R"({"permissions":[{"prefix":"/temp","verbs":["read","lock"]}]})");
  SetUser("tom", R"("temp")");
  const std::string token = MakeToken("tom");
  const Headers who = {{"Authorization", "Bearer " + token}};
  Stream watch(port(0), "/v1/watch/temp?scope=subtree", who);
  Stream observe(port(1), "/v1/elections/temp/e/observe", who);
  WebSocketClient socket(port(2), "/v1/watch", {.headers = who});
  ASSERT_EQ(watch.Next()->event, "created");
  ASSERT_TRUE(observe.Next());
  socket.Send(R"({"op":"watch","id":1,"path":"/temp","scope":"subtree"})");
  ASSERT_NE(socket.Next()->find("created"), std::string::npos);
  socket.Send(R"({"op":"watch","id":2,"path":"/other","scope":"subtree"})");
  const std::string refused = *socket.Next();
  EXPECT_NE(refused.find("permission_denied"), std::string::npos) << refused;

  SetUser("tom", "");
  Root("PUT", "/v1/kv/temp/after", "hidden-value");
  const std::optional<Message> last = watch.Next();
  ASSERT_TRUE(last);
  EXPECT_EQ(last->event, "denied") << last->data;
  EXPECT_FALSE(watch.Next()) << "nothing comes after it";
  EXPECT_EQ(observe.Next()->event, "denied");
  const std::string denied = *socket.Next();
  EXPECT_NE(denied.find("denied"), std::string::npos) << denied;
  EXPECT_EQ(denied.find("hidden-value"), std::string::npos);
}

TEST_F(AuthTest, TheLogTellsWhoWasRefusedAndNoToken) {
  Http(port(0), "GET", "/v1/kv/other/x?consistency=sequential", As(*ann_));
  SetUser("ann", R"("app")");
  SetUser("eve", "");
  std::string log;
  EXPECT_TRUE(Eventually(Milliseconds(5000), [&] {
    log = cluster_->node(1).Log();
    return log.find(R"("audit":"refusal")") != std::string::npos &&
           log.find(R"("audit":"change")") != std::string::npos;
  }));
  EXPECT_NE(log.find(R"("path":"/v1/auth/users/eve")"), std::string::npos);
  for (int id = 1; id <= 3; ++id) {
    log = cluster_->node(id).Log();
    for (const std::string& secret : {*ann_, std::string(kRootToken), std::string("hidden-value")})
      EXPECT_EQ(log.find(secret), std::string::npos) << id;
  }
}

// Users are there, and the hashes of their tokens.
TEST_F(AuthTest, NoTokenIsOnADisk) {
  Node& node = cluster_->node(3);
  ASSERT_EQ(node.Stop(), 0);
  bool users = false;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(node.data_dir())) {
    if (!entry.is_regular_file())
      continue;
    const std::string bytes = ReadFile(entry.path());
    users |= bytes.find("ann") != std::string::npos;
    for (const std::string& token : {*ann_, std::string(kRootToken)})
      EXPECT_EQ(bytes.find(token), std::string::npos) << entry.path();
  }
  EXPECT_TRUE(users);
  node.StartAgain();
  cluster_->AwaitAllReady();
}

TEST_F(AuthTest, TheCommandLineManagesAndShowsATokenOnce) {
  const auto synod = [&](Arguments arguments, const std::string& token) {
    arguments.insert(arguments.begin(), {"--token", token});
    return cluster_->Synod(arguments);
  };
  EXPECT_EQ(
      synod({"auth", "role", "set", "cli", "--allow", "read,write:/cli"}, kRootToken).exit_code, 0);
  EXPECT_EQ(synod({"auth", "user", "set", "carl", "--role", "cli"}, kRootToken).exit_code, 0);
  const Finished made = synod({"auth", "token", "make", "carl", "--ttl", "1h"}, kRootToken);
  ASSERT_EQ(made.exit_code, 0) << made.err;
  const std::string token = made.out.substr(0, made.out.find('\n'));
  EXPECT_EQ(synod({"put", "/cli/a", "x"}, token).exit_code, 0);
  EXPECT_EQ(synod({"get", "/cli/a"}, token).out, "x");
  EXPECT_NE(synod({"put", "/app/x", "x"}, token).exit_code, 0);
  EXPECT_NE(synod({"get", "/cli/a"}, "wrong").exit_code, 0);
  const Finished users = synod({"auth", "user", "list"}, kRootToken);
  EXPECT_NE(users.out.find("carl"), std::string::npos) << users.out;
  EXPECT_EQ(synod({"auth", "user", "rm", "carl"}, kRootToken).exit_code, 0);
  EXPECT_NE(synod({"get", "/cli/a"}, token).exit_code, 0);
}

}  // namespace
}  // namespace synod::integration
