// Membership: who votes, who only learns, and which number comes next.
//
// Contract      A plain value, shared by the core, which counts votes by it, and the state machine,
//               which keeps it with the state. `version` rises by one with every change; version 0
//               is the list that a cluster was founded with, before its log says so itself.
// Ids           `next_member` is above every id that was ever given out: an id is never used again.
// Format        docs/formats.md, "Membership". A reader skips what a newer writer adds at the end.
// Errors        Decode takes hostile bytes: kInvalidRequest.
#ifndef SYNOD_BASE_MEMBERSHIP_H_
#define SYNOD_BASE_MEMBERSHIP_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "src/base/error.h"
#include "src/base/types.h"

namespace synod {

struct Membership {
  uint64_t version = 0;
  std::vector<NodeId> voters;    // ascending
  std::vector<NodeId> learners;  // ascending; receive everything, are never counted
  NodeId next_member;            // above all of them; 0 in version 0

  size_t Majority() const { return voters.size() / 2 + 1; }
  bool IsVoter(NodeId n) const;
  bool IsLearner(NodeId n) const;
  bool IsMember(NodeId n) const { return IsVoter(n) || IsLearner(n); }
  // The number was given out, and is nobody's any more.
  bool WasRemoved(NodeId n) const { return !IsMember(n) && n < next_member; }

  Bytes Encode() const;
  static Result<Membership> Decode(std::string_view bytes);
  // Of the payload of a kConfig entry, which begins with it, length-delimited; what follows there
  // is the state machine's.
  static Result<Membership> OfEntry(std::string_view payload);
  bool operator==(const Membership&) const = default;
};

}  // namespace synod

#endif  // SYNOD_BASE_MEMBERSHIP_H_
