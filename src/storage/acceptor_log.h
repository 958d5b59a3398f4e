// AcceptorLog: the write-ahead log in which an acceptor remembers its promises and votes.
//
// Contract      Append() makes a batch of PersistRequests durable with one record and one
//               fdatasync: when it returns success they survive a power cut, all together. After
//               any failed write the log is dead (every later call fails) and the process must
//               end. The one exception is kStorageFull: there was no room for a further segment and
//               nothing was written; the node should hand over leadership and may try again. Open()
//               gives back what was durable: nothing acknowledged is missing, and damage that could
//               hide a lost promise is refused with a message that says what to do, never repaired
//               by guessing.
// Format        docs/formats.md, "Acceptor log": segments of a fixed size written in advance,
//               crc32c with the segment's random id in every record, a chain over all records, hard
//               state in every segment's head.
// Thread        Append: storage thread. Recycle, ReadChosen, Verify: any one thread each. All four
//               may run at the same time; stats() from anywhere.
// Source        docs/decisions/0002-acceptor-log.md on why this is not LevelDB.
#ifndef SYNOD_STORAGE_ACCEPTOR_LOG_H_
#define SYNOD_STORAGE_ACCEPTOR_LOG_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "consensus/types.h"
#include "src/base/error.h"
#include "src/storage/file_system.h"

namespace synod::storage {

struct AcceptorLogOptions {
  uint64_t segment_bytes = uint64_t{64} << 20;
  uint64_t keep_bytes = uint64_t{1}
                        << 30;  // log kept below the checkpoint for members that are away
  uint64_t keep_sending_bytes = uint64_t{2} << 30;  // likewise, while a snapshot is being sent
  uint64_t seed = 0;                                // for segment ids: entropy from the driver
  bool accept_data_loss = false;                    // a cluster of one may go on after damage
  // The state is to be taken anew from another member: what is chosen already is not read back.
  bool state_discarded = false;
  // Write the next segment in advance on a thread of the log's own: for the server. Without it
  // Append does so a piece at a time: deterministic, for tests and the simulator.
  bool spare_thread = false;
  // StateStore::log_gen() of the last checkpoint: a log with fewer records has lost some. 0:
  // unknown, then a `learned` below state_slot is taken as the sign of it.
  uint64_t gen_at_least = 0;
};

// Called after each piece of a long reading with its bytes; false ends the reading.
using ReadPause = std::function<bool(uint64_t bytes)>;

struct SegmentDamage {
  std::string what;
  bool needed = false;  // it holds votes above the state's checkpoint, or it is the last one
};

class AcceptorLog {
 public:
  // Opens or creates the log in `dir`. `state_slot` is the slot of the state's checkpoint: entries
  // from there on come back in *recovered (older ones stay on disk and are served by ReadChosen).
  static Result<std::unique_ptr<AcceptorLog>> Open(FileSystem& fs,
                                                   const std::string& dir,
                                                   const AcceptorLogOptions& options,
                                                   Slot state_slot,
                                                   consensus::Recovered* recovered);
  virtual ~AcceptorLog() = default;

  virtual Status Append(std::span<const consensus::PersistRequest> batch) = 0;
  // The state's checkpoint covers everything up to `checkpoint`: segments wholly below it are
  // reused or removed once more than keep_bytes of them are held. What is above `keep_above` is
  // wanted still (by whoever is being sent a snapshot of that slot), as long as no more than
  // keep_sending_bytes are held. Returns the first slot still readable.
  virtual Result<Slot> Recycle(Slot checkpoint, std::optional<Slot> keep_above = {}) = 0;
  // Chosen entries from `from` on (only slots <= the durable learned), contiguous, about bytes_max
  // at most, at least one if there is one. Empty if `from` is below what is kept or cannot be
  // read: this node has no need of it.
  virtual Result<std::vector<consensus::Chosen>> ReadChosen(Slot from, size_t bytes_max) = 0;

  // Reads again every record that was durable when this was called, and says which segments are not
  // what was written. What is recycled meanwhile does not count.
  virtual std::vector<SegmentDamage> Verify(Slot checkpoint, const ReadPause& pause) = 0;

  struct Stats {
    uint64_t gen = 0;            // synced records so far
    uint64_t bytes_on_disk = 0;  // all segments
    uint64_t appended_bytes = 0;
    uint64_t syncs = 0;
    bool storage_full = false;  // the last try to do so failed: hand over leadership
  };
  virtual Stats stats() const = 0;
};

// Writes the first segment of a log that must not exist yet. AcceptorLog::Open does this itself
// when `state_slot` is 0; the data directory does it before it writes the identity, so that an
// identity without a log proves that the log was lost.
Status FormatAcceptorLog(FileSystem& fs, const std::string& dir, const AcceptorLogOptions& options);
// True if `dir` holds at least one segment.
bool AcceptorLogExists(FileSystem& fs, const std::string& dir);

}  // namespace synod::storage

#endif  // SYNOD_STORAGE_ACCEPTOR_LOG_H_
