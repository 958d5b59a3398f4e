// DigestWatch: the digests that this node and the others computed, and which are to be logged next.
//
// Contract      Every node notes the digest of its state at each slot that is a multiple of
//               `every`, and tells the leader. The leader logs what all voters said of one slot, or
//               after a while what a majority did; the state machine judges it. If those who were
//               heard make no majority that agrees, everybody is asked first to compute it at an
//               entry made for that: who has started since does not know the old slot. While
//               something is wrong (a node diverged, or no majority agrees) it has one logged every
//               few seconds: each such entry is a slot to compute the digest at, too, so that a
//               node that was mended is found right again without waiting for the next multiple. A
//               node whose state comes from a disk asks for a comparison by an entry of its own.
// Thread        Core thread only.   Errors: none.
#ifndef SYNOD_NODE_ENGINE_DIGESTS_H_
#define SYNOD_NODE_ENGINE_DIGESTS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "src/base/hash.h"
#include "src/base/types.h"
#include "src/machine/machine.h"
#include "src/node/engine_frames.h"

namespace synod::node {

class DigestWatch {
 public:
  DigestWatch(NodeId self, uint64_t every) : self_(self), every_(every) {}

  bool IsNoted(Slot slot) const { return slot.value % every_ == 0; }
  // `asked`: compare it although it is no multiple.
  void Note(Slot slot, const Digest& digest, bool asked, int64_t now_ms);
  // What this node computed at `slot`, if it still knows.
  std::optional<Digest> NotedAt(Slot slot) const;
  // The newest that nobody logged yet, for the leader.
  std::vector<SlotDigest> Unchecked(Slot checked) const;
  void Heard(NodeId from, const std::vector<SlotDigest>& digests);

  // Leader only, and that since `since_ms`: what to have logged now, if anything.
  std::optional<machine::CheckDigests> Next(const machine::DigestCheck& last,
                                            const std::vector<NodeId>& voters,
                                            int64_t since_ms,
                                            int64_t now_ms);

 private:
  struct Noted {
    Digest digest;
    bool asked = false;  // by an entry, of everybody
    int64_t at_ms = 0;
    std::map<NodeId, Digest> heard;  // of others
  };

  // The reports of these voters, this node's among them if it is one.
  std::vector<std::pair<NodeId, Digest>> ReportsOf(const Noted& noted,
                                                   const std::vector<NodeId>& voters) const;

  NodeId self_;
  uint64_t every_;
  std::map<Slot, Noted> noted_;
  int64_t logged_ms_ = 0;
  int64_t asked_ms_ = -1;  // when this node last asked everybody
  Slot logged_;
};

}  // namespace synod::node

#endif  // SYNOD_NODE_ENGINE_DIGESTS_H_
