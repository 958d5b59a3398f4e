// FakeNode: a server in a thread of its own that answers by a function.
//
// It remembers the Idempotency-Key of each request, in order; empty where there was none.
#ifndef SYNOD_TESTS_UNIT_CLIENT_FAKE_NODE_H_
#define SYNOD_TESTS_UNIT_CLIENT_FAKE_NODE_H_

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "src/client/http.h"
#include "src/net/http_server.h"

namespace synod::client {

class FakeNode : public net::HttpHandler {
 public:
  using Answerer = std::function<net::HttpResponse(const net::HttpRequest&, int nth)>;
  explicit FakeNode(Answerer answerer) : answerer_(std::move(answerer)), server_(io_, *this) {
    EXPECT_TRUE(server_.Listen("127.0.0.1", 0));
    port_ = server_.port();
    thread_ = std::thread([this] { io_.run(); });
  }
  ~FakeNode() override {
    net::asio::post(io_, [this] {
      server_.Close();
      io_.stop();
    });
    thread_.join();
  }
  void OnRequest(std::shared_ptr<net::Exchange> exchange) override {
    const std::lock_guard lock(mutex_);
    keys_.emplace_back(exchange->request().Header("idempotency-key"));
    exchange->Reply(answerer_(exchange->request(), static_cast<int>(keys_.size())));
  }
  net::HttpResponse Refuse(Errc, std::string) override { return {400, "", "", {}}; }

  Endpoint endpoint() const { return {"127.0.0.1", port_}; }
  std::vector<std::string> keys() {
    const std::lock_guard lock(mutex_);
    return keys_;
  }

 private:
  const Answerer answerer_;
  net::asio::io_context io_{1};
  net::HttpServer server_;
  uint16_t port_ = 0;
  std::mutex mutex_;
  std::vector<std::string> keys_;
  std::thread thread_;
};

inline net::HttpResponse Json(int status, std::string body) {
  return {status, "application/json", std::move(body), {{"Synod-Time", "1000"}}};
}

}  // namespace synod::client

#endif  // SYNOD_TESTS_UNIT_CLIENT_FAKE_NODE_H_
