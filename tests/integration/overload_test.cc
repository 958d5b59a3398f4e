// Far more than the nodes can serve: who is refused, and what goes on.
//
// Judged are counts and order, since how fast anything is depends on the machine.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "tests/integration/cluster_test_base.h"
#include "tests/integration/crowd.h"

namespace synod::integration {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr Milliseconds kLoad{6000};

std::string RequestFor(const std::string& method,
                       const std::string& target,
                       const std::string& body = {}) {
  return method + " " + target + " HTTP/1.1\r\nHost: localhost\r\n" +
         (body.empty() ? "" : "Content-Length: " + std::to_string(body.size()) + "\r\n") + "\r\n" +
         body;
}

// Renews a lease three times in each of its lives until it is told to stop.
class Keeper {
 public:
  Keeper(uint16_t port, Milliseconds ttl) : port_(port), ttl_(ttl) {
    const Answer granted = Http(port, "POST", "/v1/leases",
                                {.body = "{\"ttl_ms\":" + std::to_string(ttl.count()) + "}"});
    EXPECT_EQ(granted.status, 201) << granted.body;
    lease_ = granted.Number("id");
    thread_ = std::thread([this] { Run(); });
  }
  ~Keeper() { Stop(); }
  void Stop() {
    stop_ = true;
    if (thread_.joinable())
      thread_.join();
  }
  int64_t lease() const { return lease_; }
  int renewed() const { return renewed_; }
  const std::string& lost() const { return lost_; }

 private:
  void Run() {
    Connection connection(port_);
    while (!stop_ && lost_.empty()) {
      const Clock::time_point next = Clock::now() + ttl_ / 3;
      connection.Request("POST", "/v1/leases/" + std::to_string(lease_) + "/keepalive");
      const Answer answer = connection.Read();
      if (answer.status == 200)
        ++renewed_;
      else
        lost_ = std::to_string(answer.status) + " " + answer.body;
      std::this_thread::sleep_until(next);
    }
  }

  const uint16_t port_;
  const Milliseconds ttl_;
  int64_t lease_ = 0;
  std::atomic<bool> stop_{false};
  std::atomic<int> renewed_{0};
  std::string lost_;
  std::thread thread_;
};

class OverloadTest : public ClusterTest<3> {
 protected:
  // A page of 4 MiB.
  static void FillList() {
    const std::string value(4096, 'v');
    for (int begin = 0; begin < 1200; begin += 100) {
      std::string ops;
      for (int i = begin; i < begin + 100; ++i)
        ops += (ops.empty() ? "" : ",") + std::string("{\"put\":{\"path\":\"/big/") +
               std::to_string(i) + "\",\"value\":\"" + value + "\"}}";
      const Answer made = Http(port(), "POST", "/v1/txn", {.body = "{\"then\":[" + ops + "]}"});
      ASSERT_EQ(made.status, 200) << made.body;
    }
  }
  static double Leaderships() {
    double sum = 0;
    for (int n = 0; n < 3; ++n) sum += Metric(port(n), "synod_leader_changes_total");
    return sum;
  }
  // Every answer is one that the node gave on purpose.
  static void ExpectServedOrRefused(const Crowd& crowd, std::initializer_list<int> served) {
    uint64_t known = crowd.answers(429);
    for (const int status : served) known += crowd.answers(status);
    EXPECT_EQ(crowd.answers(), known);
    EXPECT_EQ(crowd.without_retry_after(), 0U);
    EXPECT_EQ(crowd.ended(), 0U);
  }
};

// 400 who list 4 MiB each take some hundred times what a node has time for; beside them thousands
// write and read.
TEST_F(OverloadTest, LeasesAndTheLeaderOutliveFarTooManyRequests) {
  ASSERT_GE(RaiseDescriptorLimit(), 4000U);
  FillList();
  Put("/a", "x");
  const int leader = cluster().Leader();
  const uint16_t at = cluster().port(leader);
  const double leaderships = Leaderships();
  Keeper here(at, Milliseconds(3000));
  Keeper there(cluster().port(cluster().Other(leader)), Milliseconds(3000));
  {
    Crowd lists(at, 400, RequestFor("GET", "/v1/kv/big?list=children&limit=10000"));
    Crowd writes(at, 1000, RequestFor("PUT", "/v1/kv/a", std::string(256, 'w')));
    Crowd reads(at, 1000, RequestFor("GET", "/v1/kv/a"));
    std::this_thread::sleep_for(kLoad);
    lists.Stop();
    writes.Stop();
    reads.Stop();
    ExpectServedOrRefused(lists, {200});
    ExpectServedOrRefused(writes, {200});
    ExpectServedOrRefused(reads, {200});
    std::printf("lists: %lu served, %lu refused; writes: %lu, %lu; reads: %lu, %lu\n",
                lists.answers(200), lists.answers(429), writes.answers(200), writes.answers(429),
                reads.answers(200), reads.answers(429));
    EXPECT_GT(lists.answers(429), 0U);
    EXPECT_GT(writes.answers(200), 0U);
    EXPECT_GT(reads.answers(200), 0U);
  }
  // The load is over: what is asked now is served, and nothing is left in the queues.
  EXPECT_EQ(Http(at, "PUT", "/v1/kv/a", {.body = "after"}).status, 200);
  EXPECT_TRUE(Eventually(Milliseconds(5000), [&] {
    return Metric(at, "synod_http_queued_bytes") < 65536 && Metric(at, "synod_pending_calls") < 10;
  }));
  here.Stop();
  there.Stop();
  EXPECT_EQ(here.lost(), "");
  EXPECT_EQ(there.lost(), "");
  EXPECT_GE(here.renewed(), 5);
  EXPECT_EQ(Leaderships(), leaderships);
  std::printf("resident: %lu MiB\n", cluster().node(leader).ResidentBytes() / kMiB);
  EXPECT_LT(cluster().node(leader).ResidentBytes(), 900 * kMiB);
}

}  // namespace
}  // namespace synod::integration
