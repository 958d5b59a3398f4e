// What the machine takes to answer a request with 300 fixed bytes: `floor epoll PORT` is a loop of
// epoll, recv and send, `floor beast PORT` a minimal server of Boost.Beast. Both on 127.0.0.1, of
// one thread, until they are killed; requests are GETs, one at a time on each connection.
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

constexpr size_t kBodyBytes = 300;

void ServeByEpoll(tcp::acceptor* acceptor) {
  const std::string answer =
      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " +
      std::to_string(kBodyBytes) + "\r\n\r\n" + std::string(kBodyBytes, ' ');
  const int epoll = ::epoll_create1(0);
  const auto add = [&](int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
  };
  const int listener = acceptor->native_handle();
  add(listener);
  std::array<epoll_event, 512> ready;
  std::array<char, 65536> buffer;
  while (true) {
    const int n = ::epoll_wait(epoll, ready.data(), ready.size(), -1);
    for (int i = 0; i < n; ++i) {
      const int fd = ready[static_cast<size_t>(i)].data.fd;
      const int on = 1;
      if (fd == listener) {
        const int client = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
        ::setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        add(client);
      } else if (::recv(fd, buffer.data(), buffer.size(), 0) <= 0 ||
                 ::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) {
        ::close(fd);
      }
    }
  }
}

class BeastConnection : public std::enable_shared_from_this<BeastConnection> {
 public:
  explicit BeastConnection(tcp::socket socket) : socket_(std::move(socket)) {
    socket_.set_option(tcp::no_delay(true));
  }

  void Read() {
    request_ = {};
    http::async_read(socket_, buffer_, request_,
                     [self = shared_from_this()](beast::error_code error, size_t) {
                       if (!error)
                         self->Answer();
                     });
  }

 private:
  void Answer() {
    answer_ = http::response<http::string_body>(http::status::ok, request_.version());
    answer_.set(http::field::content_type, "application/json");
    answer_.keep_alive(request_.keep_alive());
    answer_.body().assign(kBodyBytes, ' ');
    answer_.prepare_payload();
    http::async_write(socket_, answer_,
                      [self = shared_from_this()](beast::error_code error, size_t) {
                        if (!error)
                          self->Read();
                      });
  }

  tcp::socket socket_;
  beast::flat_buffer buffer_;
  http::request<http::string_body> request_;
  http::response<http::string_body> answer_;
};

void AcceptByBeast(tcp::acceptor* acceptor) {
  acceptor->async_accept([acceptor](beast::error_code error, tcp::socket socket) {
    if (!error)
      std::make_shared<BeastConnection>(std::move(socket))->Read();
    AcceptByBeast(acceptor);
  });
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view kind = argc == 3 ? argv[1] : "";
  if (kind != "epoll" && kind != "beast") {
    std::fprintf(stderr, "floor epoll|beast PORT\n");
    return 2;
  }
  asio::io_context io(1);
  tcp::acceptor acceptor(
      io, {asio::ip::address_v4::loopback(), static_cast<uint16_t>(std::atoi(argv[2]))});
  if (kind == "epoll")
    ServeByEpoll(&acceptor);
  AcceptByBeast(&acceptor);
  io.run();
}
