#include "src/store/order.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "src/base/check.h"
#include "src/base/path.h"

namespace synod::store {

size_t Order::SlotOf(std::string_view path) const {
  const auto after = std::upper_bound(
      slots_.begin(), slots_.end(), path,
      [](std::string_view p, const Slot& s) { return ComparePaths(p, s.first->path()) < 0; });
  return after == slots_.begin() ? 0 : static_cast<size_t>(after - slots_.begin()) - 1;
}

Order::Iterator Order::Seek(std::string_view path, int least) const {
  if (slots_.empty())
    return end();
  const size_t slot = SlotOf(path);
  const Block& block = *slots_[slot].block;
  const auto first = block.entries.begin();
  const auto it = std::partition_point(first, first + block.size, [&](const Entry* e) {
    return ComparePaths(e->path(), path) < least;
  });
  const auto at = static_cast<uint32_t>(it - first);
  return at == block.size ? Iterator(&slots_, slot + 1, 0) : Iterator(&slots_, slot, at);
}

void Order::Split(size_t slot) {
  Block& full = *slots_[slot].block;
  auto upper = std::make_unique<Block>();
  constexpr uint32_t kHalf = kBlockEntries / 2;
  std::copy(full.entries.begin() + kHalf, full.entries.end(), upper->entries.begin());
  upper->size = kBlockEntries - kHalf;
  full.size = kHalf;
  Entry* first = upper->entries[0];
  slots_.insert(slots_.begin() + static_cast<std::ptrdiff_t>(slot) + 1,
                Slot{first, std::move(upper)});
}

bool Order::IsLast(std::string_view path) const {
  if (slots_.empty())
    return true;
  const Block& last = *slots_.back().block;
  return ComparePaths(last.entries[last.size - 1]->path(), path) < 0;
}

void Order::Insert(Entry* entry) {
  ++size_;
  const std::string_view path = entry->path();
  // Rising paths, as in a load or a queue, fill block after block to the brim.
  const bool appends = IsLast(path);
  if (slots_.empty() || (appends && slots_.back().block->size == kBlockEntries))
    slots_.push_back({entry, std::make_unique<Block>()});
  size_t slot = appends ? slots_.size() - 1 : SlotOf(path);
  if (slots_[slot].block->size == kBlockEntries) {
    Split(slot);
    slot += ComparePaths(slots_[slot + 1].first->path(), path) < 0 ? 1 : 0;
  }
  Block& block = *slots_[slot].block;
  const auto end = block.entries.begin() + block.size;
  const auto at =
      appends ? end : std::partition_point(block.entries.begin(), end, [&](const Entry* e) {
        return ComparePaths(e->path(), path) < 0;
      });
  std::copy_backward(at, end, end + 1);
  *at = entry;
  ++block.size;
  slots_[slot].first = block.entries[0];
}

void Order::Erase(Entry* entry) {
  const Iterator it = LowerBound(entry->path());
  if (it == end() || *it != entry)
    return;
  --size_;
  Block& block = *slots_[it.slot_].block;
  const auto at = block.entries.begin() + it.at_;
  std::copy(at + 1, block.entries.begin() + block.size, at);
  --block.size;
  slots_[it.slot_].first = block.entries[0];
  MergeIfSmall(it.slot_);
}

void Order::MergeIfSmall(size_t slot) {
  const auto at = slots_.begin() + static_cast<std::ptrdiff_t>(slot);
  Block& block = *at->block;
  if (block.size == 0) {
    slots_.erase(at);
    return;
  }
  if (block.size >= kBlockEntries / 4 || at + 1 == slots_.end())
    return;
  const Block& next = *(at + 1)->block;
  // Room is left, so that the next few inserts do not split it again.
  if (block.size + next.size > kBlockEntries * 3 / 4)
    return;
  std::copy(next.entries.begin(), next.entries.begin() + next.size,
            block.entries.begin() + block.size);
  block.size += next.size;
  slots_.erase(at + 1);
}

void Order::CheckInvariants() const {
  size_t size = 0;
  const Entry* last = nullptr;
  for (const Slot& slot : slots_) {
    SYNOD_CHECK_GT(slot.block->size, 0u);
    SYNOD_CHECK(slot.first == slot.block->entries[0]);
    size += slot.block->size;
  }
  for (const Entry* entry : *this) {
    if (last != nullptr)
      SYNOD_CHECK_LT(ComparePaths(last->path(), entry->path()), 0);
    last = entry;
  }
  SYNOD_CHECK_EQ(size, size_);
}

}  // namespace synod::store
