// UTF-8 (RFC 3629): what is valid, and the characters of a text one by one.
//
// Contract      Pure functions. A character is one code point in its shortest form, no surrogate
//               and not above U+10FFFF (section 4). Nothing is normalised.
#ifndef SYNOD_BASE_UTF8_H_
#define SYNOD_BASE_UTF8_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace synod {

// The length in bytes of the character that `s` begins with, and its code; 0 if `s` is empty or
// begins with what is no character.
size_t DecodeCharacter(std::string_view s, uint32_t* code);

bool IsValidUtf8(std::string_view s);

// U+0000-1F and U+007F-9F: to a terminal U+009B is what ESC [ is.
inline bool IsControl(uint32_t code) { return code < 0x20 || (code >= 0x7F && code <= 0x9F); }

}  // namespace synod

#endif  // SYNOD_BASE_UTF8_H_
