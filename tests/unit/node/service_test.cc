// What becomes of requests that wait in the service while the node around it changes.
#include "src/node/service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "src/node/credentials.h"
#include "src/node/process.h"
#include "tests/support/quiet_exchange.h"
#include "tests/unit/node/engine_cluster.h"

namespace synod::node {
namespace {

class KeptExchange final : public net::QuietExchange {
 public:
  using QuietExchange::QuietExchange;
  void Reply(net::HttpResponse given) override { response = std::move(given); }
  void OnGone(std::function<void()> callback) override { leave = std::move(callback); }
  std::optional<net::HttpResponse> response;
  std::function<void()> leave;
};

class ServiceTest : public testing::Test {
 protected:
  ServiceTest() {
    EXPECT_EQ(cluster_.Elect(), 1u);
    Service::Hooks hooks;
    hooks.touch = [] {};
    info_.id = NodeId(1);
    hooks.info = [this] { return info_; };
    hooks.load = [] { return net::HttpCounters(); };
    hooks.storage_status = [](api::StatusView*) {};
    hooks.take_state = [this](Slot, StateTaker taker) { taker_ = std::move(taker); };
    hooks_ = std::move(hooks);
    Begin(AccessRules());
  }
  void Begin(const AccessRules& rules) {
    service_ =
        std::make_unique<Service>(io_, api::HttpPolicy(), rules, 0, Service::Bounds(), hooks_);
    service_->SetEngine(&cluster_.node(1));
  }
  std::shared_ptr<KeptExchange> Get(const std::string& target) { return Ask("GET", target, {}); }
  std::shared_ptr<KeptExchange> Ask(const std::string& method,
                                    const std::string& target,
                                    const std::string& token) {
    net::HttpRequest request;
    request.method = method;
    request.target = target;
    request.headers = {{"host", "localhost"}};
    if (!token.empty())
      request.headers.emplace_back("authorization", "Bearer " + token);
    auto exchange = std::make_shared<KeptExchange>(std::move(request));
    service_->OnRequest(exchange);
    return exchange;
  }
  void Apply(const auth::Principal& who, machine::Operation operation) {
    machine::Command command;
    command.principal = who;
    command.operation = std::move(operation);
    const Result<CallId> call = cluster_.node(1).Change(std::move(command), 1000);
    ASSERT_TRUE(call);
    cluster_.Settle();
    const auto answer = cluster_.Answer(1, *call);
    ASSERT_TRUE(answer && *answer);
    ASSERT_FALSE(std::holds_alternative<machine::Refusal>((*answer)->body));
  }
  // One that waits for its checkpoint.
  std::shared_ptr<KeptExchange> BeginBackup() {
    taker_ = nullptr;
    auto backup = Get("/v1/snapshot?timeout_ms=2000");
    FinishRounds();
    EXPECT_TRUE(taker_) << "the place is taken";
    EXPECT_FALSE(backup->response);
    return backup;
  }
  // Until the quorum rounds that were asked for are over, and what follows them has begun.
  void FinishRounds(const TurnTimes& times = {}) {
    cluster_.Settle();
    std::vector<ReadReady> ready;
    for (CallId call = 1; call < 100; ++call)
      if (const auto time = cluster_.ReadAnswer(1, call))
        ready.push_back({call, *time});
    service_->OnReadsReady(std::move(ready), times);
    io_.restart();
    io_.poll();
  }

  uint64_t Rounds() { return cluster_.node(1).counters().read_rounds; }

