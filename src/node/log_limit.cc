#include "src/node/log_limit.h"

namespace synod::node {

bool LogLimit::Take(std::string_view message, int64_t now_ms) {
  auto it = messages_.find(message);
  if (it == messages_.end()) {
    const bool room = messages_.size() < kMessagesMax;
    it = messages_.try_emplace(room ? std::string(message) : "", Count{now_ms / 1000, 0}).first;
  }
  return ++it->second.lines <= kPerSecond;
}

std::vector<LogLimit::LeftOut> LogLimit::Collect(int64_t now_ms) {
  std::vector<LeftOut> left_out;
  for (auto it = messages_.begin(); it != messages_.end();) {
    const auto& [message, count] = *it;
    if (count.second == now_ms / 1000) {
      ++it;
      continue;
    }
    if (count.lines > kPerSecond)
      left_out.push_back({message, count.lines - kPerSecond});
    it = messages_.erase(it);
  }
  return left_out;
}

}  // namespace synod::node
