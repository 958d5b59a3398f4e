// MessageCache: recent messages, so that all listeners of a stream get the same object.
//
// Contract      Bounded by an estimate of what the messages take once rendered; the oldest inserted
//               go first. Whoever finds nothing builds the message from the history again.
// Thread        Core thread only.
#ifndef SYNOD_WATCH_MESSAGE_CACHE_H_
#define SYNOD_WATCH_MESSAGE_CACHE_H_

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <deque>

#include "watch/hub.h"

namespace synod::watch {

class MessageCache {
 public:
  MessageRef Find(uint64_t stream, Revision revision) const;
  void Insert(uint64_t stream, MessageRef message);

 private:
  struct Key {
    uint64_t stream = 0;
    Revision revision;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    size_t operator()(const Key& k) const {
      return static_cast<size_t>((k.stream * 0x9E3779B97F4A7C15ULL) ^ k.revision.value);
    }
  };
  struct Age {
    Key key;
    uint64_t bytes = 0;
  };

  boost::unordered_flat_map<Key, MessageRef, KeyHash> messages_;  // never iterated
  std::deque<Age> by_age_;
  uint64_t bytes_ = 0;
};

}  // namespace synod::watch

#endif  // SYNOD_WATCH_MESSAGE_CACHE_H_
