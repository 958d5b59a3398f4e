#include "tests/bench/protocol.h"

#include <algorithm>

#include "tests/bench/load.h"

namespace synod::bench {

std::optional<uint64_t> Draws::NextOfAll() {
  if (next_ >= work_.keys)
    return std::nullopt;
  const uint64_t key = next_;
  next_ += work_.clients;
  return key;
}

std::string_view Draws::Value() {
  static constexpr char kLetters[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  value_.resize(work_.value_bytes);
  uint64_t bits = 0;
  for (size_t i = 0; i < value_.size(); ++i) {
    if (i % 10 == 0)
      bits = random_();
    value_[i] = kLetters[bits % 64];
    bits /= 64;
  }
  return value_;
}

std::string KeyName(std::string_view prefix, uint64_t number) {
  const std::string digits = std::to_string(number);
  return std::string(prefix) + std::string(8 - std::min<size_t>(digits.size(), 8), '0') + digits;
}

HttpAnswer ParseHttp(std::string_view in) {
  HttpAnswer answer;
  const size_t end = in.find("\r\n\r\n");
  if (end == std::string_view::npos)
    return answer;
  answer.head = in.substr(0, end + 4);
  answer.status = static_cast<int>(NumberAfter(answer.head, " "));
  const uint64_t length = NumberAfter(answer.head, "Content-Length: ");
  if (in.size() - answer.head.size() < length)
    return answer;
  answer.body = in.substr(answer.head.size(), length);
  answer.bytes = answer.head.size() + length;
  return answer;
}

}  // namespace synod::bench
