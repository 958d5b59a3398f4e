// Types of the replicated log: what is agreed on, what must be on disk, what comes out.
//
// Contract      Plain data, shared by the core (replica.h), the acceptor's log (src/storage) and
//               the driver (src/node). Values are immutable and shared, never copied per peer.
// Source        Lamport, "Paxos Made Simple" (2001), sections 2 and 3; docs/architecture.md has the
//               table of messages and of what we add.
// Thread        Values; those who hold them decide.
#ifndef SYNOD_CONSENSUS_TYPES_H_
#define SYNOD_CONSENSUS_TYPES_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "src/base/hash.h"
#include "src/base/membership.h"
#include "src/base/types.h"

namespace synod::consensus {

enum class EntryKind : uint8_t {
  kNoop = 0,         // fills a hole at takeover
  kLeaderStart = 1,  // the first entry of a ballot that is its own; origin is that ballot
  kCommand = 2,      // a batch for the state machine (machine::EncodeBatch)
  kConfig = 3,       // a membership, in force from the next slot (Membership::OfEntry)
};

// What one slot holds. `origin` is the ballot that *first* proposed it and never changes when a
// later leader proposes it again: the state machine ignores commands of deposed leaders by it.
struct Entry {
  EntryKind kind = EntryKind::kNoop;
  Ballot origin;
  SharedBytes payload;  // never null; empty for kNoop and kLeaderStart

  Hash128 Hash() const;                      // of kind, origin and payload
  bool SameValue(const Entry& other) const;  // kind, origin and payload are equal
  size_t ByteSize() const { return 32 + payload->size(); }
};

// An acceptor's vote, or a value known to be chosen (`chosen`: then the ballot is the one it was
// learned with and stands for "any").
struct AcceptedEntry {
  Slot slot;
  Ballot ballot;
  bool chosen = false;
  Entry entry;
};

// The part of an acceptor's memory that is not per slot. All of it is monotonic.
struct HardState {
  Ballot promised;
  Slot learned;        // every slot up to this one is known chosen and held (or below first_slot)
  Slot commit_hint;    // highest commit index heard of
  Slot first_slot{1};  // slots below are truncated: only a snapshot has their effect
  bool operator==(const HardState&) const = default;
};

// One request to the acceptor's log: all of it, or (after a crash) none of it, and requests become
// durable in the order of their ids.
struct PersistRequest {
  PersistId id;
  HardState hard_state;
  std::vector<AcceptedEntry> entries;
};

// What the acceptor's log gave back at start.
struct Recovered {
  HardState hard_state;
  std::vector<AcceptedEntry> entries;  // ascending slots >= first_slot, the last vote of each;
                                       // at least all above the state's checkpoint
  uint64_t gen = 0;                    // count of synced records of this identity
};

// A chosen entry, handed out in slot order, each exactly once.
struct Chosen {
  Slot slot;
  Entry entry;
};

}  // namespace synod::consensus

#endif  // SYNOD_CONSENSUS_TYPES_H_
