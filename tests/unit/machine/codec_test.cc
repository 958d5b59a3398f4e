#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "src/machine/answer.h"
#include "src/machine/command.h"
#include "tests/unit/machine/random_values.h"

namespace synod::machine {
namespace {

constexpr size_t kOperations = std::variant_size_v<Operation>;
constexpr size_t kBodies = std::variant_size_v<AnswerBody>;

// Equality of what was meant follows from equality of bytes: every field is in them, once.
TEST(CommandCodecTest, EveryCommandDecodesToItself) {
  Random random(1);
  for (int i = 0; i < 4000; ++i) {
    const size_t index = static_cast<size_t>(i) % kOperations;
    const Command command = RandomCommand(random, index);
    const Bytes bytes = Encode(command);
    const Result<Command> decoded = DecodeCommand(bytes);
    ASSERT_TRUE(decoded.has_value()) << index;
    EXPECT_EQ(decoded->operation.index(), index);
    EXPECT_EQ(decoded->id, command.id);
    EXPECT_EQ(decoded->principal, command.principal);
    EXPECT_EQ(decoded->idempotency_key, command.idempotency_key);
    EXPECT_EQ(decoded->fingerprint, command.fingerprint);
    EXPECT_EQ(decoded->not_after, command.not_after);
    EXPECT_EQ(decoded->fences.size(), command.fences.size());
    EXPECT_EQ(Encode(*decoded), bytes);
    EXPECT_EQ(*DecodeRequestId(bytes), command.id);
  }
}

TEST(CommandCodecTest, APutKeepsEveryField) {
  Command command;
  command.operation = Put{
      "/a", Bytes("\0\xFFx", 3), LeaseId(5), {store::Precondition::Kind::kModRevision, 17}, true};
  const Result<Command> decoded = DecodeCommand(Encode(command));
  const Put& put = std::get<Put>(decoded->operation);
  EXPECT_EQ(put.path, "/a");
  EXPECT_EQ(put.value, Bytes("\0\xFFx", 3));
  EXPECT_EQ(put.lease, LeaseId(5));
  EXPECT_EQ(put.precondition, (store::Precondition{store::Precondition::Kind::kModRevision, 17}));
  EXPECT_TRUE(put.want_prev);
}

TEST(CommandCodecTest, ATruncatedCommandIsRefused) {
  Random random(2);
  for (size_t index = 0; index < kOperations; ++index) {
    const Bytes bytes = Encode(RandomCommand(random, index));
    for (size_t size = 0; size < bytes.size(); ++size)
      EXPECT_TRUE(DecodeCommand(std::string_view(bytes).substr(0, size)).has_error());
    EXPECT_TRUE(DecodeCommand(bytes + 'x').has_error());
  }
}

// A flipped bit may give another valid command, but never one with two spellings, nor a crash.
TEST(CommandCodecTest, WhatDecodesAfterABitFlipEncodesToTheSameBytes) {
  Random random(3);
  for (int round = 0; round < 64; ++round) {
    Bytes bytes = Encode(RandomCommand(random, static_cast<size_t>(round) % kOperations));
    for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      const auto flip = static_cast<char>(1 << (bit % 8));
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ flip);
      const Result<Command> decoded = DecodeCommand(bytes);
      if (decoded.has_value()) {
        EXPECT_EQ(Encode(*decoded), bytes);
      }
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ flip);
    }
  }
}

TEST(CommandCodecTest, PathsAreCheckedAgain) {
  struct Case {
    const char* name;
    Operation operation;
  };
  Acquire root_lock;
  root_lock.path = "/";
  Acquire below_a_contender;
  below_a_contender.path = "/l/@0000000001";
  Acquire long_lock;
  for (int i = 0; i < 10; ++i) long_lock.path += "/" + std::string(100, 'x');
  Txn txn;
  txn.then_ops.emplace_back(TxnGet{"/a//b"});
  Put relative;
  relative.path = "a";
  Put dots;
  dots.path = "/a/..";
  CreateSequential no_parent;
  no_parent.prefix = "job-";
  const std::vector<Case> cases = {{"relative path", relative},
                                   {"dots", dots},
                                   {"sequential without a slash", no_parent},
                                   {"empty component in a transaction", txn},
                                   {"root as a lock", root_lock},
                                   {"lock below a contender", below_a_contender},
                                   {"lock with no room for its contenders", long_lock},
                                   {"relative fence", Put{"/a", "", {}, {}, false}}};
  for (const Case& c : cases) {
    Command command;
    command.operation = c.operation;
    if (std::string(c.name) == "relative fence")
      command.fences.push_back({"l", FenceToken(1)});
    EXPECT_TRUE(DecodeCommand(Encode(command)).has_error()) << c.name;
  }
}

