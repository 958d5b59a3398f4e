// JsonWriter: JSON appended straight to a string, for the answers that have to be fast.
//
// Contract      Writes objects and arrays with the commas in place; keys are literals of ours that
//               need no escaping. Text is valid JSON whatever the bytes: what is not UTF-8 becomes
//               U+FFFD. A value keeps its bytes: UTF-8 as "value", others as "value_base64".
// Thread        Any.   Errors: none.
#ifndef SYNOD_API_JSON_WRITER_H_
#define SYNOD_API_JSON_WRITER_H_

#include <charconv>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "src/api/encoding.h"
#include "src/base/utf8.h"

namespace synod::api {

// True if `s` is ASCII that stands in a JSON string as it is. Eight bytes at a time: values are
// mostly such, and then the copy is one append.
inline bool IsPlainAscii(std::string_view s) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  constexpr uint64_t kHigh = 0x8080808080808080;
  const auto zero_byte = [](uint64_t x) { return (x - kOnes) & ~x & kHigh; };
  while (s.size() >= 8) {
    uint64_t x = 0;
    std::memcpy(&x, s.data(), 8);
    const uint64_t below_space = (x - kOnes * 0x20) & ~x & kHigh;
    if (((x & kHigh) | below_space | zero_byte(x ^ (kOnes * '"')) |
         zero_byte(x ^ (kOnes * '\\'))) != 0)
      return false;
    s.remove_prefix(8);
  }
  for (const char c : s) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte < 0x20 || byte >= 0x80 || c == '"' || c == '\\')
      return false;
  }
  return true;
}

class JsonWriter {
 public:
  explicit JsonWriter(std::string* out) : out_(out) {}

  // Without a key: the document itself, or an element of an array.
  void BeginObject() { Open('{'); }
  void BeginObject(std::string_view key) { OpenAt(key, '{'); }
  // Under a user's key.
  void BeginObjectOf(std::string_view key) {
    Separate();
    AppendText(key);
    out_->append(":{", 2);
  }
  void EndObject() { out_->push_back('}'); }
  void BeginArray(std::string_view key) { OpenAt(key, '['); }
  void EndArray() { out_->push_back(']'); }

  template <std::integral N>
  void Number(std::string_view key, N number) {
    Key(key);
    AppendNumber(number);
  }
  void Bool(std::string_view key, bool b) {
    Key(key);
    out_->append(b ? "true" : "false");
  }
  void Null(std::string_view key) {
    Key(key);
    out_->append("null");
  }
  void Text(std::string_view key, std::string_view text) {
    Key(key);
    AppendText(text);
  }
  // Bytes of a user's value under "value" or "value_base64".
  void Value(std::string_view bytes, bool base64) {
    if (!base64 && IsPlainAscii(bytes)) [[likely]] {
      Key("value");
      AppendQuoted(bytes);
    } else if (base64 || !IsValidUtf8(bytes)) {
      Key("value_base64");
      out_->push_back('"');
      AppendBase64(bytes, out_);
      out_->push_back('"');
    } else {
      Key("value");
      AppendEscaped(bytes);
    }
  }

  template <std::integral N>
  void NumberElement(N number) {
    Separate();
    AppendNumber(number);
  }
  void TextElement(std::string_view text) {
    Separate();
    AppendText(text);
  }

 private:
  // A comma, unless something was just opened or nothing of this document is there yet.
  void Separate() {
    if (out_->empty())
      return;
    const char last = out_->back();
    if (last != '{' && last != '[' && last != ':' && last != ' ' && last != '\n')
      out_->push_back(',');
  }
  void Key(std::string_view key) {
    Separate();
    out_->push_back('"');
    out_->append(key);
    out_->append("\":", 2);
  }
  void Open(char bracket) {
    Separate();
    out_->push_back(bracket);
  }
  void OpenAt(std::string_view key, char bracket) {
    Key(key);
    out_->push_back(bracket);
  }
  void AppendQuoted(std::string_view plain) {
    out_->push_back('"');
    out_->append(plain);
    out_->push_back('"');
  }
  void AppendText(std::string_view text) {
    if (IsPlainAscii(text)) [[likely]]
      AppendQuoted(text);
    else if (IsValidUtf8(text))
      AppendEscaped(text);
    else
      AppendEscaped(ReplaceInvalidUtf8(text));
  }
  void AppendEscaped(std::string_view utf8);

  template <std::integral N>
  void AppendNumber(N number) {
    char digits[24];
    const auto [end, error] = std::to_chars(digits, digits + sizeof digits, number);
    out_->append(digits, static_cast<size_t>(end - digits));
  }

  std::string* out_;
};

}  // namespace synod::api

#endif  // SYNOD_API_JSON_WRITER_H_
