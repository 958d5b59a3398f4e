#include "src/client/lease.h"

#include <gtest/gtest.h>

#include <optional>
#include <set>

#include "tests/unit/client/fake_runtime.h"

namespace synod::client {
namespace {

constexpr Milliseconds kTtl{9000};

std::string GrantOf(uint64_t id, int64_t remaining_ms = 9000) {
  return R"({"id":)" + std::to_string(id) + R"(,"ttl_ms":9000,"remaining_ms":)" +
         std::to_string(remaining_ms) + "}";
}
std::string Renewed(uint64_t id, int64_t remaining_ms = 9000) {
  return R"({"leases":[)" + GrantOf(id, remaining_ms) + R"(],"not_found":[]})";
}

TEST(SafeUntilTest, EndsBeforeTheClusterCanByDriftAndMargin) {
  const Clock::time_point sent(std::chrono::hours(1));
  EXPECT_EQ(SafeUntil(sent, Milliseconds(10'000), Milliseconds(10'000)) - sent,
            Milliseconds(10'000 - 100 - 500));
  EXPECT_EQ(SafeUntil(sent, Milliseconds(500), Milliseconds(500)) - sent,
            Milliseconds(500 - 5 - 25));
  // A day's lease is not given up an hour early for its margin.
  EXPECT_EQ(SafeUntil(sent, Milliseconds(86'400'000), Milliseconds(86'400'000)) - sent,
            Milliseconds(86'400'000 - 864'000 - 500));
}

class LeaseTest : public testing::Test {
 protected:
  LeaseTest() {
    auto world = std::make_unique<FakeRuntime>();
    world_ = world.get();
    client_ = std::make_unique<Client>(std::make_unique<Client::Core>(std::move(world), 3));
  }
  // A lease whose grant was sent now, and answered after `late`.
  void Grant(Milliseconds late = Milliseconds(0), Headers headers = {}) {
    LeaseOptions options;
    options.ttl = kTtl;
    options.on_lost = [this] {
      ++losses_;
      lost_at_ = world_->Now();
    };
    Lease::Grant(*client_, std::move(options), [this](Result<Lease> lease) {
      if (lease)
        lease_.emplace(*std::move(lease));
      else
        refused_ = lease.error();
    });
    world_->Advance();
    if (world_->exchange().request.target == "/v1/settings")
      world_->Reply(200, "{}");
    granted_at_ = world_->Now();
    world_->Advance(late);
    world_->Reply(201, GrantOf(7), std::move(headers));
  }
  // To the next renewal.
  void AwaitRenewal() {
    while (world_->open() == 0) world_->Advance(Milliseconds(1));
    ASSERT_EQ(world_->exchange().request.target, "/v1/leases/keepalive");
  }
  Milliseconds SinceGrant() const {
    return std::chrono::duration_cast<Milliseconds>(world_->Now() - granted_at_);
  }

  FakeRuntime* world_;
  std::unique_ptr<Client> client_;
  std::optional<Lease> lease_;
  std::optional<Error> refused_;
  Clock::time_point granted_at_;
  Clock::time_point lost_at_;
  int losses_ = 0;
};

TEST_F(LeaseTest, IsRenewedAtAThirdOfItsTtl) {
  Grant();
  AwaitRenewal();
  EXPECT_EQ(SinceGrant(), Milliseconds(3000));
  EXPECT_EQ(world_->exchange().request.body, R"({"ids":[7]})");
  // A key would bring an old answer back.
  EXPECT_EQ(HeaderOf(world_->exchange().request, "Idempotency-Key"), "");
  world_->Reply(200, Renewed(7));
  EXPECT_EQ(lease_->safe_until(), SafeUntil(granted_at_ + Milliseconds(3000), kTtl, kTtl));
  AwaitRenewal();
  EXPECT_EQ(SinceGrant(), Milliseconds(6000));
}

TEST_F(LeaseTest, CountsFromTheSendingHoweverLateTheAnswer) {
  Grant(Milliseconds(2500));
  EXPECT_EQ(lease_->safe_until(), SafeUntil(granted_at_, kTtl, kTtl));
}

TEST_F(LeaseTest, AReplayedGrantCountsFromTheFirstSending) {
  LeaseOptions options;
  options.ttl = kTtl;
  Lease::Grant(*client_, options,
               [this](Result<Lease> lease) { lease_.emplace(*std::move(lease)); });
  world_->Advance();
  world_->Reply(200, "{}");
  const Clock::time_point first = world_->Now();
  world_->Fail(Outcome::kUnknown);
  world_->Advance(Milliseconds(1500));
  world_->Reply(201, GrantOf(7, 8000), {{"synod-replayed", "true"}});
  EXPECT_EQ(lease_->safe_until(), SafeUntil(first, Milliseconds(8000), kTtl));
}

TEST_F(LeaseTest, AReplayedGrantOfADeadLeaseIsNotBelieved) {
  LeaseOptions options;
  options.ttl = kTtl;
  Lease::Grant(*client_, options, [this](Result<Lease> lease) { refused_ = lease.error(); });
  world_->Advance();
  world_->Reply(200, "{}");
  world_->Reply(201, GrantOf(7, 0), {{"synod-replayed", "true"}});
  ASSERT_TRUE(refused_);
  EXPECT_EQ(refused_->code, Errc::kLeaseNotFound);
}

TEST_F(LeaseTest, IsGivenUpOnceAndInTimeWhenNobodyAnswers) {
  Grant();
  world_->Advance(Milliseconds(60'000));
  EXPECT_EQ(losses_, 1);
  EXPECT_EQ(lost_at_, SafeUntil(granted_at_, kTtl, kTtl));
  EXPECT_LT(lost_at_, granted_at_ + kTtl);
  EXPECT_FALSE(lease_->Alive());
}

TEST_F(LeaseTest, TriesTheOtherNodesBeforeItIsGivenUp) {
  Grant();
  std::set<size_t> asked;
  while (losses_ == 0) {
    for (size_t i = 0; i < world_->open(); ++i) asked.insert(world_->exchange(i).endpoint);
    world_->Advance(Milliseconds(10));
  }
  EXPECT_EQ(asked, (std::set<size_t>{0, 1, 2}));
}

TEST_F(LeaseTest, ARefusedRenewalLosesItAtOnce) {
  Grant();
  AwaitRenewal();
  world_->Reply(200, R"({"leases":[],"not_found":[7]})");
  EXPECT_EQ(losses_, 1);
  EXPECT_EQ(lost_at_, granted_at_ + Milliseconds(3000));
  world_->Advance(Milliseconds(60'000));
  EXPECT_EQ(losses_, 1);
}

TEST_F(LeaseTest, AStoppedProcessFindsItGoneWhenItGoesOn) {
  Grant();
  AwaitRenewal();
  // Sent before the stop, answered while stopped: read when going on.
  world_->Sleep(Milliseconds(20'000));
  EXPECT_FALSE(lease_->Alive());
  world_->Reply(200, Renewed(7));
  EXPECT_EQ(losses_, 1);
  EXPECT_FALSE(lease_->Alive());
}

TEST_F(LeaseTest, AnAnswerAfterItWasGivenUpDoesNotReviveIt) {
  Grant();
  AwaitRenewal();
  // The renewal of this answer would be good for longer, but the holder has been told no already.
  world_->Sleep(Milliseconds(5500));
  EXPECT_FALSE(lease_->Alive());
  world_->Reply(200, Renewed(7));
  EXPECT_FALSE(lease_->Alive());
  EXPECT_EQ(losses_, 1);
}

TEST_F(LeaseTest, AnAnswerWithLessThanKnownTakesNothingBack) {
  Grant();
  const Clock::time_point known = lease_->safe_until();
  AwaitRenewal();
  world_->Reply(200, Renewed(7, 1000));
  EXPECT_EQ(lease_->safe_until(), known);
}

TEST_F(LeaseTest, ARevokedLeaseIsNotLost) {
  Grant();
  std::optional<Status> revoked;
  lease_->Revoke([&](Status status) { revoked = std::move(status); });
  EXPECT_FALSE(lease_->Alive());
  world_->Advance();
  EXPECT_EQ(world_->exchange().request.method, "DELETE");
  EXPECT_EQ(world_->exchange().request.target, "/v1/leases/7");
  world_->Reply(404, R"({"code":"lease_not_found","outcome":"not_applied"})");
  ASSERT_TRUE(revoked);
  EXPECT_TRUE(*revoked);
  world_->Advance(Milliseconds(60'000));
  EXPECT_EQ(losses_, 0);
}

TEST_F(LeaseTest, ManyAreRenewedTogetherAHundredInOneRequest) {
  std::vector<Lease> leases;
  for (uint64_t id = 1; id <= 150; ++id) {
    Lease::Grant(*client_, {kTtl, "", {}},
                 [&](Result<Lease> lease) { leases.push_back(*std::move(lease)); });
    world_->Advance();
    if (world_->exchange().request.target == "/v1/settings")
      world_->Reply(200, "{}");
    world_->Reply(201, GrantOf(id));
  }
  world_->Advance(Milliseconds(3000));
  ASSERT_EQ(world_->open(), 2U);
  EXPECT_NE(world_->exchange(0).request.body.find("100]"), std::string::npos);
  EXPECT_NE(world_->exchange(1).request.body.find("150]"), std::string::npos);
}

}  // namespace
}  // namespace synod::client
