// Message: what replicas say to each other, and its bytes.
//
// Contract      Plain data. Every field is fixed at the sender's decision; the driver may only fill
//               `gen` and `gens` (counts of synced records, which witness a lost disk).
//               Encode and DecodeMessage are inverse; the grammar is in docs/formats.md.
// Durability    What must be on the sender's disk before it leaves is said at each struct;
//               replica.h hands it out as Send::after.
// Versions      A message and every item of a list is length-delimited and fields are only ever
//               added at the end: an older reader skips them, a newer one sees their default.
// Errors        DecodeMessage takes hostile bytes: kInvalidRequest, never a crash, never an
//               allocation beyond the size of the input.
// Source        Lamport, "Paxos Made Simple" (2001), section 2.2 (prepare, accept) and section 3.
#ifndef SYNOD_CONSENSUS_MESSAGE_H_
#define SYNOD_CONSENSUS_MESSAGE_H_

#include <cstdint>
#include <variant>
#include <vector>

#include "consensus/types.h"
#include "src/base/codec.h"
#include "src/base/error.h"

namespace synod::consensus {

// "Would you promise me this ballot?" Changes nothing at the receiver. Durable before: nothing.
struct PreVote {
  Ballot ballot;  // the one the sender would prepare
  Slot learned;
  uint64_t config_version = 0;
  bool operator==(const PreVote&) const = default;
};

// Durable before: nothing. `promised` lets a candidate on an old round catch up.
struct PreVoteReply {
  Ballot ballot;  // as asked
  bool granted = false;
  Ballot promised;
  Slot learned;
  NodeId leader;  // whom the sender follows; 0: nobody
  bool operator==(const PreVoteReply&) const = default;
};

// Phase 1a for every slot from `from` on. Durable before: the sender's own promise of `ballot`.
struct Prepare {
  Ballot ballot;
  Slot from;
  uint64_t config_version = 0;
  bool transfer = false;  // the last leader asked for it: stickiness does not apply
  Ballot released = {};   // then: what that leader has given up
  bool operator==(const Prepare&) const = default;
};

// Phase 1b, in parts. Each part tells all votes of the slots [from, until), the last one of all
// slots from `from` on. Durable before: the promise and every vote told.
struct Promise {
  Ballot ballot;
  Slot learned;  // slots up to here are known chosen at the sender and are not told
  Slot commit_hint;
  Slot first_slot;
  Slot from;
  Slot until;  // 0 in the last part
  uint64_t gen = 0;
  std::vector<AcceptedEntry> entries;  // ascending
};

struct Proposal {
  Slot slot;
  Entry entry;
};

struct MemberGen {
  NodeId member;
  uint64_t gen = 0;
  bool operator==(const MemberGen&) const = default;
};

// Phase 2a for several slots; without entries a heartbeat. Durable before: nothing (the leader's
// own vote counts only once it is durable, but that is not told here).
struct Accept {
  Ballot ballot;
  Slot commit;              // every slot up to it is chosen
  uint64_t read_seq = 0;    // rises with every round that wants an answer
  uint32_t quorum_age = 0;  // ticks since a majority last answered the leader
  uint64_t config_version = 0;
  std::vector<Proposal> entries;  // ascending
  std::vector<MemberGen> gens;    // the leader's table, on heartbeats
  uint64_t lease_ms = 0;          // asks for a lease (lease.h)
};

struct SlotRange {
  Slot first;
  Slot last;  // inclusive
  bool operator==(const SlotRange&) const = default;
};

// Phase 2b. Durable before: the votes of `ranges` and the promise of `ballot`.
struct Accepted {
  Ballot ballot;
  uint64_t read_seq = 0;  // of the Accept that is answered
  Slot learned;
  Slot durable_learned;
  uint64_t gen = 0;
  std::vector<SlotRange> ranges;  // voted for in `ballot`; ascending
  uint64_t lease_ms = 0;          // no ballot of another node is promised for so long
  bool operator==(const Accepted&) const = default;
};

enum class NackReason : uint8_t {
  kStale = 0,        // promised a higher ballot
  kSticky = 1,       // follows a leader that has a majority
  kConfigStale = 2,  // the sender is no voter here
  kTooFarAhead = 3,  // slots too far above what is learned
};

// A refusal of Prepare or Accept. Durable before: nothing.
struct Nack {
  Ballot ballot;  // refused
  Ballot promised;
  Slot learned;
  NackReason reason = NackReason::kStale;
  bool operator==(const Nack&) const = default;
};

struct LearnReq {
  Slot from;
  uint64_t bytes_max = 0;
  bool operator==(const LearnReq&) const = default;
};

// Chosen entries from `from` on without a gap. Durable before: nothing.
struct LearnResp {
  Slot from;
  Slot commit;           // what the sender knows to be chosen
  Slot first_available;  // below it only a snapshot helps
  std::vector<Chosen> entries;
};

// A follower's reads of one turn. `id` is never reused, not even by a later process.
struct ReadIndexReq {
  uint64_t boot = 0;
  uint64_t id = 0;
  bool operator==(const ReadIndexReq&) const = default;
};

struct ReadIndexResp {
  uint64_t boot = 0;
  uint64_t id = 0;
  bool granted = false;  // false: not the leader, or deposed meanwhile
  Ballot ballot;
  Slot index;
  int64_t stamp = 0;
  bool operator==(const ReadIndexResp&) const = default;
};

// "Campaign now": the sender has given up `ballot` for good. Durable before: nothing.
struct TimeoutNow {
  Ballot ballot;
  Slot commit;
  bool operator==(const TimeoutNow&) const = default;
};

// The order is the type byte on the wire: append only.
using Message = std::variant<PreVote,
                             PreVoteReply,
                             Prepare,
                             Promise,
                             Accept,
                             Accepted,
                             Nack,
                             LearnReq,
                             LearnResp,
                             ReadIndexReq,
                             ReadIndexResp,
                             TimeoutNow>;

// "Accept", for logs and transcripts.
const char* Name(const Message& message);

void Encode(const Message& message, Writer* out);
Result<Message> DecodeMessage(Reader* in);

// One slot's value as bytes; also what the acceptor's log stores.
void Encode(const AcceptedEntry& entry, Writer* out);
bool Decode(Reader* in, AcceptedEntry* entry);  // false, and in->ok() is false, on bad bytes
void Encode(const Entry& entry, Writer* out);
bool Decode(Reader* in, Entry* entry);

}  // namespace synod::consensus

#endif  // SYNOD_CONSENSUS_MESSAGE_H_
