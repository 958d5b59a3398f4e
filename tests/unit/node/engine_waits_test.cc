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
    Acquire(leader_);
    cluster_.Settle();
  }
  CallId Acquire(uint32_t node, int64_t timeout_ms = 3'605'000) {
    machine::Acquire acquire;
    acquire.path = "/l";
    acquire.ttl_ms = 60'000;
    acquire.wait_ms = 3'600'000;
    machine::Command command;
    command.operation = acquire;
    return cluster_.node(node).Change(std::move(command), timeout_ms).value();
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

}  // namespace
}  // namespace synod::node
