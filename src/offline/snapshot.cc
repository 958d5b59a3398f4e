#include "src/offline/snapshot.h"

#include <utility>

namespace synod::offline {

Result<LoadedSnapshot> LoadSnapshot(const std::string& path,
                                    const Progress& progress,
                                    storage::FileSystem& fs) {
  // Before any record: a newer version's may mean something else.
  Result<storage::SnapshotHeader> header = storage::SnapshotReader::ReadHeader(fs, path);
  if (!header)
    return header.error();
  if (header->machine_version > machine::kMachineVersion)
    return Error{Errc::kInternal, Outcome::kNotApplied,
                 "the snapshot was taken by a newer version of synod: use that version, or a "
                 "later one"};
  machine::Machine machine{auth::Settings()};
  uint64_t bytes = 0;
  Result<storage::SnapshotInfo> info = storage::SnapshotReader::Visit(
      fs, path, [&](std::string_view key, std::string_view value) -> Status {
        bytes += key.size() + value.size();
        progress(bytes);
        return machine.LoadRecord(key, value);
      });
  if (!info)
    return info.error();
  if (Status whole = machine.FinishLoad(); !whole)
    return whole.error();
  if (machine.digest() != header->digest || machine.applied() != header->slot)
    return Error{Errc::kInternal, Outcome::kNotApplied,
                 "the snapshot is damaged: its records are not the state whose digest it names"};
  return LoadedSnapshot{*info, std::move(machine)};
}

Result<SnapshotSummary> SummarizeSnapshot(const std::string& path, const Progress& progress) {
  Result<LoadedSnapshot> loaded = LoadSnapshot(path, progress);
  if (!loaded)
    return loaded.error();
  return SnapshotSummary{loaded->info, loaded->machine.counts(), loaded->machine.members()};
}

}  // namespace synod::offline
