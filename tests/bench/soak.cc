// Writes at a fixed rate, whatever the answers take, over pipelined connections: the latency of
// each counts from when it was due, so that a stall shows in all the writes that it held up.
//
//   soak HOST PORT WRITES_PER_SECOND SECONDS
//
// Puts of 256 bytes over 100 000 paths, from 1000 connections: changes on one connection are made
// one after the other, so that fewer would bound the rate by the latency. Prints one line: what was
// done, p50, p99, p99.9 and the largest latency in ms, and every second whose largest was above
// 100 ms.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/bench/load.h"

namespace {

using synod::bench::MsAt;
using synod::bench::NowMicros;
using synod::bench::NumberAfter;

constexpr size_t kConnections = 1000;
constexpr uint64_t kPaths = 100'000;
constexpr size_t kValueBytes = 256;
constexpr int64_t kStallMicros = 100'000;
constexpr int64_t kDrainMicros = 5'000'000;

struct Connection {
  int fd = -1;
  std::string in;
  std::deque<int64_t> due;  // of the writes without an answer
};

class Soak {
 public:
  Soak(const sockaddr_in& address, int64_t rate, int64_t seconds)
      : address_(address), rate_(rate), seconds_(seconds), worst_(static_cast<size_t>(seconds)) {}

  bool Connect();
  void Run();
  void Report();

 private:
  void Queue(int64_t now);
  void Send(Connection* c, std::string_view request);
  void Receive(Connection* c);
  void TakeAnswers(Connection* c);
  void Answered(int64_t due, bool ok);

  const sockaddr_in address_;
  const int epoll_ = ::epoll_create1(0);
  const int64_t rate_;
  const int64_t seconds_;
  std::vector<Connection> connections_{kConnections};
  int64_t start_ = 0;
  int64_t queued_ = 0;
  uint64_t failed_ = 0;
  uint64_t random_ = 88172645463325252U;
  std::vector<uint32_t> micros_;
  std::vector<int64_t> worst_;  // by the second in which the write was due
};

bool Soak::Connect() {
  for (Connection& c : connections_) {
    c.fd = ::socket(AF_INET, SOCK_STREAM, 0);
    const int on = 1;
    if (c.fd < 0 ||
        ::connect(c.fd, reinterpret_cast<const sockaddr*>(&address_), sizeof address_) != 0 ||
        ::setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        ::fcntl(c.fd, F_SETFL, O_NONBLOCK) != 0)
      return false;
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = static_cast<uint64_t>(&c - connections_.data());
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, c.fd, &event) != 0)
      return false;
  }
  return true;
}

// Everything that is due by `now`.
void Soak::Queue(int64_t now) {
  for (; queued_ < rate_ * seconds_; ++queued_) {
    const int64_t due = start_ + queued_ * 1'000'000 / rate_;
    if (due > now)
      return;
    random_ ^= random_ << 13;
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    char request[160 + kValueBytes];
    const int head = std::snprintf(
        request, sizeof request,
        "PUT /v1/kv/soak/%08llu HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n",
        static_cast<unsigned long long>(random_ % kPaths), kValueBytes);
    std::memset(request + head, static_cast<char>('a' + random_ % 26), kValueBytes);
    Connection& c = connections_[static_cast<size_t>(queued_) % kConnections];
    c.due.push_back(due);
    Send(&c, {request, static_cast<size_t>(head) + kValueBytes});
  }
}

void Soak::Answered(int64_t due, bool ok) {
  const int64_t took = NowMicros() - due;
  micros_.push_back(static_cast<uint32_t>(std::min<int64_t>(took, UINT32_MAX)));
  int64_t& worst = worst_[static_cast<size_t>((due - start_) / 1'000'000)];
  worst = std::max(worst, took);
  failed_ += ok ? 0 : 1;
}

void Soak::TakeAnswers(Connection* c) {
  std::string_view in = c->in;
  while (true) {
    const size_t end = in.find("\r\n\r\n");
    if (end == std::string_view::npos || c->due.empty())
      break;
    const std::string_view head = in.substr(0, end);
    const uint64_t body = NumberAfter(head, "Content-Length: ");
    if (in.size() < end + 4 + body)
      break;
    Answered(c->due.front(), head.substr(9, 1) == "2");
    c->due.pop_front();
    in.remove_prefix(end + 4 + body);
  }
  c->in.erase(0, c->in.size() - in.size());
}

// A few requests never fill the socket's buffer: what it does not take is lost, and told so.
void Soak::Send(Connection* c, std::string_view request) {
  if (c->fd >= 0 && ::send(c->fd, request.data(), request.size(), MSG_NOSIGNAL) ==
                        static_cast<ssize_t>(request.size()))
    return;
  ::close(std::exchange(c->fd, -1));
}

void Soak::Receive(Connection* c) {
  char buffer[65536];
  const ssize_t n = ::recv(c->fd, buffer, sizeof buffer, 0);
  if (n <= 0) {
    if (n == 0 || errno != EAGAIN)
      ::close(std::exchange(c->fd, -1));
    return;
  }
  c->in.append(buffer, static_cast<size_t>(n));
  TakeAnswers(c);
}

void Soak::Run() {
  start_ = NowMicros();
  const int64_t end = start_ + seconds_ * 1'000'000;
  std::array<epoll_event, kConnections> ready;
  while (micros_.size() < static_cast<size_t>(rate_ * seconds_)) {
    const int64_t now = NowMicros();
    if (now > end + kDrainMicros)
      break;
    Queue(now);
    const int n = ::epoll_wait(epoll_, ready.data(), kConnections, 1);
    for (int i = 0; i < n; ++i) Receive(&connections_[ready[static_cast<size_t>(i)].data.u64]);
  }
}

void Soak::Report() {
  const size_t unanswered = static_cast<size_t>(rate_ * seconds_) - micros_.size();
  std::sort(micros_.begin(), micros_.end());
  const auto at = [&](double part) { return MsAt(micros_, part); };
  std::printf("writes %zu failed %llu unanswered %zu p50 %.2f p99 %.2f p99.9 %.2f max %.2f ms\n",
              micros_.size(), static_cast<unsigned long long>(failed_), unanswered, at(0.5),
              at(0.99), at(0.999), at(1.0));
  for (size_t s = 0; s < worst_.size(); ++s)
    if (worst_[s] > kStallMicros)
      std::printf("  second %zu: %.1f ms\n", s, static_cast<double>(worst_[s]) / 1000.0);
}

}  // namespace

int main(int argc, char** argv) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  if (argc != 5 || ::inet_pton(AF_INET, argv[1], &address.sin_addr) != 1) {
    std::fprintf(stderr, "soak HOST PORT WRITES_PER_SECOND SECONDS\n");
    return 2;
  }
  address.sin_port = htons(static_cast<uint16_t>(std::atoi(argv[2])));
  Soak soak(address, std::atoll(argv[3]), std::atoll(argv[4]));
  if (!soak.Connect()) {
    std::perror("soak: cannot connect");
    return 1;
  }
  soak.Run();
  soak.Report();
  return 0;
}
