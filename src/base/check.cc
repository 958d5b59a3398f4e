#include "src/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace synod::base {

void CheckFailed(const char* file, int line, const char* expr, const std::string& why) {
  std::fprintf(stderr, "synod: check failed at %s:%d: %s%s%s\n", file, line, expr,
               why.empty() ? "" : ": ", why.c_str());
  std::fflush(stderr);
  std::abort();
}

}  // namespace synod::base
