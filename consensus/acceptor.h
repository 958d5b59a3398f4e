// Acceptor: the voting half of a replica.
//
// Contract      Remembers the highest ballot promised; with the Log, per slot, the last value
//               accepted. Its answers depend on its arguments and its state alone.
// Safety        Keeps P1a of Lamport, "Paxos Made Simple" (2001), section 2.2; its report of what
//               it accepted is what lets a proposer keep P2c. One promise covers every slot
//               (section 3).
// Durability    Every answer names the PersistId it must wait for. A vote that is seen before it is
//               on disk can be given twice after a crash.
// Thread        Core thread only.   Errors: none; stale input is refused.
// Not here      Whether a candidate may disturb a leader (election.h), learning (learner.h).
#ifndef SYNOD_CONSENSUS_ACCEPTOR_H_
#define SYNOD_CONSENSUS_ACCEPTOR_H_

#include <vector>

#include "consensus/journal.h"
#include "consensus/log.h"
#include "consensus/message.h"

namespace synod::consensus {

// The votes cast for one Accept.
struct Votes {
  std::vector<SlotRange> ranges;
  PersistId after;
  bool too_far = false;  // the rest was above learned + kHoleCap and was refused
};

class Acceptor {
 public:
  explicit Acceptor(Ballot promised) : promised_(promised) {}

  Ballot promised() const { return promised_; }
  // What an answer that stands on the promise alone must wait for.
  PersistId promise_persist() const { return promise_persist_; }

  // Raises the promise to `ballot`; false if a higher one was promised.
  bool Promise(Ballot ballot, Journal* journal);
  // Phase 2b. Raises the promise too: a vote in `ballot` refuses everything below it from now on.
  // The caller has checked that the slots ascend.
  Votes Vote(const Accept& accept, Log* log, Journal* journal);
  // Phase 1b: all votes from `from` on above what is learned, in parts of about `bytes_max`.
  std::vector<consensus::Promise> Report(Slot from,
                                         const HardState& state,
                                         const Log& log,
                                         size_t bytes_max) const;

 private:
  Ballot promised_;
  PersistId promise_persist_;
};

}  // namespace synod::consensus

#endif  // SYNOD_CONSENSUS_ACCEPTOR_H_
