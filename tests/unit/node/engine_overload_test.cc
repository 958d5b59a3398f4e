// More changes than a node can propose: who is refused, and who goes first.
#include <gtest/gtest.h>

#include "src/node/engine_frames.h"
#include "tests/unit/node/engine_cluster.h"

namespace synod::node {
namespace {

std::string Large() { return std::string(size_t{1} << 20, 'x'); }

class EngineOverloadTest : public testing::Test {
 protected:
  const uint64_t kMax = EngineConfig().pending_changes_max;

  void SetUp() override { leader_ = cluster_.Elect(); }
  Engine& leader() { return cluster_.node(leader_); }

  static machine::Command Of(machine::Operation operation) {
    machine::Command command;
    command.operation = std::move(operation);
    return command;
  }
  static machine::Command Put() { return EngineCluster::PutCommand("/a", "x"); }
  static machine::Command Renewal(LeaseId id) { return Of(machine::LeaseKeepAlive{{id}}); }
  static machine::Command Acquire(int64_t wait_ms, std::string value = {}) {
    machine::Acquire acquire;
    acquire.value = std::move(value);
    acquire.path = "/l";
    acquire.ttl_ms = 60'000;
    acquire.wait_ms = wait_ms;
    return Of(std::move(acquire));
  }
  // Submits it to the leader.
  CallId Submit(machine::Command command) {
    const Result<CallId> call = leader().Change(std::move(command), 60'000);
    EXPECT_TRUE(call.has_value());
    return call ? *call : 0;
  }
  LeaseId Grant() {
    const CallId call = Submit(Of(machine::LeaseGrant{60'000, "l"}));
    cluster_.Settle();
    return std::get<machine::LeaseAnswer>((*cluster_.Answer(leader_, call))->body).lease.id;
  }
  void Fill() {
    for (uint64_t i = 0; i < kMax; ++i) Submit(Put());
  }
  bool IsTaken(machine::Command command) {
    const Result<CallId> call = leader().Change(std::move(command), 60'000);
    if (!call) {
      EXPECT_EQ(call.error().code, Errc::kOverloaded);
      EXPECT_EQ(call.error().outcome, Outcome::kNotApplied);
    }
    return call.has_value();
  }

  EngineCluster cluster_{3};
  uint32_t leader_ = 0;
};

TEST(EngineLargeChangesTest, MoreThanTheWindowTakesWaits) {
  EngineCluster cluster(3, {.sync_turns = 8});
  const uint32_t leader = cluster.Elect();
  ASSERT_NE(leader, 0u);
  std::vector<CallId> calls;
  for (int i = 0; i < 40; ++i) {
    const auto call = cluster.node(leader).Change(EngineCluster::PutCommand("/a", Large()), 60'000);
    ASSERT_TRUE(call);
    calls.push_back(*call);
  }
  cluster.Turn();
  EXPECT_FALSE(cluster.node(leader).replica().CanPropose()) << "the window is not full";
  cluster.Run(1'000);
  for (const CallId call : calls) {
    const auto answer = cluster.Answer(leader, call);
    ASSERT_TRUE(answer && *answer) << call;
  }
}

// All at once, and in frames that a connection takes (EngineCluster checks them).
TEST(EngineLargeChangesTest, WhatWaitedForALeaderIsHandedOn) {
  EngineCluster cluster(3);
  const uint32_t leader = cluster.Elect();
  ASSERT_NE(leader, 0u);
  cluster.Kill(leader);
  const uint32_t a = leader % 3 + 1;
  const uint32_t b = a % 3 + 1;
  std::map<uint32_t, std::vector<CallId>> calls;
  for (const uint32_t node : {a, b})
    for (int i = 0; i < 24; ++i) {
      const auto call = cluster.node(node).Change(EngineCluster::PutCommand("/a", Large()), 60'000);
      ASSERT_TRUE(call);
      calls[node].push_back(*call);
    }
  cluster.Run(5'000);
  for (const auto& [node, made] : calls)
    for (const CallId call : made) {
      const auto answer = cluster.Answer(node, call);
      ASSERT_TRUE(answer && *answer) << node << " " << call;
    }
}

TEST(EngineLargeChangesTest, ANodeWhoseLogStandsTakesSoMuchAndCatchesUpLater) {
  EngineCluster cluster(3, {.unsynced_bytes_max = size_t{4} << 20});
  const uint32_t leader = cluster.Elect();
  ASSERT_NE(leader, 0u);
  const uint32_t stands = leader % 3 + 1;
  cluster.standing_.insert(NodeId(stands));
  for (int i = 0; i < 40; ++i) {
    const auto call = cluster.node(leader).Change(EngineCluster::PutCommand("/a", Large()), 60'000);
    ASSERT_TRUE(call);
    cluster.Run(30);
    const auto answer = cluster.Answer(leader, *call);
    ASSERT_TRUE(answer && *answer);
    ASSERT_LT(cluster.UnsyncedBytes(stands), size_t{6} << 20);
  }
  EXPECT_GT(cluster.UnsyncedBytes(stands), size_t{3} << 20);
  ASSERT_LT(cluster.node(stands).machine().applied(), cluster.node(leader).machine().applied());
  cluster.standing_.clear();
  cluster.Run(3'000);
  EXPECT_EQ(cluster.node(stands).machine().applied(), cluster.node(leader).machine().applied());
}

// Its inbox would say "overloaded", which proves that the change was never seen.
TEST(EngineForwardTest, ANewProcessDoesNotSpeakForTheBallotOfTheOldOne) {
  EngineCluster cluster(3);
  const uint32_t leader = cluster.Elect();
  ASSERT_NE(leader, 0u);
  const uint32_t follower = leader % 3 + 1;
  const Ballot ballot = cluster.node(leader).replica().ballot();
  for (uint32_t id = 1; id <= 3; ++id)
    if (id != leader)
      cluster.frozen_.insert(NodeId(id));
  cluster.Restart(leader);
  cluster.Settle();
  ASSERT_TRUE(cluster.node(leader).TakesPart());
  cluster.Isolate(leader);
  for (int i = 0; i < 200 && cluster.node(leader).replica().role() == consensus::Role::kFollower;
       ++i)
    cluster.Run(10);
  ASSERT_EQ(cluster.node(leader).replica().role(), consensus::Role::kCandidate);
  ASSERT_EQ(cluster.node(leader).replica().ballot(), ballot) << "no more than a pre-vote";

  const Bytes put = machine::Encode(EngineCluster::PutCommand("/a", "x"));
  Bytes frame;
  AppendItem(Forward{ballot, 100 + follower, 1, {{1, put}}}, &frame);
  cluster.node(leader).Receive(NodeId(follower), frame);
  for (const Frame& sent : cluster.node(leader).Take().frames) {
    const auto items = ParseFrame(sent.body);
    ASSERT_TRUE(items);
    for (const FrameItem& item : *items)
      if (const auto* reject = std::get_if<Reject>(&item)) {
        EXPECT_EQ(reject->reason, Reject::Reason::kNotLeader);
        EXPECT_EQ(reject->numbers, std::vector<uint64_t>{1});
        return;
      }
  }
  ADD_FAILURE() << "it was taken";
}

TEST_F(EngineOverloadTest, TakesSoManyChangesAndOneMoreOnceTheyAreAnswered) {
  const LeaseId lease = Grant();
  Fill();
  EXPECT_FALSE(IsTaken(Put()));
  EXPECT_TRUE(IsTaken(Renewal(lease)));
  cluster_.Run(1000);
  EXPECT_TRUE(IsTaken(Put()));
}

TEST_F(EngineOverloadTest, AWaitForALockIsNoChangeThatWaits) {
  Submit(Acquire(0));
  for (uint64_t i = 1; i < kMax; ++i) Submit(Acquire(60'000));
  EXPECT_FALSE(IsTaken(Put()));
  cluster_.Run(1000);
  EXPECT_EQ(leader().machine().counts().waiters, kMax - 1);
  Fill();
  EXPECT_FALSE(IsTaken(Put()));
}

TEST_F(EngineOverloadTest, NorDoItsBytesWait) {
  const uint64_t waits = (EngineConfig().pending_bytes_max >> 20) + 1;
  Submit(Acquire(0));
  for (uint64_t i = 0; i < waits; ++i) {
    Submit(Acquire(60'000, std::string(size_t{1} << 20, 'v')));
    cluster_.Run(50);
  }
  EXPECT_EQ(leader().machine().counts().waiters, waits);
  EXPECT_EQ(leader().pending_bytes(), 0u);
  EXPECT_TRUE(IsTaken(Put()));
}

TEST_F(EngineOverloadTest, RenewalsAreNotCounted) {
  const LeaseId lease = Grant();
  Submit(Renewal(lease));
  Fill();
  EXPECT_FALSE(IsTaken(Put()));
}

TEST_F(EngineOverloadTest, TheLeaderTakesSoManyFromOthersAndRefusesTheRest) {
  Bytes frame;
  const Bytes put = machine::Encode(Put());
  const Bytes renewal = machine::Encode(Renewal(LeaseId(1)));
  Forward forward{leader().replica().ballot(), 77, 1, {}};
  for (uint64_t number = 1; number <= kMax + 2; ++number) forward.items.push_back({number, put});
  forward.items.push_back({kMax + 3, renewal});
  AppendItem(forward, &frame);
  leader().Receive(NodeId(leader_ % 3 + 1), frame);
  std::vector<uint64_t> refused;
  const EngineOutput out = leader().Take();
  for (const Frame& sent : out.frames) {
    const Result<std::vector<FrameItem>> items = ParseFrame(sent.body);
    ASSERT_TRUE(items.has_value());
    for (const FrameItem& item : *items)
      if (const auto* reject = std::get_if<Reject>(&item)) {
        EXPECT_EQ(reject->reason, Reject::Reason::kOverloaded);
        refused.insert(refused.end(), reject->numbers.begin(), reject->numbers.end());
      }
  }
  EXPECT_EQ(refused, (std::vector<uint64_t>{kMax + 1, kMax + 2}));
}

// Submitted behind the end of its lease, in the same turn: it is proposed before, and finds it.
TEST_F(EngineOverloadTest, RenewalsGoBeforeTheChangesThatWait) {
  const LeaseId lease = Grant();
  cluster_.Run(1000);
  const CallId end = Submit(Of(machine::LeaseRevoke{lease}));
  const CallId renewal = Submit(Renewal(lease));
  cluster_.Run(1000);
  const auto of_renewal = cluster_.Answer(leader_, renewal);
  ASSERT_TRUE(of_renewal && *of_renewal);
  EXPECT_EQ(std::get_if<machine::Refusal>(&(*of_renewal)->body), nullptr);
  ASSERT_TRUE(cluster_.Answer(leader_, end));
  EXPECT_EQ(leader().machine().counts().leases, 0U);
}

}  // namespace
}  // namespace synod::node
