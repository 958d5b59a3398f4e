// What travels between a client and a node: endpoints, requests, replies, and how text is encoded.
//
// Contract      Plain values. Header names of a reply are in lower case.
// Thread        Any.
// Errors        ParseEndpoint(s): kInvalidRequest, with a detail that says what is wrong.
#ifndef SYNOD_CLIENT_HTTP_H_
#define SYNOD_CLIENT_HTTP_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "src/base/error.h"

namespace synod::client {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Endpoint {
  std::string host;
  uint16_t port = 0;
  std::string ToString() const;
};

// "http://host:port", with or without a path of "/".
Result<Endpoint> ParseEndpoint(std::string_view url);
// Several, separated by commas; at least one.
Result<std::vector<Endpoint>> ParseEndpoints(std::string_view urls);

struct HttpRequest {
  std::string method = "GET";
  std::string target;
  Headers headers;
  std::string body;
};

struct HttpReply {
  int status = 0;
  Headers headers;
  std::string body;
  std::string_view Header(std::string_view name) const;
};

// Percent-encodes a path for a URL, keeping '/'.
std::string EncodePath(std::string_view path);
std::string EncodeQuery(std::string_view text);
// A name that nobody else uses, for Idempotency-Key.
std::string UniqueKey();

}  // namespace synod::client

#endif  // SYNOD_CLIENT_HTTP_H_
