// Entry and Version: where a path's states live, now and back to the floor of the history.
//
// Contract      An Entry stands for one path, stored once, behind the struct in the same
//               allocation. `current` is the committed state. Older states hang off it, newest
//               first, as Versions; each belongs to the revision that ended it and dies with that
//               revision when the history is compacted (history.h), so that compaction never
//               searches.
// Invariants    (1) Since() of a state is the revision from which it held: every edit that touches
//               a node sets mod_revision or children_revision; (2) `until` falls along the chain.
// Thread        Core thread only; one that is in no tree yet: one thread at a time.
#ifndef SYNOD_STORE_ENTRY_H_
#define SYNOD_STORE_ENTRY_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <new>
#include <string_view>

#include "src/base/hash.h"
#include "src/store/node.h"

namespace synod::store {

struct Entry;

// A state that is no more: `before` held up to, not including, `until`.
struct Version {
  Entry* entry = nullptr;
  NodeRef before;  // never null: what did not exist is told by create_revision
  Revision until;
  Version* older = nullptr;
  Version** link = nullptr;    // what points here: the entry's `older` or the next newer Version's
  bool children_only = false;  // ended by its children's coming and going, not by a write
};

struct Entry {
  NodeRef current;  // null: deleted and remembered by `older`, or in an open edit, or about to go
  Version* older = nullptr;
  Hash128 record_hash;  // of the current node record; meaningless without `current`
  uint32_t staged = 0;  // 1 + place in the open edit, 0: not touched by it
  uint16_t path_size = 0;
  bool dirty = false;  // its record differs from the last checkpoint

  std::string_view path() const { return {reinterpret_cast<const char*>(this + 1), path_size}; }

  static Entry* Make(std::string_view path) {
    void* memory = ::operator new(sizeof(Entry) + path.size());
    Entry* entry = new (memory) Entry;
    entry->path_size = static_cast<uint16_t>(path.size());
    std::copy(path.begin(), path.end(), reinterpret_cast<char*>(entry + 1));
    return entry;
  }
  static void Free(Entry* entry) {
    entry->~Entry();
    ::operator delete(entry);
  }
};

struct EntryFree {
  void operator()(Entry* entry) const { Entry::Free(entry); }
};
using EntryOwner = std::unique_ptr<Entry, EntryFree>;

// The revision from which this state held.
inline Revision Since(const NodeState& state) {
  return std::max(state.mod_revision, state.children_revision);
}

// The state at `at`, which is not below the floor; null if there was none.
inline NodeRef StateAt(const Entry& entry, Revision at) {
  const NodeRef* state = &entry.current;
  const Version* older = entry.older;
  while (true) {
    if (*state && Since(**state) <= at)
      return *state;
    // Between the end of the older state and the start of this one there was nothing.
    if (older == nullptr || older->until <= at)
      return nullptr;
    state = &older->before;
    older = older->older;
  }
}

}  // namespace synod::store

#endif  // SYNOD_STORE_ENTRY_H_
