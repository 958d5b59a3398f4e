// Scrub: what lies on the disk is read again from time to time, so that what a disk spoils is found
// while there are others to replace it from.
//
// Contract      ScrubSchedule says when: the first one an interval after the start, the next one an
//               interval after the end of the last. ScrubLog and ScrubState read all of it and
//               verify every checksum. `pause` is called after each piece with its bytes, and ends
//               the reading by false.
// Damage        A node that runs has in memory what its log and state hold, so it goes on, votes
//               included: only its next start would be refused. Each finding says so, and what to
//               do.
// Limit         What the page cache has is not read from the disk, and LevelDB's newest records
//               (16 MiB at most) are in a log of its own, which is not read.
// Thread        ScrubSchedule: one. The others: any, beside appends and checkpoints.
#ifndef SYNOD_NODE_SCRUB_H_
#define SYNOD_NODE_SCRUB_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "src/storage/acceptor_log.h"
#include "src/storage/state_store.h"

namespace synod::node {

class ScrubSchedule {
 public:
  explicit ScrubSchedule(int64_t interval_ms) : interval_ms_(interval_ms) {}  // 0: never
  // Whether one is to begin now; if so it has begun.
  bool Begin(int64_t now_ms);
  void Ended(int64_t now_ms);

 private:
  const int64_t interval_ms_;
  bool counting_ = false;  // from since_ms_ on
  bool running_ = false;
  int64_t since_ms_ = 0;
};

struct ScrubReport {
  uint64_t runs = 0;  // that came to their end
  uint64_t bytes = 0;
  std::vector<std::string> log_damage;
  std::vector<std::string> state_damage;
};

void ScrubLog(storage::AcceptorLog& log,
              Slot checkpoint,
              const storage::ReadPause& pause,
              ScrubReport* report);
void ScrubState(storage::StateSnapshot& state,
                const storage::ReadPause& pause,
                ScrubReport* report);

}  // namespace synod::node

#endif  // SYNOD_NODE_SCRUB_H_
