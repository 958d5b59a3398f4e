// Leadership moved on purpose: by the API, by the command line, and by an orderly stop.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <thread>

#include "tests/integration/cluster_test_base.h"

namespace synod::integration {
namespace {

using Clock = std::chrono::steady_clock;

std::string IdBody(int id) { return "{\"id\":" + std::to_string(id) + "}"; }

// They have told each other their addresses.
bool EveryoneKnowsEveryone(Cluster& cluster) {
  return Eventually(Milliseconds(10'000), [&] {
    for (int id = 1; id <= cluster.size(); ++id) {
      const boost::json::value known = Http(cluster.port(id), "GET", "/v1/cluster").Json();
      for (const boost::json::value& member : known.at("members").as_array())
        if (member.at("client_url").as_string().empty())
          return false;
    }
    return true;
  });
}

using LeaderTest = ClusterTest<3>;

TEST_F(LeaderTest, MovesToAnyMemberFromAnyNode) {
  ASSERT_TRUE(EveryoneKnowsEveryone(cluster()));
  for (int to = 1; to <= 3; ++to) {
    for (int asked = 1; asked <= 3; ++asked) {
      const Answer answer =
          Http(cluster().port(asked), "POST", "/v1/cluster/leader", {.body = IdBody(to)});
      ASSERT_EQ(answer.status, 200) << answer.body;
      const boost::json::value body = answer.Json();
      EXPECT_EQ(body.at("leader").at("id").to_number<int>(), to);
      EXPECT_EQ(body.at("leader").at("client_url").as_string(), cluster().node(to).url());
      EXPECT_EQ(answer.Header("synod-leader"), std::to_string(to));
      // It serves, through whichever node.
      EXPECT_EQ(Http(port(asked), "PUT", "/v1/kv/moved", {.body = "x"}).status / 100, 2);
    }
    EXPECT_EQ(cluster().Leader(), to);
  }
}

TEST_F(LeaderTest, ChangesNothingIfTheMemberLeadsAlready) {
  const int leader = cluster().Leader();
  const auto ballot = [&] { return cluster().node(leader).Status()->at("ballot"); };
  const boost::json::value before = ballot();
  for (int asked = 1; asked <= 3; ++asked)
    EXPECT_EQ(Http(cluster().port(asked), "POST", "/v1/cluster/leader",
                   {.body = IdBody(leader), .headers = {{"Idempotency-Key", "again"}}})
                  .status,
              200);
  EXPECT_EQ(ballot(), before);
}

TEST_F(LeaderTest, AnUnknownMemberIsNotFound) {
  for (int asked = 1; asked <= 3; ++asked) {
    const Answer answer =
        Http(cluster().port(asked), "POST", "/v1/cluster/leader", {.body = IdBody(9)});
    EXPECT_EQ(answer.status, 404);
    EXPECT_EQ(answer.Code(), "not_found");
    EXPECT_EQ(answer.Text("outcome"), "not_applied");
  }
}

TEST_F(LeaderTest, TheCommandLineMovesItToo) {
  const int to = cluster().Other(cluster().Leader());
  const Finished moved = cluster().Synod({"leader", "move", std::to_string(to)});
  EXPECT_EQ(moved.exit_code, 0) << moved.err;
  EXPECT_EQ(moved.out,
            "member " + std::to_string(to) + " (node-" + std::to_string(to) + ") leads\n");
  EXPECT_EQ(cluster().Leader(), to);
  EXPECT_EQ(cluster().Synod({"leader", "move", "9"}).exit_code, 3);
}

TEST(LeaderMoveTest, ToAMemberThatIsAwayIsRefusedAndStopsNobody) {
  Cluster cluster(3);
  cluster.Start();
  ASSERT_TRUE(EveryoneKnowsEveryone(cluster));
  const int leader = cluster.Leader();
  const int away = cluster.Other(leader);
  cluster.node(away).Kill();
  ASSERT_TRUE(Eventually(Milliseconds(10'000), [&] {
    const boost::json::value view = Http(cluster.port(leader), "GET", "/v1/cluster").Json();
    for (const auto& member : view.at("members").as_array())
      if (member.at("id").to_number<int>() == away)
        return !member.at("healthy").as_bool();
    return false;
  }));
  for (const int asked : {leader, 6 - leader - away}) {
    const Answer answer =
        Http(cluster.port(asked), "POST", "/v1/cluster/leader", {.body = IdBody(away)});
    EXPECT_EQ(answer.status, 503) << answer.body;
    EXPECT_EQ(answer.Code(), "not_ready");
    // Only the leader knows that nothing was begun.
    EXPECT_EQ(answer.Text("outcome"), asked == leader ? "not_applied" : "unknown");
    EXPECT_TRUE(answer.Has("retry-after"));
    EXPECT_EQ(cluster.Leader(), leader);
  }
  const Answer hasty = Http(cluster.port(leader), "POST", "/v1/cluster/leader?timeout_ms=200",
                            {.body = IdBody(away)});
  EXPECT_EQ(hasty.status, 503);
  cluster.node(6 - leader - away).Kill();
  const Answer alone = Http(cluster.port(leader), "POST", "/v1/cluster/leader?timeout_ms=3000",
                            {.body = IdBody(6 - leader - away)});
  EXPECT_EQ(alone.status, 503);
  EXPECT_EQ(alone.Text("outcome"), "not_applied");
}

// A client that repeats a write under its key until some node acknowledges it.
class RetryingWriter {
 public:
  RetryingWriter(Cluster& cluster, int number) : number_(number) {
    for (int id = 1; id <= cluster.size(); ++id) ports_.push_back(cluster.port(id));
    thread_ = std::thread([this] { Work(); });
  }
  void Stop() {
    stop_ = true;
    thread_.join();
  }
  // Call after Stop().
  const std::vector<Milliseconds>& took() const { return took_; }
  int failed() const { return failed_; }

