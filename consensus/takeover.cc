#include "consensus/takeover.h"

#include <algorithm>

#include "consensus/log.h"
#include "src/base/check.h"

namespace synod::consensus {
namespace {

// What an honest acceptor can send: slots ascend, lie in the part, and are near what it learned.
bool IsWellFormed(const Promise& part) {
  Slot previous = part.learned;
  if (part.from.value == 0 || (part.until.value != 0 && part.until <= part.from))
    return false;
  for (const AcceptedEntry& e : part.entries) {
    const bool ascending = e.slot > previous;
    const bool inside = e.slot >= part.from && (part.until.value == 0 || e.slot < part.until);
    const bool near = e.slot.value - part.learned.value < 2 * kHoleCap;
    if (!ascending || !inside || !near || e.ballot > part.ballot || e.ballot.IsZero())
      return false;
    previous = e.slot;
  }
  return true;
}

}  // namespace

bool Takeover::Add(NodeId sender, const Promise& part) {
  if (part.ballot != ballot_ || !IsWellFormed(part))
    return false;
  Told& told = Of(sender);
  told.learned = std::max(told.learned, part.learned);
  told.parts.push_back({part.from, part.until});
  told.complete = told.complete || Covers(told);
  chosen_through_ = std::max(chosen_through_, part.learned);
  for (const AcceptedEntry& e : part.entries) {
    auto [it, fresh] = best_.try_emplace(e.slot, e);
    AcceptedEntry& best = it->second;
    if (fresh || best.chosen)
      continue;
    if (e.ballot == best.ballot && !e.chosen)
      SYNOD_CHECK(e.entry.SameValue(best.entry));  // two values in one ballot: stop
    if (e.chosen || e.ballot > best.ballot)
      best = e;
  }
  return true;
}

Takeover::Told& Takeover::Of(NodeId sender) {
  for (Told& told : told_) {
    if (told.sender == sender)
      return told;
  }
  return told_.emplace_back(Told{.sender = sender, .learned = {}, .parts = {}});
}

bool Takeover::Covers(const Told& told) const {
  Slot next = std::max(from_, told.learned + 1);
  for (bool moved = true; moved;) {
    moved = false;
    for (const SlotRange& part : told.parts) {
      if (part.first > next)
        continue;
      if (part.last.value == 0)
        return true;
      if (part.last > next) {
        next = part.last;
        moved = true;
      }
    }
  }
  return false;
}

bool Takeover::IsComplete(NodeId sender) const {
  return std::any_of(told_.begin(), told_.end(),
                     [&](const Told& told) { return told.sender == sender && told.complete; });
}

size_t Takeover::CountComplete(const std::vector<NodeId>& voters) const {
  return static_cast<size_t>(
      std::count_if(voters.begin(), voters.end(), [&](NodeId voter) { return IsComplete(voter); }));
}

std::optional<NodeId> Takeover::SourceAbove(Slot slot, size_t n) const {
  std::vector<NodeId> sources;
  for (const Told& told : told_) {
    if (told.learned > slot)
      sources.push_back(told.sender);
  }
  if (sources.empty())
    return std::nullopt;
  return sources[n % sources.size()];
}

const Entry* Takeover::Bound(Slot slot) const {
  const auto it = best_.find(slot);
  return it == best_.end() ? nullptr : &it->second.entry;
}

}  // namespace synod::consensus
