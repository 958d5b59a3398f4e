// Hash128 and Digest: names of values, and the running fingerprint of replicated state.
//
// Contract      HashOf is fixed for ever: it is on disk and on the wire. It is not cryptographic;
//               it finds accidents (bit flips, nondeterminism), not forgers.
//               Digest is a sum of hashes mod 2^64 in each of two lanes, so that the order of
//               changes does not matter and one change costs two hashes, not a pass over the state.
#ifndef SYNOD_BASE_HASH_H_
#define SYNOD_BASE_HASH_H_

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace synod {

struct Hash128 {
  uint64_t hi = 0;
  uint64_t lo = 0;
  constexpr auto operator<=>(const Hash128&) const = default;
  std::string Hex() const;  // 32 lower-case digits
  static std::optional<Hash128> FromHex(std::string_view hex);
};

Hash128 HashOf(std::string_view data, uint64_t seed = 0);

// Hash of a record of replicated state: key and value with the border between them.
Hash128 HashOfRecord(std::string_view key, std::string_view value);

struct Digest {
  Hash128 sum;
  void Add(const Hash128& h) {
    sum.hi += h.hi;
    sum.lo += h.lo;
  }
  void Remove(const Hash128& h) {
    sum.hi -= h.hi;
    sum.lo -= h.lo;
  }
  constexpr auto operator<=>(const Digest&) const = default;
};

}  // namespace synod

#endif  // SYNOD_BASE_HASH_H_
