#include "src/node/request_log.h"

#include <array>
#include <cstdio>

#include "src/api/trace.h"

namespace synod::node {
namespace {

std::string Ms(int64_t micros) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.3f", static_cast<double>(micros) * 1e-3);
  return text.data();
}

std::vector<LogField> LineOf(net::Exchange& exchange,
                             const std::string& user,
                             const RequestEnd& end) {
  std::vector<LogField> fields = FieldsOf(exchange, user);
  fields.emplace_back("status", end.status);
  fields.emplace_back("total_ms", Ms(end.total_us));
  for (size_t i = 0; i < kStageNames.size(); ++i)
    if (const int64_t us = end.stages.Of(static_cast<Stage>(i)); us >= 0)
      fields.emplace_back(kStageFields[i], Ms(us));
  fields.emplace_back("request_bytes", end.request_bytes);
  fields.emplace_back("answer_bytes", end.answer_bytes);
  return fields;
}

}  // namespace

std::vector<LogField> FieldsOf(net::Exchange& exchange, const std::string& user) {
  const net::HttpRequest& http = exchange.request();
  std::vector<LogField> fields;
  fields.emplace_back("user", user);
  fields.emplace_back("remote", exchange.remote());
  fields.emplace_back("method", http.method);
  fields.emplace_back("path", http.target.substr(0, http.target.find('?')));
  if (const std::string_view trace = api::TraceIdOf(http); !trace.empty())
    fields.emplace_back("trace", std::string(trace));
  return fields;
}

void RequestLog::Slow(net::Exchange& exchange, const std::string& user, const RequestEnd& end) {
  ++slow_;
  Log(LogLevel::kWarn, "slow request", LineOf(exchange, user, end));
}

void RequestLog::Failed(net::Exchange& exchange, const std::string& user, const RequestEnd& end) {
  Log(end.status == 500 ? LogLevel::kError : LogLevel::kWarn, "request failed",
      LineOf(exchange, user, end));
}

}  // namespace synod::node
