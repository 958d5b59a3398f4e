#include "src/node/log.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <mutex>

#include "src/base/utf8.h"
#include "src/node/log_limit.h"
#include "src/node/process.h"

namespace synod::node {
namespace {

constexpr size_t kValueBytesMax = 4096;
constexpr std::array<std::string_view, 4> kLevels = {"debug", "info", "warn", "error"};

std::atomic<LogLevel> g_level{LogLevel::kInfo};
std::atomic<LogFormat> g_format{LogFormat::kText};
std::atomic<uint32_t> g_node{0};
std::mutex g_limit_mutex;
LogLimit g_limit;  // under g_limit_mutex

std::string Timestamp() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  tm utc{};
  gmtime_r(&now.tv_sec, &utc);
  std::array<char, 64> text{};
  const size_t n = strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  std::array<char, 8> fraction{};
  std::snprintf(fraction.data(), fraction.size(), ".%03dZ",
                static_cast<int>(now.tv_nsec / 1000000));
  return std::string(text.data(), n) + fraction.data();
}

void AppendCode(const char* format, unsigned code, std::string* out) {
  std::array<char, 8> text{};
  std::snprintf(text.data(), text.size(), format, code);
  *out += text.data();
}

// As JSON has it, and so that no terminal obeys it: a byte that is no text shows as \\x80.
void AppendQuoted(std::string_view s, std::string* out) {
  *out += '"';
  for (s = s.substr(0, kValueBytesMax); !s.empty();) {
    uint32_t code = 0;
    const size_t bytes = DecodeCharacter(s, &code);
    const std::string_view character = s.substr(0, std::max<size_t>(bytes, 1));
    if (bytes == 0)
      AppendCode("\\\\x%02x", static_cast<unsigned char>(s[0]), out);
    else if (IsControl(code))
      AppendCode("\\u%04x", code, out);
    else if (s[0] == '"' || s[0] == '\\')
      (*out += '\\') += s[0];
    else
      *out += character;
    s.remove_prefix(character.size());
  }
  *out += '"';
}

bool NeedsQuotes(std::string_view s) {
  return s.empty() || std::any_of(s.begin(), s.end(), [](char c) {
           const auto byte = static_cast<unsigned char>(c);
           return c == ' ' || c == '"' || c == '=' || byte < 0x20 || byte >= 0x7F;
         });
}

std::string JsonLine(std::string_view kind,
                     std::string_view name,
                     std::string_view message,
                     std::span<const LogField> fields) {
  std::string line = "{\"time\":\"" + Timestamp() + "\",";
  AppendQuoted(kind, &line);
  line +=
      ":\"" + std::string(name) + "\",\"node\":" + std::to_string(g_node.load()) + ",\"message\":";
  AppendQuoted(message, &line);
  for (const LogField& field : fields) {
    line += ',';
    AppendQuoted(field.name, &line);
    line += ':';
    AppendQuoted(field.value, &line);
  }
  return line + "}\n";
}

std::string TextLine(std::string_view level,
                     std::string_view message,
                     std::span<const LogField> fields) {
  std::string line = Timestamp() + ' ' + std::string(level) + " node " +
                     std::to_string(g_node.load()) + ": " + std::string(message);
  for (const LogField& field : fields) {
    line += ' ';
    line += field.name;
    line += '=';
    if (NeedsQuotes(field.value))
      AppendQuoted(field.value, &line);
    else
      line += field.value;
  }
  return line + '\n';
}

void Put(const std::string& line) {
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line.data(), line.size());
}

void PutLine(LogLevel level, std::string_view message, std::span<const LogField> fields) {
  const std::string_view name = kLevels[static_cast<size_t>(level)];
  Put(g_format.load() == LogFormat::kJson ? JsonLine("level", name, message, fields)
                                          : TextLine(name, message, fields));
}

void PutLeftOut(const std::vector<LogLimit::LeftOut>& left_out) {
  for (const auto& [message, lines] : left_out) {
    const LogField fields[] = {{"said", message}, {"lines", lines}};
    PutLine(LogLevel::kWarn, "lines were left out: too many said the same in one second", fields);
  }
}

}  // namespace

void SetLog(LogLevel level, LogFormat format, uint32_t node) {
  g_level = level;
  g_format = format;
  g_node = node;
}

void Log(LogLevel level, std::string_view message, std::span<const LogField> fields) {
  if (level < g_level.load())
    return;
  const int64_t now_ms = MonotonicMs();
  const std::lock_guard lock(g_limit_mutex);
  PutLeftOut(g_limit.Collect(now_ms));
  if (g_limit.Take(message, now_ms))
    PutLine(level, message, fields);
}

void LogLeftOut() {
  const std::lock_guard lock(g_limit_mutex);
  if (!g_limit.empty())
    PutLeftOut(g_limit.Collect(MonotonicMs()));
}

void LogAudit(std::string_view what, std::span<const LogField> fields) {
  Put(JsonLine("audit", what, "audit", fields));
}

}  // namespace synod::node
