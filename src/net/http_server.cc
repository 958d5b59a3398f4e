#include "src/net/http_server.h"

#include <sys/resource.h>

#include <algorithm>
#include <ctime>
#include <utility>
#include <vector>

#include "src/base/check.h"
#include "src/net/http_connection.h"
#include "src/net/listen.h"

namespace synod::net {
namespace {

constexpr uint32_t kConnectionsMax = 20'000;
// Descriptors left to logs, tables, peers and the process itself.
constexpr uint64_t kDescriptorsKept = 1000;
// Connections over the limit that are told so; those beyond are closed without a word.
constexpr uint64_t kRejectedAtOnce = 100;
// Connections taken before the loop sees to everything else. One at a time, each would wait for
// that: thousands that come at once under load would wait for seconds.
constexpr int kAcceptedPerTurn = 32;

// Clients must not take the descriptors that the node needs to write its files.
uint32_t ConnectionsMax(uint32_t wanted) {
  wanted = wanted == 0 ? kConnectionsMax : wanted;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
    return wanted;
  // Under a tiny limit the rule would leave nothing: then half of it.
  const uint64_t room = limit.rlim_cur > 2 * kDescriptorsKept ? limit.rlim_cur - kDescriptorsKept
                                                              : limit.rlim_cur / 2;
  return static_cast<uint32_t>(std::min<uint64_t>(room, wanted));
}

}  // namespace

class HttpServer::Core : public std::enable_shared_from_this<Core> {
 public:
  Core(asio::io_context& io, HttpHandler& handler, HttpOptions options)
      : shared_(std::make_shared<HttpShared>(io, handler, Completed(options))), timer_(io) {
    shared_->self = shared_;
    shared_->counters.connections_max = shared_->options.connections_max;
  }

  void Start() {
    if (!shared_->options.own_clock) {
      UpdateDate();
      return;
    }
    Sweep(SteadyUs() / 1000);
    ArmTimer();
  }

  Status Listen(const std::string& host, uint16_t port) {
    Result<Acceptor> listening = ListenOn(shared_->io, host, port);
    if (listening.has_error())
      return listening.error();
    error_code ec;
    listening->non_blocking(true, ec);
    acceptors_.push_back(std::make_unique<Acceptor>(std::move(*listening)));
    Accept(acceptors_.size() - 1);
    return Done();
  }

  uint16_t port() const {
    SYNOD_CHECK(!acceptors_.empty());
    error_code ec;
    return acceptors_.front()->local_endpoint(ec).port();
  }

  void StopAccepting() {
    error_code ignored;
    for (const auto& acceptor : acceptors_) acceptor->close(ignored);
  }

  void CloseIdle() {
    for (const auto& connection : Snapshot()) connection->CloseWhenIdle();
  }

  void Close() {
    StopAccepting();
    timer_.cancel();
    closed_ = true;
    for (const auto& connection : Snapshot()) connection->Close();
    shared_->Drop();
  }

  void Sweep(int64_t now_ms) {
    shared_->now_ms = now_ms;
    UpdateDate();
    for (const auto& connection : Snapshot()) connection->Sweep();
    for (const size_t index : std::exchange(paused_acceptors_, {})) Accept(index);
  }

  const HttpCounters& counters() const { return shared_->counters; }

 private:
  static HttpOptions Completed(HttpOptions options) {
    options.connections_max = ConnectionsMax(options.connections_max);
    return options;
  }

  // Closing one connection may call back, and that may close another: never walk the live list.
  std::vector<std::shared_ptr<HttpConnection>> Snapshot() const {
    return {shared_->connections.begin(), shared_->connections.end()};
  }

  void UpdateDate() { shared_->date = HttpDate(static_cast<int64_t>(std::time(nullptr))); }

  void ArmTimer() {
    timer_.expires_after(std::chrono::seconds(1));
    timer_.async_wait([self = shared_from_this()](error_code ec) {
      if (ec || self->closed_)
        return;
      self->Sweep(SteadyUs() / 1000);
      self->ArmTimer();
    });
  }

  void Accept(size_t index) {
    if (!acceptors_[index]->is_open())
      return;
    acceptors_[index]->async_wait(Acceptor::wait_read,
                                  [self = shared_from_this(), index](error_code ec) {
                                    if (ec == asio::error::operation_aborted || self->closed_)
                                      return;
                                    // Out of descriptors or memory: asking at once would spin.
                                    if (self->AcceptSome(*self->acceptors_[index]))
                                      self->Accept(index);
                                    else
                                      self->paused_acceptors_.push_back(index);
                                  });
  }

  // False if no connection can be taken now.
  bool AcceptSome(Acceptor& acceptor) {
    for (int i = 0; i < kAcceptedPerTurn; ++i) {
      error_code ec;
      Socket socket = acceptor.accept(ec);
      if (ec == asio::error::would_block)
        return true;
      if (ec && ec != asio::error::connection_aborted)
        return false;
      if (!ec)
        Adopt(std::move(socket));
    }
    return true;
  }

  void Adopt(Socket socket) {
    HttpCounters& counters = shared_->counters;
    const uint64_t limit = shared_->options.connections_max;
    const bool rejected = counters.connections >= limit;
    error_code ec;
    const Tcp::endpoint remote = socket.remote_endpoint(ec);
    if (!ec)
      socket.set_option(Tcp::no_delay(true), ec);
    if (!ec)
      socket.non_blocking(true, ec);
    if (rejected)
      ++counters.rejected;
    if (ec || counters.connections >= limit + kRejectedAtOnce)
      return;
    ++counters.accepted;
    ++counters.connections;
    auto connection = std::make_shared<HttpConnection>(
        shared_, Wire(std::move(socket), shared_->options.tls.get()), remote);
    shared_->connections.push_back(connection);
    connection->Start(std::prev(shared_->connections.end()));
    if (rejected)
      connection->RefuseAll(Errc::kOverloaded, "too many connections");
  }

  std::shared_ptr<HttpShared> shared_;
  std::vector<std::unique_ptr<Acceptor>> acceptors_;
  std::vector<size_t> paused_acceptors_;
  SteadyTimer timer_;
  bool closed_ = false;
};

HttpServer::HttpServer(asio::io_context& io, HttpHandler& handler, HttpOptions options)
    : core_(std::make_shared<Core>(io, handler, options)) {
  core_->Start();
}

HttpServer::~HttpServer() { core_->Close(); }

Status HttpServer::Listen(const std::string& host, uint16_t port) {
  return core_->Listen(host, port);
}
uint16_t HttpServer::port() const { return core_->port(); }
void HttpServer::StopAccepting() { core_->StopAccepting(); }
void HttpServer::CloseIdle() { core_->CloseIdle(); }
void HttpServer::Close() { core_->Close(); }
void HttpServer::Sweep(int64_t now_ms) { core_->Sweep(now_ms); }
const HttpCounters& HttpServer::counters() const { return core_->counters(); }

}  // namespace synod::net
