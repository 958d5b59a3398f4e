// LogLimit: keeps a flood of lines that say the same from filling the log.
//
// Contract      Of each message kPerSecond lines a second; what is left out is counted, and told
//               once its second is over. It remembers kMessagesMax messages; further ones of that
//               second share one count.
// Thread        Whoever owns it.   Errors: none.
#ifndef SYNOD_NODE_LOG_LIMIT_H_
#define SYNOD_NODE_LOG_LIMIT_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace synod::node {

class LogLimit {
 public:
  static constexpr uint64_t kPerSecond = 20;
  static constexpr size_t kMessagesMax = 256;

  struct LeftOut {
    std::string message;  // empty: those that found no room here
    uint64_t lines = 0;
    bool operator==(const LeftOut&) const = default;
  };

  // Whether a line that says this may be written now.
  bool Take(std::string_view message, int64_t now_ms);
  // What was left out in seconds that are over; each is given once.
  std::vector<LeftOut> Collect(int64_t now_ms);
  bool empty() const { return messages_.empty(); }

 private:
  struct Count {
    int64_t second = 0;
    uint64_t lines = 0;
  };
  std::map<std::string, Count, std::less<>> messages_;
};

}  // namespace synod::node

#endif  // SYNOD_NODE_LOG_LIMIT_H_
