#include "tests/support/websocket_client.h"

#include <boost/asio/connect.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <stdexcept>

#include "src/net/asio.h"

namespace synod {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = boost::beast::websocket;
using boost::system::error_code;

constexpr std::chrono::seconds kStepLimit{15};

}  // namespace

struct WebSocketClient::Core {
  // Runs one operation to its end; its result, or an exception at the deadline.
  template <typename Start>
  error_code Run(Milliseconds timeout, const Start& start) {
    std::optional<error_code> result;
    start([&](const error_code& ec, auto...) { result = ec; });
    io.restart();
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    while (!result && io.run_one_until(deadline) > 0) {
    }
    if (!result)
      throw std::runtime_error("websocket: deadline");
    return *result;
  }

  asio::io_context io{1};
  websocket::stream<beast::tcp_stream, false> stream{io};
  websocket::response_type response;
  beast::flat_buffer buffer;
  // A read that met its deadline goes on: what it gets is for the next call.
  std::optional<error_code> read;
  bool reading = false;
  uint64_t pings = 0;
};

WebSocketClient::WebSocketClient(uint16_t port, const std::string& target, const Options& options)
    : core_(std::make_unique<Core>()) {
  auto& socket = beast::get_lowest_layer(core_->stream).socket();
  socket.open(asio::ip::tcp::v4());
  if (options.receive_buffer != 0)
    socket.set_option(asio::socket_base::receive_buffer_size(options.receive_buffer));
  socket.connect({asio::ip::address_v4::loopback(), port});
  socket.set_option(asio::ip::tcp::no_delay(true));
  core_->stream.set_option(websocket::stream_base::decorator([&](websocket::request_type& request) {
    for (const auto& [name, value] : options.headers) request.insert(name, value);
  }));
  core_->stream.control_callback([this](websocket::frame_type kind, beast::string_view) {
    core_->pings += kind == websocket::frame_type::ping ? 1 : 0;
  });
  core_->stream.read_message_max(0);
  const error_code ec = core_->Run(kStepLimit, [&](auto done) {
    core_->stream.async_handshake(core_->response, "localhost:" + std::to_string(port), target,
                                  std::move(done));
  });
  if (ec)
    throw std::runtime_error("websocket: " + ec.message() + ", status " +
                             std::to_string(core_->response.result_int()));
}

WebSocketClient::~WebSocketClient() = default;

std::string WebSocketClient::Header(const std::string& name) const {
  return std::string(core_->response[name]);
}

void WebSocketClient::Write(const std::string& bytes, bool text) {
  core_->stream.text(text);
  const error_code ec = core_->Run(kStepLimit, [&](auto done) {
    core_->stream.async_write(asio::buffer(bytes), std::move(done));
  });
  if (ec)
    throw std::runtime_error("websocket: " + ec.message());
}

std::optional<std::string> WebSocketClient::Next(Milliseconds timeout) {
  if (!std::exchange(core_->reading, true)) {
    core_->read.reset();
    core_->stream.async_read(core_->buffer,
                             [this](const error_code& ec, size_t) { core_->read = ec; });
  }
  core_->io.restart();
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (!core_->read && core_->io.run_one_until(deadline) > 0) {
  }
  if (!core_->read)
    throw std::runtime_error("websocket: no message in time");
  core_->reading = false;
  if (*core_->read)
    return std::nullopt;
  const auto bytes = core_->buffer.cdata();
  std::string message(static_cast<const char*>(bytes.data()), bytes.size());
  core_->buffer.clear();
  return message;
}

uint16_t WebSocketClient::close_code() const { return core_->stream.reason().code; }

uint64_t WebSocketClient::pings() const { return core_->pings; }

void WebSocketClient::Close() {
  const error_code ec = core_->Run(kStepLimit, [&](auto done) {
    core_->stream.async_close(websocket::close_code::normal, std::move(done));
  });
  if (ec)
    throw std::runtime_error("websocket: " + ec.message());
}

}  // namespace synod
