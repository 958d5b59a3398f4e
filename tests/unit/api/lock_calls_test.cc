// /v1/leases, /v1/locks, /v1/elections.
#include "tests/unit/api/fixture.h"

namespace synod::api {
namespace {

const std::string kBadRequest = "400 invalid_request";
const std::string kBadPath = "400 invalid_path";

Parsed Post(std::string target, std::string body) {
  return Parse("POST", std::move(target), {}, std::move(body));
}

TEST(LeaseCallsTest, GrantsWithinTheBounds) {
  const auto grant =
      Operation<machine::LeaseGrant>(Post("/v1/leases", R"({"ttl_ms":10000,"name":"worker-7"})"));
  EXPECT_EQ(grant.ttl_ms, 10'000);
  EXPECT_EQ(grant.name, "worker-7");
  EXPECT_EQ(Operation<machine::LeaseGrant>(Post("/v1/leases", R"({"ttl_ms":500})")).name, "");
  const std::string name(255, 'n');
  ExpectVerdicts({
      {"POST", "/v1/leases", {}, R"({"ttl_ms":86400000})", "call"},
      {"POST", "/v1/leases", {}, R"({"ttl_ms":499})", kBadRequest},
      {"POST", "/v1/leases", {}, R"({"ttl_ms":86400001})", kBadRequest},
      {"POST", "/v1/leases", {}, R"({"name":"x"})", kBadRequest},
      {"POST", "/v1/leases", {}, R"({"ttl_ms":1000,"name":7})", kBadRequest},
      {"POST", "/v1/leases", {}, R"({"ttl_ms":1000,"ttl":7})", kBadRequest},
      {"POST", "/v1/leases", {}, "", "400 invalid_json"},
      {"POST", "/v1/leases", {}, R"({"ttl_ms":1000,"name":")" + name + "\"}", "call"},
      {"POST", "/v1/leases", {}, R"({"ttl_ms":1000,"name":")" + name + "n\"}", kBadRequest},
  });
}

TEST(LeaseCallsTest, ReadsOneAndAll) {
  EXPECT_EQ(QueryOf<machine::GetLease>(Parse("GET", "/v1/leases/12")).id, LeaseId(12));
  const auto all = QueryOf<machine::ListLeases>(Parse("GET", "/v1/leases?limit=5&after=12"));
  EXPECT_EQ(all.limit, 5U);
  EXPECT_EQ(all.after, LeaseId(12));
  ExpectVerdicts({
      {"GET", "/v1/leases/0", {}, "", kBadRequest},
      {"GET", "/v1/leases/abc", {}, "", kBadRequest},
      {"GET", "/v1/leases/012", {}, "", kBadRequest},
      {"GET", "/v1/leases/9007199254740992", {}, "", kBadRequest},
      {"GET", "/v1/leases?after=abc", {}, "", kBadRequest},
      {"GET", "/v1/leases?limit=0", {}, "", kBadRequest},
      {"GET", "/v1/leases?keys_only=true", {}, "", kBadRequest},
      {"GET", "/v1/leases/1?limit=1", {}, "", kBadRequest},
  });
}

TEST(LeaseCallsTest, RenewsOneOrMany) {
  const ChangeCall one = Expect<ChangeCall>(Post("/v1/leases/12/keepalive", ""));
  EXPECT_EQ(std::get<machine::LeaseKeepAlive>(one.command.operation).ids,
            std::vector<LeaseId>({LeaseId(12)}));
  EXPECT_FALSE(std::get<machine::LeaseKeepAlive>(one.command.operation).bulk);
  EXPECT_FALSE(one.render.bulk);
  const ChangeCall many = Expect<ChangeCall>(Post("/v1/leases/keepalive", R"({"ids":[3,1]})"));
  EXPECT_EQ(std::get<machine::LeaseKeepAlive>(many.command.operation).ids,
            std::vector<LeaseId>({LeaseId(3), LeaseId(1)}));
  EXPECT_TRUE(std::get<machine::LeaseKeepAlive>(many.command.operation).bulk);
  EXPECT_TRUE(many.render.bulk);
  std::string most = "{\"ids\":[1";
  for (int i = 2; i <= 1000; ++i) most += "," + std::to_string(i);
  ExpectVerdicts({
      {"POST", "/v1/leases/12/keepalive", {}, "{}", "call"},
      {"POST", "/v1/leases/12/keepalive", {}, R"({"ttl_ms":1000})", kBadRequest},
      {"POST", "/v1/leases/0/keepalive", {}, "", kBadRequest},
      {"POST", "/v1/leases/keepalive", {}, most + "]}", "call"},
      {"POST", "/v1/leases/keepalive", {}, most + ",1001]}", "413 too_large"},
      {"POST", "/v1/leases/keepalive", {}, R"({"ids":[]})", kBadRequest},
      {"POST", "/v1/leases/keepalive", {}, "{}", kBadRequest},
      {"POST", "/v1/leases/keepalive", {}, R"({"ids":[0]})", kBadRequest},
      {"POST", "/v1/leases/keepalive", {}, R"({"ids":["1"]})", kBadRequest},
      {"POST", "/v1/leases/keepalive", {}, R"({"ids":7})", kBadRequest},
  });
}

TEST(LeaseCallsTest, Revokes) {
  EXPECT_EQ(Operation<machine::LeaseRevoke>(Parse("DELETE", "/v1/leases/12")).id, LeaseId(12));
  EXPECT_EQ(Verdict(Parse("DELETE", "/v1/leases/12?recursive=true")), kBadRequest);
}

TEST(LockCallsTest, AcquiresWithALeaseOrATtl) {
  const ChangeCall call =
      Expect<ChangeCall>(Post("/v1/locks/db/backup/acquire",
                              R"({"lease":7,"mode":"shared","limit":1,"wait_ms":30000,"value":"who",
               "lock_delay_ms":60000})"));
  const auto& acquire = std::get<machine::Acquire>(call.command.operation);
  EXPECT_EQ(acquire.kind, machine::LockKind::kLock);
  EXPECT_EQ(acquire.path, "/db/backup");
  EXPECT_EQ(acquire.lease, LeaseId(7));
  EXPECT_EQ(acquire.ttl_ms, 0);
  EXPECT_EQ(acquire.mode, machine::LockMode::kShared);
  EXPECT_EQ(acquire.limit, 1U);
  EXPECT_EQ(acquire.wait_ms, 30'000);
  EXPECT_EQ(acquire.lock_delay_ms, 60'000);
  EXPECT_EQ(acquire.value, "who");
  EXPECT_EQ(call.wait_ms, 30'000);

  const auto plain =
      Operation<machine::Acquire>(Post("/v1/locks/a/acquire", R"({"ttl_ms":10000})"));
  EXPECT_EQ(plain.lease, LeaseId(0));
  EXPECT_EQ(plain.ttl_ms, 10'000);
  EXPECT_EQ(plain.mode, machine::LockMode::kExclusive);
  EXPECT_EQ(plain.limit, 1U);
  EXPECT_EQ(plain.wait_ms, 0);
  EXPECT_EQ(plain.lock_delay_ms, 0);
  EXPECT_EQ(plain.value, "");
}

TEST(LockCallsTest, RefusesMalformedAcquires) {
  const auto verdict = [](std::string body) {
    return Verdict(Post("/v1/locks/a/acquire", std::move(body)));
  };
  const struct {
    const char* body;
    const char* verdict;
  } cases[] = {
      {R"({})", "400 invalid_request"},
      {R"({"lease":1,"ttl_ms":1000})", "400 invalid_request"},
      {R"({"lease":0})", "400 invalid_request"},
      {R"({"ttl_ms":499})", "400 invalid_request"},
      {R"({"ttl_ms":86400001})", "400 invalid_request"},
      {R"({"lease":1,"mode":"write"})", "400 invalid_request"},
      {R"({"lease":1,"mode":"exclusive"})", "call"},
      {R"({"lease":1,"limit":0})", "400 invalid_request"},
      {R"({"lease":1,"limit":3})", "call"},
      {R"({"lease":1,"limit":1000001})", "400 invalid_request"},
      {R"({"lease":1,"limit":3,"mode":"exclusive"})", "call"},
      {R"({"lease":1,"limit":3,"mode":"shared"})", "400 invalid_request"},
      {R"({"lease":1,"wait_ms":86400000})", "call"},
      {R"({"lease":1,"wait_ms":86400001})", "400 invalid_request"},
      {R"({"lease":1,"wait_ms":-1})", "400 invalid_request"},
      {R"({"lease":1,"lock_delay_ms":60001})", "400 invalid_request"},
      {R"({"lease":1,"value":"a","value_base64":"YQ=="})", "400 invalid_request"},
      {R"({"lease":1,"value_base64":"YQ=="})", "call"},
      {R"({"lease":1,"wait":5})", "400 invalid_request"},
      {R"({"lease":1,"lease":2})", "400 invalid_json"},
      {"", "400 invalid_json"},
  };
  for (const auto& c : cases) EXPECT_EQ(verdict(c.body), c.verdict) << c.body;
  EXPECT_EQ(Verdict(Post("/v1/locks/a/acquire?wait_ms=5", R"({"lease":1})")), kBadRequest);
}

TEST(LockCallsTest, AcquiresSeveralAtOnce) {
  const ChangeCall call = Expect<ChangeCall>(
      Post("/v1/locks", R"({"locks":[{"path":"/b"},{"path":"/a/c","mode":"shared"}],"ttl_ms":1000,
               "wait_ms":30000})"));
  const auto& acquire = std::get<machine::AcquireAll>(call.command.operation);
  ASSERT_EQ(acquire.locks.size(), 2U);
  EXPECT_EQ(acquire.locks[0].path, "/b");
  EXPECT_EQ(acquire.locks[0].mode, machine::LockMode::kExclusive);
  EXPECT_EQ(acquire.locks[1].path, "/a/c");
  EXPECT_EQ(acquire.locks[1].mode, machine::LockMode::kShared);
  EXPECT_EQ(acquire.ttl_ms, 1000);
  EXPECT_EQ(acquire.wait_ms, 30'000);
  EXPECT_EQ(call.wait_ms, 30'000);
  std::string most = R"({"lease":1,"locks":[{"path":"/0"})";
  for (int i = 1; i < 128; ++i) most += ",{\"path\":\"/" + std::to_string(i) + "\"}";
  ExpectVerdicts({
      {"POST", "/v1/locks", {}, most + "]}", "call"},
      {"POST", "/v1/locks", {}, most + R"(,{"path":"/x"}]})", "413 too_large"},
      {"POST", "/v1/locks", {}, R"({"lease":1,"locks":[]})", kBadRequest},
      {"POST", "/v1/locks", {}, R"({"lease":1})", kBadRequest},
      {"POST", "/v1/locks", {}, R"({"locks":[{"path":"/a"}]})", kBadRequest},
      {"POST",
       "/v1/locks",
       {},
       R"({"lease":1,"ttl_ms":1000,"locks":[{"path":"/a"}]})",
       kBadRequest},
      {"POST", "/v1/locks", {}, R"({"lease":1,"locks":["/a"]})", kBadRequest},
      {"POST", "/v1/locks", {}, R"({"lease":1,"locks":[{"mode":"shared"}]})", kBadRequest},
      {"POST", "/v1/locks", {}, R"({"lease":1,"locks":[{"path":"/a","mode":"w"}]})", kBadRequest},
      {"POST", "/v1/locks", {}, R"({"lease":1,"locks":[{"path":"/a","limit":2}]})", kBadRequest},
      {"POST",
       "/v1/locks",
       {},
       R"({"lease":1,"locks":[{"path":"/a"},{"path":"/a"}]})",
       kBadRequest},
      {"POST", "/v1/locks", {}, R"({"lease":1,"locks":[{"path":"a"}]})", kBadPath},
      {"POST", "/v1/locks", {}, R"({"lease":1,"locks":[{"path":"/"}]})", kBadPath},
      {"POST", "/v1/locks", {}, R"({"lease":1,"locks":[{"path":"/a/@b"}]})", kBadPath},
      {"POST", "/v1/locks", {}, R"({"lease":1,"locks":[{"path":"/acquire"}]})", kBadPath},
      {"POST", "/v1/locks", {}, R"({"lease":1,"value":"x","locks":[{"path":"/a"}]})", kBadRequest},
      {"POST", "/v1/locks?prefix=/", {}, R"({"lease":1,"locks":[{"path":"/a"}]})", kBadRequest},
  });
}

TEST(LockCallsTest, JudgesThePathsOfLocks) {
  const std::string c255(255, 'c');
  const std::string long900 = "/" + c255 + "/" + c255 + "/" + c255 + "/" + std::string(131, 'd');
  ASSERT_EQ(long900.size(), 900U);
  const std::string body = R"({"lease":1})";
  ExpectVerdicts({
      {"POST", "/v1/locks" + long900 + "/acquire", {}, body, "call"},
      {"POST", "/v1/locks" + long900 + "d/acquire", {}, body, kBadPath},
      {"GET", "/v1/locks" + long900, {}, "", "call"},
      {"GET", "/v1/locks" + long900 + "d", {}, "", kBadPath},
      {"POST", "/v1/locks/acquire", {}, body, kBadPath},
      {"POST", "/v1/locks/a/acquire/acquire", {}, body, kBadPath},
      {"POST", "/v1/locks/a/observe/acquire", {}, body, kBadPath},
      {"POST", "/v1/locks/acquire/b/acquire", {}, body, "call"},
      {"GET", "/v1/locks/", {}, "", kBadPath},
      {"GET", "/v1/locks/@1", {}, "", kBadPath},
      {"GET", "/v1/locks/a/@b/c", {}, "", kBadPath},
      {"GET", "/v1/locks/a@b", {}, "", "call"},
      {"GET", "/v1/locks/%40b", {}, "", kBadPath},
      {"GET", "/v1/locks/a/", {}, "", kBadPath},
      {"GET", "/v1/locks/a%2Fb", {}, "", kBadPath},
      {"GET", "/v1/locks/a/campaign", {}, "", kBadPath},
      {"POST", "/v1/locks/a/campaign", {}, body, kBadPath},
      {"POST", "/v1/locks/a/resign", {}, body, kBadPath},
      {"POST", "/v1/elections/a/acquire", {}, body, kBadPath},
      {"POST", "/v1/elections/campaign", {}, body, kBadPath},
      {"GET", "/v1/elections/observe", {}, "", kBadPath},
      {"GET", "/v1/elections/a/release", {}, "", kBadPath},
  });
}

TEST(LockCallsTest, ReleasesByToken) {
  const auto release = Operation<machine::Release>(Post("/v1/locks/a/release", R"({"token":5})"));
  EXPECT_EQ(release.kind, machine::LockKind::kLock);
  EXPECT_EQ(release.path, "/a");
  EXPECT_EQ(release.token, FenceToken(5));
  ExpectVerdicts({
      {"POST", "/v1/locks/a/release", {}, "{}", kBadRequest},
      {"POST", "/v1/locks/a/release", {}, R"({"token":0})", kBadRequest},
      {"POST", "/v1/locks/a/release", {}, R"({"token":"5"})", kBadRequest},
      {"POST", "/v1/locks/a/release", {}, R"({"token":5,"lease":1})", kBadRequest},
  });
}

TEST(LockCallsTest, ReadsALockAndListsThem) {
  const auto lock = QueryOf<machine::GetLock>(Parse("GET", "/v1/locks/a/b"));
  EXPECT_EQ(lock.kind, machine::LockKind::kLock);
  EXPECT_EQ(lock.path, "/a/b");
  const auto all = QueryOf<machine::ListLocks>(Parse("GET", "/v1/locks"));
  EXPECT_EQ(all.prefix, "/");
  EXPECT_EQ(all.limit, 1000U);
  const auto some =
      QueryOf<machine::ListLocks>(Parse("GET", "/v1/locks?prefix=/a&limit=2&after=/a/b"));
  EXPECT_EQ(some.prefix, "/a");
  EXPECT_EQ(some.limit, 2U);
  EXPECT_EQ(some.after, "/a/b");
  EXPECT_EQ(Verdict(Parse("GET", "/v1/locks?prefix=a")), kBadPath);
  EXPECT_EQ(Verdict(Parse("GET", "/v1/locks/a?prefix=/")), kBadRequest);
}

TEST(FenceCallsTest, RaisesReadsAndForgets) {
  const auto raise = Operation<machine::RaiseFence>(Post("/v1/fences/db/a", R"({"token":5})"));
  EXPECT_EQ(raise.path, "/db/a");
  EXPECT_EQ(raise.token, FenceToken(5));
  EXPECT_EQ(Operation<machine::ForgetFence>(Parse("DELETE", "/v1/fences/db/a")).path, "/db/a");
  const auto read = Expect<ReadCall>(
      Parse("GET", "/v1/fences/db%20a?consistency=sequential&min_revision=7&timeout_ms=100"));
  EXPECT_EQ(std::get<machine::GetFence>(read.query).path, "/db a");
  const ChangeCall keyed = Expect<ChangeCall>(
      Parse("DELETE", "/v1/fences/a", {{"idempotency-key", "k"}, {"synod-fence", "/lock=5"}}, ""));
  EXPECT_EQ(keyed.command.idempotency_key, "k");
  EXPECT_EQ(keyed.command.fences.size(), 1U);
}

TEST(FenceCallsTest, RefusesWhatIsNotOfThem) {
  const std::string c255(255, 'c');
  const std::string long900 = "/" + c255 + "/" + c255 + "/" + c255 + "/" + std::string(131, 'd');
  const std::string body = R"({"token":1})";
  ExpectVerdicts({
      {"POST", "/v1/fences/a", {}, R"({"token":9007199254740991})", "call"},
      {"POST", "/v1/fences/a", {}, R"({"token":9007199254740992})", kBadRequest},
      {"POST", "/v1/fences/a", {}, R"({"token":0})", kBadRequest},
      {"POST", "/v1/fences/a", {}, R"({"token":-1})", kBadRequest},
      {"POST", "/v1/fences/a", {}, R"({"token":1.5})", kBadRequest},
      {"POST", "/v1/fences/a", {}, R"({"token":"1"})", kBadRequest},
      {"POST", "/v1/fences/a", {}, "{}", kBadRequest},
      {"POST", "/v1/fences/a", {}, "", "400 invalid_json"},
      {"POST", "/v1/fences/a", {}, R"({"tokens":1})", kBadRequest},
      {"POST", "/v1/fences/a", {}, R"({"token":1,"lease":2})", kBadRequest},
      {"POST", "/v1/fences/a", {}, R"({"token":1,"token":2})", "400 invalid_json"},
      {"POST", "/v1/fences/a", {{"if-match", "\"1\""}}, body, kBadRequest},
      {"POST", "/v1/fences/a?if_version=1", {}, body, kBadRequest},
      {"POST", "/v1/fences/a?prev=true", {}, body, kBadRequest},
      {"DELETE", "/v1/fences/a", {}, body, kBadRequest},
      {"DELETE", "/v1/fences/a?recursive=true", {}, "", kBadRequest},
      {"DELETE", "/v1/fences/a", {{"if-match", "*"}}, "", kBadRequest},
      {"GET", "/v1/fences/a", {}, body, kBadRequest},
      {"GET", "/v1/fences/a?at_revision=1", {}, "", kBadRequest},
      {"GET", "/v1/fences/a", {{"if-none-match", "*"}}, "", kBadRequest},
      {"GET", "/v1/fences/a", {{"idempotency-key", "k"}}, "", kBadRequest},
      {"HEAD", "/v1/fences/a", {}, "", "call"},
      {"GET", "/v1/fences" + long900, {}, "", "call"},
      {"GET", "/v1/fences" + long900 + "d", {}, "", kBadPath},
      {"GET", "/v1/fences/", {}, "", kBadPath},
      {"GET", "/v1/fences/a/", {}, "", kBadPath},
      {"POST", "/v1/fences/a/@b", {}, body, kBadPath},
      {"POST", "/v1/fences/a/release", {}, body, kBadPath},
  });
}

TEST(FenceCallsTest, AnswersTheTokenOrTheHighest) {
  EXPECT_EQ(RenderQuery({}, TestContext(), machine::FenceResult{FenceToken(5)}).body,
            R"({"token":5})");
  machine::Answer answer;
  answer.revision = Revision(17);
  answer.body = machine::FenceAnswer{FenceToken(uint64_t{1} << 52)};
  EXPECT_EQ(RenderAnswer({}, TestContext(), answer).body, R"({"token":4503599627370496})");
  answer.body = machine::ForgetFenceAnswer{};
  EXPECT_EQ(RenderAnswer({}, TestContext(), answer).body, R"({"revision":17})");
  machine::Refusal fenced;
  fenced.error = {Errc::kFenced, Outcome::kNotApplied, "why"};
  fenced.highest = FenceToken(9);
  answer.body = fenced;
  RenderOptions options;
  options.could_change = true;
  const net::HttpResponse response = RenderAnswer(options, TestContext(), answer);
  EXPECT_EQ(Verdict(response), "412 fenced");
  EXPECT_EQ(
      response.body,
      R"({"type":"urn:synod:problem:fenced","title":"The fencing token is no longer current",)"
      R"("status":412,"detail":"why","code":"fenced","outcome":"not_applied","highest":9})");
}

TEST(ElectionCallsTest, CampaignsAsAnAcquire) {
  const ChangeCall call = Expect<ChangeCall>(
      Post("/v1/elections/svc/leader/campaign", R"({"ttl_ms":10000,"value":"n1","wait_ms":5})"));
  const auto& acquire = std::get<machine::Acquire>(call.command.operation);
  EXPECT_EQ(acquire.kind, machine::LockKind::kElection);
  EXPECT_EQ(acquire.path, "/svc/leader");
  EXPECT_EQ(acquire.ttl_ms, 10'000);
  EXPECT_EQ(acquire.value, "n1");
  EXPECT_EQ(call.wait_ms, 5);
  ExpectVerdicts({
      {"POST", "/v1/elections/a/campaign", {}, R"({"lease":1,"mode":"shared"})", kBadRequest},
      {"POST", "/v1/elections/a/campaign", {}, R"({"lease":1,"limit":2})", kBadRequest},
      {"POST", "/v1/elections/a/campaign", {}, R"({"lease":1,"lock_delay_ms":2})", kBadRequest},
      {"POST", "/v1/elections/a/campaign", {}, R"({"value":"x"})", kBadRequest},
  });
}

TEST(ElectionCallsTest, LeadersProclaimResignAndTransfer) {
  const auto proclaim =
      Operation<machine::Proclaim>(Post("/v1/elections/a/proclaim", R"({"token":5,"value":"v2"})"));
  EXPECT_EQ(proclaim.path, "/a");
  EXPECT_EQ(proclaim.token, FenceToken(5));
  EXPECT_EQ(proclaim.value, "v2");
  const auto resign = Operation<machine::Release>(Post("/v1/elections/a/resign", R"({"token":5})"));
  EXPECT_EQ(resign.kind, machine::LockKind::kElection);
  EXPECT_EQ(resign.path, "/a");
  const auto transfer =
      Operation<machine::Transfer>(Post("/v1/elections/a/transfer", R"({"token":5,"to":9})"));
  EXPECT_EQ(transfer.path, "/a");
  EXPECT_EQ(transfer.token, FenceToken(5));
  EXPECT_EQ(transfer.to, LeaseId(9));
  ExpectVerdicts({
      {"POST", "/v1/elections/a/proclaim", {}, R"({"token":5})", kBadRequest},
      {"POST", "/v1/elections/a/proclaim", {}, R"({"value":"x"})", kBadRequest},
      {"POST", "/v1/elections/a/proclaim", {}, R"({"token":5,"value":""})", "call"},
      {"POST", "/v1/elections/a/transfer", {}, R"({"token":5})", kBadRequest},
      {"POST", "/v1/elections/a/transfer", {}, R"({"token":5,"to":0})", kBadRequest},
      {"POST", "/v1/elections/a/resign", {}, R"({})", kBadRequest},
  });
}

TEST(ElectionCallsTest, ReadsAnElection) {
  const auto election = QueryOf<machine::GetLock>(Parse("GET", "/v1/elections/a"));
  EXPECT_EQ(election.kind, machine::LockKind::kElection);
  EXPECT_EQ(election.path, "/a");
}

TEST(ElectionCallsTest, ObservesAsAStream) {
  const auto call = Expect<ObserveCall>(Parse("GET", "/v1/elections/a/b/observe"));
  EXPECT_EQ(call.path, "/a/b");
  EXPECT_EQ(call.format, StreamFormat::kSse);
  EXPECT_EQ(call.from_revision, Revision(0));
  const auto resumed =
      Expect<ObserveCall>(Parse("GET", "/v1/elections/a/observe?from_revision=4",
                                {{"accept", "application/x-ndjson"}, {"last-event-id", "9"}}));
  EXPECT_EQ(resumed.format, StreamFormat::kNdjson);
  EXPECT_EQ(resumed.from_revision, Revision(10));
  ExpectVerdicts({
      {"GET",
       "/v1/elections/a/observe",
       {{"accept", "application/json"}},
       "",
       "406 not_acceptable"},
      {"GET", "/v1/elections/a/observe?scope=node", {}, "", kBadRequest},
      {"GET", "/v1/elections/a/observe?wait_ms=1", {}, "", kBadRequest},
  });
}

}  // namespace
}  // namespace synod::api
