#include "src/node/state_load.h"

#include <malloc.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "src/store/record_codec.h"

namespace synod::node {
namespace {

constexpr size_t kBatchNodes = 1024;
constexpr size_t kRecordBytesMax = size_t{4} << 20;

// Nodes are decoded by the thread that reads, which is most of the work; all else is not.
struct Batch {
  std::vector<store::EntryOwner> nodes;
  std::vector<std::pair<std::string, std::string>> records;
  size_t record_bytes = 0;
};

// From a thread that reads to the one that loads.
class Handover {
 public:
  // False once the other side has ended it. Nodes do not wait: they are where they will stay.
  bool Push(Batch batch) {
    std::unique_lock hold(mutex_);
    changed_.wait(hold, [this] { return ended_ || record_bytes_ < kRecordBytesMax; });
    if (ended_)
      return false;
    record_bytes_ += batch.record_bytes;
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
    record_bytes_ -= batch.record_bytes;
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
  size_t record_bytes_ = 0;
  bool ended_ = false;
};

Status AddTo(Batch* batch, std::string_view key, std::string_view value) {
  if (key.empty() || key[0] != static_cast<char>(RecordTag::kNode)) {
    batch->records.emplace_back(key, value);
    batch->record_bytes += key.size() + value.size();
    return Done();
  }
  Result<store::EntryOwner> node = store::DecodeNode(key, value);
  if (!node)
    return node.error();
  batch->nodes.push_back(std::move(*node));
  return Done();
}

// A thread that reads and decodes the records of a range, while others do the same with other
// ranges.
class RangeReader {
 public:
  RangeReader(storage::StateStore& state, const std::string& dir, storage::KeyRange range)
      : dir_(dir), thread_([this, &state, range = std::move(range)] {
          read_ = Read(state, range);
          handover_.End();
        }) {}
  ~RangeReader() {
    handover_.End();
    if (thread_.joinable())
      thread_.join();
  }
  RangeReader(const RangeReader&) = delete;
  RangeReader& operator=(const RangeReader&) = delete;

  // Until all of the range is loaded.
  Status LoadInto(machine::Machine* machine) {
    while (std::optional<Batch> batch = handover_.Pop()) {
      for (store::EntryOwner& node : batch->nodes)
        if (Status ok = machine->LoadNode(std::move(node)); !ok)
          return storage::StateDamage(dir_, ok.error().detail);
      for (const auto& [key, value] : batch->records)
        if (Status ok = machine->LoadRecord(key, value); !ok)
          return storage::StateDamage(dir_, ok.error().detail);
    }
    thread_.join();
    return read_;
  }

 private:
  Status Read(storage::StateStore& state, const storage::KeyRange& range) {
    Batch batch;
    const auto add = [&](std::string_view key, std::string_view value) -> Status {
      if (Status ok = AddTo(&batch, key, value); !ok)
        return storage::StateDamage(dir_, ok.error().detail);
      const bool full = batch.nodes.size() >= kBatchNodes || batch.record_bytes >= kRecordBytesMax;
      if (full && !handover_.Push(std::exchange(batch, {})))
        return Error{Errc::kInternal, Outcome::kNotApplied, "the records are not wanted"};
      return Done();
    };
    Status read = state.LoadRange(range, add);
    if (read)
      handover_.Push(std::move(batch));
    return read;
  }

  const std::string dir_;
  Handover handover_;
  Status read_ = Done();
  std::thread thread_;  // the last: it uses the others
};

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
  const std::string middle = state.Middle();
  RangeReader first(state, dir, {{}, middle});
  std::optional<RangeReader> second;
  if (!middle.empty())
    second.emplace(state, dir, storage::KeyRange{middle, {}});
  Status loaded = first.LoadInto(&machine);
  if (loaded && second)
    loaded = second->LoadInto(&machine);
  if (!loaded)
    return loaded.error();
  if (Status whole = machine.FinishLoad(); !whole)
    return storage::StateDamage(dir, whole.error().detail);
  if (machine.digest() != state.digest() || machine.applied() != state.slot())
    return storage::StateDamage(dir, "its digest is not the one it was written with");
  ::malloc_trim(0);  // what was read is freed by now, and not needed again
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
