// /v1/txn, /v1/compact and the strictness of JSON bodies.
#include "tests/unit/api/fixture.h"

namespace synod::api {
namespace {

using machine::Comparison;

const std::string kBadRequest = "400 invalid_request";
const std::string kBadJson = "400 invalid_json";

Parsed Txn(std::string body) { return Parse("POST", "/v1/txn", {}, std::move(body)); }

std::string DetailOf(const Parsed& parsed) {
  const auto* response = std::get_if<net::HttpResponse>(&parsed);
  if (response == nullptr)
    return "call";
  const size_t begin = response->body.find("\"detail\":\"") + 10;
  return response->body.substr(begin, response->body.find("\",\"code\"", begin) - begin);
}

TEST(TxnCallsTest, TakesEveryOperation) {
  const auto txn = Operation<machine::Txn>(Txn(R"({
    "if": [{"path":"/a","target":"mod_revision","op":"==","value":17}],
    "then": [{"put":{"path":"/a","value":"x","lease":0}},
             {"delete":{"path":"/b","recursive":true}},
             {"get":{"path":"/c"}},
             {"list":{"path":"/d","scope":"subtree","limit":10,"keys_only":true}},
             {"create":{"path":"/e","value_base64":"/wA="}},
             {"create":{"path":"/f-","sequential":true,"lease":4}}],
    "else": [{"get":{"path":"/"}}]})"));
  ASSERT_EQ(txn.conditions.size(), 1U);
  EXPECT_EQ(txn.conditions[0].path, "/a");
  EXPECT_EQ(txn.conditions[0].target, Comparison::Target::kModRevision);
  EXPECT_EQ(txn.conditions[0].op, Comparison::Op::kEqual);
  EXPECT_EQ(txn.conditions[0].number, 17U);
  ASSERT_EQ(txn.then_ops.size(), 6U);
  const auto& put = std::get<machine::TxnPut>(txn.then_ops[0]);
  EXPECT_EQ(put.path, "/a");
  EXPECT_EQ(put.value, "x");
  EXPECT_EQ(put.lease, LeaseId(0));
  const auto& remove = std::get<machine::TxnDelete>(txn.then_ops[1]);
  EXPECT_EQ(remove.path, "/b");
  EXPECT_TRUE(remove.recursive);
  EXPECT_EQ(std::get<machine::TxnGet>(txn.then_ops[2]).path, "/c");
  const auto& list = std::get<machine::TxnList>(txn.then_ops[3]);
  EXPECT_EQ(list.path, "/d");
  EXPECT_EQ(list.scope, store::ListScope::kSubtree);
  EXPECT_EQ(list.limit, 10U);
  EXPECT_TRUE(list.keys_only);
  const auto& create = std::get<machine::TxnCreate>(txn.then_ops[4]);
  EXPECT_EQ(create.value, std::string("\xFF\0", 2));
  EXPECT_EQ(create.lease, std::nullopt);
  EXPECT_FALSE(create.sequential);
  const auto& sequential = std::get<machine::TxnCreate>(txn.then_ops[5]);
  EXPECT_EQ(sequential.path, "/f-");
  EXPECT_TRUE(sequential.sequential);
  EXPECT_EQ(sequential.lease, LeaseId(4));
  ASSERT_EQ(txn.else_ops.size(), 1U);
  EXPECT_EQ(std::get<machine::TxnGet>(txn.else_ops[0]).path, "/");
}

TEST(TxnCallsTest, EveryPartMayBeAbsent) {
  const auto txn = Operation<machine::Txn>(Txn("{}"));
  EXPECT_TRUE(txn.conditions.empty());
  EXPECT_TRUE(txn.then_ops.empty());
  EXPECT_TRUE(txn.else_ops.empty());
}

TEST(TxnCallsTest, TakesEveryTargetAndOperator) {
  struct Case {
    const char* target;
    const char* op;
    const char* value;
    const char* verdict;
  };
  const Case cases[] = {
      {"exists", "==", "true", "call"},
      {"exists", "!=", "false", "call"},
      {"exists", "<", "true", "400"},
      {"exists", "==", "1", "400"},
      {"exists", "==", "\"true\"", "400"},
      {"version", "==", "0", "call"},
      {"version", "<", "3", "call"},
      {"mod_revision", ">", "3", "call"},
      {"create_revision", "!=", "3", "call"},
      {"num_children", "==", "0", "call"},
      {"lease", "==", "0", "call"},
      {"lease", "==", "\"0\"", "400"},
      {"value", "==", "\"x\"", "call"},
      {"value", "<", "\"x\"", "call"},
      {"value", "==", "1", "400"},
      {"fence", "==", "5", "call"},
      {"fence", "!=", "5", "call"},
      {"fence", ">", "5", "400"},
      {"fence", "==", "\"5\"", "400"},
      {"children_revision", "==", "5", "400"},
      {"ttl", "==", "5", "400"},
      {"version", "=", "5", "400"},
      {"version", "<=", "5", "400"},
      {"version", "==", "null", "400"},
      {"version", "==", "-1", "400"},
      {"version", "==", "1.0", "400"},
  };
  for (const Case& c : cases) {
    const std::string body = std::string(R"({"if":[{"path":"/a","target":")") + c.target +
                             R"(","op":")" + c.op + R"(","value":)" + c.value + "}]}";
    EXPECT_EQ(Verdict(Txn(body)).substr(0, 4).substr(0, std::string(c.verdict).size()), c.verdict)
        << body;
  }
}

