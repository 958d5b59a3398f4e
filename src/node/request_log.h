// RequestLog: a line about a request that was slow or failed for the service's own reasons.
//
// Contract      One line each, with who asked for what, what came of it and where the time went, as
//               far as that is known. A path is as it was sent, without the query: never a value or
//               a token. A request that waited for a lock was slow only by the rest of its time.
// Cost          Of a request that is neither: two comparisons.
// Thread        The loop's thread.   Errors: none.
#ifndef SYNOD_NODE_REQUEST_LOG_H_
#define SYNOD_NODE_REQUEST_LOG_H_

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "src/net/http_server.h"
#include "src/node/log.h"
#include "src/node/request_stats.h"

namespace synod::node {

// What every line about a request begins with. `user` is empty if nobody is known to have asked;
// there is no `trace` if the request names none (src/api/trace.h).
std::vector<LogField> FieldsOf(net::Exchange& exchange, const std::string& user);

struct RequestEnd {
  int status = 0;
  int64_t total_us = 0;
  Stages stages;
  size_t request_bytes = 0;  // of the bodies
  size_t answer_bytes = 0;
};

class RequestLog {
 public:
  // 0: no request is slow.
  explicit RequestLog(int64_t slow_ms) : slow_us_(slow_ms * 1000) {}

  bool IsSlow(const RequestEnd& end) const {
    return slow_us_ != 0 &&
           end.total_us - std::max<int64_t>(end.stages.Of(Stage::kWait), 0) >= slow_us_;
  }
  // 501 and 505 are the client's.
  static bool IsFailure(int status) { return status == 500 || status == 503 || status == 504; }
  void Slow(net::Exchange& exchange, const std::string& user, const RequestEnd& end);
  void Failed(net::Exchange& exchange, const std::string& user, const RequestEnd& end);
  uint64_t slow() const { return slow_; }  // so far

 private:
  const int64_t slow_us_;
  uint64_t slow_ = 0;
};

}  // namespace synod::node

#endif  // SYNOD_NODE_REQUEST_LOG_H_
