// RequestParser: bytes of a client in, one HttpRequest at a time out.
//
// Contract      Feed takes bytes up to the end of one request and says how many it used; the caller
//               gives the rest again, with what has come since. The result does not depend on how
//               the bytes were cut. A request in kRefused state is beyond repair and so is its
//               connection.
// Strictness    What two parsers could read differently is refused: two lengths, a length and a
//               transfer coding, an unknown coding, none or two Host fields in HTTP/1.1.
// Bounds        Of what it holds: the limits, and in the bytes it leaves unused one head or one
//               line.
// Thread        None of its own. Errors: refusal(), with the API's code. Not here Sockets,
//               timeouts, what a request means. Beast stays inside request_parser.cc.
#ifndef SYNOD_NET_REQUEST_PARSER_H_
#define SYNOD_NET_REQUEST_PARSER_H_

#include <memory>
#include <string>
#include <string_view>

#include "src/base/error.h"
#include "src/net/http_types.h"

namespace synod::net {

struct RequestLimits {
  size_t body_bytes_max;
  size_t header_bytes_max;
  size_t target_bytes_max;
};

class RequestParser {
 public:
  enum class State { kIdle, kHead, kBody, kDone, kRefused };

  explicit RequestParser(const RequestLimits& limits);
  ~RequestParser();
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  // Must not be called in kDone and kRefused.
  size_t Feed(std::string_view in);

  State state() const { return state_; }
  const Error& refusal() const { return refusal_; }

  // In kBody and kDone.
  bool keep_alive() const { return keep_alive_; }
  bool http_1_0() const { return request_.http_1_0; }
  bool expects_continue() const { return expects_continue_; }
  bool head() const { return request_.head; }
  // In kDone: it may be answered beside others: its method changes nothing, and the connection
  // stays what it is.
  bool safe() const {
    return !upgrade_ &&
           (request_.method == "GET" || request_.method == "HEAD" || request_.method == "OPTIONS");
  }

  // Bytes held for the request so far.
  size_t held() const { return held_; }

  // Frees what is held of a request that will not be finished; nothing may be fed any more.
  void Drop();

  // In kDone: gives the request away and is ready for the next.
  HttpRequest Take();

 private:
  class Sink;

  void Refuse(Errc code, std::string detail);
  bool SkipEmptyLines(std::string_view in, size_t* used);
  void OnParserError(std::string_view in, const std::string& what, bool bad_version);
  void AfterPut(bool header_done, bool done);

  const RequestLimits limits_;
  std::unique_ptr<Sink> sink_;  // made anew for each request, in place
  State state_ = State::kIdle;
  HttpRequest request_;
  Error refusal_;
  size_t held_ = 0;
  bool keep_alive_ = true;
  bool expects_continue_ = false;
  bool upgrade_ = false;
};

}  // namespace synod::net

#endif  // SYNOD_NET_REQUEST_PARSER_H_