TEST(TxnCallsTest, ExistsAndFenceTravelAsNumbers) {
  const auto txn =
      Operation<machine::Txn>(Txn(R"({"if":[{"path":"/a","target":"exists","op":"==","value":true},
                    {"path":"/a","target":"exists","op":"==","value":false},
                    {"path":"/l","target":"fence","op":"==","value":9},
                    {"path":"/v","target":"value","op":"==","value_base64":"AA=="}]})"));
  ASSERT_EQ(txn.conditions.size(), 4U);
  EXPECT_EQ(txn.conditions[0].number, 1U);
  EXPECT_EQ(txn.conditions[1].number, 0U);
  EXPECT_EQ(txn.conditions[2].number, 9U);
  EXPECT_EQ(txn.conditions[3].value, std::string("\0", 1));
}

TEST(TxnCallsTest, RefusesMalformedOperationsAndNamesTheField) {
  struct Case {
    const char* body;
    const char* verdict;
    const char* detail;  // its beginning
  };
  const Case cases[] = {
      {R"({"them":[]})", "400 invalid_request", "them "},
      {R"({"then":{}})", "400 invalid_request", "then must be an array"},
      {R"({"then":[1]})", "400 invalid_request", "then[0] must be an object"},
      {R"({"then":[{}]})", "400 invalid_request", "then[0] must be an object"},
      {R"({"then":[{"put":{"path":"/a"},"get":{"path":"/a"}}]})", "400 invalid_request",
       "then[0] must be an object"},
      {R"({"then":[{"patch":{"path":"/a"}}]})", "400 invalid_request", "then[0].patch is not"},
      {R"({"then":[{"put":[]}]})", "400 invalid_request", "then[0].put must be an object"},
      {R"({"then":[{"put":{}}]})", "400 invalid_request", "then[0].put.path is missing"},
      {R"({"then":[{"put":{"path":5}}]})", "400 invalid_request", "then[0].put.path must be"},
      {R"({"then":[{"put":{"path":"a"}}]})", "400 invalid_path", "then[0].put.path: "},
      {R"({"else":[{"get":{"path":"/a/"}}]})", "400 invalid_path", "else[0].get.path: "},
      {R"({"then":[{"put":{"path":"/a","valeu":"x"}}]})", "400 invalid_request",
       "then[0].put.valeu is not a field"},
      {R"({"then":[{"put":{"path":"/a","value":1}}]})", "400 invalid_request",
       "then[0].put.value must be a string"},
      {R"({"then":[{"put":{"path":"/a","value":"x","value_base64":"eA=="}}]})",
       "400 invalid_request", "then[0].put.value and value_base64"},
      {R"({"then":[{"put":{"path":"/a","value_base64":"eA"}}]})", "400 invalid_request",
       "then[0].put.value_base64 must be base64"},
      {R"({"then":[{"put":{"path":"/a","lease":-1}}]})", "400 invalid_request",
       "then[0].put.lease must be an integer"},
      {R"({"then":[{"delete":{"path":"/a","recursive":"yes"}}]})", "400 invalid_request",
       "then[0].delete.recursive must be true or false"},
      {R"({"then":[{"list":{"path":"/a","scope":"node"}}]})", "400 invalid_request",
       "then[0].list.scope must be"},
      {R"({"then":[{"list":{"path":"/a","limit":0}}]})", "400 invalid_request",
       "then[0].list.limit must be"},
      {R"({"then":[{"list":{"path":"/a","limit":10001}}]})", "400 invalid_request",
       "then[0].list.limit must be"},
      {R"({"if":[{"path":"/a","target":"exists","op":"=="}]})", "400 invalid_request",
       "if[0].value is missing"},
      {R"({"if":[{"path":"/a","op":"==","value":1}]})", "400 invalid_request",
       "if[0].target is missing"},
      {R"({"if":[{"target":"lease","op":"==","value":1}]})", "400 invalid_request",
       "if[0].path is missing"},
      {R"({"if":[{"path":"/","target":"fence","op":"==","value":1}]})", "400 invalid_path",
       "if[0].path: "},
      {R"({"if":[{"path":"/a","target":"lease","op":"==","value":1,"x":1}]})",
       "400 invalid_request", "if[0].x is not a field"},
      {R"({"if":[7]})", "400 invalid_request", "if[0] must be an object"},
  };
  for (const Case& c : cases) {
    const Parsed parsed = Txn(c.body);
    EXPECT_EQ(Verdict(parsed), c.verdict) << c.body;
    EXPECT_TRUE(DetailOf(parsed).starts_with(c.detail)) << c.body << "\n" << DetailOf(parsed);
  }
}

