#include "tests/unit/net/reset_proxy.h"

#include <array>
#include <boost/asio/write.hpp>
#include <utility>

namespace synod::net {

struct ResetProxy::Pair : std::enable_shared_from_this<Pair> {
  Pair(Socket a, asio::io_context& io) : ends{std::move(a), Socket(io)} {}

  // Moves bytes from end `from` to the other until it closes, then closes both.
  void Relay(size_t from) {
    ends[from].async_read_some(
        asio::buffer(buffers[from]), [self = shared_from_this(), from](error_code ec, size_t n) {
          if (ec) {
            self->Close();
            return;
          }
          asio::async_write(self->ends[1 - from], asio::buffer(self->buffers[from].data(), n),
                            [self, from](error_code write_ec, size_t) {
                              if (write_ec) {
                                self->Close();
                              } else {
                                self->Relay(from);
                              }
                            });
        });
  }

  void Close() {
    error_code ignored;
    for (Socket& end : ends) end.close(ignored);
  }
  void Reset() {
    error_code ignored;
    for (Socket& end : ends) end.set_option(asio::socket_base::linger(true, 0), ignored);
    Close();
  }
  bool IsOpen() const { return ends[0].is_open(); }

  std::array<Socket, 2> ends;
  std::array<std::array<char, 4096>, 2> buffers;
};

ResetProxy::ResetProxy(asio::io_context& io)
    : io_(io), acceptor_(io, Tcp::endpoint(asio::ip::address_v4::loopback(), 0)) {
  Accept();
}

ResetProxy::~ResetProxy() { ResetAll(); }

uint16_t ResetProxy::port() const { return acceptor_.local_endpoint().port(); }

size_t ResetProxy::open() const {
  size_t count = 0;
  for (const auto& pair : pairs_) count += pair->IsOpen() ? 1 : 0;
  return count;
}

size_t ResetProxy::ResetAll() {
  const size_t count = open();
  for (const auto& pair : pairs_) pair->Reset();
  pairs_.clear();
  return count;
}

void ResetProxy::Accept() {
  acceptor_.async_accept([this](error_code ec, Socket socket) {
    if (ec)
      return;
    auto pair = std::make_shared<Pair>(std::move(socket), io_);
    pairs_.push_back(pair);
    if (!mute_) {
      const Tcp::endpoint target(asio::ip::address_v4::loopback(), target_);
      pair->ends[1].async_connect(target, [pair](error_code connect_ec) {
        if (connect_ec) {
          pair->Close();
          return;
        }
        pair->Relay(0);
        pair->Relay(1);
      });
    }
    Accept();
  });
}

}  // namespace synod::net
