#include "consensus/log.h"

#include <algorithm>
#include <utility>

#include "src/base/check.h"

namespace synod::consensus {

Log::Log(std::vector<AcceptedEntry> recovered, Slot learned, Slot applied) : learned_(learned) {
  SYNOD_CHECK(applied <= learned);
  begin_ = learned + 1;
  // The learned prefix is kept as far back as it is without a gap; it must reach the applied slot.
  auto prefix_end = std::partition_point(recovered.begin(), recovered.end(),
                                         [&](const auto& e) { return e.slot <= learned; });
  auto first = prefix_end;
  while (first != recovered.begin() && std::prev(first)->slot + 1 == begin_) {
    --first;
    begin_ = first->slot;
  }
  SYNOD_CHECK(begin_ <= applied + 1);
  for (auto it = first; it != recovered.end(); ++it) {
    SYNOD_CHECK(it->slot >= end());
    Record& r = At(it->slot);
    r.entry = std::move(it->entry);
    r.ballot = it->ballot;
    r.chosen = it->chosen || it->slot <= learned;
    if (it->slot <= learned)
      cached_bytes_ += r.entry.ByteSize();
  }
}

Record& Log::At(Slot slot) {
  SYNOD_CHECK(slot >= begin_);
  const size_t index = slot.value - begin_.value;
  if (index >= records_.size())
    records_.resize(index + 1);
  return records_[index];
}

const Record* Log::Find(Slot slot) const {
  if (slot < begin_ || slot >= end())
    return nullptr;
  const Record& r = records_[slot.value - begin_.value];
  return r.held() ? &r : nullptr;
}

Record* Log::Find(Slot slot) { return const_cast<Record*>(std::as_const(*this).Find(slot)); }

Record& Log::Vote(Slot slot, Ballot ballot, const Entry& entry, PersistId persist) {
  SYNOD_CHECK(slot > learned_);
  SYNOD_CHECK(slot.value - learned_.value <= 2 * kHoleCap);
  Record& r = At(slot);
  if (r.held()) {
    SYNOD_CHECK(r.ballot <= ballot);
    if (r.ballot == ballot || r.chosen)
      SYNOD_CHECK(r.entry.SameValue(entry));
  }
  r.entry = entry;
  r.ballot = ballot;
  r.persist = persist;
  r.votes = 0;
  r.sent_at = 0;
  return r;
}

bool Log::Learn(const Entry& entry, Ballot ballot, PersistId persist) {
  Record& r = At(learned_ + 1);
  const bool same = r.held() && r.entry.SameValue(entry);
  if (r.chosen)
    SYNOD_CHECK(same);
  if (!same) {
    r.entry = entry;
    r.ballot = ballot;
    r.persist = persist;
  }
  ChooseNext();
  return !same;
}

void Log::ChooseNext() {
  Record& r = At(learned_ + 1);
  SYNOD_CHECK(r.held());
  r.chosen = true;
  cached_bytes_ += r.entry.ByteSize();
  ++learned_;
}

bool Log::AdvanceTo(Ballot ballot, Slot commit) {
  const Slot before = learned_;
  while (const Record* r = Find(learned_ + 1)) {
    if (!r->chosen && (learned_ >= commit || r->ballot != ballot))
      break;
    ChooseNext();
  }
  return learned_ > before;
}

void Log::SkipTo(Slot slot) {
  SYNOD_CHECK(slot > learned_);
  const uint64_t dropped = std::min<uint64_t>(slot.value + 1 - begin_.value, records_.size());
  records_.erase(records_.begin(), records_.begin() + static_cast<std::ptrdiff_t>(dropped));
  begin_ = slot + 1;
  learned_ = slot;
  cached_bytes_ = 0;
}

std::vector<Chosen> Log::Read(Slot from, size_t bytes_max) const {
  std::vector<Chosen> entries;
  size_t bytes = 0;
  for (Slot s = from; s <= learned_; ++s) {
    const Record* r = Find(s);
    SYNOD_CHECK(r != nullptr);
    bytes += r->entry.ByteSize();
    // Stops at the first that does not fit; a later, smaller one would leave a gap.
    if (!entries.empty() && bytes > bytes_max)
      break;
    entries.push_back({s, r->entry});
  }
  return entries;
}

void Log::Evict(Slot upto, size_t bytes_max) {
  SYNOD_CHECK(upto <= learned_);
  while (cached_bytes_ > bytes_max && begin_ <= upto) {
    cached_bytes_ -= records_.front().entry.ByteSize();
    records_.pop_front();
    ++begin_;
  }
}

}  // namespace synod::consensus
