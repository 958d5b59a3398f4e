#include "src/node/engine_reads.h"

#include <algorithm>

namespace synod::node {
namespace {

Error Fail(Errc code, const char* detail) { return {code, Outcome::kNotApplied, detail}; }

}  // namespace

void PendingReads::Add(CallId call, const ReadRequest& request, int64_t now_ms) {
  Call& c = calls_[call];
  c.request = request;
  c.started_ms = now_ms;
  c.deadline_ms = now_ms + request.timeout_ms;
  // A bound on age is proven by a round of our own: what it confirms is younger than its start.
  c.needs_round =
      request.consistency == Consistency::kLinearizable || request.max_age_ms.has_value();
  (c.needs_round ? waiting_for_round_ : maybe_ready_).push_back(call);
}

void PendingReads::StartRound(consensus::Replica* replica, bool leader_known) {
  if (!WantsRound() || !leader_known)
    return;
  const uint64_t round = ++last_round_;
  rounds_[round] = std::move(waiting_for_round_);
  waiting_for_round_.clear();
  replica->ReadIndex(round);
}

void PendingReads::Granted(const consensus::ReadGrant& grant) {
  const auto it = rounds_.find(grant.read_id);
  if (it == rounds_.end())
    return;
  for (const CallId id : it->second) {
    const auto call = calls_.find(id);
    if (call == calls_.end())
      continue;
    call->second.granted = true;
    call->second.index = grant.index;
    call->second.stamp = ClusterTime(grant.leader_stamp);
    maybe_ready_.push_back(id);
  }
  rounds_.erase(it);
}

void PendingReads::Failed(uint64_t round) {
  const auto it = rounds_.find(round);
  if (it == rounds_.end())
    return;
  waiting_for_round_.insert(waiting_for_round_.end(), it->second.begin(), it->second.end());
  rounds_.erase(it);
}

bool PendingReads::MayServe(const Call& call, Slot applied, Revision revision) const {
  if (call.needs_round && !(call.granted && applied >= call.index))
    return false;
  return call.request.consistency == Consistency::kLinearizable ||
         revision >= call.request.min_revision;
}

void PendingReads::Collect(Slot applied,
                           Revision revision,
                           ClusterTime time,
                           std::vector<ReadReady>* ready) {
  const auto served = [&](CallId id) {
    const auto it = calls_.find(id);
    if (it == calls_.end())
      return true;
    if (!MayServe(it->second, applied, revision))
      return false;
    ready->push_back({id, std::max(time, it->second.stamp)});
    calls_.erase(it);
    return true;
  };
  maybe_ready_.erase(std::remove_if(maybe_ready_.begin(), maybe_ready_.end(), served),
                     maybe_ready_.end());
}

void PendingReads::Expire(int64_t now_ms, bool leader_known, std::vector<ReadReady>* ready) {
  if (leader_known)
    leader_seen_ms_ = now_ms;
  for (auto it = calls_.begin(); it != calls_.end();) {
    const Call& c = it->second;
    const bool round_pending = c.needs_round && !c.granted;
    const int64_t leaderless_since = std::max(leader_seen_ms_, c.started_ms);
    std::optional<Error> error;
    // Granted or not: what the round proved is as old as the call.
    if (c.request.max_age_ms && now_ms - c.started_ms >= *c.request.max_age_ms) {
      error = Fail(Errc::kNotReady, "this replica is not proven to be as fresh as max_age_ms asks");
    } else if (round_pending && now_ms - leaderless_since >= leaderless_ms_) {
      error = Fail(Errc::kNoLeader, "no leader is known to this node");
    } else if (now_ms >= c.deadline_ms) {
      error = round_pending && !leader_known
                  ? Fail(Errc::kNoLeader, "no leader is known to this node")
                  : Fail(Errc::kDeadlineExceeded, "the read could not be served in timeout_ms");
    }
    if (!error) {
      ++it;
      continue;
    }
    ready->push_back({it->first, *std::move(error)});
    it = calls_.erase(it);
  }
  const auto gone = [&](CallId id) { return !calls_.contains(id); };
  std::erase_if(waiting_for_round_, gone);
  std::erase_if(maybe_ready_, gone);
}

void PendingReads::FailAll(const Error& error, std::vector<ReadReady>* ready) {
  for (const auto& [id, call] : calls_) ready->push_back({id, error});
  calls_.clear();
  waiting_for_round_.clear();
  maybe_ready_.clear();
  rounds_.clear();
}

}  // namespace synod::node
