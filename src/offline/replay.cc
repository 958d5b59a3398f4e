#include "src/offline/replay.h"

#include <utility>

#include "src/offline/stopped_node.h"

namespace synod::offline {

Result<Replayed> Replay(const std::string& snapshot,
                        const std::string& data_dir,
                        std::optional<Slot> to,
                        const Progress& progress,
                        storage::FileSystem& fs) {
  Result<LoadedSnapshot> loaded = LoadSnapshot(snapshot, progress, fs);
  if (!loaded)
    return loaded.error();
  Result<std::unique_ptr<StoppedNode>> node = StoppedNode::Open(data_dir, fs);
  if (!node)
    return node.error();
  if ((*node)->identity().cluster_id != loaded->info.header.cluster_id)
    return Error{Errc::kInvalidRequest, Outcome::kNotApplied,
                 "the snapshot is of cluster " + loaded->info.header.cluster_id.Hex() +
                     ", the log of " + (*node)->identity().cluster_id.Hex()};
  machine::Machine& machine = loaded->machine;
  Result<consensus::Recovered> log = (*node)->RecoverLog(machine.applied());
  if (!log)
    return log.error();
  Replayed replayed;
  replayed.from = machine.applied();
  replayed.to = to.value_or(log->hard_state.learned);
  if (replayed.to > log->hard_state.learned || replayed.to < replayed.from)
    return Error{Errc::kInvalidRequest, Outcome::kNotApplied,
                 "slot " + std::to_string(replayed.to.value) + " is not between the snapshot's, " +
                     std::to_string(replayed.from.value) +
                     ", and the last that the log knows to be chosen, " +
                     std::to_string(log->hard_state.learned.value)};
  const Slot checkpoint = (*node)->state_slot();
  if (replayed.from <= checkpoint && checkpoint <= replayed.to) {
    Result<uint64_t> entries = ApplyLog(*log, checkpoint, &machine);
    if (!entries)
      return entries.error();
    replayed.entries = *entries;
    replayed.compared = {checkpoint, machine.digest(), (*node)->state_digest()};
  }
  Result<uint64_t> entries = ApplyLog(*log, replayed.to, &machine);
  if (!entries)
    return entries.error();
  replayed.entries += *entries;
  replayed.revision = machine.revision();
  replayed.time = machine.time();
  replayed.digest = machine.digest();
  return replayed;
}

}  // namespace synod::offline
