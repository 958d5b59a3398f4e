// Leader: phase 2 of one ballot, from the promises of a majority until the ballot is given up.
//
// Contract      Puts entries into slots, sends Accepts, counts votes slot by slot, and keeps what
//               it knows of every peer. Before Begin() it only sends heartbeats (values are
//               fetched).
// Safety        One value per slot in this ballot. A vote counts for the slot and ballot it names,
//               if its sender votes in the membership of that slot; the leader's own counts once it
//               is durable. Commit moves over a contiguous prefix.
// Membership    All open slots are of one membership: Adopt() is called when none is open.
// Flow          Nothing is proposed while window_slots slots or window_bytes bytes are open.
//               Accepts that a peer did not answer are sent again with the heartbeat, at most one
//               message a peer.
// Thread        Core thread only.
// Not here      Which values to propose first (takeover.h), reads (reads.h).
#ifndef SYNOD_CONSENSUS_LEADER_H_
#define SYNOD_CONSENSUS_LEADER_H_

#include <deque>
#include <vector>

#include "consensus/log.h"
#include "consensus/outbox.h"
#include "consensus/replica.h"

namespace synod::consensus {

class Leader {
 public:
  struct Peer {
    NodeId id;
    uint32_t bit = 0;    // marks its vote in Record::votes
    bool voter = false;  // or a learner: gets everything, is never counted
    Slot learned;
    Slot durable_learned;
    uint64_t heard_at = 0;      // tick at which the newest message it answered was sent; 0: never
    uint64_t read_seq = 0;      // newest round it answered
    uint64_t leased_until = 0;  // ms
    uint64_t repeat_after = 0;  // tick before which nothing is sent again
  };

  Leader(const Config& config, const Membership& membership, Ballot ballot, uint64_t now);

  Ballot ballot() const { return ballot_; }
  // From the next slot on this membership counts; whoever is new counts as heard just now.
  void Adopt(const Membership& membership, uint64_t now);
  // Tells those who are no longer members that everything up to here is chosen: the last that they
  // hear of this leader.
  void Dismiss(const Membership& membership, const Log& log, uint64_t now, Outbox* outbox) const;
  // The peer promised just now: counts as contact.
  void Promised(NodeId peer, uint64_t now);

  // From here on entries are proposed; `base` is the first slot of this ballot.
  void Begin(Slot base);
  Slot base() const { return base_; }
  Slot next() const { return next_; }
  Slot start_slot() const { return start_slot_; }
  void set_start_slot(Slot slot) { start_slot_ = slot; }
  bool HasRoom(const Log& log) const;
  uint64_t InFlight(const Log& log) const { return next_.value - 1 - log.learned().value; }
  Slot Propose(const Entry& entry, Log* log, Journal* journal);
  // Slots up to `learned` were chosen by others and learned: the next proposal goes above them.
  void SkipTo(Slot learned);

  // Takes the votes of an answer; false if the sender is no peer.
  bool OnAccepted(NodeId from, const Accepted& answer, Log* log);
  void CountOwnVotes(Log* log, const Journal& journal);
  // Moves the learned prefix over every slot that has a majority. True if it moved.
  bool AdvanceCommit(Log* log);

  void SetTime(uint64_t now_ms) { time_ms_ = now_ms; }
  // Until then no other leader can be; in ms.
  uint64_t LeasedUntil() const;

  // A new round: the next Accept to every peer asks for an answer. Returns its number.
  uint64_t StartRound(uint64_t now);
  // The newest round that a majority answered.
  uint64_t ConfirmedRound() const;
  // Up to where a majority holds everything, durably.
  Slot MajorityLearned(Slot own_durable) const;
  // The tick of the newest moment at which a majority was known to follow.
  uint64_t QuorumContact(uint64_t now) const;
  void Heartbeat(uint64_t now);

  // Sends what this turn added: new entries, or an empty Accept if a round was started or if the
  // commit moved and nothing else would tell it soon.
  void Flush(Log* log, uint64_t now, Outbox* outbox);

  const std::vector<Peer>& peers() const { return peers_; }
  const Peer* Find(NodeId id) const;

 private:
  // The greatest value that a majority of the voters, the leader with `own`, has reached.
  template <typename Reached>
  uint64_t MajorityReached(uint64_t own, Reached reached) const;
  Accept Frame(const Log& log, uint64_t now) const;
  void Broadcast(const Accept& accept, Outbox* outbox) const;
  void SendNew(Log* log, uint64_t now, Outbox* outbox);
  // A heartbeat for `peer`, with what it should have answered by now.
  Accept Repeat(Peer* peer, const Log& log, uint64_t now) const;
  // When a recent round began; of one that is not remembered: never.
  struct Moment {
    uint64_t tick = 0;
    uint64_t ms = 0;
  };
  Moment SentAt(uint64_t read_seq) const;

  Config config_;
  uint64_t config_version_;
  Ballot ballot_;
  std::vector<Peer> peers_;
  uint32_t self_bit_ = 0;  // 0: it does not vote
  uint32_t voter_bits_ = 0;
  int majority_ = 0;

  Slot base_;
  Slot next_;
  Slot start_slot_;
  Slot own_next_;     // first slot whose own vote is not counted
  Slot unsent_;       // first slot that was not sent
  Slot told_commit_;  // in the last Accept
  size_t open_bytes_ = 0;

  uint64_t read_seq_ = 0;
  bool round_due_ = false;
  bool heartbeat_due_ = false;
  uint64_t sent_first_ = 1;     // the round that sent_at_.front() belongs to
  std::deque<Moment> sent_at_;  // of each recent round
  uint64_t time_ms_ = 0;
};

}  // namespace synod::consensus

#endif  // SYNOD_CONSENSUS_LEADER_H_
