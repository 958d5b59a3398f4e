#include "cli/top.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace synod::cli {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kMiB = 1 << 20;

std::string MetricsOf(int requests, int puts_slow, const std::string& more = "") {
  const auto text = [](int n) { return std::to_string(n); };
  return "synod_uptime_seconds 100\nsynod_ready 1\n"
         "synod_http_requests_total{route=\"put\",status=\"200\"} " +
         text(requests) +
         "\n"
         "synod_http_requests_total{route=\"metrics\",status=\"200\"} " +
         text(requests) +
         "\n"
         "synod_http_request_duration_seconds_bucket{route=\"put\",le=\"0.001\"} " +
         text(requests - puts_slow) +
         "\n"
         "synod_http_request_duration_seconds_bucket{route=\"put\",le=\"0.01\"} " +
         text(requests) +
         "\n"
         "synod_http_request_duration_seconds_bucket{route=\"put\",le=\"+Inf\"} " +
         text(requests) +
         "\n"
         "synod_log_append_duration_seconds_bucket{le=\"0.002\"} " +
         text(requests) +
         "\n"
         "synod_log_append_duration_seconds_bucket{le=\"+Inf\"} " +
         text(requests) +
         "\n"
         "synod_commands_applied_total " +
         text(requests) +
         "\n"
         "synod_logical_bytes 104857600\nsynod_quota_bytes 2147483648\n"
         "synod_history_bytes 1048576\nsynod_history_limit_bytes 536870912\n"
         "synod_nodes 12\nsynod_leases 3\nsynod_locks 2\nsynod_lock_waiters 1\n"
         "synod_http_connections 7\nsynod_http_connections_limit 1000\nsynod_watches 4\n"
         "process_open_fds 40\nprocess_max_fds 20000\n"
         "process_resident_memory_bytes " +
         text(50 * kMiB) +
         "\n"
         "synod_disk_free_bytes 10737418240\nprocess_cpu_seconds_total " +
         std::to_string(requests * 0.0005) + "\n" + more;
}

NodeSample NodeOf(int id, const std::string& role, int applied, const std::string& metrics) {
  NodeSample node;
  node.id = id;
  node.name = "node-" + std::to_string(id);
  node.url = "http://10.0.0." + std::to_string(id) + ":7301";
  node.status =
      boost::json::parse(R"({"role":")" + role + R"(","leader":{"id":1,"name":"node-1"},)" +
                         R"("revision":)" + std::to_string(applied - 5) + R"(,"applied_slot":)" +
                         std::to_string(applied) +
                         R"(,"cluster_id":"0123456789abcdef","uptime_ms":7260000,"storage":{}})")
          .as_object();
  node.metrics = MetricsText(metrics);
  return node;
}

NodeSample Down(int id) {
  NodeSample node = NodeOf(id, "", 0, "");
  node.status = {};
  node.error = "connection refused";
  return node;
}

ClusterSample At(double seconds, std::vector<NodeSample> nodes) {
  return {seconds, std::move(nodes)};
}

// 1000 requests in two seconds at the first node, of which one in ten took more than a millisecond.
TopView Healthy() {
  return ViewOf(At(10, {NodeOf(1, "leader", 100, MetricsOf(1000, 0)),
                        NodeOf(2, "follower", 100, MetricsOf(1000, 0)),
                        NodeOf(3, "follower", 100, MetricsOf(1000, 0))}),
                At(12, {NodeOf(1, "leader", 1100, MetricsOf(2000, 100)),
                        NodeOf(2, "follower", 1098, MetricsOf(1000, 0)),
                        NodeOf(3, "follower", 1100, MetricsOf(1000, 0))}));
}

std::string Screen(const TopView& view, size_t columns = 0, size_t lines = 0) {
  std::string text;
  for (const TopLine& line : RenderTop(view, columns, lines)) text += line.text + "\n";
  return text;
}

TEST(TopTest, ShowsAClusterAtWork) {
  EXPECT_EQ(
      Screen(Healthy()),
      "synod top  cluster 01234567  leader 1 (node-1)  revision 1095  3 of 3 nodes answer\n"
      "requests 500/s  failed 0.0/s  p50 0.6 ms  p99 9.1 ms  applied 500/s\n"
      "storage 100 MiB of 2.0 GiB (5 %)  history 1.0 MiB of 512 MiB  nodes 12  leases 3  "
      "locks 2 (1 waiting)  watches 12\n"
      "\n"
      "ID  NAME    ROLE      LAG  REVISION  REQ/S  P50  P99  SYNC P99  CPU    MEMORY  DISK FREE  "
      "CONNS  WATCHES  UP\n"
      "1   node-1  leader      0      1095    500  0.6  9.1       2.0  25%  50.0 MiB   10.0 GiB  "
      "    7        4  2h\n"
      "2   node-2  follower    2      1093      0  0.0  0.0       0.0   0%  50.0 MiB   10.0 GiB  "
      "    7        4  2h\n"
      "3   node-3  follower    0      1095      0  0.0  0.0       0.0   0%  50.0 MiB   10.0 GiB  "
      "    7        4  2h\n");
}

