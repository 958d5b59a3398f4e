// Log: per slot the last vote of this acceptor and whether its value is known to be chosen.
//
// Contract      One deque indexed by slot: the tail of the learned prefix (a cache for members that
//               lag), then the open suffix with its holes.
// Invariants    (1) every slot <= learned() is known chosen, and held here or (below begin()) on
//               disk; (2) learned() never falls; (3) a slot has at most one value per ballot; (4) a
//               chosen value never changes.
// Thread        Core thread only.   Errors: none; breaking an invariant aborts.
// Not here      Who may vote (acceptor.h), how a value gets chosen (leader.h), disk (src/storage).
#ifndef SYNOD_CONSENSUS_LOG_H_
#define SYNOD_CONSENSUS_LOG_H_

#include <cstdint>
#include <deque>
#include <vector>

#include "consensus/types.h"

namespace synod::consensus {

// Slots above learned() that an acceptor takes: bounds its memory and its promises. An honest
// leader stays within its window, but its commit may be ahead of what a follower has learned.
inline constexpr uint64_t kHoleCap = 8192;

struct Record {
  Entry entry;  // payload null: a hole
  Ballot ballot;
  PersistId persist;  // makes the vote durable
  bool chosen = false;
  uint32_t votes = 0;    // leader: one bit per voter
  uint64_t sent_at = 0;  // leader: tick of the last Accept

  bool held() const { return entry.payload != nullptr; }
};

class Log {
 public:
  Log(std::vector<AcceptedEntry> recovered, Slot learned, Slot applied);

  Slot learned() const { return learned_; }
  Slot begin() const { return begin_; }                  // first slot in memory
  Slot end() const { return begin_ + records_.size(); }  // one past the last
  size_t cached_bytes() const { return cached_bytes_; }  // of slots <= learned

  // The record of a slot that holds a value in memory; nullptr for holes and slots out of range.
  Record* Find(Slot slot);
  const Record* Find(Slot slot) const;

  // Votes for `entry`; the slot must be open and no higher ballot's vote may be there.
  Record& Vote(Slot slot, Ballot ballot, const Entry& entry, PersistId persist);
  // The next slot's value is `entry`. False if the vote held is already that value: nothing to
  // write.
  bool Learn(const Entry& entry, Ballot ballot, PersistId persist);
  // Majority reached: learned() moves to the next slot.
  void ChooseNext();
  // A leader of `ballot` says that all slots up to `commit` are chosen. Only votes cast in that
  // very ballot are then known to be the chosen values. Returns true if learned() moved.
  bool AdvanceTo(Ballot ballot, Slot commit);

  // A snapshot stands for all slots up to `slot` (> learned): forgets them, keeps those above.
  void SkipTo(Slot slot);

  // Chosen entries from `from` on, at least one if there is one.
  std::vector<Chosen> Read(Slot from, size_t bytes_max) const;
  // Forgets the oldest slots up to `upto` (<= learned) while the cache is above its limit.
  void Evict(Slot upto, size_t bytes_max);

 private:
  Record& At(Slot slot);

  std::deque<Record> records_;
  Slot begin_{1};
  Slot learned_;
  size_t cached_bytes_ = 0;
};

}  // namespace synod::consensus

#endif  // SYNOD_CONSENSUS_LOG_H_
