// Log lines: one write(2) a line, as text for people or JSON for machines.
//
// Contract      Lines are whole, escaped and in order. Fields are name/value pairs. Below the level
//               nothing is built. A line is at most 8 KiB; longer values are cut. A flood of lines
//               with one message is bounded (log_limit.h), but for the audit log's.
// Thread        Any.
// Errors        A line that cannot be written is dropped: logging never stops a node.
#ifndef SYNOD_NODE_LOG_H_
#define SYNOD_NODE_LOG_H_

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace synod::node {

enum class LogLevel : uint8_t { kDebug = 0, kInfo = 1, kWarn = 2, kError = 3 };
enum class LogFormat : uint8_t { kText, kJson };

struct LogField {
  std::string_view name;
  std::string value;
  LogField(std::string_view n, std::string v) : name(n), value(std::move(v)) {}
  LogField(std::string_view n, const char* v) : name(n), value(v) {}
  template <typename T>
  requires std::is_integral_v<T> LogField(std::string_view n, T v)
      : name(n), value(std::to_string(v)) {}
};

void SetLog(LogLevel level, LogFormat format, uint32_t node);
void Log(LogLevel level, std::string_view message, std::span<const LogField> fields);
inline void Log(LogLevel level,
                std::string_view message,
                std::initializer_list<LogField> fields = {}) {
  Log(level, message, std::span(fields.begin(), fields.size()));
}
// Says how many lines were left out, if any were. Call it now and then.
void LogLeftOut();

// A line for those who must know who did what: JSON, whatever format and level are set.
void LogAudit(std::string_view what, std::span<const LogField> fields);

inline void LogInfo(std::string_view m, std::initializer_list<LogField> f = {}) {
  Log(LogLevel::kInfo, m, f);
}
inline void LogWarn(std::string_view m, std::initializer_list<LogField> f = {}) {
  Log(LogLevel::kWarn, m, f);
}
inline void LogError(std::string_view m, std::initializer_list<LogField> f = {}) {
  Log(LogLevel::kError, m, f);
}

}  // namespace synod::node

#endif  // SYNOD_NODE_LOG_H_
