// HttpRequest, HttpResponse: what crosses the border between sockets and the API.
//
// Contract      A request is complete, within the limits of size, and syntactically HTTP/1.1;
//               nothing of its meaning was judged. Views live as long as the request object.
#ifndef SYNOD_NET_HTTP_TYPES_H_
#define SYNOD_NET_HTTP_TYPES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "src/base/types.h"

namespace synod::net {

struct HttpRequest {
  std::string method;                                        // as sent: "GET"
  std::string target;                                        // as sent: "/v1/kv/a?raw=true"
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case, in order
  std::string body;
  // Of the certificate by which TLS knows the client: its common name. Empty: it has shown none.
  std::string certified_name;
  bool head = false;      // method is HEAD: the body of the answer is left out
  bool http_1_0 = false;  // the client knows neither chunks nor upgrades
  // From when the loop saw that there was something until it was read. Nullopt of what was read
  // ahead, behind other requests of its client, and waited for their answers.
  std::optional<int64_t> waited_us;

  // First value of a header (lower-case name), or empty.
  std::string_view Header(std::string_view name) const {
    for (const auto& [key, value] : headers)
      if (key == name)
        return value;
    return {};
  }
  // Whether the comma-separated lists of these headers have this element, in any case.
  bool HasToken(std::string_view name, std::string_view token) const;
};

// In any case of ASCII letters.
bool EqualsNoCase(std::string_view a, std::string_view b);

struct HttpResponse {
  int status = 200;
  std::string content_type;  // empty: no body
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;  // besides Content-Type and -Length
  bool no_length = false;  // to HEAD: GET sends a body of which nobody knows the length
};

}  // namespace synod::net

#endif  // SYNOD_NET_HTTP_TYPES_H_
