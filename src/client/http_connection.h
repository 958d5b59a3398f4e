// HttpConnection: one HTTP/1.1 connection of a client's loop: an exchange at a time.
//
// Contract      Run connects if need be, sends, and calls `on_end` once, on the loop, never from
//               within Run. After an error, and after an answer that says so, it is closed and not
//               reusable. Close drops the exchange: nothing is called any more.
// Thread        The loop's.
// Errors        kDeadlineExceeded, kInternal with the system's words; outcome kUnknown once a byte
//               may have been sent.
#ifndef SYNOD_CLIENT_HTTP_CONNECTION_H_
#define SYNOD_CLIENT_HTTP_CONNECTION_H_

#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <memory>
#include <optional>
#include <string>

#include "src/client/asio_runtime.h"

namespace synod::client {

class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  // `tls` is used if the endpoint is https.
  HttpConnection(net::asio::io_context& io, Endpoint endpoint, std::shared_ptr<const net::Tls> tls);

  void Run(Exchange exchange);
  void Close();
  // An exchange is done and another may follow.
  bool reusable() const { return reusable_; }
  Clock::time_point idle_since() const { return idle_since_; }

 private:
  using Code = boost::system::error_code;
  using Addresses = net::Tcp::resolver::results_type;

  void Arm(Clock::time_point deadline);
  void Resolve();
  void Connect(const Addresses& addresses);
  void Secure();
  void Send();
  void ReadHead();
  void OnHead();
  void ReadBody();
  void OnBody(const Code& code);
  // `why` is not told of what came too late.
  void Fail(const char* what, const std::string& why = "");
  void End(Result<HttpReply> result);
  // Handlers run only for the exchange that they were started for.
  template <typename F>
  auto Guarded(F handler);
  // Calls it with what requests and replies pass through.
  template <typename F>
  void OnStream(F use);

  const Endpoint endpoint_;
  net::asio::ip::basic_resolver<net::Tcp, net::Executor> resolver_;
  net::Socket socket_;
  const std::shared_ptr<const net::Tls> tls_;
  std::optional<net::asio::ssl::stream<net::Socket&>> secure_;
  ClockTimer timer_;
  uint64_t run_ = 0;  // counts exchanges and closes
  Exchange exchange_;
  std::string out_;
  boost::beast::flat_buffer in_;
  std::optional<boost::beast::http::response_parser<boost::beast::http::buffer_body>> parser_;
  std::string piece_;
  HttpReply reply_;
  bool sent_ = false;
  bool late_ = false;
  bool resolving_ = false;
  bool reusable_ = false;
  Clock::time_point idle_since_;
};

}  // namespace synod::client

#endif  // SYNOD_CLIENT_HTTP_CONNECTION_H_