 private:
  void Work() {
    for (int n = 0; !stop_; ++n) {
      const std::string name = std::to_string(number_) + "-" + std::to_string(n);
      const Clock::time_point start = Clock::now();
      bool done = false;
      for (size_t i = 0; !done && Clock::now() - start < Milliseconds(10'000); ++i) {
        const uint16_t port = ports_[(static_cast<size_t>(number_) + i) % ports_.size()];
        const auto answer = TryHttp(port, "PUT", "/v1/kv/r/" + name,
                                    {.body = name, .headers = {{"Idempotency-Key", name}}});
        done = answer && answer->status == 201;
        if (!done)
          std::this_thread::sleep_for(Milliseconds(5));
      }
      failed_ += done ? 0 : 1;
      took_.push_back(std::chrono::duration_cast<Milliseconds>(Clock::now() - start));
    }
  }

  const int number_;
  std::vector<uint16_t> ports_;
  std::atomic<bool> stop_{false};
  std::vector<Milliseconds> took_;
  int failed_ = 0;
  std::thread thread_;
};

// Leadership is handed over before a node stops: nobody waits for an election timeout, which is
// 500 ms at the least.
TEST(RollingRestartTest, CostsNoRequestAndNoLongWaitToClientsThatRetry) {
  Cluster cluster(3);
  cluster.Start();
  std::vector<std::unique_ptr<RetryingWriter>> writers;
  for (int i = 0; i < 3; ++i) writers.push_back(std::make_unique<RetryingWriter>(cluster, i));
  for (int round = 0; round < 2; ++round) {
    for (int id = 1; id <= 3; ++id) {
      EXPECT_EQ(cluster.node(id).Stop(), 0);
      cluster.node(id).StartAgain();
      cluster.node(id).AwaitReady();
    }
    // The last one to be restarted leads nothing now: let it be the first again.
    ASSERT_EQ(Http(cluster.port(1), "POST", "/v1/cluster/leader", {.body = IdBody(1)}).status, 200);
  }
  std::vector<Milliseconds> took;
  for (auto& writer : writers) {
    writer->Stop();
    EXPECT_EQ(writer->failed(), 0);
    took.insert(took.end(), writer->took().begin(), writer->took().end());
  }
  ASSERT_GT(took.size(), 100U);
  std::sort(took.begin(), took.end());
  std::printf("%zu writes, the slowest: %lld %lld %lld ms\n", took.size(),
              static_cast<long long>(took[took.size() - 3].count()),
              static_cast<long long>(took[took.size() - 2].count()),
              static_cast<long long>(took.back().count()));
  EXPECT_LT(took.back(), Milliseconds(450));
}

}  // namespace
}  // namespace synod::integration
