// What a node writes to its log about single requests.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/cluster_test_base.h"

namespace synod::integration {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kTrace = "4bf92f3577b34da6a3ce929d0e0e4736";

// A cluster of three of which only node 1 runs on: nothing can be agreed.
class RequestLogTest : public testing::Test {
 protected:
  RequestLogTest() : cluster_(3) {
    cluster_.Start();
    cluster_.AwaitAllReady();
    for (const int other : {2, 3}) cluster_.node(other).Pause();
  }
  ~RequestLogTest() override {
    for (const int other : {2, 3}) cluster_.node(other).Resume();
    if (HasFailure())
      PrintLogs(cluster_);
  }

  static std::string Target(int timeout_ms) {
    return "/v1/kv/hidden-not/path?timeout_ms=" + std::to_string(timeout_ms);
  }
  static Headers Traced(const std::string& trace) {
    return {{"traceparent", "00-" + trace + "-00f067aa0ba902b7-01"}};
  }
  Answer Put(int timeout_ms, const std::string& trace) {
    return Http(cluster_.port(1), "PUT", Target(timeout_ms),
                {.body = "hidden-value", .headers = Traced(trace)});
  }
  int StatusOfGet(const std::string& query) {
    return Http(cluster_.port(1), "GET", "/v1/kv/hidden-not/path?" + query).status;
  }
  // Of how many requests node 1 has counted this stage.
  uint64_t CountOf(const std::string& stage) {
    const std::string metrics = Http(cluster_.port(1), "GET", "/metrics").body;
    const std::string name = "synod_request_stage_duration_seconds_count{stage=\"" + stage + "\"} ";
    const size_t at = metrics.find(name);
    EXPECT_NE(at, std::string::npos) << metrics;
    return at == std::string::npos ? 0 : std::stoull(metrics.substr(at + name.size()));
  }
  // The first line of node 1's log with that text, once it is there.
  std::string Line(const std::string& text) {
    std::string line;
    EXPECT_TRUE(Eventually(Milliseconds(10'000), [&] {
      const std::string log = cluster_.node(1).Log();
      const size_t at = log.find(text);
      if (at == std::string::npos || log.find('\n', at) == std::string::npos)
        return false;
      const size_t begin = log.rfind('\n', at) + 1;
      line = log.substr(begin, log.find('\n', at) - begin);
      return true;
    })) << text;
    return line;
  }

  Cluster cluster_;
};

TEST_F(RequestLogTest, ASlowRequestIsOneLineWithItsTraceAndItsStages) {
  EXPECT_GE(Put(1500, kTrace).status, 503);
  const std::string line = Line("slow request");
  EXPECT_THAT(line,
              ContainsRegex("method=PUT path=/v1/kv/hidden-not/path trace=" + std::string(kTrace) +
                            " status=50[34] total_ms=[1-9][0-9]{3,}[.]"));
  EXPECT_THAT(line, ContainsRegex("queue_ms=[0-9]+[.].* reply_ms=[0-9]+[.]"));
  EXPECT_THAT(line, Not(HasSubstr("apply_ms")));
  EXPECT_THAT(line, HasSubstr("request_bytes=12"));
  EXPECT_THAT(line, Not(HasSubstr("hidden-value")));
  EXPECT_THAT(line, Not(HasSubstr("timeout_ms")));
  EXPECT_THAT(Http(cluster_.port(1), "GET", "/metrics").body,
              ContainsRegex("\nsynod_slow_requests_total [1-9]"));
}

TEST_F(RequestLogTest, WhatCouldNotBeServedIsALineToo) {
  EXPECT_GE(Put(100, kTrace).status, 503);
  EXPECT_THAT(Line("request failed"), HasSubstr(std::string(" trace=") + kTrace));
}

TEST_F(RequestLogTest, ATraceThatBreaksTheRulesIsIgnored) {
  EXPECT_GE(Put(100, std::string(32, '0')).status, 503);
  EXPECT_THAT(Line("request failed"), Not(HasSubstr("trace=")));
}

TEST_F(RequestLogTest, AFloodOfFailuresIsBoundedAndSaysHowManyAreMissing) {
  // So many at once that even a slow machine fails more in a second than it may tell of.
  Connection connection(cluster_.port(1));
  for (int batch = 0; batch < 5; ++batch) {
    for (int i = 0; i < 60; ++i)
      connection.Request("PUT", Target(10), "hidden-value", Traced(kTrace));
    for (int i = 0; i < 60; ++i) connection.Read();
  }
  const std::string line = Line("lines were left out");
  EXPECT_THAT(line, ContainsRegex("said=\"request failed\" lines=[1-9]"));
}

TEST_F(RequestLogTest, OnlyWhatWasAppliedHasTimeOfIt) {
  const uint64_t applied = CountOf("apply");
  EXPECT_GE(Put(100, kTrace).status, 503);
  EXPECT_EQ(CountOf("apply"), applied);
  for (const int other : {2, 3}) cluster_.node(other).Resume();
  cluster_.AwaitAllReady();
  EXPECT_EQ(Put(10'000, kTrace).status / 100, 2);
  EXPECT_EQ(CountOf("apply"), applied + 1);
}

TEST_F(RequestLogTest, OnlyAReadThatNeedsARoundHasTimeOfIt) {
  const uint64_t rounds = CountOf("round");
  EXPECT_EQ(StatusOfGet("consistency=sequential"), 404);
  EXPECT_EQ(CountOf("round"), rounds);
  EXPECT_GE(StatusOfGet("timeout_ms=100"), 503);
  EXPECT_EQ(CountOf("round"), rounds + 1);
  EXPECT_GE(StatusOfGet("consistency=sequential&max_age_ms=100"), 503);
  EXPECT_EQ(CountOf("round"), rounds + 2);
}

}  // namespace
}  // namespace synod::integration
