// Bytes that no honest client sends: each gets a clear answer or a closed connection, and the node
// neither ends nor hangs nor grows.
#include <gtest/gtest.h>

#include <memory>

#include "src/base/random.h"
#include "tests/integration/cluster_test_base.h"

namespace synod::integration {
namespace {

constexpr uint64_t kGrowthBytesMax = uint64_t{64} << 20;

class BadInputTest : public ClusterTest<1> {
 protected:
  void SetUp() override { before_ = cluster().node(1).ResidentBytes(); }
  void TearDown() override {
    EXPECT_TRUE(cluster().node(1).Running());
    EXPECT_EQ(Http(port(), "PUT", "/v1/kv/still-alive", {.body = "x"}).status / 100, 2);
    EXPECT_LT(cluster().node(1).ResidentBytes(), before_ + kGrowthBytesMax);
    ClusterTest::TearDown();
  }

  // Sends the bytes; the status of the answer, 0 if the connection was closed without one.
  static int StatusOf(const std::string& bytes, bool close_sending = true) {
    Connection connection(port());
    connection.Send(bytes);
    if (close_sending)
      connection.CloseSending();
    try {
      return connection.Read(Milliseconds(20'000)).status;
    } catch (const HttpFailure& failure) {
      const std::string why = failure.what();
      EXPECT_EQ(why.find("deadline"), std::string::npos) << "a hang: " << why;
      return 0;
    }
  }
  static std::string Request(const std::string& line,
                             const std::string& rest = "Host: localhost\r\n\r\n") {
    return line + " HTTP/1.1\r\n" + rest;
  }

 private:
  uint64_t before_ = 0;
};

TEST_F(BadInputTest, RandomBytes) {
  Random random(1);
  for (int round = 0; round < 200; ++round) {
    std::string bytes(random.Between(1, 4000), '\0');
    for (char& c : bytes) c = static_cast<char>(random.Next());
    if (round % 3 == 0)
      bytes = "GET /v1/kv/a HTTP/1.1\r\n" + bytes + "\r\n\r\n";
    const int status = StatusOf(bytes);
    EXPECT_TRUE(status == 0 || status / 100 == 4 || status / 100 == 5) << status;
  }
}

TEST_F(BadInputTest, MutatedRequests) {
  const std::string good = Request("POST /v1/txn",
                                   "Host: localhost\r\nContent-Length: 49\r\n\r\n"
                                   R"({"then":[{"put":{"path":"/m","value":"abcdefg"}}]})");
  Random random(2);
  for (int round = 0; round < 400; ++round) {
    std::string bytes = good;
    for (uint64_t n = random.Between(1, 4); n > 0; --n) {
      const size_t at = random.Below(bytes.size());
      switch (random.Below(3)) {
        case 0:
          bytes[at] = static_cast<char>(random.Next());
          break;
        case 1:
          bytes.erase(at, random.Between(1, 8));
          break;
        default:
          bytes.insert(at, bytes.substr(random.Below(bytes.size()), 10));
          break;
      }
      if (bytes.empty())
        bytes = "x";
    }
    const int status = StatusOf(bytes);
    EXPECT_TRUE(status == 0 || (status >= 200 && status < 600)) << status;
  }
}

TEST_F(BadInputTest, RequestLinesThatAreNone) {
  struct Case {
    std::string bytes;
    int status;  // 0: closed without an answer is fine, and so is any 4xx
  };
  const Case cases[] = {
      {"GET\r\n\r\n", 400},
      {"GET /v1/kv/a\r\n\r\n", 400},
      {" GET /v1/kv/a HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
      {Request("GET  /v1/kv/a"), 400},
      {Request("G\x01T /v1/kv/a"), 400},
      {"GET /v1/kv/a HTTP/2.0\r\nHost: localhost\r\n\r\n", 505},
      {"GET /v1/kv/a HTTP/0.9\r\nHost: localhost\r\n\r\n", 505},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03", 11) + std::string(300, 'x'),
       400},
      {Request("GET v1/kv/a"), 400},
      {Request("GET http://user@"), 400},
  };
  for (const Case& c : cases) {
    const int status = StatusOf(c.bytes);
    EXPECT_TRUE(status == c.status || status == 0 || status / 100 == 4)
        << c.bytes << " -> " << status;
  }
}

TEST_F(BadInputTest, HeadersThatWouldLetOneRequestHideAnother) {
  const std::string body = "abc";
  const std::string bad[] = {
      "Host: localhost\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
      "Host: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "Host: localhost\r\nContent-Length: -1\r\n\r\n",
      "Host: localhost\r\nContent-Length: +3\r\n\r\nabc",
      "Host: localhost\r\nContent-Length: 0x3\r\n\r\nabc",
      "Host: localhost\r\nContent-Length: 3, 3\r\n\r\nabc",
      "Host: localhost\r\nContent-Length: 99999999999999999999999\r\n\r\nabc",
      "Host: localhost\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
      "Host: localhost\r\nTransfer-Encoding: gzip\r\n\r\nabc",
      "Host: localhost\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nabc\r\n0\r\n\r\n",
      "Host: localhost\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\nabc",
      "Host: localhost\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nabc",
      "Host: localhost\r\nContent-Length : 3\r\n\r\nabc",
      // A folded line is part of the field above it (RFC 9112, 5.2), never a field of its own: this
      // request has no Host.
      "X: a\r\n Host: localhost\r\n\r\n", "Host: localhost\r\nNo colon here\r\n\r\n",
      "Host: localhost\r\n: empty name\r\n\r\n",
      std::string("Host: localhost\r\nX: a\0b\r\n\r\n", 27), "Host: a\r\nHost: b\r\n\r\n",
      "\r\n",  // no Host at all
  };
  for (const std::string& rest : bad) {
    const int status = StatusOf(Request("PUT /v1/kv/smuggled", rest), false);
    EXPECT_TRUE(status == 0 || status / 100 == 4 || status == 501) << rest << " -> " << status;
  }
  EXPECT_EQ(Http(port(), "GET", "/v1/kv/smuggled").status, 404);
}

TEST_F(BadInputTest, EndlessHeadersAreCutOff) {
  Connection connection(port());
  ASSERT_TRUE(connection.Send("GET /v1/kv/a HTTP/1.1\r\nHost: localhost\r\n"));
  uint64_t sent = 0;
  while (sent < (uint64_t{64} << 20)) {
    const std::string field = "X-" + std::to_string(sent) + ": " + std::string(1000, 'x') + "\r\n";
    if (!connection.Send(field))
      break;
    sent += field.size();
  }
  EXPECT_LT(sent, uint64_t{32} << 20) << "the server took all of it";
}

TEST_F(BadInputTest, AnEndlessRequestLineIsCutOff) {
  Connection connection(port());
  ASSERT_TRUE(connection.Send("GET /"));
  uint64_t sent = 0;
  while (sent < (uint64_t{64} << 20) && connection.Send(std::string(16'384, 'a'))) sent += 16'384;
  EXPECT_LT(sent, uint64_t{32} << 20) << "the server took all of it";
}

TEST_F(BadInputTest, ABodyOverItsLimitIsRefusedThoughItStillComes) {
  Connection connection(port());
  ASSERT_TRUE(connection.Send(
      "PUT /v1/kv/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000000\r\n\r\n"));
  for (int i = 0; i < 30; ++i) connection.Send(std::string(100'000, 'x'));
  const Answer answer = connection.Read();
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(answer.Code(), "too_large");
  EXPECT_EQ(answer.Text("outcome"), "not_applied");
}

TEST_F(BadInputTest, HalfRequestsThatEndAreForgotten) {
  const std::string whole =
      Request("PUT /v1/kv/half", "Host: localhost\r\nContent-Length: 4\r\n\r\nabcd");
  for (size_t cut = 1; cut < whole.size(); cut += 3) {
    Connection connection(port());
    connection.Send(whole.substr(0, cut));
    connection.Close();
  }
  EXPECT_EQ(Http(port(), "GET", "/v1/kv/half").status, 404);
}

TEST_F(BadInputTest, ASlowHeaderEndsAtItsTimeLimit) {
  Connection connection(port());
  ASSERT_TRUE(connection.Send("GET /v1/kv/a HTTP/1.1\r\nHost: loc"));
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(connection.AwaitClose(Milliseconds(20'000)));
  const auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_GT(took, std::chrono::seconds(5)) << "an honest slow client was cut off";
}

TEST_F(BadInputTest, ManyIdleAndHalfOpenConnectionsCostLittle) {
  std::vector<std::unique_ptr<Connection>> connections;
  for (int i = 0; i < 500; ++i) {
    connections.push_back(std::make_unique<Connection>(port()));
    if (i % 2 == 0)
      connections.back()->Send("POST /v1/txn HTTP/1.1\r\nHost: localhost\r\nContent-Le");
  }
  EXPECT_EQ(Http(port(), "GET", "/readyz").status, 200);
}

TEST_F(BadInputTest, AClientThatNeverReadsIsNotBufferedForEver) {
  ASSERT_EQ(Http(port(), "PUT", "/v1/kv/wide", {.body = std::string(500'000, 'x')}).status / 100,
            2);
  Connection connection(port());
  const std::string get = Request("GET /v1/kv/wide");
  try {
    for (int i = 0; i < 2000; ++i) connection.Send(get, Milliseconds(200));
  } catch (const HttpFailure&) {
    // The server stopped reading: that is the point.
  }
  EXPECT_LT(cluster().node(1).ResidentBytes(), uint64_t{512} << 20);
}

TEST_F(BadInputTest, DeepAndWideJson) {
  std::string deep;
  for (int i = 0; i < 1000; ++i) deep += "{\"a\":";
  const std::string bodies[] = {
      deep,
      std::string(1'000'000, '['),
      "\"" + std::string(1'000'000, '\\'),
      "{\"then\":[" + std::string(1'000'000, ' ') + "]",
      "{\"then\":" + std::string(300'000, '1') + "}",
      "{\"then\":[{\"put\":{\"path\":\"/\\u0000\",\"value\":\"x\"}}]}",
      "{\"then\":[{\"put\":{\"path\":\"/\\ud800\",\"value\":\"x\"}}]}",
      "\xEF\xBB\xBF{\"then\":[]}",
      "null",
      "",
  };
  for (const std::string& body : bodies) {
    const Answer answer = Http(port(), "POST", "/v1/txn", {.body = body});
    EXPECT_EQ(answer.status, 400) << body.substr(0, 60);
    EXPECT_EQ(answer.Text("outcome"), "not_applied");
  }
}

TEST(BadPeerInputTest, ThePeerPortIsAsHard) {
  Cluster cluster(3);
  cluster.Start();
  const uint64_t before = cluster.node(1).ResidentBytes();
  Random random(3);
  for (int round = 0; round < 100; ++round) {
    Connection connection(cluster.node(1).peer_port());
    std::string bytes(random.Between(1, 5000), '\0');
    for (char& c : bytes) c = static_cast<char>(random.Next());
    if (round % 2 == 0)
      bytes = std::string(static_cast<size_t>(round), '\xFF');
    connection.Send(bytes);
    connection.CloseSending();
    EXPECT_TRUE(connection.AwaitClose(Milliseconds(15'000)));
  }
  cluster.AwaitAllReady();
  EXPECT_LT(cluster.node(1).ResidentBytes(), before + kGrowthBytesMax);
}

}  // namespace
}  // namespace synod::integration
