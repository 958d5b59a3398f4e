#include "src/client/claim.h"

#include <gtest/gtest.h>

#include <optional>

#include "src/client/barrier.h"
#include "src/client/election.h"
#include "src/client/group.h"
#include "src/client/lock.h"
#include "src/client/queue.h"
#include "tests/unit/client/fake_runtime.h"

namespace synod::client {
namespace {

constexpr const char* kGrant = R"({"id":7,"ttl_ms":9000,"remaining_ms":9000})";
constexpr const char* kRenewed =
    R"({"leases":[{"id":7,"ttl_ms":9000,"remaining_ms":9000}],"not_found":[]})";
constexpr const char* kHeld =
    R"({"lock":"/a","token":12,"lease":7,"key":"/.synod/locks/a/@1","remaining_ms":9000})";

class ClaimTest : public testing::Test {
 protected:
  ClaimTest() {
    auto world = std::make_unique<FakeRuntime>();
    world_ = world.get();
    client_ = std::make_unique<Client>(std::make_unique<Client::Core>(std::move(world), 3));
    options_.ttl = Milliseconds(9000);
    options_.on_lost = [this] { ++losses_; };
  }
  Callback<Hold> Done() {
    return [this](Result<Hold> hold) {
      if (hold)
        hold_.emplace(*std::move(hold));
      else
        error_ = hold.error();
    };
  }
  void AnswerGrant() {
    world_->Advance();
    if (world_->exchange().request.target == "/v1/settings")
      world_->Reply(200, "{}");
    ASSERT_EQ(world_->exchange().request.target, "/v1/leases");
    world_->Reply(201, kGrant);
  }
  // The place of the open request to that target; renewals go beside what waits.
  size_t Find(std::string_view target) {
    for (size_t i = 0; i < world_->open(); ++i)
      if (world_->exchange(i).request.target == target)
        return i;
    ADD_FAILURE() << "nobody asks for " << target;
    return 0;
  }
  // How often the lock was asked for.
  int Asked() const {
    return static_cast<int>(std::count_if(
        world_->sent().begin(), world_->sent().end(),
        [](const HttpRequest& request) { return request.target == "/v1/locks/a/acquire"; }));
  }
  void Answer(std::string_view target, int status, const std::string& body) {
    world_->End(Find(target), HttpReply{status, {}, body});
    world_->Advance();
  }

