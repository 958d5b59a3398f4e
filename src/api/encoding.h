// Encodings of bytes as text: base64 (RFC 4648) and percent-encoding (RFC 3986, section 2.1).
//
// Contract      Decoders are strict: base64 has its padding, no spaces and no stray bits, so that a
//               value has exactly one encoding; a percent sign is followed by two hex digits.
// Thread        Any.   Errors: nullopt.
#ifndef SYNOD_API_ENCODING_H_
#define SYNOD_API_ENCODING_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace synod::api {

void AppendBase64(std::string_view bytes, std::string* out);
std::optional<std::string> DecodeBase64(std::string_view text);

// The URL-safe alphabet without padding: list cursors, which then survive any client's (or no)
// percent-encoding.
std::string EncodeBase64Url(std::string_view bytes);
std::optional<std::string> DecodeBase64Url(std::string_view text);

// `plus_is_space`: query parameters, which most clients write as forms do.
std::optional<std::string> DecodePercent(std::string_view text, bool plus_is_space);
// A path with everything encoded but unreserved characters and '/'.
std::string EncodePath(std::string_view path);

// Every byte that is not part of valid UTF-8 becomes U+FFFD.
std::string ReplaceInvalidUtf8(std::string_view text);

// Decimal digits without sign, leading zeros or anything else, below 2^53.
inline constexpr uint64_t kIntegerMax = (uint64_t{1} << 53) - 1;
std::optional<uint64_t> ParseInteger(std::string_view digits);

}  // namespace synod::api

#endif  // SYNOD_API_ENCODING_H_
