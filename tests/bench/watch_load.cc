// Many watches of one node under writes at a fixed rate: how long from a write's acknowledgement to
// its delivery, and what memory and CPU time of the node that takes.
//
//   watch_load HOST PORT WATCHES SOCKETS STREAMS WRITES_PER_SECOND SECONDS
//
// WATCHES over SOCKETS WebSockets, and STREAMS event streams; of both every second one on the same
// key, the others on keys of their own. Every second write is of that key. Puts of 256 bytes from
// one connection, each when it is due. A delivery that comes before the acknowledgement is read
// took 0 ms. Prints two lines and ends; status 1 if a delivery is missing.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tests/bench/load.h"

namespace {

using synod::bench::MetricIn;
using synod::bench::MsAt;
using synod::bench::NowMicros;
using synod::bench::NumberAfter;

constexpr size_t kValueBytes = 256;
constexpr int64_t kSetupMicros = 60'000'000;
constexpr int64_t kDrainMicros = 5'000'000;
constexpr const char* kHot = "/load/hot";

struct Plan {
  sockaddr_in address;
  int64_t watches;
  int64_t sockets;
  int64_t streams;
  int64_t rate;
  int64_t seconds;
};

enum class Kind { kSocket, kStream, kWriter };

struct Connection {
  Kind kind = Kind::kWriter;
  int fd = -1;
  bool upgraded = false;
  std::string in;
};

class WatchLoad {
 public:
  explicit WatchLoad(const Plan& plan) : plan_(plan), epoll_(::epoll_create1(0)) {}

  bool Run();

 private:
  bool Open(Kind kind, const std::string& request);
  bool Send(const Connection& c, std::string_view bytes);
  void Ask(const Connection& c, int64_t watch);
  bool Turn(int timeout_ms);
  bool Read(Connection* c);
  void TakeFrames(Connection* c);
  void TakeEvents(Connection* c);
  void TakeAnswers(Connection* c);
  void Delivered(uint64_t revision);
  bool SetUp();
  void Write(int64_t now);
  std::string Metrics();
  static std::string PathOf(int64_t watch) {
    return watch % 2 == 0 ? kHot : "/load/w" + std::to_string(watch);
  }

