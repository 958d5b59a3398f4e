// Streams of elections, over exchanges whose client takes everything.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "src/node/streams.h"
#include "tests/support/quiet_exchange.h"
#include "tests/unit/machine/machine_fixture.h"

namespace synod::node {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

class FakeExchange final : public net::QuietExchange {
 public:
  void Reply(net::HttpResponse response) override { status = response.status; }
  void StartStream(net::HttpResponse head) override { status = head.status; }
  void Write(SharedBytes chunk) override { said.push_back(*chunk); }
  void EndStream() override { ended = true; }

  int status = 0;
  std::vector<std::string> said;
  bool ended = false;
};

class ObservedElectionTest : public machine::MachineTest {
 protected:
  ObservedElectionTest() : streams_(&machine(), [] { return api::Context(); }) {}

  std::shared_ptr<FakeExchange> Observe(Revision from = {}) {
    auto exchange = std::make_shared<FakeExchange>();
    api::ObserveCall call;
    call.path = "/e";
    call.from_revision = from;
    call.format = api::StreamFormat::kNdjson;
    streams_.Begin(exchange, call, auth::Principal(), now_ms_);
    return exchange;
  }
  // Applied and told to the streams.
  std::optional<machine::Answer> Tell(machine::Operation operation) {
    auto answer = Do(std::move(operation));
    streams_.Publish(last_applied.revisions);
    return answer;
  }
  FenceToken Elect() { return TokenOf(Tell(CampaignOf("/e", {}, 0))); }
  void Resign(FenceToken leader) {
    Tell(machine::Release{lock::LockKind::kElection, "/e", leader});
  }
  void Idle() { streams_.Tick(now_ms_ += 10'250); }

  int64_t now_ms_ = 1'000'000;
  Streams streams_;
};

TEST_F(ObservedElectionTest, AnIdleOneGetsAProgressMarkThatOutlivesCompaction) {
  const FenceToken leader = Elect();
  const auto first = Observe();
  ASSERT_THAT(first->said, SizeIs(1));
  PutNode("/elsewhere", "x");
  streams_.Publish(last_applied.revisions);
  const Revision elsewhere = revision();
  Idle();
  ASSERT_THAT(first->said, SizeIs(2));
  EXPECT_EQ(first->said[1],
            R"({"type":"progress","revision":)" + std::to_string(elsewhere.value) + "}\n");
  Tell(machine::Compact{elsewhere});
  const auto resumed = Observe(elsewhere + 1);
  EXPECT_EQ(resumed->status, 200);
  Resign(leader);
  ASSERT_THAT(resumed->said, SizeIs(1));
  EXPECT_THAT(resumed->said[0], HasSubstr(R"("leader":null)"));
  EXPECT_EQ(resumed->said[0], first->said[2]);
}

TEST_F(ObservedElectionTest, AProgressMarkIsNotRepeatedWhileNothingHappens) {
  Elect();
  const auto observer = Observe();
  Idle();
  Idle();
  EXPECT_THAT(observer->said, SizeIs(1));
}

// What it is not told of because nothing changes for it counts as seen, too.
TEST_F(ObservedElectionTest, ACandidateThatWaitsMovesTheMarkAndSaysNothing) {
  Elect();
  const auto observer = Observe();
  Tell(CampaignOf("/e", Lease(60'000), 60'000));
  EXPECT_THAT(observer->said, SizeIs(1));
  Idle();
  ASSERT_THAT(observer->said, SizeIs(2));
  EXPECT_THAT(observer->said[1], HasSubstr(std::to_string(revision().value)));
}

// Who led when it was asked for may have gone before it begins.
TEST_F(ObservedElectionTest, OneThatBeginsInTheFutureIsToldOfTheFirstChangeThere) {
  const Revision elected = revision() + 1;
  const auto observer = Observe(elected + 1);
  const FenceToken leader = Elect();
  ASSERT_EQ(revision(), elected);
  EXPECT_THAT(observer->said, SizeIs(0));
  Resign(leader);
  ASSERT_THAT(observer->said, SizeIs(1));
  EXPECT_THAT(observer->said[0], HasSubstr(R"("leader":null)"));
}

// Where this node was quarantined, or its state was found to be another.
TEST_F(ObservedElectionTest, ANodeThatMayShowNothingMoreEndsItWithWhereToGoOn) {
  Elect();
  const auto observer = Observe();
  PutNode("/elsewhere", "x");
  streams_.Publish(last_applied.revisions);
  Idle();
  api::WatchCall poll;
  poll.spec.path = "/e";
  poll.format = api::StreamFormat::kLongPoll;
  poll.wait_ms = 60'000;
  const auto waits = std::make_shared<FakeExchange>();
  streams_.Begin(waits, poll, auth::Principal(), now_ms_);
  streams_.EndAll(Error{Errc::kNotReady, Outcome::kNotApplied, "quarantined"});
  EXPECT_EQ(observer->said.back(), R"({"type":"shutting_down","resume_from":)" +
                                       std::to_string((revision() + 1).value) + "}\n");
  EXPECT_TRUE(observer->ended);
  EXPECT_EQ(waits->status, 503);
  EXPECT_EQ(streams_.size(), 0U);
}

}  // namespace
}  // namespace synod::node
