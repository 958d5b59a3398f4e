// Reads: linearizable reads without a log entry, on any node.
//
// Contract      The leader notes its commit as the index of all reads of a turn, asks its peers one
//               question for them, and grants them when a majority answered. Another node asks the
//               leader once for all its reads of a turn.
// Safety        The index covers every write acknowledged before the read began: a write of an
//               older ballot lies below the leader's first own slot, which must be chosen before a
//               round starts; a write of a newer ballot needs a majority that would have refused
//               the question. Only answers to messages sent after the question count. An id is
//               never used again, so a late answer cannot confirm a later read.
//               With a lease (lease.h) all that was asked before the time at hand is granted.
// Source        Ongaro's thesis (2014), section 6.4; docs/architecture.md, "Reads".
// Thread        Core thread only.
#ifndef SYNOD_CONSENSUS_READS_H_
#define SYNOD_CONSENSUS_READS_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "consensus/outbox.h"

namespace synod::consensus {

class Reads {
 public:
  Reads(uint64_t boot, uint64_t timeout_ticks) : boot_(boot), timeout_(timeout_ticks) {}

  void Ask(uint64_t read_id, uint64_t now);
  // A follower's question to this leader.
  void AskFor(NodeId peer, const ReadIndexReq& request, uint64_t now);
  bool HasWaiting() const { return !waiting_.empty(); }
  size_t rounds() const { return rounds_.size(); }

  // Leader: everything that waits joins round `seq`, to be served at `index`.
  void StartRound(uint64_t seq, Slot index, int64_t stamp, uint64_t now);
  // Leader: it has a lease, so that everything that waits is served at `index`.
  void Grant(Slot index, int64_t stamp, Ballot ballot, Outbox* outbox);
  // Leader: a majority answered round `seq`.
  void Confirm(uint64_t seq, Ballot ballot, Outbox* outbox);

  // Follower: one question for all own reads that wait.
  std::optional<ReadIndexReq> AskLeader(uint64_t now);
  void OnResponse(const ReadIndexResp& response, Outbox* outbox);

  // The leader changed or this node stopped leading: whatever was asked of it fails.
  void FailAsked(Outbox* outbox);
  void Expire(uint64_t now, Outbox* outbox);

 private:
  struct Waiting {
    uint64_t read_id = 0;  // of this node, or
    NodeId peer;           // of this peer, if not 0
    ReadIndexReq request;
    uint64_t since = 0;
  };
  struct Round {
    uint64_t seq = 0;
    Slot index;
    int64_t stamp = 0;
    uint64_t since = 0;  // when its oldest read began to wait
    std::vector<Waiting> reads;
  };
  struct Asked {
    uint64_t id = 0;
    uint64_t since = 0;
    std::vector<uint64_t> read_ids;
  };
  Round TakeWaiting(Slot index, int64_t stamp);
  static void Serve(const Round& round, Ballot ballot, Outbox* outbox);
  void Fail(const Waiting& read, Outbox* outbox) const;
  void Fail(const Asked& asked, Outbox* outbox) const;

  uint64_t boot_;
  uint64_t timeout_;
  uint64_t next_id_ = 1;
  std::deque<Waiting> waiting_;
  std::deque<Round> rounds_;
  std::deque<Asked> asked_;
};

}  // namespace synod::consensus

#endif  // SYNOD_CONSENSUS_READS_H_
