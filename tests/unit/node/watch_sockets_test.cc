// What the messages of a WebSocket are let through the gate for, and what they are told.
#include "src/node/watch_sockets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/support/quiet_exchange.h"
#include "tests/unit/node/engine_cluster.h"

namespace synod::node {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// The end of a client that says what the test says.
class SocketExchange final : public net::QuietExchange {
 public:
  void StartSocket(net::HttpResponse, std::function<void(std::string)> on_message) override {
    say = std::move(on_message);
  }
  void Send(std::string_view prefix, SharedBytes, std::string_view part) override {
    told.push_back(std::string(prefix) + std::string(part));
  }
  void OnGone(std::function<void()> callback) override { leave = std::move(callback); }

  std::function<void(std::string)> say;
  std::function<void()> leave;
  std::vector<std::string> told;
};

class WatchSocketsTest : public testing::Test {
 protected:
  WatchSocketsTest() {
    EXPECT_EQ(cluster_.Elect(), 1U);
    Open({});
  }
  void Open(const GateLimits& limits) {
    sockets_.reset();
    gate_ = std::make_unique<Gate>(
        io_, limits, [this] { return load_; }, [this] { return now_us_; });
    sockets_ = std::make_unique<WatchSockets>(&cluster_.node(1), &streams_, gate_.get(),
                                              uint64_t{2}, [] {});
    client_ = Connect();
  }
  std::shared_ptr<SocketExchange> Connect() {
    auto exchange = std::make_shared<SocketExchange>();
    sockets_->Open(exchange, {}, {});
    return exchange;
  }
  static std::string Watch(int id, const std::string& more = "") {
    return R"({"op":"watch","id":)" + std::to_string(id) + R"(,"path":"/a")" + more + "}";
  }
  static std::string CatchUp(int id) { return Watch(id, R"(,"from_revision":1)"); }
  static std::string Cancel(int id) { return R"({"op":"cancel","id":)" + std::to_string(id) + "}"; }
  // Until the quorum rounds are over.
  void FinishRounds() {
    cluster_.Settle();
    for (CallId round = 1; round < 100; ++round)
      if (cluster_.ReadAnswer(1, round) && over_.insert(round).second)
        sockets_->OnReadReady(round, Done());
  }
  // ... and what takes long has had its turn.
  void Finish() {
    FinishRounds();
    gate_->Flush();
  }
  std::vector<std::string> Told() { return std::exchange(client_->told, {}); }
  uint64_t Refused(WorkClass work) const { return gate_->admission().refused(work); }

