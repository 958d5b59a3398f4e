// The bytes of an answer's head.
//
// Contract      What is appended is one well-formed head, whatever the values are: control
//               characters in a header value become spaces, so that no value can add a header or an
//               answer.
// Thread        None of its own.   Errors: none.
#ifndef SYNOD_NET_HTTP_WRITER_H_
#define SYNOD_NET_HTTP_WRITER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "src/net/http_types.h"

namespace synod::net {

enum class Framing {
  kLength,   // Content-Length, or none for a status that has no body
  kChunked,  // Transfer-Encoding: chunked
  kToClose,  // the end of the connection ends the body (HTTP/1.0)
  kUntold,   // to HEAD: there is no body, and no word about that of GET
};

enum class AfterAnswer {
  kKeep,          // the default of HTTP/1.1
  kKeepExplicit,  // HTTP/1.0 must be told
  kClose,
};

std::string_view ReasonPhrase(int status);

// True for the statuses whose answers never have a body: 1xx, 204, 304.
bool NeverHasBody(int status);

void AppendHead(const HttpResponse& response,
                Framing framing,
                AfterAnswer after,
                std::string_view date,
                std::string* out);

// "Sat, 21 Nov 2026 01:02:03 GMT"
std::string HttpDate(int64_t unix_seconds);

}  // namespace synod::net

#endif  // SYNOD_NET_HTTP_WRITER_H_
