// PendingChanges: changes that this node took and whose answer is outstanding.
//
// Contract      A change is queued (certainly in nobody's log) or sent (maybe in the log of the
//               ballot it was sent in). It goes from sent back to queued only on proof: the machine
//               has applied a LeaderStart above that ballot without having applied the change, or
//               the leader says that it never took it. Whose caller has gone ends there.
// Numbers       Each first send within a ballot takes the next number, so that a leader can drop
//               what a reconnect makes us send again.
// Thread        Core thread only.
#ifndef SYNOD_NODE_ENGINE_CALLS_H_
#define SYNOD_NODE_ENGINE_CALLS_H_

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "src/node/engine.h"
#include "src/node/engine_frames.h"

namespace synod::node {

// What waits for the leader to propose it, each kind by its own rule.
enum class Lane : uint8_t { kCommands, kKeepAlives, kMembers };
Lane LaneOf(const machine::Operation& operation);

struct PendingChange {
  Bytes command;
  int64_t deadline_ms = 0;
  bool internal = false;  // nobody waits: proposed by the node itself
  bool keyed = false;     // has an Idempotency-Key: what waits keeps its command, to ask again
  Lane lane = Lane::kCommands;
  bool cancelled = false;  // the caller has gone
  bool sent = false;
  bool waiting = false;  // applied: it waits in the state machine
  bool entered = false;  // it waited there: applied at least once
  Ballot ballot;         // sent: in which; queued: not to be sent in it again (refused there)
  uint64_t number = 0;   // sent: its number in that ballot
  uint32_t sends = 0;    // sent: how often in that ballot
  int64_t sent_ms = 0;   // sent: when last
  int64_t sent_us = 0;   // sent: when first
  int64_t waits_us = 0;  // waiting: since when

  bool MayBeApplied() const { return sent || entered; }
};

class PendingChanges {
 public:
  PendingChange* Add(uint64_t seq, PendingChange change);
  PendingChange* Find(uint64_t seq);
  void Erase(uint64_t seq);

  // The queued changes that may be sent in `ballot`, in order; each is marked as sent with the next
  // number of that ballot.
  std::vector<uint64_t> SendQueued(Ballot ballot, int64_t now_ms);
  // Those sent in `ballot` at `sent_by` or before and not known to be applied, in the order of
  // their
  // numbers: what carried them may have been lost. Each counts one send more.
  std::vector<uint64_t> Resend(Ballot ballot, int64_t sent_by, int64_t now_ms);
  // The change was applied and waits in the state machine: nothing need be sent again.
  void Waits(uint64_t seq, int64_t now_us);
  // A keyed one that waits is queued once more: another request has its place.
  void AskAgain(uint64_t seq);
  // The lowest number of the present ballot that may still have to be sent again.
  uint64_t Base() const;
  // A LeaderStart of `ballot` was applied: what was sent in an older one is queued again. Returns
  // how many.
  size_t RequeueBelow(Ballot ballot);
  // The leader of `ballot` did not take the change with this number. Gives its seq if that is
  // proof.
  std::optional<uint64_t> Rejected(Ballot ballot, uint64_t number, Reject::Reason reason);

  std::map<uint64_t, PendingChange>& all() { return changes_; }
  bool HasQueued() const { return !queue_.empty(); }
  size_t size() const { return changes_.size(); }
  // Of clients' changes that are not known to be applied: what the node itself has to say must not
  // keep theirs out, and a wait for a lock is over with here.
  uint64_t bytes() const { return bytes_; }
  uint64_t outstanding() const { return outstanding_; }  // without renewals of leases

 private:
  void Count(const PendingChange& change);
  // It does not count any more.
  void Discount(const PendingChange& change);

  std::map<uint64_t, PendingChange> changes_;
  std::deque<uint64_t> queue_;              // queued, ascending unless refused
  std::map<uint64_t, uint64_t> by_number_;  // of the ballot below
  Ballot numbered_ballot_;
  uint64_t last_number_ = 0;
  uint64_t bytes_ = 0;
  uint64_t outstanding_ = 0;
};

}  // namespace synod::node

#endif  // SYNOD_NODE_ENGINE_CALLS_H_
