#include "tests/unit/api/fixture.h"

namespace synod::api {
namespace {

constexpr const char* kLeader = "/v1/cluster/leader";

TEST(ClusterCallsTest, AMoveOfLeadershipNamesTheMember) {
  const Parsed parsed = Parse("POST", "/v1/cluster/leader?timeout_ms=700", {}, R"({"id":3})");
  const auto& call = std::get<MoveLeaderCall>(std::get<Call>(parsed));
  EXPECT_EQ(call.to, NodeId(3));
  EXPECT_EQ(call.timeout_ms, 700);
}

TEST(ClusterCallsTest, AMoveOfLeadershipIsReadStrictly) {
  const std::string bad = "400 invalid_request";
  const struct {
    const char* body;
    std::string verdict;
  } cases[] = {
      {"", "400 invalid_json"},
      {"{", "400 invalid_json"},
      {"{}", bad},
      {R"({"id":0})", bad},
      {R"({"id":"3"})", bad},
      {R"({"id":-1})", bad},
      {R"({"id":4294967296})", bad},
      {R"({"id":1.0})", bad},
      {R"({"id":3,"force":true})", bad},
      {R"({"id":3,"id":3})", "400 invalid_json"},
      {R"([3])", bad},
      {R"({"id":4294967295})", "call"},
  };
  for (const auto& c : cases)
    EXPECT_EQ(Verdict(Parse("POST", kLeader, {}, c.body)), c.verdict) << c.body;
  EXPECT_EQ(Verdict(Parse("POST", "/v1/cluster/leader?id=3", {}, R"({"id":3})")), bad);
}

// No entry carries the request, so that nothing would judge these.
TEST(ClusterCallsTest, AMoveOfLeadershipTakesAKeyButNoFenceAndNoDeadline) {
  const std::string body = R"({"id":3})";
  EXPECT_EQ(Verdict(Parse("POST", kLeader, {{"idempotency-key", "k"}}, body)), "call");
  EXPECT_EQ(Verdict(Parse("POST", kLeader, {{"synod-fence", "/a=1"}}, body)),
            "400 invalid_request");
  EXPECT_EQ(Verdict(Parse("POST", kLeader, {{"synod-not-after", "9"}}, body)),
            "400 invalid_request");
}

TEST(SettingsCallsTest, AreReadLikeAnythingCurrent) {
  const ReadCall call = Expect<ReadCall>(Parse("GET", "/v1/settings?consistency=sequential"));
  EXPECT_TRUE(std::holds_alternative<machine::GetSettings>(call.query));
  EXPECT_EQ(call.fresh.consistency, Consistency::kSequential);
  EXPECT_EQ(Verdict(Parse("GET", "/v1/settings?at_revision=3")), "400 invalid_request");
}

TEST(SettingsCallsTest, AChangeNamesSome) {
  const ChangeCall call =
      Expect<ChangeCall>(Parse("PATCH", "/v1/settings", {{"idempotency-key", "k"}},
                               R"({"quota.bytes":1048576,"history.keep_ms":60000})"));
  EXPECT_EQ(std::get<machine::ChangeSettings>(call.command.operation).changes,
            (auth::SettingValues{{3, 60'000}, {7, 1 << 20}}));
  EXPECT_EQ(call.command.idempotency_key, "k");
}

TEST(SettingsCallsTest, WhatIsWrongIsNamed) {
  const struct {
    const char* body;
    const char* detail;
  } cases[] = {
      {"{}", "the body must have at least one setting"},
      {R"({"quota":1})", "quota is not a field here"},
      {R"({"quota.bytes":"1g"})", "quota.bytes must be an integer from 65536 to 68719476736"},
      {R"({"quota.bytes":65535})", "quota.bytes must be an integer from 65536 to 68719476736"},
      {R"({"value.bytes_max":1048577})", "value.bytes_max must be an integer from 1 to 1048576"},
      {R"({"auth.enabled":1})", "auth.enabled must be true or false"},
      {R"({"history.keep_ms":null})", "history.keep_ms must be an integer from 1000 to 2592000000"},
      {R"([1])", "the body must be a JSON object"},
      {R"({"quotas":[]})", "quotas must be an object of paths"},
      {R"({"quotas":{}})", "the body must have at least one setting"},
      {R"({"quotas":{"a":null}})", "quotas.a: "},
      {R"({"quotas":{"/.synod/locks":null}})",
       "quotas./.synod/locks: what is in /.synod counts for no quota"},
      {R"({"quotas":{"/a":1}})", "quotas./a must be an object, or null"},
      {R"({"quotas":{"/a":{}}})", "quotas./a must have at least one limit"},
      {R"({"quotas":{"/a":{"node_hard":1}}})", "quotas./a.node_hard is not a field here"},
      {R"({"quotas":{"/a":{"nodes_used":1}}})", "quotas./a.nodes_used is not a field here"},
      {R"({"quotas":{"/a":{"nodes_hard":-1}}})",
       "quotas./a.nodes_hard must be an integer from 0 to 9007199254740991, or null"},
  };
  for (const auto& c : cases) {
    const net::HttpResponse response = Refused(Parse("PATCH", "/v1/settings", {}, c.body));
    EXPECT_EQ(Verdict(response), "400 invalid_request") << c.body;
    EXPECT_NE(response.body.find(c.detail), std::string::npos) << response.body;
  }
  EXPECT_EQ(Verdict(Parse("PATCH", "/v1/settings", {{"if-match", "\"1\""}},
                          R"({"quota.bytes":1048576})")),
            "400 invalid_request");
}

TEST(SettingsCallsTest, QuotasAreNamedByTheirPathsInPathOrder) {
  const ChangeCall call = Expect<ChangeCall>(Parse(
      "PATCH", "/v1/settings", {},
      R"({"quotas":{"/a-b":{"nodes_soft":1,"nodes_hard":0,"bytes_hard":null},"/a/b":null}})"));
  const auto& operation = std::get<machine::ChangeQuotas>(call.command.operation);
  EXPECT_TRUE(operation.settings.empty());
  EXPECT_EQ(operation.quotas,
            (std::vector<auth::QuotaChange>{{"/a/b", {}}, {"/a-b", {1, 0, std::nullopt, 0}}}));
}

TEST(SettingsCallsTest, WhatIsAnsweredWithoutQuotasMayBeSentBack) {
  const net::HttpResponse answered = RenderQuery({}, TestContext(), machine::SettingsResult{});
  const ChangeCall call = Expect<ChangeCall>(Parse("PATCH", "/v1/settings", {}, answered.body));
  EXPECT_EQ(std::get<machine::ChangeSettings>(call.command.operation).changes, auth::AllOf({}));
}

TEST(SettingsCallsTest, AreAnsweredWhole) {
  const std::string expected =
      R"({"value.bytes_max":1048576,"lease.ttl_ms_min":500,"lease.ttl_ms_max":86400000,)"
      R"("history.keep_ms":600000,"history.keep_bytes":536870912,)"
      R"("idempotency.retention_ms":600000,"idempotency.bytes_max":134217728,)"
      R"("quota.bytes":2147483648,"change.nodes_max":10000,"change.bytes_max":16777216,)"
      R"("auth.enabled":false,"quotas":{"/a\"b":{"nodes_soft":null,"nodes_hard":100,)"
      R"("bytes_soft":null,"bytes_hard":null,"nodes_used":2,"bytes_used":30}}})";
  const machine::QuotaView quota{"/a\"b", {0, 100, 0, 0}, {2, 30}};
  EXPECT_EQ(RenderQuery({}, TestContext(), machine::SettingsResult{{}, {quota}}).body, expected);
  machine::Answer answer;
  answer.revision = Revision(17);
  answer.body = machine::QuotasAnswer{auth::AllOf({}), {quota}};
  const net::HttpResponse response = RenderAnswer({}, TestContext(), answer);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, expected);
  EXPECT_EQ(HeaderOf(response, "Synod-Revision"), "17");
}

}  // namespace
}  // namespace synod::api
