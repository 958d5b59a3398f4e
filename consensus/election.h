// Election: when to campaign, and when to refuse those who do.
//
// Contract      Timers in ticks, the pre-vote tally, and stickiness: a node that heard a leader
//               with a majority less than the shortest election timeout ago refuses candidates.
// Safety        None of this is needed for agreement; it keeps one leader from disturbing another.
// Liveness      Pre-vote answers carry the promise, so that a candidate on an old round catches up;
//               there is no condition on the log, so nobody can block an election for ever.
// Thread        Core thread only.
#ifndef SYNOD_CONSENSUS_ELECTION_H_
#define SYNOD_CONSENSUS_ELECTION_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "consensus/replica.h"
#include "src/base/random.h"

namespace synod::consensus {

class Election {
 public:
  Election(const Config& config, Ballot promised);

  // -- rounds
  // False for a round so far above all known ones that only damage explains it; otherwise notes it.
  bool Observe(Ballot ballot);
  Ballot NextBallot() const { return {max_round_ + 1, self_}; }

  // -- the timer
  bool IsDue(uint64_t now) const { return now >= deadline_; }
  // A random election timeout from now; `behind` waits longer, so that others go first.
  void Restart(uint64_t now, bool behind = false);
  void DueIn(uint64_t now, uint64_t ticks) { deadline_ = now + ticks; }

  // -- the leader, as heard
  std::optional<NodeId> leader() const { return leader_; }
  // An Accept of `leader` arrived whose majority answered it `quorum_age` ticks ago.
  void Heard(NodeId leader, uint64_t now, uint32_t quorum_age);
  void ForgetLeader() {
    leader_.reset();
    leader_gone_ = false;
  }
  // Its process is gone: no reason to wait for it.
  void LeaderGone(uint64_t now);
  bool leader_gone() const { return leader_gone_; }
  bool IsSticky(NodeId candidate, uint64_t now) const;

  // -- pre-vote
  void StartPreVote();
  // Counts a vote; true if this ballot now has `majority`. Votes for other ballots are not counted.
  bool Grant(NodeId voter, Ballot ballot, size_t majority);
  Ballot pre_vote_ballot() const { return pre_vote_ballot_; }

 private:
  NodeId self_;
  uint32_t ticks_min_;
  uint32_t ticks_max_;
  uint32_t heartbeat_ticks_;
  Random random_;
  uint64_t max_round_;
  uint64_t deadline_ = 0;
  std::optional<NodeId> leader_;
  uint64_t quorum_heard_at_ = 0;
  bool leader_gone_ = false;
  Ballot pre_vote_ballot_;
  std::vector<NodeId> granted_;
};

}  // namespace synod::consensus

#endif  // SYNOD_CONSENSUS_ELECTION_H_
