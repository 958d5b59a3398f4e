#include "src/base/utf8.h"

namespace synod {

size_t DecodeCharacter(std::string_view s, uint32_t* code) {
  if (s.empty())
    return 0;
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(s[i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) {
    *code = first;
    return 1;
  }
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || s.size() < length)
    return 0;
  uint32_t c = first & (0x7FU >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80)
      return 0;
    c = (c << 6) | (byte(i) & 0x3F);
  }
  static constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (c < kSmallest[length] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
    return 0;
  *code = c;
  return length;
}

bool IsValidUtf8(std::string_view s) {
  while (!s.empty()) {
    // Runs of ASCII are the common case.
    if (static_cast<uint8_t>(s[0]) < 0x80) {
      s.remove_prefix(1);
      continue;
    }
    uint32_t code = 0;
    const size_t n = DecodeCharacter(s, &code);
    if (n == 0)
      return false;
    s.remove_prefix(n);
  }
  return true;
}

}  // namespace synod
