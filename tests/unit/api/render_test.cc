// Answers as bytes: whole bodies and headers.
#include <gmock/gmock.h>

#include "tests/unit/api/fixture.h"

namespace synod::api {
namespace {

using machine::Answer;
using machine::Holder;
using machine::LockKind;
using machine::LockMode;

Answer AnswerAt(uint64_t revision, machine::AnswerBody body) {
  Answer answer;
  answer.revision = Revision(revision);
  answer.time = ClusterTime(7000);
  answer.body = std::move(body);
  return answer;
}

net::HttpResponse Render(machine::AnswerBody body, const RenderOptions& options = {}) {
  return RenderAnswer(options, TestContext(), AnswerAt(18, std::move(body)));
}

net::HttpResponse Show(const machine::QueryResult& result, const RenderOptions& options = {}) {
  return RenderQuery(options, TestContext(), result);
}

Holder MakeHolder() {
  Holder holder;
  holder.token = FenceToken(5);
  holder.lease = LeaseId(2);
  holder.value = "who";
  holder.since_revision = Revision(5);
  holder.held_ms = 1500;
  holder.lease_remaining_ms = 8500;
  return holder;
}

constexpr std::string_view kNodeTail =
    R"("version":3,"create_revision":5,"mod_revision":17,"children_revision":9,)"
    R"("num_children":2,"lease":0)";

std::string NodeJson(std::string_view path, std::string_view value_field = "") {
  return "{\"path\":\"" + std::string(path) + "\"," + std::string(value_field) +
         std::string(kNodeTail) + "}";
}

TEST(RenderTest, EveryAnswerCarriesTheContext) {
  const net::HttpResponse response = Show(machine::NodeResult{MakeNode("/a", "x")});
  EXPECT_EQ(HeaderOf(response, "Synod-Revision"), "41");
  EXPECT_EQ(HeaderOf(response, "Synod-Time"), "9000");
  EXPECT_EQ(HeaderOf(response, "Synod-Node"), "2");
  EXPECT_EQ(HeaderOf(response, "Synod-Leader"), "1");
  EXPECT_EQ(HeaderOf(response, "Cache-Control"), "no-cache");
  EXPECT_EQ(HeaderOf(response, "Access-Control-Allow-Origin"), "<absent>");
  Context leaderless = TestContext();
  leaderless.leader.reset();
  EXPECT_EQ(HeaderOf(RenderQuery({}, leaderless, machine::NodeResult{MakeNode("/a", "x")}),
                     "Synod-Leader"),
            "<absent>");
}

TEST(RenderTest, AChangeCarriesItsOwnRevisionAndTime) {
  const net::HttpResponse response =
      Render(machine::PutAnswer{MakeNode("/a", "x"), true, false, {}});
  EXPECT_EQ(HeaderOf(response, "Synod-Revision"), "18");
  EXPECT_EQ(HeaderOf(response, "Synod-Time"), "7000");
  EXPECT_EQ(HeaderOf(response, "Synod-Node"), "2");
  EXPECT_EQ(HeaderOf(response, "Synod-Replayed"), "<absent>");
}

TEST(RenderTest, AReplaySaysSo) {
  Answer answer = AnswerAt(18, machine::ReleaseAnswer{});
  answer.replayed = true;
  EXPECT_EQ(HeaderOf(RenderAnswer({}, TestContext(), answer), "Synod-Replayed"), "true");
  machine::Refusal refusal;
  refusal.error = {Errc::kPreconditionFailed, Outcome::kNotApplied, ""};
  answer.body = refusal;
  EXPECT_EQ(HeaderOf(RenderAnswer({}, TestContext(), answer), "Synod-Replayed"), "true");
}

TEST(RenderTest, PutAnswersTheNodeWithoutItsValue) {
  const net::HttpResponse created =
      Render(machine::PutAnswer{MakeNode("/a", "x"), true, false, {}});
  EXPECT_EQ(created.status, 201);
  EXPECT_EQ(created.content_type, "application/json");
  EXPECT_EQ(created.body, NodeJson("/a"));
  EXPECT_EQ(HeaderOf(created, "ETag"), "\"17\"");
  EXPECT_EQ(HeaderOf(created, "Location"), "<absent>");
  EXPECT_EQ(Render(machine::PutAnswer{MakeNode("/a", "x"), false, false, {}}).status, 200);
}

TEST(RenderTest, PutAnswersThePreviousNodeWhereAsked) {
  const std::string head = NodeJson("/a");
  EXPECT_EQ(Render(machine::PutAnswer{MakeNode("/a", "x"), true, true, {}}).body,
            head.substr(0, head.size() - 1) + ",\"prev\":null}");
  EXPECT_EQ(
      Render(machine::PutAnswer{MakeNode("/a", "x"), false, true, MakeNode("/a", "old")}).body,
      head.substr(0, head.size() - 1) + ",\"prev\":" + NodeJson("/a", "\"value\":\"old\",") + "}");
  RenderOptions base64;
  base64.base64 = true;
  EXPECT_NE(
      Render(machine::PutAnswer{MakeNode("/a", "x"), false, true, MakeNode("/a", "old")}, base64)
          .body.find("\"value_base64\":\"b2xk\""),
      std::string::npos);
}

TEST(RenderTest, ASequentialChildIsNamedInLocation) {
  RenderOptions options;
  options.location = true;
  EXPECT_EQ(HeaderOf(Render(machine::PutAnswer{MakeNode("/q/j b0000000007", ""), true, false, {}},
                            options),
                     "Location"),
            "/v1/kv/q/j%20b0000000007");
}

TEST(RenderTest, DeleteAnswersCountRevisionAndPrevious) {
  EXPECT_EQ(Render(machine::DeleteAnswer{2, false, {}}).body, R"({"deleted":2,"revision":18})");
  EXPECT_EQ(Render(machine::DeleteAnswer{1, true, {MakeNode("/a", "x")}}).body,
            R"({"deleted":1,"revision":18,"prev":[)" + NodeJson("/a", "\"value\":\"x\",") + "]}");
  EXPECT_EQ(Render(machine::DeleteAnswer{0, true, {}}).body,
            R"({"deleted":0,"revision":18,"prev":[]})");
}

TEST(RenderTest, TransactionsAnswerEachOperation) {
  machine::TxnAnswer txn;
  txn.succeeded = true;
  txn.results = {machine::TxnPutAnswer{MakeNode("/a", "x")},
                 machine::TxnDeleteAnswer{1},
                 machine::TxnGetAnswer{MakeNode("/c", "y")},
                 machine::TxnGetAnswer{},
                 machine::TxnListAnswer{{MakeNode("/d/e", "z")}, true, false},
                 machine::TxnListAnswer{{MakeNode("/d/e", "z")}, false, true},
                 machine::TxnCreateAnswer{MakeNode("/f", "")}};
  EXPECT_EQ(Render(txn).body,
            R"({"succeeded":true,"revision":18,"results":[{"put":)" + NodeJson("/a") +
                R"(},{"delete":{"deleted":1}},{"get":)" + NodeJson("/c", "\"value\":\"y\",") +
                R"(},{"get":null},{"list":{"nodes":[)" + NodeJson("/d/e", "\"value\":\"z\",") +
                R"(],"more":true}},{"list":{"nodes":[)" + NodeJson("/d/e") +
                R"(],"more":false}},{"create":)" + NodeJson("/f") + "}]}");
}

TEST(RenderTest, LeasesTellWhatIsLeftOfThem) {
  const machine::LeaseView lease{LeaseId(3), 10'000, ClusterTime(16'500), "worker-7"};
  const net::HttpResponse granted = Render(machine::LeaseAnswer{lease, true});
  EXPECT_EQ(granted.status, 201);
  EXPECT_EQ(granted.body, R"({"id":3,"ttl_ms":10000,"remaining_ms":9500,"name":"worker-7"})");
  EXPECT_EQ(Render(machine::LeaseAnswer{lease, false}).status, 200);
  // A replay after its end.
  Answer late = AnswerAt(18, machine::LeaseAnswer{lease, true});
  late.time = ClusterTime(99'000);
  EXPECT_EQ(RenderAnswer({}, TestContext(), late).body,
            R"({"id":3,"ttl_ms":10000,"remaining_ms":0,"name":"worker-7"})");
  EXPECT_EQ(Render(machine::KeepAliveAnswer{{lease}, {}}).body, granted.body);
  RenderOptions bulk;
  bulk.bulk = true;
  EXPECT_EQ(Render(machine::KeepAliveAnswer{{lease}, {LeaseId(8), LeaseId(9)}}, bulk).body,
            R"({"leases":[)" + granted.body + R"(],"not_found":[8,9]})");
  EXPECT_EQ(Render(machine::RevokeAnswer{}).body, R"({"revision":18})");
}

TEST(RenderTest, HoldsOfLocksAndElections) {
  machine::HoldAnswer hold;
  hold.path = "/backup";
  hold.token = FenceToken(5);
  hold.lease = LeaseId(2);
  hold.mode = LockMode::kShared;
  hold.key = "/.synod/locks/backup/@1";
  hold.value = "n1";
  hold.lease_deadline = ClusterTime(17'000);
  EXPECT_EQ(Render(hold).body, R"({"lock":"/backup","token":5,"lease":2,"mode":"shared",)"
                               R"("key":"/.synod/locks/backup/@1","remaining_ms":10000})");
  hold.kind = LockKind::kElection;
  EXPECT_EQ(Render(hold).body,
            R"({"election":"/backup","token":5,"lease":2,"value":"n1","remaining_ms":10000})");
  EXPECT_EQ(Render(machine::ReleaseAnswer{}).body, R"({"revision":18})");
  EXPECT_EQ(Render(machine::CompactAnswer{}).body, R"({"revision":18})");
}

TEST(RenderTest, HoldsOfSeveralLocks) {
  machine::HoldsAnswer holds;
  holds.holds.push_back({"/b", FenceToken(5), LockMode::kExclusive, "/.synod/locks/b/@1"});
  holds.holds.push_back({"/a", FenceToken(6), LockMode::kShared, "/.synod/locks/a/@3"});
  holds.lease = LeaseId(2);
  holds.lease_deadline = ClusterTime(17'000);
  EXPECT_EQ(Render(holds).body,
            R"({"holds":[{"lock":"/b","token":5,"mode":"exclusive","key":"/.synod/locks/b/@1"},)"
            R"({"lock":"/a","token":6,"mode":"shared","key":"/.synod/locks/a/@3"}],)"
            R"("lease":2,"remaining_ms":10000})");
}

TEST(RenderTest, NodesAsJson) {
  const net::HttpResponse response = Show(machine::NodeResult{MakeNode("/a", "x\"y\n\xD0\xBA")});
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, NodeJson("/a", "\"value\":\"x\\\"y\\n\xD0\xBA\","));
  EXPECT_EQ(HeaderOf(response, "ETag"), "\"17\"");
  EXPECT_EQ(Show(machine::NodeResult{MakeNode("/a", "\xFF")}).body,
            NodeJson("/a", "\"value_base64\":\"/w==\","));
  RenderOptions base64;
  base64.base64 = true;
  EXPECT_EQ(Show(machine::NodeResult{MakeNode("/a", "x")}, base64).body,
            NodeJson("/a", "\"value_base64\":\"eA==\","));
  EXPECT_EQ(Show(machine::NodeResult{MakeNode("/a", "")}).body, NodeJson("/a", "\"value\":\"\","));
}

TEST(RenderTest, NodesAsBytes) {
  RenderOptions raw;
  raw.raw = true;
  const net::HttpResponse response = Show(machine::NodeResult{MakeNode("/a", "\xFF\n")}, raw);
  EXPECT_EQ(response.body, "\xFF\n");
  EXPECT_EQ(response.content_type, "application/octet-stream");
  EXPECT_EQ(HeaderOf(response, "X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(HeaderOf(response, "ETag"), "\"17\"");
  EXPECT_EQ(HeaderOf(response, "Synod-Version"), "3");
  EXPECT_EQ(HeaderOf(response, "Synod-Create-Revision"), "5");
  EXPECT_EQ(HeaderOf(response, "Synod-Mod-Revision"), "17");
  EXPECT_EQ(HeaderOf(response, "Synod-Children-Revision"), "9");
  EXPECT_EQ(HeaderOf(response, "Synod-Num-Children"), "2");
  EXPECT_EQ(HeaderOf(response, "Synod-Lease"), "0");
  EXPECT_EQ(HeaderOf(response, "Synod-Revision"), "41");
}

TEST(RenderTest, NotModifiedWhereATagMatches) {
  RenderOptions options;
  options.if_none_match.revisions = {3, 17};
  const net::HttpResponse same = Show(machine::NodeResult{MakeNode("/a", "x")}, options);
  EXPECT_EQ(same.status, 304);
  EXPECT_EQ(same.content_type, "");
  EXPECT_EQ(same.body, "");
  EXPECT_EQ(HeaderOf(same, "ETag"), "\"17\"");
  EXPECT_EQ(HeaderOf(same, "Synod-Revision"), "41");
  EXPECT_EQ(Show(machine::NodeResult{MakeNode("/a", "x", 18)}, options).status, 200);
  options.if_none_match = {};
  options.if_none_match.any = true;
  EXPECT_EQ(Show(machine::NodeResult{MakeNode("/a", "x", 18)}, options).status, 304);
}

TEST(RenderTest, ListsInPages) {
  machine::ListNodesResult page{{MakeNode("/a/b", "x"), MakeNode("/a/c", "y")}, false};
  EXPECT_EQ(Show(page).body, R"({"nodes":[)" + NodeJson("/a/b", "\"value\":\"x\",") + "," +
                                 NodeJson("/a/c", "\"value\":\"y\",") +
                                 R"(],"revision":41,"more":false})");
  page.more = true;
  RenderOptions keys;
  keys.keys_only = true;
  keys.at = Revision(30);
  const net::HttpResponse response = Show(page, keys);
  EXPECT_EQ(response.body, R"({"nodes":[)" + NodeJson("/a/b") + "," + NodeJson("/a/c") +
                               R"(],"revision":30,"more":true,"next":"L2EvYw"})");
  EXPECT_EQ(HeaderOf(response, "Synod-Revision"), "30");
  EXPECT_EQ(Show(machine::ListNodesResult{}).body, R"({"nodes":[],"revision":41,"more":false})");
}

TEST(RenderTest, ReadsOfLeases) {
  const machine::LeaseView lease{LeaseId(3), 10'000, ClusterTime(16'500), "w"};
  const machine::LeaseResult one{lease, {"/a", "/b"}};
  EXPECT_EQ(Show(one).body,
            R"({"id":3,"ttl_ms":10000,"remaining_ms":7500,"name":"w","paths":["/a","/b"]})");
  RenderOptions sequential;
  sequential.sequential = true;
  EXPECT_EQ(Show(one, sequential).body,
            R"({"id":3,"ttl_ms":10000,"name":"w","paths":["/a","/b"]})");
  EXPECT_EQ(Show(machine::ListLeasesResult{{lease}, true}).body,
            R"({"leases":[{"id":3,"ttl_ms":10000,"remaining_ms":7500,"name":"w"}],)"
            R"("revision":41,"more":true,"next":"3"})");
}

TEST(RenderTest, ReadsOfLocks) {
  machine::LockResult lock;
  lock.path = "/backup";
  lock.limit = 1;
  lock.holders = {MakeHolder()};
  lock.waiters = {{LeaseId(4), LockMode::kShared, "w", 250}};
  const std::string holder =
      R"({"token":5,"lease":2,"mode":"exclusive","value":"who","since_revision":5,)"
      R"("held_ms":1500,"lease_remaining_ms":8500})";
  const std::string document =
      R"({"lock":"/backup","limit":1,"holders":[)" + holder +
      R"(],"waiters":[{"lease":4,"mode":"shared","value":"w","waiting_ms":250}]})";
  EXPECT_EQ(Show(lock).body, document);
  RenderOptions sequential;
  sequential.sequential = true;
  EXPECT_EQ(Show(lock, sequential).body.find("lease_remaining_ms"), std::string::npos);
  EXPECT_EQ(Show(machine::ListLocksResult{{lock}, true}).body,
            R"({"locks":[)" + document + R"(],"revision":41,"more":true,"next":"L2JhY2t1cA"})");
  machine::LockResult delayed;
  delayed.path = "/backup";
  delayed.delay_remaining_ms = 900;
  EXPECT_EQ(Show(delayed).body,
            R"({"lock":"/backup","limit":1,"holders":[],"waiters":[],"delay_remaining_ms":900})");
}

TEST(RenderTest, ReadsOfElections) {
  machine::LockResult election;
  election.kind = LockKind::kElection;
  election.path = "/svc";
  EXPECT_EQ(Show(election).body, R"({"election":"/svc","leader":null,"candidates":[]})");
  election.holders = {MakeHolder()};
  election.waiters = {{LeaseId(4), LockMode::kExclusive, "w", 250}};
  EXPECT_EQ(Show(election).body,
            R"({"election":"/svc","leader":{"token":5,"lease":2,"value":"who","since_revision":5},)"
            R"("candidates":[{"lease":4,"value":"w","waiting_ms":250}]})");
}

// --- Problems ------------------------------------------------------------------------------------

machine::Refusal RefusalOf(Errc code, Outcome outcome = Outcome::kNotApplied) {
  machine::Refusal refusal;
  refusal.error = {code, outcome, "why"};
  return refusal;
}

TEST(ProblemTest, HasTypeTitleStatusDetailCodeAndOutcome) {
  RenderOptions change;
  change.could_change = true;
  const net::HttpResponse response =
      RenderRefusal(change, TestContext(), RefusalOf(Errc::kNotEmpty));
  EXPECT_EQ(response.status, 409);
  EXPECT_EQ(response.content_type, "application/problem+json");
  EXPECT_EQ(response.body,
            R"({"type":"urn:synod:problem:not_empty","title":"The node has children",)"
            R"("status":409,"detail":"why","code":"not_empty","outcome":"not_applied"})");
  EXPECT_NE(
      RenderRefusal(change, TestContext(), RefusalOf(Errc::kDeadlineExceeded, Outcome::kUnknown))
          .body.find("\"outcome\":\"unknown\""),
      std::string::npos);
  EXPECT_EQ(
      RenderRefusal({}, TestContext(), RefusalOf(Errc::kDeadlineExceeded)).body.find("outcome"),
      std::string::npos);
}

TEST(ProblemTest, CarriesWhatTheStateMachineTold) {
  machine::Refusal refusal = RefusalOf(Errc::kPreconditionFailed);
  refusal.current = MakeNode("/a", "secret");
  refusal.index = 3;
  const std::string body = RenderRefusal({}, TestContext(), refusal).body;
  EXPECT_NE(body.find(",\"current\":" + NodeJson("/a") + ",\"index\":3}"), std::string::npos)
      << body;
  EXPECT_EQ(body.find("secret"), std::string::npos);

  refusal = RefusalOf(Errc::kLockUnavailable);
  EXPECT_NE(RenderRefusal({}, TestContext(), refusal).body.find(",\"holders\":[]}"),
            std::string::npos);
  refusal.holders = {MakeHolder()};
  EXPECT_NE(RenderRefusal({}, TestContext(), refusal)
                .body.find(R"("holders":[{"token":5,"lease":2,"mode":"exclusive","value":"who",)"
                           R"("since_revision":5,"held_ms":1500,"lease_remaining_ms":8500}]})"),
            std::string::npos);

  EXPECT_NE(
      RenderError({}, TestContext(), {Errc::kCompacted, Outcome::kNotApplied, ""}, Revision(12))
          .body.find("\"compact_revision\":12}"),
      std::string::npos);
  EXPECT_EQ(
      RenderError({}, TestContext(), {Errc::kNotFound, Outcome::kNotApplied, ""}, Revision(12))
          .body.find("compact_revision"),
      std::string::npos);
  refusal = RefusalOf(Errc::kTooLarge);
  refusal.limit = 10'000;
  EXPECT_NE(RenderRefusal({}, TestContext(), refusal).body.find("\"limit\":10000}"),
            std::string::npos);
}

TEST(ProblemTest, EveryCodeHasItsStatus) {
  const std::pair<Errc, int> cases[] = {
      {Errc::kInvalidRequest, 400},     {Errc::kInvalidPath, 400},
      {Errc::kInvalidJson, 400},        {Errc::kUnauthenticated, 401},
      {Errc::kPermissionDenied, 403},   {Errc::kNotFound, 404},
      {Errc::kLeaseNotFound, 404},      {Errc::kLockNotHeld, 404},
      {Errc::kMethodNotAllowed, 405},   {Errc::kNotAcceptable, 406},
      {Errc::kRequestTimeout, 408},     {Errc::kLengthRequired, 411},
      {Errc::kUriTooLong, 414},         {Errc::kUnsupportedMediaType, 415},
      {Errc::kExpectationFailed, 417},  {Errc::kRequestHeaderFieldsTooLarge, 431},
      {Errc::kNotImplemented, 501},     {Errc::kHttpVersionNotSupported, 505},
      {Errc::kNotEmpty, 409},           {Errc::kManagedNode, 409},
      {Errc::kLeasedParent, 409},       {Errc::kWrongKind, 409},
      {Errc::kHeldOtherwise, 409},      {Errc::kLimitMismatch, 409},
      {Errc::kQuotaExceeded, 409},      {Errc::kRequestExpired, 409},
      {Errc::kMembershipRefused, 409},  {Errc::kCompacted, 410},
      {Errc::kPreconditionFailed, 412}, {Errc::kFenced, 412},
      {Errc::kTooLarge, 413},           {Errc::kIdempotencyKeyReused, 422},
      {Errc::kLockUnavailable, 423},    {Errc::kOverloaded, 429},
      {Errc::kRateLimited, 429},        {Errc::kNoLeader, 503},
      {Errc::kNoQuorum, 503},           {Errc::kNotReady, 503},
      {Errc::kStorageFull, 503},        {Errc::kShuttingDown, 503},
      {Errc::kDeadlineExceeded, 504},   {Errc::kInternal, 500},
  };
  ASSERT_EQ(std::size(cases), static_cast<size_t>(kErrcCount - 1));
  for (const auto& [code, status] : cases) {
    const net::HttpResponse response = RenderRefusal({}, TestContext(), RefusalOf(code));
    EXPECT_EQ(response.status, status) << Name(code);
    EXPECT_EQ(Verdict(response), std::to_string(status) + " " + std::string(Name(code)));
    EXPECT_EQ(HeaderOf(response, "Retry-After") != "<absent>", status == 429 || status == 503);
    EXPECT_EQ(HeaderOf(response, "WWW-Authenticate") != "<absent>", status == 401);
    EXPECT_NE(Title(code), "");
  }
}

// --- Plain ---------------------------------------------------------------------------------------

TEST(RenderTest, StatusAndCluster) {
  StatusView status;
  status.id = NodeId(2);
  status.name = "node-2";
  status.role = "follower";
  status.leader = StatusView::Leader{NodeId(1), "node-1", "http://127.0.0.1:7301"};
  status.ballot = {4, NodeId(1)};
  status.revision = Revision(41);
  status.commit_slot = Slot(100);
  status.applied_slot = Slot(99);
  status.first_slot = Slot(7);
  status.digest.sum = {1, 2};
  status.cluster_id = "c0ffee";
  status.version = "0.1.0";
  status.uptime_ms = 12;
  status.log_bytes = 1;
  status.state_bytes = 2;
  status.quota_bytes = 3;
  EXPECT_EQ(RenderStatus({}, TestContext(), status).body,
            R"({"node":{"id":2,"name":"node-2"},"role":"follower",)"
            R"("leader":{"id":1,"name":"node-1","client_url":"http://127.0.0.1:7301"},)"
            R"("ballot":{"round":4,"node":1},"revision":41,"commit_slot":100,"applied_slot":99,)"
            R"("first_slot":7,"digest":"00000000000000010000000000000002",)"
            R"("digest_check":{"slot":0,"agreed":true,"diverged":[]},"machine_version":1,)"
            R"("cluster_id":"c0ffee","version":"0.1.0","uptime_ms":12,)"
            R"("storage":{"log_bytes":1,"state_bytes":2,"quota_bytes":3}})");
  status.damage = {"a segment"};
  EXPECT_THAT(RenderStatus({}, TestContext(), status).body,
              testing::EndsWith(R"("quota_bytes":3,"damage":["a segment"]}})"));
  status.leader.reset();
  EXPECT_NE(RenderStatus({}, TestContext(), status).body.find("\"leader\":null"),
            std::string::npos);
  status.removed = "removed";
  EXPECT_NE(RenderStatus({}, TestContext(), status).body.find(R"("removed":"removed")"),
            std::string::npos);
  MemberStatus member;
  member.id = NodeId(1);
  member.name = "node-1";
  member.peer_url = "127.0.0.1:7302";
  member.client_url = "http://127.0.0.1:7301";
  member.healthy = true;
  member.applied_slot = Slot(99);
  member.lag = 1;
  EXPECT_EQ(RenderCluster({}, TestContext(), "c0ffee", {member}).body,
            R"({"cluster_id":"c0ffee","members":[{"id":1,"name":"node-1",)"
            R"("peer_url":"127.0.0.1:7302","client_url":"http://127.0.0.1:7301","voter":true,)"
            R"("healthy":true,"applied_slot":99,"lag":1}]})");
}

TEST(RenderTest, TheLeaderAfterAMove) {
  EXPECT_EQ(
      RenderLeaderMoved({}, TestContext(), {NodeId(2), "node-2", "http://127.0.0.1:7311"}).body,
      R"({"leader":{"id":2,"name":"node-2","client_url":"http://127.0.0.1:7311"}})");
}

TEST(RenderTest, HealthVersionAndMetrics) {
  const net::HttpResponse ready = RenderHealth({}, TestContext(), true, "ready");
  EXPECT_EQ(ready.status, 200);
  EXPECT_EQ(ready.body, "ready\n");
  EXPECT_EQ(ready.content_type, "text/plain; charset=utf-8");
  const net::HttpResponse sick = RenderHealth({}, TestContext(), false, "no leader");
  EXPECT_EQ(sick.status, 503);
  EXPECT_EQ(sick.body, "no leader\n");
  EXPECT_EQ(HeaderOf(sick, "Retry-After"), "1");
  EXPECT_EQ(RenderVersion({}, TestContext(), "0.1.0").body, R"({"version":"0.1.0","api":"v1"})");
  const net::HttpResponse metrics = RenderMetrics({}, TestContext(), "a 1\n");
  EXPECT_EQ(metrics.body, "a 1\n");
  EXPECT_EQ(metrics.content_type, "text/plain; version=0.0.4; charset=utf-8");
}

}  // namespace
}  // namespace synod::api
