#include "consensus/journal.h"

#include <utility>

#include "src/base/check.h"

namespace synod::consensus {

PersistId Journal::Dirty() {
  dirty_ = true;
  return next_;
}

PersistId Journal::Put(AcceptedEntry entry) {
  entry_bytes_ += entry.entry.ByteSize();
  unsynced_bytes_ += entry.entry.ByteSize();
  entries_.push_back(std::move(entry));
  return Dirty();
}

std::optional<PersistRequest> Journal::Take(const HardState& state) {
  if (!dirty_)
    return std::nullopt;
  SYNOD_CHECK(state.promised >= last_.promised);
  SYNOD_CHECK(state.learned >= last_.learned);
  SYNOD_CHECK(state.commit_hint >= last_.commit_hint);
  SYNOD_CHECK(state.first_slot >= last_.first_slot);
  last_ = state;
  dirty_ = false;
  in_flight_.push_back({next_, state.learned, std::exchange(entry_bytes_, 0)});
  PersistRequest request{next_, state, std::move(entries_)};
  entries_.clear();
  ++next_;
  return request;
}

void Journal::Persisted(PersistId upto) {
  SYNOD_CHECK(upto >= durable_);
  SYNOD_CHECK(upto < next_);
  durable_ = upto;
  while (!in_flight_.empty() && in_flight_.front().id <= upto) {
    durable_learned_ = in_flight_.front().learned;
    unsynced_bytes_ -= in_flight_.front().bytes;
    in_flight_.pop_front();
  }
}

}  // namespace synod::consensus
