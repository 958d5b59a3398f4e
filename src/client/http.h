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
  bool tls = false;
  std::string ToString() const;   // as a URL
  std::string Authority() const;  // "host:port"
};

// "http://host:port" or "https://host:port", with or without a path of "/".
Result<Endpoint> ParseEndpoint(std::string_view url);
// Several, separated by commas; at least one. Either all are https or none is.
Result<std::vector<Endpoint>> ParseEndpoints(std::string_view urls);

// Who a client is, and whom it believes. Files are PEM; what is empty is not used.
struct Credentials {
  // Shown with every request. It goes over the wire as it is: by http to others than loopback only
  // where somebody else keeps it secret (docs/operations.md, "Secure").
  std::string token;
  std::string ca_file;    // of the authorities that sign the nodes' certificates; else the system's
  std::string cert_file;  // shown to nodes that ask for one
  std::string key_file;
};
// kInvalidRequest, with the file's name, if a file cannot be used.
Status CheckCredentials(const Credentials& credentials);

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
