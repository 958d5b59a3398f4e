#include "src/client/http_connection.h"

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/read.hpp>

namespace synod::client {
namespace {

namespace asio = net::asio;
namespace http = boost::beast::http;

constexpr size_t kPieceBytes = size_t{64} << 10;
constexpr uint64_t kBodyBytesMax = uint64_t{64} << 20;

Headers ToHeaders(const http::fields& fields) {
  Headers headers;
  for (const auto& field : fields) {
    std::string name(field.name_string());
    for (char& c : name) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    headers.emplace_back(std::move(name), std::string(field.value()));
  }
  return headers;
}

std::string ToText(const HttpRequest& request, const Endpoint& endpoint) {
  std::string text = request.method + " " + request.target +
                     " HTTP/1.1\r\nHost: " + endpoint.Authority() +
                     "\r\nUser-Agent: synod-client\r\n";
  for (const auto& [name, value] : request.headers) text += name + ": " + value + "\r\n";
  if (!request.body.empty() || request.method == "PUT" || request.method == "POST")
    text += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
  return text + "\r\n" + request.body;
}

// Why the other side's certificate is not believed; empty if it is, or none was seen.
std::string Doubt(SSL* ssl) {
  const long verdict = SSL_get_verify_result(ssl);
  return verdict == X509_V_OK ? "" : X509_verify_cert_error_string(verdict);
}

}  // namespace

HttpConnection::HttpConnection(asio::io_context& io,
                               Endpoint endpoint,
                               std::shared_ptr<const net::Tls> tls)
    : endpoint_(std::move(endpoint)),
      resolver_(io.get_executor()),
      socket_(io.get_executor()),
      tls_(std::move(tls)),
      timer_(io.get_executor()) {}

template <typename F>
auto HttpConnection::Guarded(F handler) {
  return [self = shared_from_this(), run = run_, handler](const Code& code, auto&&... more) {
    if (run == self->run_)
      handler(code, more...);
  };
}

template <typename F>
void HttpConnection::OnStream(F use) {
  if (secure_)
    use(*secure_);
  else
    use(socket_);
}

void HttpConnection::Run(Exchange exchange) {
  exchange_ = std::move(exchange);
  ++run_;
  reusable_ = sent_ = late_ = resolving_ = false;
  out_ = ToText(exchange_.request, endpoint_);
  Arm(exchange_.deadline);
  if (socket_.is_open())
    Send();
  else
    Resolve();
}

void HttpConnection::Close() {
  ++run_;
  reusable_ = false;
  Code ignored;
  socket_.close(ignored);
  resolver_.cancel();
  timer_.cancel();
}

void HttpConnection::Arm(Clock::time_point deadline) {
  timer_.expires_at(deadline);
  timer_.async_wait(Guarded([this](const Code& code) {
    if (code)
      return;  // armed anew
    late_ = true;
    Code ignored;
    socket_.close(ignored);
    resolver_.cancel();
    // The system's resolver cannot be interrupted: what it says some time later is dropped.
    if (resolving_)
      Fail("cannot connect");
  }));
}

void HttpConnection::Resolve() {
  in_.clear();
  Code is_name;
  const auto address = asio::ip::make_address(endpoint_.host, is_name);
  // Names are looked up one after the other: an address must not wait for them.
  if (!is_name)
    return Connect(Addresses::create({address, endpoint_.port}, endpoint_.host, ""));
  resolving_ = true;
  resolver_.async_resolve(endpoint_.host, std::to_string(endpoint_.port),
                          Guarded([this](const Code& code, const Addresses& addresses) {
                            resolving_ = false;
                            if (code)
                              return Fail("cannot connect", code.message());
                            Connect(addresses);
                          }));
}

void HttpConnection::Connect(const Addresses& addresses) {
  asio::async_connect(socket_, addresses, Guarded([this](const Code& code, const auto&) {
                        if (code || late_)
                          return Fail("cannot connect", code.message());
                        Code ignored;
                        socket_.set_option(net::Tcp::no_delay(true), ignored);
                        if (endpoint_.tls)
                          Secure();
                        else
                          Send();
                      }));
}

void HttpConnection::Secure() {
  if (tls_ == nullptr)
    return Fail("no TLS", "the files of certificates cannot be used");
  secure_.emplace(socket_, tls_->Connect(socket_.native_handle(), endpoint_.host).release());
  secure_->async_handshake(asio::ssl::stream_base::client, Guarded([this](const Code& code) {
                             const std::string doubt = Doubt(secure_->native_handle());
                             if (!doubt.empty())
                               return Fail("the certificate is not trusted", doubt);
                             if (code || late_)
                               return Fail("no TLS", code.message());
                             Send();
                           }));
}

void HttpConnection::Send() {
  sent_ = true;
  auto sent = Guarded([this](const Code& code, size_t) {
    // A refusal may be here although not all could be sent; without one the read says the same as
    // the write.
    if (code && !socket_.is_open())
      return Fail("cannot send", code.message());
    ReadHead();
  });
  OnStream([&](auto& stream) { asio::async_write(stream, asio::buffer(out_), sent); });
}

void HttpConnection::ReadHead() {
  parser_.emplace();
  if (exchange_.on_data)
    parser_->body_limit(boost::none);
  else
    parser_->body_limit(kBodyBytesMax);
  auto read = Guarded([this](const Code& code, size_t) {
    if (code)
      return Fail("no answer", code.message());
    OnHead();
  });
  OnStream([&](auto& stream) { http::async_read_header(stream, in_, *parser_, read); });
}

void HttpConnection::OnHead() {
  reply_ = {static_cast<int>(parser_->get().result_int()), ToHeaders(parser_->get()), ""};
  if (reply_.status != 200)
    exchange_.on_data = nullptr;
  if (exchange_.on_data)
    Arm(Clock::now() + kSilenceMax);
  ReadBody();
}

void HttpConnection::ReadBody() {
  if (parser_->is_done()) {
    reusable_ = parser_->keep_alive();
    return End(std::move(reply_));
  }
  piece_.resize(kPieceBytes);
  parser_->get().body().data = piece_.data();
  parser_->get().body().size = piece_.size();
  parser_->get().body().more = true;
  auto read = Guarded([this](const Code& code, size_t) { OnBody(code); });
  OnStream([&](auto& stream) { http::async_read_some(stream, in_, *parser_, read); });
}

void HttpConnection::OnBody(const Code& code) {
  const size_t read = piece_.size() - parser_->get().body().size;
  if (code && code != http::error::need_buffer)
    return Fail("the answer broke off", code.message());
  if (!exchange_.on_data) {
    reply_.body.append(piece_, 0, read);
  } else if (read > 0) {
    Arm(Clock::now() + kSilenceMax);
    const uint64_t run = run_;
    // Kept alive: the receiver may abandon this exchange.
    const auto self = shared_from_this();
    const auto on_data = exchange_.on_data;
    on_data(std::string_view(piece_).substr(0, read));
    if (run != run_)
      return;
  }
  ReadBody();
}

void HttpConnection::Fail(const char* what, const std::string& why) {
  End(Error{late_ ? Errc::kDeadlineExceeded : Errc::kInternal,
            sent_ ? Outcome::kUnknown : Outcome::kNotApplied,
            endpoint_.ToString() + ": " + what + ": " + (late_ ? "it took too long" : why)});
}

void HttpConnection::End(Result<HttpReply> result) {
  ++run_;
  timer_.cancel();
  idle_since_ = Clock::now();
  if (!reusable_) {
    Code ignored;
    socket_.close(ignored);
  }
  const auto self = shared_from_this();
  const auto on_end = std::move(exchange_.on_end);
  exchange_ = {};
  on_end(std::move(result));
}

}  // namespace synod::client
