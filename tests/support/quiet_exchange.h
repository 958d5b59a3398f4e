// QuietExchange: an exchange without a connection, for tests that need a few of its calls.
//
// Contract      The client takes everything, never goes, and is told nothing; derive and override
//               what the test looks at.
// Thread        The test's.
#ifndef SYNOD_TESTS_SUPPORT_QUIET_EXCHANGE_H_
#define SYNOD_TESTS_SUPPORT_QUIET_EXCHANGE_H_

#include <functional>
#include <string>
#include <utility>

#include "src/net/http_server.h"

namespace synod::net {

class QuietExchange : public Exchange {
 public:
  explicit QuietExchange(HttpRequest request = {}) : request_(std::move(request)) {}

  HttpRequest& request() override { return request_; }
  std::string remote() const override { return "192.0.2.1:4711"; }
  void Reply(HttpResponse) override {}
  void StartStream(HttpResponse) override {}
  void Write(SharedBytes) override {}
  void EndStream() override {}
  void StartSocket(HttpResponse, std::function<void(std::string)>) override {}
  void Send(std::string_view, SharedBytes, std::string_view) override {}
  void CloseSocket(uint16_t, const std::string&) override {}
  size_t QueuedBytes() const override { return 0; }
  void OnDrained(std::function<void()>) override {}
  void OnGone(std::function<void()>) override {}
  bool gone() const override { return false; }

 private:
  HttpRequest request_;
};

}  // namespace synod::net

#endif  // SYNOD_TESTS_SUPPORT_QUIET_EXCHANGE_H_
