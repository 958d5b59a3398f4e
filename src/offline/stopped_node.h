// StoppedNode: the data directory of a node that does not run, opened to be looked at.
//
// Contract      Nothing in the directory is changed. Its lock is held as long as this lives, so
//               that no node starts on it meanwhile. What a start would refuse (a damaged log, a
//               state whose digest is not its own) is refused here in the same words.
// Errors        kNotReady: a node is running on it. kInvalidRequest: no data directory of a node.
// Thread        One.
#ifndef SYNOD_OFFLINE_STOPPED_NODE_H_
#define SYNOD_OFFLINE_STOPPED_NODE_H_

#include <functional>
#include <memory>
#include <string>

#include "consensus/types.h"
#include "src/base/error.h"
#include "src/machine/machine.h"
#include "src/offline/overlay_file_system.h"
#include "src/storage/data_dir.h"
#include "src/storage/log_format.h"
#include "src/storage/state_store.h"

namespace synod::offline {

// One record of the acceptor's log as it is on disk.
struct LoggedTurn {
  std::string segment;  // file name
  uint64_t gen = 0;
  storage::RecordBody body;
};

struct LogSummary {
  uint64_t segments = 0;
  uint64_t records = 0;
  uint64_t last_gen = 0;
  consensus::HardState hard_state;
  bool torn = false;  // the last append was cut short: nobody was told of it
};

class StoppedNode {
 public:
  static Result<std::unique_ptr<StoppedNode>> Open(
      const std::string& data_dir, storage::FileSystem& fs = storage::PosixFileSystem());

  const storage::Identity& identity() const { return dir_->identity(); }

  // The last checkpoint, its digest compared with the one it was written with.
  Result<machine::Machine> LoadState();
  // The slot of the last checkpoint; 0: there is none.
  Slot state_slot() const { return state_->slot(); }
  Digest state_digest() const { return state_->digest(); }

  // Every record on disk, oldest first; checks that they form one chain.
  Result<LogSummary> VisitLog(const std::function<Status(const LoggedTurn&)>& each);
  // The last vote of each slot above `above`, with what is known to be chosen.
  Result<consensus::Recovered> RecoverLog(Slot above);

 private:
  StoppedNode(storage::FileSystem& fs, std::string path)
      : fs_(fs), path_(std::move(path)), overlay_(fs) {}
  Status Open();

  storage::FileSystem& fs_;
  const std::string path_;
  OverlayFileSystem overlay_;
  std::unique_ptr<storage::File> lock_;
  std::unique_ptr<storage::DataDir> dir_;
  std::unique_ptr<storage::StateStore> state_;
};

// Runs a recovered log over the machine, up to and with slot `to`; slots without a vote are no-ops,
// as a leader that takes over would fill them. Gives the number of entries.
Result<uint64_t> ApplyLog(const consensus::Recovered& log, Slot to, machine::Machine* machine);

}  // namespace synod::offline

#endif  // SYNOD_OFFLINE_STOPPED_NODE_H_
