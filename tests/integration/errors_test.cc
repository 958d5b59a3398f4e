// Every code of the API's table of errors that can be met, with its status, and its outcome where
// the request could have changed something.
#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "tests/integration/cluster_test_base.h"

namespace synod::integration {
namespace {

struct Case {
  const char* name;
  const char* method;
  std::string target;
  int status;
  const char* code;
  Headers headers = {};
  std::string body = {};
};

std::string LongTarget(size_t bytes) { return "/v1/kv/" + std::string(bytes - 7, 'a'); }

const Case kCases[] = {
    // Form of the request line and of paths.
    {"EmptyComponent", "GET", "/v1/kv/a//b", 400, "invalid_path"},
    {"TrailingSlash", "PUT", "/v1/kv/a/", 400, "invalid_path"},
    {"EncodedSlash", "PUT", "/v1/kv/a%2Fb", 400, "invalid_path"},
    {"BadEscape", "PUT", "/v1/kv/a%zz", 400, "invalid_path"},
    {"NotUtf8", "PUT", "/v1/kv/%C3%28", 400, "invalid_path"},
    {"ControlCharacter", "PUT", "/v1/kv/a%01", 400, "invalid_path"},
    {"ComponentTooLong", "PUT", LongTarget(300), 400, "invalid_path"},
    {"TargetTooLong", "PUT", LongTarget(9000), 414, "uri_too_long"},
    {"UnknownRoute", "GET", "/v2/kv/a", 404, "not_found"},
    {"NoSlashAfterKv", "GET", "/v1/kv", 404, "not_found"},
    // Parameters, headers, preconditions.
    {"UnknownParameter", "PUT", "/v1/kv/a?if_verison=3", 400, "invalid_request"},
    {"RepeatedParameter", "PUT", "/v1/kv/a?if_version=3&if_version=3", 400, "invalid_request"},
    {"NegativeNumber", "PUT", "/v1/kv/a?if_version=-1", 400, "invalid_request"},
    {"NumberTooLarge", "PUT", "/v1/kv/a?if_version=9007199254740993", 400, "invalid_request"},
    {"NumberOf65Bits", "PUT", "/v1/kv/a?if_version=18446744073709551616", 400, "invalid_request"},
    {"TimeoutTooLong", "PUT", "/v1/kv/a?timeout_ms=60001", 400, "invalid_request"},
    {"UnknownSynodHeader", "PUT", "/v1/kv/a", 400, "invalid_request", {{"Synod-Fenec", "/x=1"}}},
    {"WeakETag", "PUT", "/v1/kv/a", 400, "invalid_request", {{"If-Match", "W/\"3\""}}},
    {"TwoPreconditions",
     "PUT",
     "/v1/kv/a?if_version=1",
     400,
     "invalid_request",
     {{"If-Match", "\"3\""}}},
    {"PreconditionOnPost", "POST", "/v1/kv/a/x-", 400, "invalid_request", {{"If-Match", "\"3\""}}},
    {"EmptyKey", "PUT", "/v1/kv/a", 400, "invalid_request", {{"Idempotency-Key", ""}}},
    {"LongKey",
     "PUT",
     "/v1/kv/a",
     400,
     "invalid_request",
     {{"Idempotency-Key", std::string(129, 'k')}}},
    {"BadConsistency", "GET", "/v1/kv/a?consistency=maybe", 400, "invalid_request"},
    {"FutureRevision", "GET", "/v1/kv/a?at_revision=900000000", 400, "invalid_request"},
    {"LimitTooLarge", "GET", "/v1/kv/?list=children&limit=10001", 400, "invalid_request"},
    // JSON.
    {"NotJson", "POST", "/v1/txn", 400, "invalid_json", {}, "{"},
    {"TrailingData", "POST", "/v1/txn", 400, "invalid_json", {}, "{\"then\":[]} x"},
    {"DuplicateKey",
     "POST",
     "/v1/leases",
     400,
     "invalid_json",
     {},
     R"({"ttl_ms":1000,"ttl_ms":2000})"},
    {"BadUtf8",
     "POST",
     "/v1/leases",
     400,
     "invalid_json",
     {},
     "{\"ttl_ms\":1000,\"name\":\"\xC3\x28\"}"},
    {"DeepJson", "POST", "/v1/txn", 400, "invalid_json", {}, std::string(100'000, '[')},
    {"UnknownField",
     "POST",
     "/v1/leases",
     400,
     "invalid_request",
     {},
     R"({"ttl_ms":1000,"nmae":"x"})"},
    {"TtlTooShort", "POST", "/v1/leases", 400, "invalid_request", {}, R"({"ttl_ms":499})"},
    {"TtlTooLong", "POST", "/v1/leases", 400, "invalid_request", {}, R"({"ttl_ms":86400001})"},
    {"TtlIsFraction", "POST", "/v1/leases", 400, "invalid_request", {}, R"({"ttl_ms":1000.5})"},
    {"TtlIsHuge", "POST", "/v1/leases", 400, "invalid_request", {}, R"({"ttl_ms":1e400})"},
    {"TtlIsText", "POST", "/v1/leases", 400, "invalid_request", {}, R"({"ttl_ms":"1000"})"},
    {"ArrayBody", "POST", "/v1/leases", 400, "invalid_request", {}, "[]"},
    // The statuses' own names.
    {"WrongMethod", "PATCH", "/v1/kv/a", 405, "method_not_allowed"},
    {"NothingAcceptable", "GET", "/v1/watch/a", 406, "not_acceptable", {{"Accept", "image/png"}}},
    {"Expectation", "PUT", "/v1/kv/a", 417, "expectation_failed", {{"Expect", "tea"}}},
    // What is not there.
    {"AbsentNode", "GET", "/v1/kv/absent", 404, "not_found"},
    {"AbsentDelete", "DELETE", "/v1/kv/absent", 404, "not_found"},
    {"AbsentLease", "POST", "/v1/leases/999999/keepalive", 404, "lease_not_found"},
    {"AbsentLeaseDelete", "DELETE", "/v1/leases/999999", 404, "lease_not_found"},
    {"PutOnAbsentLease", "PUT", "/v1/kv/a?lease=999999", 404, "lease_not_found"},
    {"AbsentLock", "GET", "/v1/locks/absent", 404, "not_found"},
    {"ReleaseOfNothing",
     "POST",
     "/v1/locks/absent/release",
     404,
     "lock_not_held",
     {},
     R"({"token":1})"},
    {"ProclaimByNobody",
     "POST",
     "/v1/elections/absent/proclaim",
     412,
     "fenced",
     {},
     R"({"token":1,"value":"x"})"},
    // What the state machine refuses.
    {"ManagedNode", "PUT", "/v1/kv/.synod/locks/x", 409, "managed_node"},
    {"RootIsNotDeleted", "DELETE", "/v1/kv/", 409, "not_empty"},
    {"RootExists", "PUT", "/v1/kv/?if_version=0", 412, "precondition_failed"},
    {"FencedByNobody", "PUT", "/v1/kv/a", 412, "fenced", {{"Synod-Fence", "/no/lock=1"}}},
    {"NotAfterTooFar",
     "PUT",
     "/v1/kv/a",
     400,
     "invalid_request",
     {{"Synod-Not-After", "9000000000000000"}}},
    {"LockPathReserved",
     "POST",
     "/v1/locks/a/@b/acquire",
     400,
     "invalid_path",
     {},
     R"({"ttl_ms":1000})"},
    {"LockOfTheRoot", "POST", "/v1/locks/acquire", 400, "invalid_path", {}, R"({"ttl_ms":1000})"},
};

class ErrorsTest : public ClusterTest<3> {
 protected:
  Answer Do(const std::string& method,
            const std::string& target,
            const std::string& body = {},
            const Headers& headers = {}) {
    return Http(port(next_++), method, target, {.body = body, .headers = headers});
  }
  static void Expect(const Answer& answer,
                     int status,
                     const std::string& code,
                     bool change = true) {
    EXPECT_EQ(answer.status, status) << answer.body;
    EXPECT_EQ(answer.Header("content-type"), "application/problem+json");
    EXPECT_EQ(answer.Code(), code) << answer.body;
    EXPECT_EQ(answer.Number("status"), status);
    for (const char* member : {"type", "title", "detail"})
      EXPECT_FALSE(answer.Text(member).empty()) << member << " of " << answer.body;
    if (change) {
      EXPECT_EQ(answer.Text("outcome"), "not_applied") << answer.body;
    }
  }
  std::string Lease(int ttl_ms = 60'000) {
    const Answer granted = Do("POST", "/v1/leases", R"({"ttl_ms":)" + std::to_string(ttl_ms) + "}");
    return std::to_string(granted.Number("id"));
  }

 private:
  int next_ = 0;
};

TEST_F(ErrorsTest, TableOfRefusals) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const Answer answer = Do(c.method, c.target, c.body, c.headers);
    Expect(answer, c.status, c.code, std::string(c.method) != "GET");
  }
}

TEST_F(ErrorsTest, AMethodThatIsNotAllowedNamesThoseThatAre) {
  const Answer answer = Do("PATCH", "/v1/kv/a");
  for (const char* method : {"GET", "PUT", "POST", "DELETE", "HEAD"})
    EXPECT_NE(answer.Header("allow").find(method), std::string::npos) << answer.Header("allow");
  EXPECT_NE(Do("DELETE", "/v1/txn").Header("allow").find("POST"), std::string::npos);
}

TEST_F(ErrorsTest, AChangePastItsNotAfterIsRefusedUnexecuted) {
  // A young cluster's clock may still stand at its beginning.
  ASSERT_TRUE(Eventually(Milliseconds(10'000), [&] {
    return std::stoll(Do("PUT", "/v1/kv/late", "x").Header("synod-time")) > 10;
  }));
  Expect(Do("PUT", "/v1/kv/late", "late", {{"Synod-Not-After", "10"}}), 409, "request_expired");
  EXPECT_EQ(Do("GET", "/v1/kv/late").Text("value"), "x");
  // With a key there may be an attempt of before that ran: no record of it, no promise about it.
  const Answer keyed =
      Do("PUT", "/v1/kv/late", "late", {{"Synod-Not-After", "10"}, {"Idempotency-Key", "expired"}});
  EXPECT_EQ(keyed.Code(), "request_expired");
  EXPECT_EQ(keyed.Text("outcome"), "unknown");
}

TEST_F(ErrorsTest, NodesWithLeasesHaveNoChildren) {
  const std::string lease = Lease();
  ASSERT_EQ(Do("PUT", "/v1/kv/leased/a?lease=" + lease, "x").status, 201);
  Expect(Do("PUT", "/v1/kv/leased/a/b", "x"), 409, "leased_parent");
  Expect(Do("PUT", "/v1/kv/leased?lease=" + lease), 409, "leased_parent");
}

TEST_F(ErrorsTest, AFailedTransactionNamesItsOperation) {
  ASSERT_EQ(Do("PUT", "/v1/kv/tx/a/b", "x").status, 201);
  const Answer answer =
      Do("POST", "/v1/txn",
         R"({"then":[{"put":{"path":"/tx/c","value":"y"}},{"delete":{"path":"/tx/a"}}]})");
  Expect(answer, 409, "not_empty");
  EXPECT_EQ(answer.Number("index"), 1);
  Expect(Do("POST", "/v1/txn", R"({"then":[{"put":{"path":"/tx/c","value":"y","lease":99999}}]})"),
         404, "lease_not_found");
  EXPECT_EQ(Do("GET", "/v1/kv/tx/c").status, 404);
}

TEST_F(ErrorsTest, LocksAndElectionsDoNotMix) {
  const std::string lease = Lease();
  const std::string body = R"({"lease":)" + lease + "}";
  const Answer held = Do("POST", "/v1/locks/mixed/acquire", body);
  ASSERT_EQ(held.status, 200) << held.body;
  Expect(Do("POST", "/v1/elections/mixed/campaign", body), 409, "wrong_kind");
  Expect(Do("POST", "/v1/locks/mixed/acquire", R"({"ttl_ms":5000})"), 423, "lock_unavailable");
  const auto holders = Do("POST", "/v1/locks/mixed/acquire", R"({"ttl_ms":5000})").Json();
  EXPECT_EQ(holders.at("holders").at(0).at("token").to_number<int64_t>(), held.Number("token"));
}

TEST_F(ErrorsTest, AStaleTokenIsFenced) {
  const Answer first = Do("POST", "/v1/locks/stale/acquire", R"({"ttl_ms":60000})");
  const std::string old_token = std::to_string(first.Number("token"));
  ASSERT_EQ(Do("POST", "/v1/locks/stale/release", R"({"token":)" + old_token + "}").status, 200);
  const Answer second = Do("POST", "/v1/locks/stale/acquire", R"({"ttl_ms":60000})");
  EXPECT_GT(second.Number("token"), first.Number("token"));
  Expect(Do("PUT", "/v1/kv/fenced", "x", {{"Synod-Fence", "/stale=" + old_token}}), 412, "fenced");
  const std::string token = std::to_string(second.Number("token"));
  EXPECT_EQ(Do("PUT", "/v1/kv/fenced", "x", {{"Synod-Fence", "/stale=" + token}}).status, 201);
}

TEST_F(ErrorsTest, DroppedHistoryIsGoneAndSaysFromWhere) {
  const Answer then = Do("PUT", "/v1/kv/old", "1");
  const Answer now = Do("PUT", "/v1/kv/old", "2");
  const std::string upto = std::to_string(now.Revision());
  ASSERT_EQ(Do("POST", "/v1/compact", R"({"revision":)" + upto + "}").status, 200);
  const std::string at = std::to_string(then.Revision());
  const Answer read = Do("GET", "/v1/kv/old?at_revision=" + at);
  Expect(read, 410, "compacted", false);
  EXPECT_GE(read.Number("compact_revision"), static_cast<int64_t>(now.Revision()));
  Expect(Do("GET", "/v1/watch/old?from_revision=" + at), 410, "compacted", false);
}

TEST_F(ErrorsTest, WhatIsTooLargeSaysItsLimit) {
  const Answer value = Do("PUT", "/v1/kv/large", std::string((1 << 20) + 1, 'x'));
  Expect(value, 413, "too_large");
  EXPECT_EQ(value.Number("limit"), 1 << 20);
  Expect(Do("PUT", "/v1/kv/large", std::string((2 << 20) + 1, 'x')), 413, "too_large");
  std::string operations;
  for (int i = 0; i < 129; ++i)
    operations += std::string(i == 0 ? "" : ",") + R"({"get":{"path":"/a"}})";
  Expect(Do("POST", "/v1/txn", R"({"then":[)" + operations + "]}"), 413, "too_large");
}

TEST_F(ErrorsTest, HeadersOverTheirLimitAreRefused) {
  Headers many;
  for (int i = 0; i < 20; ++i)
    many.emplace_back("X-Filler-" + std::to_string(i), std::string(1000, 'x'));
  Expect(Do("PUT", "/v1/kv/a", "x", many), 431, "request_header_fields_too_large");
}

TEST_F(ErrorsTest, AForeignHostOrOriginIsForbidden) {
  Expect(Do("PUT", "/v1/kv/a", "x", {{"Host", "evil.example"}}), 403, "permission_denied");
  Expect(Do("PUT", "/v1/kv/a", "x", {{"Origin", "http://evil.example"}}), 403, "permission_denied");
  EXPECT_EQ(Do("GET", "/livez", {}, {{"Host", "evil.example"}}).status, 200);
  EXPECT_EQ(Do("GET", "/v1/status", {}, {{"Host", "127.0.0.1:80"}}).status, 200);
}

TEST_F(ErrorsTest, AReplicaThatCannotProveItsAgeIsNotReady) {
  // One millisecond is less than any heartbeat; the proof may still be that fresh by luck.
  bool seen = false;
  for (int i = 0; i < 50 && !seen; ++i) {
    const Answer answer =
        Http(port(cluster().Leader()), "GET", "/v1/kv/?consistency=sequential&max_age_ms=1");
    seen = answer.status == 503;
    if (seen) {
      Expect(answer, 503, "not_ready", false);
    }
  }
  EXPECT_TRUE(seen);
}

TEST_F(ErrorsTest, AReadThatWaitsForTheFutureEndsAtItsDeadline) {
  const Answer answer =
      Do("GET", "/v1/kv/?consistency=sequential&min_revision=900000000&timeout_ms=200");
  Expect(answer, 504, "deadline_exceeded", false);
}

TEST_F(ErrorsTest, AWaitForALockEndsWithItAndNeverAcquiresAfterwards) {
  const Answer held = Do("POST", "/v1/locks/wait/acquire", R"({"ttl_ms":60000,"value":"a"})");
  ASSERT_EQ(held.status, 200);
  const Answer waited = Do("POST", "/v1/locks/wait/acquire", R"({"ttl_ms":5000,"wait_ms":300})");
  Expect(waited, 423, "lock_unavailable");
  const std::string token = std::to_string(held.Number("token"));
  ASSERT_EQ(Do("POST", "/v1/locks/wait/release", R"({"token":)" + token + "}").status, 200);
  EXPECT_EQ(Do("GET", "/v1/locks/wait").Code(), "not_found");
}

// Cluster-wide refusals need a cluster of their own to break.
TEST(BrokenClusterTest, WithoutAMajorityAChangeIsRefusedWithItsOutcome) {
  Cluster cluster(3);
  cluster.Start();
  const int alone = cluster.Other(cluster.Leader());
  for (int id = 1; id <= 3; ++id) {
    if (id != alone)
      cluster.node(id).Kill();
  }
  ASSERT_TRUE(Eventually(Milliseconds(10'000), [&] { return !cluster.node(alone).Ready(); }));
  const Answer put = Http(cluster.port(alone), "PUT", "/v1/kv/a?timeout_ms=500", {.body = "x"});
  ASSERT_EQ(put.status, 503) << put.body;
  EXPECT_TRUE(put.Code() == "no_leader" || put.Code() == "no_quorum") << put.body;
  EXPECT_EQ(put.Text("outcome"), "not_applied") << "it never reached a leader: " << put.body;
  EXPECT_TRUE(put.Has("retry-after"));
}

// A leader that cannot reach anybody: what it has proposed may still be chosen later.
TEST(BrokenClusterTest, AChangeThatALeaderMayStillCommitIsUnknown) {
  Cluster cluster(3);
  cluster.Start();
  const int leader = cluster.Leader();
  for (int id = 1; id <= 3; ++id) {
    if (id != leader)
      cluster.node(id).Pause();
  }
  const Answer put = Http(cluster.port(leader), "PUT", "/v1/kv/a?timeout_ms=300", {.body = "x"});
  ASSERT_EQ(put.status, 504) << put.body;
  EXPECT_EQ(put.Code(), "deadline_exceeded");
  EXPECT_EQ(put.Text("outcome"), "unknown") << put.body;
  for (int id = 1; id <= 3; ++id) cluster.node(id).Resume();
  cluster.AwaitAllReady();
}

TEST(BrokenClusterTest, ANodeThatStopsEndsItsWaitsWithShuttingDown) {
  Cluster cluster(3);
  cluster.Start();
  const int id = cluster.Other(cluster.Leader());
  ASSERT_EQ(
      Http(cluster.port(1), "POST", "/v1/locks/l/acquire", {.body = R"({"ttl_ms":60000})"}).status,
      200);
  Connection waiter(cluster.port(id));
  waiter.Request("POST", "/v1/locks/l/acquire", R"({"ttl_ms":60000,"wait_ms":60000})");
  ASSERT_TRUE(Eventually(Milliseconds(5000), [&] {
    return Http(cluster.port(1), "GET", "/v1/locks/l").Json().at("waiters").as_array().size() == 1;
  }));
  ASSERT_EQ(cluster.node(id).Stop(), 0);
  const Answer answer = waiter.Read();
  EXPECT_EQ(answer.status, 503) << answer.body;
  EXPECT_EQ(answer.Code(), "shutting_down");
  EXPECT_EQ(answer.Text("outcome"), "unknown");
}

}  // namespace
}  // namespace synod::integration
