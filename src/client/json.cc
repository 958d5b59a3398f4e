#include "src/client/json.h"

#include <boost/json/parse.hpp>

#include "src/base/utf8.h"

namespace synod::client {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

Errc CodeOf(std::string_view name, int status) {
  for (int i = 1; i < kErrcCount; ++i)
    if (const auto code = static_cast<Errc>(i); Name(code) == name)
      return code;
  // Somebody between us and the node answered.
  return status == 504 ? Errc::kDeadlineExceeded : Errc::kInternal;
}

}  // namespace

boost::json::value Json(const Answer& answer) {
  boost::system::error_code error;
  boost::json::value json = boost::json::parse(answer.reply.body, error);
  return error ? boost::json::value() : json;
}

boost::json::object JsonObject(std::string_view text) {
  boost::system::error_code error;
  boost::json::value json = boost::json::parse(text, error);
  return error || !json.is_object() ? boost::json::object() : std::move(json.get_object());
}

uint64_t NumberOf(const boost::json::object& object, std::string_view name) {
  const boost::json::value* value = object.if_contains(name);
  if (value == nullptr)
    return 0;
  boost::system::error_code error;
  const auto n = value->to_number<uint64_t>(error);
  return error ? 0 : n;
}

std::string TextOf(const boost::json::object& object, std::string_view name) {
  const boost::json::value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : "";
}

bool ValueOf(const boost::json::object& object, std::string* value) {
  if (const auto* text = object.if_contains("value"); text != nullptr && text->is_string()) {
    *value = std::string(text->get_string());
    return true;
  }
  if (const auto* text = object.if_contains("value_base64"); text != nullptr && text->is_string()) {
    *value = FromBase64(text->get_string());
    return true;
  }
  return false;
}

void SetValue(std::string_view bytes, boost::json::object* object) {
  if (IsValidUtf8(bytes))
    (*object)["value"] = bytes;
  else
    (*object)["value_base64"] = ToBase64(bytes);
}

std::string ToBase64(std::string_view bytes) {
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    for (size_t j = 0; j < 3; ++j)
      group = (group << 8) | (j < count ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    for (size_t j = 0; j < 4; ++j)
      out += j <= count ? kAlphabet[(group >> (18 - 6 * j)) & 63] : '=';
  }
  return out;
}

std::string FromBase64(std::string_view text) {
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const size_t digit = kAlphabet.find(c);
    if (digit == std::string_view::npos)
      break;
    bits = (bits << 6) | static_cast<uint32_t>(digit);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out += static_cast<char>((bits >> count) & 0xFF);
    }
  }
  return out;
}

std::string Answer::ProblemCode() const {
  return ok() ? "" : TextOf(JsonObject(reply.body), "code");
}
std::string Answer::ProblemDetail() const {
  return ok() ? "" : TextOf(JsonObject(reply.body), "detail");
}
Error Answer::ToError() const {
  const boost::json::object problem = JsonObject(reply.body);
  std::string detail = TextOf(problem, "detail");
  if (detail.empty())
    detail = "status " + std::to_string(reply.status);
  return {CodeOf(TextOf(problem, "code"), reply.status), outcome, std::move(detail)};
}

}  // namespace synod::client
