// What holds for every request: paths, parameters, headers, preconditions, methods, sizes.
#include "tests/unit/api/fixture.h"

namespace synod::api {
namespace {

const std::string kBadRequest = "400 invalid_request";
const std::string kBadPath = "400 invalid_path";

std::string Repeat(std::string_view piece, size_t times) {
  std::string text;
  for (size_t i = 0; i < times; ++i) text.append(piece);
  return text;
}

TEST(RequestTest, TakesPathsAsTheContractSaysAndRefusesTheRest) {
  ExpectVerdicts({
      {"GET", "/v1/kv/", {}, "", "call"},
      {"GET", "/v1/kv", {}, "", "404 not_found"},
      {"GET", "/v1/kv/a", {}, "", "call"},
      {"GET", "/v1/kv/a/b.c/d-e_f~g", {}, "", "call"},
      {"GET", "/v1/kv/a%20b", {}, "", "call"},
      {"GET", "/v1/kv/%D0%BA", {}, "", "call"},
      {"GET", "/v1/kv/\xD0\xBA", {}, "", "call"},
      {"GET", "/v1/kv/...", {}, "", "call"},
      {"GET", "/v1/kv/a%3Fb", {}, "", "call"},
      {"GET", "/v1/kv/a%2Fb", {}, "", kBadPath},
      {"GET", "/v1/kv/a%2fb", {}, "", kBadPath},
      {"GET", "/v1/kv/%2F", {}, "", kBadPath},
      {"GET", "/v1/kv/a/", {}, "", kBadPath},
      {"GET", "/v1/kv//", {}, "", kBadPath},
      {"GET", "/v1/kv//a", {}, "", kBadPath},
      {"GET", "/v1/kv/a//b", {}, "", kBadPath},
      {"GET", "/v1/kv/.", {}, "", kBadPath},
      {"GET", "/v1/kv/a/..", {}, "", kBadPath},
      {"GET", "/v1/kv/a/%2E%2e/b", {}, "", kBadPath},
      {"GET", "/v1/kv/a%00b", {}, "", kBadPath},
      {"GET", "/v1/kv/a%1Fb", {}, "", kBadPath},
      {"GET", "/v1/kv/a%7Fb", {}, "", kBadPath},
      {"GET", "/v1/kv/a%C2%85b", {}, "", kBadPath},
      {"GET", "/v1/kv/%FF", {}, "", kBadPath},
      {"GET", "/v1/kv/%C0%AF", {}, "", kBadPath},
      {"GET", "/v1/kv/%ED%A0%80", {}, "", kBadPath},
      {"GET", "/v1/kv/%", {}, "", kBadPath},
      {"GET", "/v1/kv/%4", {}, "", kBadPath},
      {"GET", "/v1/kv/%zz", {}, "", kBadPath},
      {"GET", "/v1/kv/a#b", {}, "", kBadPath},
      {"PUT", "/v1/kv/a/", {}, "x", kBadPath},
      {"POST", "/v1/kv/a/", {}, "x", kBadPath},
      {"DELETE", "/v1/kv/a//b", {}, "", kBadPath},
      {"GET", "/v1/watch/a%2Fb", {}, "", kBadPath},
      {"GET", "/v1/watch/a/", {}, "", kBadPath},
  });
}

TEST(RequestTest, BoundsPathsAndTargets) {
  const std::string component = Repeat("c", 255);
  const std::string longest = Repeat("/" + component, 3) + "/" + Repeat("d", 254) + "/";
  ASSERT_EQ(longest.size(), 1024U);
  ExpectVerdicts({
      {"GET", "/v1/kv/" + component, {}, "", "call"},
      {"GET", "/v1/kv/" + component + "c", {}, "", kBadPath},
      {"GET", "/v1/kv" + longest.substr(0, 1023), {}, "", "call"},
      {"GET", "/v1/kv" + Repeat("/ab", 341) + "/", {}, "", kBadPath},
      {"GET", "/v1/kv" + Repeat("/ab", 341) + "c", {}, "", "call"},
      {"GET", "/v1/kv" + Repeat("/ab", 341) + "cd", {}, "", kBadPath},
      {"GET", "/v1/kv/" + Repeat("%61", 255), {}, "", "call"},
      {"GET", "/v1/kv/" + Repeat("a", 8192 - 7), {}, "", kBadPath},
      {"GET", "/v1/kv/" + Repeat("a", 8192 - 6), {}, "", "414 uri_too_long"},
      {"GET", "/v1/kv/a?" + Repeat("x", 9000), {}, "", "414 uri_too_long"},
  });
}

TEST(RequestTest, DecodesThePathOfANode) {
  EXPECT_EQ(QueryOf<machine::GetNode>(Parse("GET", "/v1/kv/a%20b/%d0%BA+c")).path,
            "/a b/\xD0\xBA+c");
  EXPECT_EQ(QueryOf<machine::GetNode>(Parse("GET", "/v1/kv/")).path, "/");
  EXPECT_EQ(QueryOf<machine::GetNode>(Parse("GET", "http://localhost/v1/kv/a")).path, "/a");
}

TEST(RequestTest, RefusesUnknownRepeatedAndMalformedParameters) {
  ExpectVerdicts({
      {"GET", "/v1/kv/a?", {}, "", "call"},
      {"GET", "/v1/kv/a?raw=true", {}, "", "call"},
      {"GET", "/v1/kv/a?raw=true&", {}, "", "call"},
      {"GET", "/v1/kv/a?r%61w=true", {}, "", "call"},
      {"GET", "/v1/kv/a?Raw=true", {}, "", kBadRequest},
      {"GET", "/v1/kv/a?raw=true&raw=true", {}, "", kBadRequest},
      {"GET", "/v1/kv/a?raw=true&r%61w=false", {}, "", kBadRequest},
      {"GET", "/v1/kv/a?raw", {}, "", kBadRequest},
      {"GET", "/v1/kv/a?raw=", {}, "", kBadRequest},
      {"GET", "/v1/kv/a?raw=1", {}, "", kBadRequest},
      {"GET", "/v1/kv/a?raw=TRUE", {}, "", kBadRequest},
      {"GET", "/v1/kv/a?foo=1", {}, "", kBadRequest},
      {"GET", "/v1/kv/a?=1", {}, "", kBadRequest},
      {"GET", "/v1/kv/a?raw=%zz", {}, "", kBadRequest},
      {"GET", "/v1/kv/a?prev=true", {}, "", kBadRequest},
      {"GET", "/v1/kv/a?if_version=1", {}, "", kBadRequest},
      {"GET", "/v1/kv/a?limit=10", {}, "", kBadRequest},
      {"GET", "/v1/kv/a?keys_only=true", {}, "", kBadRequest},
      {"PUT", "/v1/kv/a?if_versoin=1", {}, "", kBadRequest},
      {"PUT", "/v1/kv/a?recursive=true", {}, "", kBadRequest},
      {"PUT", "/v1/kv/a?consistency=sequential", {}, "", kBadRequest},
      {"POST", "/v1/kv/a?if_version=0", {}, "", kBadRequest},
      {"POST", "/v1/kv/a?prev=true", {}, "", kBadRequest},
      {"DELETE", "/v1/kv/a?lease=1", {}, "", kBadRequest},
      {"GET", "/v1/status?foo=1", {}, "", kBadRequest},
      {"GET", "/healthz?verbose=true", {}, "", kBadRequest},
      {"GET", "/metrics?x=1", {}, "", kBadRequest},
  });
  std::string many = "/v1/kv/a?";
  for (int i = 0; i < 40; ++i) many += "p" + std::to_string(i) + "=1&";
  EXPECT_EQ(Verdict(Parse("GET", many)), kBadRequest);
}

TEST(RequestTest, TakesIntegersWithoutSignZerosOrExcess) {
  ExpectVerdicts({
      {"PUT", "/v1/kv/a?if_version=0", {}, "", "call"},
      {"PUT", "/v1/kv/a?if_version=9007199254740991", {}, "", "call"},
      {"PUT", "/v1/kv/a?if_version=9007199254740992", {}, "", kBadRequest},
      {"PUT", "/v1/kv/a?if_version=99999999999999999999", {}, "", kBadRequest},
      {"PUT", "/v1/kv/a?if_version=-1", {}, "", kBadRequest},
      {"PUT", "/v1/kv/a?if_version=-0", {}, "", kBadRequest},
      {"PUT", "/v1/kv/a?if_version=+1", {}, "", kBadRequest},
      {"PUT", "/v1/kv/a?if_version=01", {}, "", kBadRequest},
      {"PUT", "/v1/kv/a?if_version=1.0", {}, "", kBadRequest},
      {"PUT", "/v1/kv/a?if_version=1e3", {}, "", kBadRequest},
      {"PUT", "/v1/kv/a?if_version=0x10", {}, "", kBadRequest},
      {"PUT", "/v1/kv/a?if_version=", {}, "", kBadRequest},
      {"PUT", "/v1/kv/a?if_version=%31", {}, "", "call"},
  });
}

TEST(RequestTest, BoundsTheTimeout) {
  EXPECT_EQ(Expect<ReadCall>(Parse("GET", "/v1/kv/a")).timeout_ms, 5000);
  EXPECT_EQ(Expect<ReadCall>(Parse("GET", "/v1/kv/a?timeout_ms=1")).timeout_ms, 1);
  EXPECT_EQ(Expect<ChangeCall>(Parse("PUT", "/v1/kv/a?timeout_ms=60000")).timeout_ms, 60'000);
  EXPECT_EQ(Expect<PlainCall>(Parse("GET", "/v1/status?timeout_ms=7")).timeout_ms, 7);
  EXPECT_EQ(Expect<WatchCall>(Parse("GET", "/v1/watch/a?timeout_ms=7")).timeout_ms, 7);
  ExpectVerdicts({
      {"GET", "/v1/kv/a?timeout_ms=0", {}, "", kBadRequest},
      {"GET", "/v1/kv/a?timeout_ms=60001", {}, "", kBadRequest},
      {"PUT", "/v1/kv/a?timeout_ms=5s", {}, "", kBadRequest},
  });
}

TEST(RequestTest, TakesOneEncoding) {
  EXPECT_TRUE(Expect<ReadCall>(Parse("GET", "/v1/kv/a?encoding=base64")).render.base64);
  EXPECT_TRUE(Expect<ChangeCall>(Parse("PUT", "/v1/kv/a?encoding=base64")).render.base64);
  EXPECT_TRUE(Expect<WatchCall>(Parse("GET", "/v1/watch/a?encoding=base64")).render.base64);
  EXPECT_FALSE(Expect<ReadCall>(Parse("GET", "/v1/kv/a")).render.base64);
  ExpectVerdicts({
      {"GET", "/v1/kv/a?encoding=text", {}, "", kBadRequest},
      {"GET", "/v1/kv/a?encoding=", {}, "", kBadRequest},
      {"GET", "/v1/kv/a?encoding=base64&raw=true", {}, "", kBadRequest},
  });
}

TEST(RequestTest, RefusesUnknownSynodHeaders) {
  ExpectVerdicts({
      {"GET", "/v1/kv/a", {{"synod-fense", "/a=1"}}, "", kBadRequest},
      {"PUT", "/v1/kv/a", {{"synod-fense", "/a=1"}}, "", kBadRequest},
      {"PUT", "/v1/kv/a", {{"synod-revision", "1"}}, "", kBadRequest},
      {"GET", "/v1/status", {{"synod-x", ""}}, "", kBadRequest},
      {"PUT", "/v1/kv/a", {{"x-request-id", "1"}}, "", "call"},
  });
}

TEST(RequestTest, TakesPreconditionsOfPutAndDelete) {
  using Kind = store::Precondition::Kind;
  struct Case {
    HeaderList headers;
    std::string query;
    store::Precondition wanted;
  };
  const Case cases[] = {
      {{}, "", {Kind::kNone, 0}},
      {{{"if-match", "\"17\""}}, "", {Kind::kModRevision, 17}},
      {{{"if-match", "\"0\""}}, "", {Kind::kModRevision, 0}},
      {{{"if-match", " \"17\" "}}, "", {Kind::kModRevision, 17}},
      {{{"if-match", "*"}}, "", {Kind::kExists, 0}},
      {{{"if-none-match", "*"}}, "", {Kind::kAbsent, 0}},
      {{}, "?if_version=3", {Kind::kVersion, 3}},
      {{}, "?if_version=0", {Kind::kVersion, 0}},
  };
  for (const Case& c : cases) {
    const auto put = Operation<machine::Put>(Parse("PUT", "/v1/kv/a" + c.query, c.headers));
    EXPECT_EQ(put.precondition, c.wanted);
    const auto remove =
        Operation<machine::Delete>(Parse("DELETE", "/v1/kv/a" + c.query, c.headers));
    EXPECT_EQ(remove.precondition, c.wanted);
  }
}

TEST(RequestTest, RefusesMalformedAndContradictingPreconditions) {
  for (const std::string method : {"PUT", "DELETE"})
    ExpectVerdicts({
        {method, "/v1/kv/a", {{"if-match", "17"}}, "", kBadRequest},
        {method, "/v1/kv/a", {{"if-match", "W/\"17\""}}, "", kBadRequest},
        {method, "/v1/kv/a", {{"if-match", "\"abc\""}}, "", kBadRequest},
        {method, "/v1/kv/a", {{"if-match", "\"017\""}}, "", kBadRequest},
        {method, "/v1/kv/a", {{"if-match", "\"-1\""}}, "", kBadRequest},
        {method, "/v1/kv/a", {{"if-match", "\"17\", \"18\""}}, "", kBadRequest},
        {method, "/v1/kv/a", {{"if-match", "\""}}, "", kBadRequest},
        {method, "/v1/kv/a", {{"if-match", ""}}, "", kBadRequest},
        {method, "/v1/kv/a", {{"if-none-match", "\"17\""}}, "", kBadRequest},
        {method, "/v1/kv/a", {{"if-none-match", "W/*"}}, "", kBadRequest},
        {method, "/v1/kv/a", {{"if-match", "*"}, {"if-none-match", "*"}}, "", kBadRequest},
        {method, "/v1/kv/a", {{"if-match", "\"1\""}, {"if-match", "\"1\""}}, "", kBadRequest},
        {method, "/v1/kv/a?if_version=1", {{"if-match", "\"1\""}}, "", kBadRequest},
        {method, "/v1/kv/a?if_version=0", {{"if-none-match", "*"}}, "", kBadRequest},
        {method, "/v1/kv/a", {{"if-unmodified-since", "x"}}, "", kBadRequest},
        {method, "/v1/kv/a", {{"if-modified-since", "x"}}, "", kBadRequest},
        {method, "/v1/kv/a", {{"if-range", "\"1\""}}, "", kBadRequest},
    });
}

TEST(RequestTest, RefusesPreconditionsWhereNoneIsJudged) {
  const HeaderList preconditions[] = {
      {{"if-match", "\"17\""}}, {{"if-match", "*"}}, {{"if-none-match", "*"}}};
  for (const HeaderList& headers : preconditions)
    ExpectVerdicts({
        {"POST", "/v1/kv/a", headers, "", kBadRequest},
        {"GET", "/v1/kv/a?list=children", headers, "", kBadRequest},
        {"POST", "/v1/txn", headers, "{}", kBadRequest},
        {"POST", "/v1/compact", headers, R"({"revision":1})", kBadRequest},
        {"POST", "/v1/cluster/leader", headers, R"({"id":1})", kBadRequest},
        {"GET", "/v1/watch/a", headers, "", kBadRequest},
        {"GET", "/v1/leases", headers, "", kBadRequest},
        {"GET", "/v1/leases/1", headers, "", kBadRequest},
        {"POST", "/v1/leases", headers, R"({"ttl_ms":1000})", kBadRequest},
        {"DELETE", "/v1/leases/1", headers, "", kBadRequest},
        {"POST", "/v1/leases/1/keepalive", headers, "", kBadRequest},
        {"POST", "/v1/leases/keepalive", headers, R"({"ids":[1]})", kBadRequest},
        {"GET", "/v1/locks/a", headers, "", kBadRequest},
        {"GET", "/v1/locks", headers, "", kBadRequest},
        {"POST", "/v1/locks/a/acquire", headers, R"({"lease":1})", kBadRequest},
        {"POST", "/v1/locks/a/release", headers, R"({"token":1})", kBadRequest},
        {"POST", "/v1/elections/a/campaign", headers, R"({"lease":1})", kBadRequest},
        {"GET", "/v1/elections/a/observe", headers, "", kBadRequest},
        {"GET", "/v1/status", headers, "", kBadRequest},
        {"GET", "/metrics", headers, "", kBadRequest},
    });
  ExpectVerdicts({
      {"GET", "/v1/kv/a", {{"if-match", "\"17\""}}, "", kBadRequest},
      {"HEAD", "/v1/kv/a", {{"if-match", "*"}}, "", kBadRequest},
      {"GET", "/v1/kv/a", {{"if-modified-since", "x"}}, "", kBadRequest},
  });
}

TEST(RequestTest, JudgesIfNoneMatchOnReadsOfANode) {
  const auto tags = [](std::string value) {
    return Expect<ReadCall>(Parse("GET", "/v1/kv/a", {{"if-none-match", std::move(value)}}))
        .render.if_none_match;
  };
  EXPECT_EQ(tags("\"17\"").revisions, std::vector<uint64_t>({17}));
  EXPECT_EQ(tags("\"17\", \"18\"").revisions, std::vector<uint64_t>({17, 18}));
  EXPECT_TRUE(tags("*").any);
  ExpectVerdicts({
      {"GET", "/v1/kv/a", {{"if-none-match", "17"}}, "", kBadRequest},
      {"GET", "/v1/kv/a", {{"if-none-match", "W/\"17\""}}, "", kBadRequest},
      {"GET", "/v1/kv/a", {{"if-none-match", "\"17\",*"}}, "", kBadRequest},
      {"HEAD", "/v1/kv/a", {{"if-none-match", "\"17\""}}, "", "call"},
      {"GET", "/v1/kv/a?raw=true", {{"if-none-match", "\"17\""}}, "", "call"},
  });
}

TEST(RequestTest, TakesIdempotencyKeysOnChangesOnly) {
  const std::string longest(128, 'k');
  const auto call = Expect<ChangeCall>(Parse("PUT", "/v1/kv/a", {{"idempotency-key", longest}}));
  EXPECT_EQ(call.command.idempotency_key, longest);
  ExpectVerdicts({
      {"PUT", "/v1/kv/a", {{"idempotency-key", "!~"}}, "", "call"},
      {"PUT", "/v1/kv/a", {{"idempotency-key", ""}}, "", kBadRequest},
      {"PUT", "/v1/kv/a", {{"idempotency-key", longest + "k"}}, "", kBadRequest},
      {"PUT", "/v1/kv/a", {{"idempotency-key", "a b"}}, "", kBadRequest},
      {"PUT", "/v1/kv/a", {{"idempotency-key", "a\tb"}}, "", kBadRequest},
      {"PUT", "/v1/kv/a", {{"idempotency-key", "\xC3\xA9"}}, "", kBadRequest},
      {"PUT", "/v1/kv/a", {{"idempotency-key", "a\x7F"}}, "", kBadRequest},
      {"PUT", "/v1/kv/a", {{"idempotency-key", "a"}, {"idempotency-key", "a"}}, "", kBadRequest},
      {"GET", "/v1/kv/a", {{"idempotency-key", "a"}}, "", kBadRequest},
      {"HEAD", "/v1/kv/a", {{"idempotency-key", "a"}}, "", kBadRequest},
      {"GET", "/v1/watch/a", {{"idempotency-key", "a"}}, "", kBadRequest},
      {"GET", "/v1/locks/a", {{"idempotency-key", "a"}}, "", kBadRequest},
      {"GET", "/v1/leases", {{"idempotency-key", "a"}}, "", kBadRequest},
      {"GET", "/v1/status", {{"idempotency-key", "a"}}, "", kBadRequest},
      {"POST", "/v1/leases/keepalive", {{"idempotency-key", "a"}}, R"({"ids":[1]})", "call"},
      {"DELETE", "/v1/leases/1", {{"idempotency-key", "a"}}, "", "call"},
  });
}

TEST(RequestTest, TakesNotAfterOnChangesOnly) {
  const auto call = Expect<ChangeCall>(Parse("DELETE", "/v1/kv/a", {{"synod-not-after", "123"}}));
  EXPECT_EQ(call.command.not_after, ClusterTime(123));
  ExpectVerdicts({
      {"PUT", "/v1/kv/a", {{"synod-not-after", "0"}}, "", kBadRequest},
      {"PUT", "/v1/kv/a", {{"synod-not-after", "-5"}}, "", kBadRequest},
      {"PUT", "/v1/kv/a", {{"synod-not-after", "9007199254740992"}}, "", kBadRequest},
      {"PUT", "/v1/kv/a", {{"synod-not-after", "soon"}}, "", kBadRequest},
      {"PUT", "/v1/kv/a", {{"synod-not-after", "1"}, {"synod-not-after", "1"}}, "", kBadRequest},
      {"GET", "/v1/kv/a", {{"synod-not-after", "1"}}, "", kBadRequest},
  });
}

TEST(RequestTest, TakesFencesByRepetitionAndByCommas) {
  const auto call = Expect<ChangeCall>(
      Parse("PUT", "/v1/kv/a",
            {{"synod-fence", "/backup=5, /a%20b/c=6"}, {"synod-fence", "/x%3Dy%2Cz=7"}}));
  ASSERT_EQ(call.command.fences.size(), 3U);
  EXPECT_EQ(call.command.fences[0].path, "/backup");
  EXPECT_EQ(call.command.fences[0].token, FenceToken(5));
  EXPECT_EQ(call.command.fences[1].path, "/a b/c");
  EXPECT_EQ(call.command.fences[1].token, FenceToken(6));
  EXPECT_EQ(call.command.fences[2].path, "/x=y,z");
  EXPECT_EQ(call.command.fences[2].token, FenceToken(7));
  ExpectVerdicts({
      {"PUT", "/v1/kv/a", {{"synod-fence", ""}}, "", kBadRequest},
      {"PUT", "/v1/kv/a", {{"synod-fence", "/backup"}}, "", kBadRequest},
      {"PUT", "/v1/kv/a", {{"synod-fence", "/backup="}}, "", kBadRequest},
      {"PUT", "/v1/kv/a", {{"synod-fence", "/backup=0"}}, "", kBadRequest},
      {"PUT", "/v1/kv/a", {{"synod-fence", "/backup=x"}}, "", kBadRequest},
      {"PUT", "/v1/kv/a", {{"synod-fence", "/backup=-1"}}, "", kBadRequest},
      {"PUT", "/v1/kv/a", {{"synod-fence", "backup=5"}}, "", kBadRequest},
      {"PUT", "/v1/kv/a", {{"synod-fence", "/a=1,,/b=2"}}, "", kBadRequest},
      {"PUT", "/v1/kv/a", {{"synod-fence", "=5"}}, "", kBadRequest},
      {"PUT", "/v1/kv/a", {{"synod-fence", "/=5"}}, "", kBadPath},
      {"PUT", "/v1/kv/a", {{"synod-fence", "/a%2Fb=5"}}, "", kBadPath},
      {"PUT", "/v1/kv/a", {{"synod-fence", "/a%zz=5"}}, "", kBadPath},
      {"PUT", "/v1/kv/a", {{"synod-fence", "/@1=5"}}, "", kBadPath},
      {"GET", "/v1/kv/a", {{"synod-fence", "/a=1"}}, "", kBadRequest},
  });
}

TEST(RequestTest, KnowsItsEndpointsAndTheirMethods) {
  struct Case {
    std::string method;
    std::string target;
    std::string verdict;
    std::string allow;
  };
  const Case cases[] = {
      {"GET", "/", "404 not_found", ""},
      {"GET", "/v1", "404 not_found", ""},
      {"GET", "/v2/kv/a", "404 not_found", ""},
      {"GET", "/v1/kvx", "404 not_found", ""},
      {"PUT", "/v1/nothing", "404 not_found", ""},
      {"POST", "/v1/txn/", "404 not_found", ""},
      {"GET", "/v1/watch", "404 not_found", ""},
      {"GET", "/v1/elections", "404 not_found", ""},
      {"GET", "/v1/leases/", "404 not_found", ""},
      {"POST", "/v1/leases/1/foo", "404 not_found", ""},
      {"POST", "/v1/leases/1/keepalive/x", "404 not_found", ""},
      {"GET", "*", "404 not_found", ""},
      {"GET", "", "404 not_found", ""},
      {"PATCH", "/v1/kv/a", "405 method_not_allowed", "GET, HEAD, PUT, POST, DELETE, OPTIONS"},
      {"GET", "/v1/txn", "405 method_not_allowed", "POST, OPTIONS"},
      {"PUT", "/v1/txn", "405 method_not_allowed", "POST, OPTIONS"},
      {"POST", "/v1/watch/a", "405 method_not_allowed", "GET, HEAD, OPTIONS"},
      {"DELETE", "/v1/leases", "405 method_not_allowed", "GET, HEAD, POST, OPTIONS"},
      {"PUT", "/v1/leases/1", "405 method_not_allowed", "GET, HEAD, DELETE, OPTIONS"},
      {"GET", "/v1/leases/1/keepalive", "405 method_not_allowed", "POST, OPTIONS"},
      {"GET", "/v1/leases/keepalive", "405 method_not_allowed", "POST, OPTIONS"},
      {"DELETE", "/v1/locks/a", "405 method_not_allowed", "GET, HEAD, OPTIONS"},
      {"POST", "/v1/locks/a", "405 method_not_allowed", "GET, HEAD, OPTIONS"},
      {"GET", "/v1/locks/a/acquire", "405 method_not_allowed", "POST, OPTIONS"},
      {"POST", "/v1/elections/a/observe", "405 method_not_allowed", "GET, HEAD, OPTIONS"},
      {"POST", "/v1/status", "405 method_not_allowed", "GET, HEAD, OPTIONS"},
      {"POST", "/metrics", "405 method_not_allowed", "GET, HEAD, OPTIONS"},
      {"GET", "/v1/compact", "405 method_not_allowed", "POST, OPTIONS"},
      {"BREW", "/v1/kv/a", "501 not_implemented", ""},
      {"TRACE", "/v1/kv/a", "501 not_implemented", ""},
      {"get", "/v1/kv/a", "501 not_implemented", ""},
      {"POST", "/v1/locks", "400 invalid_json", ""},
      {"POST", "/v1/fences/a", "400 invalid_json", ""},
      {"PUT", "/v1/fences/a", "405 method_not_allowed", "GET, HEAD, POST, DELETE, OPTIONS"},
      {"GET", "/v1/fences", "404 not_found", ""},
      {"GET", "/v1/cluster/members", "405 method_not_allowed", "POST, OPTIONS"},
      {"GET", "/v1/cluster/members/promote", "405 method_not_allowed", "POST, OPTIONS"},
      {"GET", "/v1/cluster/members/3/promote", "405 method_not_allowed", "POST, OPTIONS"},
      {"PUT", "/v1/cluster/members/3/replace", "405 method_not_allowed", "POST, OPTIONS"},
      {"PUT", "/v1/cluster/members/3", "405 method_not_allowed", "PATCH, DELETE, OPTIONS"},
      {"GET", "/v1/cluster/leader", "405 method_not_allowed", "POST, OPTIONS"},
      {"POST", "/v1/snapshot", "405 method_not_allowed", "GET, HEAD, OPTIONS"},
      {"GET", "/v1/snapshot?revision=3", "400 invalid_request", ""},
      {"POST", "/v1/auth/users", "405 method_not_allowed", "GET, HEAD, OPTIONS"},
      {"POST", "/v1/auth/roles/x", "405 method_not_allowed", "GET, HEAD, PUT, DELETE, OPTIONS"},
      {"PUT", "/v1/auth/tokens/1", "405 method_not_allowed", "GET, HEAD, DELETE, OPTIONS"},
      {"GET", "/v1/auth/tokens/x", "400 invalid_request", ""},
      {"GET", "/v1/auth/users/a%2Fb", "400 invalid_request", ""},
      {"GET", "/v1/auth/users/", "400 invalid_request", ""},
      {"GET", "/v1/auth/nothing", "404 not_found", ""},
      {"PUT", "/v1/settings", "405 method_not_allowed", "GET, HEAD, PATCH, OPTIONS"},
  };
  for (const Case& c : cases) {
    const net::HttpResponse response = Refused(Parse(c.method, c.target));
    EXPECT_EQ(Verdict(response), c.verdict) << c.method << " " << c.target;
    EXPECT_EQ(HeaderOf(response, "Allow"), c.allow.empty() ? "<absent>" : c.allow)
        << c.method << " " << c.target;
  }
  EXPECT_EQ(Verdict(Parse("GET", "/v1/watch", {{"upgrade", "websocket"}})), "400 invalid_request");
}

TEST(RequestTest, FailuresOfChangesCarryTheOutcome) {
  EXPECT_NE(Refused(Parse("PUT", "/v1/kv/a/")).body.find("\"outcome\":\"not_applied\""),
            std::string::npos);
  EXPECT_NE(Refused(Parse("POST", "/v1/txn", {}, "{")).body.find("\"outcome\":\"not_applied\""),
            std::string::npos);
  EXPECT_EQ(Refused(Parse("GET", "/v1/kv/a/")).body.find("outcome"), std::string::npos);
}

TEST(RequestTest, RefusalsCarryTheContextOfTheNode) {
  const net::HttpResponse response = Refused(Parse("GET", "/v1/kv/a/"));
  EXPECT_EQ(response.content_type, "application/problem+json");
  EXPECT_EQ(HeaderOf(response, "Synod-Revision"), "41");
  EXPECT_EQ(HeaderOf(response, "Synod-Time"), "9000");
  EXPECT_EQ(HeaderOf(response, "Synod-Node"), "2");
  EXPECT_EQ(HeaderOf(response, "Synod-Leader"), "1");
  EXPECT_EQ(HeaderOf(response, "Cache-Control"), "no-cache");
}

TEST(RequestTest, DetailsNameTheCulpritEvenIfItIsNotText) {
  const net::HttpResponse response = Refused(Parse("GET", "/v1/kv/a?x%FF%22=1"));
  EXPECT_NE(response.body.find("x\xEF\xBF\xBD\\\""), std::string::npos) << response.body;
}

TEST(RequestTest, BoundsValuesAndBodies) {
  Limits limits;
  limits.value_bytes = 10;
  limits.body_bytes = 20;
  const auto verdict = [&](std::string method, std::string target, size_t bytes) {
    const net::HttpRequest request =
        Http(std::move(method), std::move(target), {}, std::string(bytes, 'x'));
    const Parsed parsed = Parse(request, limits);
    if (const auto* response = std::get_if<net::HttpResponse>(&parsed)) {
      const size_t at = response->body.find("\"limit\":");
      return Verdict(*response) +
             (at == std::string::npos ? "" : " " + response->body.substr(at + 8, 2));
    }
    return std::string("call");
  };
  EXPECT_EQ(verdict("PUT", "/v1/kv/a", 10), "call");
  EXPECT_EQ(verdict("PUT", "/v1/kv/a", 11), "413 too_large 10");
  EXPECT_EQ(verdict("POST", "/v1/kv/a", 11), "413 too_large 10");
  EXPECT_EQ(verdict("PUT", "/v1/kv/a", 21), "413 too_large 20");
  EXPECT_EQ(verdict("POST", "/v1/txn", 21), "413 too_large 20");
  EXPECT_EQ(verdict("GET", "/v1/kv/a", 1), kBadRequest);
  EXPECT_EQ(verdict("DELETE", "/v1/kv/a", 1), kBadRequest);
}

TEST(RequestTest, TakesJsonTypesForJsonAndAnyTypeForValues) {
  const auto txn = [](std::string type) {
    return Verdict(Parse("POST", "/v1/txn", {{"content-type", std::move(type)}}, "{}"));
  };
  EXPECT_EQ(Verdict(Parse("POST", "/v1/txn", {}, "{}")), "call");
  EXPECT_EQ(txn("application/json"), "call");
  EXPECT_EQ(txn("Application/JSON; charset=UTF-8"), "call");
  EXPECT_EQ(txn("application/x-www-form-urlencoded"), "call");  // what curl -d says
  EXPECT_EQ(txn("application/json; charset=latin1"), "415 unsupported_media_type");
  EXPECT_EQ(txn("text/plain"), "415 unsupported_media_type");
  EXPECT_EQ(txn("application/jsonx"), "415 unsupported_media_type");
  EXPECT_EQ(txn(""), "415 unsupported_media_type");
  ExpectVerdicts({
      {"PUT", "/v1/kv/a", {{"content-type", "text/plain"}}, "x", "call"},
      {"PUT", "/v1/kv/a", {{"content-type", "image/png"}}, "x", "call"},
      {"PUT", "/v1/kv/a", {{"content-encoding", "gzip"}}, "x", "415 unsupported_media_type"},
      {"POST", "/v1/txn", {{"content-encoding", "gzip"}}, "{}", "415 unsupported_media_type"},
      {"POST", "/v1/leases/1/keepalive", {{"content-type", "text/plain"}}, "", "call"},
  });
}

}  // namespace
}  // namespace synod::api
