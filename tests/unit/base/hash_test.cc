#include "src/base/hash.h"

#include <gtest/gtest.h>

#include <bitset>
#include <set>
#include <string>

#include "src/base/random.h"

namespace synod {
namespace {

std::string Counting(size_t n) {
  std::string s(n, '\0');
  for (size_t i = 0; i < n; ++i) s[i] = static_cast<char>(i);
  return s;
}

// These hashes are in logs, checkpoints and messages: a change of one of them is a change of
// format.
TEST(HashTest, KeepsItsGoldenValues) {
  EXPECT_EQ(HashOf("").Hex(), "ba4480826fd5cbefebe956fd04e6843a");
  EXPECT_EQ(HashOf("a").Hex(), "782e83d4d8bf570a853a9a8469b52071");
  EXPECT_EQ(HashOf("12345678").Hex(), "0434bbea9854929c29468b0bb9634e84");
  EXPECT_EQ(HashOf("123456789").Hex(), "d71a661a5a4da3c45b971f6f6f82787e");
  EXPECT_EQ(HashOf("0123456789abcdef").Hex(), "ca2fab5300dc0f3889476cd50323cc5f");
  EXPECT_EQ(HashOf(Counting(100)).Hex(), "677e972dc13e515852f0f7fceece63e6");
  EXPECT_EQ(HashOf("a", 1).Hex(), "4cc49b8053af6c13997caf4fb92943a2");
  EXPECT_EQ(HashOfRecord("n/app", "value").Hex(), "3149046f3c62bc211989c0149fb22b56");
}

TEST(HashTest, TakesAnEmptyViewWithoutData) { EXPECT_EQ(HashOf(std::string_view()), HashOf("")); }

TEST(HashTest, DiffersForEveryLengthAndEveryPrefix) {
  std::set<Hash128> seen;
  const std::string zeros(300, '\0');
  for (size_t n = 0; n <= zeros.size(); ++n)
    EXPECT_TRUE(seen.insert(HashOf(std::string_view(zeros).substr(0, n))).second) << n;
}

TEST(HashTest, OneFlippedBitMovesAboutHalfOfBothLanes) {
  Random random(11);
  for (const size_t n : {1UL, 8UL, 15UL, 16UL, 33UL, 200UL}) {
    std::string data(n, '\0');
    for (char& c : data) c = static_cast<char>(random.Next());
    const Hash128 before = HashOf(data);
    for (size_t bit = 0; bit < n * 8; ++bit) {
      data[bit / 8] = static_cast<char>(data[bit / 8] ^ (1 << (bit % 8)));
      const Hash128 after = HashOf(data);
      data[bit / 8] = static_cast<char>(data[bit / 8] ^ (1 << (bit % 8)));
      EXPECT_GT(std::bitset<64>(before.hi ^ after.hi).count(), 8U) << n << " " << bit;
      EXPECT_GT(std::bitset<64>(before.lo ^ after.lo).count(), 8U) << n << " " << bit;
    }
  }
}

TEST(HashTest, TheSeedMattersAtEveryLength) {
  for (size_t n = 0; n < 40; ++n) EXPECT_NE(HashOf(Counting(n), 1), HashOf(Counting(n), 2)) << n;
}

TEST(HashTest, ARecordKnowsTheBorderOfKeyAndValue) {
  EXPECT_NE(HashOfRecord("ab", "c"), HashOfRecord("a", "bc"));
  EXPECT_NE(HashOfRecord("", "x"), HashOfRecord("x", ""));
  EXPECT_NE(HashOfRecord("x", "y"), HashOfRecord("y", "x"));
}

TEST(HashTest, HexHasTheHighLaneFirst) {
  EXPECT_EQ((Hash128{1, 0xABCDEF}).Hex(), "00000000000000010000000000abcdef");
}

TEST(DigestTest, DoesNotDependOnTheOrderOfChanges) {
  Digest one;
  Digest two;
  for (int i = 0; i < 10; ++i) one.Add(HashOf(std::to_string(i)));
  for (int i = 9; i >= 0; --i) two.Add(HashOf(std::to_string(i)));
  EXPECT_EQ(one, two);
}

TEST(DigestTest, RemovingARecordUndoesAddingIt) {
  Digest digest;
  digest.Add(HashOf("kept"));
  const Digest before = digest;
  digest.Add(HashOf("gone"));
  EXPECT_NE(digest, before);
  digest.Remove(HashOf("gone"));
  EXPECT_EQ(digest, before);
}

TEST(DigestTest, CountsARecordThatIsThereTwice) {
  Digest once;
  once.Add(HashOf("x"));
  Digest twice = once;
  twice.Add(HashOf("x"));
  EXPECT_NE(once, twice);
}

}  // namespace
}  // namespace synod
