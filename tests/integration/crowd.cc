#include "tests/integration/crowd.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <stdexcept>
#include <utility>

namespace synod::integration {

int ConnectTo(uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    const int error = errno;
    ::close(fd);
    throw std::runtime_error("cannot connect to port " + std::to_string(port) + ": errno " +
                             std::to_string(error));
  }
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::fcntl(fd, F_SETFL, O_NONBLOCK);
  return fd;
}

uint64_t RaiseDescriptorLimit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

Crowd::Crowd(uint16_t port, size_t connections, std::string request)
    : request_(std::move(request)), members_(connections), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  for (size_t i = 0; i < members_.size(); ++i) {
    members_[i].fd = ConnectTo(port);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, members_[i].fd, &event);
  }
  thread_ = std::thread([this] { Run(); });
}

Crowd::~Crowd() {
  Stop();
  ::close(epoll_);
}

void Crowd::Stop() {
  stop_ = true;
  if (thread_.joinable())
    thread_.join();
  for (Member& member : members_) {
    if (member.fd >= 0)
      ::close(std::exchange(member.fd, -1));
  }
}

uint64_t Crowd::answers() const {
  uint64_t sum = 0;
  for (const auto& n : by_status_) sum += n;
  return sum;
}

void Crowd::Run() {
  for (const Member& member : members_) Ask(member);
  std::array<epoll_event, 256> events{};
  while (!stop_) {
    const int n = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 50);
    for (int i = 0; i < n && !stop_; ++i)
      OnReadable(&members_[events[static_cast<size_t>(i)].data.u64]);
  }
}

// One request fits into what the kernel keeps for a connection on which nothing else is sent.
void Crowd::Ask(const Member& member) {
  (void)::send(member.fd, request_.data(), request_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void Crowd::OnReadable(Member* member) {
  static thread_local std::array<char, 65536> buffer;
  const ssize_t n = ::recv(member->fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (n > 0)
    Take(member, {buffer.data(), static_cast<size_t>(n)});
  else if (n == 0 || (errno != EAGAIN && errno != EINTR))
    End(member);
}

void Crowd::Take(Member* member, std::string_view bytes) {
  while (!bytes.empty()) {
    const uint64_t of_body = std::min<uint64_t>(member->body_left, bytes.size());
    member->body_left -= of_body;
    bytes.remove_prefix(of_body);
    if (of_body > 0 && member->body_left == 0)
      Ask(*member);
    if (bytes.empty())
      return;
    member->in.append(bytes);
    bytes = {};
    const size_t end = member->in.find("\r\n\r\n");
    if (end == std::string::npos)
      return;
    const std::string in = std::exchange(member->in, {});
    OnHead(member, std::string_view(in).substr(0, end + 2));
    Take(member, std::string_view(in).substr(end + 4));
  }
}

void Crowd::OnHead(Member* member, std::string_view head) {
  const int status = std::atoi(head.data() + std::min<size_t>(9, head.size()));
  ++by_status_[static_cast<size_t>(std::clamp(status, 0, 599))];
  if ((status == 429 || status == 503) && head.find("\r\nRetry-After: ") == head.npos)
    ++without_retry_after_;
  const std::string_view name = "\r\nContent-Length: ";
  const size_t at = head.find(name);
  member->body_left =
      at == head.npos ? 0 : std::strtoull(head.data() + at + name.size(), nullptr, 10);
  if (member->body_left == 0)
    Ask(*member);
}

void Crowd::End(Member* member) {
  ::close(std::exchange(member->fd, -1));
  ++ended_;
}

}  // namespace synod::integration
