// MemoryStateStore: the state store of the simulator: deterministic, without LevelDB and its
// threads.
//
// Contract      The records live in a MemoryStateDisk that outlives the store: open a new store on
//               the same disk after a simulated crash. A checkpoint is atomic: the disk holds the
//               old one or the new one.
// Faults        FailNextWrite: the next Write fails, having taken effect or not ("unknown", as
//               after a real failed sync); then the store is dead, as the real one.
// Thread        One thread at a time.
#ifndef SYNOD_TESTS_SUPPORT_MEMORY_STATE_STORE_H_
#define SYNOD_TESTS_SUPPORT_MEMORY_STATE_STORE_H_

#include <map>
#include <memory>
#include <string>

#include "src/storage/state_store.h"

namespace synod::storage {

struct MemoryStateDisk {
  std::map<std::string, std::string> records;
  Slot slot;
  Digest digest;
  uint64_t log_gen = 0;
  std::string witness;
  Revision revision;
  ClusterTime time;
  uint32_t machine_version = 1;
  uint64_t writes = 0;
  enum class Fault { kNone, kFailWithout, kFailAfter } next_write = Fault::kNone;
};

class MemoryStateStore final : public StateStore {
 public:
  explicit MemoryStateStore(MemoryStateDisk& disk) : disk_(disk) {}

  Slot slot() const override { return disk_.slot; }
  Digest digest() const override { return disk_.digest; }
  uint64_t log_gen() const override { return disk_.log_gen; }
  const std::string& witness() const override { return disk_.witness; }
  uint32_t machine_version() const override { return disk_.machine_version; }
  Status LoadRange(const KeyRange& range, const RecordVisitor& each) override;
  std::string Middle() override { return {}; }
  Status Write(const Checkpoint& checkpoint) override;
  uint64_t ApproximateBytes() const override;
  std::unique_ptr<StateSnapshot> TakeSnapshot() override;

 private:
  MemoryStateDisk& disk_;
  bool dead_ = false;
};

}  // namespace synod::storage

#endif  // SYNOD_TESTS_SUPPORT_MEMORY_STATE_STORE_H_
