// HttpServerTest: a server with a handler that the test speaks for, on one loop that it pumps.
//
// Contract      Time is what Sweep() is given; every wait ends with a failure after ten seconds.
// Thread        One.
#ifndef SYNOD_TESTS_UNIT_NET_HTTP_SERVER_FIXTURE_H_
#define SYNOD_TESTS_UNIT_NET_HTTP_SERVER_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "src/net/http_server.h"
#include "tests/unit/net/socket_fixture.h"

namespace synod::net {

inline int StatusOf(Errc code) {
  static const std::map<Errc, int> kStatus = {{Errc::kInvalidRequest, 400},
                                              {Errc::kRequestTimeout, 408},
                                              {Errc::kTooLarge, 413},
                                              {Errc::kUriTooLong, 414},
                                              {Errc::kExpectationFailed, 417},
                                              {Errc::kOverloaded, 429},
                                              {Errc::kRequestHeaderFieldsTooLarge, 431},
                                              {Errc::kNotImplemented, 501},
                                              {Errc::kHttpVersionNotSupported, 505}};
  return kStatus.at(code);
}

// Keeps every exchange for the test to answer, or echoes method, target and body at once.
class Recorder : public HttpHandler {
 public:
  void OnRequest(std::shared_ptr<Exchange> exchange) override {
    if (echo) {
      const HttpRequest& r = exchange->request();
      exchange->Reply({200, "text/plain", r.method + " " + r.target + " " + r.body, {}});
      return;
    }
    const auto until = std::chrono::steady_clock::now() + spend;
    while (std::chrono::steady_clock::now() < until) {
    }
    waiting.push_back(std::move(exchange));
  }
  HttpResponse Refuse(Errc code, std::string detail) override {
    return {StatusOf(code), "application/problem+json", "refused: " + detail, {}};
  }

  bool echo = false;
  std::chrono::milliseconds spend{0};  // of work a request
  std::vector<std::shared_ptr<Exchange>> waiting;
};

class HttpServerTest : public ::testing::Test {
 protected:
  void Start(HttpOptions options = {}) {
    options.own_clock = false;
    server = std::make_unique<HttpServer>(io, handler, options);
    ASSERT_TRUE(server->Listen("127.0.0.1", 0).has_value());
  }
  void StartEcho(HttpOptions options = {}) {
    handler.echo = true;
    Start(options);
  }
  std::unique_ptr<RawClient> Connect(int receive_buffer = 0) {
    return std::make_unique<RawClient>(server->port(), receive_buffer);
  }
  bool Pump(const std::function<bool()>& done) { return PumpUntil(io, done); }
  // Until `client` has received something that ends in `end`.
  void PumpUntilReceived(RawClient& client, std::string_view end) {
    Pump([&] {
      client.Receive();
      return client.received().ends_with(end) || client.ended();
    });
    EXPECT_THAT(client.received(), ::testing::EndsWith(std::string(end)));
  }
  void PumpUntilEnded(RawClient& client) {
    Pump([&] { return !client.Receive(); });
  }
  void PumpUntilWaiting(size_t count) {
    ASSERT_TRUE(Pump([&] { return handler.waiting.size() == count; }));
  }

  asio::io_context io{1};
  Recorder handler;
  std::unique_ptr<HttpServer> server;
};

}  // namespace synod::net

#endif  // SYNOD_TESTS_UNIT_NET_HTTP_SERVER_FIXTURE_H_
