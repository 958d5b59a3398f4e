// Replay: a slice of a stopped node's log, run once more over an older snapshot.
//
// Contract      Deterministic: the state at a slot is a function of the snapshot and the entries up
//               to it, so its digest is the one that every node had there. Where the node's own
//               checkpoint lies in the slice the two digests are compared.
// Errors        The log does not reach back to the snapshot, or not as far as asked.
// Thread        One.
#ifndef SYNOD_OFFLINE_REPLAY_H_
#define SYNOD_OFFLINE_REPLAY_H_

#include <optional>
#include <string>

#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/base/types.h"
#include "src/offline/snapshot.h"
#include "src/storage/file_system.h"

namespace synod::offline {

struct Replayed {
  Slot from;  // of the snapshot
  Slot to;
  uint64_t entries = 0;
  Revision revision;
  ClusterTime time;
  Digest digest;  // at `to`
  // The node's checkpoint, if it lies in the slice.
  struct Compared {
    Slot slot;
    Digest replayed;
    Digest checkpoint;
    bool same() const { return replayed == checkpoint; }
  };
  std::optional<Compared> compared;
};

// `to`: nullopt for everything that the node knows to be chosen.
Result<Replayed> Replay(const std::string& snapshot,
                        const std::string& data_dir,
                        std::optional<Slot> to,
                        const Progress& progress,
                        storage::FileSystem& fs = storage::PosixFileSystem());

}  // namespace synod::offline

#endif  // SYNOD_OFFLINE_REPLAY_H_
