#include "session/idempotency.h"

#include <gtest/gtest.h>

namespace synod::session {
namespace {

ClusterTime T(int64_t ms) { return ClusterTime(ms); }
constexpr Hash128 kFingerprint{1, 2};

class IdempotencyTest : public testing::Test {
 protected:
  ~IdempotencyTest() override { table_.CheckInvariants(); }
  Bytes key_ = RequestKey("ann", "k-1");
  IdempotencyTable table_;
};

TEST_F(IdempotencyTest, KeepsAnAnswerUpToAndIncludingItsExpiry) {
  table_.Keep(key_, kFingerprint, T(0), T(100), "answer");
  ASSERT_NE(table_.Find(key_, T(100)), nullptr);
  EXPECT_EQ(table_.Find(key_, T(100))->answer, "answer");
  EXPECT_EQ(table_.Find(key_, T(101)), nullptr);
  table_.Expire(T(100));
  EXPECT_EQ(table_.size(), 1u);
  EXPECT_EQ(table_.NextDeadline(), T(101));
  table_.Expire(T(101));
  EXPECT_EQ(table_.size(), 0u);
  EXPECT_EQ(table_.bytes(), 0u);
  EXPECT_EQ(table_.digest(), Digest());
}

TEST_F(IdempotencyTest, UsersAndKeysDoNotRunIntoEachOther) {
  table_.Keep(RequestKey("ab", "c"), kFingerprint, T(0), T(9), "1");
  EXPECT_EQ(table_.Find(RequestKey("a", "bc"), T(0)), nullptr);
  EXPECT_EQ(table_.Find(RequestKey("", "abc"), T(0)), nullptr);
}

TEST_F(IdempotencyTest, APendingRecordNeverRunsOut) {
  table_.Wait(key_, kFingerprint, T(5), "/.synod/locks/l/@0000000001");
  table_.Expire(T(1'000'000));
  const IdempotencyRecord* record = table_.Find(key_, T(1'000'000));
  ASSERT_NE(record, nullptr);
  EXPECT_TRUE(record->pending);
  EXPECT_EQ(table_.NextDeadline(), std::nullopt);
}

TEST_F(IdempotencyTest, TheEndOfAWaitReplacesThePendingRecord) {
  table_.Wait(key_, kFingerprint, T(0), "/.synod/locks/l/@0000000001");
  table_.Keep(key_, kFingerprint, T(0), T(100), "granted");
  EXPECT_EQ(table_.size(), 1u);
  EXPECT_FALSE(table_.Find(key_, T(0))->pending);
  EXPECT_EQ(table_.Find(key_, T(0))->answer, "granted");
}

TEST_F(IdempotencyTest, AForgottenWaitLeavesNothingBehind) {
  table_.Wait(key_, kFingerprint, T(0), "/.synod/locks/l/@0000000001");
  table_.Forget(key_);
  EXPECT_EQ(table_.Find(key_, T(0)), nullptr);
  EXPECT_EQ(table_.bytes(), 0u);
}

TEST_F(IdempotencyTest, CountsItsBytesByAnswersAndKeys) {
  table_.Keep(key_, kFingerprint, T(0), T(100), Bytes(1000, 'x'));
  const uint64_t one = table_.bytes();
  EXPECT_GT(one, 1000 + key_.size());
  table_.Keep(RequestKey("ann", "k-2"), kFingerprint, T(0), T(100), Bytes(1000, 'x'));
  EXPECT_EQ(table_.bytes(), 2 * one);
}

TEST_F(IdempotencyTest, RecordsGiveBackTheSameTable) {
  for (int i = 0; i < 50; ++i) {
    const Bytes key = RequestKey("u", "k" + std::to_string(i));
    if (i % 5 == 0)
      table_.Wait(key, kFingerprint, T(i), "/.synod/locks/l/@000000000" + std::to_string(i / 5));
    else
      table_.Keep(key, kFingerprint, T(i), T(100 + i % 7), "answer");
  }
  IdempotencyTable loaded;
  table_.ForEachRecord([&](std::string_view key, std::string_view value) {
    EXPECT_TRUE(loaded.LoadRecord(key, value).has_value());
  });
  loaded.CheckInvariants();
  EXPECT_EQ(loaded.digest(), table_.digest());
  EXPECT_EQ(loaded.bytes(), table_.bytes());
  loaded.Expire(T(105));
  table_.Expire(T(105));
  EXPECT_EQ(loaded.digest(), table_.digest());
}

TEST_F(IdempotencyTest, RefusesDamagedRecords) {
  table_.Keep(key_, kFingerprint, T(3), T(100), "answer");
  Bytes key;
  Bytes value;
  table_.ForEachRecord([&](std::string_view k, std::string_view v) {
    key = k;
    value = v;
  });
  for (size_t cut = 0; cut < value.size(); ++cut) {
    IdempotencyTable loaded;
    EXPECT_TRUE(loaded.LoadRecord(key, value.substr(0, cut)).has_error());
  }
  IdempotencyTable loaded;
  EXPECT_TRUE(loaded.LoadRecord(key, value).has_value());
  EXPECT_TRUE(loaded.LoadRecord(key, value).has_error());
}

}  // namespace
}  // namespace synod::session
