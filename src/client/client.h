// Client: calls to a cluster over several endpoints, with retries that cannot do harm.
//
// Contract      A call goes to the endpoint that worked last; if that fails, to the next. Reads are
//               repeated freely. A change is repeated only if it certainly was not applied, or
//               under
//               its Idempotency-Key (every change gets one), so that it happens at most once
//               however
//               often it is sent. Retries end with the call's deadline.
// Thread        One at a time.
// Errors        Those of the API, with its `outcome`; kUnknown if no endpoint gave an answer to a
//               change that may have arrived.
#ifndef SYNOD_CLIENT_CLIENT_H_
#define SYNOD_CLIENT_CLIENT_H_

#include <boost/json/value.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/error.h"
#include "src/client/http_connection.h"

namespace synod::client {

struct Call {
  std::string method = "GET";
  std::string target;  // "/v1/kv/a?raw=true"
  Headers headers;
  std::string body;
  std::chrono::milliseconds timeout{10'000};
};

// An answer of the API, also a refusal: status tells.
struct Answer {
  HttpReply reply;
  Clock::time_point sent_at;  // of the attempt that was answered
  bool ok() const { return reply.status >= 200 && reply.status < 300; }
  // The body as JSON; null if it is none.
  boost::json::value Json() const;
  // `code` and `detail` of a problem, else empty.
  std::string ProblemCode() const;
  std::string ProblemDetail() const;
  bool OutcomeUnknown() const;
};

class Client {
 public:
  explicit Client(std::vector<Endpoint> endpoints);

  // kInternal or kDeadlineExceeded if nobody answered.
  Result<Answer> Send(Call call);
  // A stream from whichever endpoint gives one; a refusal comes back as such. `stream()` reads it.
  Result<Answer> Open(const Call& call);
  HttpConnection& stream() { return *connections_[current_]; }

 private:
  HttpConnection& Current();
  void Next() { current_ = (current_ + 1) % endpoints_.size(); }

  std::vector<Endpoint> endpoints_;
  std::vector<std::unique_ptr<HttpConnection>> connections_;
  size_t current_ = 0;
};

// Percent-encodes a path for a URL, keeping '/'.
std::string EncodePath(std::string_view path);
std::string EncodeQuery(std::string_view text);
// A name that nobody else uses, for Idempotency-Key.
std::string UniqueKey();

}  // namespace synod::client

#endif  // SYNOD_CLIENT_CLIENT_H_
