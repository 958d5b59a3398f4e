// Waits whose client has gone: whatever becomes of the news of it, they are withdrawn.
#include <gtest/gtest.h>

#include "tests/unit/node/engine_cluster.h"

namespace synod::node {
namespace {

class EngineWaitsTest : public testing::Test {
 protected:
  static constexpr int64_t kWithdrawnMs = 5000 + 1000;  // contract, and what it takes to be told

  void SetUp() override {
    leader_ = cluster_.Elect();
    follower_ = leader_ == 1 ? 2 : 1;
    other_ = 6 - leader_ - follower_;
    const CallId holder = Acquire(leader_);
    cluster_.Settle();
    held_ = std::get<machine::HoldAnswer>(cluster_.Answer(leader_, holder).value()->body).token;
  }
  static machine::Command AcquireCommand(int64_t wait_ms = 3'600'000) {
    machine::Acquire acquire;
    acquire.path = "/l";
    acquire.ttl_ms = 60'000;
    acquire.wait_ms = wait_ms;
    machine::Command command;
    command.operation = acquire;
    return command;
  }
  CallId Acquire(uint32_t node, int64_t timeout_ms = 3'605'000) {
    return cluster_.node(node).Change(AcquireCommand(), timeout_ms).value();
  }
  size_t Waiters() { return cluster_.node(leader_).machine().counts().waiters; }
  void StopQuorumFor(int64_t ms) {
    for (uint32_t id = 1; id <= 3; ++id) cluster_.Isolate(id);
    cluster_.Run(ms);
    cluster_.Heal();
    leader_ = cluster_.Elect();
  }

  // The follower's connections, and nobody's process.
  void BreakOff(int64_t ms) {
    cluster_.Isolate(follower_);
    for (uint32_t id = 1; id <= 3; ++id)
      if (id != follower_) {
        cluster_.node(id).PeerDown(NodeId(follower_), false);
        cluster_.node(follower_).PeerDown(NodeId(id), false);
      }
    cluster_.Run(ms);
    cluster_.Heal();
    for (uint32_t id = 1; id <= 3; ++id)
      if (id != follower_)
        cluster_.Reconnect(id, follower_);
    leader_ = cluster_.Elect();
  }

