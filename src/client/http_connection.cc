#include "src/client/http_connection.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <charconv>
#include <optional>

namespace synod::client {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using Code = boost::system::error_code;

constexpr size_t kReadBytes = size_t{64} << 10;
constexpr uint64_t kBodyBytesMax = uint64_t{64} << 20;

Error Failure(const Endpoint& endpoint, const char* what, const Code& code, bool sent) {
  return {Errc::kInternal, sent ? Outcome::kUnknown : Outcome::kNotApplied,
          endpoint.ToString() + ": " + what + ": " + code.message()};
}

Headers ToHeaders(const http::fields& fields) {
  Headers headers;
  for (const auto& field : fields) {
    std::string name(field.name_string());
    for (char& c : name) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    headers.emplace_back(std::move(name), std::string(field.value()));
  }
  return headers;
}

}  // namespace

std::string Endpoint::ToString() const {
  const bool v6 = host.find(':') != std::string::npos;
  return "http://" + (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<Endpoint> ParseEndpoint(std::string_view url) {
  const auto bad = [&] {
    return Error{Errc::kInvalidRequest, Outcome::kNotApplied,
                 "'" + std::string(url) + "' is no endpoint: http://HOST:PORT is one"};
  };
  std::string_view rest = url;
  if (rest.starts_with("http://"))
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
  Endpoint endpoint{std::string(host), 0};
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), endpoint.port);
  if (error != std::errc() || end != digits.data() + digits.size() || endpoint.port == 0 ||
      host.empty() || host.find('/') != std::string_view::npos)
    return bad();
  return endpoint;
}

std::string_view HttpReply::Header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (key == name)
      return value;
  return {};
}

class HttpConnection::Core {
 public:
  explicit Core(Endpoint endpoint) : endpoint_(std::move(endpoint)) {}

  // Runs one asynchronous operation to its end; past the deadline it is cancelled.
  template <typename Start>
  Code Await(Deadline deadline, Start&& start) {
    std::optional<Code> result;
    start([&](const Code& code, auto&&...) { result = code; });
    io_.restart();
    while (!result && io_.run_one_until(deadline) > 0) {
    }
    if (result)
      return *result;
    socket_.cancel();
    resolver_.cancel();
    io_.restart();
    while (!result && io_.run_one() > 0) {
    }
    return asio::error::timed_out;
  }

  Status Connect(Deadline deadline) {
    if (socket_.is_open())
      return Done();
    buffer_.clear();
    asio::ip::tcp::resolver::results_type addresses;
    Code code = Await(deadline, [&](auto done) {
      resolver_.async_resolve(endpoint_.host, std::to_string(endpoint_.port),
                              [&addresses, done](const Code& c, auto results) {
                                addresses = results;
                                done(c);
                              });
    });
    if (!code)
      code = Await(deadline, [&](auto done) {
        asio::async_connect(socket_, addresses, [done](const Code& c, const auto&) { done(c); });
      });
    if (code)
      return Fail("cannot connect", code, false);
    Code ignored;
    socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
    return Done();
  }

  Error Fail(const char* what, const Code& code, bool sent) {
    Code ignored;
    socket_.close(ignored);
    Error error = Failure(endpoint_, what, code, sent);
    if (code == asio::error::timed_out)
      error.code = Errc::kDeadlineExceeded;
    return error;
  }

  Status Send(const std::string& method,
              const std::string& target,
              const Headers& headers,
              const std::string& body,
              Deadline deadline) {
    if (Status s = Connect(deadline); !s)
      return s;
    std::string text = method + " " + target +
                       " HTTP/1.1\r\nHost: " + endpoint_.ToString().substr(7) +
                       "\r\nUser-Agent: synod-client\r\n";
    for (const auto& [name, value] : headers) text += name + ": " + value + "\r\n";
    if (!body.empty() || method == "PUT" || method == "POST")
      text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    text += "\r\n";
    text += body;
    const Code code =
        Await(deadline, [&](auto done) { asio::async_write(socket_, asio::buffer(text), done); });
    if (code)
      return Fail("cannot send", code, true);
    return Done();
  }

  Result<HttpReply> ReadWhole(Deadline deadline) {
    http::response_parser<http::string_body> parser;
    parser.body_limit(kBodyBytesMax);
    const Code code =
        Await(deadline, [&](auto done) { http::async_read(socket_, buffer_, parser, done); });
    if (code)
      return Fail("no answer", code, true);
    HttpReply reply{static_cast<int>(parser.get().result_int()), ToHeaders(parser.get()),
                    std::move(parser.get().body())};
    if (!parser.keep_alive()) {
      Code ignored;
      socket_.close(ignored);
    }
    return reply;
  }

  Result<HttpReply> OpenStream(Deadline deadline) {
    stream_.emplace();
    stream_->body_limit(boost::none);
    Code code = Await(
        deadline, [&](auto done) { http::async_read_header(socket_, buffer_, *stream_, done); });
    if (code)
      return Fail("no answer", code, true);
    HttpReply reply{static_cast<int>(stream_->get().result_int()), ToHeaders(stream_->get()), ""};
    while (reply.status != 200) {
      Result<std::string> more = ReadStream(deadline);
      if (!more)
        return more.error();
      if (more->empty())
        break;
      reply.body += *more;
    }
    return reply;
  }

  Result<std::string> ReadStream(Deadline deadline) {
    if (stream_->is_done())
      return std::string();
    std::string chunk(kReadBytes, '\0');
    stream_->get().body().data = chunk.data();
    stream_->get().body().size = chunk.size();
    stream_->get().body().more = true;
    Code code = Await(deadline,
                      [&](auto done) { http::async_read_some(socket_, buffer_, *stream_, done); });
    const size_t read = chunk.size() - stream_->get().body().size;
    chunk.resize(read);
    if (code == http::error::need_buffer)
      code = {};
    if (read > 0 || (!code && !stream_->is_done()))
      return read > 0 ? Result<std::string>(std::move(chunk)) : ReadStream(deadline);
    if (!code)
      return std::string();
    if (code == asio::error::timed_out)
      return Error{Errc::kDeadlineExceeded, Outcome::kNotApplied, "nothing came in time"};
    return Fail("the stream broke", code, false);
  }

  Endpoint endpoint_;

 private:
  asio::io_context io_{1};
  asio::ip::tcp::resolver resolver_{io_};
  asio::ip::tcp::socket socket_{io_};
  boost::beast::flat_buffer buffer_;
  std::optional<http::response_parser<http::buffer_body>> stream_;
};

HttpConnection::HttpConnection(Endpoint endpoint)
    : core_(std::make_unique<Core>(std::move(endpoint))) {}
HttpConnection::~HttpConnection() = default;

Result<HttpReply> HttpConnection::Roundtrip(const std::string& method,
                                            const std::string& target,
                                            const Headers& headers,
                                            const std::string& body,
                                            Deadline deadline) {
  if (Status s = core_->Send(method, target, headers, body, deadline); !s)
    return s.error();
  return core_->ReadWhole(deadline);
}

Result<HttpReply> HttpConnection::Open(const std::string& target,
                                       const Headers& headers,
                                       Deadline deadline) {
  if (Status s = core_->Send("GET", target, headers, "", deadline); !s)
    return s.error();
  return core_->OpenStream(deadline);
}

Result<std::string> HttpConnection::ReadSome(Deadline deadline) {
  return core_->ReadStream(deadline);
}

const Endpoint& HttpConnection::endpoint() const { return core_->endpoint_; }

}  // namespace synod::client
