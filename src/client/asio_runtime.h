// AsioRuntime: the real Runtime: one thread, an io_context, and connections that are used again.
//
// Contract      Starts its thread when made; Stop ends it: what has not been called then never is.
//               The destructor waits for a name that is being looked up, which nothing interrupts.
//               An idle connection is kept for a minute. Timers run on Clock, which Asio does not
//               know: a wait is at most half a second long, then the clock is asked again.
// Thread        As Runtime; Stop from any but the loop's.
#ifndef SYNOD_CLIENT_ASIO_RUNTIME_H_
#define SYNOD_CLIENT_ASIO_RUNTIME_H_

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "src/base/random.h"
#include "src/client/runtime.h"
#include "src/net/asio.h"
#include "src/net/tls.h"

namespace synod::client {

class HttpConnection;

struct ClockWait {
  static Clock::duration to_wait_duration(Clock::duration left) {
    return std::min<Clock::duration>(left, Milliseconds(500));
  }
  static Clock::duration to_wait_duration(Clock::time_point until) {
    return to_wait_duration(until - Clock::now());
  }
};
using ClockTimer = net::asio::basic_waitable_timer<Clock, ClockWait, net::Executor>;

class AsioRuntime : public Runtime {
 public:
  AsioRuntime(std::vector<Endpoint> endpoints, Credentials credentials);
  ~AsioRuntime() override;
  void Stop() override;

  Clock::time_point Now() const override { return Clock::now(); }
  bool OnLoop() const override { return std::this_thread::get_id() == thread_.get_id(); }
  void Post(Task task) override;
  TimerId At(Clock::time_point time, Task task) override;
  void Cancel(TimerId timer) override;
  ExchangeId Start(Exchange exchange) override;
  void Abandon(ExchangeId exchange) override;
  uint64_t Random(uint64_t bound) override { return random_.Below(bound); }

 private:
  std::shared_ptr<HttpConnection> Idle(size_t endpoint);

  const std::vector<Endpoint> endpoints_;
  const std::string token_;        // shown with every request; empty: none
  std::shared_ptr<net::Tls> tls_;  // null: no endpoint is https, or the files cannot be used
  net::asio::io_context io_{1};
  net::asio::executor_work_guard<net::Executor> work_;
  uint64_t last_id_ = 0;
  std::map<TimerId, std::unique_ptr<ClockTimer>> timers_;
  std::map<ExchangeId, std::shared_ptr<HttpConnection>> busy_;
  std::vector<std::vector<std::shared_ptr<HttpConnection>>> idle_;  // by endpoint
  synod::Random random_;
  std::thread thread_;
};

}  // namespace synod::client

#endif  // SYNOD_CLIENT_ASIO_RUNTIME_H_
