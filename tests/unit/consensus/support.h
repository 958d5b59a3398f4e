// Short names for ballots, entries and messages in tests.
//
// Contract      Values only; no behaviour of its own.
#ifndef SYNOD_TESTS_UNIT_CONSENSUS_SUPPORT_H_
#define SYNOD_TESTS_UNIT_CONSENSUS_SUPPORT_H_

#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "consensus/message.h"

namespace synod::consensus {

inline Ballot B(uint64_t round, uint32_t node) { return {round, NodeId(node)}; }

inline Entry E(const std::string& payload, Ballot origin = B(1, 1)) {
  return {EntryKind::kCommand, origin, std::make_shared<const std::string>(payload)};
}

inline Accept MakeAccept(Ballot ballot,
                         std::vector<std::pair<uint64_t, std::string>> entries,
                         uint64_t commit = 0) {
  Accept accept;
  accept.ballot = ballot;
  accept.commit = Slot(commit);
  for (auto& [slot, payload] : entries) accept.entries.push_back({Slot(slot), E(payload)});
  return accept;
}

inline AcceptedEntry MakeVote(uint64_t slot, Ballot ballot, const std::string& payload) {
  return {Slot(slot), ballot, false, E(payload)};
}

// A complete promise in one part.
inline Promise MakePromise(Ballot ballot, uint64_t learned, std::vector<AcceptedEntry> votes) {
  Promise promise;
  promise.ballot = ballot;
  promise.learned = Slot(learned);
  promise.from = Slot(learned + 1);
  promise.entries = std::move(votes);
  return promise;
}

// A message of each kind, in the order of the variant.
inline std::vector<Message> OneOfEach() {
  Promise promise = MakePromise(B(7, 2), 3, {MakeVote(4, B(6, 1), "d"), MakeVote(9, B(5, 3), "")});
  promise.entries[1].chosen = true;
  promise.until = Slot(10);
  promise.commit_hint = Slot(8);
  promise.first_slot = Slot(2);
  promise.gen = 77;
  Accept accept = MakeAccept(B(7, 2), {{4, "d"}, {5, std::string(3000, 'e')}}, 3);
  accept.read_seq = 12;
  accept.quorum_age = 4;
  accept.config_version = 1;
  accept.gens = {{NodeId(1), 100}, {NodeId(3), uint64_t{1} << 50}};
  accept.lease_ms = 400;
  return {PreVote{B(1, 2), Slot(3), 4},
          PreVoteReply{B(1, 2), true, B(0, 1), Slot(3), NodeId(1)},
          Prepare{B(1, 2), Slot(3), 4, true, B(1, 3)},
          promise,
          accept,
          Accepted{B(7, 2), 12, Slot(3), Slot(2), 9, {{Slot(4), Slot(5)}, {Slot(8), Slot(8)}}, 500},
          Nack{B(7, 2), B(8, 1), Slot(3), NackReason::kSticky},
          LearnReq{Slot(4), 1 << 20},
          LearnResp{Slot(4), Slot(9), Slot(1), {{Slot(4), E("d")}, {Slot(5), E("e")}}},
          ReadIndexReq{0xDEADBEEF, 5},
          ReadIndexResp{0xDEADBEEF, 5, true, B(7, 2), Slot(8), -5},
          TimeoutNow{B(7, 2), Slot(9)}};
}

inline std::ostream& operator<<(std::ostream& out, const SlotRange& r) {
  return out << r.first.value << ".." << r.last.value;
}

}  // namespace synod::consensus

#endif  // SYNOD_TESTS_UNIT_CONSENSUS_SUPPORT_H_
