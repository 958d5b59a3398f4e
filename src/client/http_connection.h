// HttpConnection: one HTTP/1.1 connection of a client, used by one thread, every wait bounded.
//
// Contract      Calls block until they are done or their deadline has passed. After an error the
//               connection is closed; the next call connects anew. `sent` of a failure says whether
//               any byte of the request may have reached the server.
// Thread        One at a time.
// Errors        kDeadlineExceeded, kInternal with the system's words; outcome kUnknown once sent.
#ifndef SYNOD_CLIENT_HTTP_CONNECTION_H_
#define SYNOD_CLIENT_HTTP_CONNECTION_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "src/base/error.h"

namespace synod::client {

using Clock = std::chrono::steady_clock;
using Deadline = Clock::time_point;
using Headers = std::vector<std::pair<std::string, std::string>>;

struct Endpoint {
  std::string host;
  uint16_t port = 0;
  std::string ToString() const;
};

// "http://host:port", with or without a path of "/". kInvalidRequest otherwise.
Result<Endpoint> ParseEndpoint(std::string_view url);

struct HttpReply {
  int status = 0;
  Headers headers;  // names in lower case
  std::string body;
  std::string_view Header(std::string_view name) const;
};

class HttpConnection {
 public:
  explicit HttpConnection(Endpoint endpoint);
  ~HttpConnection();
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  // Request and whole answer.
  Result<HttpReply> Roundtrip(const std::string& method,
                              const std::string& target,
                              const Headers& headers,
                              const std::string& body,
                              Deadline deadline);
  // Request and the head of the answer; if its status is 200 the body comes by ReadSome, else it is
  // in
  // the reply.
  Result<HttpReply> Open(const std::string& target, const Headers& headers, Deadline deadline);
  // More of a streamed body; empty at its end. kDeadlineExceeded leaves the stream usable.
  Result<std::string> ReadSome(Deadline deadline);

  const Endpoint& endpoint() const;

 private:
  class Core;
  std::unique_ptr<Core> core_;
};

}  // namespace synod::client

#endif  // SYNOD_CLIENT_HTTP_CONNECTION_H_
