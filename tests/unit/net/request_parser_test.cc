#include "src/net/request_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "src/base/random.h"

namespace synod::net {
namespace {

using State = RequestParser::State;
using ::testing::HasSubstr;

constexpr RequestLimits kLimits{1000, 400, 200};

// What became of a stream of bytes: the requests in it, and why it was refused, if it was.
struct Reading {
  std::vector<std::string> requests;
  std::optional<Errc> refused;
  std::string detail;
  State state = State::kIdle;
  bool operator==(const Reading&) const = default;
};

std::string Describe(const HttpRequest& request, bool keep_alive) {
  std::string out = request.method + " " + request.target + (keep_alive ? " keep" : " close");
  for (const auto& [name, value] : request.headers) out += " [" + name + "=" + value + "]";
  return out + " " + request.body;
}

// Feeds `bytes` in pieces whose sizes `next_size` says, as a connection would.
template <typename NextSize>
Reading ReadAll(std::string_view bytes, NextSize next_size) {
  RequestParser parser(kLimits);
  Reading reading;
  std::string pending;
  for (size_t at = 0; at < bytes.size();) {
    const size_t n = std::min<size_t>(next_size(), bytes.size() - at);
    pending.append(bytes.substr(at, n));
    at += n;
    for (;;) {
      const size_t used = parser.Feed(pending);
      EXPECT_LE(used, pending.size());
      pending.erase(0, used);
      if (parser.state() == State::kDone) {
        const bool keep_alive = parser.keep_alive();
        reading.requests.push_back(Describe(parser.Take(), keep_alive));
        if (!pending.empty())
          continue;
      }
      break;
    }
    if (parser.state() == State::kRefused) {
      reading.refused = parser.refusal().code;
      reading.detail = parser.refusal().detail;
      break;
    }
    EXPECT_LE(parser.held(), 100'000u);
  }
  reading.state = parser.state();
  return reading;
}

Reading ReadWhole(std::string_view bytes) {
  return ReadAll(bytes, [&] { return bytes.size(); });
}

struct Accepted {
  const char* name;
  std::string bytes;
  std::vector<std::string> requests;
};

class AcceptedTest : public ::testing::TestWithParam<Accepted> {};

TEST_P(AcceptedTest, GivesTheRequestsHoweverTheBytesAreCut) {
  const Accepted& row = GetParam();
  const Reading expected{row.requests, std::nullopt, "", State::kIdle};
  for (size_t size : {size_t{1}, size_t{2}, size_t{3}, size_t{7}, row.bytes.size()}) {
    const Reading reading = ReadAll(row.bytes, [&] { return size; });
    EXPECT_EQ(reading.requests, expected.requests) << "in pieces of " << size;
    EXPECT_FALSE(reading.refused) << reading.detail;
    EXPECT_EQ(reading.state, State::kIdle);
  }
  for (size_t cut = 1; cut < row.bytes.size(); ++cut) {
    bool first = true;
    const Reading reading =
        ReadAll(row.bytes, [&] { return std::exchange(first, false) ? cut : 9999; });
    EXPECT_EQ(reading, expected) << "cut at " << cut;
  }
}

const std::vector<Accepted> kAccepted = {
    {"Get", "GET /a HTTP/1.1\r\nHost: h\r\n\r\n", {"GET /a keep [host=h] "}},
    {"EmptyLinesBefore",
     "\r\n\r\nGET /a HTTP/1.1\r\nHost: h\r\n\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n",
     {"GET /a keep [host=h] ", "GET /b keep [host=h] "}},
    {"BodyByLength",
     "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
     {"PUT /a keep [host=h] [content-length=5] hello"}},
    {"BodyThatLooksLikeARequest",
     "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 18\r\n\r\nGET / HTTP/1.1\r\n\r\n",
     {"PUT /a keep [host=h] [content-length=18] GET / HTTP/1.1\r\n\r\n"}},
    {"LengthZero",
     "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
     {"PUT /a keep [host=h] [content-length=0] "}},
    {"ChunkedBody",
     "PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789"
     "\r\n0\r\n\r\n",
     {"PUT /a keep [host=h] [transfer-encoding=chunked] abc0123456789"}},
    {"EmptyChunkedBody",
     "PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n",
     {"PUT /a keep [host=h] [transfer-encoding=Chunked] "}},
    {"ChunkExtensionsAndTrailer",
     "PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y;z=\"q\"\r\nabc\r\n"
     "0;last\r\nSynod-Fence: /x=1\r\n\r\n",
     {"PUT /a keep [host=h] [transfer-encoding=chunked] abc"}},
    {"Close",
     "GET /a HTTP/1.1\r\nHost: h\r\nConnection: Foo, CLOSE\r\n\r\n",
     {"GET /a close [host=h] [connection=Foo, CLOSE] "}},
    {"Http10", "GET /a HTTP/1.0\r\n\r\n", {"GET /a close "}},
    {"Http10KeepAlive",
     "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
     {"GET /a keep [connection=keep-alive] "}},
    {"NamesLoweredValuesKept",
     "GET /A%2F HTTP/1.1\r\nHOST: h\r\nX-MiXed: VaLue \t\r\nX-MiXed: two\r\nEmpty:\r\n\r\n",
     {"GET /A%2F keep [host=h] [x-mixed=VaLue] [x-mixed=two] [empty=] "}},
    {"OtherMethods",
     "PROPFIND /a HTTP/1.1\r\nHost: h\r\n\r\nHEAD * HTTP/1.1\r\nHost: h\r\n\r\n",
     {"PROPFIND /a keep [host=h] ", "HEAD * keep [host=h] "}},
};

INSTANTIATE_TEST_SUITE_P(RequestParser,
                         AcceptedTest,
                         ::testing::ValuesIn(kAccepted),
                         [](const auto& row) { return row.param.name; });

struct Refused {
  const char* name;
  std::string bytes;
  Errc code;
};

class RefusedTest : public ::testing::TestWithParam<Refused> {};

TEST_P(RefusedTest, IsRefusedWithItsCodeHoweverTheBytesAreCut) {
  const Refused& row = GetParam();
  const Reading whole = ReadWhole(row.bytes);
  EXPECT_EQ(whole.refused, row.code) << whole.detail;
  EXPECT_TRUE(whole.requests.empty());
  for (size_t size : {size_t{1}, size_t{2}, size_t{5}, size_t{64}}) {
    const Reading reading = ReadAll(row.bytes, [&] { return size; });
    EXPECT_EQ(reading.refused, row.code) << "in pieces of " << size << ": " << reading.detail;
    EXPECT_TRUE(reading.requests.empty());
  }
}

std::string WithFields(const std::string& fields) {
  return "PUT /a HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n";
}

const std::vector<Refused> kRefused = {
    // Not HTTP.
    {"Tls", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11), Errc::kInvalidRequest},
    {"Nul", std::string("GET /\0 HTTP/1.1\r\n\r\n", 19), Errc::kInvalidRequest},
    {"NoTarget", "GET HTTP/1.1\r\nHost: h\r\n\r\n", Errc::kInvalidRequest},
    {"EmptyTarget", "GET  HTTP/1.1\r\nHost: h\r\n\r\n", Errc::kInvalidRequest},
    {"SpaceInTarget", "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", Errc::kInvalidRequest},
    {"NoVersion", "GET /\r\nHost: h\r\n\r\n", Errc::kInvalidRequest},
    {"OddVersion", "GET / HTTQ/1.1\r\nHost: h\r\n\r\n", Errc::kInvalidRequest},
    {"BareLineFeeds", "GET / HTTP/1.1\nHost: h\n\n\r\n\r\n", Errc::kInvalidRequest},
    // Versions.
    {"Http2", "GET / HTTP/2.0\r\nHost: h\r\n\r\n", Errc::kHttpVersionNotSupported},
    {"Http2Preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Errc::kHttpVersionNotSupported},
    {"Http09", "GET / HTTP/0.9\r\nHost: h\r\n\r\n", Errc::kHttpVersionNotSupported},
    // Fields.
    {"NoHost", "GET / HTTP/1.1\r\n\r\n", Errc::kInvalidRequest},
    {"TwoHosts", WithFields("Host: g\r\n"), Errc::kInvalidRequest},
    {"SpaceBeforeColon", WithFields("X : y\r\n"), Errc::kInvalidRequest},
    {"NoColon", WithFields("xyz\r\n"), Errc::kInvalidRequest},
    {"EmptyName", WithFields(": y\r\n"), Errc::kInvalidRequest},
    {"ControlInValue",
     WithFields("X: a\x01"
                "b\r\n"),
     Errc::kInvalidRequest},
    {"NulInValue", WithFields(std::string("X: a\0b\r\n", 8)), Errc::kInvalidRequest},
    {"BareCarriageReturn", WithFields("X: a\rY: b\r\n"), Errc::kInvalidRequest},
    // Two ways to see where the body ends.
    {"TwoLengths", WithFields("Content-Length: 3\r\nContent-Length: 4\r\n") + "abcd",
     Errc::kInvalidRequest},
    {"TwoEqualLengths", WithFields("Content-Length: 3\r\nContent-Length: 3\r\n") + "abc",
     Errc::kInvalidRequest},
    {"LengthList", WithFields("Content-Length: 3, 3\r\n") + "abc", Errc::kInvalidRequest},
    {"NegativeLength", WithFields("Content-Length: -1\r\n"), Errc::kInvalidRequest},
    {"SignedLength", WithFields("Content-Length: +3\r\n") + "abc", Errc::kInvalidRequest},
    {"HexLength", WithFields("Content-Length: 0x3\r\n") + "abc", Errc::kInvalidRequest},
    {"OverflowingLength", WithFields("Content-Length: 18446744073709551617\r\n") + "a",
     Errc::kInvalidRequest},
    {"LengthThenChunked",
     WithFields("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n",
     Errc::kInvalidRequest},
    {"ChunkedThenLength",
     WithFields("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n") + "0\r\n\r\n",
     Errc::kInvalidRequest},
    {"TwoCodings", WithFields("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
     Errc::kInvalidRequest},
    {"UnknownCoding", WithFields("Transfer-Encoding: gzip\r\n"), Errc::kNotImplemented},
    {"CodingBeforeChunked", WithFields("Transfer-Encoding: gzip, chunked\r\n"),
     Errc::kNotImplemented},
    {"CodingAfterChunked", WithFields("Transfer-Encoding: chunked, identity\r\n"),
     Errc::kNotImplemented},
    {"CodingInHttp10", "PUT /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     Errc::kInvalidRequest},
    // Chunks.
    {"ChunkSizeOfLetters", WithFields("Transfer-Encoding: chunked\r\n") + "xyz\r\nabc\r\n",
     Errc::kInvalidRequest},
    {"ChunkSizeEmpty", WithFields("Transfer-Encoding: chunked\r\n") + "\r\nabc\r\n0\r\n\r\n",
     Errc::kInvalidRequest},
    {"ChunkSizeOverflows",
     WithFields("Transfer-Encoding: chunked\r\n") + "10000000000000001\r\nabc\r\n",
     Errc::kInvalidRequest},
    {"ChunkLongerThanItSays",
     WithFields("Transfer-Encoding: chunked\r\n") + "2\r\nabc\r\n0\r\n\r\n", Errc::kInvalidRequest},
    {"EndlessChunkExtension",
     WithFields("Transfer-Encoding: chunked\r\n") + "1;" + std::string(5000, 'x'),
     Errc::kInvalidRequest},
    {"EndlessTrailer",
     WithFields("Transfer-Encoding: chunked\r\n") + "0\r\nX: " + std::string(5000, 'x'),
     Errc::kInvalidRequest},
    // Limits.
    {"TargetTooLong", "GET /" + std::string(200, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n",
     Errc::kUriTooLong},
    {"EndlessTarget", "GET /" + std::string(2000, 'a'), Errc::kUriTooLong},
    {"FieldTooLong", WithFields("X: " + std::string(400, 'a') + "\r\n"),
     Errc::kRequestHeaderFieldsTooLarge},
    {"EndlessField", "GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(2000, 'a'),
     Errc::kRequestHeaderFieldsTooLarge},
    {"BodyTooLarge", WithFields("Content-Length: 1001\r\n"), Errc::kTooLarge},
    {"HugeLength", WithFields("Content-Length: 18446744073709551615\r\n"), Errc::kTooLarge},
    {"ChunksTooLarge",
     WithFields("Transfer-Encoding: chunked\r\n") + "258\r\n" + std::string(600, 'b') +
         "\r\n191\r\n" + std::string(401, 'b'),
     Errc::kTooLarge},
    {"HugeChunk", WithFields("Transfer-Encoding: chunked\r\n") + "FFFFFFFFFFFFFFFF\r\n",
     Errc::kTooLarge},
    // Expectations.
    {"OtherExpectation", WithFields("Expect: a-miracle\r\n"), Errc::kExpectationFailed},
};

INSTANTIATE_TEST_SUITE_P(RequestParser,
                         RefusedTest,
                         ::testing::ValuesIn(kRefused),
                         [](const auto& row) { return row.param.name; });

TEST(RequestParserTest, AcceptsWhatIsJustWithinTheLimits) {
  // "/", the fields "Host: h" (9 with their line ends counted as 4) and "X: ...".
  const std::string target = "/" + std::string(199, 't');
  const std::string field = "X: " + std::string(400 - 9 - 5, 'v') + "\r\n";
  const std::string head = "PUT " + target + " HTTP/1.1\r\nHost: h\r\n" + field + "\r\n";
  const Reading fields = ReadWhole(head);
  EXPECT_EQ(fields.requests.size(), 1u) << fields.detail;
  const Reading body = ReadWhole(WithFields("Content-Length: 1000\r\n") + std::string(1000, 'b'));
  EXPECT_EQ(body.requests.size(), 1u) << body.detail;
  const Reading one_more =
      ReadWhole("PUT / HTTP/1.1\r\nHost: h\r\nX: " + std::string(400 - 9 - 4, 'v') + "\r\n\r\n");
  EXPECT_EQ(one_more.refused, Errc::kRequestHeaderFieldsTooLarge);
}

TEST(RequestParserTest, ExpectsContinueOnlyInHttp11) {
  RequestParser parser(kLimits);
  parser.Feed(WithFields("Expect: 100-Continue\r\nContent-Length: 1\r\n"));
  EXPECT_EQ(parser.state(), State::kBody);
  EXPECT_TRUE(parser.expects_continue());
  parser.Feed("x");
  EXPECT_EQ(parser.Take().body, "x");
  EXPECT_FALSE(parser.expects_continue());
  parser.Feed("PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n");
  EXPECT_FALSE(parser.expects_continue());
}

// Mutations of good requests: whatever the bytes, they are read in one way only, and nothing grows.
TEST(RequestParserTest, DamagedRequestsAreReadTheSameHoweverTheyAreCut) {
  Random random(2026);
  std::string seeds;
  for (const Accepted& row : kAccepted) seeds += row.bytes;
  for (int run = 0; run < 3000; ++run) {
    const Accepted& row = kAccepted[random.Below(kAccepted.size())];
    std::string bytes = row.bytes + kAccepted[random.Below(kAccepted.size())].bytes;
    for (uint64_t edits = random.Between(0, 4); edits > 0; --edits) {
      const size_t at = random.Below(bytes.size());
      switch (random.Below(4)) {
        case 0:
          bytes[at] = static_cast<char>(random.Next());
          break;
        case 1:
          bytes.erase(at, random.Between(1, 5));
          break;
        case 2:
          bytes.insert(at, seeds.substr(random.Below(seeds.size()), random.Between(1, 20)));
          break;
        default:
          bytes[at] = "\r\n :;,0aF"[random.Below(9)];
          break;
      }
      if (bytes.empty())
        bytes = "\r";
    }
    const Reading by_bytes = ReadAll(bytes, [] { return size_t{1}; });
    const Reading by_chance = ReadAll(bytes, [&] { return random.Between(1, 40); });
    const Reading whole = ReadWhole(bytes);
    // A fault may be found later when the bytes come slowly, but what passes is the same.
    ASSERT_EQ(by_bytes.requests, whole.requests) << bytes;
    ASSERT_EQ(by_chance.requests, whole.requests) << bytes;
    if (by_bytes.refused) {
      ASSERT_TRUE(whole.refused) << bytes;
    }
  }
}

}  // namespace
}  // namespace synod::net