TEST(TopTest, ANodeThatIsDownHasItsLineAndAWarning) {
  const TopView view = ViewOf({}, At(1, {NodeOf(1, "leader", 100, MetricsOf(1, 0)),
                                         NodeOf(2, "follower", 100, MetricsOf(1, 0)), Down(3)}));
  EXPECT_EQ(view.up, 2U);
  EXPECT_THAT(view.warnings, ElementsAre("one more voter down stops the cluster",
                                         "member 3 (node-3) does not answer: connection refused"));
  EXPECT_THAT(Screen(view), HasSubstr("\n3   node-3  down        -"));
  EXPECT_THAT(Screen(view), HasSubstr("\n! member 3 (node-3) does not answer"));
}

TEST(TopTest, ADeadClusterIsShownToo) {
  const TopView view = ViewOf({}, At(1, {Down(1), Down(2), Down(3)}));
  EXPECT_EQ(view.warnings.front(), "no node answers");
  EXPECT_THAT(Screen(view), HasSubstr("cluster -  leader -  revision 0  0 of 3 nodes answer"));
}

TEST(TopTest, WarnsOfWhatIsNearItsLimitOrWrong) {
  struct Case {
    const char* metric;
    const char* warning;
  };
  for (const Case& c :
       {Case{"synod_quarantined 1\n", "member 1 (node-1) is quarantined: replace it"},
        Case{"synod_digest_diverged 1\n", "member 1 (node-1) has another state than the majority"},
        Case{"synod_disk_level 1\n", "member 1 (node-1) has 10.0 GiB of disk left"},
        Case{"synod_watch_bytes 90\nsynod_watch_limit_bytes 100\n",
             "member 1 (node-1) has used 90 % of the memory for watches"},
        Case{"synod_storage_full 1\n", "changes that grow the state are refused: storage_full"}}) {
    const TopView view = ViewOf({}, At(1, {NodeOf(1, "leader", 100, MetricsOf(1, 0, c.metric))}));
    EXPECT_THAT(view.warnings, ElementsAre(c.warning));
  }
  EXPECT_THAT(Healthy().warnings, IsEmpty());
}

TEST(TopTest, WarnsOfTheQuotaOfFailuresAndOfMembersThatLag) {
  const std::string failures = "synod_http_requests_total{route=\"put\",status=\"503\"} ";
  std::string full = MetricsOf(1, 0, failures + "30\n");
  full.replace(full.find("104857600"), 9, "2000000000");
  const TopView view = ViewOf(
      At(1, {NodeOf(1, "leader", 100, MetricsOf(1, 0, failures + "10\n"))}),
      At(3, {NodeOf(1, "leader", 50'000, full), NodeOf(2, "follower", 39'999, MetricsOf(1, 0))}));
  EXPECT_THAT(view.warnings,
              ElementsAre("10.0 requests a second are refused as overloaded or fail",
                          "member 2 (node-2) is 10001 slots behind", "the quota is used by 93 %"));
}

TEST(TopTest, ARestartedNodeHasNoNegativeRates) {
  const TopView view = ViewOf(At(10, {NodeOf(1, "leader", 100, MetricsOf(5000, 0))}),
                              At(11, {NodeOf(1, "leader", 110, MetricsOf(10, 0))}));
  EXPECT_DOUBLE_EQ(view.requests_per_second, 10);
}

TEST(TopTest, FitsIntoAnyScreen) {
  const TopView view = Healthy();
  for (const size_t columns : {1U, 10U, 40U, 80U, 300U})
    for (const size_t lines : {1U, 3U, 24U}) {
      const std::vector<TopLine> frame = RenderTop(view, columns, lines);
      EXPECT_LE(frame.size(), lines);
      for (const TopLine& line : frame) EXPECT_LE(line.text.size(), columns);
    }
}

TEST(TopTest, CutsBetweenCharacters) {
  NodeSample node = NodeOf(1, "leader", 100, MetricsOf(1, 0));
  node.name = "\xC3\xA4\xC3\xB6\xC3\xBC";  // three letters of two bytes
  const std::vector<TopLine> frame = RenderTop(ViewOf({}, At(1, {node})), 6, 0);
  EXPECT_EQ(frame[5].text, "1   \xC3\xA4\xC3\xB6");
}

TEST(TopTest, WhatANodeTellsCannotDriveTheTerminal) {
  NodeSample node = NodeOf(1, "leader", 100, MetricsOf(1, 0));
  node.name = "\x1b[2Jhidden";
  NodeSample down = Down(2);
  down.error = "\x1b]0;title";
  const std::string screen = Screen(ViewOf({}, At(1, {node, down})));
  EXPECT_EQ(screen.find('\x1b'), std::string::npos);
  EXPECT_THAT(screen, HasSubstr("\\x1b[2Jhidden"));
}

TEST(TopTest, AsJsonItHasTheMembersAndTheWarnings) {
  const boost::json::object json =
      ToJson(ViewOf({}, At(1, {NodeOf(1, "leader", 100, MetricsOf(1, 0)), Down(2)})));
  const auto& members = json.at("members").as_array();
  EXPECT_EQ(members[0].at("role"), "leader");
  EXPECT_EQ(members[0].at("revision"), 95);
  EXPECT_EQ(members[1].at("role"), "down");
  EXPECT_EQ(members[1].at("error"), "connection refused");
  EXPECT_THAT(json.at("warnings").as_array(),
              Contains("member 2 (node-2) does not answer: connection refused"));
}

}  // namespace
}  // namespace synod::cli
