#include "tests/histories/peer_proxies.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>

#include "src/net/frame.h"
#include "tests/integration/cluster.h"

namespace synod::histories {
namespace {

constexpr size_t kBufferMax = size_t{64} << 10;
// How soon a call is heeded by the thread that waits for bytes.
constexpr int kPollMs = 10;

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int Socket() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

int Listen(uint16_t port) {
  const int fd = Socket();
  const sockaddr_in address = Loopback(port);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(fd, 64) != 0) {
    close(fd);
    throw std::runtime_error("cannot listen on port " + std::to_string(port));
  }
  return fd;
}

bool WouldBlock() { return errno == EAGAIN || errno == EINTR || errno == EINPROGRESS; }

}  // namespace

PeerProxies::PeerProxies() : thread_([this] { Work(); }) {}

uint16_t PeerProxies::Add(int id, uint16_t peer) {
  const uint16_t port = integration::ReservePorts();
  const std::lock_guard lock(mutex_);
  listeners_[id] = {Listen(port), port, peer};
  return port;
}

PeerProxies::~PeerProxies() {
  stop_ = true;
  thread_.join();
  for (const auto& [id, listener] : listeners_) close(listener.fd);
  for (const Link& link : links_) {
    close(link.dialer);
    if (link.node >= 0)
      close(link.node);
  }
}

void PeerProxies::Hold(int from, int to) {
  const std::lock_guard lock(mutex_);
  held_.insert({from, to});
}

void PeerProxies::ReleaseAll() {
  const std::lock_guard lock(mutex_);
  held_.clear();
}

void PeerProxies::Cut(int a, int b) {
  const std::lock_guard lock(mutex_);
  for (Link& link : links_)
    link.dead |= (link.from == a && link.to == b) || (link.from == b && link.to == a);
}

void PeerProxies::Work() {
  while (!stop_) {
    Poll();
    const std::lock_guard lock(mutex_);
    for (const auto& [id, listener] : listeners_) Accept(id, listener);
    for (auto link = links_.begin(); link != links_.end();) {
      if (!link->dead)
        Serve(&*link);
      if (!link->dead) {
        ++link;
        continue;
      }
      close(link->dialer);
      if (link->node >= 0)
        close(link->node);
      link = links_.erase(link);
    }
  }
}

// A socket that nothing may happen on is not looked at: its end must not be noticed either.
size_t PeerProxies::Watch(int fd, bool read, bool write) {
  const auto events = static_cast<short>((read ? POLLIN : 0) | (write ? POLLOUT : 0));
  polled_.push_back({events == 0 ? -1 : fd, events, 0});
  return polled_.size() - 1;
}

void PeerProxies::Poll() {
  {
    const std::lock_guard lock(mutex_);
    polled_.clear();
    for (const auto& [id, listener] : listeners_) Watch(listener.fd, true, false);
    for (Link& link : links_) {
      const bool up = !IsHeld(link.from, link.to);
      const bool down = !IsHeld(link.to, link.from);
      link.dialer_at =
          Watch(link.dialer, up && link.up.size() < kBufferMax, down && !link.down.empty());
      link.node_at =
          Watch(link.node, down && link.down.size() < kBufferMax, up && !link.up.empty());
    }
  }
  poll(polled_.data(), polled_.size(), kPollMs);
}

void PeerProxies::Accept(int to, const Listener& listener) {
  const int fd = accept4(listener.fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0)
    return;
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  Link link;
  link.to = to;
  link.dialer = fd;
  links_.push_back(std::move(link));
}

void PeerProxies::Serve(Link* link) {
  const bool polled = link->node_at < polled_.size() && link->node_at > 0;
  const short dialer = polled ? polled_[link->dialer_at].revents : short{0};
  const short node = polled ? polled_[link->node_at].revents : short{0};
  // What was held since the poll stays where it is.
  if (!IsHeld(link->from, link->to))
    Move(link->dialer, link->node, dialer, &link->up, link);
  if (link->from == 0)
    ReadHello(link);
  if (link->from != 0 && link->node < 0 && !link->dead)
    Dial(link);
  if (link->node >= 0 && !IsHeld(link->to, link->from))
    Move(link->node, link->dialer, node, &link->down, link);
}

// Moves what there is from `in` to `buffer` to `out`; the end of either ends the link.
void PeerProxies::Move(int in, int out, short events, std::string* buffer, Link* link) {
  if ((events & (POLLIN | POLLHUP | POLLERR)) != 0 && buffer->size() < kBufferMax) {
    char bytes[16384];
    const ssize_t n = recv(in, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n > 0)
      buffer->append(bytes, static_cast<size_t>(n));
    else if (n == 0 || !WouldBlock())
      link->dead = true;
  }
  if (out >= 0 && !buffer->empty()) {
    const ssize_t n = send(out, buffer->data(), buffer->size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0)
      buffer->erase(0, static_cast<size_t>(n));
    else if (!WouldBlock())
      link->dead = true;
  }
}

void PeerProxies::ReadHello(Link* link) const {
  net::FrameReader reader;
  const char* broken = reader.Feed(link->up, [&](net::FrameType type, std::string_view body) {
    const auto hello = net::DecodeHello(body);
    for (const auto& [id, listener] : listeners_)
      if (type == net::FrameType::kHello && hello &&
          hello->peer_address == "127.0.0.1:" + std::to_string(listener.port))
        link->from = id;
    return false;
  });
  link->dead |= broken != nullptr && link->from == 0;
}

void PeerProxies::Dial(Link* link) {
  // A connection needs both directions.
  if (IsHeld(link->from, link->to) || IsHeld(link->to, link->from))
    return;
  link->node = Socket();
  const sockaddr_in address = Loopback(listeners_.at(link->to).peer);
  if (connect(link->node, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
      !WouldBlock())
    link->dead = true;
  ++connected_;
}

}  // namespace synod::histories
