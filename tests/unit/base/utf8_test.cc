#include "src/base/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace synod {
namespace {

using namespace std::literals;

TEST(Utf8Test, IsCheckedToTheLastByte) {
  EXPECT_TRUE(IsValidUtf8(""));
  EXPECT_TRUE(IsValidUtf8("plain\n\0and more"s));
  EXPECT_TRUE(IsValidUtf8("\xEF\xBF\xBF"));
  EXPECT_FALSE(IsValidUtf8("plain\xC3"));
  EXPECT_FALSE(IsValidUtf8("\xED\xBF\xBF"));
  EXPECT_FALSE(IsValidUtf8("\xF5\x80\x80\x80"));
}

TEST(Utf8Test, ACharacterIsItsCodeAndItsLength) {
  uint32_t code = 0;
  EXPECT_EQ(DecodeCharacter("", &code), 0U);
  EXPECT_EQ(DecodeCharacter("\xA9", &code), 0U);
  EXPECT_EQ(DecodeCharacter("ab", &code), 1U);
  EXPECT_EQ(code, U'a');
  EXPECT_EQ(DecodeCharacter("\xC3\xA9z", &code), 2U);
  EXPECT_EQ(code, 0xE9U);
  EXPECT_EQ(DecodeCharacter("\xE2\x82\xAC", &code), 3U);
  EXPECT_EQ(code, 0x20ACU);
  EXPECT_EQ(DecodeCharacter("\xF4\x8F\xBF\xBF", &code), 4U);
  EXPECT_EQ(code, 0x10FFFFU);
}

TEST(Utf8Test, ControlCharactersAreThoseOfBothRanges) {
  EXPECT_TRUE(IsControl(0));
  EXPECT_TRUE(IsControl(0x1F));
  EXPECT_FALSE(IsControl(' '));
  EXPECT_FALSE(IsControl('~'));
  EXPECT_TRUE(IsControl(0x7F));
  EXPECT_TRUE(IsControl(0x9F));
  EXPECT_FALSE(IsControl(0xA0));
}

}  // namespace
}  // namespace synod
