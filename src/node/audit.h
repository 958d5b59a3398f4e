// Audit: who changed what others may do or see, and who was refused.
//
// Contract      One line of JSON each on stderr, whatever log.format and log.level say, with the
//               user's name, address, method, path and trace of the request, and what came of it.
//               Never a token, a query or a body. Of refusals at most kRefusalsPerSecond; how many
//               were left out is told in the next line.
// Thread        The loop's thread.   Errors: none.
#ifndef SYNOD_NODE_AUDIT_H_
#define SYNOD_NODE_AUDIT_H_

#include <cstdint>
#include <string>

#include "src/net/http_server.h"

namespace synod::node {

class Audit {
 public:
  static constexpr uint64_t kRefusalsPerSecond = 20;

  // `user` is empty if nobody is known to have asked.
  void Changed(net::Exchange& exchange,
               const std::string& user,
               int status,
               uint64_t revision) const;
  void Refused(net::Exchange& exchange, const std::string& user, int status, int64_t now_ms);

 private:
  int64_t second_ = 0;
  uint64_t in_second_ = 0;
  uint64_t left_out_ = 0;
};

}  // namespace synod::node

#endif  // SYNOD_NODE_AUDIT_H_
