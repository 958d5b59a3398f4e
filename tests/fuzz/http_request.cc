// What clients send: the bytes of requests, and what the API makes of each that is whole.
#include <cstdint>
#include <string>
#include <vector>

#include "src/api/call.h"
#include "src/base/check.h"
#include "src/net/request_parser.h"

namespace synod {
namespace {

using State = net::RequestParser::State;

constexpr net::RequestLimits kLimits{
    .body_bytes_max = 64 << 10, .header_bytes_max = 16 << 10, .target_bytes_max = 8 << 10};

void Judge(const net::HttpRequest& request) {
  (void)api::ParseCall(request, api::Limits(), api::HttpPolicy(), api::Context());
}

// The requests up to a refusal or the end, as text; `piece` bytes at a time. When what is wrong
// with an unfinished one is noticed may depend on the cuts.
std::vector<std::string> Parse(std::string_view in, size_t piece, bool judge) {
  std::vector<std::string> seen;
  net::RequestParser parser(kLimits);
  std::string held;
  while (!in.empty() && parser.state() != State::kRefused) {
    held.append(in.substr(0, piece));
    in.remove_prefix(std::min(piece, in.size()));
    for (bool more = true; more && !held.empty();) {
      const State before = parser.state();
      const size_t used = parser.Feed(held);
      SYNOD_CHECK_LE(used, held.size());
      held.erase(0, used);
      more = used > 0 || parser.state() != before;
      if (parser.state() == State::kRefused)
        break;
      if (parser.state() != State::kDone)
        continue;
      const net::HttpRequest request = parser.Take();
      if (judge)
        Judge(request);
      seen.push_back(request.method + " " + request.target + " " + request.body);
    }
  }
  return seen;
}

}  // namespace
}  // namespace synod

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view in(reinterpret_cast<const char*>(data), size);
  const auto whole = synod::Parse(in, size, true);
  // However it is cut: a piece's size comes from the input.
  const size_t piece = size == 0 ? 1 : 1 + data[size - 1] % 7;
  SYNOD_CHECK(whole == synod::Parse(in, piece, false));
  return 0;
}
