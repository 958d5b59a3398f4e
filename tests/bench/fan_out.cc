#include "tests/bench/fan_out.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "tests/bench/load.h"

namespace synod::bench {
namespace {

constexpr int64_t kBeginMicros = 60'000'000;
constexpr int64_t kKeepAliveMicros = 10'000'000;

}  // namespace

FanOut::FanOut(const std::string& server,
               std::vector<std::string> endpoints,
               size_t watches,
               size_t connections)
    : server_(server),
      endpoints_(std::move(endpoints)),
      watches_(watches),
      epoll_(::epoll_create1(0)),
      connections_(connections) {}

FanOut::~FanOut() {
  for (const Connection& c : connections_) ::close(c.fd);
  ::close(epoll_);
}

bool FanOut::Open(Connection* c, const std::string& endpoint) {
  const size_t watches = c->events.size();
  c->listener = server_ == "synod"  ? MakeSynodListener(watches)
                : server_ == "etcd" ? MakeEtcdListener(watches)
                                    : MakeZooKeeperListener();
  c->fd = Connect(endpoint);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = c;
  return c->fd >= 0 && ::epoll_ctl(epoll_, EPOLL_CTL_ADD, c->fd, &event) == 0 &&
         Send(*c, c->listener->Start());
}

// What is said fits the socket's buffer: little, and seldom.
bool FanOut::Send(const Connection& c, const std::string& bytes) {
  return bytes.empty() || ::send(c.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
                              static_cast<ssize_t>(bytes.size());
}

bool FanOut::Begin() {
  const int64_t deadline = NowMicros() + kBeginMicros;
  keep_alive_at_ = NowMicros() + kKeepAliveMicros;
  for (size_t i = 0; i < connections_.size(); ++i) {
    const size_t share = watches_ / connections_.size();
    connections_[i].events.resize(share + (i < watches_ % connections_.size() ? 1 : 0));
    if (!Open(&connections_[i], endpoints_[i % endpoints_.size()]))
      return false;
  }
  size_t began = 0;
  while (began < watches_ && !broken_ && NowMicros() < deadline) {
    epoll_event event{};
    ::epoll_wait(epoll_, &event, 1, 1);
    Receive();
    began = 0;
    for (const Connection& c : connections_) began += c.listener->began();
  }
  return began == watches_;
}

void FanOut::Receive() {
  std::array<epoll_event, 256> ready;
  const int n = ::epoll_wait(epoll_, ready.data(), ready.size(), 0);
  for (int i = 0; i < n; ++i)
    Receive(static_cast<Connection*>(ready[static_cast<size_t>(i)].data.ptr));
  KeepAlive(NowMicros());
}

void FanOut::KeepAlive(int64_t now) {
  if (now < keep_alive_at_)
    return;
  keep_alive_at_ = now + kKeepAliveMicros;
  for (const Connection& c : connections_) {
    std::string out;
    c.listener->KeepAlive(&out);
    broken_ = !Send(c, out) || broken_;
  }
}

void FanOut::Receive(Connection* c) {
  static std::array<char, 1 << 18> buffer;
  const ssize_t n = ::recv(c->fd, buffer.data(), buffer.size(), 0);
  if (n <= 0) {
    // One that is over would be ready for ever.
    if (n == 0 || errno != EAGAIN) {
      broken_ = true;
      ::epoll_ctl(epoll_, EPOLL_CTL_DEL, c->fd, nullptr);
    }
    return;
  }
  c->in.append(buffer.data(), static_cast<size_t>(n));
  std::vector<size_t> events;
  std::string out;
  c->in.erase(0, c->listener->Take(c->in, &events, &out));
  broken_ = !Send(*c, out) || broken_;
  const int64_t now = NowMicros();
  for (const size_t watch : events) Heard(c, watch, now);
}

void FanOut::Heard(Connection* c, size_t watch, int64_t now) {
  if (watch >= c->events.size()) {
    broken_ = true;
    return;
  }
  const size_t write = c->events[watch]++;
  if (write < writes_.size()) {
    Measure(writes_[write], now);
  } else {
    early_[write].push_back(now);
  }
}

void FanOut::Measure(const Write& write, int64_t heard) {
  ++heard_;
  if (!write.measured)
    return;
  from_acknowledged_.Add(static_cast<uint64_t>(std::max<int64_t>(heard - write.acknowledged, 0)));
  from_due_.Add(static_cast<uint64_t>(heard - write.due));
}

void FanOut::Acknowledged(int64_t due, bool measured) {
  writes_.push_back({due, NowMicros(), measured});
  const auto early = early_.find(writes_.size() - 1);
  if (early == early_.end())
    return;
  for (const int64_t heard : early->second) Measure(writes_.back(), heard);
  early_.erase(early);
}

void FanOut::Print(double cpu_s) const {
  const auto events = static_cast<double>(from_due_.count());
  std::printf(
      ",\"watches\":%zu,\"connections\":%zu,\"events\":%llu,\"missing\":%llu,\"event_p50_ms\":%.3f,"
      "\"event_p99_ms\":%.3f,\"event_p999_ms\":%.3f,\"event_max_ms\":%.3f,\"due_p50_ms\":%.3f,"
      "\"due_p99_ms\":%.3f,\"cpu_us_per_event\":%.2f",
      watches_, connections_.size(), static_cast<unsigned long long>(from_due_.count()),
      static_cast<unsigned long long>(missing()), from_acknowledged_.MsAt(0.5),
      from_acknowledged_.MsAt(0.99), from_acknowledged_.MsAt(0.999), from_acknowledged_.MaxMs(),
      from_due_.MsAt(0.5), from_due_.MsAt(0.99), events > 0 ? cpu_s / events * 1e6 : 0.0);
}

}  // namespace synod::bench
