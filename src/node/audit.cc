#include "src/node/audit.h"

#include "src/node/log.h"

namespace synod::node {
namespace {

std::string PathOf(std::string_view target) {
  return std::string(target.substr(0, target.find('?')));
}

}  // namespace

void Audit::Changed(const Request& request, int status, uint64_t revision) const {
  LogAudit("change", {{"user", std::string(request.user)},
                      {"remote", request.remote},
                      {"method", std::string(request.method)},
                      {"path", PathOf(request.target)},
                      {"status", status},
                      {"revision", revision}});
}

void Audit::Refused(const Request& request, int status, int64_t now_ms) {
  if (now_ms / 1000 != second_) {
    second_ = now_ms / 1000;
    in_second_ = 0;
  }
  if (++in_second_ > kRefusalsPerSecond) {
    ++left_out_;
    return;
  }
  LogAudit("refusal", {{"user", std::string(request.user)},
                       {"remote", request.remote},
                       {"method", std::string(request.method)},
                       {"path", PathOf(request.target)},
                       {"status", status},
                       {"left_out_before", left_out_}});
  left_out_ = 0;
}

}  // namespace synod::node
