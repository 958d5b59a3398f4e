#include "src/node/disk_threads.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "src/node/log.h"

namespace synod::node {
namespace {

constexpr std::chrono::milliseconds kStorageFullRetry{200};

// The one way out after a disk error: no destructors, no flushing, no second try.
[[noreturn]] void Die(const char* what, const Error& error) {
  LogError(what, {{"error", error.detail}, {"code", std::string(Name(error.code))}});
  _exit(70);
}

uint64_t MicrosSince(std::chrono::steady_clock::time_point start) {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(
                                   std::chrono::steady_clock::now() - start)
                                   .count());
}

}  // namespace

Worker::Worker() : thread_([this] { Run(); }) {}

Worker::~Worker() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Worker::Post(std::function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(job));
  }
  wake_.notify_one();
}

void Worker::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stop_ || !queue_.empty(); });
    if (queue_.empty())
      return;
    std::vector<std::function<void()>> jobs = std::exchange(queue_, {});
    lock.unlock();
    for (const auto& job : jobs) job();
    lock.lock();
  }
}

const std::vector<double>& DiskThreads::AppendBounds() {
  static const std::vector<double> kBounds = {0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005,
                                              0.01,   0.02,   0.05,   0.1,   0.5,   1};
  return kBounds;
}

DiskThreads::DiskThreads(net::asio::io_context& io,
                         std::unique_ptr<storage::AcceptorLog> log,
                         std::unique_ptr<storage::StateStore> state,
                         Callbacks callbacks)
    : io_(io), log_(std::move(log)), state_(std::move(state)), callbacks_(std::move(callbacks)) {
  stats_.append_buckets.resize(AppendBounds().size() + 1);
  stats_.log = log_->stats();
  stats_.state_bytes = state_->ApproximateBytes();
}

DiskThreads::~DiskThreads() { stopping_ = true; }

void DiskThreads::Append(std::vector<consensus::PersistRequest> requests) {
  bool idle = false;
  {
    const std::lock_guard lock(mutex_);
    idle = queued_.empty();
    std::move(requests.begin(), requests.end(), std::back_inserter(queued_));
  }
  // If something was queued already, its job takes this along.
  if (idle)
    log_worker_.Post([this] { AppendQueued(); });
}

void DiskThreads::AppendQueued() {
  std::vector<consensus::PersistRequest> batch;
  {
    const std::lock_guard lock(mutex_);
    batch = std::exchange(queued_, {});
  }
  const auto start = std::chrono::steady_clock::now();
  Status appended = log_->Append(batch);
  // Nothing was written and nothing is lost: the others go on without this node's votes, and it
  // goes on when there is room again (a checkpoint frees old segments, or the operator makes some).
  for (bool told = false; !appended && appended.error().code == Errc::kStorageFull; told = true) {
    if (!told)
      LogError("no room for the acceptor log; this node cannot vote until there is",
               {{"error", appended.error().detail}});
    if (stopping_)
      return;
    std::this_thread::sleep_for(kStorageFullRetry);
    appended = log_->Append(batch);
  }
  if (!appended)
    Die("the acceptor log cannot be written; this node stops so as not to forget a vote",
        appended.error());
  const uint64_t micros = MicrosSince(start);
  const auto& bounds = AppendBounds();
  const auto bucket =
      std::lower_bound(bounds.begin(), bounds.end(), static_cast<double>(micros) * 1e-6) -
      bounds.begin();
  const storage::AcceptorLog::Stats log = log_->stats();
  {
    const std::lock_guard lock(mutex_);
    stats_.log = log;
    ++stats_.appends;
    stats_.append_micros += micros;
    ++stats_.append_buckets[static_cast<size_t>(bucket)];
  }
  net::asio::post(
      io_, [this, upto = batch.back().id, gen = log.gen] { callbacks_.persisted(upto, gen); });
}

void DiskThreads::WriteCheckpoint(CheckpointJob job) {
  state_worker_.Post([this, shared = std::make_shared<CheckpointJob>(std::move(job))] {
    const auto start = std::chrono::steady_clock::now();
    if (const Status s = state_->Write({shared->slot, shared->digest, std::move(shared->records),
                                        log_->stats().gen, std::move(shared->witness)});
        !s)
      Die("the state cannot be written", s.error());
    {
      const std::lock_guard lock(mutex_);
      ++stats_.checkpoints;
      stats_.checkpoint_micros += MicrosSince(start);
      stats_.state_bytes = state_->ApproximateBytes();
    }
    // Here and not on the log's thread: removing a segment would hold up the appends.
    const Result<Slot> first = log_->Recycle(shared->slot);
    if (!first)
      Die("the acceptor log cannot be recycled", first.error());
    net::asio::post(
        io_, [this, slot = shared->slot, kept = *first] { callbacks_.checkpointed(slot, kept); });
  });
}

void DiskThreads::Load(const consensus::LoadRequest& request) {
  state_worker_.Post([this, request] {
    Result<std::vector<consensus::Chosen>> entries =
        log_->ReadChosen(request.from, request.bytes_max);
    if (!entries)
      Die("the acceptor log cannot be read", entries.error());
    net::asio::post(io_, [this, request, e = *std::move(entries)]() mutable {
      callbacks_.loaded(request, std::move(e));
    });
  });
}

DiskThreads::Stats DiskThreads::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

}  // namespace synod::node
