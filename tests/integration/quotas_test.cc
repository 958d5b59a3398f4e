// Quotas of subtrees with real processes: refused and warned alike on every node, kept over
// restarts and restores, and handled by the command line.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <string>

#include "tests/integration/cluster_test_base.h"

namespace synod::integration {
namespace {

using testing::HasSubstr;

class QuotasTest : public testing::Test {
 protected:
  void SetUp() override {
    WriteFile(File(), "quotas:\n  /orders: {nodes_soft: 2, nodes_hard: 3}\n");
    Arguments arguments = cluster_.InitialArguments();
    arguments.insert(arguments.end(), {"--config", File()});
    for (int id = 1; id <= 3; ++id) cluster_.node(id).Start(arguments);
    cluster_.AwaitAllReady();
  }
  void TearDown() override {
    if (HasFailure())
      PrintLogs(cluster_);
  }
  Answer Put(int node, const std::string& path) {
    return Http(cluster_.port(node), "PUT", "/v1/kv" + path, {.body = "x"});
  }
  static boost::json::object QuotaOf(Cluster& cluster, int node, const std::string& path) {
    const Answer settings = Http(cluster.port(node), "GET", "/v1/settings");
    return boost::json::parse(settings.body).at("quotas").at(path).as_object();
  }
  std::string File() const { return dir_.path() + "/config.yaml"; }

  TempDir dir_;
  Cluster cluster_{3};
};

TEST_F(QuotasTest, AHardLimitRefusesAndASoftOneWarnsOnWhicheverNode) {
  EXPECT_EQ(Put(1, "/orders/1").status, 201);
  EXPECT_EQ(Put(2, "/orders/2").status, 201);
  const Answer refused = Put(3, "/orders/3");
  EXPECT_EQ(refused.status, 409) << refused.body;
  EXPECT_EQ(refused.Text("code"), "quota_exceeded");
  EXPECT_EQ(refused.Text("outcome"), "not_applied");
  EXPECT_EQ(refused.Text("detail"),
            "the quota of /orders is 3 nodes: 3 are used, and this needs more");
  EXPECT_EQ(Put(3, "/orders/2").status, 200);
  std::string logs;
  for (int id = 1; id <= 3; ++id) {
    EXPECT_EQ(QuotaOf(cluster_, id, "/orders").at("nodes_used").to_number<int>(), 3);
    EXPECT_THAT(
        Http(cluster_.port(id), "GET", "/metrics").body,
        AllOf(HasSubstr("synod_quota_subtrees 1\n"), HasSubstr("synod_quota_subtrees_warning 1\n"),
              HasSubstr("synod_quota_subtrees_full 1\n")));
    logs += cluster_.node(id).Log();
  }
  EXPECT_THAT(logs, HasSubstr("a subtree is above a soft limit of its quota"));
  EXPECT_EQ(Http(cluster_.port(1), "DELETE", "/v1/kv/orders/1").status, 200);
  EXPECT_EQ(Put(3, "/orders/3").status, 201);
}

TEST_F(QuotasTest, TheyOutliveRestartsAndRestores) {
  ASSERT_EQ(Put(1, "/orders/1").status, 201);
  for (int id = 1; id <= 3; ++id) cluster_.node(id).Kill();
  for (int id = 1; id <= 3; ++id) cluster_.node(id).StartAgain();
  cluster_.AwaitAllReady();
  EXPECT_EQ(QuotaOf(cluster_, 2, "/orders").at("nodes_used").to_number<int>(), 2);
  const std::string backup = dir_.path() + "/backup";
  ASSERT_EQ(cluster_.Synod({"snapshot", "save", backup}).exit_code, 0);
  Cluster restored(1);
  restored.Restore(backup);
  restored.node(1).Start();
  restored.node(1).AwaitReady();
  EXPECT_EQ(QuotaOf(restored, 1, "/orders").at("nodes_hard").to_number<int>(), 3);
  EXPECT_EQ(QuotaOf(restored, 1, "/orders").at("nodes_used").to_number<int>(), 2);
}

TEST_F(QuotasTest, TheCommandLineListsSetsAndRemovesThem) {
  ASSERT_EQ(Put(1, "/orders/1").status, 201);
  const Finished set = cluster_.Synod({"quota", "set", "/orders", "--bytes-hard", "1K"});
  ASSERT_EQ(set.exit_code, 0) << set.err;
  EXPECT_THAT(set.out, testing::ContainsRegex("/orders +2 +2 +3 +17 +- +1024 +ok"));
  ASSERT_EQ(cluster_.Synod({"quota", "set", "/", "--nodes-soft", "1"}).exit_code, 0);
  const Finished list = cluster_.Synod({"quota", "list"});
  EXPECT_THAT(list.out, testing::ContainsRegex("/ +3 +1 +- +[0-9]+ +- +- +warning"));
  EXPECT_THAT(list.out, HasSubstr("/orders"));
  EXPECT_EQ(cluster_.Synod({"quota", "remove", "/orders"}).exit_code, 0);
  const Finished again = cluster_.Synod({"quota", "remove", "/orders"});
  EXPECT_EQ(again.exit_code, 3);
  EXPECT_THAT(again.err, HasSubstr("/orders has no quota"));
  EXPECT_EQ(cluster_.Synod({"quota", "set", "/", "--nodes-soft", "1K"}).exit_code, 2);
  const Finished json = cluster_.Synod({"-o", "json", "quota", "list"});
  EXPECT_FALSE(boost::json::parse(json.out).at("quotas").as_object().contains("/orders"));
  EXPECT_EQ(cluster_.Synod({"quota", "set", "/orders"}).exit_code, 2) << "no limit is named";
  const Finished refused =
      cluster_.Synod({"quota", "set", "/a", "--nodes-soft", "9", "--nodes-hard", "8"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, HasSubstr("nodes_soft must not be above nodes_hard"));
}

}  // namespace
}  // namespace synod::integration