  FakeRuntime* world_;
  std::unique_ptr<Client> client_;
  HoldOptions options_;
  std::optional<Hold> hold_;
  std::optional<Error> error_;
  int losses_ = 0;
};

TEST_F(ClaimTest, AsksOnALeaseOfItsOwnAndGivesTheToken) {
  options_.value = "me";
  Lock lock(*client_, "/a", options_);
  const Waiting waiting = lock.Acquire(Milliseconds(0), Done());
  AnswerGrant();
  EXPECT_EQ(world_->exchange().request.body,
            R"({"mode":"exclusive","value":"me","lease":7,"wait_ms":0})");
  Answer("/v1/locks/a/acquire", 200, kHeld);
  ASSERT_TRUE(hold_);
  EXPECT_TRUE(hold_->Held());
  EXPECT_EQ(hold_->token(), 12U);
  EXPECT_EQ(hold_->fence().Header(), "/a=12");
}

TEST_F(ClaimTest, EachRecipeAsksInItsOwnWay) {
  struct Case {
    const char* target;
    const char* body;
  };
  RwLock rw(*client_, "/a", options_);
  Semaphore semaphore(*client_, "/a", 3, options_);
  MultiLock multi(*client_, {{"/a"}, {"/b", LockMode::kShared}}, options_);
  Election election(*client_, "/a", options_);
  const std::vector<std::pair<std::function<Waiting()>, Case>> cases = {
      {[&] { return rw.read().Acquire(Milliseconds(5), Done()); },
       {"/v1/locks/a/acquire", R"({"mode":"shared","lease":7,"wait_ms":5})"}},
      {[&] { return semaphore.Acquire(Milliseconds(5), Done()); },
       {"/v1/locks/a/acquire", R"({"mode":"exclusive","limit":3,"lease":7,"wait_ms":5})"}},
      {[&] { return multi.Acquire(Milliseconds(5), Done()); },
       {"/v1/locks", R"({"locks":[{"path":"/a","mode":"exclusive"},{"path":"/b","mode":"shared"}],)"
                     R"("lease":7,"wait_ms":5})"}},
      {[&] { return election.Campaign(Milliseconds(5), Done()); },
       {"/v1/elections/a/campaign", R"({"lease":7,"wait_ms":5})"}},
  };
  for (const auto& [start, expected] : cases) {
    {
      const Waiting waiting = start();
      AnswerGrant();
      EXPECT_EQ(world_->exchange().request.target, expected.target);
      EXPECT_EQ(world_->exchange().request.body, expected.body);
    }
    // Left: its lease is revoked.
    world_->Advance();
    Answer("/v1/leases/7", 200, "{}");
  }
}

TEST_F(ClaimTest, AMultiLockHasAFenceForEachPart) {
  MultiLock multi(*client_, {{"/b"}, {"/a"}}, options_);
  const Waiting waiting = multi.Acquire(Milliseconds(0), Done());
  AnswerGrant();
  Answer("/v1/locks", 200,
         R"({"holds":[{"lock":"/a","token":3},{"lock":"/b","token":4}],"lease":7})");
  ASSERT_TRUE(hold_);
  ASSERT_EQ(hold_->fences().size(), 2U);
  EXPECT_EQ(hold_->fences()[1].Header(), "/b=4");
}

TEST_F(ClaimTest, AHangingNodeIsLeftBeforeThePlaceIsWithdrawn) {
  Lock lock(*client_, "/a", options_);
  const Waiting waiting = lock.Acquire(Milliseconds(60'000), Done());
  AnswerGrant();
  const size_t node = world_->exchange(Find("/v1/locks/a/acquire")).endpoint;
  world_->Advance(Milliseconds(2900));
  world_->Advance(Milliseconds(200));
  const Exchange& again = world_->exchange(Find("/v1/locks/a/acquire"));
  EXPECT_NE(again.endpoint, node);
  // The rest of the wait, on the same lease.
  EXPECT_EQ(again.request.body.find(R"({"mode":"exclusive","lease":7,"wait_ms":569)"), 0U)
      << again.request.body;
}

TEST_F(ClaimTest, WhatWillNotPassEndsTheWaitAtOnce) {
  struct Case {
    int status;
    const char* body;
    Errc code;
  };
  const Case cases[] = {
      {503, R"({"code":"storage_full"})", Errc::kStorageFull},
      {501, R"({"code":"not_implemented"})", Errc::kNotImplemented},
      {505, R"({"code":"http_version_not_supported"})", Errc::kHttpVersionNotSupported},
      {404, R"({"code":"lease_not_found"})", Errc::kLeaseNotFound},
      // Said by something on the way.
      {302, "", Errc::kInternal},
  };
  Lock lock(*client_, "/a", options_);
  for (const Case& c : cases) {
    const Waiting waiting = lock.Acquire(Milliseconds(60'000), Done());
    AnswerGrant();
    Answer("/v1/locks/a/acquire", c.status, c.body);
    ASSERT_TRUE(error_) << c.status;
    EXPECT_EQ(error_->code, c.code) << c.status;
    error_.reset();
    Answer("/v1/leases/7", 200, "{}");
    EXPECT_EQ(world_->open(), 0U) << c.status;
  }
}

TEST_F(ClaimTest, WhatPassesIsAskedAgainOnTheSameLease) {
  const std::pair<int, const char*> cases[] = {{408, R"({"code":"request_timeout"})"},
                                               {429, R"({"code":"overloaded"})"},
                                               {429, R"({"code":"rate_limited"})"},
                                               {500, R"({"code":"internal"})"},
                                               {502, ""},
                                               {503, R"({"code":"no_leader"})"},
                                               {504, R"({"code":"deadline_exceeded"})"}};
  Lock lock(*client_, "/a", options_);
  for (const auto& [status, body] : cases) {
    const Waiting waiting = lock.Acquire(Milliseconds(60'000), Done());
    AnswerGrant();
    // So late that the step has no time for another attempt.
    world_->Advance(ClaimState::kStep - Milliseconds(1));
    Answer("/v1/locks/a/acquire", status, body);
    world_->Advance(Milliseconds(20));
    ASSERT_FALSE(error_) << status;
    Answer("/v1/locks/a/acquire", 200, kHeld);
    ASSERT_TRUE(hold_) << status;
    // Its renewal, then its release.
    Answer("/v1/leases/keepalive", 200, kRenewed);
    hold_.reset();
    world_->Advance();
    Answer("/v1/leases/7", 200, "{}");
  }
}

TEST_F(ClaimTest, PausesBeforeItAsksAgainAsLongAsTheNodeSays) {
  Lock lock(*client_, "/a", options_);
  Waiting waiting = lock.Acquire(Milliseconds(60'000), Done());
  AnswerGrant();
  world_->End(Find("/v1/locks/a/acquire"),
              HttpReply{429, {{"retry-after", "5"}}, R"({"code":"rate_limited"})"});
  EXPECT_EQ(Asked(), 1);
  world_->Advance(Milliseconds(4999));
  EXPECT_EQ(Asked(), 1);
  world_->Advance(Milliseconds(1));
  EXPECT_EQ(Asked(), 2);
  // Nobody answers that one. Without a word of when, a moment.
  world_->Advance(ClaimState::kStep);
  EXPECT_EQ(Asked(), 2);
  world_->Advance(Milliseconds(20));
  EXPECT_EQ(Asked(), 3);
}

TEST_F(ClaimTest, IsNotAskedForAfterThePauseWhenItWasCancelledInIt) {
  Lock lock(*client_, "/a", options_);
  {
    const Waiting waiting = lock.Acquire(Milliseconds(60'000), Done());
    AnswerGrant();
    world_->End(Find("/v1/locks/a/acquire"), HttpReply{429, {{"retry-after", "5"}}, "{}"});
    world_->Advance();
  }
  world_->Advance();
  Answer("/v1/leases/7", 200, "{}");
  world_->Advance(Milliseconds(6000));
  EXPECT_EQ(Asked(), 1);
}

TEST_F(ClaimTest, AnUnavailableLockLeavesNoLeaseBehind) {
  Lock lock(*client_, "/a", options_);
  const Waiting waiting = lock.Acquire(Milliseconds(0), Done());
  AnswerGrant();
  Answer("/v1/locks/a/acquire", 423, R"({"code":"lock_unavailable","detail":"held"})");
  ASSERT_TRUE(error_);
  EXPECT_EQ(error_->code, Errc::kLockUnavailable);
  Answer("/v1/leases/7", 200, "{}");
  EXPECT_EQ(losses_, 0);
}

TEST_F(ClaimTest, ALeaseThatEndsWhileWaitingEndsTheWaitAndIsNoLossOfAHold) {
  Lock lock(*client_, "/a", options_);
  const Waiting waiting = lock.Acquire(Milliseconds(60'000), Done());
  AnswerGrant();
  world_->Advance(Milliseconds(3000));
  Answer("/v1/leases/keepalive", 200, R"({"leases":[],"not_found":[7]})");
  ASSERT_TRUE(error_);
  EXPECT_EQ(error_->code, Errc::kLeaseNotFound);
  EXPECT_EQ(losses_, 0);
}

TEST_F(ClaimTest, ALostHoldIsToldOnceAndNotClaimedAnyMore) {
  Lock lock(*client_, "/a", options_);
  const Waiting waiting = lock.Acquire(Milliseconds(0), Done());
  AnswerGrant();
  Answer("/v1/locks/a/acquire", 200, kHeld);
  world_->Advance(Milliseconds(30'000));
  EXPECT_EQ(losses_, 1);
  EXPECT_FALSE(hold_->Held());
}

TEST_F(ClaimTest, AClientGoesWithTheLeasesAndWatchesOfItsCalls) {
  bool called = false;
  {
    auto world = std::make_unique<FakeRuntime>();
    world_ = world.get();
    Client client(std::make_unique<Client::Core>(std::move(world), 1));
    Group(client, "/g").Join("me", "", {}, [&](const Result<Lease>&) { called = true; });
    AnswerGrant();
    EXPECT_EQ(world_->exchange().request.target, "/v1/kv/g/me?lease=7");
    Queue(client, "/q").Take(Milliseconds(60'000), [&](const Result<std::string>&) {
      called = true;
    });
    world_->Advance();
    Answer("/v1/kv/q?list=children&limit=1", 200, R"({"nodes":[],"revision":5})");
    EXPECT_EQ(world_->exchange(Find("/v1/watch/q?scope=children&filter=put")).request.method,
              "GET");
  }
  EXPECT_FALSE(called);
}

TEST_F(ClaimTest, APageOfAProxyIsNoGrant) {
  Lock lock(*client_, "/a", options_);
  for (const char* page : {"<html>", "", "{}", R"({"holds":[]})"}) {
    const Waiting waiting = lock.Acquire(Milliseconds(60'000), Done());
    AnswerGrant();
    Answer("/v1/locks/a/acquire", 200, page);
    EXPECT_FALSE(hold_) << page;
    ASSERT_TRUE(error_) << page;
    EXPECT_EQ(error_->code, Errc::kInternal) << page;
    error_.reset();
    Answer("/v1/leases/7", 200, "{}");
  }
}

TEST_F(ClaimTest, APageOfAProxyLeavesAChangeUnknown) {
  Tree tree(*client_);
  std::optional<Result<Node>> node;
  const Callback<Node> done = [&](Result<Node> result) { node = std::move(result); };
  tree.Put("/a", "x", {}, done);
  world_->Advance();
  world_->Reply(200, "{}");  // the time
  world_->Reply(200, "<html>");
  ASSERT_TRUE(node && !*node);
  EXPECT_EQ(node->error().code, Errc::kInternal);
  EXPECT_EQ(node->error().outcome, Outcome::kUnknown);
  tree.Get("/a", done);
  world_->Advance();
  world_->Reply(200, "<html>");
  ASSERT_FALSE(*node);
  EXPECT_EQ(node->error().outcome, Outcome::kNotApplied);
}

TEST_F(ClaimTest, ALeaseIsRevokedOnTheWordOfANodeOnly) {
  struct Case {
    int status;
    const char* body;
    bool revoked;
  };
  const Case cases[] = {{200, "{}", true},
                        {404, R"({"code":"lease_not_found"})", true},
                        {404, "<html>", false},
                        {200, "<html>", false}};
  for (const Case& c : cases) {
    Group(*client_, "/g").Join("me", "", {}, [&](Result<Lease> lease) {
      ASSERT_TRUE(lease);
      lease->Revoke(
          [&](const Status& status) { EXPECT_EQ(status.has_value(), c.revoked) << c.body; });
    });
    AnswerGrant();
    Answer("/v1/kv/g/me?lease=7", 200, "{}");
    Answer("/v1/leases/7", c.status, c.body);
  }
}

TEST_F(ClaimTest, ADoubleBarrierDoesNotEnterOnAPageOfAProxy) {
  DoubleBarrier barrier(*client_, "/b", 2);
  const std::string made = R"({"succeeded":true,"results":[{"create":{"path":"/b/members/m-1"}}]})";
  for (const std::vector<std::string>& answers : {std::vector<std::string>{"<html>"},
                                                  {"{}"},
                                                  {R"({"results":[]})"},
                                                  {made, "{}"},
                                                  {made, "[]"}}) {
    std::optional<Status> entered;
    barrier.Enter(Milliseconds(60'000), [&](Status status) { entered = std::move(status); });
    AnswerGrant();
    for (const std::string& answer : answers) Answer("/v1/txn", 200, answer);
    ASSERT_TRUE(entered && !*entered) << answers.back();
    EXPECT_EQ(entered->error().code, Errc::kInternal) << answers.back();
    Answer("/v1/leases/7", 200, "{}");
  }
}

TEST_F(ClaimTest, AHoldThatIsKeptAliveStays) {
  Lock lock(*client_, "/a", options_);
  const Waiting waiting = lock.Acquire(Milliseconds(0), Done());
  AnswerGrant();
  Answer("/v1/locks/a/acquire", 200, kHeld);
  for (int i = 0; i < 20; ++i) {
    while (world_->open() == 0) world_->Advance(Milliseconds(10));
    Answer("/v1/leases/keepalive", 200, kRenewed);
  }
  EXPECT_TRUE(hold_->Held());
  EXPECT_EQ(losses_, 0);
}

}  // namespace
}  // namespace synod::client
