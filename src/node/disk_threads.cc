#include "src/node/disk_threads.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "src/node/log.h"
#include "src/node/state_load.h"
#include "src/storage/thread_priority.h"

namespace synod::node {
namespace {

constexpr std::chrono::milliseconds kStorageFullRetry{200};
constexpr uint64_t kScrubBytesPerSecond = uint64_t{8} << 20;

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

DiskThreads::DiskThreads(net::asio::io_context& io, Files files, Callbacks callbacks)
    : io_(io),
      log_(std::move(files.log)),
      state_(std::move(files.state)),
      snapshots_(std::move(files.snapshots)),
      state_dir_for_(std::move(files.state_dir_for)),
      cluster_id_(files.cluster_id),
      machine_version_(files.machine_version),
      leave_free_(files.leave_free),
      callbacks_(std::move(callbacks)) {
  stats_.append_buckets.resize(AppendBounds().size() + 1);
  stats_.state_bytes = state_->ApproximateBytes();
  for (Worker* worker : {&scrub_worker_, &snapshot_worker_, &state_worker_})
    worker->Post(storage::GiveWay);
  snapshot_worker_.Post([this] { RecoverSnapshots(); });
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
  {
    const std::lock_guard lock(mutex_);
    ++stats_.appends;
    stats_.append_micros += micros;
    ++stats_.append_buckets[static_cast<size_t>(bucket)];
  }
  net::asio::post(io_, [this, upto = batch.back().id, gen = log_->stats().gen] {
    callbacks_.persisted(upto, gen);
  });
}

void DiskThreads::WriteCheckpoint(CheckpointJob job) {
  state_worker_.Post([this, shared = std::make_shared<CheckpointJob>(std::move(job))] {
    const auto start = std::chrono::steady_clock::now();
    if (const Status s = state_->Write({shared->slot, shared->digest, std::move(shared->records),
                                        log_->stats().gen, std::move(shared->witness),
                                        shared->revision, shared->time, shared->machine_version});
        !s)
      Die("the state cannot be written", s.error());
    {
      const std::lock_guard lock(mutex_);
      ++stats_.checkpoints;
      stats_.checkpoint_micros += MicrosSince(start);
      stats_.state_bytes = state_->ApproximateBytes();
    }
    // Here and not on the log's thread: removing a segment would hold up the appends.
    const Result<Slot> first = log_->Recycle(shared->slot, shared->keep_log_above);
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

void DiskThreads::RecoverSnapshots() {
  if (const Status s = snapshots_->Recover(); !s)
    LogWarn("snapshots of an earlier run cannot be read", {{"error", s.error().detail}});
  std::vector<SnapshotFile> files;
  for (const storage::KeptSnapshot& kept : snapshots_->kept())
    files.push_back({kept.id, kept.slot, kept.bytes});
  std::optional<SnapshotPart> part;
  if (const auto& found = snapshots_->part())
    part = SnapshotPart{found->id, found->total, found->received};
  net::asio::post(io_, [this, files, part] { callbacks_.recovered(files, part); });
}

void DiskThreads::Snapshot(SnapshotJob job) {
  if (std::holds_alternative<MakeSnapshot>(job)) {
    // The view is taken between two checkpoints and read beside the later ones.
    state_worker_.Post([this] {
      const std::shared_ptr<storage::StateSnapshot> state = state_->TakeSnapshot();
      const uint64_t bytes = state_->ApproximateBytes();
      snapshot_worker_.Post([this, state, bytes] { Make(*state, bytes); });
    });
    return;
  }
  snapshot_worker_.Post([this, shared = std::make_shared<SnapshotJob>(std::move(job))] {
    std::visit(
        [this](const auto& j) {
          if constexpr (!std::is_same_v<std::decay_t<decltype(j)>, MakeSnapshot>)
            Run(j);
        },
        *shared);
  });
}

void DiskThreads::Make(storage::StateSnapshot& state, uint64_t state_bytes) {
  const auto start = std::chrono::steady_clock::now();
  Result<storage::KeptSnapshot> kept =
      snapshots_->Make(state, cluster_id_, state_bytes + leave_free_);
  Result<SnapshotFile> made = SnapshotFile{};
  if (kept) {
    made = SnapshotFile{kept->id, kept->slot, kept->bytes};
    LogInfo(
        "snapshot made",
        {{"slot", kept->slot.value}, {"bytes", kept->bytes}, {"ms", MicrosSince(start) / 1000}});
  } else {
    made = kept.error();
    LogWarn("no snapshot could be made", {{"error", kept.error().detail}});
  }
  net::asio::post(io_, [this, made] { callbacks_.made(made); });
}

void DiskThreads::Run(const ReadSnapshot& job) {
  Result<Bytes> bytes = snapshots_->Read(job.id, job.offset, job.bytes);
  net::asio::post(
      io_, [this, job, b = std::move(bytes)]() mutable { callbacks_.read(job, std::move(b)); });
}

void DiskThreads::Run(const RemoveSnapshot& job) {
  if (const Status s = snapshots_->Remove(job.id); !s)
    LogWarn("an unused snapshot cannot be removed", {{"error", s.error().detail}});
}

void DiskThreads::Run(const StoreSnapshotPart& job) {
  const Status stored = snapshots_->StorePart(job.id, job.total, job.offset, job.bytes);
  if (!stored)
    LogWarn("a part of a snapshot cannot be stored", {{"error", stored.error().detail}});
  net::asio::post(io_, [this, stored] { callbacks_.stored(stored); });
}

void DiskThreads::Run(const DropSnapshotPart&) {
  if (const Status s = snapshots_->DropPart(); !s)
    LogWarn("what was received of a snapshot cannot be removed", {{"error", s.error().detail}});
}

void DiskThreads::Run(const BuildSnapshot& job) {
  const auto start = std::chrono::steady_clock::now();
  Result<std::shared_ptr<BuiltState>> built = Build(job.witness);
  if (built)
    LogInfo("snapshot received and checked", {{"slot", (*built)->machine.applied().value},
                                              {"nodes", (*built)->machine.counts().nodes},
                                              {"ms", MicrosSince(start) / 1000}});
  else
    LogWarn("a snapshot was received that cannot be used", {{"error", built.error().detail}});
  net::asio::post(io_, [this, b = std::move(built)] { callbacks_.built(b); });
}

Result<std::shared_ptr<BuiltState>> DiskThreads::Build(const Bytes& witness) {
  const Error stopping{Errc::kShuttingDown, Outcome::kNotApplied, "the node is stopping"};
  // As it is now: a lower bound of what the log holds when the state takes effect.
  const uint64_t log_gen = log_->stats().gen;
  if (log_gen == 0)
    return Error{Errc::kNotReady, Outcome::kNotApplied, "the acceptor log is empty still"};
  const Result<storage::SnapshotHeader> wanted = snapshots_->PartHeader();
  if (!wanted)
    return wanted.error();
  const std::string dir = state_dir_for_(wanted->slot);
  Result<std::unique_ptr<storage::StateImport>> import =
      storage::StateImport::Create(storage::PosixFileSystem(), dir);
  if (!import)
    return import.error();
  auto built = std::make_shared<BuiltState>(
      BuiltState{machine::Machine{auth::Settings(), machine_version_}, nullptr});
  const Result<storage::SnapshotHeader> header = LoadSnapshot(
      *snapshots_, cluster_id_,
      [&](std::string_view key, std::string_view value) {
        return stopping_ ? Status(stopping) : (*import)->Add(key, value);
      },
      &built->machine);
  if (header) {
    Result<std::unique_ptr<storage::StateStore>> store =
        (*import)->Finish({header->slot,
                           header->digest,
                           {},
                           log_gen,
                           witness,
                           header->revision,
                           header->time,
                           built->machine.version()});
    if (store) {
      built->store = *std::move(store);
      return built;
    }
    RemoveState(dir);
    return store.error();
  }
  RemoveState(dir);
  return header.error();
}

void DiskThreads::ReplaceState(std::unique_ptr<storage::StateStore> state, std::string old_dir) {
  state_worker_.Post(
      [this, dir = std::move(old_dir),
       next = std::make_shared<std::unique_ptr<storage::StateStore>>(std::move(state))] {
        state_ = std::move(*next);
        RemoveState(dir);
        const std::lock_guard lock(mutex_);
        stats_.state_bytes = state_->ApproximateBytes();
      });
}

void DiskThreads::Destroy(machine::Machine machine) {
  snapshot_worker_.Post(
      [last = std::make_shared<machine::Machine>(std::move(machine))]() mutable { last.reset(); });
}

// What cannot be removed now goes at the next start.
void DiskThreads::RemoveState(const std::string& dir) {
  if (const Status s = storage::RemoveTree(storage::PosixFileSystem(), dir); !s)
    LogWarn("a state that is not used any more cannot be removed", {{"error", s.error().detail}});
}

void DiskThreads::Scrub(std::function<void(const ScrubReport&)> done) {
  state_worker_.Post([this, done = std::move(done)] {
    const std::shared_ptr<storage::StateSnapshot> state = state_->TakeSnapshot();
    scrub_worker_.Post([this, done, state] {
      uint64_t unpaused = 0;
      const auto pause = [&](uint64_t bytes) {
        unpaused += bytes;
        for (; unpaused >= kScrubBytesPerSecond / 100 && !stopping_;
             unpaused -= kScrubBytesPerSecond / 100)
          std::this_thread::sleep_for(std::chrono::milliseconds(10));
        return !stopping_.load();
      };
      ScrubReport report;
      ScrubLog(*log_, state->slot(), pause, &report);
      ScrubState(*state, pause, &report);
      if (!stopping_)
        net::asio::post(io_, [done, report] { done(report); });
    });
  });
}

void DiskThreads::TakeState(std::function<void(std::shared_ptr<storage::StateSnapshot>)> taken) {
  state_worker_.Post([this, taken = std::move(taken)] {
    net::asio::post(io_,
                    [taken, state = std::shared_ptr(state_->TakeSnapshot())] { taken(state); });
  });
}

DiskThreads::Stats DiskThreads::stats() const {
  Stats stats;
  {
    const std::lock_guard lock(mutex_);
    stats = stats_;
  }
  // As it is now: an append may be waiting for room.
  stats.log = log_->stats();
  return stats;
}

}  // namespace synod::node
