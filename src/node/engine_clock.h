// ClusterClock: the leader's side of cluster time.
//
// Contract      Milliseconds that go into entries. Runs only while this node leads and could have
//               proposed a keepalive: a leader that is paused, cut off or stuck behind its disk
//               stands still with everybody's leases instead of expiring them. One turn adds at
//               most kStepMax, so that a pause never counts.
// Thread        Core thread only.
#ifndef SYNOD_NODE_ENGINE_CLOCK_H_
#define SYNOD_NODE_ENGINE_CLOCK_H_

#include <algorithm>
#include <cstdint>

#include "src/base/types.h"

namespace synod::node {

class ClusterClock {
 public:
  static constexpr int64_t kStepMax = 200;

  // This node's LeaderStart was applied: go on from `start` after `grace_ms` of standing still, in
  // which clients find the new leader and renew.
  void Lead(ClusterTime start, int64_t grace_ms) {
    leading_ = true;
    time_ = start;
    grace_left_ = grace_ms;
  }
  void Follow() { leading_ = false; }
  bool leading() const { return leading_; }

  void Advance(int64_t now_ms, bool could_propose) {
    const int64_t step = std::clamp<int64_t>(now_ms - last_ms_, 0, kStepMax);
    last_ms_ = now_ms;
    if (!leading_ || !could_propose)
      return;
    const int64_t held = std::min(step, grace_left_);
    grace_left_ -= held;
    time_ = time_ + (step - held);
  }

  ClusterTime time() const { return time_; }

 private:
  bool leading_ = false;
  ClusterTime time_;
  int64_t grace_left_ = 0;
  int64_t last_ms_ = 0;
};

}  // namespace synod::node

#endif  // SYNOD_NODE_ENGINE_CLOCK_H_
