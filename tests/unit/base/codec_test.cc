#include "src/base/codec.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "src/base/random.h"

namespace synod {
namespace {

using std::string_literals::operator""s;

std::string Hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string s;
  for (const char c : bytes) {
    s += kDigits[static_cast<uint8_t>(c) >> 4];
    s += kDigits[static_cast<uint8_t>(c) & 15];
  }
  return s;
}

std::string Written(uint64_t v) {
  std::string out;
  Writer(&out).Varint(v);
  return out;
}

TEST(CodecTest, VarintsAreLeb128) {
  EXPECT_EQ(Hex(Written(0)), "00");
  EXPECT_EQ(Hex(Written(127)), "7f");
  EXPECT_EQ(Hex(Written(128)), "8001");
  EXPECT_EQ(Hex(Written(300)), "ac02");
  EXPECT_EQ(Hex(Written(std::numeric_limits<uint64_t>::max())), "ffffffffffffffffff01");
}

TEST(CodecTest, FixedWidthsAreLittleEndian) {
  std::string out;
  Writer w(&out);
  w.U8(0xAB);
  w.Fixed32(0x01020304);
  w.Fixed64(0x0102030405060708);
  EXPECT_EQ(Hex(out), "ab040302010807060504030201");
  Reader r(out);
  EXPECT_EQ(r.U8(), 0xAB);
  EXPECT_EQ(r.Fixed32(), 0x01020304U);
  EXPECT_EQ(r.Fixed64(), 0x0102030405060708U);
  EXPECT_TRUE(r.Complete());
}

TEST(CodecTest, VarintsComeBackAtEveryPowerOfTwo) {
  for (unsigned bit = 0; bit < 64; ++bit) {
    for (const uint64_t v :
         {(uint64_t{1} << bit) - 1, uint64_t{1} << bit, (uint64_t{1} << bit) + 1}) {
      const std::string bytes = Written(v);
      Reader r(bytes);
      EXPECT_EQ(r.Varint(), v);
      EXPECT_TRUE(r.Complete()) << v;
    }
  }
}

TEST(CodecTest, SignedNumbersComeBackAtTheirEnds) {
  for (const int64_t v :
       {int64_t{0}, int64_t{-1}, int64_t{1}, int64_t{-64}, int64_t{63},
        std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()}) {
    std::string out;
    Writer(&out).Signed(v);
    Reader r(out);
    EXPECT_EQ(r.Signed(), v);
    EXPECT_TRUE(r.Complete());
  }
}

TEST(CodecTest, SmallNegativeNumbersAreShort) {
  std::string out;
  Writer(&out).Signed(-2);
  EXPECT_EQ(Hex(out), "03");
}

TEST(CodecTest, StringsAndNestedFieldsComeBack) {
  std::string out;
  Writer w(&out);
  w.String("a\0b"s);
  w.String("");
  w.Nested([](Writer& inner) {
    inner.Varint(7);
    inner.String("deep");
  });
  w.Bool(true);
  Reader r(out);
  EXPECT_EQ(r.String(), "a\0b"s);
  EXPECT_EQ(r.String(), "");
  Reader inner(r.String());
  EXPECT_EQ(inner.Varint(), 7U);
  EXPECT_EQ(inner.String(), "deep");
  EXPECT_TRUE(inner.Complete());
  EXPECT_TRUE(r.Bool());
  EXPECT_TRUE(r.Complete());
}

TEST(CodecTest, AnOlderReaderSkipsWhatANewerWriterAddedToANestedField) {
  std::string out;
  Writer w(&out);
  w.Nested([](Writer& inner) {
    inner.Varint(1);
    inner.String("added later");
  });
  w.Varint(2);
  Reader r(out);
  Reader inner(r.String());
  EXPECT_EQ(inner.Varint(), 1U);
  EXPECT_FALSE(inner.AtEnd());
  EXPECT_EQ(r.Varint(), 2U);
  EXPECT_TRUE(r.Complete());
}

TEST(CodecTest, IdsAndBallotsComeBack) {
  const Ballot ballot{uint64_t{1} << 40, NodeId(7)};
  const RequestId id{NodeId(3), 0xFFFFFFFFFFFFFFFF, 12};
  std::string out;
  Writer w(&out);
  w.Write(ballot);
  w.Write(id);
  w.Number(Slot(9));
  w.Number(ClusterTime(-5));
  Reader r(out);
  EXPECT_EQ(r.ReadBallot(), ballot);
  EXPECT_EQ(r.ReadRequestId(), id);
  EXPECT_EQ(r.Number<Slot>(), Slot(9));
  EXPECT_EQ(r.Number<ClusterTime>(), ClusterTime(-5));
  EXPECT_TRUE(r.Complete());
}

// Hostile input.

TEST(CodecTest, ANumberTooLargeForItsTypeFails) {
  const std::string bytes = Written(uint64_t{1} << 32);
  Reader r(bytes);
  static_cast<void>(r.Number<NodeId>());
  EXPECT_FALSE(r.ok());
  const std::string largest = Written(0xFFFFFFFF);
  Reader good(largest);
  EXPECT_EQ(good.Number<NodeId>(), NodeId(0xFFFFFFFF));
  EXPECT_TRUE(good.Complete());
}

TEST(CodecTest, AVarintOfMoreThan64BitsFails) {
  for (const std::string& bytes :
       {"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02"s,
        "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"s, std::string(100, '\xFF')}) {
    Reader r(bytes);
    EXPECT_EQ(r.Varint(), 0U);
    EXPECT_FALSE(r.ok()) << Hex(bytes);
  }
}

TEST(CodecTest, ASecondSpellingOfANumberFails) {
  for (const std::string& bytes : {"\x80\x00"s, "\x81\x00"s, "\xFF\x80\x00"s}) {
    Reader r(bytes);
    static_cast<void>(r.Varint());
    EXPECT_FALSE(r.ok()) << Hex(bytes);
  }
}

TEST(CodecTest, ABoolIsZeroOrOne) {
  Reader r("\x02");
  static_cast<void>(r.Bool());
  EXPECT_FALSE(r.ok());
}

TEST(CodecTest, ALengthBeyondTheInputFailsBeforeAnythingIsAllocated) {
  for (const uint64_t n : {uint64_t{4}, uint64_t{1} << 40, std::numeric_limits<uint64_t>::max()}) {
    const std::string bytes = Written(n) + "abc";
    Reader r(bytes);
    EXPECT_EQ(r.String(), "");
    EXPECT_FALSE(r.ok()) << n;
  }
}

TEST(CodecTest, ACountBeyondWhatTheInputCanHoldFails) {
  const std::string bytes = Written(3) + "abcdef";
  Reader fits(bytes);
  EXPECT_EQ(fits.Count(2), 3U);
  Reader too_many(bytes);
  EXPECT_EQ(too_many.Count(3), 0U);
  EXPECT_FALSE(too_many.ok());
  const std::string huge = Written(std::numeric_limits<uint64_t>::max()) + "abcdef";
  Reader overflow(huge);
  EXPECT_EQ(overflow.Count(16), 0U);
  EXPECT_FALSE(overflow.ok());
}

TEST(CodecTest, AfterAFailureEverythingReadsAsZero) {
  Reader r(
      "\x05"
      "abc");
  static_cast<void>(r.String());
  ASSERT_FALSE(r.ok());
  EXPECT_EQ(r.U8(), 0);
  EXPECT_EQ(r.Varint(), 0U);
  EXPECT_EQ(r.Fixed64(), 0U);
  EXPECT_EQ(r.String(), "");
  EXPECT_FALSE(r.Bool());
  EXPECT_TRUE(r.AtEnd());
  EXPECT_FALSE(r.Complete());
}

TEST(CodecTest, WhatIsLeftOverIsNotComplete) {
  Reader r("ab");
  static_cast<void>(r.U8());
  EXPECT_TRUE(r.ok());
  EXPECT_FALSE(r.Complete());
  EXPECT_EQ(r.rest(), "b");
}

// A record of every kind of field, in a random order that both sides know.
TEST(CodecTest, RandomRecordsComeBackAndEveryCutOfThemFails) {
  Random random(21);
  for (int round = 0; round < 300; ++round) {
    std::vector<uint64_t> kinds(random.Between(1, 12));
    std::vector<uint64_t> numbers(kinds.size());
    std::string out;
    Writer w(&out);
    for (size_t i = 0; i < kinds.size(); ++i) {
      kinds[i] = random.Below(4);
      numbers[i] = random.Next() >> random.Below(64);
      switch (kinds[i]) {
        case 0:
          w.Varint(numbers[i]);
          break;
        case 1:
          w.Signed(static_cast<int64_t>(numbers[i]));
          break;
        case 2:
          w.Fixed64(numbers[i]);
          break;
        default:
          w.String(std::string(numbers[i] % 50, 'x'));
          break;
      }
    }
    const auto read = [&](std::string_view bytes) {
      Reader r(bytes);
      bool same = true;
      for (size_t i = 0; i < kinds.size(); ++i) {
        switch (kinds[i]) {
          case 0:
            same &= r.Varint() == numbers[i];
            break;
          case 1:
            same &= r.Signed() == static_cast<int64_t>(numbers[i]);
            break;
          case 2:
            same &= r.Fixed64() == numbers[i];
            break;
          default:
            same &= r.String() == std::string(numbers[i] % 50, 'x');
            break;
        }
      }
      EXPECT_TRUE(same || !r.ok());
      return r.Complete();
    };
    EXPECT_TRUE(read(out));
    for (size_t cut = 0; cut < out.size(); ++cut)
      EXPECT_FALSE(read(std::string_view(out).substr(0, cut)));
  }
}

TEST(CodecTest, RandomBytesNeverReadPastTheEnd) {
  Random random(22);
  for (int round = 0; round < 5000; ++round) {
    std::string bytes(random.Below(40), '\0');
    for (char& c : bytes) c = static_cast<char>(random.Next());
    Reader r(bytes);
    size_t read = 0;
    while (!r.AtEnd()) {
      switch (random.Below(6)) {
        case 0:
          static_cast<void>(r.Varint());
          break;
        case 1:
          static_cast<void>(r.ReadBallot());
          break;
        case 2:
          read += r.String().size();
          break;
        case 3:
          static_cast<void>(r.Bool());
          break;
        case 4:
          static_cast<void>(r.Fixed32());
          break;
        default:
          static_cast<void>(r.Count(2));
          break;
      }
    }
    EXPECT_LE(read, bytes.size());
  }
}

}  // namespace
}  // namespace synod
