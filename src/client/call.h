// Call, Answer: a request to the cluster, whichever node answers, and what became of it.
//
// Contract      A change is sent under an Idempotency-Key and with a Synod-Not-After of its own, so
//               that it happens at most once however often it is sent, unless the caller brings a
//               key or says that the request may run twice. `outcome` speaks of the whole call, all
//               its attempts: kNotApplied is a promise.
// Thread        Plain values.
#ifndef SYNOD_CLIENT_CALL_H_
#define SYNOD_CLIENT_CALL_H_

#include <cstdint>
#include <functional>
#include <string>

#include "src/client/clock.h"
#include "src/client/http.h"

namespace synod::client {

struct Call {
  std::string method = "GET";
  std::string target;  // "/v1/kv/a?raw=true"
  Headers headers;
  std::string body;
  // Attempts go on until then; each is left after attempt_timeout.
  Milliseconds timeout{10'000};
  Milliseconds attempt_timeout{4'000};
  // Running it twice does no harm (a renewal, an acquire on a lease): no key is needed.
  bool repeatable = false;
};

// An answer of the API, also a refusal: status tells.
struct Answer {
  HttpReply reply;
  bool change = false;  // of a POST, PUT, PATCH or DELETE
  // What `remaining_ms` counts from: the sending of the attempt that was answered; of a replayed
  // answer the first sending, since nobody knows which attempt ran.
  Clock::time_point sent_at;
  Outcome outcome = Outcome::kNotApplied;
  bool ok() const { return reply.status >= 200 && reply.status < 300; }
  // `code` and `detail` of a problem, else empty.
  std::string ProblemCode() const;
  std::string ProblemDetail() const;
  // A refusal as an Error.
  Error ToError() const;
};

template <typename T>
using Callback = std::function<void(Result<T>)>;

}  // namespace synod::client

#endif  // SYNOD_CLIENT_CALL_H_