std::string ManyOps(std::string_view list, int count) {
  std::string body = "{\"" + std::string(list) + "\":[";
  for (int i = 0; i < count; ++i)
    body += std::string(i == 0 ? "" : ",") +
            (list == "if" ? R"({"path":"/a","target":"version","op":"==","value":1})"
                          : R"({"get":{"path":"/a"}})");
  return body + "]}";
}

TEST(TxnCallsTest, BoundsComparisonsAndOperations) {
  for (const char* list : {"if", "then", "else"}) {
    EXPECT_EQ(Verdict(Txn(ManyOps(list, 128))), "call") << list;
    const net::HttpResponse refused = Refused(Txn(ManyOps(list, 129)));
    EXPECT_EQ(Verdict(refused), "413 too_large") << list;
    EXPECT_NE(refused.body.find("\"limit\":128"), std::string::npos);
  }
}

TEST(TxnCallsTest, BoundsValues) {
  const auto with_value = [](size_t bytes) {
    return Txn(R"({"then":[{"put":{"path":"/a","value":")" + std::string(bytes, 'x') + "\"}}]}");
  };
  EXPECT_EQ(Verdict(with_value(1 << 20)), "call");
  const net::HttpResponse refused = Refused(with_value((1 << 20) + 1));
  EXPECT_EQ(Verdict(refused), "413 too_large");
  EXPECT_NE(refused.body.find("\"limit\":1048576"), std::string::npos);
}

TEST(TxnCallsTest, TakesNoParametersOfItsOwn) {
  EXPECT_EQ(Verdict(Parse("POST", "/v1/txn?timeout_ms=9&encoding=base64", {}, "{}")), "call");
  EXPECT_EQ(Verdict(Parse("POST", "/v1/txn?prev=true", {}, "{}")), kBadRequest);
}

