#include "src/base/hash.h"

#include <charconv>
#include <cstring>

namespace synod {
namespace {

constexpr uint64_t kMultiplierA = 0x9E3779B97F4A7C15ULL;
constexpr uint64_t kMultiplierB = 0xD6E8FEB86659FD93ULL;
constexpr uint64_t kMultiplierC = 0xA0761D6478BD642FULL;

// 64 x 64 -> 128 multiply, both halves folded: the strongest cheap mixer of this width.
uint64_t Fold(uint64_t a, uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

uint64_t Load(const char* p, size_t n) {
  uint64_t v = 0;
  if (n > 0)  // the data of an empty view may be null, which memcpy must not be given
    std::memcpy(&v, p, n);
  return v;
}

}  // namespace

Hash128 HashOf(std::string_view data, uint64_t seed) {
  uint64_t a = seed ^ kMultiplierA;
  uint64_t b = Fold(seed ^ kMultiplierC, data.size() ^ kMultiplierB);
  const char* p = data.data();
  size_t n = data.size();
  while (n >= 16) {
    const uint64_t x = Load(p, 8);
    const uint64_t y = Load(p + 8, 8);
    a = Fold(a ^ x, y ^ kMultiplierA) + b;
    b = Fold(b ^ y, x ^ kMultiplierC) ^ a;
    p += 16;
    n -= 16;
  }
  const uint64_t x = Load(p, n < 8 ? n : 8);
  const uint64_t y = n > 8 ? Load(p + 8, n - 8) : 0;
  a = Fold(a ^ x ^ kMultiplierB, y ^ kMultiplierA ^ data.size()) + b;
  b = Fold(b ^ y ^ kMultiplierC, x ^ kMultiplierB) ^ a;
  return {Fold(a ^ kMultiplierC, b ^ kMultiplierB), Fold(b ^ kMultiplierA, a ^ kMultiplierC)};
}

Hash128 HashOfRecord(std::string_view key, std::string_view value) {
  const Hash128 k = HashOf(key, 1);
  const Hash128 v = HashOf(value, k.lo);
  return {v.hi ^ k.hi, v.lo};
}

std::optional<Hash128> Hash128::FromHex(std::string_view hex) {
  if (hex.size() != 32)
    return std::nullopt;
  Hash128 h;
  for (uint64_t* half : {&h.hi, &h.lo}) {
    const auto [end, error] = std::from_chars(hex.data(), hex.data() + 16, *half, 16);
    if (error != std::errc() || end != hex.data() + 16)
      return std::nullopt;
    hex.remove_prefix(16);
  }
  return h;
}

std::string Hash128::Hex() const {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string s(32, '0');
  for (int i = 0; i < 16; ++i) {
    s[static_cast<size_t>(15 - i)] = kDigits[(hi >> (4 * i)) & 15];
    s[static_cast<size_t>(31 - i)] = kDigits[(lo >> (4 * i)) & 15];
  }
  return s;
}

}  // namespace synod
