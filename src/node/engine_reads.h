// PendingReads: reads that wait for a quorum round, for this replica to catch up, or for a
// revision.
//
// Contract      All linearizable reads of one turn share one round; at most two rounds are under
//               way, so that under load a round serves many. A round that fails (leader change) is
//               asked again under a new number until the read's time is up. Numbers are never used
//               twice: a late answer to an old round confirms nothing.
// Errors        kNoLeader after one maximal election timeout without a leader, kDeadlineExceeded
//               after the read's own, kNotReady if a bound on age cannot be proven.
// Thread        Core thread only.
#ifndef SYNOD_NODE_ENGINE_READS_H_
#define SYNOD_NODE_ENGINE_READS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "consensus/replica.h"
#include "src/node/engine.h"

namespace synod::node {

class PendingReads {
 public:
  PendingReads(int64_t leaderless_ms) : leaderless_ms_(leaderless_ms) {}

  void Add(CallId call, const ReadRequest& request, int64_t now_ms);
  void Cancel(CallId call) { calls_.erase(call); }

  // Starts a round if reads wait for one. `leader_known`: somebody could answer it.
  void StartRound(consensus::Replica* replica, bool leader_known);
  void Granted(const consensus::ReadGrant& grant);
  void Failed(uint64_t round);
  // Moves to *ready what can be served from a replica that is at this slot, revision and time.
  void Collect(Slot applied, Revision revision, ClusterTime time, std::vector<ReadReady>* ready);
  // Fails what is too late. Call at every tick.
  void Expire(int64_t now_ms, bool leader_known, std::vector<ReadReady>* ready);
  void FailAll(const Error& error, std::vector<ReadReady>* ready);

  bool WantsRound() const { return !waiting_for_round_.empty() && rounds_.size() < kRoundsMax; }
  size_t size() const { return calls_.size(); }
  uint64_t rounds() const { return last_round_; }

 private:
  static constexpr size_t kRoundsMax = 2;

  struct Call {
    ReadRequest request;
    int64_t started_ms = 0;
    int64_t deadline_ms = 0;
    bool needs_round = false;
    Slot index;  // granted: wait until this is applied
    bool granted = false;
    ClusterTime stamp;  // the leader's clock at the round
  };

  bool MayServe(const Call& call, Slot applied, Revision revision) const;

  const int64_t leaderless_ms_;
  std::map<CallId, Call> calls_;
  std::vector<CallId> waiting_for_round_;
  std::map<uint64_t, std::vector<CallId>> rounds_;
  std::vector<CallId> maybe_ready_;  // granted or sequential, not served yet
  uint64_t last_round_ = 0;
  int64_t leader_seen_ms_ = 0;
};

}  // namespace synod::node

#endif  // SYNOD_NODE_ENGINE_READS_H_