TEST(CommandCodecTest, DurationsOutOfRangeAreRefused) {
  const auto decodes = [](int64_t wait_ms, int64_t delay_ms, uint32_t limit) {
    Acquire acquire;
    acquire.path = "/l";
    acquire.wait_ms = wait_ms;
    acquire.lock_delay_ms = delay_ms;
    acquire.limit = limit;
    Command command;
    command.operation = acquire;
    return DecodeCommand(Encode(command)).has_value();
  };
  EXPECT_TRUE(decodes(86'400'000, 60'000, 1));
  EXPECT_FALSE(decodes(86'400'001, 0, 1));
  EXPECT_FALSE(decodes(-1, 0, 1));
  EXPECT_FALSE(decodes(0, 60'001, 1));
  EXPECT_FALSE(decodes(0, 0, 0));
}

TEST(BatchCodecTest, KeepsCommandsInOrder) {
  const std::vector<Bytes> commands = {"one", "", "three"};
  const Bytes payload = EncodeBatch(ClusterTime(123456), commands);
  const Result<Batch> batch = DecodeBatch(payload);
  ASSERT_TRUE(batch.has_value());
  EXPECT_EQ(batch->time, ClusterTime(123456));
  ASSERT_EQ(batch->commands.size(), 3u);
  EXPECT_EQ(batch->commands[0], "one");
  EXPECT_EQ(batch->commands[1], "");
  EXPECT_EQ(batch->commands[2], "three");
}

TEST(BatchCodecTest, ATruncatedBatchIsRefused) {
  const Bytes payload = EncodeBatch(ClusterTime(9), std::vector<Bytes>{"one", "two"});
  for (size_t size = 0; size < payload.size(); ++size)
    EXPECT_TRUE(DecodeBatch(std::string_view(payload).substr(0, size)).has_error());
  EXPECT_TRUE(DecodeBatch(payload + 'x').has_error());
}

TEST(BatchCodecTest, AnUnknownVersionAndABadTimeAreRefused) {
  const Bytes newer = EncodeBatch(ClusterTime(9), {}, kMachineVersion + 1);
  EXPECT_TRUE(DecodeBatch(newer).has_error());
  EXPECT_EQ(DecodeBatch(newer, kMachineVersion + 1)->machine_version, kMachineVersion + 1);
  EXPECT_TRUE(DecodeBatch(EncodeBatch(ClusterTime(9), {}, 0)).has_error());
  EXPECT_TRUE(DecodeBatch(EncodeBatch(ClusterTime(-1), {})).has_error());
}

TEST(AnswerCodecTest, EveryAnswerDecodesToItself) {
  Random random(4);
  for (int i = 0; i < 3000; ++i) {
    const size_t index = static_cast<size_t>(i) % kBodies;
    const Answer answer = RandomAnswer(random, index);
    const Bytes bytes = Encode(answer);
    const Result<Answer> decoded = DecodeAnswer(bytes);
    ASSERT_TRUE(decoded.has_value()) << index;
    EXPECT_EQ(decoded->body.index(), index);
    EXPECT_EQ(decoded->revision, answer.revision);
    EXPECT_EQ(decoded->time, answer.time);
    EXPECT_EQ(Encode(*decoded), bytes);
  }
}

TEST(AnswerCodecTest, ATruncatedOrFlippedAnswerNeverHarms) {
  Random random(5);
  for (size_t index = 0; index < 4 * kBodies; ++index) {
    Bytes bytes = Encode(RandomAnswer(random, index % kBodies));
    for (size_t size = 0; size < bytes.size(); ++size)
      EXPECT_TRUE(DecodeAnswer(std::string_view(bytes).substr(0, size)).has_error());
    for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      const auto flip = static_cast<char>(1 << (bit % 8));
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ flip);
      const Result<Answer> decoded = DecodeAnswer(bytes);
      if (decoded.has_value()) {
        EXPECT_EQ(Encode(*decoded), bytes);
      }
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ flip);
    }
  }
}

TEST(AnswerCodecTest, ARecordedPutLeavesItsValueOutAndKeepsThePreviousOne) {
  const auto node = [](const char* value) {
    store::NodeState state;
    state.value = store::Value(value);
    return store::Publish(std::move(state));
  };
  PutAnswer put;
  put.node = {"/a", node("new")};
  put.with_prev = true;
  put.prev = store::NodeView{"/a", node("old")};
  const Result<Answer> decoded =
      DecodeAnswer(Encode(Answer{Revision(1), ClusterTime(2), false, put}));
  const auto& body = std::get<PutAnswer>(decoded->body);
  EXPECT_EQ(body.node.node->value.view(), "");
  EXPECT_EQ(body.prev->node->value.view(), "old");
}

}  // namespace
}  // namespace synod::machine