  EngineCluster cluster_{3};
  uint32_t leader_ = 0;
  uint32_t follower_ = 0;
  uint32_t other_ = 0;
  FenceToken held_;
};

TEST_F(EngineWaitsTest, TheWaitOfAClientThatHasGoneIsWithdrawn) {
  const CallId call = Acquire(follower_);
  cluster_.Settle();
  EXPECT_EQ(Waiters(), 1u);
  const uint64_t proposed = cluster_.node(leader_).counters().proposed_commands;
  cluster_.node(follower_).Cancel(call);
  EXPECT_EQ(cluster_.node(follower_).pending_calls(), 0u);
  cluster_.Run(4500);
  EXPECT_EQ(Waiters(), 1u) << "it may come back";
  EXPECT_EQ(cluster_.node(leader_).counters().proposed_commands, proposed + 1) << "told once";
  cluster_.Run(kWithdrawnMs - 4500);
  EXPECT_EQ(Waiters(), 0u);
}

TEST_F(EngineWaitsTest, AlsoIfItWentWhileThereWasNoQuorum) {
  const CallId call = Acquire(follower_);
  cluster_.Settle();
  for (uint32_t id = 1; id <= 3; ++id) cluster_.Isolate(id);
  cluster_.Run(1000);
  cluster_.node(follower_).Cancel(call);
  StopQuorumFor(14'000);
  EXPECT_EQ(Waiters(), 1u);
  cluster_.Run(kWithdrawnMs);
  EXPECT_EQ(Waiters(), 0u);
}

TEST_F(EngineWaitsTest, AlsoIfItWentBeforeItsRequestArrived) {
  cluster_.Cut(follower_, leader_);
  const CallId call = Acquire(follower_);
  cluster_.Turn();
  cluster_.Heal();
  cluster_.node(follower_).Cancel(call);
  cluster_.Run(1200);
  EXPECT_EQ(Waiters(), 1u) << "sent again";
  EXPECT_EQ(cluster_.node(follower_).pending_calls(), 0u);
  cluster_.Run(kWithdrawnMs);
  EXPECT_EQ(Waiters(), 0u);
}

TEST_F(EngineWaitsTest, AlsoIfItsNodeGaveUpBeforeItCouldTell) {
  Acquire(follower_, 1000);
  cluster_.Settle();
  StopQuorumFor(15'000);
  cluster_.Run(kWithdrawnMs);
  EXPECT_EQ(Waiters(), 0u);
}

TEST_F(EngineWaitsTest, AClientThatStaysKeepsItsPlaceWhileItsNodeIsCutOffForAMoment) {
  const CallId call = Acquire(follower_);
  cluster_.Settle();
  BreakOff(2000);
  cluster_.Run(2 * kWithdrawnMs);
  EXPECT_EQ(Waiters(), 1u);
  EXPECT_FALSE(cluster_.Answer(follower_, call));
}

TEST_F(EngineWaitsTest, AndThenOnlyThoseWhoseClientsHaveGoneAreWithdrawn) {
  Acquire(follower_);
  const CallId gone = Acquire(follower_);
  cluster_.Settle();
  BreakOff(1000);
  cluster_.node(follower_).Cancel(gone);
  cluster_.Run(kWithdrawnMs + 2000);  // it may have been told of just before
  EXPECT_EQ(Waiters(), 1u);
}

TEST_F(EngineWaitsTest, AClientThatStaysIsToldThatItsPlaceIsGone) {
  const CallId call = Acquire(follower_);
  cluster_.Settle();
  BreakOff(2 * kWithdrawnMs);
  cluster_.Run(2000);
  EXPECT_EQ(Waiters(), 0u);
  const auto answer = cluster_.Answer(follower_, call);
  ASSERT_TRUE(answer);
  ASSERT_FALSE(*answer);
  EXPECT_EQ(answer->error().code, Errc::kNoLeader);
  EXPECT_EQ(answer->error().outcome, Outcome::kUnknown);
  EXPECT_EQ(cluster_.node(follower_).pending_calls(), 0u);
}

// Nobody waits for the answer: the next leader is not asked for what none has taken.
TEST_F(EngineWaitsTest, WhatNoLeaderTookIsNotHandedOnOnceItsClientHasGone) {
  cluster_.Isolate(leader_);
  const CallId call = Acquire(follower_);
  cluster_.Turn();
  cluster_.node(follower_).Cancel(call);
  cluster_.Kill(leader_);
  leader_ = cluster_.Elect();
  cluster_.Run(1000);
  EXPECT_EQ(cluster_.node(follower_).counters().reforwarded, 0u);
  EXPECT_EQ(cluster_.node(follower_).pending_calls(), 0u);
  EXPECT_EQ(Waiters(), 0u);
}

// Requests under one key, at one node or at two.
class JoinedWaitsTest : public EngineWaitsTest, public testing::WithParamInterface<bool> {
 protected:
  // The repeat has the place in the queue.
  void SetUp() override {
    EngineWaitsTest::SetUp();
    BeginBoth(3'600'000);
  }
  void BeginBoth(int64_t wait_ms) {
    machine::Command command = AcquireCommand(wait_ms);
    command.idempotency_key = "key-" + std::to_string(wait_ms);
    command.fingerprint = HashOf(command.idempotency_key);
    repeated_at_ = GetParam() ? follower_ : other_;
    first_ = cluster_.node(follower_).Change(command, wait_ms + 5000).value();
    cluster_.Settle();
    repeat_ = cluster_.node(repeated_at_).Change(command, wait_ms + 5000).value();
    cluster_.Settle();
  }
  void Release() {
    machine::Command command;
    command.operation = machine::Release{machine::LockKind::kLock, "/l", held_};
    (void)cluster_.node(leader_).Change(std::move(command), 5000).value();
    cluster_.Run(200);
  }
  std::optional<Result<machine::Answer>> First() { return cluster_.Answer(follower_, first_); }
  std::optional<Result<machine::Answer>> Repeat() { return cluster_.Answer(repeated_at_, repeat_); }
  static bool IsGrant(const std::optional<Result<machine::Answer>>& answer) {
    return answer && *answer && std::holds_alternative<machine::HoldAnswer>((**answer).body);
  }
  // Both know the outcome, and it is the same.
  template <typename Body>
  void ExpectBothAnswered() {
    ASSERT_TRUE(First());
    ASSERT_TRUE(*First()) << First()->error().detail;
    ASSERT_TRUE(Repeat() && *Repeat());
    const machine::Answer first = **First();
    const machine::Answer repeat = **Repeat();
    EXPECT_TRUE(std::holds_alternative<Body>(first.body));
    EXPECT_TRUE(std::holds_alternative<Body>(repeat.body));
    EXPECT_EQ(first.revision, repeat.revision);
    EXPECT_TRUE(first.replayed);
    EXPECT_FALSE(repeat.replayed);
  }

  uint32_t repeated_at_ = 0;
  CallId first_ = 0;
  CallId repeat_ = 0;
};

INSTANTIATE_TEST_SUITE_P(At, JoinedWaitsTest, testing::Bool(), [](const auto& at) {
  return at.param ? "OneNode" : "TwoNodes";
});

TEST_P(JoinedWaitsTest, BothGetTheGrant) {
  cluster_.Run(kWithdrawnMs);
  EXPECT_EQ(Waiters(), 1u);
  EXPECT_FALSE(First());
  EXPECT_FALSE(Repeat());
  Release();
  ExpectBothAnswered<machine::HoldAnswer>();
  EXPECT_EQ(cluster_.node(follower_).pending_calls(), 0u);
}

TEST_P(JoinedWaitsTest, BothAreToldThatTheWaitIsOver) {
  BeginBoth(2000);
  cluster_.Run(5000);
  ExpectBothAnswered<machine::Refusal>();
}

TEST_P(JoinedWaitsTest, BothGetTheGrantOfTheNextLeader) {
  cluster_.Kill(leader_);
  leader_ = cluster_.Elect();
  cluster_.Run(1000);
  Release();
  ExpectBothAnswered<machine::HoldAnswer>();
}

TEST_P(JoinedWaitsTest, TheFirstKeepsThePlaceWhenTheRepeatLeaves) {
  cluster_.node(repeated_at_).Cancel(repeat_);
  cluster_.Run(2 * kWithdrawnMs);
  EXPECT_EQ(Waiters(), 1u);
  EXPECT_FALSE(First());
  Release();
  EXPECT_TRUE(IsGrant(First()));
}

TEST_P(JoinedWaitsTest, TheRepeatKeepsThePlaceWhenTheFirstLeaves) {
  cluster_.node(follower_).Cancel(first_);
  cluster_.Run(2 * kWithdrawnMs);
  EXPECT_EQ(Waiters(), 1u);
  Release();
  EXPECT_TRUE(IsGrant(Repeat()));
}

TEST_P(JoinedWaitsTest, ThePlaceIsGivenUpWhenBothHaveLeft) {
  cluster_.node(repeated_at_).Cancel(repeat_);
  cluster_.Run(1000);
  cluster_.node(follower_).Cancel(first_);
  cluster_.Run(kWithdrawnMs);
  EXPECT_EQ(Waiters(), 0u);
  EXPECT_EQ(cluster_.node(follower_).pending_calls(), 0u);
}

// They do not take it from each other.
TEST_P(JoinedWaitsTest, NobodyAsksAgainWhileTheOtherWaits) {
  cluster_.Run(1000);
  const uint64_t applied = cluster_.node(leader_).counters().commands_applied;
  cluster_.Run(120);
  EXPECT_LE(cluster_.node(leader_).counters().commands_applied, applied + 1) << "a renewal";
}

TEST_F(EngineWaitsTest, TheFirstKeepsThePlaceWhenTheNodeOfTheRepeatDies) {
  machine::Command command = AcquireCommand();
  command.idempotency_key = "key";
  const CallId first = cluster_.node(follower_).Change(command, 3'605'000).value();
  cluster_.Settle();
  (void)cluster_.node(other_).Change(command, 3'605'000).value();
  cluster_.Settle();
  cluster_.Kill(other_);
  cluster_.Run(2 * kWithdrawnMs);
  EXPECT_EQ(Waiters(), 1u);
  EXPECT_FALSE(cluster_.Answer(follower_, first));
}

}  // namespace
}  // namespace synod::node
