#include "src/node/backup.h"

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "src/node/log.h"

namespace synod::node {
namespace {

constexpr size_t kWriteBytes = size_t{256} << 10;

}  // namespace

class Backup::Core : public std::enable_shared_from_this<Core> {
 public:
  Core(net::asio::io_context& io,
       std::shared_ptr<net::Exchange> exchange,
       std::shared_ptr<storage::StateSnapshot> state,
       storage::SnapshotHeader header,
       std::function<void()> done)
      : io_(io),
        exchange_(std::move(exchange)),
        state_(std::move(state)),
        header_(header),
        done_(std::move(done)) {}

  void Start(net::HttpResponse head) {
    exchange_->OnGone([weak = weak_from_this()] {
      if (const auto core = weak.lock())
        core->End(false);
    });
    exchange_->StartStream(std::move(head));
    thread_ = std::thread([this] { Run(); });
  }

  // Ends the thread; nothing is called back any more.
  void Stop() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    taken_.notify_one();
    thread_.join();
    done_ = nullptr;
    exchange_.reset();  // unfinished: the connection breaks
  }

 private:
  // The thread.
  void Run() {
    std::string out;
    storage::SnapshotEncoder encoder(header_, &out);
    Status read = state_->ForEach([&](std::string_view key, std::string_view value) -> Status {
      encoder.Add(key, value);
      return out.size() < kWriteBytes || Give(&out) ? Done() : Status(Broken());
    });
    if (read) {
      encoder.Finish();
      read = Give(&out) ? Done() : Status(Broken());
    }
    const bool whole = read.has_value();
    if (!whole && read.error().code != Errc::kShuttingDown)
      LogError("a backup broke off", {{"error", read.error().detail}});
    net::asio::post(io_, [core = shared_from_this(), whole] { core->End(whole); });
  }
  static Error Broken() { return {Errc::kShuttingDown, Outcome::kNotApplied, "nobody takes it"}; }

  // Hands it over and waits until there is room for more. False: stop.
  bool Give(std::string* bytes) {
    auto chunk = std::make_shared<const std::string>(std::exchange(*bytes, {}));
    std::unique_lock lock(mutex_);
    ahead_ += chunk->size();
    net::asio::post(io_, [core = shared_from_this(), chunk] { core->Write(chunk); });
    taken_.wait(lock, [this] { return stop_ || ahead_ < kAheadBytes; });
    return !stop_;
  }

  // The loop.
  void Write(const SharedBytes& chunk) {
    if (!exchange_)
      return;
    exchange_->Write(chunk);
    untaken_ += chunk->size();
    if (exchange_->QueuedBytes() < kWriteBytes) {
      Taken();
    } else if (!waits_) {
      waits_ = true;
      exchange_->OnDrained([weak = weak_from_this()] {
        const auto core = weak.lock();
        if (core && core->exchange_) {
          core->waits_ = false;
          core->Taken();
        }
      });
    }
  }

  void Taken() {
    {
      const std::lock_guard lock(mutex_);
      ahead_ -= std::exchange(untaken_, 0);
    }
    taken_.notify_one();
  }

  void End(bool whole) {
    if (whole && exchange_)
      exchange_->EndStream();
    // Its owner destroys this, which joins the thread: not from within a callback of the exchange.
    if (done_)
      net::asio::post(io_, std::exchange(done_, nullptr));
  }

  net::asio::io_context& io_;
  std::shared_ptr<net::Exchange> exchange_;
  const std::shared_ptr<storage::StateSnapshot> state_;
  const storage::SnapshotHeader header_;
  std::function<void()> done_;
  bool waits_ = false;
  size_t untaken_ = 0;  // written to the exchange, and its queue was long
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable taken_;
  size_t ahead_ = 0;   // given and not yet taken; under mutex_
  bool stop_ = false;  // under mutex_
};

Backup::Backup(net::asio::io_context& io,
               std::shared_ptr<net::Exchange> exchange,
               net::HttpResponse head,
               std::shared_ptr<storage::StateSnapshot> state,
               storage::SnapshotHeader header,
               std::function<void()> done)
    : core_(std::make_shared<Core>(
          io, std::move(exchange), std::move(state), header, std::move(done))) {
  core_->Start(std::move(head));
}

Backup::~Backup() { core_->Stop(); }

}  // namespace synod::node
