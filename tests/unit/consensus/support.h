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

inline std::ostream& operator<<(std::ostream& out, const SlotRange& r) {
  return out << r.first.value << ".." << r.last.value;
}

}  // namespace synod::consensus

#endif  // SYNOD_TESTS_UNIT_CONSENSUS_SUPPORT_H_
