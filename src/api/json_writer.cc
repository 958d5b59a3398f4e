#include "src/api/json_writer.h"

namespace synod::api {

void JsonWriter::AppendEscaped(std::string_view utf8) {
  static constexpr std::string_view kHex = "0123456789abcdef";
  out_->push_back('"');
  size_t run = 0;  // start of what can be copied as it is
  for (size_t i = 0; i < utf8.size(); ++i) {
    const auto byte = static_cast<uint8_t>(utf8[i]);
    if (byte >= 0x20 && byte != '"' && byte != '\\')
      continue;
    out_->append(utf8.substr(run, i - run));
    run = i + 1;
    switch (byte) {
      case '"':
        out_->append("\\\"");
        break;
      case '\\':
        out_->append("\\\\");
        break;
      case '\n':
        out_->append("\\n");
        break;
      case '\r':
        out_->append("\\r");
        break;
      case '\t':
        out_->append("\\t");
        break;
      default:
        out_->append("\\u00");
        out_->push_back(kHex[byte >> 4]);
        out_->push_back(kHex[byte & 15]);
    }
  }
  out_->append(utf8.substr(run));
  out_->push_back('"');
}

}  // namespace synod::api
