// Real processes with a log that reaches back only a little: who was away gets a snapshot, also
// when either end of the transfer is killed.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <thread>

#include "tests/integration/cluster_test_base.h"

namespace synod::integration {
namespace {

constexpr int kThreads = 4;
constexpr size_t kBigBytes = 60'000;

class SnapshotsTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    setenv("SYNOD_ACCEPTOR_LOG_KEEP_BYTES", "0", 1);
    setenv("SYNOD_ACCEPTOR_LOG_SEGMENT_BYTES", "262144", 1);
  }
  void SetUp() override {
    cluster_.Start();
    away_ = cluster_.Other(cluster_.Leader());
    cluster_.node(away_).Kill();
  }
  void TearDown() override {
    if (HasFailure())
      PrintLogs(cluster_);
  }

  uint16_t ServingPort(int n) {
    const int one = cluster_.Other(away_);
    return cluster_.port(n % 2 == 0 ? one : cluster_.Other(one));
  }
  // `transactions` of 100 small writes each, and `big` values, through both nodes that are there.
  void Write(int transactions, int big) {
    std::atomic<int> failed{0};
    const auto work = [&](int thread) {
      for (int n = thread; n < transactions; n += kThreads) {
        std::string operations;
        for (int i = 0; i < 100; ++i)
          operations += std::string(i == 0 ? "" : ",") + R"({"put":{"path":"/s/)" +
                        std::to_string(n) + "-" + std::to_string(i) + R"(","value":"v"}})";
        const Answer done =
            Http(ServingPort(n), "POST", "/v1/txn?timeout_ms=20000",
                 {.body = R"({"then":[)" + operations + "]}", .timeout = Milliseconds(30'000)});
        failed += done.status == 200 ? 0 : 1;
      }
      for (int n = thread; n < big; n += kThreads) {
        const Answer done =
            Http(ServingPort(n), "PUT", "/v1/kv/big/" + std::to_string(n) + "?timeout_ms=20000",
                 {.body = std::string(kBigBytes, static_cast<char>('a' + n % 26)),
                  .timeout = Milliseconds(30'000)});
        failed += done.status == 201 ? 0 : 1;
      }
    };
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) threads.emplace_back(work, t);
    for (std::thread& t : threads) t.join();
    ASSERT_EQ(failed, 0);
  }
  size_t Count(int node, const std::string& text) {
    const std::string log = cluster_.node(node).Log();
    size_t count = 0;
    for (size_t at = log.find(text); at != std::string::npos; at = log.find(text, at + 1)) ++count;
    return count;
  }
  void ExpectBig(int node, int count) {
    for (int n = 0; n < count; n += 37)
      EXPECT_EQ(Http(cluster_.port(node), "GET", "/v1/kv/big/" + std::to_string(n)).Text("value"),
                std::string(kBigBytes, static_cast<char>('a' + n % 26)));
  }

  Cluster cluster_{3};
  int away_ = 0;
};

TEST_F(SnapshotsTest, AMemberThatWasAwayForLongComesBackWhileTheClusterServes) {
  Write(2'000, 200);  // 200 000 small writes
  // What the others hold in memory would do for it.
  const int first = cluster_.Other(away_);
  const int second = cluster_.Other(first);
  for (const int id : {first, second}) cluster_.node(id).Kill();
  for (const int id : {first, second}) cluster_.node(id).StartAgain();
  for (const int id : {first, second}) cluster_.node(id).AwaitReady();
  cluster_.node(away_).StartAgain();
  int served = 0;
  const bool installed = Eventually(Milliseconds(90'000), [&] {
    const Answer put = Http(ServingPort(served), "PUT", "/v1/kv/meanwhile", {.body = "x"});
    EXPECT_TRUE(put.status == 200 || put.status == 201) << put.body;
    ++served;
    return Count(away_, "snapshot installed") > 0;
  });
  ASSERT_TRUE(installed);
  cluster_.node(away_).AwaitReady();
  EXPECT_GT(served, 0);
  EXPECT_TRUE(Eventually(Milliseconds(30'000), [&] { return cluster_.Converged(); }));
  ExpectBig(away_, 200);
  EXPECT_EQ(Http(cluster_.port(away_), "GET", "/v1/kv/s?list=children&limit=1").status, 200);
  const std::string metrics = Http(cluster_.port(away_), "GET", "/metrics").body;
  EXPECT_NE(metrics.find("synod_snapshots_installed_total 1"), std::string::npos);
  // What was installed is what a restart finds.
  cluster_.node(away_).Kill();
  cluster_.node(away_).StartAgain();
  cluster_.node(away_).AwaitReady();
  EXPECT_EQ(Count(away_, "snapshot installed"), 1u);
  EXPECT_TRUE(Eventually(Milliseconds(30'000), [&] { return cluster_.Converged(); }));
}

TEST_F(SnapshotsTest, EitherEndMayBeKilledInTheMiddle) {
  constexpr int kBig = 2'000;  // 120 MB: some four seconds to send
  Write(0, kBig);
  const int source = cluster_.Leader();
  Node& receiver = cluster_.node(away_);
  receiver.StartAgain();
  const auto received = [&](size_t lines) {
    return Eventually(Milliseconds(60'000),
                      [&] { return Count(away_, "snapshot_received_percent") >= lines; });
  };
  ASSERT_TRUE(received(2));
  receiver.Kill();
  ASSERT_EQ(Count(away_, "snapshot installed"), 0u) << "too quick to be killed in the middle";
  receiver.StartAgain();
  ASSERT_TRUE(received(4));
  cluster_.node(source).Kill();
  const bool in_the_middle = Count(away_, "snapshot installed") == 0;
  cluster_.node(source).StartAgain();
  ASSERT_TRUE(
      Eventually(Milliseconds(90'000), [&] { return Count(away_, "snapshot installed") > 0; }));
  EXPECT_TRUE(in_the_middle);
  cluster_.AwaitAllReady();
  EXPECT_EQ(PutUntilDone(cluster_, "/v1/kv/after", "x").status, 201);
  EXPECT_TRUE(Eventually(Milliseconds(30'000), [&] { return cluster_.Converged(); }));
  for (int id = 1; id <= 3; ++id) ExpectBig(id, kBig);
}

}  // namespace
}  // namespace synod::integration
