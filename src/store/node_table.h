// NodeTable: the entries of the tree: by hash for exact lookups, in path order for lists.
//
// Contract      live() holds what exists now or exists in the open edit; dead() holds what is gone
//               but still readable at a kept revision. Keeping them apart keeps lists of a busy
//               queue as fast as what they show. Counts, digest and the set of dirty records follow
//               every Replace().
// Determinism   The hash table is never iterated; its seed differs between processes, so that
//               nobody can prepare paths that collide.
// Thread        Core thread only.
#ifndef SYNOD_STORE_NODE_TABLE_H_
#define SYNOD_STORE_NODE_TABLE_H_

#include <boost/unordered/unordered_flat_set.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/hash.h"
#include "src/base/record.h"
#include "src/store/entry.h"
#include "src/store/order.h"

namespace synod::store {

class NodeTable {
 public:
  NodeTable();
  ~NodeTable();
  NodeTable(const NodeTable&) = delete;
  NodeTable& operator=(const NodeTable&) = delete;

  // Whatever is kept for `path`, or null. Its `current` may be null.
  Entry* Find(std::string_view path) const;
  Entry* FindOrAdd(std::string_view path);

  // An open edit makes `entry`, which has no current state, visible to lists, or gives it up again.
  void Show(Entry* entry) { live_.Insert(entry); }
  void Hide(Entry* entry);

  // Commits one state. `version`, if any, keeps the state before it reachable; with none there was
  // no state before.
  void Replace(Entry* entry, NodeRef now, Version* version);
  // The oldest version of its entry goes.
  void Forget(Version* version);

  // Loading: takes a node whose record is on disk, and gives back the entry. Null if its path is
  // not behind all others.
  Entry* Load(EntryOwner* node);
  // Loading: `entry` is a node of the past only.
  void Bury(Entry* entry) { dead_.Insert(entry); }

  // Moves the records that changed since the last call to the end of *out.
  void TakeDirty(Records* out);
  uint64_t dirty_bytes() const { return dirty_bytes_; }

  const Order& live() const { return live_; }
  const Order& dead() const { return dead_; }
  const Digest& digest() const { return digest_; }
  uint64_t node_count() const { return node_count_; }
  uint64_t logical_bytes() const { return logical_bytes_; }

  void CheckInvariants() const;

 private:
  struct Key {
    uint64_t hash;
    Entry* entry;
  };
  struct Wanted {
    uint64_t hash;
    std::string_view path;
  };
  struct KeyHash {
    using is_transparent = void;
    using is_avalanching = void;
    size_t operator()(const Key& k) const { return k.hash; }
    size_t operator()(const Wanted& w) const { return w.hash; }
  };
  struct KeyEqual {
    using is_transparent = void;
    bool operator()(const Key& a, const Key& b) const { return a.entry == b.entry; }
    bool operator()(const Wanted& a, const Key& b) const {
      return a.hash == b.hash && a.path == b.entry->path();
    }
    bool operator()(const Key& a, const Wanted& b) const { return (*this)(b, a); }
  };

  Entry* LoadRoot(const Entry& loaded);
  uint64_t HashPath(std::string_view path) const { return HashOf(path, seed_).lo; }
  void Count(const Entry& entry, const NodeRef& before, const NodeRef& now);
  void FreeIfUnused(Entry* entry);
  void CheckNode(const Entry& entry) const;

  const uint64_t seed_;
  boost::unordered_flat_set<Key, KeyHash, KeyEqual> index_;  // the entries' owner
  bool root_loaded_ = false;
  Order live_;
  Order dead_;
  std::vector<Entry*> dirty_;
  uint64_t dirty_bytes_ = 0;
  Digest digest_;
  uint64_t node_count_ = 0;
  uint64_t logical_bytes_ = 0;
  std::string scratch_key_;
  std::string scratch_value_;
};

}  // namespace synod::store

#endif  // SYNOD_STORE_NODE_TABLE_H_
