// How long leases live when those who count their time change, restart and stop.
#include <gtest/gtest.h>

#include "tests/unit/node/engine_cluster.h"

namespace synod::node {
namespace {

// What docs/api.md, "Leases", allows besides the TTL: of the clock that a leader change loses, in
// which time stands still behind one, and until what is due is gone.
constexpr int64_t kLostMs = 500;
constexpr int64_t kGraceMs = 1000;
constexpr int64_t kExpiryMs = 1000;
constexpr int64_t kStepMs = 10;

class EngineLeaseTest : public testing::Test {
 protected:
  void SetUp() override { leader_ = cluster_.Elect(); }

  void Grant(int64_t ttl_ms) {
    machine::Command grant;
    grant.operation = machine::LeaseGrant{ttl_ms, "watched"};
    ASSERT_TRUE(cluster_.node(leader_).Change(grant, 5000));
    ttl_ms_ = ttl_ms;
    granted_ = cluster_.now();
    cluster_.Settle();
    deadline_ = cluster_.node(leader_).machine().NextDeadline();
    ASSERT_TRUE(deadline_);
  }
  // Who leads the others; 0: nobody. One that is cut off may take itself for the leader.
  uint32_t FindLeader() {
    for (uint32_t id = 1; id <= 3; ++id)
      if (id != isolated_ && cluster_.node(id).replica().IsLeader() && cluster_.node(id).Ready())
        return id;
    return 0;
  }
  bool IsGone() {
    for (uint32_t id = 1; id <= 3; ++id)
      if (cluster_.node(id).machine().counts().leases == 0)
        return true;
    return false;
  }
  // Counts for how long nobody led.
  void Run(int64_t ms) {
    for (const int64_t end = cluster_.now() + ms; cluster_.now() < end;) {
      cluster_.Run(kStepMs);
      leaderless_ms_ += FindLeader() == 0 ? kStepMs : 0;
    }
  }
  void AwaitLeader() {
    for (int i = 0; i < 1000 && FindLeader() == 0; ++i) Run(kStepMs);
    leader_ = FindLeader();
    ++changes_;
  }
  void DeposeLeader() {
    isolated_ = leader_;
    cluster_.Isolate(isolated_);
    Run(3'000);
    cluster_.Heal();
    isolated_ = 0;
    AwaitLeader();
  }
  int64_t elapsed() const { return cluster_.now() - granted_; }
  // The most by which an end may be late now.
  int64_t late_ms() const { return leaderless_ms_ + changes_ * (kLostMs + kGraceMs) + kExpiryMs; }

  EngineCluster cluster_{3};
  uint32_t leader_ = 0;
  uint32_t isolated_ = 0;
  int64_t ttl_ms_ = 0;
  int64_t granted_ = 0;
  std::optional<ClusterTime> deadline_;
  int64_t leaderless_ms_ = 0;
  int64_t changes_ = 0;
};

TEST_F(EngineLeaseTest, ATtlIsExactOverTwentyLeaderChanges) {
  Grant(90'000);
  for (int i = 0; i < 20; ++i) {
    DeposeLeader();
    ASSERT_NE(leader_, 0U);
    for (uint32_t id = 1; id <= 3; ++id)
      ASSERT_EQ(cluster_.node(id).machine().NextDeadline(), deadline_) << "after change " << i;
  }
  ASSERT_LT(elapsed(), ttl_ms_ + late_ms());
  while (!IsGone() && elapsed() < 2 * ttl_ms_) Run(kStepMs);
  EXPECT_GE(elapsed(), ttl_ms_);
  EXPECT_LE(elapsed(), ttl_ms_ + late_ms());
}

TEST_F(EngineLeaseTest, ARestartOfAllAfterIdleHoursNeitherEndsNorRenewsIt) {
  constexpr int64_t kHourMs = 3'600'000;
  Grant(3 * kHourMs);
  cluster_.Run(2 * kHourMs, 50);
  for (uint32_t id = 1; id <= 3; ++id) cluster_.Restart(id);
  leader_ = 0;
  AwaitLeader();
  ASSERT_NE(leader_, 0U);
  EXPECT_EQ(cluster_.node(leader_).machine().NextDeadline(), deadline_);
  Run(2'000);
  const int64_t left = deadline_->value - cluster_.node(leader_).Now().value;
  EXPECT_GE(left, ttl_ms_ - elapsed());
  EXPECT_LE(left, ttl_ms_ - elapsed() + late_ms());
}

TEST_F(EngineLeaseTest, TheTimeInWhichALeaderIsPausedDoesNotCount) {
  Grant(12'000);  // longer than all the pauses
  for (int i = 0; i < 3; ++i) {
    isolated_ = leader_;
    cluster_.frozen_.insert(NodeId(isolated_));
    Run(3'000);
    cluster_.frozen_.clear();
    isolated_ = 0;
    AwaitLeader();
    EXPECT_NE(leader_, 0U);
    EXPECT_FALSE(IsGone() && elapsed() < ttl_ms_) << "after pause " << i;
  }
  while (!IsGone() && elapsed() < 10 * ttl_ms_) Run(kStepMs);
  EXPECT_GE(elapsed(), ttl_ms_);
  EXPECT_LE(elapsed(), ttl_ms_ + late_ms());
}

// Renewals come all the time, and none is taken: no lease may end of that.
class StandingLogTest : public testing::Test {
 protected:
  void SetUp() override {
    leader_ = cluster_.Elect();
    client_ = leader_ % 3 + 1;
    machine::Command grant;
    grant.operation = machine::LeaseGrant{2'000, "renewed"};
    const auto call = cluster_.node(client_).Change(grant, 5'000);
    ASSERT_TRUE(call);
    cluster_.Run(100);
    lease_ = std::get<machine::LeaseAnswer>((*cluster_.Answer(client_, *call))->body).lease.id;
  }
  void RunRenewing(int64_t ms) {
    for (int64_t passed = 0; passed < ms; passed += 500) {
      machine::Command renewal;
      renewal.operation = machine::LeaseKeepAlive{{lease_}};
      ASSERT_TRUE(cluster_.node(client_).Change(renewal, 1'500));
      cluster_.Run(500);
      for (uint32_t id = 1; id <= 3; ++id)
        ASSERT_EQ(cluster_.node(id).machine().counts().leases, 1u) << id << " after " << passed;
    }
  }

  // As near as the leader's own disk, the others' have each entry wait for the one before.
  EngineCluster cluster_{3, {.sync_turns = 4}};
  uint32_t leader_ = 0;
  uint32_t client_ = 0;
  LeaseId lease_;
};

TEST_F(StandingLogTest, OfTheLeaderMakesAnotherLead) {
  cluster_.standing_.insert(NodeId(leader_));
  RunRenewing(6'000);
  EXPECT_FALSE(cluster_.node(leader_).replica().IsLeader());
  const auto put = cluster_.node(client_).Change(EngineCluster::PutCommand("/a", "x"), 1'000);
  ASSERT_TRUE(put);
  cluster_.Run(500);
  ASSERT_TRUE(cluster_.Answer(client_, *put));
  EXPECT_TRUE(*cluster_.Answer(client_, *put));
  cluster_.standing_.clear();
  RunRenewing(3'000);
}

TEST_F(StandingLogTest, OfAllOthersStopsTheClock) {
  for (uint32_t id = 1; id <= 3; ++id)
    if (id != leader_)
      cluster_.standing_.insert(NodeId(id));
  RunRenewing(6'000);
  cluster_.standing_.clear();
  RunRenewing(3'000);
  EXPECT_TRUE(cluster_.node(leader_).replica().IsLeader());
}

}  // namespace
}  // namespace synod::node
