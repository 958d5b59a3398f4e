// ProposalPace: whether the next entry waits until the last one is chosen.
//
// Contract      While an entry is on its way the next batch fills: until the leader has it in its
//               own log in any case, and until it is chosen if that takes less than twice as long.
//               An entry costs every node a sync and the leader's loop several messages, whatever
//               it carries: where the others are as near as the leader's own disk, fewer and fuller
//               entries cost less than the wait. Where they are far, entries follow each other at
//               the pace of the disk.
// Units         Microseconds, means over about eight entries.
// Thread        Core thread only.
#ifndef SYNOD_NODE_ENGINE_PACE_H_
#define SYNOD_NODE_ENGINE_PACE_H_

#include <cstdint>

namespace synod::node {

class ProposalPace {
 public:
  // How long after its proposal an entry was in the leader's log, and how long until it was chosen.
  void Note(int64_t synced_us, int64_t chosen_us) {
    synced_ += synced_us - synced_ / kEntries;
    chosen_ += chosen_us - chosen_ / kEntries;
  }
  bool AwaitsChosen() const { return chosen_ < 2 * synced_; }

 private:
  static constexpr int64_t kEntries = 8;

  int64_t synced_ = 0;  // kEntries times the mean
  int64_t chosen_ = 0;
};

}  // namespace synod::node

#endif  // SYNOD_NODE_ENGINE_PACE_H_