  net::asio::io_context io_{1};
  EngineCluster cluster_{1};
  NodeInfo info_;
  Service::Hooks hooks_;
  StateTaker taker_;
  std::unique_ptr<Service> service_;
};

TEST_F(ServiceTest, WhatAnOlderRevisionHeldIsReadHereIfAskedSo) {
  Apply({}, machine::Put{"/a", "first", {}, {}, false});
  Apply({}, machine::Put{"/a", "second", {}, {}, false});
  const uint64_t before = Rounds();
  const auto here = Get("/v1/kv/a?raw=true&at_revision=1&consistency=sequential");
  const auto page = Get("/v1/kv/?list=children&at_revision=1&consistency=sequential");
  const auto ahead = Get("/v1/kv/a?raw=true&at_revision=3&consistency=sequential");
  FinishRounds();
  EXPECT_EQ(Rounds(), before);
  ASSERT_TRUE(here->response && page->response);
  EXPECT_EQ(here->response->body, "first");
  EXPECT_EQ(page->response->status, 200);
  ASSERT_FALSE(ahead->response) << "waits until this replica is there";
  Apply({}, machine::Put{"/a", "third", {}, {}, false});
  FinishRounds();
  ASSERT_TRUE(ahead->response);
  EXPECT_EQ(ahead->response->body, "third");
  const auto anywhere = Get("/v1/kv/a?at_revision=4");
  FinishRounds();
  EXPECT_EQ(Rounds(), before + 1);
  EXPECT_EQ(anywhere->response->status, 400) << "beyond the leader's";
}

TEST_F(ServiceTest, AnOlderRevisionIsNotReadOnceItIsCompacted) {
  Apply({}, machine::Put{"/a", "first", {}, {}, false});
  Apply({}, machine::Put{"/a", "second", {}, {}, false});
  Apply({}, machine::Compact{Revision(2)});
  const auto gone = Get("/v1/kv/a?at_revision=1&consistency=sequential");
  FinishRounds();
  ASSERT_TRUE(gone->response);
  EXPECT_EQ(gone->response->status, 410);
}

TEST_F(ServiceTest, TheTimeThatIsToldNeverGoesBack) {
  const auto time_of = [](const KeptExchange& exchange) {
    for (const auto& [name, value] : exchange.response->headers)
      if (name == "Synod-Time")
        return std::stoll(value);
    return 0ll;
  };
  const auto read = Get("/v1/kv/x");
  service_->OnReadsReady({{1, ClusterTime(5'000'000)}}, {});
  ASSERT_TRUE(read->response) << "its number is 1";
  EXPECT_EQ(time_of(*read), 5'000'000);
  EXPECT_EQ(time_of(*Get("/v1/status")), 5'000'000);
  const auto local = Get("/v1/kv/x?consistency=sequential");
  FinishRounds();
  ASSERT_TRUE(local->response);
  EXPECT_EQ(time_of(*local), 5'000'000);
}

TEST_F(ServiceTest, AViewOfTheClusterIsProvenToBeAsFreshAsAskedFor) {
  const uint64_t before = Rounds();
  EXPECT_TRUE(Get("/v1/status")->response);
  const auto local = Get("/v1/status?consistency=sequential");
  FinishRounds();
  EXPECT_EQ(Rounds(), before);
  ASSERT_TRUE(local->response);
  EXPECT_EQ(local->response->status, 200);
  const auto round = Get("/v1/status?consistency=linearizable");
  EXPECT_FALSE(round->response);
  FinishRounds();
  EXPECT_EQ(Rounds(), before + 1);
  ASSERT_TRUE(round->response);
  EXPECT_EQ(round->response->status, 200);
}

TEST_F(ServiceTest, ABackupThatWaitsForItsCheckpointIsAnsweredWhenTheNodeStops) {
  const auto backup = BeginBackup();
  service_->EndStreams();
  ASSERT_TRUE(backup->response);
  EXPECT_EQ(backup->response->status, 503);
  // The disk's thread may have it on the way still.
  service_.reset();
  taker_(nullptr);
}

TEST_F(ServiceTest, ABackupWaitsForItsCheckpointAsLongAsItMayAndNoLonger) {
  const int64_t began_ms = MonotonicMs();
  const auto backup = BeginBackup();
  service_->Tick(began_ms + 1999);
  EXPECT_FALSE(backup->response);
  const StateTaker late = taker_;
  service_->Tick(MonotonicMs() + 2000);
  ASSERT_TRUE(backup->response);
  EXPECT_EQ(backup->response->status, 504);
  late(nullptr);
  BeginBackup();
}

TEST_F(ServiceTest, ABackupWhoseClientGoesWhileItWaitsMakesRoomForTheNext) {
  const auto backup = BeginBackup();
  const StateTaker late = taker_;
  ASSERT_TRUE(backup->leave);
  backup->leave();
  EXPECT_FALSE(backup->response);
  BeginBackup();
  late(nullptr);
}

// This replica did not know the token; the time until it did is part of the request's.
TEST_F(ServiceTest, TimeAtTheDoorIsNotGivenTwice) {
  const std::string token = "a-token-of-somebody";
  auth::Principal root;
  root.token_hash = HashOfToken("the-token-of-root");
  Apply(auth::Principal(), machine::SetUpAuth{root.token_hash});
  const auto remove = Ask("DELETE", "/v1/kv/a?timeout_ms=2000", token);
  ASSERT_FALSE(remove->response);
  Apply(root, machine::MakeToken{"root", "", HashOfToken(token), 0});
  FinishRounds({.decided_us = MonotonicUs() + 1'500'000});
  ASSERT_FALSE(remove->response);
  Engine& engine = cluster_.node(1);
  EXPECT_EQ(engine.pending_calls(), 1u);
  engine.Advance(cluster_.now() + 1000);
  service_->OnChangesDone(engine.Take().changes, {});
  ASSERT_TRUE(remove->response);
  EXPECT_EQ(remove->response->status, 503) << remove->response->body;
}

TEST_F(ServiceTest, ANodeThatRequiresAuthenticationIsNotReadyWithoutIt) {
  EXPECT_EQ(Get("/readyz")->response->status, 200);
  Begin({.required = true});
  EXPECT_EQ(Get("/readyz")->response->status, 503);
  Apply({}, machine::SetUpAuth{HashOfToken("the-token-of-root")});
  EXPECT_EQ(Get("/readyz")->response->status, 200);
}

TEST_F(ServiceTest, ARemovedNodeSaysSoToWhomItDoesNotKnow) {
  Apply(auth::Principal(), machine::SetUpAuth{HashOfToken("the-token-of-root")});
  info_.refuses = "member 1 was removed";
  for (const char* target : {"/v1/kv/a", "/v1/status"}) {
    const auto asked = Ask("GET", target, "a-token-of-somebody");
    ASSERT_TRUE(asked->response) << target;
    EXPECT_EQ(asked->response->status, 503) << target;
    EXPECT_THAT(asked->response->body, testing::HasSubstr(info_.refuses));
  }
  EXPECT_EQ(cluster_.node(1).pending_calls(), 0u);
}

}  // namespace
}  // namespace synod::node
