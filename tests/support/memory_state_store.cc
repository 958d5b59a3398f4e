#include "tests/support/memory_state_store.h"

#include <utility>

namespace synod::storage {
namespace {

// A copy: small states only.
class MemoryStateSnapshot final : public StateSnapshot {
 public:
  explicit MemoryStateSnapshot(MemoryStateDisk disk) : disk_(std::move(disk)) {}
  Slot slot() const override { return disk_.slot; }
  Digest digest() const override { return disk_.digest; }
  Revision revision() const override { return disk_.revision; }
  ClusterTime time() const override { return disk_.time; }
  Status ForEach(const RecordVisitor& each) override {
    for (const auto& [key, value] : disk_.records)
      if (Status ok = each(key, value); !ok)
        return ok;
    return Done();
  }

 private:
  const MemoryStateDisk disk_;
};

}  // namespace

Status MemoryStateStore::LoadRange(const KeyRange& range, const RecordVisitor& each) {
  for (auto it = disk_.records.lower_bound(range.from); it != disk_.records.end(); ++it) {
    if (!range.to.empty() && it->first >= range.to)
      break;
    if (Status ok = each(it->first, it->second); !ok)
      return ok;
  }
  return Done();
}

Status MemoryStateStore::Write(const Checkpoint& checkpoint) {
  const auto fault = std::exchange(disk_.next_write, MemoryStateDisk::Fault::kNone);
  if (dead_ || fault == MemoryStateDisk::Fault::kFailWithout) {
    dead_ = true;
    return Error{Errc::kInternal, Outcome::kUnknown, "the state store is dead"};
  }
  for (const Record& record : checkpoint.records) {
    if (record.value)
      disk_.records[record.key] = *record.value;
    else
      disk_.records.erase(record.key);
  }
  disk_.slot = checkpoint.slot;
  disk_.digest = checkpoint.digest;
  disk_.log_gen = checkpoint.log_gen;
  disk_.witness = checkpoint.witness;
  disk_.revision = checkpoint.revision;
  disk_.time = checkpoint.time;
  disk_.machine_version = checkpoint.machine_version;
  ++disk_.writes;
  if (fault == MemoryStateDisk::Fault::kFailAfter) {
    dead_ = true;
    return Error{Errc::kInternal, Outcome::kUnknown, "injected failure"};
  }
  return Done();
}

uint64_t MemoryStateStore::ApproximateBytes() const {
  uint64_t bytes = 0;
  for (const auto& [key, value] : disk_.records) bytes += key.size() + value.size();
  return bytes;
}

std::unique_ptr<StateSnapshot> MemoryStateStore::TakeSnapshot() {
  return std::make_unique<MemoryStateSnapshot>(disk_);
}

}  // namespace synod::storage
