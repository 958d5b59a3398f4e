// Who passes the gate, and as whom each is counted.
#include "src/node/gate.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/node/credentials.h"
#include "tests/support/quiet_exchange.h"
#include "tests/unit/node/engine_cluster.h"

namespace synod::node {
namespace {

class AddressedExchange final : public net::QuietExchange {
 public:
  explicit AddressedExchange(std::string remote) : remote_(std::move(remote)) {}
  std::string remote() const override { return remote_; }

 private:
  const std::string remote_;
};

api::Call Renewal() {
  api::ChangeCall call;
  call.command.operation = machine::LeaseKeepAlive{{LeaseId(1)}};
  return call;
}
api::Call Health() {
  api::PlainCall call;
  call.kind = api::PlainCall::Kind::kReadyz;
  return call;
}
api::Call ListCall(int64_t timeout_ms = 5000) {
  api::ReadCall call;
  call.query = machine::ListNodes{};
  call.timeout_ms = timeout_ms;
  return call;
}

class GateTest : public testing::Test {
 protected:
  void SetUp() override { Open({}); }
  void Open(const GateLimits& limits) {
    gate_ = std::make_unique<Gate>(
        io_, limits, [this] { return load_; }, [this] { return now_us_; });
  }
  static GateLimits Rate(uint32_t per_second, uint32_t burst) {
    GateLimits limits;
    limits.rate_per_second = per_second;
    limits.rate_burst = burst;
    return limits;
  }
  // The code of the refusal, if it was one.
  std::optional<Errc> Admit(const api::Call& call,
                            const std::string& remote = "192.0.2.1:1",
                            const auth::Principal& who = {}) {
    const AddressedExchange exchange(remote);
    Result<Admission::Ticket> ticket = gate_->Admit(call, {who, exchange}, now_us_);
    if (!ticket)
      return ticket.error().code;
    tickets_.push_back(*std::move(ticket));
    return std::nullopt;
  }
  static auth::Principal Bearer(const std::string& token) {
    auth::Principal who;
    who.token_hash = HashOfToken(token);
    return who;
  }

  net::asio::io_context io_{1};
  net::HttpCounters load_;
  int64_t now_us_ = 10'000'000;
  std::unique_ptr<Gate> gate_;
  std::vector<Admission::Ticket> tickets_;
};

TEST_F(GateTest, AnAddressIsOneClientWhateverItsPort) {
  Open(Rate(1, 2));
  EXPECT_EQ(Admit(ListCall(), "[::1]:1"), std::nullopt);
  EXPECT_EQ(Admit(ListCall(), "[::1]:2"), std::nullopt);
  EXPECT_EQ(Admit(ListCall(), "[::1]:3"), Errc::kRateLimited);
  EXPECT_EQ(Admit(ListCall(), "[::2]:1"), std::nullopt);
}

TEST_F(GateTest, HealthIsNotCountedAndARenewalIsCountedAndNeverRefused) {
  Open(Rate(1, 2));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Admit(Health()), std::nullopt);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Admit(Renewal()), std::nullopt);
  EXPECT_EQ(Admit(ListCall()), Errc::kRateLimited);
}

TEST_F(GateTest, AUserIsOneClientAtAllAddressesAndAGuessedTokenIsItsAddress) {
  EngineCluster cluster(1);
  ASSERT_EQ(cluster.Elect(), 1U);
  machine::Command command;
  command.operation = machine::SetUpAuth{HashOfToken("root-token")};
  ASSERT_TRUE(cluster.node(1).Change(std::move(command), 5000));
  cluster.Settle();
  Open(Rate(1, 2));
  gate_->SetEngine(&cluster.node(1));
  EXPECT_EQ(Admit(ListCall(), "192.0.2.1:1", Bearer("root-token")), std::nullopt);
  EXPECT_EQ(Admit(ListCall(), "192.0.2.2:1", Bearer("root-token")), std::nullopt);
  EXPECT_EQ(Admit(ListCall(), "192.0.2.3:1", Bearer("root-token")), Errc::kRateLimited);
  EXPECT_EQ(Admit(Renewal(), "192.0.2.3:1", Bearer("root-token")), std::nullopt);
  EXPECT_EQ(Admit(Renewal(), "192.0.2.3:1", Bearer("guess-1")), std::nullopt);
  EXPECT_EQ(Admit(Renewal(), "192.0.2.3:1", Bearer("guess-2")), std::nullopt);
  EXPECT_EQ(Admit(Renewal(), "192.0.2.3:1", Bearer("guess-3")), Errc::kRateLimited);
}

TEST_F(GateTest, TheRateIsJudgedBeforeTheRoom) {
  GateLimits limits = Rate(1, 1);
  limits.admission.calls_max = 1;
  Open(limits);
  EXPECT_EQ(Admit(ListCall()), std::nullopt);
  EXPECT_EQ(Admit(ListCall()), Errc::kRateLimited);
  EXPECT_EQ(Admit(ListCall(), "192.0.2.2:1"), Errc::kOverloaded);
}

// --- catch-ups, whose round is over ---

TEST_F(GateTest, ACatchUpIsServedInItsTurnUnlessItsTimeIsUp) {
  const api::Call call = ListCall(5000);
  std::vector<Status> served;
  const auto queue = [&](int64_t began_us) {
    gate_->Queue(call, began_us, [&](const Status& may) { served.push_back(may); });
  };
  queue(now_us_ - 4'999'999);
  queue(now_us_ - 5'000'000);
  EXPECT_TRUE(served.empty());
  io_.poll();
  ASSERT_EQ(served.size(), 2U);
  EXPECT_TRUE(served[0]);
  EXPECT_EQ(served[1].error().code, Errc::kDeadlineExceeded);
}

TEST_F(GateTest, ACatchUpThatWaitedTooLongForItsTurnIsOneTooMany) {
  const api::Call call = ListCall(60'000);
  std::vector<Status> served;
  gate_->Queue(call, now_us_, [&](const Status& may) { served.push_back(may); });
  now_us_ += 2 * Admission::kBacklogUs;
  gate_->Queue(call, now_us_, [&](const Status& may) { served.push_back(may); });
  gate_->Flush();
  ASSERT_EQ(served.size(), 2U);
  EXPECT_TRUE(served[0]);
  EXPECT_TRUE(served[1]);
  gate_->Queue(call, now_us_, [&](const Status& may) { served.push_back(may); });
  now_us_ += 2 * Admission::kBacklogUs + 1;
  gate_->Flush();
  ASSERT_EQ(served.size(), 3U);
  EXPECT_EQ(served[2].error().code, Errc::kOverloaded);
}

TEST_F(GateTest, RefusalsAreCountedByWhatTheyAre) {
  gate_->CountRefusal({Errc::kRateLimited, Outcome::kNotApplied}, WorkClass::kRead);
  gate_->CountRefusal({Errc::kOverloaded, Outcome::kNotApplied}, WorkClass::kRead);
  gate_->CountRefusal({Errc::kOverloaded, Outcome::kNotApplied}, WorkClass::kCatchUp);
  gate_->CountRefusal({Errc::kNotFound, Outcome::kNotApplied}, WorkClass::kRead);
  EXPECT_EQ(gate_->rate_limited(), 1U);
  EXPECT_EQ(gate_->admission().refused(WorkClass::kRead), 1U);
  EXPECT_EQ(gate_->admission().refused(WorkClass::kCatchUp), 1U);
}

}  // namespace
}  // namespace synod::node
