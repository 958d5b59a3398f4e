// Runtime: the world that a client lives in: its clock, its timers, its thread, its connections.
//
// Contract      All that a client does happens in tasks of one loop, one at a time; only Post,
//               OnLoop, Now and Stop may be called from elsewhere. The real one is AsioRuntime;
//               tests have one whose time and whose nodes they move by hand, which is how every
//               rule of this folder is tested without waiting.
// Thread        The loop's, but for those four.
#ifndef SYNOD_CLIENT_RUNTIME_H_
#define SYNOD_CLIENT_RUNTIME_H_

#include <cstdint>
#include <functional>
#include <string_view>

#include "src/client/clock.h"
#include "src/client/http.h"

namespace synod::client {

// One request to one endpoint.
struct Exchange {
  size_t endpoint = 0;
  HttpRequest request;
  // The answer must be here by then; of a stream its head, and then something every kSilenceMax.
  Clock::time_point deadline;
  // Set: the body of a 200 comes in pieces. The next is read when the function has returned.
  std::function<void(std::string_view)> on_data;
  // Once. An error's outcome is kUnknown if the node may have seen the request.
  std::function<void(Result<HttpReply>)> on_end;
};

// A live stream says something every 10 s.
inline constexpr std::chrono::seconds kSilenceMax{30};

class Runtime {
 public:
  using Task = std::function<void()>;
  using TimerId = uint64_t;
  using ExchangeId = uint64_t;

  virtual ~Runtime() = default;
  // Nothing runs any more afterwards. Not from the loop.
  virtual void Stop() = 0;
  virtual Clock::time_point Now() const = 0;
  virtual bool OnLoop() const = 0;
  virtual void Post(Task task) = 0;
  virtual TimerId At(Clock::time_point time, Task task) = 0;
  // Afterwards the task does not run. Nothing if it has run.
  virtual void Cancel(TimerId timer) = 0;
  virtual ExchangeId Start(Exchange exchange) = 0;
  // Drops it: neither function is called any more.
  virtual void Abandon(ExchangeId exchange) = 0;
  // From 0 to `bound` - 1.
  virtual uint64_t Random(uint64_t bound) = 0;
};

}  // namespace synod::client

#endif  // SYNOD_CLIENT_RUNTIME_H_
