// Leader leases: reads at the leader without asking a majority, while no other leader can be.
//
// Contract      Off unless configured. Who answers an Accept promises, for lease_ms on its own
//               clock, no ballot of another node. The leader's lease on one such answer lasts from
//               the moment at which it sent what is answered, less the drift of both clocks and a
//               margin; it has the lease while a majority's last.
// Safety        A ballot above the leader's needs promises of a majority, hence of one who holds;
//               so until the lease ends whatever is chosen is in the leader's log. It stands on
//               clocks: at most kDriftPercent fast or slow each, and running while the machine is
//               suspended. A stopped guest clock (a paused or migrated virtual machine) breaks it.
// Restarts      What an earlier process promised is held from the start on, in full.
// Time          Milliseconds of a clock that counts suspend. A time may be stale when it is used:
//               what was sent is dated early, and a promise runs from the next time that is set.
// Source        docs/decisions/0011-leader-lease.md.
// Thread        Core thread only.
#ifndef SYNOD_CONSENSUS_LEASE_H_
#define SYNOD_CONSENSUS_LEASE_H_

#include <algorithm>
#include <cstdint>

#include "src/base/types.h"

namespace synod::consensus {

constexpr uint64_t kDriftPercent = 2;
constexpr uint64_t kLeaseMarginMs = 10;

// How long a leader counts on a promise of `ms`, from when it sent what was answered.
constexpr uint64_t UsableLease(uint64_t ms) {
  const uint64_t lost = ms * 2 * kDriftPercent / 100 + kLeaseMarginMs;
  return ms - std::min(ms, lost);
}

// The acceptor's half.
class LeaseHold {
 public:
  explicit LeaseHold(uint64_t before_ms) : next_ms_(before_ms) {}

  void SetTime(uint64_t now_ms) {
    now_ms_ = now_ms;
    until_ms_ = std::max(until_ms_, next_ms_ == 0 ? 0 : now_ms + next_ms_);
    next_ms_ = 0;
  }
  // The leader of `ballot` gets an answer that promises so much.
  void Hold(Ballot ballot, uint64_t ms) {
    ballot_ = ballot;
    next_ms_ = std::max(next_ms_, ms);
  }
  // Another ballot was promised, which Refuses() did not forbid.
  void End() {
    ballot_ = Ballot();
    until_ms_ = next_ms_ = 0;
  }
  // Whether `candidate` must wait. `released` is the ballot whose leader has given it up, for this
  // candidate; zero: none.
  bool Refuses(NodeId candidate, Ballot released) const {
    const bool holds = next_ms_ > 0 || now_ms_ < until_ms_;
    const bool free = !ballot_.IsZero() && (ballot_.node == candidate || ballot_ == released);
    return holds && !free;
  }

 private:
  Ballot ballot_;  // zero: what an earlier process promised, to whomever
  uint64_t now_ms_ = 0;
  uint64_t until_ms_ = 0;
  uint64_t next_ms_ = 0;  // promised since the time was set last
};

}  // namespace synod::consensus

#endif  // SYNOD_CONSENSUS_LEASE_H_
