// Two builds in one cluster: synodd, and the same as if it were of the next machine version.
#include <gtest/gtest.h>

#include "tests/integration/cluster_test_base.h"

namespace synod::integration {
namespace {

int64_t VersionOf(Cluster& cluster, int id) {
  const auto status = cluster.node(id).Status();
  return status ? status->at("machine_version").to_number<int64_t>() : 0;
}

void Restart(Node& node, const std::string& program) {
  EXPECT_EQ(node.Stop(), 0);
  node.UseProgram(program);
  node.StartAgain();
}

TEST(UpgradeTest, ARollingUpgradeTakesUpTheNewRulesAtItsEndAndAnOlderBuildIsTurnedAway) {
  Cluster cluster(3);
  cluster.Start();
  const auto write = [&](int through) {
    EXPECT_EQ(Http(cluster.port(through), "PUT", "/v1/kv/a", {.body = "x"}).status / 100, 2);
  };
  for (int id = 1; id <= 3; ++id) {
    EXPECT_EQ(VersionOf(cluster, id), 1);
    Restart(cluster.node(id), "synodd_next");
    cluster.node(id).AwaitReady();
    for (int through = 1; through <= 3; ++through) write(through);
  }
  EXPECT_TRUE(Eventually(Milliseconds(20'000), [&] {
    return VersionOf(cluster, 1) == 2 && VersionOf(cluster, 2) == 2 && VersionOf(cluster, 3) == 2;
  }));
  write(1);

  // It may see it in its state, or in an entry that it has yet to apply.
  Restart(cluster.node(1), "synodd");
  const std::optional<int> code = cluster.node(1).AwaitExit(Milliseconds(20'000));
  EXPECT_TRUE(code == 1 || code == 3) << code.value_or(-1);
  EXPECT_NE(cluster.node(1).Log().find("machine version 2"), std::string::npos);
  write(2);

  // Its directory is as good as before.
  cluster.node(1).UseProgram("synodd_next");
  cluster.node(1).StartAgain();
  cluster.node(1).AwaitReady();
  write(1);
  if (HasFailure())
    PrintLogs(cluster);
}

}  // namespace
}  // namespace synod::integration
