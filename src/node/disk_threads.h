// DiskThreads: the node's two disk threads: one appends to the acceptor's log, one keeps the state.
//
// Contract      Appends become durable in order; everything handed over while a sync runs goes into
//               the next record. Results are posted to the loop. Checkpoints and reads of old
//               entries run beside, so that no append waits for them.
// Errors        A full disk makes appends wait. Any other failed append or checkpoint ends the
//               process at once: nobody knows what is on the disk, and the next start finds out.
// Thread        Methods: loop's thread. Callbacks: posted to the loop.
#ifndef SYNOD_NODE_DISK_THREADS_H_
#define SYNOD_NODE_DISK_THREADS_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "consensus/types.h"
#include "src/net/asio.h"
#include "src/node/engine.h"
#include "src/storage/acceptor_log.h"
#include "src/storage/state_store.h"

namespace synod::node {

// Runs jobs in order on a thread of its own.
class Worker {
 public:
  Worker();
  ~Worker();  // runs what is queued, then ends
  void Post(std::function<void()> job);

 private:
  void Run();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::function<void()>> queue_;
  bool stop_ = false;
  std::thread thread_;
};

class DiskThreads {
 public:
  struct Callbacks {
    std::function<void(PersistId, uint64_t gen)> persisted;
    std::function<void(Slot slot, Slot first_kept)> checkpointed;
    std::function<void(const consensus::LoadRequest&, std::vector<consensus::Chosen>)> loaded;
  };
  DiskThreads(net::asio::io_context& io,
              std::unique_ptr<storage::AcceptorLog> log,
              std::unique_ptr<storage::StateStore> state,
              Callbacks callbacks);
  ~DiskThreads();

  void Append(std::vector<consensus::PersistRequest> requests);
  void WriteCheckpoint(CheckpointJob job);
  void Load(const consensus::LoadRequest& request);

  // As of the last finished operation; times are of the log's append (encode, write and sync).
  struct Stats {
    storage::AcceptorLog::Stats log;
    uint64_t state_bytes = 0;
    uint64_t appends = 0;
    uint64_t append_micros = 0;
    uint64_t checkpoints = 0;
    uint64_t checkpoint_micros = 0;
    std::vector<uint64_t> append_buckets;  // counts below kAppendBounds[i], last: above all
  };
  static const std::vector<double>& AppendBounds();  // seconds
  Stats stats() const;

 private:
  void AppendQueued();

  net::asio::io_context& io_;
  std::unique_ptr<storage::AcceptorLog> log_;
  std::unique_ptr<storage::StateStore> state_;
  const Callbacks callbacks_;
  mutable std::mutex mutex_;
  std::vector<consensus::PersistRequest> queued_;  // under mutex_
  Stats stats_;                                    // under mutex_
  std::atomic<bool> stopping_ = false;
  // Last, so that they end first: their jobs use what stands above.
  Worker log_worker_;
  Worker state_worker_;
};

}  // namespace synod::node

#endif  // SYNOD_NODE_DISK_THREADS_H_
