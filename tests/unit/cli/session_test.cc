#include "cli/session.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

namespace synod::cli {
namespace {

client::Answer AnswerOf(int status, const std::string& body) {
  client::Answer answer;
  answer.reply.status = status;
  answer.reply.body = body;
  return answer;
}

TEST(SessionTest, DurationsHaveUnits) {
  struct Case {
    const char* text;
    int64_t ms;
  };
  for (const Case& c :
       {Case{"0", 0}, Case{"250", 250}, Case{"500ms", 500}, Case{"10s", 10'000},
        Case{"2m", 120'000}, Case{"1h", 3'600'000}, Case{"", -1}, Case{"s", -1}, Case{"-5s", -1},
        Case{"10x", -1}, Case{"1.5s", -1}, Case{"99999999999s", -1}})
    EXPECT_EQ(ParseDurationMs(c.text), c.ms) << c.text;
}

TEST(SessionTest, AValueComesInEitherForm) {
  std::string value;
  EXPECT_TRUE(ValueOf(boost::json::parse(R"({"value":"plain"})").as_object(), &value));
  EXPECT_EQ(value, "plain");
  EXPECT_TRUE(ValueOf(boost::json::parse(R"({"value_base64":"AP/+"})").as_object(), &value));
  EXPECT_EQ(value, std::string("\x00\xff\xfe", 3));
  EXPECT_FALSE(ValueOf(boost::json::parse(R"({"path":"/a"})").as_object(), &value));
}

TEST(SessionTest, Base64OfEveryRemainder) {
  EXPECT_EQ(FromBase64(""), "");
  EXPECT_EQ(FromBase64("Zg=="), "f");
  EXPECT_EQ(FromBase64("Zm8="), "fo");
  EXPECT_EQ(FromBase64("Zm9v"), "foo");
}

TEST(SessionTest, WhatATerminalMustNotGetIsEscaped) {
  EXPECT_EQ(Printable("a\x1b[31mb\n"), "a\\x1b[31mb\\x0a");
  EXPECT_EQ(Printable("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
  // U+0080 to U+009F are controls too: U+009B is what ESC [ is.
  EXPECT_EQ(Printable("a\xc2\x9b"
                      "31mb\xc2\x80\xc2\xa0"),
            "a\\xc2\\x9b31mb\\xc2\\x80\xc2\xa0");
  // What is not UTF-8 is bytes, which some terminals take for those.
  EXPECT_EQ(Printable("a\x9b"
                      "2J\xff\xc3"),
            "a\\x9b2J\\xff\\xc3");
  EXPECT_EQ(Printable("\xf0\x9f\x98\x80\xf0\x9f"), "\xf0\x9f\x98\x80\\xf0\\x9f");
}

TEST(SessionTest, RefusalsHaveDistinctExitCodes) {
  Session session({{"127.0.0.1", 1}}, {}, Format::kTable, std::chrono::milliseconds(1));
  struct Case {
    const char* code;
    int exit;
  };
  for (const Case& c : {Case{"invalid_request", kUsage}, Case{"not_found", kNotFound},
                        Case{"managed_node", kConflict}, Case{"precondition_failed", kConflict},
                        Case{"lock_unavailable", kNotAcquired}, Case{"no_leader", kUnavailable},
                        Case{"permission_denied", kError}})
    EXPECT_EQ(session.Explain(AnswerOf(400, std::string(R"({"code":")") + c.code + "\"}")), c.exit)
        << c.code;
  client::Answer unknown = AnswerOf(504, R"({"code":"deadline_exceeded"})");
  unknown.outcome = Outcome::kUnknown;
  EXPECT_EQ(session.Explain(unknown), kUnknown);
}

TEST(SessionTest, NobodyThereIsUnavailable) {
  // Port 1 of loopback refuses; the deadline ends the attempts.
  Session session({{"127.0.0.1", 1}}, {}, Format::kTable, std::chrono::milliseconds(50));
  client::Call call;
  call.target = "/v1/status";
  call.timeout = std::chrono::milliseconds(50);
  client::Answer answer;
  EXPECT_EQ(session.Send(call, &answer), kUnavailable);
}

}  // namespace
}  // namespace synod::cli
