#include "cli/session.h"

#include <algorithm>
#include <array>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <cstdio>

namespace synod::cli {

namespace json = boost::json;

int Session::Explain(const Error& error) const {
  const bool unknown = error.outcome == Outcome::kUnknown;
  std::fprintf(stderr, "synod: %s%s\n", error.detail.c_str(),
               unknown ? " (the change may or may not have been applied)" : "");
  if (error.code == Errc::kInvalidRequest)
    return kUsage;
  return unknown ? kUnknown : kUnavailable;
}

int Session::Explain(const client::Answer& answer) const {
  const std::string code = answer.ProblemCode();
  const bool unknown = answer.OutcomeUnknown();
  std::fprintf(stderr, "synod: %s: %s%s\n", code.empty() ? "error" : code.c_str(),
               Printable(answer.ProblemDetail()).c_str(),
               unknown ? " (the change may or may not have been applied)" : "");
  if (unknown)
    return kUnknown;
  switch (answer.reply.status) {
    case 400:
    case 413:
    case 414:
    case 422:
      return kUsage;
    case 404:
    case 410:
      return kNotFound;
    case 409:
    case 412:
      return kConflict;
    case 423:
      return kNotAcquired;
    case 429:
    case 503:
    case 504:
      return kUnavailable;
    default:
      return kError;
  }
}

int Session::Send(client::Call call, client::Answer* answer) {
  call.timeout = std::max(call.timeout, timeout_);
  Result<client::Answer> result = client_.Send(std::move(call));
  if (!result)
    return Explain(result.error());
  *answer = *std::move(result);
  return answer->ok() ? kOk : Explain(*answer);
}

int Session::Get(const std::string& target, client::Answer* answer) {
  client::Call call;
  call.target = target;
  return Send(std::move(call), answer);
}

int Session::Post(const std::string& target, const json::value& body, client::Answer* answer) {
  client::Call call;
  call.method = "POST";
  call.target = target;
  call.body = json::serialize(body);
  call.headers = {{"Content-Type", "application/json"}};
  return Send(std::move(call), answer);
}

void Table::Print() const {
  std::vector<size_t> widths;
  for (const auto& row : rows_)
    for (size_t i = 0; i < row.size(); ++i) {
      widths.resize(std::max(widths.size(), i + 1));
      widths[i] = std::max(widths[i], row[i].size());
    }
  for (const auto& row : rows_) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size())
        line += std::string(widths[i] - row[i].size() + 2, ' ');
    }
    std::printf("%s\n", line.c_str());
  }
}

void PrintJson(const json::value& value) { std::printf("%s\n", json::serialize(value).c_str()); }

std::string Text(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr || value->is_null())
    return "";
  if (const json::string* text = value->if_string())
    return Printable(*text);
  return json::serialize(*value);
}

int64_t Number(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr)
    return 0;
  boost::system::error_code error;
  const int64_t n = value->to_number<int64_t>(error);
  return error ? 0 : n;
}

std::string FromBase64(std::string_view text) {
  static constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
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

bool ValueOf(const json::object& node, std::string* value) {
  if (const json::value* text = node.if_contains("value"); text != nullptr && text->is_string()) {
    *value = std::string(text->get_string());
    return true;
  }
  if (const json::value* text = node.if_contains("value_base64");
      text != nullptr && text->is_string()) {
    *value = FromBase64(text->get_string());
    return true;
  }
  return false;
}

std::string Printable(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7F) {
      out += c;
      continue;
    }
    std::array<char, 8> code{};
    std::snprintf(code.data(), code.size(), "\\x%02x", byte);
    out += code.data();
  }
  return out;
}

int64_t ParseDurationMs(const std::string& text) {
  int64_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc() || n < 0 || n > 86'400'000)
    return -1;
  const std::string unit(end, text.data() + text.size());
  if (unit.empty() || unit == "ms")
    return n;
  if (unit == "s")
    return n * 1000;
  if (unit == "m")
    return n * 60'000;
  if (unit == "h")
    return n * 3'600'000;
  return -1;
}

}  // namespace synod::cli
