// Value: the bytes of a node.
//
// Contract      Immutable and cheap to copy: copies share one allocation, which holds the count of
//               its users, the size and the bytes. An empty value has none. It keeps most of what a
//               node costs in memory down to the bytes themselves.
// Thread        Copies of one value may be used and dropped on different threads.
#ifndef SYNOD_STORE_VALUE_H_
#define SYNOD_STORE_VALUE_H_

#include <algorithm>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <cstdint>
#include <new>
#include <string_view>

namespace synod::store {

class Value {
 public:
  Value() = default;
  explicit Value(std::string_view bytes) {
    if (bytes.empty())
      return;
    auto* block = new (::operator new(sizeof(Block) + bytes.size())) Block;
    block->size = static_cast<uint32_t>(bytes.size());
    std::copy(bytes.begin(), bytes.end(), reinterpret_cast<char*>(block + 1));
    block_.reset(block);
  }

  std::string_view view() const {
    return block_ ? std::string_view(reinterpret_cast<const char*>(block_.get() + 1), block_->size)
                  : std::string_view();
  }
  size_t size() const { return block_ ? block_->size : 0; }
  bool empty() const { return !block_; }
  bool SharesWith(const Value& other) const { return block_ == other.block_; }

 private:
  struct Block : boost::intrusive_ref_counter<Block> {
    static void operator delete(void* memory) { ::operator delete(memory); }  // of its real size
    uint32_t size = 0;
  };
  boost::intrusive_ptr<const Block> block_;
};

}  // namespace synod::store

#endif  // SYNOD_STORE_VALUE_H_
