// Snapshot files as a whole: checked, and loaded into a state machine.
//
// Contract      What these give was read to its end: every checksum fits, the records form a state,
//               and its digest is the one that was written down when the snapshot was taken.
// Errors        kInternal with what is wrong with the file.
// Thread        Any.
// Not here      The bytes (src/storage/snapshot_file.h).
#ifndef SYNOD_OFFLINE_SNAPSHOT_H_
#define SYNOD_OFFLINE_SNAPSHOT_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "src/base/error.h"
#include "src/machine/machine.h"
#include "src/storage/snapshot_file.h"

namespace synod::offline {

// Told now and then while something long goes on: the bytes of records that are done.
using Progress = std::function<void(uint64_t bytes)>;

struct LoadedSnapshot {
  storage::SnapshotInfo info;
  machine::Machine machine;
};

Result<LoadedSnapshot> LoadSnapshot(const std::string& path,
                                    const Progress& progress,
                                    storage::FileSystem& fs = storage::PosixFileSystem());

// What a snapshot says of itself and holds, in words of its users.
struct SnapshotSummary {
  storage::SnapshotInfo info;
  machine::Machine::Counts counts;
  std::vector<machine::MemberView> members;
};
Result<SnapshotSummary> SummarizeSnapshot(const std::string& path, const Progress& progress);

// Checks a stream while it arrives: its own checksums, not what the records mean.
class SnapshotCheck {
 public:
  SnapshotCheck() : decoder_([](std::string_view, std::string_view) { return Done(); }) {}
  Status Add(std::string_view bytes) { return decoder_.Push(bytes); }
  // After the last byte: that nothing is missing.
  Result<storage::SnapshotInfo> Finish() const { return decoder_.Finish(); }

 private:
  storage::SnapshotDecoder decoder_;
};

}  // namespace synod::offline

#endif  // SYNOD_OFFLINE_SNAPSHOT_H_
