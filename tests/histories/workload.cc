#include "tests/histories/workload.h"

namespace synod::histories {

void Workload::Unexpected(const std::string& what, const Reply& reply) {
  const std::lock_guard lock(mutex_);
  unexpected_.push_back(what + " was answered " + std::to_string(reply.answer.status) + " " +
                        reply.answer.body);
}

}  // namespace synod::histories
