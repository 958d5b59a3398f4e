// /v1/kv and the consistency of reads.
#include "tests/unit/api/fixture.h"

namespace synod::api {
namespace {

const std::string kBadRequest = "400 invalid_request";

TEST(NodeCallsTest, PutTakesTheBodyAsItIs) {
  std::string bytes = "{\"a\":1}\n";
  bytes.push_back('\0');
  bytes += "\xFF";
  const auto put = Operation<machine::Put>(Parse("PUT", "/v1/kv/a/b", {}, bytes));
  EXPECT_EQ(put.path, "/a/b");
  EXPECT_EQ(put.value, bytes);
  EXPECT_EQ(put.lease, std::nullopt);
  EXPECT_FALSE(put.want_prev);
}

TEST(NodeCallsTest, PutTiesKeepsOrDetachesALease) {
  EXPECT_EQ(Operation<machine::Put>(Parse("PUT", "/v1/kv/a?lease=7")).lease, LeaseId(7));
  EXPECT_EQ(Operation<machine::Put>(Parse("PUT", "/v1/kv/a?lease=0")).lease, LeaseId(0));
  EXPECT_TRUE(Operation<machine::Put>(Parse("PUT", "/v1/kv/a?prev=true")).want_prev);
  EXPECT_FALSE(Operation<machine::Put>(Parse("PUT", "/v1/kv/a?prev=false")).want_prev);
  EXPECT_EQ(Verdict(Parse("PUT", "/v1/kv/a?lease=x")), kBadRequest);
}

TEST(NodeCallsTest, PutOfTheRootIsAPut) {
  EXPECT_EQ(Operation<machine::Put>(Parse("PUT", "/v1/kv/", {}, "x")).path, "/");
}

TEST(NodeCallsTest, PostMakesASequentialChild) {
  const ChangeCall call = Expect<ChangeCall>(Parse("POST", "/v1/kv/q/job-?lease=3", {}, "x"));
  const auto& create = std::get<machine::CreateSequential>(call.command.operation);
  EXPECT_EQ(create.prefix, "/q/job-");
  EXPECT_EQ(create.value, "x");
  EXPECT_EQ(create.lease, LeaseId(3));
  EXPECT_TRUE(call.render.location);
  EXPECT_EQ(Operation<machine::CreateSequential>(Parse("POST", "/v1/kv/")).prefix, "/");
}

TEST(NodeCallsTest, PostLeavesRoomForTheSequence) {
  const std::string fits(245, 'c');
  EXPECT_EQ(Verdict(Parse("POST", "/v1/kv/" + fits)), "call");
  EXPECT_EQ(Verdict(Parse("POST", "/v1/kv/" + fits + "c")), "400 invalid_path");
  std::string deep;
  while (deep.size() < 1000) deep += "/abcdefghi";
  EXPECT_EQ(Verdict(Parse("POST", "/v1/kv" + deep + "/1234567890123")), "call");
  EXPECT_EQ(Verdict(Parse("POST", "/v1/kv" + deep + "/12345678901234")), "400 invalid_path");
}

TEST(NodeCallsTest, DeleteTakesItsFlags) {
  const auto remove =
      Operation<machine::Delete>(Parse("DELETE", "/v1/kv/a?recursive=true&prev=true"));
  EXPECT_EQ(remove.path, "/a");
  EXPECT_TRUE(remove.recursive);
  EXPECT_TRUE(remove.want_prev);
  EXPECT_FALSE(remove.force);
  EXPECT_TRUE(
      Operation<machine::Delete>(Parse("DELETE", "/v1/kv/.synod/locks/a/@1?force=true")).force);
  EXPECT_EQ(Verdict(Parse("DELETE", "/v1/kv/a?force=true")), kBadRequest);
}

TEST(NodeCallsTest, GetReadsANode) {
  const ReadCall call = Expect<ReadCall>(Parse("GET", "/v1/kv/a?raw=true"));
  EXPECT_EQ(std::get<machine::GetNode>(call.query).path, "/a");
  EXPECT_TRUE(call.render.raw);
  EXPECT_FALSE(call.render.could_change);
  EXPECT_EQ(call.fresh.consistency, Consistency::kLinearizable);
}

TEST(NodeCallsTest, HeadIsReadAsGet) {
  EXPECT_EQ(QueryOf<machine::GetNode>(Parse("HEAD", "/v1/kv/a")).path, "/a");
  EXPECT_EQ(QueryOf<machine::ListNodes>(Parse("HEAD", "/v1/kv/a?list=children")).path, "/a");
}

TEST(NodeCallsTest, ListTakesScopeLimitCursorAndKeysOnly) {
  const ReadCall call = Expect<ReadCall>(
      Parse("GET", "/v1/kv/a?list=subtree&limit=10000&after=%2Fa%2Fb&keys_only=true"));
  const auto& list = std::get<machine::ListNodes>(call.query);
  EXPECT_EQ(list.path, "/a");
  EXPECT_EQ(list.scope, store::ListScope::kSubtree);
  EXPECT_EQ(list.limit, 10'000U);
  EXPECT_EQ(list.after, "/a/b");
  EXPECT_TRUE(call.render.keys_only);
  const auto plain = QueryOf<machine::ListNodes>(Parse("GET", "/v1/kv/?list=children"));
  EXPECT_EQ(plain.path, "/");
  EXPECT_EQ(plain.scope, store::ListScope::kChildren);
  EXPECT_EQ(plain.limit, 1000U);
  EXPECT_EQ(plain.after, "");
  ExpectVerdicts({
      {"GET", "/v1/kv/a?list=all", {}, "", kBadRequest},
      {"GET", "/v1/kv/a?list=", {}, "", kBadRequest},
      {"GET", "/v1/kv/a?list=children&limit=0", {}, "", kBadRequest},
      {"GET", "/v1/kv/a?list=children&limit=10001", {}, "", kBadRequest},
      {"GET", "/v1/kv/a?list=children&after=", {}, "", kBadRequest},
      {"GET", "/v1/kv/a?list=children&after=!", {}, "", kBadRequest},
      {"GET", "/v1/kv/a?list=children&after=/a/", {}, "", kBadRequest},
      {"GET", "/v1/kv/a?list=children&raw=true", {}, "", kBadRequest},
  });
}

TEST(NodeCallsTest, TheCursorOfAPageSurvivesWithAndWithoutEncoding) {
  machine::ListNodesResult page;
  page.nodes = {MakeNode("/a/x +%\xD0\xBA", "v")};
  page.more = true;
  const net::HttpResponse response = RenderQuery({}, TestContext(), page);
  const size_t begin = response.body.find("\"next\":\"") + 8;
  const std::string next = response.body.substr(begin, response.body.find('"', begin) - begin);
  EXPECT_EQ(QueryOf<machine::ListNodes>(Parse("GET", "/v1/kv/a?list=children&after=" + next)).after,
            "/a/x +%\xD0\xBA");
  EXPECT_EQ(next.find_first_of("%+&=/# "), std::string::npos) << next;
}

TEST(NodeCallsTest, ReadsTakeAConsistency) {
  const ReadCall sequential = Expect<ReadCall>(
      Parse("GET", "/v1/kv/a?consistency=sequential&min_revision=9&max_age_ms=50"));
  EXPECT_EQ(sequential.fresh.consistency, Consistency::kSequential);
  EXPECT_EQ(sequential.fresh.min_revision, Revision(9));
  EXPECT_EQ(sequential.fresh.max_age_ms, 50);
  EXPECT_TRUE(sequential.render.sequential);
  const ReadCall past = Expect<ReadCall>(Parse("GET", "/v1/kv/a?at_revision=9"));
  EXPECT_EQ(past.fresh.consistency, Consistency::kLinearizable);
  EXPECT_EQ(past.at_revision, Revision(9));
  EXPECT_EQ(past.render.at, Revision(9));
  EXPECT_EQ(std::get<machine::GetNode>(past.query).at, Revision(9));
  EXPECT_EQ(QueryOf<machine::ListNodes>(Parse("GET", "/v1/kv/a?list=subtree&at_revision=9")).at,
            Revision(9));
  EXPECT_EQ(Expect<ReadCall>(Parse("GET", "/v1/kv/a?consistency=linearizable")).fresh.consistency,
            Consistency::kLinearizable);
  const ReadCall past_here =
      Expect<ReadCall>(Parse("GET", "/v1/kv/a?at_revision=9&consistency=sequential"));
  EXPECT_EQ(past_here.fresh.consistency, Consistency::kSequential);
  EXPECT_EQ(past_here.at_revision, Revision(9));
}

TEST(NodeCallsTest, RefusesConsistenciesThatContradictThemselves) {
  ExpectVerdicts({
      {"GET", "/v1/kv/a?consistency=strong", {}, "", kBadRequest},
      {"GET", "/v1/kv/a?consistency=", {}, "", kBadRequest},
      {"GET", "/v1/kv/a?min_revision=1", {}, "", kBadRequest},
      {"GET", "/v1/kv/a?max_age_ms=1", {}, "", kBadRequest},
      {"GET", "/v1/kv/a?consistency=linearizable&min_revision=1", {}, "", kBadRequest},
      {"GET", "/v1/kv/a?at_revision=1&min_revision=1", {}, "", kBadRequest},
      {"GET", "/v1/kv/a?at_revision=1&consistency=sequential&max_age_ms=1", {}, "", kBadRequest},
      {"GET", "/v1/kv/a?at_revision=0", {}, "", kBadRequest},
      {"GET", "/v1/leases?at_revision=1", {}, "", kBadRequest},
      {"GET", "/v1/locks/a?at_revision=1", {}, "", kBadRequest},
      {"GET", "/v1/leases?consistency=sequential&min_revision=1", {}, "", "call"},
      {"GET", "/v1/locks/a?consistency=sequential", {}, "", "call"},
      {"GET", "/v1/locks?consistency=sequential", {}, "", "call"},
      {"GET", "/v1/elections/a?consistency=sequential&max_age_ms=0", {}, "", "call"},
      {"GET", "/metrics?consistency=sequential", {}, "", kBadRequest},
      {"GET", "/v1/watch/a?consistency=sequential", {}, "", kBadRequest},
  });
}

// --- The fingerprint that an idempotency key is recorded with ------------------------------------

Hash128 FingerprintOf(std::string method,
                      std::string target,
                      HeaderList headers = {},
                      std::string body = "x") {
  headers.emplace_back("idempotency-key", "k");
  return Expect<ChangeCall>(
             Parse(std::move(method), std::move(target), std::move(headers), std::move(body)))
      .command.fingerprint;
}

TEST(FingerprintTest, IgnoresTimeoutEncodingOrderAndSpelling) {
  const Hash128 one = FingerprintOf("PUT", "/v1/kv/a?lease=1&prev=true");
  EXPECT_EQ(one, FingerprintOf("PUT", "/v1/kv/a?prev=true&lease=1"));
  EXPECT_EQ(one, FingerprintOf("PUT", "/v1/kv/a?lease=1&prev=true&timeout_ms=9&encoding=base64"));
  EXPECT_EQ(one, FingerprintOf("PUT", "/v1/kv/%61?l%65ase=1&prev=true"));
  EXPECT_EQ(one, FingerprintOf("PUT", "/v1/kv/a?lease=1&prev=true", {{"user-agent", "other"}}));
  EXPECT_EQ(FingerprintOf("PUT", "/v1/kv/a", {{"synod-fence", "/l=1, /m=2"}}),
            FingerprintOf("PUT", "/v1/kv/a", {{"synod-fence", "/m=2"}, {"synod-fence", "/l=1"}}));
}

TEST(FingerprintTest, ChangesWithEverythingElse) {
  const Hash128 one = FingerprintOf("PUT", "/v1/kv/a");
  EXPECT_NE(one, FingerprintOf("POST", "/v1/kv/a"));
  EXPECT_NE(one, FingerprintOf("PUT", "/v1/kv/b"));
  EXPECT_NE(one, FingerprintOf("PUT", "/v1/kv/a?lease=1"));
  EXPECT_NE(one, FingerprintOf("PUT", "/v1/kv/a?if_version=1"));
  EXPECT_NE(one, FingerprintOf("PUT", "/v1/kv/a", {}, "y"));
  EXPECT_NE(one, FingerprintOf("PUT", "/v1/kv/a", {{"if-match", "*"}}));
  EXPECT_NE(one, FingerprintOf("PUT", "/v1/kv/a", {{"if-none-match", "*"}}));
  EXPECT_NE(FingerprintOf("PUT", "/v1/kv/a", {{"if-match", "\"1\""}}),
            FingerprintOf("PUT", "/v1/kv/a", {{"if-match", "\"2\""}}));
  EXPECT_NE(one, FingerprintOf("PUT", "/v1/kv/a", {{"synod-not-after", "5"}}));
  EXPECT_NE(one, FingerprintOf("PUT", "/v1/kv/a", {{"synod-fence", "/l=1"}}));
  EXPECT_NE(FingerprintOf("PUT", "/v1/kv/a", {{"synod-fence", "/l=1"}}),
            FingerprintOf("PUT", "/v1/kv/a", {{"synod-fence", "/l=2"}}));
}

TEST(FingerprintTest, IsLeftOutWithoutAKey) {
  EXPECT_EQ(Expect<ChangeCall>(Parse("PUT", "/v1/kv/a", {}, "x")).command.fingerprint, Hash128{});
}

}  // namespace
}  // namespace synod::api
