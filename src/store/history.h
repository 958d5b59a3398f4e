// History: what the kept revisions changed, from the floor on, and the states before them.
//
// Contract      One Span per revision that touched a node. The floor moves at once; the memory
//               below it is given back a little at a time by Collect(), so that no call takes long
//               however much history goes. Until then it is there but unreachable.
// Determinism   The floor is replicated state: it follows from the revisions, their times and their
//               bytes alone, never from how much was collected. BytesOf() decides it, so it is
//               fixed.
// Disk          Revisions go to disk in chunks, once; a chunk goes when all of it is below the
//               floor.
// Thread        Core thread only.
#ifndef SYNOD_STORE_HISTORY_H_
#define SYNOD_STORE_HISTORY_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <string_view>
#include <vector>

#include "src/base/record.h"
#include "src/store/node_table.h"
#include "src/store/record_codec.h"

namespace synod::store {

struct Span {
  Revision revision;
  RevisionRef changes;
  std::vector<Version> versions;  // never reallocated: entries point into it
  uint64_t end_bytes = 0;         // BytesOf() of this and all spans before it
};

class History {
 public:
  explicit History(NodeTable* nodes) : nodes_(nodes) {}

  // `versions` are already linked to their entries.
  void Append(RevisionRef changes, std::vector<Version> versions);
  // A revision that touched no node.
  void Skip(Revision revision) { bounds_.last = revision; }

  RevisionRef At(Revision from) const;
  Revision floor() const { return bounds_.floor; }
  Revision last() const { return bounds_.last; }
  uint64_t bytes() const { return end_bytes() - floor_bytes_; }

  void Compact(Revision upto);
  void Retain(ClusterTime now, int64_t keep_ms, uint64_t keep_bytes);
  // Gives back the memory of what is below the floor, about `budget` nodes of it.
  void Collect(size_t budget);
  // Forgets everything and goes on above `revision`.
  void Restart(Revision revision);

  void TakeDirty(Records* out);
  // What is dropped is to be dropped on disk, too: that counts as one record.
  uint64_t dirty_bytes() const {
    return end_bytes() - saved_bytes_ + (saved_bounds_ == bounds_ ? 0 : kBoundsBytes);
  }
  void ForEachRecord(
      const std::function<void(std::string_view key, std::string_view value)>& each) const;

  // Loading. Chunks come newest first, each with its spans oldest first.
  void SetBounds(const HistoryBounds& bounds);
  void PrependChunk(Revision first, Revision last, std::vector<Span> spans);
  // After the last: everything loaded counts as saved.
  void FinishLoad();

  void CheckInvariants() const;

 private:
  // A chunk on disk; `last` is that of its last revision.
  struct Chunk {
    Revision first;
    Revision last;
  };
  using Spans = std::deque<Span>;
  static constexpr uint64_t kBoundsBytes = 64;  // of the record of bounds_, about

  static uint64_t BytesOf(const RevisionChanges& changes, const std::vector<Version>& versions);
  uint64_t end_bytes() const { return spans_.empty() ? end_bytes_ : spans_.back().end_bytes; }
  // The first span of a revision >= `from`.
  Spans::const_iterator Seek(Revision from) const;
  // Encodes spans from `*at` up to revision `last`, or until `bytes_max` are reached; moves *at on
  // and says in *end where it stopped.
  Record EncodeChunk(Spans::const_iterator* at,
                     Revision last,
                     size_t bytes_max,
                     Revision* end) const;

  NodeTable* nodes_;
  HistoryBounds bounds_;
  Spans spans_;
  size_t garbage_ = 0;        // spans at the front that are below the floor
  size_t collected_ = 0;      // versions of the first of them that are forgotten already
  uint64_t end_bytes_ = 0;    // of the last span ever, for when there is none
  uint64_t floor_bytes_ = 0;  // end_bytes at the floor
  std::deque<Chunk> chunks_;  // on disk, oldest first
  Revision saved_;            // spans up to here are in chunks
  uint64_t saved_bytes_ = 0;  // end_bytes at `saved_`
  HistoryBounds saved_bounds_;
  bool bounds_saved_ = false;
};

}  // namespace synod::store

#endif  // SYNOD_STORE_HISTORY_H_
