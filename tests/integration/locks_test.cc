// Leases, locks and elections over HTTP, requests of a test through different nodes.
#include <gtest/gtest.h>

#include <atomic>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <set>
#include <thread>

#include "tests/integration/cluster_test_base.h"

namespace synod::integration {
namespace {

using Clock = std::chrono::steady_clock;

class LocksTest : public ClusterTest<3> {
 protected:
  static Answer Post(const std::string& target, const std::string& body = {}, int n = 0) {
    return Http(port(n), "POST", target,
                {.body = body, .timeout = std::chrono::milliseconds(60'000)});
  }
  static Answer Get(const std::string& target, int n = 1) { return Http(port(n), "GET", target); }
  static int64_t Lease(int ttl_ms) {
    return Post("/v1/leases", R"({"ttl_ms":)" + std::to_string(ttl_ms) + "}").Number("id");
  }
  static std::string Token(const Answer& hold) {
    EXPECT_EQ(hold.status, 200) << hold.body;
    return R"({"token":)" + std::to_string(hold.Number("token")) + "}";
  }
};

TEST_F(LocksTest, ALeaseLivesWhileItIsRenewedAndNoLonger) {
  const std::string id = std::to_string(Lease(1000));
  ASSERT_EQ(Http(port(2), "PUT", "/v1/kv/leased/" + id + "?lease=" + id).status, 201);
  const auto begin = Clock::now();
  while (Clock::now() - begin < Milliseconds(2500)) {
    const Answer renewed = Post("/v1/leases/" + id + "/keepalive", {}, 1);
    ASSERT_EQ(renewed.status, 200) << renewed.body;
    EXPECT_EQ(renewed.Number("ttl_ms"), 1000);
    std::this_thread::sleep_for(Milliseconds(200));
  }
  EXPECT_EQ(Get("/v1/leases/" + id).Json().at("paths").as_array().size(), 1U);
  const auto last = Clock::now();
  ASSERT_TRUE(
      Eventually(Milliseconds(5000), [&] { return Get("/v1/kv/leased/" + id).status == 404; }));
  const auto lived = Clock::now() - last;
  EXPECT_GT(lived, Milliseconds(700)) << "ended early";
  EXPECT_LT(lived, Milliseconds(2300)) << "ended late";
  EXPECT_EQ(Post("/v1/leases/" + id + "/keepalive").Code(), "lease_not_found");
}

TEST_F(LocksTest, ManyLeasesAreRenewedInOneRequest) {
  const std::string a = std::to_string(Lease(60'000));
  const std::string b = std::to_string(Lease(60'000));
  const Answer renewed = Post("/v1/leases/keepalive", R"({"ids":[)" + a + "," + b + ",999999]}");
  ASSERT_EQ(renewed.status, 200) << renewed.body;
  EXPECT_EQ(renewed.Json().at("leases").as_array().size(), 2U);
  EXPECT_EQ(renewed.Json().at("not_found").as_array().size(), 1U);
}

TEST_F(LocksTest, ContendersAreServedInOrderOfArrivalWithRisingTokens) {
  const Answer first = Post("/v1/locks/fifo/acquire", R"({"ttl_ms":60000,"value":"0"})");
  ASSERT_EQ(first.status, 200) << first.body;
  std::vector<std::thread> waiters;
  std::vector<Answer> holds(4);
  for (size_t i = 0; i < holds.size(); ++i) {
    waiters.emplace_back([&, i] {
      holds[i] =
          Post("/v1/locks/fifo/acquire",
               R"({"ttl_ms":60000,"wait_ms":60000,"value":")" + std::to_string(i + 1) + "\"}",
               static_cast<int>(i));
      if (holds[i].status == 200)
        Post("/v1/locks/fifo/release", Token(holds[i]), static_cast<int>(i) + 1);
    });
    EXPECT_TRUE(Eventually(Milliseconds(10'000), [&] {
      return Get("/v1/locks/fifo").Json().at("waiters").as_array().size() == i + 1;
    }));
  }
  const auto lock = Get("/v1/locks/fifo").Json();
  EXPECT_EQ(lock.at("holders").at(0).at("value").as_string(), "0");
  for (size_t i = 0; i < holds.size(); ++i)
    EXPECT_EQ(lock.at("waiters").at(i).at("value").as_string(), std::to_string(i + 1));
  ASSERT_EQ(Post("/v1/locks/fifo/release", Token(first), 2).status, 200);
  for (std::thread& t : waiters) t.join();
  int64_t last = first.Number("token");
  for (const Answer& hold : holds) {
    ASSERT_EQ(hold.status, 200) << hold.body;
    EXPECT_GT(hold.Number("token"), last);
    last = hold.Number("token");
  }
}

TEST_F(LocksTest, AskingAgainWithTheSameLeaseGivesTheSameHold) {
  const std::string body = R"({"lease":)" + std::to_string(Lease(60'000)) + "}";
  const Answer one = Post("/v1/locks/same/acquire", body, 0);
  const Answer two = Post("/v1/locks/same/acquire", body, 2);
  EXPECT_EQ(Token(one), Token(two));
}

TEST_F(LocksTest, AnExpiredHolderIsFollowedByTheNextWithAGreaterToken) {
  const Answer first = Post("/v1/locks/expiring/acquire", R"({"ttl_ms":700})");
  ASSERT_EQ(first.status, 200) << first.body;
  const Answer second =
      Post("/v1/locks/expiring/acquire", R"({"ttl_ms":60000,"wait_ms":10000})", 1);
  ASSERT_EQ(second.status, 200) << second.body;
  EXPECT_GT(second.Number("token"), first.Number("token"));
  EXPECT_EQ(Post("/v1/locks/expiring/release", Token(first)).Code(), "lock_not_held");
}

TEST_F(LocksTest, ALockDelayHoldsTheLockBackAfterAnExpiryOnly) {
  const Answer first = Post("/v1/locks/delayed/acquire", R"({"ttl_ms":500,"lock_delay_ms":1500})");
  ASSERT_EQ(first.status, 200) << first.body;
  ASSERT_TRUE(Eventually(Milliseconds(5000), [&] {
    const Answer lock = Get("/v1/locks/delayed");
    return lock.status == 200 && lock.Json().as_object().contains("delay_remaining_ms");
  }));
  const Answer refused = Post("/v1/locks/delayed/acquire", R"({"ttl_ms":60000})", 1);
  EXPECT_EQ(refused.status, 423) << refused.body;
  EXPECT_TRUE(refused.Json().at("holders").as_array().empty());
  const Answer second = Post("/v1/locks/delayed/acquire", R"({"ttl_ms":60000,"wait_ms":10000})", 2);
  EXPECT_EQ(second.status, 200) << second.body;
}

TEST_F(LocksTest, AWaiterThatHangsUpIsWithdrawn) {
  const Answer held = Post("/v1/locks/hangup/acquire", R"({"ttl_ms":60000})");
  {
    Connection waiter(port(1));
    waiter.Request("POST", "/v1/locks/hangup/acquire", R"({"ttl_ms":60000,"wait_ms":60000})");
    ASSERT_TRUE(Eventually(Milliseconds(10'000), [&] {
      return Get("/v1/locks/hangup").Json().at("waiters").as_array().size() == 1;
    }));
  }
  EXPECT_TRUE(Eventually(Milliseconds(15'000), [&] {
    return Get("/v1/locks/hangup").Json().at("waiters").as_array().empty();
  }));
  ASSERT_EQ(Post("/v1/locks/hangup/release", Token(held)).status, 200);
  EXPECT_EQ(Get("/v1/locks/hangup").status, 404);
}

TEST_F(LocksTest, LocksAreListedByPrefix) {
  for (const char* path : {"list/a", "list/b", "other"})
    ASSERT_EQ(Post(std::string("/v1/locks/") + path + "/acquire", R"({"ttl_ms":60000})").status,
              200);
  const Answer list = Get("/v1/locks?prefix=/list");
  EXPECT_EQ(list.Json().at("locks").as_array().size(), 2U) << list.body;
}

TEST_F(LocksTest, AnElectionIsWonProclaimedAndHandedOn) {
  const Answer first = Post("/v1/elections/boss/campaign", R"({"ttl_ms":60000,"value":"alice"})");
  ASSERT_EQ(first.status, 200) << first.body;
  Answer second;
  std::thread candidate([&] {
    second =
        Post("/v1/elections/boss/campaign", R"({"ttl_ms":60000,"value":"bob","wait_ms":30000})", 1);
  });
  EXPECT_TRUE(Eventually(Milliseconds(10'000), [] {
    return Get("/v1/elections/boss").Json().at("candidates").as_array().size() == 1;
  }));
  const std::string token = std::to_string(first.Number("token"));
  EXPECT_EQ(
      Post("/v1/elections/boss/proclaim", R"({"token":)" + token + R"(,"value":"alice 2"})", 2)
          .status,
      200);
  EXPECT_EQ(Get("/v1/elections/boss").Json().at("leader").at("value").as_string(), "alice 2");
  EXPECT_EQ(Post("/v1/elections/boss/resign", Token(first), 1).status, 200);
  candidate.join();
  ASSERT_EQ(second.status, 200) << second.body;
  EXPECT_GT(second.Number("token"), first.Number("token"));
  EXPECT_EQ(
      Post("/v1/elections/boss/proclaim", R"({"token":)" + token + R"(,"value":"late"})").Code(),
      "fenced");
  EXPECT_EQ(Get("/v1/elections/boss", 2).Json().at("leader").at("value").as_string(), "bob");
}

TEST_F(LocksTest, AnObserverSeesEachLeaderOnceInOrder) {
  const Answer first = Post("/v1/elections/seen/campaign", R"({"ttl_ms":60000,"value":"a"})");
  Stream observer(port(2), "/v1/elections/seen/observe");
  const auto next = [&]() -> std::string {
    while (true) {
      const std::optional<Message> message = observer.Next();
      const boost::json::object body = message->Json().as_object();
      if (const auto* leader = body.if_contains("leader"))
        return leader->is_null() ? "nobody" : std::string(leader->at("value").as_string());
    }
  };
  EXPECT_EQ(next(), "a");
  Post("/v1/elections/seen/proclaim",
       R"({"token":)" + std::to_string(first.Number("token")) + R"(,"value":"a2"})");
  Post("/v1/elections/seen/resign", Token(first));
  EXPECT_EQ(next(), "a2");
  EXPECT_EQ(next(), "nobody");
  ASSERT_EQ(Post("/v1/elections/seen/campaign", R"({"ttl_ms":60000,"value":"b"})").status, 200);
  EXPECT_EQ(next(), "b");
}

// An observer that came before anything was written has seen revision 0.
TEST_F(LocksTest, AnObserverResumesBehindRevisionNought) {
  ASSERT_EQ(Post("/v1/elections/first/campaign", R"({"ttl_ms":60000,"value":"a"})").status, 200);
  Stream observer(port(1), "/v1/elections/first/observe", {{"Last-Event-ID", "0"}});
  const std::optional<Message> message = observer.Next();
  ASSERT_TRUE(message);
  EXPECT_EQ(message->Json().at("leader").at("value").as_string(), "a");
}

}  // namespace
}  // namespace synod::integration
