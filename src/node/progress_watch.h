// ProgressWatch: for how long what is under way has not moved.
//
// Contract      Note() tells whether anything is under way, and a number that rises as it moves; it
//               must be called before time is asked for. What is not under way does not stand.
// Units         Milliseconds of the driver's clock.
// Thread        Core thread only.
#ifndef SYNOD_NODE_PROGRESS_WATCH_H_
#define SYNOD_NODE_PROGRESS_WATCH_H_

#include <cstdint>

namespace synod::node {

class ProgressWatch {
 public:
  void Note(bool under_way, uint64_t done, int64_t now_ms) {
    if (!under_way || done != done_)
      moved_ms_ = now_ms;
    done_ = done;
  }
  int64_t StandsFor(int64_t now_ms) const { return now_ms - moved_ms_; }

 private:
  uint64_t done_ = 0;
  int64_t moved_ms_ = 0;
};

}  // namespace synod::node

#endif  // SYNOD_NODE_PROGRESS_WATCH_H_