  const Plan plan_;
  const int epoll_;
  std::vector<Connection> connections_;
  Connection* writer_ = nullptr;
  int64_t created_ = 0;
  int64_t expected_ = 0;
  int64_t start_ = 0;
  int64_t written_ = 0;
  int64_t answered_ = 0;
  int64_t failed_ = 0;
  std::unordered_map<uint64_t, int64_t> acknowledged_;        // by revision
  std::unordered_map<uint64_t, std::vector<int64_t>> early_;  // deliveries without it
  std::vector<int64_t> micros_;
};

bool WatchLoad::Send(const Connection& c, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(c.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0)
      return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

// Blocking to write, so that setup is simple; reads do not block (MSG_DONTWAIT).
bool WatchLoad::Open(Kind kind, const std::string& request) {
  Connection c;
  c.kind = kind;
  c.fd = ::socket(AF_INET, SOCK_STREAM, 0);
  const int on = 1;
  if (c.fd < 0 ||
      ::connect(c.fd, reinterpret_cast<const sockaddr*>(&plan_.address), sizeof plan_.address) !=
          0 ||
      ::setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 || !Send(c, request))
    return false;
  connections_.push_back(std::move(c));
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = connections_.size() - 1;
  return ::epoll_ctl(epoll_, EPOLL_CTL_ADD, connections_.back().fd, &event) == 0;
}

// A masked frame whose mask is zero: the bytes as they are.
void WatchLoad::Ask(const Connection& c, int64_t watch) {
  const std::string text =
      R"({"op":"watch","id":)" + std::to_string(watch) + R"(,"path":")" + PathOf(watch) + "\"}";
  std::string frame = {static_cast<char>(0x81), static_cast<char>(0x80 | text.size()), 0, 0, 0, 0};
  Send(c, frame + text);
}

void WatchLoad::Delivered(uint64_t revision) {
  const int64_t now = NowMicros();
  const auto it = acknowledged_.find(revision);
  if (it == acknowledged_.end())
    early_[revision].push_back(now);
  else
    micros_.push_back(now - it->second);
}

void WatchLoad::TakeFrames(Connection* c) {
  std::string_view in = c->in;
  if (!c->upgraded) {
    const size_t end = in.find("\r\n\r\n");
    if (end == std::string_view::npos)
      return;
    c->upgraded = true;
    in.remove_prefix(end + 4);
  }
  while (in.size() >= 4) {
    const auto byte = [&](size_t i) { return static_cast<size_t>(static_cast<uint8_t>(in[i])); };
    const size_t length = byte(1) == 126 ? byte(2) << 8 | byte(3) : byte(1);
    const size_t head = byte(1) == 126 ? 4 : 2;
    if (in.size() < head + length)
      break;
    const std::string_view payload = in.substr(head, length);
    if (byte(0) == 0x89)
      Send(*c, std::string{static_cast<char>(0x8A), static_cast<char>(0x80), 0, 0, 0, 0});
    else if (payload.find("\"op\":\"created\"") != std::string_view::npos)
      ++created_;
    else if (payload.find("\"type\":\"change\"") != std::string_view::npos)
      Delivered(NumberAfter(payload, "\"revision\":"));
    in.remove_prefix(head + length);
  }
  c->in.erase(0, c->in.size() - in.size());
}

void WatchLoad::TakeEvents(Connection* c) {
  std::string_view in = c->in;
  for (size_t end = in.find("\n\n"); end != std::string_view::npos; end = in.find("\n\n")) {
    const std::string_view message = in.substr(0, end);
    if (message.find("event: created") != std::string_view::npos)
      ++created_;
    else if (message.find("event: change") != std::string_view::npos)
      Delivered(NumberAfter(message, "id: "));
    in.remove_prefix(end + 2);
  }
  c->in.erase(0, c->in.size() - in.size());
}

void WatchLoad::TakeAnswers(Connection* c) {
  std::string_view in = c->in;
  while (true) {
    const size_t end = in.find("\r\n\r\n");
    if (end == std::string_view::npos)
      break;
    const std::string_view head = in.substr(0, end);
    const size_t body = NumberAfter(head, "Content-Length: ");
    if (in.size() < end + 4 + body)
      break;
    ++answered_;
    failed_ += head.substr(9, 1) == "2" ? 0 : 1;
    const uint64_t revision = NumberAfter(head, "Synod-Revision: ");
    acknowledged_[revision] = NowMicros();
    // They overtook it.
    micros_.insert(micros_.end(), early_[revision].size(), 0);
    early_.erase(revision);
    in.remove_prefix(end + 4 + body);
  }
  c->in.erase(0, c->in.size() - in.size());
}

bool WatchLoad::Read(Connection* c) {
  char buffer[65536];
  const ssize_t n = ::recv(c->fd, buffer, sizeof buffer, MSG_DONTWAIT);
  if (n <= 0)
    return n < 0;  // nothing there
  c->in.append(buffer, static_cast<size_t>(n));
  if (c->kind == Kind::kSocket)
    TakeFrames(c);
  else if (c->kind == Kind::kStream)
    TakeEvents(c);
  else
    TakeAnswers(c);
  return true;
}

// False if a connection ended.
bool WatchLoad::Turn(int timeout_ms) {
  epoll_event events[512];
  const int n = ::epoll_wait(epoll_, events, 512, timeout_ms);
  if (writer_ != nullptr && !Read(writer_))
    return false;
  for (int i = 0; i < n; ++i)
    if (!Read(&connections_[events[i].data.u64]))
      return false;
  return true;
}

bool WatchLoad::SetUp() {
  connections_.reserve(static_cast<size_t>(plan_.sockets + plan_.streams + 1));
  const int64_t deadline = NowMicros() + kSetupMicros;
  for (int64_t s = 0; s < plan_.sockets; ++s) {
    if (!Open(Kind::kSocket,
              "GET /v1/watch HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
              "Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
              "Sec-WebSocket-Version: 13\r\n\r\n"))
      return false;
    while (!connections_.back().upgraded)
      if (!Turn(100) || NowMicros() > deadline)
        return false;
  }
  for (int64_t w = 0; w < plan_.watches; ++w) {
    Ask(connections_[static_cast<size_t>(w % plan_.sockets)], w);
    if (w % 100 == 99 && !Turn(0))
      return false;
  }
  for (int64_t s = 0; s < plan_.streams; ++s)
    if (!Open(Kind::kStream,
              "GET /v1/watch" + PathOf(s) +
                  " HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n") ||
        !Turn(0))
      return false;
  while (created_ < plan_.watches + plan_.streams)
    if (!Turn(100) || NowMicros() > deadline)
      return false;
  return true;
}

void WatchLoad::Write(int64_t now) {
  for (; written_ < plan_.rate * plan_.seconds; ++written_) {
    if (start_ + written_ * 1'000'000 / plan_.rate > now)
      return;
    const int64_t keys = std::max(plan_.watches, plan_.streams);
    const int64_t key = written_ % 2 == 0 ? 0 : (written_ * 7919) % (keys / 2) * 2 + 1;
    expected_ += key == 0 ? (plan_.watches + 1) / 2 + (plan_.streams + 1) / 2
                          : (key < plan_.watches ? 1 : 0) + (key < plan_.streams ? 1 : 0);
    Send(*writer_, "PUT /v1/kv" + PathOf(key) +
                       " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 256\r\n\r\n" +
                       std::string(kValueBytes, 'v'));
  }
}

std::string WatchLoad::Metrics() {
  Connection c;
  c.fd = ::socket(AF_INET, SOCK_STREAM, 0);
  std::string text;
  if (::connect(c.fd, reinterpret_cast<const sockaddr*>(&plan_.address), sizeof plan_.address) ==
          0 &&
      Send(c, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")) {
    char buffer[65536];
    for (ssize_t n = 1; n > 0;) {
      n = ::recv(c.fd, buffer, sizeof buffer, 0);
      text.append(buffer, static_cast<size_t>(std::max<ssize_t>(n, 0)));
    }
  }
  ::close(c.fd);
  return text;
}

bool WatchLoad::Run() {
  const auto memory = [&] { return MetricIn(Metrics(), "process_resident_memory_bytes"); };
  const auto cpu = [&] { return MetricIn(Metrics(), "process_cpu_seconds_total"); };
  const double before = memory();
  if (!SetUp()) {
    std::fprintf(stderr, "watch_load: only %lld watches began\n", static_cast<long long>(created_));
    return false;
  }
  const double after = memory();
  if (!Open(Kind::kWriter, ""))
    return false;
  writer_ = &connections_.back();
  const double cpu_before = cpu();
  start_ = NowMicros();
  const int64_t end = start_ + plan_.seconds * 1'000'000 + kDrainMicros;
  while (NowMicros() < end && (written_ < plan_.rate * plan_.seconds || answered_ < written_ ||
                               static_cast<int64_t>(micros_.size()) < expected_)) {
    Write(NowMicros());
    if (!Turn(1))
      return false;
  }
  const double took = static_cast<double>(NowMicros() - start_) * 1e-6;
  const double cpu_seconds = cpu() - cpu_before;
  std::sort(micros_.begin(), micros_.end());
  const auto at = [&](double part) { return MsAt(micros_, part); };
  std::printf("watches %lld over %lld WebSockets, %lld streams: %.1f MB, then %.1f MB more\n",
              static_cast<long long>(plan_.watches), static_cast<long long>(plan_.sockets),
              static_cast<long long>(plan_.streams), before / 1e6, (after - before) / 1e6);
  std::printf(
      "writes %lld failed %lld; delivered %zu of %lld, after p50 %.2f p99 %.2f p99.9 %.2f max %.2f "
      "ms; %.2f CPU s of the node in %.1f s\n",
      static_cast<long long>(answered_), static_cast<long long>(failed_), micros_.size(),
      static_cast<long long>(expected_), at(0.5), at(0.99), at(0.999), at(1.0), cpu_seconds, took);
  return static_cast<int64_t>(micros_.size()) == expected_ && failed_ == 0;
}

}  // namespace

int main(int argc, char** argv) {
  Plan plan{};
  plan.address.sin_family = AF_INET;
  if (argc != 8 || ::inet_pton(AF_INET, argv[1], &plan.address.sin_addr) != 1) {
    std::fprintf(stderr,
                 "watch_load HOST PORT WATCHES SOCKETS STREAMS WRITES_PER_SECOND SECONDS\n");
    return 2;
  }
  plan.address.sin_port = htons(static_cast<uint16_t>(std::atoi(argv[2])));
  plan.watches = std::atoll(argv[3]);
  plan.sockets = std::atoll(argv[4]);
  plan.streams = std::atoll(argv[5]);
  plan.rate = std::atoll(argv[6]);
  plan.seconds = std::atoll(argv[7]);
  if (plan.rate < 1 || std::max(plan.watches, plan.streams) < 2 ||
      (plan.watches > 0 && plan.sockets < 1)) {
    std::fprintf(stderr, "watch_load: at least 2 watches or streams, 1 socket and 1 write/s\n");
    return 2;
  }
  WatchLoad load(plan);
  return load.Run() ? 0 : 1;
}
