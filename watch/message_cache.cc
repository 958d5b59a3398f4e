#include "watch/message_cache.h"

#include <utility>

namespace synod::watch {
namespace {

constexpr uint64_t kCacheBytesMax = uint64_t{8} << 20;

// What a change takes as text besides path and values.
constexpr uint64_t kRenderedChangeBytes = 256;

uint64_t RenderedBytes(const Message& message) {
  uint64_t bytes = sizeof(Message);
  for (const store::Change* change : message.changes) {
    bytes += kRenderedChangeBytes + change->path.size();
    bytes += change->node ? change->node->value.size() : 0;
    bytes += message.prev && change->prev ? change->prev->value.size() : 0;
  }
  return bytes;
}

}  // namespace

MessageRef MessageCache::Find(uint64_t stream, Revision revision) const {
  const auto it = messages_.find(Key{stream, revision});
  return it == messages_.end() ? nullptr : it->second;
}

void MessageCache::Insert(uint64_t stream, MessageRef message) {
  const Age age{{stream, message->revision->revision}, RenderedBytes(*message)};
  if (!messages_.emplace(age.key, std::move(message)).second)
    return;
  by_age_.push_back(age);
  bytes_ += age.bytes;
  // The newest stays even if it is over the bound alone: its listeners are about to ask for it.
  while (bytes_ > kCacheBytesMax && by_age_.size() > 1) {
    bytes_ -= by_age_.front().bytes;
    messages_.erase(by_age_.front().key);
    by_age_.pop_front();
  }
}

}  // namespace synod::watch
