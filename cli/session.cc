#include "cli/session.h"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <cstdio>

#include "src/base/utf8.h"

namespace synod::cli {

namespace json = boost::json;

namespace {

int ExitOf(Errc code) {
  switch (code) {
    case Errc::kInvalidRequest:
    case Errc::kInvalidPath:
    case Errc::kInvalidJson:
    case Errc::kTooLarge:
    case Errc::kUriTooLong:
    case Errc::kIdempotencyKeyReused:
      return kUsage;
    case Errc::kNotFound:
    case Errc::kLeaseNotFound:
    case Errc::kLockNotHeld:
    case Errc::kCompacted:
      return kNotFound;
    case Errc::kNotEmpty:
    case Errc::kManagedNode:
    case Errc::kLeasedParent:
    case Errc::kWrongKind:
    case Errc::kHeldOtherwise:
    case Errc::kLimitMismatch:
    case Errc::kQuotaExceeded:
    case Errc::kRequestExpired:
    case Errc::kMembershipRefused:
    case Errc::kPreconditionFailed:
    case Errc::kFenced:
      return kConflict;
    case Errc::kLockUnavailable:
      return kNotAcquired;
    case Errc::kOverloaded:
    case Errc::kRateLimited:
    case Errc::kNoLeader:
    case Errc::kNoQuorum:
    case Errc::kNotReady:
    case Errc::kStorageFull:
    case Errc::kShuttingDown:
    case Errc::kDeadlineExceeded:
      return kUnavailable;
    default:
      return kError;
  }
}

std::string Escaped(const char* prefix, char byte) {
  static constexpr char kDigits[] = "0123456789abcdef";
  const auto n = static_cast<unsigned char>(byte);
  return std::string(prefix) + kDigits[n >> 4] + kDigits[n & 15];
}

int Say(const std::string& what, Outcome outcome, int exit) {
  const bool unknown = outcome == Outcome::kUnknown;
  std::fprintf(stderr, "synod: %s%s\n", Printable(what).c_str(),
               unknown ? " (the change may or may not have been applied)" : "");
  return unknown ? static_cast<int>(kUnknown) : exit;
}

}  // namespace

int Session::Explain(const Error& error) const {
  switch (error.code) {
    case Errc::kInternal:  // nobody answered: the words are the client's own
    case Errc::kDeadlineExceeded:
      return Say(error.detail, error.outcome, kUnavailable);
    case Errc::kInvalidRequest:
      return Say(error.detail, error.outcome, kUsage);
    default:
      return Say(std::string(Name(error.code)) + ": " + error.detail, error.outcome,
                 ExitOf(error.code));
  }
}

int Session::Explain(const client::Answer& answer) const {
  const std::string code = answer.ProblemCode();
  return Say((code.empty() ? "error" : code) + ": " + answer.ProblemDetail(), answer.outcome,
             ExitOf(answer.ToError().code));
}

int Session::Send(client::Call call, client::Answer* answer, std::chrono::milliseconds waits) {
  call.timeout = timeout_ + waits;
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

int Session::Change(const std::string& method,
                    const std::string& target,
                    const json::value& body,
                    client::Answer* answer) {
  client::Call call;
  call.method = method;
  call.target = target;
  if (!body.is_null()) {
    call.body = json::serialize(body);
    call.headers = {{"Content-Type", "application/json"}};
  }
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

std::string Printable(std::string_view bytes) {
  std::string out;
  while (!bytes.empty()) {
    uint32_t code = 0;
    const size_t length = DecodeCharacter(bytes, &code);
    if (length > 0 && !IsControl(code))
      out += bytes.substr(0, length);
    else
      for (const char c : bytes.substr(0, std::max<size_t>(length, 1))) out += Escaped("\\x", c);
    bytes.remove_prefix(std::max<size_t>(length, 1));
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
