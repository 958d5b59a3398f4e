#include "consensus/election.h"

#include <algorithm>

#include "src/base/check.h"

namespace synod::consensus {
namespace {

constexpr uint64_t kRoundJumpMax = uint64_t{1} << 32;

}  // namespace

Election::Election(const Config& config, Ballot promised)
    : self_(config.self),
      ticks_min_(config.election_ticks_min),
      ticks_max_(config.election_ticks_max),
      heartbeat_ticks_(config.heartbeat_ticks),
      random_(config.seed ^ (uint64_t{config.self.value} << 32)),
      max_round_(promised.round) {
  SYNOD_CHECK(ticks_min_ > heartbeat_ticks_);
  SYNOD_CHECK(ticks_max_ > ticks_min_);
  Restart(0);
}

bool Election::Observe(Ballot ballot) {
  if (ballot.round > max_round_ && ballot.round - max_round_ > kRoundJumpMax)
    return false;
  max_round_ = std::max(max_round_, ballot.round);
  return true;
}

void Election::Restart(uint64_t now, bool behind) {
  // After the leader's process ended nobody waits for it, but an attempt may come too early for a
  // peer that has not noticed: try again soon.
  const uint64_t wait = leader_gone_
                            ? random_.Between(heartbeat_ticks_, uint64_t{2} * heartbeat_ticks_)
                            : random_.Between(ticks_min_, ticks_max_ - 1);
  deadline_ = now + wait + (behind ? ticks_min_ : 0);
}

void Election::Heard(NodeId leader, uint64_t now, uint32_t quorum_age) {
  if (leader_ != leader)
    quorum_heard_at_ = 0;
  leader_ = leader;
  leader_gone_ = false;
  quorum_heard_at_ = std::max(quorum_heard_at_, now - std::min<uint64_t>(now, quorum_age));
  Restart(now);
}

void Election::LeaderGone(uint64_t now) {
  leader_gone_ = true;
  deadline_ = now + 1;
}

bool Election::IsSticky(NodeId candidate, uint64_t now) const {
  // A leader that lost its ballot may campaign again: it is the one we are loyal to.
  return leader_.has_value() && *leader_ != candidate && !leader_gone_ &&
         now - quorum_heard_at_ < ticks_min_;
}

void Election::StartPreVote() {
  pre_vote_ballot_ = NextBallot();
  granted_.clear();
}

bool Election::Grant(NodeId voter, Ballot ballot, size_t majority) {
  if (ballot != pre_vote_ballot_)
    return false;
  if (std::find(granted_.begin(), granted_.end(), voter) == granted_.end())
    granted_.push_back(voter);
  return granted_.size() >= majority;
}

}  // namespace synod::consensus
