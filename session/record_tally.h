// RecordTally: the digest of one table's records and which of them changed since the last
// checkpoint.
//
// Contract      A table calls Set() or Remove() for every change of a record and keeps the record's
//               hash beside it, so that a change costs two additions and one hash. Changes of one
//               record between two calls of TakeDirty() come out as one.
// Thread        Core thread only.   Errors: none.
#ifndef SYNOD_SESSION_RECORD_TALLY_H_
#define SYNOD_SESSION_RECORD_TALLY_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>

#include "src/base/hash.h"
#include "src/base/record.h"

namespace synod::session {

class RecordTally {
 public:
  // The record is `value` now. `hash` is what the last Set() left there; zero: it is new.
  void Set(std::string_view key, std::string_view value, Hash128* hash);
  void Remove(std::string_view key, const Hash128& hash);
  // As Set(), for a record that comes from a checkpoint: it is not dirty.
  void Loaded(std::string_view key, std::string_view value, Hash128* hash);

  const Digest& digest() const { return digest_; }
  void TakeDirty(Records* out);
  uint64_t dirty_bytes() const { return dirty_bytes_; }

 private:
  void Touch(std::string_view key, std::optional<Bytes> value);

  Digest digest_;
  std::map<Bytes, std::optional<Bytes>, std::less<>> dirty_;
  uint64_t dirty_bytes_ = 0;
};

// The key of a record: the owner's tag and what names it.
inline Bytes RecordKey(RecordTag tag, std::string_view name) {
  Bytes key(1, static_cast<char>(tag));
  key.append(name);
  return key;
}
// A number as a name, in such a way that the order of bytes is that of the numbers.
Bytes BigEndian(uint64_t number);
std::optional<uint64_t> FromBigEndian(std::string_view name);

}  // namespace synod::session

#endif  // SYNOD_SESSION_RECORD_TALLY_H_
