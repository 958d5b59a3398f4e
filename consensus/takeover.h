// Takeover: phase 1 of one ballot, as its proposer sees it.
//
// Contract      Collects promises and says, per open slot, which value the ballot must propose.
// Safety        P2c of Lamport, "Paxos Made Simple" (2001), section 2.2: the value of the highest
//               ballot among the votes told, or any if there is none. Slots that a promise calls
//               learned are never filled from votes: they must be learned first (`chosen_through`).
//               Votes from parts of incomplete promises are used as well; more votes can only show
//               a higher ballot, and that one had to obey the same rule.
// Thread        Core thread only.   Errors: a malformed part is refused.
#ifndef SYNOD_CONSENSUS_TAKEOVER_H_
#define SYNOD_CONSENSUS_TAKEOVER_H_

#include <map>
#include <optional>
#include <vector>

#include "consensus/message.h"

namespace synod::consensus {

class Takeover {
 public:
  Takeover(Ballot ballot, Slot from) : ballot_(ballot), from_(from) {}

  Ballot ballot() const { return ballot_; }
  Slot from() const { return from_; }

  // False if the part is malformed or of another ballot: nothing was taken from it.
  bool Add(NodeId sender, const Promise& part);
  bool IsComplete(NodeId sender) const;
  // How many of `voters` have promised completely.
  size_t CountComplete(const std::vector<NodeId>& voters) const;

  // C: every slot up to it is chosen somewhere and must be learned, not proposed.
  Slot chosen_through() const { return chosen_through_; }
  // The `n`th (modulo their number) of those who said that they learned more than `slot`.
  std::optional<NodeId> SourceAbove(Slot slot, size_t n) const;

  // M: the highest slot that any promise tells a vote of; 0 if none.
  Slot highest_vote() const { return best_.empty() ? Slot{} : best_.rbegin()->first; }
  // The value that must be proposed; nullptr if the proposer is free.
  const Entry* Bound(Slot slot) const;

 private:
  struct Told {
    NodeId sender;
    Slot learned;
    std::vector<SlotRange> parts;  // last == 0: without end
    bool complete = false;
  };
  Told& Of(NodeId sender);
  bool Covers(const Told& told) const;

  Ballot ballot_;
  Slot from_;
  Slot chosen_through_;
  std::vector<Told> told_;
  std::map<Slot, AcceptedEntry> best_;
};

}  // namespace synod::consensus

#endif  // SYNOD_CONSENSUS_TAKEOVER_H_
