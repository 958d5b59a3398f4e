#include "src/api/policy.h"

#include <algorithm>

#include "src/api/encoding.h"
#include "src/api/request.h"

namespace synod::api {
namespace {

// Removes ":port"; nullopt if what follows the host is no port.
std::optional<std::string_view> WithoutPort(std::string_view host) {
  size_t end = host.find(':');
  if (host.starts_with('[')) {
    end = host.find(']');
    if (end == std::string_view::npos)
      return std::nullopt;
    ++end;
  }
  if (end >= host.size())
    return host;
  const std::string_view port = host.substr(end);
  if (port[0] != ':' ||
      !std::all_of(port.begin() + 1, port.end(), [](char c) { return c >= '0' && c <= '9'; }))
    return std::nullopt;
  return host.substr(0, end);
}

bool IsIpv4(std::string_view host) {
  int parts = 0;
  while (true) {
    const size_t dot = host.find('.');
    const auto octet = ParseInteger(host.substr(0, dot));
    if (!octet || *octet > 255)
      return false;
    ++parts;
    if (dot == std::string_view::npos)
      return parts == 4;
    host.remove_prefix(dot + 1);
  }
}

// Good enough to tell a literal from a name: no name has brackets.
bool IsIpv6(std::string_view host) {
  return host.size() > 3 && host.front() == '[' && host.back() == ']' &&
         host.find_first_not_of("0123456789abcdefABCDEF:.", 1) == host.size() - 1 &&
         std::count(host.begin(), host.end(), ':') >= 2;
}

}  // namespace

Status CheckHost(const HttpPolicy& policy, std::optional<std::string_view> host) {
  if (!host)
    return Malformed("the header Host is missing");
  if (!policy.loopback_only)
    return Done();
  const auto name = WithoutPort(*host);
  if (name && (net::EqualsNoCase(*name, "localhost") || IsIpv4(*name) || IsIpv6(*name)))
    return Done();
  if (name && !policy.advertised_host.empty() && net::EqualsNoCase(*name, policy.advertised_host))
    return Done();
  if (name)
    for (const std::string& allowed : policy.allowed_hosts)
      if (net::EqualsNoCase(*name, allowed))
        return Done();
  return Error{Errc::kPermissionDenied, Outcome::kNotApplied,
               "this Host is not one of this node's names (http.allowed_hosts)"};
}

Status CheckOrigin(const HttpPolicy& policy, std::string_view origin) {
  for (const std::string& allowed : policy.allowed_origins)
    if (net::EqualsNoCase(origin, allowed))
      return Done();
  return Error{Errc::kPermissionDenied, Outcome::kNotApplied,
               "this Origin is not allowed (http.allowed_origins)"};
}

}  // namespace synod::api
