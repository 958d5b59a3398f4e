#include "src/node/audit.h"

#include "src/node/request_log.h"

namespace synod::node {

void Audit::Changed(net::Exchange& exchange,
                    const std::string& user,
                    int status,
                    uint64_t revision) const {
  std::vector<LogField> fields = FieldsOf(exchange, user);
  fields.emplace_back("status", status);
  fields.emplace_back("revision", revision);
  LogAudit("change", fields);
}

void Audit::Refused(net::Exchange& exchange, const std::string& user, int status, int64_t now_ms) {
  if (now_ms / 1000 != second_) {
    second_ = now_ms / 1000;
    in_second_ = 0;
  }
  if (++in_second_ > kRefusalsPerSecond) {
    ++left_out_;
    return;
  }
  std::vector<LogField> fields = FieldsOf(exchange, user);
  fields.emplace_back("status", status);
  fields.emplace_back("left_out_before", left_out_);
  LogAudit("refusal", fields);
  left_out_ = 0;
}

}  // namespace synod::node
