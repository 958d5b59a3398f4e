#include "tests/unit/net/socket_fixture.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <utility>

#include "src/base/check.h"

namespace synod::net {

bool PumpUntil(asio::io_context& io, const std::function<bool()>& done) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  for (;;) {
    if (done())
      return true;
    if (std::chrono::steady_clock::now() >= deadline) {
      ADD_FAILURE() << "nothing happened for ten seconds";
      return false;
    }
    io.restart();
    io.run_one_for(std::chrono::milliseconds(1));
    io.poll();
  }
}

RawClient::RawClient(uint16_t port, int receive_buffer) {
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  SYNOD_CHECK_GE(fd_, 0);
  if (receive_buffer > 0)
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  SYNOD_CHECK_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
}

RawClient::~RawClient() { Close(); }

size_t RawClient::Send(std::string_view bytes) {
  size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t n =
        ::send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n <= 0)
      break;
    sent += static_cast<size_t>(n);
  }
  return sent;
}

bool RawClient::Receive(size_t at_most) {
  std::array<char, 65536> buffer;
  while (!ended_ && at_most > 0) {
    const ssize_t n = ::recv(fd_, buffer.data(), std::min(buffer.size(), at_most), MSG_DONTWAIT);
    if (n > 0) {
      received_.append(buffer.data(), static_cast<size_t>(n));
      at_most -= static_cast<size_t>(n);
      continue;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
      break;
    ended_ = true;
    reset_ = n < 0;
  }
  return !ended_;
}

void RawClient::FinishSending() { ::shutdown(fd_, SHUT_WR); }

void RawClient::Close() {
  if (fd_ >= 0)
    ::close(std::exchange(fd_, -1));
}

void RawClient::Reset() {
  const linger now{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  Close();
}

}  // namespace synod::net
