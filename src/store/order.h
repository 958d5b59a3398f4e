// Order: a set of entries in path order.
//
// Contract      Sorted blocks of pointers under a sorted array of blocks: about 11 bytes an entry
//               where a balanced tree takes 48, and neighbours share cache lines. Inserting moves
//               at
//               most one block and, once in many times, the array. Entries compare by path; they
//               are not owned. Changing the set ends all iterators.
// Thread        Core thread only.
#ifndef SYNOD_STORE_ORDER_H_
#define SYNOD_STORE_ORDER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "src/store/entry.h"

namespace synod::store {

class Order {
 private:
  static constexpr uint32_t kBlockEntries = 128;
  struct Block {
    uint32_t size = 0;
    std::array<Entry*, kBlockEntries> entries;
  };
  struct Slot {
    Entry* first;  // of the block, so that a search need not touch it
    std::unique_ptr<Block> block;
  };

 public:
  class Iterator {
   public:
    Iterator() = default;
    Entry* operator*() const { return (*slots_)[slot_].block->entries[at_]; }
    Iterator& operator++() {
      if (++at_ == (*slots_)[slot_].block->size) {
        ++slot_;
        at_ = 0;
      }
      return *this;
    }
    bool operator==(const Iterator&) const = default;

   private:
    friend class Order;
    Iterator(const std::vector<Slot>* slots, size_t slot, uint32_t at)
        : slots_(slots), slot_(slot), at_(at) {}

    const std::vector<Slot>* slots_ = nullptr;
    size_t slot_ = 0;
    uint32_t at_ = 0;
  };

  // `entry` is not in the set.
  void Insert(Entry* entry);
  // Whether `path` comes behind all others: then Insert is quick.
  bool IsLast(std::string_view path) const;
  // Nothing if it is not in the set.
  void Erase(Entry* entry);

  size_t size() const { return size_; }
  Iterator begin() const { return {&slots_, 0, 0}; }
  Iterator end() const { return {&slots_, slots_.size(), 0}; }
  // The first entry that is not before `path`, and the first after it. `path` need not be valid.
  Iterator LowerBound(std::string_view path) const { return Seek(path, 0); }
  Iterator UpperBound(std::string_view path) const { return Seek(path, 1); }

  void CheckInvariants() const;

 private:
  // The first entry that compares >= `least` with the path.
  Iterator Seek(std::string_view path, int least) const;
  // The slot that holds or would hold `path`; there is one.
  size_t SlotOf(std::string_view path) const;
  void Split(size_t slot);
  void MergeIfSmall(size_t slot);

  std::vector<Slot> slots_;  // no block is empty
  size_t size_ = 0;
};

}  // namespace synod::store

#endif  // SYNOD_STORE_ORDER_H_
