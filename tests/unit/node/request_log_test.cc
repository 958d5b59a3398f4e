#include "src/node/request_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "src/node/audit.h"
#include "tests/support/quiet_exchange.h"

namespace synod::node {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr const char* kTrace = "0af7651916cd43dd8448eb211c80319c";

class FakeExchange final : public net::QuietExchange {
 public:
  FakeExchange() {
    request().method = "PUT";
    request().target = "/v1/kv/a%20b?lease=7";
    request().headers = {{"authorization", "Bearer secret"},
                         {"traceparent", "00-" + std::string(kTrace) + "-b7ad6b7169203331-01"}};
    request().body = "secret";
  }
};

template <typename F>
std::string Written(F write) {
  testing::internal::CaptureStderr();
  write();
  return testing::internal::GetCapturedStderr();
}

RequestEnd EndAfter(int64_t total_us) {
  RequestEnd end;
  end.status = 200;
  end.total_us = total_us;
  return end;
}

TEST(RequestLogTest, WhatIsNoTextIsEscapedInEveryFormat) {
  const std::string path = "/\x80\xC3\xA4\x7F\xC2\x85\\\xF0\x9F";
  const std::string quoted = R"("/\\x80ä\u007f\u0085\\\\xf0\\x9f")";
  EXPECT_THAT(Written([&] { LogWarn("m", {{"path", path}}); }), HasSubstr("path=" + quoted));
  const std::vector<LogField> fields = {{"path", path}};
  EXPECT_THAT(Written([&] { LogAudit("refused", fields); }), HasSubstr("\"path\":" + quoted));
}

TEST(RequestLogTest, ALineSaysWhoAskedForWhatAndWhereTheTimeWent) {
  RequestLog log(1000);
  FakeExchange exchange;
  RequestEnd end = EndAfter(1'500'250);
  end.stages.Set(Stage::kQueue, 100, 250'100);
  end.stages.Set(Stage::kReplication, 250'100, 1'450'100);
  end.stages.Set(Stage::kSync, 250'100, 1'400'100);
  end.request_bytes = 6;
  end.answer_bytes = 120;
  const std::string line = Written([&] { log.Slow(exchange, "ann", end); });
  EXPECT_THAT(
      line,
      HasSubstr("slow request user=ann remote=192.0.2.1:4711 method=PUT path=/v1/kv/a%20b trace=" +
                std::string(kTrace) +
                " status=200 total_ms=1500.250 queue_ms=250.000 replication_ms=1200.000 "
                "sync_ms=1150.000 request_bytes=6 answer_bytes=120\n"));
  EXPECT_THAT(line, Not(HasSubstr("secret")));
  EXPECT_THAT(line, Not(HasSubstr("lease")));
  EXPECT_EQ(log.slow(), 1U);
}

TEST(RequestLogTest, ARequestIsSlowFromTheThresholdOn) {
  const RequestLog log(1000);
  EXPECT_FALSE(log.IsSlow(EndAfter(999'999)));
  EXPECT_TRUE(log.IsSlow(EndAfter(1'000'000)));
  EXPECT_FALSE(RequestLog(0).IsSlow(EndAfter(3'600'000'000)));
}

TEST(RequestLogTest, WhatWaitedForALockAsItAskedToIsNotSlow) {
  const RequestLog log(1000);
  RequestEnd end = EndAfter(30'500'000);
  end.stages.Set(Stage::kWait, 0, 30'000'000);
  EXPECT_FALSE(log.IsSlow(end));
  end.total_us += 500'000;
  EXPECT_TRUE(log.IsSlow(end));
}

TEST(RequestLogTest, FailuresAreTheServicesOwnAndNotTheClients) {
  for (const int status : {500, 503, 504}) EXPECT_TRUE(RequestLog::IsFailure(status)) << status;
  for (const int status : {200, 400, 404, 412, 429, 501, 505})
    EXPECT_FALSE(RequestLog::IsFailure(status)) << status;
}

TEST(RequestLogTest, TheAuditNamesTheTraceToo) {
  FakeExchange exchange;
  const std::string line = Written([&] { Audit().Changed(exchange, "root", 200, 17); });
  EXPECT_THAT(line, StartsWith("{\"time\":\""));
  EXPECT_THAT(line, HasSubstr(R"("audit":"change")"));
  EXPECT_THAT(line, HasSubstr(R"("user":"root","remote":"192.0.2.1:4711","method":"PUT",)"
                              R"("path":"/v1/kv/a%20b","trace":")" +
                              std::string(kTrace) + R"(","status":"200","revision":"17"})"));
}

TEST(RequestLogTest, AFloodOfLinesIsBoundedAndSaysWhatIsMissing) {
  RequestLog log(1000);
  FakeExchange exchange;
  const std::string text = Written([&] {
    for (int i = 0; i < 500; ++i) log.Failed(exchange, "ann", EndAfter(1));
  });
  const auto lines = std::count(text.begin(), text.end(), '\n');
  EXPECT_GE(lines, 20);
  EXPECT_LE(lines, 42) << "one second, or two and how many are missing from the first";
}

}  // namespace
}  // namespace synod::node
