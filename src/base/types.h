// Types: the numbers that every module shares, each of its own type so that they cannot be swapped.
//
// Contract      Plain values, ordered and hashable where that makes sense. All of them fit in 2^53,
//               since they travel as JSON integers.
// Source        Ballot and Slot as in Lamport, "Paxos Made Simple" (2001), sections 2.2 and 3.
#ifndef SYNOD_BASE_TYPES_H_
#define SYNOD_BASE_TYPES_H_

#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace synod {

// An integer that only mixes with its own kind. `value` is public: codecs and tables need it.
template <typename Tag, typename Rep = uint64_t>
struct Strong {
  Rep value = 0;

  constexpr Strong() = default;
  explicit constexpr Strong(Rep v) : value(v) {}
  constexpr auto operator<=>(const Strong&) const = default;
  constexpr Strong operator+(Rep n) const { return Strong(static_cast<Rep>(value + n)); }
  constexpr Strong operator-(Rep n) const { return Strong(static_cast<Rep>(value - n)); }
  constexpr Strong& operator++() {
    ++value;
    return *this;
  }
};

using NodeId = Strong<struct NodeIdTag, uint32_t>;           // a member of the cluster; 0 is nobody
using Slot = Strong<struct SlotTag>;                         // an instance of Paxos; the first is 1
using Revision = Strong<struct RevisionTag>;                 // the store's logical clock
using LeaseId = Strong<struct LeaseIdTag>;                   // 0 is no lease
using FenceToken = Strong<struct FenceTokenTag>;             // 0 is no token
using PersistId = Strong<struct PersistIdTag>;               // 0 is "nothing to wait for"
using ClusterTime = Strong<struct ClusterTimeTag, int64_t>;  // ms of the leader's clock, in the log

// A ballot number: unique to its proposer, ordered by round first.
struct Ballot {
  uint64_t round = 0;
  NodeId node;
  constexpr auto operator<=>(const Ballot&) const = default;
  constexpr bool IsZero() const { return round == 0; }
};

// Names one client request while it is in flight: the node that took it, that node's process
// (boot differs at every start), and a number that rises by one with each request of that process.
struct RequestId {
  NodeId node;
  uint64_t boot = 0;
  uint64_t seq = 0;
  constexpr auto operator<=>(const RequestId&) const = default;
};

using Bytes = std::string;  // any bytes, not text
using SharedBytes =
    std::shared_ptr<const std::string>;  // immutable, shared between log, wire, tree

}  // namespace synod

template <typename Tag, typename Rep>
struct std::hash<synod::Strong<Tag, Rep>> {
  size_t operator()(const synod::Strong<Tag, Rep>& v) const { return std::hash<Rep>()(v.value); }
};

#endif  // SYNOD_BASE_TYPES_H_
