// The tree over HTTP, on a cluster of one and of three, requests of a test through different nodes.
#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <map>
#include <memory>
#include <set>

#include "tests/integration/cluster_test_base.h"

namespace synod::integration {
namespace {

namespace json = boost::json;

class KvTest : public testing::TestWithParam<int> {
 protected:
  static void TearDownTestSuite() { clusters_.clear(); }
  void SetUp() override {
    auto& cluster = clusters_[GetParam()];
    if (cluster == nullptr) {
      cluster = std::make_unique<Cluster>(GetParam());
      cluster->Start();
    }
    cluster_ = cluster.get();
  }
  void TearDown() override {
    if (HasFailure())
      PrintLogs(*cluster_);
  }

  uint16_t port(int n) const { return cluster_->port(n % cluster_->size() + 1); }
  Answer Put(const std::string& path,
             const std::string& value,
             const Headers& headers = {},
             int n = 0) {
    return Http(port(n), "PUT", "/v1/kv" + path, {.body = value, .headers = headers});
  }
  Answer Get(const std::string& target, int n = 1, const Headers& headers = {}) {
    return Http(port(n), "GET", "/v1/kv" + target, {.headers = headers});
  }
  Answer Delete(const std::string& target, int n = 2, const Headers& headers = {}) {
    return Http(port(n), "DELETE", "/v1/kv" + target, {.headers = headers});
  }
  Answer Txn(const std::string& body, int n = 2) {
    return Http(port(n), "POST", "/v1/txn", {.body = body});
  }

  Cluster* cluster_ = nullptr;

