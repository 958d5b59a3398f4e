// /v1/cluster/members and below.
#include "tests/unit/api/fixture.h"

namespace synod::api {
namespace {

using machine::ChangeMembers;
using machine::UpdateMember;
using Kind = ChangeMembers::Kind;

const std::string kBadRequest = "400 invalid_request";
const std::string kMembers = "/v1/cluster/members";

Parsed Post(std::string target, std::string body) {
  return Parse("POST", std::move(target), {}, std::move(body));
}

std::string Detail(Parsed parsed) {
  const net::HttpResponse refused = Refused(std::move(parsed));
  const size_t begin = refused.body.find("\"detail\":\"") + 10;
  return refused.body.substr(begin, refused.body.find('"', begin) - begin);
}

TEST(MemberCallsTest, AddsALearnerByItsAddresses) {
  const std::string body =
      R"({"name":"four","peer_url":"10.0.0.4:7302","client_url":"http://10.0.0.4:7301"})";
  const ChangeCall call = Expect<ChangeCall>(Post(kMembers, body));
  const auto& add = std::get<ChangeMembers>(call.command.operation);
  EXPECT_EQ(add.kind, Kind::kAdd);
  EXPECT_TRUE(add.ids.empty());
  EXPECT_EQ(add.name, "four");
  EXPECT_EQ(add.peer_address, "10.0.0.4:7302");
  EXPECT_EQ(add.client_url, "http://10.0.0.4:7301");
  EXPECT_TRUE(call.render.location);
  // Without a name the cluster gives one.
  EXPECT_EQ(
      Operation<ChangeMembers>(Post(kMembers, R"({"peer_url":"a:1","client_url":"http://a:2"})"))
          .name,
      "");
}

TEST(MemberCallsTest, ABadFieldOfAnAdditionIsNamed) {
  const auto with = [](const std::string& fields) { return Detail(Post(kMembers, fields)); };
  EXPECT_EQ(with(R"({"name":"x","client_url":"http://a:2"})"), "peer_url is missing");
  EXPECT_EQ(with(R"({"name":"x","peer_url":"a:1"})"), "client_url is missing");
  EXPECT_EQ(with(R"({"name":"","peer_url":"a:1","client_url":"http://a:2"})"),
            "name must have 1 to 255 bytes");
  EXPECT_EQ(with(R"({"name":"a\nb","peer_url":"a:1","client_url":"http://a:2"})"),
            "name must be UTF-8 without control characters");
  EXPECT_EQ(with(R"({"peer_url":"a","client_url":"http://a:2"})"), "peer_url must be HOST:PORT");
  EXPECT_EQ(with(R"({"peer_url":"a:0","client_url":"http://a:2"})"),
            "peer_url must be HOST:PORT with a port from 1 to 65535");
  EXPECT_EQ(with(R"({"peer_url":"a:1","client_url":"a:2"})"),
            "client_url must be a URL that begins with http:// or https://");
  EXPECT_EQ(with(R"({"peer_url":1,"client_url":"http://a:2"})"), "peer_url must be a string");
  EXPECT_EQ(with(R"({"peer_url":"a:1","client_url":"http://a:2","id":4})"),
            "id is not a field here");
}

TEST(MemberCallsTest, PromotesOneOrSeveral) {
  const auto one = Operation<ChangeMembers>(Post(kMembers + "/4/promote", ""));
  EXPECT_EQ(one.kind, Kind::kPromote);
  EXPECT_EQ(one.ids, std::vector<NodeId>{NodeId(4)});
  EXPECT_EQ(Operation<ChangeMembers>(Post(kMembers + "/4/promote", "{}")).ids, one.ids);
  const auto many = Operation<ChangeMembers>(Post(kMembers + "/promote", R"({"ids":[5,4]})"));
  EXPECT_EQ(many.kind, Kind::kPromote);
  EXPECT_EQ(many.ids, (std::vector<NodeId>{NodeId(5), NodeId(4)}));
  ExpectVerdicts({
      {"POST", kMembers + "/promote", {}, "", "400 invalid_json"},
      {"POST", kMembers + "/promote", {}, "{}", kBadRequest},
      {"POST", kMembers + "/promote", {}, R"({"ids":[]})", kBadRequest},
      {"POST", kMembers + "/promote", {}, R"({"ids":[0]})", kBadRequest},
      {"POST", kMembers + "/promote", {}, R"({"ids":["4"]})", kBadRequest},
      {"POST", kMembers + "/promote", {}, R"({"ids":[4,4]})", kBadRequest},
      {"POST", kMembers + "/promote", {}, R"({"ids":[4294967296]})", kBadRequest},
      {"POST", kMembers + "/promote", {}, R"({"ids":[4],"force":true})", kBadRequest},
      {"POST", kMembers + "/4/promote", {}, R"({"ids":[4]})", kBadRequest},
  });
}

TEST(MemberCallsTest, ReplacesAVoterByALearner) {
  const auto replace = Operation<ChangeMembers>(Post(kMembers + "/3/replace", R"({"with":4})"));
  EXPECT_EQ(replace.kind, Kind::kReplace);
  EXPECT_EQ(replace.ids, std::vector<NodeId>{NodeId(3)});
  EXPECT_EQ(replace.with, NodeId(4));
  ExpectVerdicts({
      {"POST", kMembers + "/3/replace", {}, "{}", kBadRequest},
      {"POST", kMembers + "/3/replace", {}, R"({"with":3})", kBadRequest},
      {"POST", kMembers + "/3/replace", {}, R"({"with":0})", kBadRequest},
      {"POST", kMembers + "/3/replace", {}, R"({"with":"4"})", kBadRequest},
  });
}

TEST(MemberCallsTest, ChangesNameAndAddresses) {
  const auto update =
      Operation<UpdateMember>(Parse("PATCH", kMembers + "/3", {}, R"({"peer_url":"[::1]:7302"})"));
  EXPECT_EQ(update.id, NodeId(3));
  EXPECT_EQ(update.peer_address, "[::1]:7302");
  EXPECT_EQ(update.name, "");
  EXPECT_EQ(update.client_url, "");
  ExpectVerdicts({
      {"PATCH", kMembers + "/3", {}, R"({"name":"x","client_url":"https://a"})", "call"},
      {"PATCH", kMembers + "/3", {}, "{}", kBadRequest},
      {"PATCH", kMembers + "/3", {}, R"({"peer_url":""})", kBadRequest},
      {"PATCH", kMembers + "/3", {}, R"({"voter":true})", kBadRequest},
  });
}

TEST(MemberCallsTest, RemovesByNumber) {
  const auto remove = Operation<ChangeMembers>(Parse("DELETE", kMembers + "/3"));
  EXPECT_EQ(remove.kind, Kind::kRemove);
  EXPECT_EQ(remove.ids, std::vector<NodeId>{NodeId(3)});
  ExpectVerdicts({
      {"DELETE", kMembers + "/0", {}, "", kBadRequest},
      {"DELETE", kMembers + "/x", {}, "", kBadRequest},
      {"DELETE", kMembers + "/4294967296", {}, "", kBadRequest},
      {"DELETE", kMembers + "/3", {}, "{}", kBadRequest},
      {"DELETE", kMembers + "/3?force=true", {}, "", kBadRequest},
      {"DELETE", kMembers + "/3", {{"if-match", "\"1\""}}, "", kBadRequest},
      {"GET", kMembers + "/3", {}, "", "405 method_not_allowed"},
      {"GET", kMembers, {}, "", "405 method_not_allowed"},
      {"POST", kMembers + "/3/demote", {}, "", "404 not_found"},
      {"DELETE", kMembers + "/3/", {}, "", "404 not_found"},
  });
}

TEST(MemberCallsTest, CarriesKeyAndDeadlineLikeEveryChange) {
  const ChangeCall call =
      Expect<ChangeCall>(Parse("DELETE", kMembers + "/3?timeout_ms=700",
                               {{"idempotency-key", "k"}, {"synod-not-after", "99"}}));
  EXPECT_EQ(call.timeout_ms, 700);
  EXPECT_EQ(call.command.idempotency_key, "k");
  EXPECT_EQ(call.command.not_after, ClusterTime(99));
}

machine::Answer MembersAnswer() {
  machine::Answer answer;
  answer.revision = Revision(17);
  answer.body =
      machine::MembersAnswer{{NodeId(4)}, {7, {NodeId(1), NodeId(2)}, {NodeId(4)}, NodeId(5)}};
  return answer;
}

TEST(MemberCallsTest, AnAdditionAnswersTheNumberAndTheMembership) {
  RenderOptions options;
  options.location = true;
  const net::HttpResponse response = RenderAnswer(options, TestContext(), MembersAnswer());
  EXPECT_EQ(response.status, 201);
  EXPECT_EQ(response.body, R"({"id":4,"version":7,"voters":[1,2],"learners":[4]})");
  EXPECT_EQ(HeaderOf(response, "Location"), "/v1/cluster/members/4");
  EXPECT_EQ(HeaderOf(response, "Synod-Revision"), "17");
}

TEST(MemberCallsTest, AnyOtherChangeAnswersTheMembership) {
  const net::HttpResponse response = RenderAnswer({}, TestContext(), MembersAnswer());
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, R"({"version":7,"voters":[1,2],"learners":[4]})");
}

}  // namespace
}  // namespace synod::api
