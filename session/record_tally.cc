#include "session/record_tally.h"

#include <utility>

namespace synod::session {
namespace {

uint64_t SizeOf(std::string_view key, const std::optional<Bytes>& value) {
  return key.size() + (value.has_value() ? value->size() : 0);
}

}  // namespace

void RecordTally::Set(std::string_view key, std::string_view value, Hash128* hash) {
  Loaded(key, value, hash);
  Touch(key, Bytes(value));
}

void RecordTally::Remove(std::string_view key, const Hash128& hash) {
  digest_.Remove(hash);
  Touch(key, std::nullopt);
}

void RecordTally::Loaded(std::string_view key, std::string_view value, Hash128* hash) {
  digest_.Remove(*hash);
  *hash = HashOfRecord(key, value);
  digest_.Add(*hash);
}

void RecordTally::Touch(std::string_view key, std::optional<Bytes> value) {
  dirty_bytes_ += SizeOf(key, value);
  const auto it = dirty_.find(key);
  if (it == dirty_.end()) {
    dirty_.emplace(Bytes(key), std::move(value));
    return;
  }
  dirty_bytes_ -= SizeOf(key, it->second);
  it->second = std::move(value);
}

void RecordTally::TakeDirty(Records* out) {
  while (!dirty_.empty()) {
    auto node = dirty_.extract(dirty_.begin());
    out->push_back({std::move(node.key()), std::move(node.mapped())});
  }
  dirty_bytes_ = 0;
}

Bytes BigEndian(uint64_t number) {
  Bytes out(8, '\0');
  for (size_t i = 0; i < 8; ++i) out[7 - i] = static_cast<char>(number >> (8 * i));
  return out;
}

std::optional<uint64_t> FromBigEndian(std::string_view name) {
  if (name.size() != 8)
    return std::nullopt;
  uint64_t number = 0;
  for (const char c : name) number = (number << 8) | static_cast<uint8_t>(c);
  return number;
}

}  // namespace synod::session