TEST(JsonBodyTest, IsOneObjectOfStrictJson) {
  const struct {
    const char* body;
    const char* verdict;
  } cases[] = {
      {"", "400 invalid_json"},
      {" ", "400 invalid_json"},
      {"{", "400 invalid_json"},
      {"{}x", "400 invalid_json"},
      {"{} {}", "400 invalid_json"},
      {"{,}", "400 invalid_json"},
      {"{\"if\":[],}", "400 invalid_json"},
      {"{'if':[]}", "400 invalid_json"},
      {"{\"if\":[]/* */}", "400 invalid_json"},
      {"\xEF\xBB\xBF{}", "400 invalid_json"},
      {"{\"then\":[{\"put\":{\"path\":\"/\xFF\"}}]}", "400 invalid_json"},
      {"{\"then\":[{\"put\":{\"path\":\"/\\ud800\"}}]}", "400 invalid_json"},
      {"{\"if\":[],\"if\":[]}", "400 invalid_json"},
      {"{\"if\":[],\"\\u0069f\":[]}", "400 invalid_json"},
      {"{\"then\":[{\"put\":{\"path\":\"/a\",\"value\":\"x\",\"value\":\"y\"}}]}",
       "400 invalid_json"},
      {"[]", "400 invalid_request"},
      {"null", "400 invalid_request"},
      {"17", "400 invalid_request"},
      {"\"x\"", "400 invalid_request"},
      {" {\n} ", "call"},
      {"{\"i\\u0066\":[]}", "call"},
      {"{\"then\":[{\"put\":{\"path\":\"/\\ud83d\\ude00\",\"value\":\"\\u0000\"}}]}", "call"},
  };
  for (const auto& c : cases) EXPECT_EQ(Verdict(Txn(c.body)), c.verdict) << c.body;
}

TEST(JsonBodyTest, TakesIntegersOnly) {
  const struct {
    const char* number;
    const char* verdict;
  } cases[] = {
      {"1", "call"},
      {"9007199254740991", "call"},
      {"9007199254740992", "400 invalid_request"},
      {"18446744073709551615", "400 invalid_request"},
      {"18446744073709551616", "400 invalid_request"},
      {"99999999999999999999999", "400 invalid_request"},
      {"0", "400 invalid_request"},
      {"-0", "400 invalid_request"},
      {"-1", "400 invalid_request"},
      {"1.0", "400 invalid_request"},
      {"1e3", "400 invalid_request"},
      {"1E0", "400 invalid_request"},
      {"1e400", "400 invalid_request"},
      {"\"1\"", "400 invalid_request"},
      {"null", "400 invalid_request"},
      {"true", "400 invalid_request"},
      {"[1]", "400 invalid_request"},
      {"01", "400 invalid_json"},
      {"+1", "400 invalid_json"},
      {"0x1", "400 invalid_json"},
      {"NaN", "400 invalid_json"},
      {"Infinity", "400 invalid_json"},
      {".5", "400 invalid_json"},
      {"1.", "400 invalid_json"},
  };
  for (const auto& c : cases)
    EXPECT_EQ(
        Verdict(Parse("POST", "/v1/compact", {}, std::string(R"({"revision":)") + c.number + "}")),
        c.verdict)
        << c.number;
  // Zero is in range elsewhere, and even there it has no sign.
  const auto version_is = [](const char* number) {
    return Verdict(Txn(std::string(R"({"if":[{"path":"/a","target":"version","op":"==","value":)") +
                       number + "}]}"));
  };
  EXPECT_EQ(version_is("0"), "call");
  EXPECT_EQ(version_is("-0"), kBadRequest);
}

TEST(JsonBodyTest, IsBoundedInDepthMembersAndValues) {
  std::string deep;
  for (int i = 0; i < 1000; ++i) deep += "[";
  EXPECT_EQ(Verdict(Txn("{\"then\":" + deep)), kBadJson);
  std::string wide = "{";
  for (int i = 0; i < 100; ++i) wide += (i == 0 ? "\"k" : ",\"k") + std::to_string(i) + "\":1";
  EXPECT_EQ(Verdict(Txn(wide + "}")), kBadJson);
  std::string flood = "{\"then\":[1";
  for (int i = 0; i < 20'000; ++i) flood += ",1";
  const net::HttpResponse refused = Refused(Txn(flood + "]}"));
  EXPECT_EQ(Verdict(refused), "413 too_large");
  EXPECT_NE(refused.body.find("\"limit\":16384"), std::string::npos);
}

TEST(CompactCallsTest, NamesARevision) {
  EXPECT_EQ(
      Operation<machine::Compact>(Parse("POST", "/v1/compact", {}, R"({"revision":9})")).revision,
      Revision(9));
  ExpectVerdicts({
      {"POST", "/v1/compact", {}, "{}", kBadRequest},
      {"POST", "/v1/compact", {}, R"({"revision":9,"x":1})", kBadRequest},
      {"POST", "/v1/compact?revision=9", {}, R"({"revision":9})", kBadRequest},
  });
}

}  // namespace
}  // namespace synod::api
