#include "src/base/crc32c.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "src/base/random.h"

namespace synod {
namespace {

// A read command PDU, the last vector of RFC 3720, appendix B.4.
constexpr unsigned char kReadCommand[] = {
    0x01, 0xC0, 0, 0,    0, 0, 0, 0,    0,    0, 0, 0, 0, 0, 0, 0, 0x14, 0, 0, 0, 0, 0, 0x04, 0,
    0,    0,    0, 0x14, 0, 0, 0, 0x18, 0x28, 0, 0, 0, 0, 0, 0, 0, 0x02, 0, 0, 0, 0, 0, 0,    0};

std::string Counting(size_t n) {
  std::string s(n, '\0');
  for (size_t i = 0; i < n; ++i) s[i] = static_cast<char>(i);
  return s;
}

TEST(Crc32cTest, GivesTheVectorsOfRfc3720) {
  std::string falling = Counting(32);
  std::reverse(falling.begin(), falling.end());
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8A9136AAU);
  EXPECT_EQ(Crc32c(std::string(32, '\xFF')), 0x62A8AB43U);
  EXPECT_EQ(Crc32c(Counting(32)), 0x46DD794EU);
  EXPECT_EQ(Crc32c(falling), 0x113FDB5CU);
  EXPECT_EQ(Crc32c({reinterpret_cast<const char*>(kReadCommand), sizeof kReadCommand}),
            0xD9963A56U);
}

TEST(Crc32cTest, GivesTheCheckValueOfTheAlgorithm) {
  EXPECT_EQ(Crc32c("123456789"), 0xE3069283U);
  EXPECT_EQ(Crc32c(""), 0U);
}

TEST(Crc32cTest, ExtendsOverAnySplit) {
  const std::string data = Counting(67);
  for (size_t cut = 0; cut <= data.size(); ++cut) {
    EXPECT_EQ(ExtendCrc32c(Crc32c(data.substr(0, cut)), data.substr(cut)), Crc32c(data)) << cut;
  }
}

TEST(Crc32cTest, TableAndInstructionAgreeAtEveryLengthAndAlignment) {
  Random random(7);
  std::string data(300, '\0');
  for (char& c : data) c = static_cast<char>(random.Next());
  for (size_t start = 0; start < 9; ++start) {
    for (size_t n = 0; n + start <= data.size(); n += 1 + n / 16) {
      const std::string_view part = std::string_view(data).substr(start, n);
      EXPECT_EQ(ExtendCrc32c(5, part), ExtendCrc32cByTable(5, part)) << start << " " << n;
    }
  }
}

TEST(Crc32cTest, SeesEverySingleBitFlip) {
  const std::string data = Counting(64);
  const uint32_t sum = Crc32c(data);
  for (size_t bit = 0; bit < data.size() * 8; ++bit) {
    std::string flipped = data;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_NE(Crc32c(flipped), sum) << bit;
  }
}

}  // namespace
}  // namespace synod
