// Gate: which requests a node takes now, by HTTP and as messages of WebSockets alike.
//
// Contract      Counts each against the rate of its client (rate_limiter.h), then asks whether
//               there is room for its kind (admission.h); what takes long waits for its turn
//               (catch_ups.h) and is judged once more. A client is the user that the request shows
//               to be from; of nobody that is known here the address counts: also of one who tries
//               tokens.
// Refusals      kRateLimited, kOverloaded, and of what waited kDeadlineExceeded, kNotReady: nothing
//               happened.
// Thread        The loop's thread.
#ifndef SYNOD_NODE_GATE_H_
#define SYNOD_NODE_GATE_H_

#include <cstdint>
#include <functional>
#include <string>

#include "src/api/call.h"
#include "src/auth/principal.h"
#include "src/base/error.h"
#include "src/net/http_server.h"
#include "src/node/admission.h"
#include "src/node/catch_ups.h"
#include "src/node/engine.h"
#include "src/node/rate_limiter.h"

namespace synod::node {

struct GateLimits {
  AdmissionLimits admission;
  uint32_t rate_per_second = 0;  // of one client; 0: none
  uint32_t rate_burst = 0;
};

class Gate {
 public:
  // Who asks, and over which connection.
  struct Asker {
    const auth::Principal& who;
    const net::Exchange& exchange;
  };

  // `load`: of the server that the requests come from.
  Gate(net::asio::io_context& io,
       const GateLimits& limits,
       std::function<net::HttpCounters()> load,
       std::function<int64_t()> clock_us);

  // The engine exists from the moment that the cluster is known; until then everybody is an
  // address.
  void SetEngine(const Engine* engine) { engine_ = engine; }

  // A request was read that had waited for so long.
  void Waited(int64_t now_us, int64_t waited_us) { admission_.Waited(now_us, waited_us); }
  // Of a request that is answered at once, whatever it asks for: whether its client may make it.
  Status Count(const Asker& asker, int64_t now_us);
  // Whether `call` may begin. The ticket is to be kept until it is answered, or has begun as a
  // stream.
  Result<Admission::Ticket> Admit(const api::Call& call, const Asker& asker, int64_t now_us);
  // Of a catch-up whose quorum round is over: `serve` is called when its turn comes, with whether
  // it may still be served. `call` was asked for at `began_us`, and lives as long as `serve`.
  void Queue(const api::Call& call, int64_t began_us, std::function<void(const Status& may)> serve);
  // Gives all that wait their turn at once.
  void Flush() { catch_ups_.Flush(); }
  // A request of this class was answered with the error: by this or by whoever came next.
  void CountRefusal(const Error& error, WorkClass work);

  int64_t now_us() const { return clock_us_(); }
  const Admission& admission() const { return admission_; }
  uint64_t rate_limited() const { return rate_limited_; }

 private:
  const machine::Machine* machine() const;
  ClusterTime Now() const;
  uint64_t HeldBytes() const;
  // Not one who may be trying tokens.
  bool IsKnown(const auth::Principal& who) const;
  Status MayServe(const api::Call& call, int64_t began_us, int64_t queued_us, int64_t now_us);

  const std::function<net::HttpCounters()> load_;
  const std::function<int64_t()> clock_us_;
  const Engine* engine_ = nullptr;
  Admission admission_;
  RateLimiter rates_;
  uint64_t rate_limited_ = 0;
  CatchUps catch_ups_;
};

}  // namespace synod::node

#endif  // SYNOD_NODE_GATE_H_
