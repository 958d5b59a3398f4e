#include "src/net/http_writer.h"

#include <array>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <ctime>

namespace synod::net {
namespace {

struct Phrase {
  int status;
  std::string_view text;
};

constexpr std::array<Phrase, 36> kPhrases{{
    {100, "Continue"},
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {423, "Locked"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
}};

void AppendNumber(uint64_t value, std::string* out) {
  std::array<char, 20> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  out->append(digits.data(), end);
}

bool IsControl(char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; }

// Whether one of eight bytes may be a control character (tabs are among those that may). A byte
// below 0x20 borrows from its high bit when 0x20 is taken away; 0x7f is the only one that gets it
// when 1 is added.
bool MayHaveControl(uint64_t bytes) {
  constexpr uint64_t kEach = 0x0101010101010101;
  constexpr uint64_t kHigh = 0x80 * kEach;
  const uint64_t low = ((bytes | kHigh) - 0x20 * kEach) ^ kHigh;
  const uint64_t del = (bytes & ~kHigh) + kEach;
  return ((low | del) & ~bytes & kHigh) != 0;
}

void AppendValue(std::string_view value, std::string* out) {
  size_t i = out->size();
  out->append(value);
  for (; i + sizeof(uint64_t) <= out->size(); i += sizeof(uint64_t)) {
    uint64_t bytes;
    std::memcpy(&bytes, out->data() + i, sizeof bytes);
    if (MayHaveControl(bytes))
      break;
  }
  for (; i < out->size(); ++i)
    if (IsControl((*out)[i])) [[unlikely]]
      (*out)[i] = ' ';
}

void AppendField(std::string_view name, std::string_view value, std::string* out) {
  out->append(name);
  out->append(": ");
  AppendValue(value, out);
  out->append("\r\n");
}

}  // namespace

std::string_view ReasonPhrase(int status) {
  for (const Phrase& phrase : kPhrases)
    if (phrase.status == status)
      return phrase.text;
  return "Status";
}

bool NeverHasBody(int status) { return status / 100 == 1 || status == 204 || status == 304; }

void AppendHead(const HttpResponse& response,
                Framing framing,
                AfterAnswer after,
                std::string_view date,
                std::string* out) {
  out->append("HTTP/1.1 ");
  AppendNumber(static_cast<uint64_t>(response.status), out);
  out->push_back(' ');
  out->append(ReasonPhrase(response.status));
  out->append("\r\n");
  if (!date.empty())
    AppendField("Date", date, out);
  if (!response.content_type.empty())
    AppendField("Content-Type", response.content_type, out);
  for (const auto& [name, value] : response.headers) AppendField(name, value, out);
  if (framing == Framing::kChunked) {
    out->append("Transfer-Encoding: chunked\r\n");
  } else if (framing == Framing::kLength && !NeverHasBody(response.status)) {
    out->append("Content-Length: ");
    AppendNumber(response.body.size(), out);
    out->append("\r\n");
  }
  if (after == AfterAnswer::kClose) {
    out->append("Connection: close\r\n");
  } else if (after == AfterAnswer::kKeepExplicit) {
    out->append("Connection: keep-alive\r\n");
  }
  out->append("\r\n");
}

std::string HttpDate(int64_t unix_seconds) {
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const time_t t = static_cast<time_t>(unix_seconds);
  std::tm tm{};
  gmtime_r(&t, &tm);
  std::array<char, 64> text;
  const int n = std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                              kDays[tm.tm_wday], tm.tm_mday, kMonths[tm.tm_mon], tm.tm_year + 1900,
                              tm.tm_hour, tm.tm_min, tm.tm_sec);
  return std::string(text.data(), static_cast<size_t>(n));
}

}  // namespace synod::net
