#include "src/node/state_load.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace synod::node {
namespace {

constexpr size_t kBatchBytes = size_t{256} << 10;
constexpr size_t kBatchesMax = 8;

// Records, one behind the other.
struct Batch {
  struct Sizes {
    size_t key;
    size_t value;
  };
  std::string bytes;
  std::vector<Sizes> sizes;
};

// From the thread that reads to the one that loads.
class Handover {
 public:
  // False once the other side has ended it.
  bool Push(Batch batch) {
    std::unique_lock hold(mutex_);
    changed_.wait(hold, [this] { return ended_ || batches_.size() < kBatchesMax; });
    if (ended_)
      return false;
    batches_.push_back(std::move(batch));
    changed_.notify_all();
    return true;
  }
  // Nothing once all is taken and the other side has ended it.
  std::optional<Batch> Pop() {
    std::unique_lock hold(mutex_);
    changed_.wait(hold, [this] { return ended_ || !batches_.empty(); });
    if (batches_.empty())
      return std::nullopt;
    Batch batch = std::move(batches_.front());
    batches_.pop_front();
    changed_.notify_all();
    return batch;
  }
  void End() {
    const std::lock_guard hold(mutex_);
    ended_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Batch> batches_;
  bool ended_ = false;
};

Status ReadRecords(storage::StateStore& state, Handover* handover) {
  Batch batch;
  const Status read = state.Load([&](std::string_view key, std::string_view value) -> Status {
    batch.bytes.append(key).append(value);
    batch.sizes.push_back({key.size(), value.size()});
    if (batch.bytes.size() >= kBatchBytes && !handover->Push(std::exchange(batch, {})))
      return Error{Errc::kInternal, Outcome::kNotApplied, "the records are not wanted"};
    return Done();
  });
  if (read)
    handover->Push(std::move(batch));
  handover->End();
  return read;
}

Status LoadRecords(const Batch& batch, machine::Machine* machine) {
  std::string_view rest = batch.bytes;
  for (const Batch::Sizes& sizes : batch.sizes) {
    if (Status ok =
            machine->LoadRecord(rest.substr(0, sizes.key), rest.substr(sizes.key, sizes.value));
        !ok)
      return ok;
    rest.remove_prefix(sizes.key + sizes.value);
  }
  return Done();
}

Error Bad(std::string what) {
  return Error{Errc::kInternal, Outcome::kNotApplied, "the snapshot " + std::move(what)};
}

}  // namespace

Result<machine::Machine> LoadState(storage::StateStore& state,
                                   const std::string& dir,
                                   uint32_t machine_version) {
  machine::Machine machine{auth::Settings(), machine_version};
  if (state.slot() == Slot())
    return machine;
  Handover handover;
  Status read = Done();
  std::thread reader([&] { read = ReadRecords(state, &handover); });
  Status loaded = Done();
  while (loaded) {
    const std::optional<Batch> batch = handover.Pop();
    if (!batch)
      break;
    loaded = LoadRecords(*batch, &machine);
  }
  handover.End();
  reader.join();
  if (loaded && !read)
    return read.error();
  if (loaded)
    loaded = machine.FinishLoad();
  if (!loaded)
    return storage::StateDamage(dir, loaded.error().detail);
  if (machine.digest() != state.digest() || machine.applied() != state.slot())
    return storage::StateDamage(dir, "its digest is not the one it was written with");
  return machine;
}

Result<storage::SnapshotHeader> LoadSnapshot(storage::SnapshotStore& store,
                                             const Hash128& cluster_id,
                                             const storage::RecordVisitor& also,
                                             machine::Machine* machine) {
  const Result<storage::SnapshotInfo> info =
      store.VisitPart([&](std::string_view key, std::string_view value) {
        if (Status ok = machine->LoadRecord(key, value); !ok)
          return ok;
        return also(key, value);
      });
  if (!info)
    return info.error();
  const storage::SnapshotHeader& header = info->header;
  if (header.cluster_id != cluster_id)
    return Bad("is of another cluster");
  if (Status ok = machine->FinishLoad(); !ok)
    return Bad("does not fit together: " + ok.error().detail);
  if (machine->applied() != header.slot || machine->digest() != header.digest)
    return Bad("is not the state that it says: slot or digest differ");
  return header;
}

}  // namespace synod::node
