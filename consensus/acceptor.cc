#include "consensus/acceptor.h"

#include <algorithm>
#include <utility>

#include "src/base/check.h"

namespace synod::consensus {
namespace {

void AddSlot(Slot slot, std::vector<SlotRange>* ranges) {
  if (!ranges->empty() && ranges->back().last + 1 == slot)
    ranges->back().last = slot;
  else
    ranges->push_back({slot, slot});
}

}  // namespace

bool Acceptor::Promise(Ballot ballot, Journal* journal) {
  if (ballot < promised_)
    return false;
  if (ballot > promised_) {
    promised_ = ballot;
    promise_persist_ = journal->Dirty();
  }
  return true;
}

Votes Acceptor::Vote(const Accept& accept, Log* log, Journal* journal) {
  const bool allowed = Promise(accept.ballot, journal);
  SYNOD_CHECK(allowed);
  Votes votes;
  votes.after = promise_persist_;
  for (const Proposal& p : accept.entries) {
    const Record* held = log->Find(p.slot);
    if (p.slot.value > log->learned().value + kHoleCap) {
      votes.too_far = true;
      break;
    }
    if (p.slot <= log->learned() || (held != nullptr && held->chosen)) {
      // Chosen already: any later ballot proposes the same value, and this node will never report
      // another one, so the answer is as good as a vote and needs no write. Another value is of an
      // older ballot than the one that chose this: to learn needs no promise, so it may come late.
      if (held != nullptr && !held->entry.SameValue(p.entry))
        continue;
    } else if (held != nullptr && held->ballot == accept.ballot) {
      SYNOD_CHECK(held->entry.SameValue(p.entry));  // two values in one ballot: stop
      votes.after = std::max(votes.after, held->persist);
    } else if (journal->IsFull()) {
      continue;  // as if it were lost
    } else {
      const PersistId id = journal->Put({p.slot, accept.ballot, false, p.entry});
      log->Vote(p.slot, accept.ballot, p.entry, id);
      votes.after = id;
    }
    AddSlot(p.slot, &votes.ranges);
  }
  return votes;
}

std::vector<consensus::Promise> Acceptor::Report(Slot from,
                                                 const HardState& state,
                                                 const Log& log,
                                                 size_t bytes_max) const {
  std::vector<consensus::Promise> parts(1);
  size_t bytes = 0;
  const Slot start = std::max(from, log.learned() + 1);
  parts.back().from = start;
  for (Slot s = start; s < log.end(); ++s) {
    const Record* r = log.Find(s);
    if (r == nullptr)
      continue;
    bytes += r->entry.ByteSize();
    if (!parts.back().entries.empty() && bytes > bytes_max) {
      parts.back().until = s;
      parts.emplace_back().from = s;
      bytes = r->entry.ByteSize();
    }
    parts.back().entries.push_back({s, r->ballot, r->chosen, r->entry});
  }
  for (consensus::Promise& part : parts) {
    part.ballot = promised_;
    part.learned = state.learned;
    part.commit_hint = state.commit_hint;
    part.first_slot = state.first_slot;
  }
  return parts;
}

}  // namespace synod::consensus
