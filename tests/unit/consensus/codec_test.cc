#include <gtest/gtest.h>

#include <string>
#include <variant>
#include <vector>

#include "consensus/message.h"
#include "src/base/random.h"
#include "tests/unit/consensus/support.h"

namespace synod::consensus {
namespace {

std::string Bytes(const Message& message) {
  std::string out;
  Writer writer(&out);
  Encode(message, &writer);
  return out;
}

Result<Message> FromBytes(const std::string& bytes) {
  Reader reader(bytes);
  return DecodeMessage(&reader);
}

TEST(CodecTest, EveryMessageComesBackFromItsBytes) {
  const std::vector<Message> messages = OneOfEach();
  ASSERT_EQ(messages.size(), std::variant_size_v<Message>);
  for (size_t i = 0; i < messages.size(); ++i) {
    SCOPED_TRACE(Name(messages[i]));
    ASSERT_EQ(messages[i].index(), i);
    const std::string bytes = Bytes(messages[i]);
    Reader reader(bytes);
    const Result<Message> decoded = DecodeMessage(&reader);
    ASSERT_TRUE(decoded.has_value());
    EXPECT_TRUE(reader.Complete());
    EXPECT_EQ(decoded->index(), i);
    EXPECT_EQ(Bytes(*decoded), bytes);
  }
}

TEST(CodecTest, KeepsTheFieldsOfAnAccept) {
  const Result<Message> decoded = FromBytes(Bytes(OneOfEach()[4]));
  ASSERT_TRUE(decoded.has_value());
  const Accept& accept = std::get<Accept>(*decoded);
  EXPECT_EQ(accept.ballot, B(7, 2));
  EXPECT_EQ(accept.commit, Slot(3));
  EXPECT_EQ(accept.read_seq, 12u);
  EXPECT_EQ(accept.quorum_age, 4u);
  ASSERT_EQ(accept.entries.size(), 2u);
  EXPECT_EQ(accept.entries[1].slot, Slot(5));
  EXPECT_TRUE(accept.entries[1].entry.SameValue(E(std::string(3000, 'e'))));
  ASSERT_EQ(accept.gens.size(), 2u);
  EXPECT_EQ(accept.gens[1], (MemberGen{NodeId(3), uint64_t{1} << 50}));
}

TEST(CodecTest, SkipsWhatALaterVersionAddedAtTheEnd) {
  for (const Message& message : OneOfEach()) {
    SCOPED_TRACE(Name(message));
    std::string bytes = Bytes(message);
    bytes += "added";
    bytes[1] = static_cast<char>(bytes[1] + 5);  // the low byte of the length
    if (static_cast<uint8_t>(bytes[1]) < 5)
      bytes[2] = static_cast<char>(bytes[2] + 1);
    Reader reader(bytes);
    const Result<Message> decoded = DecodeMessage(&reader);
    ASSERT_TRUE(decoded.has_value());
    EXPECT_TRUE(reader.Complete());
    EXPECT_EQ(Bytes(*decoded), Bytes(message));
  }
}

TEST(CodecTest, EveryCutIsRefused) {
  for (const Message& message : OneOfEach()) {
    const std::string bytes = Bytes(message);
    for (size_t n = 0; n < bytes.size(); ++n)
      EXPECT_FALSE(FromBytes(bytes.substr(0, n)).has_value()) << Name(message) << " cut at " << n;
  }
}

TEST(CodecTest, AnUnknownTypeIsRefused) {
  std::string bytes = Bytes(TimeoutNow{});
  bytes[0] = static_cast<char>(std::variant_size_v<Message>);
  EXPECT_FALSE(FromBytes(bytes).has_value());
}

TEST(CodecTest, ACountBeyondTheInputIsRefusedWithoutAllocating) {
  std::string bytes;
  Writer writer(&bytes);
  writer.U8(5);  // Accepted
  std::string body;
  Writer inner(&body);
  inner.Write(B(1, 1));
  for (int i = 0; i < 4; ++i) inner.Varint(0);
  inner.Varint(uint64_t{1} << 40);  // ranges
  writer.Fixed32(static_cast<uint32_t>(body.size()));
  writer.Append(body);
  EXPECT_FALSE(FromBytes(bytes).has_value());
}

TEST(CodecTest, RandomDamageNeverCrashes) {
  Random random(42);
  const std::vector<Message> messages = OneOfEach();
  for (int i = 0; i < 20000; ++i) {
    std::string bytes = Bytes(messages[random.Below(messages.size())]);
    const uint64_t flips = random.Between(1, 4);
    for (uint64_t f = 0; f < flips; ++f)
      bytes[random.Below(bytes.size())] = static_cast<char>(random.Next());
    const Result<Message> decoded = FromBytes(bytes);
    if (decoded.has_value()) {
      EXPECT_FALSE(Bytes(*decoded).empty());
    }
  }
}

TEST(CodecTest, AcceptedEntryComesBackFromItsBytes) {
  AcceptedEntry entry = MakeVote(5, B(3, 2), "value");
  entry.chosen = true;
  std::string bytes;
  Writer writer(&bytes);
  Encode(entry, &writer);
  Reader reader(bytes);
  AcceptedEntry decoded;
  ASSERT_TRUE(Decode(&reader, &decoded));
  EXPECT_TRUE(reader.Complete());
  EXPECT_EQ(decoded.slot, Slot(5));
  EXPECT_EQ(decoded.ballot, B(3, 2));
  EXPECT_TRUE(decoded.chosen);
  EXPECT_TRUE(decoded.entry.SameValue(entry.entry));
}

TEST(CodecTest, AnUnknownEntryKindIsRefused) {
  std::string bytes;
  Writer writer(&bytes);
  Encode(E("x"), &writer);
  bytes[0] = 9;
  Reader reader(bytes);
  Entry entry;
  EXPECT_FALSE(Decode(&reader, &entry));
}

TEST(EntryTest, HashCoversKindOriginAndPayload) {
  const Entry entry = E("x");
  Entry other = entry;
  EXPECT_EQ(entry.Hash(), other.Hash());
  other.kind = EntryKind::kNoop;
  EXPECT_NE(entry.Hash(), other.Hash());
  EXPECT_FALSE(entry.SameValue(other));
  EXPECT_NE(entry.Hash(), E("x", B(2, 1)).Hash());
  EXPECT_NE(entry.Hash(), E("y").Hash());
}

}  // namespace
}  // namespace synod::consensus
