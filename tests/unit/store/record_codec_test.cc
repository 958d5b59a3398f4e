// The bytes of the records, as docs/formats.md shows them.
#include "src/store/record_codec.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/store/store_fixture.h"

namespace synod::store {
namespace {

std::string Hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<uint8_t>(c);
    text += text.empty() ? "" : " ";
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

TEST(RecordCodecTest, TheExampleOfTheDocument) {
  NodeState state;
  state.value = Value("hi");
  state.version = 1;
  state.create_revision = state.mod_revision = Revision(5);
  std::string key, value;
  EncodeNode("/a", state, &key, &value);
  EXPECT_EQ(Hex(key), "6e 00 61");
  EXPECT_EQ(Hex(value), "01 01 05 05 00 00 00 00 02 68 69");

  ChunkWriter writer;
  writer.BeginRevision(Revision(6), ClusterTime(1000), 1);
  writer.Add(Step::Kind::kReplace, Cause::kClient, "/a", &state);
  EXPECT_EQ(Hex(ChunkKey(Revision(6))), "68 00 00 00 00 00 00 00 06");
  EXPECT_EQ(Hex(writer.Finish()), "01 01 06 d0 0f 01 01 02 2f 61 01 05 05 00 00 00 00 02 68 69");
}

TEST(RecordCodecTest, NodesComeBackAsTheyWere) {
  NodeState state;
  state.value = Value(std::string("\0\xFF", 2));
  state.version = 7;
  state.create_revision = Revision(300);
  state.mod_revision = Revision(70'000);
  state.children_revision = Revision(1);
  state.num_children = 128;
  state.last_sequence = uint64_t{1} << 40;
  std::string key, value;
  EncodeNode("/a/b-c", state, &key, &value);
  EXPECT_EQ(key, NodeKey("/a/b-c"));
  const auto entry = DecodeNode(key, value);
  ASSERT_TRUE(entry.has_value());
  EXPECT_EQ((*entry)->path(), "/a/b-c");
  EXPECT_EQ((*entry)->record_hash, HashOfRecord(key, value));
  std::string again_key, again;
  EncodeNode((*entry)->path(), *(*entry)->current, &again_key, &again);
  EXPECT_EQ(again, value);
}

TEST(RecordCodecTest, KeysSortInPathOrder) {
  EXPECT_LT(NodeKey("/"), NodeKey("/a"));
  EXPECT_LT(NodeKey("/a"), NodeKey("/a/b"));
  EXPECT_LT(NodeKey("/a/b"), NodeKey("/a-b"));
  EXPECT_LT(ChunkKey(Revision(255)), ChunkKey(Revision(256)));
  EXPECT_LT(BoundsKey(), ChunkKey(Revision(0)));
}

TEST(RecordCodecTest, AChunkComesBackAsItWas) {
  NodeState state;
  state.value = Value("v");
  state.version = 1;
  state.create_revision = state.mod_revision = Revision(1);
  state.num_children = 2;
  ChunkWriter writer;
  writer.BeginRevision(Revision(2), ClusterTime(-5), 4);
  writer.Add(Step::Kind::kCreate, Cause::kClient, "/a", nullptr);
  writer.Add(Step::Kind::kReplace, Cause::kReleased, "/b", &state);
  writer.Add(Step::Kind::kDelete, Cause::kExpired, "/c", &state);
  writer.Add(Step::Kind::kChildren, Cause::kClient, "/", &state);
  const auto chunk = DecodeChunk(writer.Finish());
  ASSERT_TRUE(chunk.has_value());
  ASSERT_EQ(chunk->size(), 1u);
  const StoredRevision& stored = chunk->front();
  EXPECT_EQ(stored.revision, Revision(2));
  EXPECT_EQ(stored.time, ClusterTime(-5));
  ASSERT_EQ(stored.steps.size(), 4u);
  EXPECT_FALSE(stored.steps[0].before.has_value());
  EXPECT_EQ(stored.steps[1].cause, Cause::kReleased);
  EXPECT_EQ(stored.steps[2].before->value.view(), "v");
  EXPECT_EQ(stored.steps[2].kind, Step::Kind::kDelete);
  EXPECT_EQ(stored.steps[3].before->num_children, 2u);
  EXPECT_TRUE(stored.steps[3].before->value.empty());
}

TEST(RecordCodecTest, StepsOutOfOrderAreRefused) {
  for (const auto& [first, second] : {std::pair("/b", "/a"), std::pair("/a", "/a")}) {
    ChunkWriter writer;
    writer.BeginRevision(Revision(2), ClusterTime(0), 2);
    writer.Add(Step::Kind::kCreate, Cause::kClient, first, nullptr);
    writer.Add(Step::Kind::kCreate, Cause::kClient, second, nullptr);
    EXPECT_FALSE(DecodeChunk(writer.Finish()).has_value());
  }
}

}  // namespace
}  // namespace synod::store