  net::asio::io_context io_{1};
  net::HttpCounters load_;
  int64_t now_us_ = 10'000'000;
  EngineCluster cluster_{1};
  Streams streams_{&cluster_.node(1).machine(), [] { return api::Context(); }};
  std::unique_ptr<Gate> gate_;
  std::unique_ptr<WatchSockets> sockets_;
  std::shared_ptr<SocketExchange> client_;
  std::set<CallId> over_;
};

testing::Matcher<std::string> Created(int id) {
  return HasSubstr(R"({"id":)" + std::to_string(id) + R"(,"op":"created")");
}
testing::Matcher<std::string> Canceled(int id) {
  return R"({"id":)" + std::to_string(id) + R"(,"op":"canceled"})";
}
testing::Matcher<std::string> Refusal(const std::string& id, const std::string& code) {
  return HasSubstr(R"({"id":)" + id + R"(,"op":"error","code":")" + code + '"');
}

GateLimits Rate(uint32_t per_second, uint32_t burst) {
  GateLimits limits;
  limits.rate_per_second = per_second;
  limits.rate_burst = burst;
  return limits;
}
GateLimits Calls(uint64_t max) {
  GateLimits limits;
  limits.admission.calls_max = max;
  return limits;
}

// --- the rate of the client ---

TEST_F(WatchSocketsTest, EachWatchIsARequestOfItsClient) {
  Open(Rate(1, 2));
  const auto other = Connect();  // of the same address
  client_->say(Watch(1));
  other->say(Watch(1));
  client_->say(Watch(2));
  EXPECT_THAT(Told(), ElementsAre(Refusal("2", "rate_limited")));
  Finish();
  EXPECT_THAT(Told(), ElementsAre(Created(1)));
  EXPECT_THAT(other->told, ElementsAre(Created(1)));
  EXPECT_EQ(gate_->rate_limited(), 1U);
  // The connection goes on, and the id is free: a second is one more.
  now_us_ += 999'999;
  client_->say(Watch(2));
  EXPECT_THAT(Told(), ElementsAre(Refusal("2", "rate_limited")));
  now_us_ += 1;
  client_->say(Watch(2));
  Finish();
  EXPECT_THAT(Told(), ElementsAre(Created(2)));
}

TEST_F(WatchSocketsTest, ACancelIsNeitherCountedNorRefused) {
  Open(Rate(1, 2));
  for (int i = 0; i < 3; ++i) client_->say(Cancel(7));
  EXPECT_THAT(Told(), ElementsAre(Refusal("7", "not_found"), Refusal("7", "not_found"),
                                  Refusal("7", "not_found")));
  client_->say(Watch(1));
  client_->say(Watch(2));
  Finish();
  EXPECT_THAT(Told(), ElementsAre(Created(1), Created(2)));
  client_->say(Watch(3));
  client_->say(Cancel(1));
  EXPECT_THAT(Told(), ElementsAre(Refusal("3", "rate_limited"), Canceled(1)));
}

TEST_F(WatchSocketsTest, WhatMakesNoSenseOrCannotBeDoneIsCountedAsAnyRequest) {
  Open(Rate(1, 3));
  client_->say("{");
  client_->say(R"({"op":"watch","id":1})");
  client_->say(Watch(1));
  client_->say("{");
  client_->say(Watch(1));
  EXPECT_THAT(Told(), ElementsAre(Refusal("null", "invalid_json"), Refusal("1", "invalid_request"),
                                  Refusal("null", "rate_limited"), Refusal("1", "rate_limited")));
  EXPECT_EQ(gate_->rate_limited(), 2U);
}

// --- room at the node ---

TEST_F(WatchSocketsTest, AWatchTakesAReadsPlaceUntilItHasBegun) {
  Open(Calls(1));
  client_->say(Watch(1));
  client_->say(Watch(2));
  EXPECT_THAT(Told(), ElementsAre(Refusal("2", "overloaded")));
  EXPECT_EQ(gate_->admission().in_flight(WorkClass::kRead), 1U);
  EXPECT_EQ(Refused(WorkClass::kRead), 1U);
  Finish();
  EXPECT_THAT(Told(), ElementsAre(Created(1)));
  EXPECT_EQ(gate_->admission().in_flight(WorkClass::kRead), 0U);
  client_->say(Watch(2));
  client_->say(Cancel(2));
  EXPECT_THAT(Told(), ElementsAre(Canceled(2)));
  EXPECT_EQ(gate_->admission().in_flight(WorkClass::kRead), 0U);
}

TEST_F(WatchSocketsTest, NoPlaceIsKeptByWhatIsRefusedNorByWhoIsGone) {
  client_->say(Watch(1));
  client_->say(Watch(1));
  client_->say(Watch(2));
  client_->say(Watch(3));
  EXPECT_THAT(Told(), ElementsAre(Refusal("1", "invalid_request"), Refusal("3", "too_large")));
  EXPECT_EQ(gate_->admission().in_flight(WorkClass::kRead), 2U);
  client_->leave();
  EXPECT_EQ(gate_->admission().in_flight(WorkClass::kRead), 0U);
  Finish();
  EXPECT_THAT(Told(), IsEmpty());
}

TEST_F(WatchSocketsTest, AWatchThatBeginsInThePastIsACatchUp) {
  load_.output_bytes = (uint64_t{128} << 20) + 1;  // past half of what may be held
  client_->say(CatchUp(1));
  client_->say(Watch(2));
  EXPECT_THAT(Told(), ElementsAre(Refusal("1", "overloaded")));
  EXPECT_EQ(Refused(WorkClass::kCatchUp), 1U);
  Finish();
  EXPECT_THAT(Told(), ElementsAre(Created(2)));
}

TEST_F(WatchSocketsTest, ACatchUpWaitsForItsTurnAndIsJudgedThenOnceMore) {
  client_->say(CatchUp(1));
  FinishRounds();
  EXPECT_THAT(Told(), IsEmpty());
  gate_->Flush();
  EXPECT_THAT(Told(), ElementsAre(Created(1)));
  client_->say(CatchUp(2));
  FinishRounds();
  load_.output_bytes = (uint64_t{128} << 20) + 1;
  gate_->Flush();
  EXPECT_THAT(Told(), ElementsAre(Refusal("2", "overloaded")));
  EXPECT_EQ(gate_->admission().in_flight(WorkClass::kCatchUp), 0U);
}

TEST_F(WatchSocketsTest, ACatchUpThatNobodyWantsAnyMoreDoesNotBegin) {
  client_->say(CatchUp(1));
  client_->say(CatchUp(2));
  FinishRounds();
  client_->say(Cancel(1));
  EXPECT_THAT(Told(), ElementsAre(Canceled(1)));
  // The id is another watch's by then.
  client_->say(Watch(1));
  sockets_->CloseAll({Errc::kNotReady, Outcome::kNotApplied});
  EXPECT_THAT(Told(),
              testing::UnorderedElementsAre(Refusal("1", "not_ready"), Refusal("2", "not_ready")));
  Finish();
  EXPECT_THAT(Told(), IsEmpty());
  EXPECT_EQ(streams_.size(), 0U);
  EXPECT_EQ(gate_->admission().in_flight(WorkClass::kCatchUp), 0U);
}

}  // namespace
}  // namespace synod::node
