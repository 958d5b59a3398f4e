// Recovery of the acceptor's log: finds what was durable, and tells a torn append from damage.
//
// Contract      RecoverLog reads the segments that can matter, checks that they form one chain, and
//               gives back the hard state and the last vote of every slot above the state's
//               checkpoint. What it returns is on the disk when it returns: the last record is
//               written once more and synced, since the page cache may show what a failed sync
//               never wrote. The rest of a torn append is erased.
// Errors        Damage is refused (kInternal): this node may have forgotten a promise or a vote.
//               With accept_data_loss everything from the damage on is given up instead.
// Thread        The caller's, before anything else uses the log.
#ifndef SYNOD_STORAGE_LOG_RECOVERY_H_
#define SYNOD_STORAGE_LOG_RECOVERY_H_

#include <memory>
#include <string>
#include <vector>

#include "src/storage/acceptor_log.h"
#include "src/storage/log_format.h"

namespace synod::storage {

// Where a record is, and which slots it has votes for.
struct RecordRef {
  uint32_t page = 0;
  uint32_t pages = 0;
  SlotRange slots;
};

struct Segment {
  SegmentHead head;
  std::string path;
  uint64_t bytes = 0;
  bool indexed = false;            // `records` is complete
  bool readable = true;            // false: damage was found in it, by a reader
  std::vector<RecordRef> records;  // those with votes, in order
};

struct RecoveredLog {
  std::vector<std::shared_ptr<Segment>> segments;  // ascending; empty: there is no log
  consensus::Recovered recovered;
  uint64_t chain = 0;  // for the next record
  uint64_t page = 1;   // of the last segment, where the next record goes
  Slot slot_max;       // highest slot with a vote anywhere
  // As of the last record. That of `recovered` is higher if it was raised to the state's slot: then
  // it has to be appended before use.
  consensus::HardState hard_state;
  std::string lost;  // with accept_data_loss: what was given up and why
};

Result<RecoveredLog> RecoverLog(FileSystem& fs,
                                const std::string& dir,
                                const AcceptorLogOptions& options,
                                Slot state_slot);

// Fills in `records`, up to record `last_gen`, of a segment that recovery had no need to read.
// Damage, or a sector that cannot be read, only makes it unreadable: its votes are covered by the
// state's checkpoint. Fails if the file does not open.
Status IndexSegment(FileSystem& fs, Segment& segment, uint64_t last_gen);

// Reads records up to `last_gen`; `pause` as in acceptor_log.h. Empty if all is as it was written.
std::string CheckSegment(FileSystem& fs,
                         const Segment& segment,
                         uint64_t last_gen,
                         const ReadPause& pause);

// An error that says what was found and what to do.
Error LogDamage(const std::string& dir, const std::string& what);

}  // namespace synod::storage

#endif  // SYNOD_STORAGE_LOG_RECOVERY_H_
