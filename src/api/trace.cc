#include "src/api/trace.h"

#include <algorithm>

namespace synod::api {
namespace {

constexpr size_t kVersionAt = 0;
constexpr size_t kTraceAt = 3;
constexpr size_t kParentAt = 36;
constexpr size_t kFlagsAt = 53;
constexpr size_t kBytes = 55;

bool IsHex(std::string_view s) {
  return std::all_of(s.begin(), s.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool IsZero(std::string_view s) { return s.find_first_not_of('0') == std::string_view::npos; }

std::string_view TraceIdIn(std::string_view text) {
  if (text.size() < kBytes || text[kTraceAt - 1] != '-' || text[kParentAt - 1] != '-' ||
      text[kFlagsAt - 1] != '-')
    return {};
  const std::string_view version = text.substr(kVersionAt, 2);
  const std::string_view trace = text.substr(kTraceAt, 32);
  const std::string_view parent = text.substr(kParentAt, 16);
  if (!IsHex(version) || !IsHex(trace) || !IsHex(parent) || !IsHex(text.substr(kFlagsAt, 2)))
    return {};
  // Later versions may go on behind another dash; ff will never be one.
  const bool ends_well = version == "00"
                             ? text.size() == kBytes
                             : version != "ff" && (text.size() == kBytes || text[kBytes] == '-');
  return ends_well && !IsZero(trace) && !IsZero(parent) ? trace : std::string_view();
}

}  // namespace

std::string_view TraceIdOf(const net::HttpRequest& request) {
  const auto is_parent = [](const auto& header) { return header.first == "traceparent"; };
  const auto& headers = request.headers;
  const auto first = std::find_if(headers.begin(), headers.end(), is_parent);
  if (first == headers.end() || std::find_if(first + 1, headers.end(), is_parent) != headers.end())
    return {};
  return TraceIdIn(first->second);
}

}  // namespace synod::api