 private:
  static inline std::map<int, std::unique_ptr<Cluster>> clusters_;
};

INSTANTIATE_TEST_SUITE_P(Nodes, KvTest, testing::Values(1, 3), [](const auto& size) {
  return std::to_string(size.param);
});

std::vector<std::string> Paths(const Answer& list) {
  std::vector<std::string> paths;
  const json::value body = list.Json();
  for (const auto& node : body.at("nodes").as_array())
    paths.emplace_back(node.at("path").as_string());
  return paths;
}

TEST_P(KvTest, AWriteThroughAnyNodeIsReadThroughEveryNode) {
  for (int w = 0; w < cluster_->size(); ++w) {
    const std::string path = "/through/" + std::to_string(w);
    const Answer put = Put(path, "v" + std::to_string(w), {}, w);
    ASSERT_EQ(put.status, 201) << put.body;
    for (int r = 0; r < cluster_->size(); ++r) {
      const Answer get = Get(path, r);
      ASSERT_EQ(get.status, 200) << get.body;
      EXPECT_EQ(get.Text("value"), "v" + std::to_string(w));
      EXPECT_GE(get.Revision(), put.Revision());
    }
  }
}

TEST_P(KvTest, ANodeTellsItsNumbers) {
  const Answer put = Put("/numbers/a", "one");
  ASSERT_EQ(put.status, 201);
  Put("/numbers/a/b", "child");
  const Answer again = Put("/numbers/a", "two");
  ASSERT_EQ(again.status, 200);
  const Answer get = Get("/numbers/a");
  const json::object node = get.Json().as_object();
  const json::object expected = {{"path", "/numbers/a"},
                                 {"value", "two"},
                                 {"version", 2},
                                 {"create_revision", put.Revision()},
                                 {"mod_revision", again.Revision()},
                                 {"children_revision", put.Revision() + 1},
                                 {"num_children", 1},
                                 {"lease", 0}};
  EXPECT_EQ(json::serialize(node), json::serialize(expected));
  EXPECT_EQ(get.Header("etag"), "\"" + std::to_string(again.Revision()) + "\"");
}

TEST_P(KvTest, EveryAnswerSaysWhereAndWhenItIsFrom) {
  const Answer answers[] = {Put("/headers", "x"), Get("/headers"), Get("/headers/absent"),
                            Put("/headers", "y", {{"If-None-Match", "*"}})};
  for (const Answer& answer : answers) {
    EXPECT_GT(answer.Revision(), 0U);
    EXPECT_GE(std::stoll(answer.Header("synod-time")), 0);
    EXPECT_FALSE(answer.Header("synod-node").empty());
    EXPECT_FALSE(answer.Header("synod-leader").empty());
    EXPECT_EQ(answer.Header("cache-control"), "no-cache");
  }
}

TEST_P(KvTest, CompareAndSwapByETag) {
  const Answer first = Put("/cas", "alice");
  const std::string etag = Get("/cas").Header("etag");
  const Answer stale = Put("/cas", "bob", {{"If-Match", "\"1\""}}, 1);
  EXPECT_EQ(stale.status, 412);
  EXPECT_EQ(stale.Code(), "precondition_failed");
  EXPECT_EQ(stale.Text("outcome"), "not_applied");
  EXPECT_EQ(stale.Json().at("current").at("mod_revision").to_number<uint64_t>(), first.Revision());
  EXPECT_EQ(stale.Header("content-type"), "application/problem+json");
  EXPECT_EQ(Put("/cas", "bob", {{"If-Match", etag}}, 2).status, 200);
  EXPECT_EQ(Put("/cas", "carol", {{"If-Match", etag}}, 1).status, 412);
  EXPECT_EQ(Get("/cas").Text("value"), "bob");
}

TEST_P(KvTest, ExistenceAndVersionArePreconditionsToo) {
  EXPECT_EQ(Put("/pre", "x", {{"If-Match", "*"}}).status, 412);
  EXPECT_EQ(Put("/pre", "x", {{"If-None-Match", "*"}}).status, 201);
  EXPECT_EQ(Put("/pre", "y", {{"If-None-Match", "*"}}).status, 412);
  EXPECT_EQ(Put("/pre?if_version=0", "y").status, 412);
  EXPECT_EQ(Put("/pre?if_version=1", "y").status, 200);
  EXPECT_EQ(Delete("/pre?if_version=1").status, 412);
  EXPECT_EQ(Delete("/pre", 2, {{"If-Match", "*"}}).status, 200);
  EXPECT_EQ(Delete("/pre", 2, {{"If-Match", "*"}}).status, 412);
  EXPECT_EQ(Delete("/pre").status, 404);
}

TEST_P(KvTest, ValuesAreBytes) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  ASSERT_EQ(Put("/bytes", bytes).status, 201);
  const Answer as_json = Get("/bytes");
  EXPECT_FALSE(as_json.Json().as_object().contains("value"));
  EXPECT_TRUE(as_json.Text("value_base64").starts_with("AAECAwQF"));
  const Answer raw = Get("/bytes?raw=true");
  EXPECT_EQ(raw.body, bytes);
  EXPECT_EQ(raw.Header("content-type"), "application/octet-stream");
  EXPECT_EQ(raw.Header("x-content-type-options"), "nosniff");
  Put("/bytes", "plain");
  EXPECT_EQ(Get("/bytes?encoding=base64").Text("value_base64"), "cGxhaW4=");
}

TEST_P(KvTest, PathsArePercentEncodedBytes) {
  ASSERT_EQ(Put("/p/a%20b/%C3%A4%25", "x").status, 201);
  EXPECT_EQ(Get("/p/a%20b/%C3%A4%25").Text("path"), "/p/a b/\xC3\xA4%");
  EXPECT_EQ(Get("/p/a%2Fb").Code(), "invalid_path");
  EXPECT_EQ(Get("/p/../x").Code(), "invalid_path");
  EXPECT_EQ(Get("/p/").Code(), "invalid_path");
  EXPECT_EQ(Http(port(0), "GET", "/v1/kv").status, 404);
  EXPECT_EQ(Http(port(0), "GET", "/v1/kv/").Text("path"), "/");
}

TEST_P(KvTest, PagesShareOneRevision) {
  for (const char* name : {"b", "a", "a/x", "c", "a.b"})
    ASSERT_EQ(Put("/list/" + std::string(name), "v").status, 201);
  const Answer children = Get("/list?list=children&keys_only=true");
  EXPECT_EQ(Paths(children),
            (std::vector<std::string>{"/list/a", "/list/a.b", "/list/b", "/list/c"}));
  const Answer first = Get("/list?list=subtree&limit=2", 0);
  EXPECT_EQ(Paths(first), (std::vector<std::string>{"/list/a", "/list/a/x"}));
  EXPECT_TRUE(first.Json().at("more").as_bool());
  Put("/list/a.c", "late");
  const std::string rest = "/list?list=subtree&after=" + first.Text("next") +
                           "&at_revision=" + std::to_string(first.Number("revision"));
  const Answer second = Get(rest, 2);
  EXPECT_EQ(Paths(second), (std::vector<std::string>{"/list/a.b", "/list/b", "/list/c"}));
  EXPECT_FALSE(second.Json().at("more").as_bool());
  EXPECT_EQ(Get("/list/none?list=children").status, 404);
}

TEST_P(KvTest, TheRootStaysAndTheServicesOwnIsLeftOut) {
  EXPECT_EQ(Delete("/").Code(), "not_empty");
  EXPECT_EQ(Put("/.synod/x", "v").Code(), "managed_node");
  const Answer root = Get("/?list=children");
  for (const std::string& path : Paths(root)) EXPECT_NE(path, "/.synod");
}

TEST_P(KvTest, SequentialNamesOnlyGrow) {
  std::set<std::string> names;
  for (int i = 1; i <= 3; ++i) {
    const Answer made = Http(port(i), "POST", "/v1/kv/queue/job-", {.body = "x"});
    ASSERT_EQ(made.status, 201) << made.body;
    EXPECT_EQ(made.Text("path"), "/queue/job-000000000" + std::to_string(i));
  }
  Delete("/queue/job-0000000003");
  EXPECT_EQ(Http(port(0), "POST", "/v1/kv/queue/job-", {.body = "x"}).Text("path"),
            "/queue/job-0000000004");
}

TEST_P(KvTest, DeletesAskBeforeTheyTakeASubtree) {
  Put("/del/a/b", "x");
  EXPECT_EQ(Delete("/del/a").Code(), "not_empty");
  const Answer gone = Delete("/del/a?recursive=true&prev=true");
  EXPECT_EQ(gone.status, 200);
  EXPECT_EQ(gone.Number("deleted"), 2);
  const json::value prev = gone.Json().at("prev");
  ASSERT_EQ(prev.as_array().size(), 2U);
  EXPECT_EQ(prev.at(0).at("path").as_string(), "/del/a");
  EXPECT_EQ(prev.at(1).at("value").as_string(), "x");
  EXPECT_EQ(Get("/del/a/b").status, 404);
}

TEST_P(KvTest, TransactionsAreAllOrNothing) {
  Put("/txn/a", "1");
  const Answer done = Txn(R"({"if":[{"path":"/txn/a","target":"value","op":"==","value":"1"}],
      "then":[{"put":{"path":"/txn/a","value":"2"}},{"get":{"path":"/txn/a"}},
              {"create":{"path":"/txn/b","value":"x"}}],
      "else":[{"delete":{"path":"/txn/a"}}]})");
  ASSERT_EQ(done.status, 200) << done.body;
  EXPECT_TRUE(done.Json().at("succeeded").as_bool());
  EXPECT_EQ(done.Json().at("results").at(1).at("get").at("value").as_string(), "2");
  const Answer failed = Txn(R"({"then":[{"put":{"path":"/txn/c","value":"y"}},
      {"create":{"path":"/txn/b","value":"again"}}]})");
  EXPECT_EQ(failed.status, 412);
  EXPECT_EQ(failed.Code(), "precondition_failed");
  EXPECT_EQ(failed.Number("index"), 1);
  EXPECT_EQ(Get("/txn/c").status, 404);
  EXPECT_EQ(Get("/txn/b").Revision(), done.Revision());
}

