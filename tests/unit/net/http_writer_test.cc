#include "src/net/http_writer.h"

#include <gtest/gtest.h>

#include <string>

namespace synod::net {
namespace {

std::string HeadOf(const HttpResponse& response, Framing framing, AfterAnswer after) {
  std::string out;
  AppendHead(response, framing, after, "Sat, 21 Nov 2026 00:00:00 GMT", &out);
  return out;
}

TEST(HttpWriterTest, WritesTheWholeHead) {
  EXPECT_EQ(HeadOf({201, "application/json", "{}", {{"ETag", "\"17\""}, {"Synod-Node", "1"}}},
                   Framing::kLength, AfterAnswer::kKeep),
            "HTTP/1.1 201 Created\r\n"
            "Date: Sat, 21 Nov 2026 00:00:00 GMT\r\n"
            "Content-Type: application/json\r\n"
            "ETag: \"17\"\r\n"
            "Synod-Node: 1\r\n"
            "Content-Length: 2\r\n\r\n");
}

TEST(HttpWriterTest, AnswersWithoutABodyStillSayTheirLengthUnlessTheyNeverHaveOne) {
  EXPECT_NE(
      HeadOf({200, "", "", {}}, Framing::kLength, AfterAnswer::kKeep).find("Content-Length: 0\r\n"),
      std::string::npos);
  for (const int status : {100, 101, 204, 304})
    EXPECT_EQ(
        HeadOf({status, "", "", {}}, Framing::kLength, AfterAnswer::kKeep).find("Content-Length"),
        std::string::npos)
        << status;
}

TEST(HttpWriterTest, NoValueBreaksOutOfItsLine) {
  for (size_t length = 1; length <= 20; ++length)
    for (size_t at = 0; at < length; ++at)
      for (int byte = 0; byte < 256; ++byte) {
        std::string value(length, 'v');
        value[at] = static_cast<char>(byte);
        std::string written = value;
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
          written[at] = ' ';
        const std::string head =
            HeadOf({204, "", "", {{"X", value}}}, Framing::kLength, AfterAnswer::kKeep);
        ASSERT_NE(head.find("\r\nX: " + written + "\r\n"), std::string::npos)
            << byte << " at " << at << " of " << length;
      }
}

TEST(HttpWriterTest, SaysWhatBecomesOfTheConnection) {
  const HttpResponse ok{200, "", "", {}};
  EXPECT_EQ(HeadOf(ok, Framing::kChunked, AfterAnswer::kKeep).find("Connection"),
            std::string::npos);
  EXPECT_NE(HeadOf(ok, Framing::kLength, AfterAnswer::kKeepExplicit)
                .find("\r\nConnection: keep-alive\r\n\r\n"),
            std::string::npos);
  EXPECT_NE(
      HeadOf(ok, Framing::kToClose, AfterAnswer::kClose).find("\r\nConnection: close\r\n\r\n"),
      std::string::npos);
}

TEST(HttpWriterTest, EveryStatusOfTheApiHasItsPhrase) {
  for (const int status : {200, 201, 304, 400, 401, 403, 404, 405, 406, 408, 409, 410, 411,
                           412, 413, 414, 415, 417, 422, 423, 429, 431, 501, 503, 504, 505})
    EXPECT_NE(ReasonPhrase(status), "Status") << status;
}

TEST(HttpWriterTest, DatesAreOfTheFormThatHttpPrefers) {
  EXPECT_EQ(HttpDate(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
}

}  // namespace
}  // namespace synod::net
