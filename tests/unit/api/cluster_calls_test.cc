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

}  // namespace
}  // namespace synod::api
