// Addresses and names of members, as flags, requests, peers and files give them.
//
// Contract      One rule for all of them, so that what one takes the others take: an address is
//               HOST:PORT (an IPv6 address in brackets), a URL is http:// or https:// with a host,
//               a name is 1 to 255 bytes of UTF-8 without control characters. None of them can
//               break a line of a log or of the identity file.
// Errors        kInvalidRequest with a detail that begins with "must".
#ifndef SYNOD_BASE_ADDRESS_H_
#define SYNOD_BASE_ADDRESS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "src/base/error.h"

namespace synod {

inline constexpr size_t kMemberNameBytesMax = 255;
inline constexpr size_t kHostBytesMax = 253;  // RFC 1035, section 2.3.4, as text
inline constexpr size_t kUrlBytesMax = 1024;

struct HostPort {
  std::string host;  // without brackets
  uint16_t port = 0;
  std::string ToString() const;
  bool operator==(const HostPort&) const = default;
};

// Port 0 is allowed: for listening it means any.
Result<HostPort> ParseHostPort(std::string_view text);
bool IsLoopback(std::string_view host);

Status ValidateUrl(std::string_view url);
// The host of a valid URL, without port and brackets.
std::string HostOfUrl(std::string_view url);

Status ValidateMemberName(std::string_view name);

}  // namespace synod

#endif  // SYNOD_BASE_ADDRESS_H_
