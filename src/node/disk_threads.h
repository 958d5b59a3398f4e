// DiskThreads: the node's disk threads: one appends to the acceptor's log, one keeps the state, one
// has the files of snapshots, one reads all of it again now and then.
//
// Contract      Appends become durable in order; everything handed over while a sync runs goes into
//               the next record. Results are posted to the loop. Checkpoints and reads of old
//               entries run beside and give way, so that no append waits for them.
// Snapshots     A state that was built from one is handed to the loop; once that has made it the
//               state (StateDirs) it comes back by ReplaceState(), behind every checkpoint of the
//               old one. What fails with a snapshot ends nothing but that snapshot. None is made
//               for others without room for it and some more.
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
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "consensus/types.h"
#include "src/net/asio.h"
#include "src/node/engine.h"
#include "src/node/scrub.h"
#include "src/storage/acceptor_log.h"
#include "src/storage/snapshot_store.h"
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

// A state that a snapshot was turned into, in a directory of its own: For(machine.applied()).
struct BuiltState {
  machine::Machine machine;
  std::unique_ptr<storage::StateStore> store;
};

class DiskThreads {
 public:
  struct Files {
    std::unique_ptr<storage::AcceptorLog> log;
    std::unique_ptr<storage::StateStore> state;
    std::unique_ptr<storage::SnapshotStore> snapshots;
    std::function<std::string(Slot)> state_dir_for;
    Hash128 cluster_id;
    uint32_t machine_version = 1;  // of this build
    uint64_t leave_free = 0;       // bytes of the disk that no snapshot for others takes
  };
  struct Callbacks {
    std::function<void(PersistId, uint64_t gen)> persisted;
    std::function<void(Slot slot, Slot first_kept)> checkpointed;
    std::function<void(const consensus::LoadRequest&, std::vector<consensus::Chosen>)> loaded;
    // Once, soon after the start.
    std::function<void(std::vector<SnapshotFile>, std::optional<SnapshotPart>)> recovered;
    std::function<void(Result<SnapshotFile>)> made;
    std::function<void(const ReadSnapshot&, Result<Bytes>)> read;
    std::function<void(Status)> stored;
    std::function<void(Result<std::shared_ptr<BuiltState>>)> built;
  };
  DiskThreads(net::asio::io_context& io, Files files, Callbacks callbacks);
  ~DiskThreads();

  void Append(std::vector<consensus::PersistRequest> requests);
  void WriteCheckpoint(CheckpointJob job);
  void Load(const consensus::LoadRequest& request);
  void Snapshot(SnapshotJob job);
  // Checkpoints go to `state` from now on; `old_dir` is removed.
  void ReplaceState(std::unique_ptr<storage::StateStore> state, std::string old_dir);
  void RemoveState(const std::string& dir);  // on any thread
  // Gives back the memory of a state, which takes as long as it is large.
  void Destroy(machine::Machine machine);
  // Reads the log and the state at a few MiB a second.
  void Scrub(std::function<void(const ScrubReport&)> done);
  // The state as of the last checkpoint that was written by then.
  void TakeState(std::function<void(std::shared_ptr<storage::StateSnapshot>)> taken);

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
  void RecoverSnapshots();
  // On the snapshots' thread.
  void Make(storage::StateSnapshot& state, uint64_t state_bytes);
  void Run(const ReadSnapshot& job);
  void Run(const RemoveSnapshot& job);
  void Run(const StoreSnapshotPart& job);
  void Run(const DropSnapshotPart& job);
  void Run(const BuildSnapshot& job);
  Result<std::shared_ptr<BuiltState>> Build(const Bytes& witness);

  net::asio::io_context& io_;
  std::unique_ptr<storage::AcceptorLog> log_;
  std::unique_ptr<storage::StateStore> state_;  // of the state's thread
  std::unique_ptr<storage::SnapshotStore> snapshots_;
  const std::function<std::string(Slot)> state_dir_for_;
  const Hash128 cluster_id_;
  const uint32_t machine_version_;
  const uint64_t leave_free_;
  const Callbacks callbacks_;
  mutable std::mutex mutex_;
  std::vector<consensus::PersistRequest> queued_;  // under mutex_
  Stats stats_;                                    // under mutex_
  std::atomic<bool> stopping_ = false;
  // Last, so that they end first: their jobs use what stands above.
  Worker log_worker_;
  Worker scrub_worker_;
  Worker snapshot_worker_;
  Worker state_worker_;  // posts to those before
};

}  // namespace synod::node

#endif  // SYNOD_NODE_DISK_THREADS_H_