TEST_P(KvTest, ThePastCanBeRead) {
  const Answer then = Put("/past", "old");
  Put("/past", "new");
  Delete("/past");
  const std::string at = "/past?at_revision=" + std::to_string(then.Revision());
  for (int n = 0; n < 3; ++n) {
    EXPECT_EQ(Get(at, n).Text("value"), "old");
    EXPECT_EQ(Get("/past", n).status, 404);
  }
  const Answer future = Get("/past?at_revision=" + std::to_string(then.Revision() + 100000));
  EXPECT_EQ(future.Code(), "invalid_request");
}

TEST_P(KvTest, ASequentialReadNeverGoesBackBehindItsRevision) {
  for (int i = 0; i < 20; ++i) {
    const Answer put = Put("/seq", std::to_string(i), {}, i);
    const std::string target =
        "/seq?consistency=sequential&min_revision=" + std::to_string(put.Revision());
    const Answer get = Get(target, i + 1);
    ASSERT_EQ(get.status, 200) << get.body;
    EXPECT_EQ(get.Text("value"), std::to_string(i));
  }
}

TEST_P(KvTest, HeadAndConditionalGetsHaveNoBody) {
  Put("/head", "body");
  const std::string etag = Get("/head").Header("etag");
  const Answer head = Http(port(1), "HEAD", "/v1/kv/head");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.Header("etag"), etag);
  const Answer same = Get("/head", 2, {{"If-None-Match", etag}});
  EXPECT_EQ(same.status, 304);
  EXPECT_EQ(same.body, "");
}

