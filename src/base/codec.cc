#include "src/base/codec.h"

#include <bit>

namespace synod {

static_assert(std::endian::native == std::endian::little, "fixed-width fields are little-endian");

void Writer::Varint(uint64_t v) {
  char buf[10];
  size_t n = 0;
  while (v >= 0x80) {
    buf[n++] = static_cast<char>(v | 0x80);
    v >>= 7;
  }
  buf[n++] = static_cast<char>(v);
  out_->append(buf, n);
}

std::string_view Reader::Take(size_t n) {
  if (n > in_.size()) {
    Fail();
    return {};
  }
  const std::string_view s = in_.substr(0, n);
  in_.remove_prefix(n);
  return s;
}

uint8_t Reader::U8() {
  const std::string_view s = Take(1);
  return s.empty() ? uint8_t{0} : static_cast<uint8_t>(s[0]);
}

uint32_t Reader::Fixed32() {
  const std::string_view s = Take(sizeof(uint32_t));
  uint32_t v = 0;
  if (!s.empty())
    std::memcpy(&v, s.data(), sizeof v);
  return v;
}

uint64_t Reader::Fixed64() {
  const std::string_view s = Take(sizeof(uint64_t));
  uint64_t v = 0;
  if (!s.empty())
    std::memcpy(&v, s.data(), sizeof v);
  return v;
}

uint64_t Reader::Varint() {
  uint64_t v = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const uint64_t byte = U8();
    if (!ok_)
      return 0;
    v |= (byte & 0x7F) << shift;
    if (byte < 0x80) {
      // The tenth byte has room for one bit; and a trailing zero byte is a second spelling of the
      // same number, which would break "equal bytes, equal meaning".
      const bool overflow = shift == 63 && byte > 1;
      const bool padded = shift > 0 && byte == 0;
      if (overflow || padded) {
        Fail();
        return 0;
      }
      return v;
    }
  }
  Fail();
  return 0;
}

bool Reader::Bool() {
  const uint8_t v = U8();
  if (v > 1)
    Fail();
  return v == 1;
}

std::string_view Reader::String() {
  const uint64_t n = Varint();
  if (n > in_.size()) {
    Fail();
    return {};
  }
  return Take(static_cast<size_t>(n));
}

uint64_t Reader::Count(size_t min_bytes) {
  const uint64_t n = Varint();
  if (n > in_.size() / min_bytes) {
    Fail();
    return 0;
  }
  return n;
}

}  // namespace synod
