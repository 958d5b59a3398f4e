#include "src/client/asio_runtime.h"

#include <signal.h>
#include <sys/random.h>
#include <time.h>

#include <algorithm>

#include "src/base/check.h"
#include "src/client/http_connection.h"

namespace synod::client {
namespace {

// Under the five minutes after which a node closes it.
constexpr std::chrono::minutes kIdleMax{1};

uint64_t Seed() {
  uint64_t seed = 0;
  SYNOD_CHECK_EQ(getrandom(&seed, sizeof seed, 0), static_cast<ssize_t>(sizeof seed));
  return seed;
}

Result<std::shared_ptr<net::Tls>> Load(const Credentials& c) {
  return net::Tls::Load({c.cert_file, c.key_file, c.ca_file, false});
}

}  // namespace

Status CheckCredentials(const Credentials& credentials) {
  if (credentials.cert_file.empty() != credentials.key_file.empty())
    return Error{Errc::kInvalidRequest, Outcome::kNotApplied,
                 "a certificate and its key belong together"};
  if (const Result<std::shared_ptr<net::Tls>> loaded = Load(credentials); !loaded)
    return loaded.error();
  return Done();
}

Clock::time_point Clock::now() noexcept {
  timespec t{};
  clock_gettime(CLOCK_BOOTTIME, &t);
  return time_point(std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec));
}

AsioRuntime::AsioRuntime(std::vector<Endpoint> endpoints, Credentials credentials)
    : endpoints_(std::move(endpoints)),
      token_(credentials.token),
      work_(io_.get_executor()),
      idle_(endpoints_.size()),
      random_(Seed()) {
  if (endpoints_.front().tls)
    if (Result<std::shared_ptr<net::Tls>> tls = Load(credentials))
      tls_ = *std::move(tls);
  // Signals are for the program's own threads.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { io_.run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

AsioRuntime::~AsioRuntime() { Stop(); }

void AsioRuntime::Stop() {
  if (!thread_.joinable())
    return;
  SYNOD_CHECK(!OnLoop());
  io_.stop();
  thread_.join();
}

void AsioRuntime::Post(Task task) { net::asio::post(io_, std::move(task)); }

Runtime::TimerId AsioRuntime::At(Clock::time_point time, Task task) {
  const TimerId id = ++last_id_;
  auto timer = std::make_unique<ClockTimer>(io_.get_executor(), time);
  timer->async_wait([this, id, task = std::move(task)](const net::error_code&) {
    // Cancelled and forgotten: also when it was about to run.
    if (timers_.erase(id) > 0)
      task();
  });
  timers_[id] = std::move(timer);
  return id;
}

void AsioRuntime::Cancel(TimerId timer) { timers_.erase(timer); }

std::shared_ptr<HttpConnection> AsioRuntime::Idle(size_t endpoint) {
  auto& idle = idle_[endpoint];
  std::erase_if(idle, [now = Now()](const auto& c) { return now - c->idle_since() > kIdleMax; });
  if (idle.empty()) {
    if (tls_)
      (void)tls_->Refresh();  // in vain: those from before may still do
    return std::make_shared<HttpConnection>(io_, endpoints_[endpoint], tls_);
  }
  std::shared_ptr<HttpConnection> last = std::move(idle.back());
  idle.pop_back();
  return last;
}

Runtime::ExchangeId AsioRuntime::Start(Exchange exchange) {
  const ExchangeId id = ++last_id_;
  const size_t endpoint = exchange.endpoint;
  std::shared_ptr<HttpConnection> connection = Idle(endpoint);
  busy_[id] = connection;
  exchange.on_end = [this, id, endpoint,
                     on_end = std::move(exchange.on_end)](Result<HttpReply> result) {
    const auto done = busy_.extract(id);
    if (done.mapped()->reusable())
      idle_[endpoint].push_back(done.mapped());
    on_end(std::move(result));
  };
  if (!token_.empty())
    exchange.request.headers.emplace_back("Authorization", "Bearer " + token_);
  connection->Run(std::move(exchange));
  return id;
}

void AsioRuntime::Abandon(ExchangeId exchange) {
  if (const auto dropped = busy_.extract(exchange); !dropped.empty())
    dropped.mapped()->Close();
}

}  // namespace synod::client
