#include "src/client/http.h"

#include <sys/random.h>

#include <charconv>

#include "src/base/check.h"
#include "src/base/hash.h"

namespace synod::client {
namespace {

std::string Encode(std::string_view text, std::string_view kept) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       kept.find(c) != std::string_view::npos;
    if (plain) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

}  // namespace

std::string Endpoint::Authority() const {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::string Endpoint::ToString() const { return (tls ? "https://" : "http://") + Authority(); }

Result<Endpoint> ParseEndpoint(std::string_view url) {
  const auto bad = [&] {
    return Error{Errc::kInvalidRequest, Outcome::kNotApplied,
                 "'" + std::string(url) +
                     "' is no endpoint: http://HOST:PORT is one, https://HOST:PORT another"};
  };
  std::string_view rest = url;
  const bool tls = rest.starts_with("https://");
  if (tls)
    rest.remove_prefix(8);
  else if (rest.starts_with("http://"))
    rest.remove_prefix(7);
  else if (rest.find("://") != std::string_view::npos)
    return bad();
  if (rest.ends_with('/'))
    rest.remove_suffix(1);
  const size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos || colon == 0)
    return bad();
  std::string_view host = rest.substr(0, colon);
  if (host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  const std::string_view digits = rest.substr(colon + 1);
  Endpoint endpoint{std::string(host), 0, tls};
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), endpoint.port);
  if (error != std::errc() || end != digits.data() + digits.size() || endpoint.port == 0 ||
      host.empty() || host.find('/') != std::string_view::npos)
    return bad();
  return endpoint;
}

Result<std::vector<Endpoint>> ParseEndpoints(std::string_view urls) {
  std::vector<Endpoint> endpoints;
  for (size_t begin = 0; begin <= urls.size();) {
    const size_t comma = std::min(urls.find(',', begin), urls.size());
    if (comma > begin) {
      Result<Endpoint> one = ParseEndpoint(urls.substr(begin, comma - begin));
      if (!one)
        return one.error();
      endpoints.push_back(*std::move(one));
    }
    begin = comma + 1;
  }
  if (endpoints.empty())
    return Error{Errc::kInvalidRequest, Outcome::kNotApplied, "no endpoint is named"};
  // What is kept secret on the way to one would be said openly to another.
  for (const Endpoint& endpoint : endpoints)
    if (endpoint.tls != endpoints.front().tls)
      return Error{Errc::kInvalidRequest, Outcome::kNotApplied,
                   "some endpoints are https and some are not"};
  return endpoints;
}

std::string_view HttpReply::Header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (key == name)
      return value;
  return {};
}

std::string EncodePath(std::string_view path) { return Encode(path, "-._~/@:"); }
std::string EncodeQuery(std::string_view text) { return Encode(text, "-._~/"); }

std::string UniqueKey() {
  Hash128 random;
  SYNOD_CHECK_EQ(getrandom(&random, sizeof random, 0), static_cast<ssize_t>(sizeof random));
  return random.Hex();
}

}  // namespace synod::client
