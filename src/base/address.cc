#include "src/base/address.h"

#include <algorithm>
#include <charconv>

#include "src/base/utf8.h"

namespace synod {
namespace {

Error Bad(std::string detail) {
  return {Errc::kInvalidRequest, Outcome::kNotApplied, std::move(detail)};
}

bool IsAlphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool IsHost(std::string_view host, std::string_view punctuation) {
  return !host.empty() && host.size() <= kHostBytesMax &&
         std::all_of(host.begin(), host.end(), [&](char c) {
           return IsAlphanumeric(c) || punctuation.find(c) != std::string_view::npos;
         });
}

// HOST or HOST:PORT of a URL.
std::string_view AuthorityOf(std::string_view url) {
  const size_t begin = url.find("://") + 3;
  return url.substr(begin, url.find_first_of("/?#", begin) - begin);
}

}  // namespace

std::string HostPort::ToString() const {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<HostPort> ParseHostPort(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0)
    return Bad("must be HOST:PORT");
  std::string_view host = text.substr(0, colon);
  const bool brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (brackets)
    host = host.substr(1, host.size() - 2);
  else if (host.find(':') != std::string_view::npos)
    return Bad("must be HOST:PORT; an IPv6 address stands in brackets");
  if (!IsHost(host, brackets ? ":.%" : "._-"))
    return Bad("must be HOST:PORT with the name or address of a host");
  const std::string_view digits = text.substr(colon + 1);
  HostPort parsed{std::string(host), 0};
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), parsed.port);
  if (error != std::errc() || end != digits.data() + digits.size())
    return Bad("must be HOST:PORT with a port from 0 to 65535");
  return parsed;
}

bool IsLoopback(std::string_view host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

Status ValidateUrl(std::string_view url) {
  if (!url.starts_with("http://") && !url.starts_with("https://"))
    return Bad("must be a URL that begins with http:// or https://");
  if (url.size() > kUrlBytesMax)
    return Bad("must be a URL of at most " + std::to_string(kUrlBytesMax) + " bytes");
  if (!std::all_of(url.begin(), url.end(), [](char c) { return c > ' ' && c < 0x7F; }))
    return Bad("must be a URL of visible ASCII characters");
  const std::string_view authority = AuthorityOf(url);
  if (!ParseHostPort(authority) && !ParseHostPort(std::string(authority) + ":0"))
    return Bad("must be a URL with a host, like http://HOST:PORT");
  return Done();
}

std::string HostOfUrl(std::string_view url) {
  const std::string_view authority = AuthorityOf(url);
  if (const Result<HostPort> parsed = ParseHostPort(authority))
    return parsed->host;
  const Result<HostPort> without_port = ParseHostPort(std::string(authority) + ":0");
  return without_port ? without_port->host : std::string(authority);
}

Status ValidateMemberName(std::string_view name) {
  if (name.empty() || name.size() > kMemberNameBytesMax)
    return Bad("must have 1 to 255 bytes");
  const bool control = std::any_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
  });
  if (control || !IsValidUtf8(name))
    return Bad("must be UTF-8 without control characters");
  return Done();
}

}  // namespace synod
