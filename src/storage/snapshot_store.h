// SnapshotStore: the snapshot files of one node: those it gives to others, and the part that it
// gets.
//
// Contract      A file that is given out was whole and durable when it was made, and is checked
//               again when a restarted process takes it over. At most two are kept, the newest by
//               the slot in their headers. The part of a snapshot that is being received survives
//               the process: what of it is good is found by its checksums, so it need not be
//               synced. Only VisitPart() says whether it is the whole of what was sent.
// Errors        A file that is gone: kNotFound. No room: kStorageFull; the part is still good.
// Thread        One at a time.
#ifndef SYNOD_STORAGE_SNAPSHOT_STORE_H_
#define SYNOD_STORAGE_SNAPSHOT_STORE_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/base/error.h"
#include "src/storage/file_system.h"
#include "src/storage/snapshot_file.h"
#include "src/storage/state_store.h"

namespace synod::storage {

struct KeptSnapshot {
  Hash128 id;
  Slot slot;
  uint64_t bytes = 0;
  bool operator==(const KeptSnapshot&) const = default;
};

struct PartialSnapshot {
  Hash128 id;
  uint64_t total = 0;
  uint64_t received = 0;  // from the beginning, without a gap
  bool operator==(const PartialSnapshot&) const = default;
};

class SnapshotStore {
 public:
  static Result<std::unique_ptr<SnapshotStore>> Open(FileSystem& fs, const std::string& dir);

  // Takes over what an earlier process left; reads all of it. What is damaged is removed.
  Status Recover();
  const std::vector<KeptSnapshot>& kept() const { return kept_; }  // by slot, the newest last
  const std::optional<PartialSnapshot>& part() const { return part_; }

  // kStorageFull, and nothing is written, unless `room` bytes are free.
  Result<KeptSnapshot> Make(StateSnapshot& state, const Hash128& cluster_id, uint64_t room);
  // Up to `n` bytes.
  Result<std::string> Read(const Hash128& id, uint64_t offset, size_t n);
  Status Remove(const Hash128& id);

  // Offset 0 begins a part, in place of any other; else `offset` continues it.
  Status StorePart(const Hash128& id, uint64_t total, uint64_t offset, std::string_view bytes);
  Result<SnapshotHeader> PartHeader();
  Result<SnapshotInfo> VisitPart(const RecordVisitor& each);
  Status DropPart();

 private:
  SnapshotStore(FileSystem& fs, std::string dir) : fs_(fs), dir_(std::move(dir)) {}
  Status RecoverPart(const std::string& name);
  Status Keep(const KeptSnapshot& snapshot);
  std::string PathOf(Slot slot) const;
  std::string PartPath(const PartialSnapshot& part) const;

  FileSystem& fs_;
  const std::string dir_;
  std::vector<KeptSnapshot> kept_;
  std::optional<PartialSnapshot> part_;
  std::unique_ptr<File> part_file_;
};

}  // namespace synod::storage

#endif  // SYNOD_STORAGE_SNAPSHOT_STORE_H_
