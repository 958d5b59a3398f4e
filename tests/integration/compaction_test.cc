// The edges of the history that is kept: on every node, under another leader, after a restart.
#include <gtest/gtest.h>

#include "tests/integration/cluster_test_base.h"

namespace synod::integration {
namespace {

// The state of the revision that was compacted to stays readable; the change that made it is gone,
// so that a watch begins one later.
void ExpectFloorAt(Cluster& cluster, uint64_t floor) {
  const std::string at = std::to_string(floor);
  const std::string below = std::to_string(floor - 1);
  const std::string above = std::to_string(floor + 1);
  for (int id = 1; id <= cluster.size(); ++id) {
    SCOPED_TRACE("node " + std::to_string(id));
    const uint16_t port = cluster.port(id);
    const Answer read = Http(port, "GET", "/v1/kv/c?at_revision=" + at);
    EXPECT_EQ(read.status, 200) << read.body;
    EXPECT_EQ(read.Number("mod_revision"), static_cast<int64_t>(floor));
    const Answer older = Http(port, "GET", "/v1/kv/c?at_revision=" + below);
    EXPECT_EQ(older.status, 410);
    EXPECT_EQ(older.Code(), "compacted");
    EXPECT_EQ(older.Number("compact_revision"), static_cast<int64_t>(floor));
    for (const std::string& from : {below, at}) {
      const Stream refused(port, "/v1/watch/c?from_revision=" + from);
      EXPECT_EQ(refused.head().status, 410) << from;
      EXPECT_EQ(refused.head().Code(), "compacted");
      EXPECT_EQ(refused.head().Number("compact_revision"), static_cast<int64_t>(floor));
    }
    Stream watch(port, "/v1/watch/c?from_revision=" + above);
    ASSERT_EQ(watch.head().status, 200);
    ASSERT_EQ(watch.Next()->event, "created");
    EXPECT_EQ(watch.Next()->id, above);
  }
}

TEST(CompactionTest, TheFloorIsTheSameOnEveryNodeAndOverRestartsAndLeaderChanges) {
  Cluster cluster(3);
  cluster.Start();
  std::vector<uint64_t> revisions;
  for (int i = 0; i < 6; ++i)
    revisions.push_back(
        Http(cluster.port(1), "PUT", "/v1/kv/c", {.body = std::to_string(i)}).Revision());
  // A listener that has had all of it does not notice; a slow one would be told `compacted`.
  Stream present(cluster.port(2), "/v1/watch/c?from_revision=" + std::to_string(revisions[0]));
  ASSERT_EQ(present.Next()->event, "created");
  for (int i = 0; i < 6; ++i)
    EXPECT_EQ(present.Next()->id, std::to_string(revisions[static_cast<size_t>(i)]));

  const std::string body = "{\"revision\":" + std::to_string(revisions[3]) + "}";
  for (int again = 0; again < 2; ++again)
    EXPECT_EQ(Http(cluster.port(3), "POST", "/v1/compact", {.body = body}).status, 200);
  const std::string lower = "{\"revision\":" + std::to_string(revisions[1]) + "}";
  EXPECT_EQ(Http(cluster.port(3), "POST", "/v1/compact", {.body = lower}).status, 200)
      << "what is gone already";
  const std::string beyond = "{\"revision\":" + std::to_string(revisions[5] + 1000) + "}";
  EXPECT_EQ(Http(cluster.port(3), "POST", "/v1/compact", {.body = beyond}).status, 400);
  ExpectFloorAt(cluster, revisions[3]);

  const int next = cluster.Other(cluster.Leader());
  ASSERT_EQ(Http(cluster.port(1), "POST", "/v1/cluster/leader",
                 {.body = "{\"id\":" + std::to_string(next) + "}"})
                .status,
            200);
  ExpectFloorAt(cluster, revisions[3]);
  const uint64_t later = Http(cluster.port(1), "PUT", "/v1/kv/c", {.body = "later"}).Revision();
  EXPECT_EQ(present.Next()->id, std::to_string(later));

  for (int id = 1; id <= 3; ++id) cluster.node(id).Kill();
  for (int id = 1; id <= 3; ++id) cluster.node(id).StartAgain();
  cluster.AwaitAllReady();
  ExpectFloorAt(cluster, revisions[3]);
  if (HasFailure())
    PrintLogs(cluster);
}

}  // namespace
}  // namespace synod::integration
