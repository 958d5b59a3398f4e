#include "consensus/types.h"

#include "src/base/codec.h"

namespace synod::consensus {

Hash128 Entry::Hash() const {
  std::string head;
  Writer w(&head);
  w.U8(static_cast<uint8_t>(kind));
  w.Write(origin);
  return HashOf(*payload, HashOf(head).lo);
}

bool Entry::SameValue(const Entry& other) const {
  return kind == other.kind && origin == other.origin &&
         (payload == other.payload || *payload == *other.payload);
}

}  // namespace synod::consensus
