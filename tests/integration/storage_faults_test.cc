// Real processes on bad disks: an old copy of a data directory, a full file system.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/integration/cluster_test_base.h"

namespace synod::integration {
namespace {

using testing::HasSubstr;

void CopyTree(const std::string& from, const std::string& to) {
  std::filesystem::remove_all(to);
  std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
}

// A snapshot of a virtual machine that is put back, a backup of the directory that is restored: the
// log is whole in itself, and older than what the node promised.
TEST(QuarantineTest, AnOldCopyOfADataDirectoryIsCaughtAndStaysOut) {
  Cluster cluster(3);
  cluster.Start();
  const int victim = cluster.Other(cluster.Leader());
  Node& node = cluster.node(victim);
  PutUntilDone(cluster, "/v1/kv/a", "1");
  ASSERT_EQ(node.Stop(), 0);
  CopyTree(node.data_dir(), node.data_dir() + ".old");
  node.StartAgain();
  node.AwaitReady();
  for (int i = 0; i < 20; ++i) PutUntilDone(cluster, "/v1/kv/a", std::to_string(i));
  ASSERT_EQ(node.Stop(), 0);
  CopyTree(node.data_dir() + ".old", node.data_dir());
  node.StartAgain();
  ASSERT_TRUE(Eventually(Milliseconds(20'000), [&] {
    const auto ready = TryHttp(node.port(), "GET", "/readyz", {});
    return ready && ready->status == 503 &&
           ready->body.find("quarantined: member") != std::string::npos;
  })) << node.Log();
  EXPECT_THAT(Http(node.port(), "GET", "/metrics").body, HasSubstr("\nsynod_quarantined 1\n"));
  EXPECT_THAT(node.Log(), HasSubstr("remove it from the cluster and add a new member"));
  EXPECT_EQ(Http(node.port(), "PUT", "/v1/kv/b", {.body = "x"}).status, 503);
  EXPECT_EQ(Http(node.port(), "GET", "/livez").status, 200);
  // The others go on without it.
  PutUntilDone(cluster, "/v1/kv/a", "done");
  // And a restart needs nobody to know it again.
  ASSERT_EQ(node.Stop(), 0);
  EXPECT_TRUE(std::filesystem::exists(node.data_dir() + "/quarantine"));
  node.StartAgain();
  ASSERT_TRUE(Eventually(Milliseconds(20'000), [&] {
    const auto ready = TryHttp(node.port(), "GET", "/readyz", {});
    return ready && ready->body.find("quarantined") != std::string::npos;
  }));
}

// After a power cut of the whole site nobody is there who was never away.
TEST(QuarantineTest, AllNodesKilledAtOnceComeBack) {
  Cluster cluster(3);
  cluster.Start();
  PutUntilDone(cluster, "/v1/kv/a", "1");
  for (int id = 1; id <= 3; ++id) cluster.node(id).Kill();
  for (int id = 1; id <= 3; ++id) cluster.node(id).StartAgain();
  cluster.AwaitAllReady();
  EXPECT_EQ(Http(cluster.port(1), "GET", "/v1/kv/a").Text("value"), "1");
}

}  // namespace
}  // namespace synod::integration