TEST_P(KvTest, ARepeatWithTheSameKeyIsNotAppliedAgain) {
  const Headers key = {{"Idempotency-Key", "once-" + std::to_string(GetParam())}};
  const Answer first = Http(port(0), "POST", "/v1/kv/once/n-", {.body = "x", .headers = key});
  ASSERT_EQ(first.status, 201) << first.body;
  EXPECT_FALSE(first.Has("synod-replayed"));
  for (int n = 0; n < 3; ++n) {
    const Answer again = Http(port(n), "POST", "/v1/kv/once/n-", {.body = "x", .headers = key});
    EXPECT_EQ(again.status, 201);
    EXPECT_EQ(again.Header("synod-replayed"), "true");
    EXPECT_EQ(again.body, first.body);
    EXPECT_EQ(again.Revision(), first.Revision());
  }
  const Answer other = Http(port(1), "POST", "/v1/kv/once/n-", {.body = "y", .headers = key});
  EXPECT_EQ(other.status, 422);
  EXPECT_EQ(other.Code(), "idempotency_key_reused");
  EXPECT_EQ(Get("/once").Number("num_children"), 1);
}

TEST_P(KvTest, PipelinedRequestsAreAnsweredInOrder) {
  Connection connection(port(1));
  std::string requests;
  for (int i = 0; i < 30; ++i) {
    const std::string value = std::to_string(i);
    requests += "PUT /v1/kv/pipe HTTP/1.1\r\nHost: localhost\r\nContent-Length: " +
                std::to_string(value.size()) + "\r\n\r\n" + value;
    requests += "GET /v1/kv/pipe HTTP/1.1\r\nHost: localhost\r\n\r\n";
  }
  ASSERT_TRUE(connection.Send(requests));
  uint64_t last = 0;
  for (int i = 0; i < 30; ++i) {
    const Answer put = connection.Read();
    ASSERT_TRUE(put.status == 200 || put.status == 201) << put.body;
    EXPECT_GT(put.Revision(), last);
    last = put.Revision();
    EXPECT_EQ(connection.Read().status, 200);
  }
}

TEST_P(KvTest, ValuesUpToTheLimitAreTakenAndNoLarger) {
  EXPECT_EQ(Put("/big", std::string(1 << 20, 'x')).status, 201);
  EXPECT_EQ(Get("/big?raw=true").body.size(), size_t{1} << 20);
  const Answer refused = Put("/big", std::string((1 << 20) + 1, 'x'));
  EXPECT_EQ(refused.status, 413);
  EXPECT_EQ(refused.Code(), "too_large");
  EXPECT_EQ(refused.Number("limit"), 1 << 20);
}

TEST_P(KvTest, StatusHealthAndVersionAnswer) {
  for (int id = 1; id <= cluster_->size(); ++id) {
    const uint16_t p = cluster_->port(id);
    for (const char* target : {"/livez", "/readyz", "/healthz", "/version"})
      EXPECT_EQ(Http(p, "GET", target).status, 200) << target;
    const json::value status = Http(p, "GET", "/v1/status").Json();
    EXPECT_EQ(status.at("node").at("id").to_number<int>(), id);
    EXPECT_EQ(status.at("leader").at("id").to_number<int>(), cluster_->Leader());
    const json::value members = Http(p, "GET", "/v1/cluster").Json();
    EXPECT_EQ(members.at("members").as_array().size(), static_cast<size_t>(cluster_->size()));
    const Answer metrics = Http(p, "GET", "/metrics");
    EXPECT_NE(metrics.body.find("\n# TYPE synod_"), std::string::npos) << metrics.body;
  }
}

}  // namespace
}  // namespace synod::integration
