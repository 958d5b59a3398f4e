// Fence registers with real processes: one answer whichever node is asked, kept over the loss of
// every process, floored by a restore.
#include <gtest/gtest.h>

#include <string>

#include "tests/integration/cluster_test_base.h"

namespace synod::integration {
namespace {

constexpr int64_t kLeap = int64_t{1} << 30;

class FencesTest : public testing::Test {
 protected:
  void SetUp() override { cluster_.Start(); }
  void TearDown() override {
    if (HasFailure())
      PrintLogs(cluster_);
  }
  static Answer Raise(
      Cluster& cluster, int node, const std::string& path, int64_t token, Headers headers = {}) {
    return Http(
        cluster.port(node), "POST", "/v1/fences" + path,
        {.body = "{\"token\":" + std::to_string(token) + "}", .headers = std::move(headers)});
  }
  static Answer Read(Cluster& cluster, int node, const std::string& path) {
    return Http(cluster.port(node), "GET", "/v1/fences" + path);
  }
  static int64_t TokenOfLock(Cluster& cluster) {
    return Http(cluster.port(1), "POST", "/v1/locks/jobs/acquire",
                {.body = R"({"ttl_ms":500,"wait_ms":20000})"})
        .Number("token");
  }

  TempDir dir_;
  Cluster cluster_{3};
};

TEST_F(FencesTest, OnlyRiseWhicheverNodeIsAsked) {
  const Answer first = Raise(cluster_, 1, "/db", 5);
  ASSERT_EQ(first.status, 200) << first.body;
  EXPECT_EQ(first.body, R"({"token":5})");
  for (int id = 1; id <= 3; ++id) {
    const Answer late = Raise(cluster_, id, "/db", 4);
    EXPECT_EQ(late.status, 412);
    EXPECT_EQ(late.Code(), "fenced");
    EXPECT_EQ(late.Number("highest"), 5);
    EXPECT_EQ(late.Text("outcome"), "not_applied");
    EXPECT_EQ(Raise(cluster_, id, "/db", 5).body, R"({"token":5})");
    EXPECT_EQ(Read(cluster_, id, "/db").body, R"({"token":5})");
  }
  const Answer higher = Raise(cluster_, 2, "/db", 9);
  EXPECT_EQ(higher.Revision(), first.Revision() + 1) << "only rises take revisions";
  const Answer own = Http(
      cluster_.port(3), "GET",
      "/v1/fences/db?consistency=sequential&min_revision=" + std::to_string(higher.Revision()));
  EXPECT_EQ(own.body, R"({"token":9})");
  EXPECT_EQ(Read(cluster_, 3, "/none").Code(), "not_found");
  EXPECT_EQ(Http(cluster_.port(1), "POST", "/v1/fences/db", {.body = R"({"tokens":9})"}).status,
            400);

  const Answer forgotten = Http(cluster_.port(3), "DELETE", "/v1/fences/db");
  EXPECT_EQ(forgotten.Number("revision"), static_cast<int64_t>(higher.Revision() + 1));
  EXPECT_EQ(Http(cluster_.port(3), "DELETE", "/v1/fences/db").Code(), "not_found");
  EXPECT_EQ(Raise(cluster_, 1, "/db", 1).status, 200);
}

TEST_F(FencesTest, OutliveEveryProcessAndRepeatsAreAnsweredAsBefore) {
  const Headers key = {{"Idempotency-Key", "k"}};
  ASSERT_EQ(Raise(cluster_, 1, "/db", 5, key).status, 200);
  ASSERT_EQ(Raise(cluster_, 2, "/db", 8).status, 200);
  for (int id = 1; id <= 3; ++id) cluster_.node(id).Kill();
  for (int id = 1; id <= 3; ++id) cluster_.node(id).StartAgain();
  cluster_.AwaitAllReady();
  for (int id = 1; id <= 3; ++id)
    EXPECT_EQ(Raise(cluster_, id, "/db", 7).Number("highest"), 8) << id;
  const Answer again = Raise(cluster_, 3, "/db", 5, key);
  EXPECT_EQ(again.status, 200);
  EXPECT_EQ(again.Header("synod-replayed"), "true");
  EXPECT_EQ(Read(cluster_, 1, "/db").Number("token"), 8);
}

TEST_F(FencesTest, ARestoredClusterRefusesTheTokensOfTheLostOne) {
  const int64_t kept = TokenOfLock(cluster_);
  ASSERT_GT(kept, 0);
  ASSERT_EQ(Raise(cluster_, 1, "/db", kept).status, 200);
  const std::string backup = dir_.path() + "/backup";
  ASSERT_EQ(cluster_.Synod({"snapshot", "save", backup}).exit_code, 0);
  const int64_t lost = TokenOfLock(cluster_);
  ASSERT_GT(lost, kept);
  ASSERT_EQ(Raise(cluster_, 1, "/made/later", lost).status, 200);

  Cluster restored(1);
  restored.Restore(backup);
  restored.Start();
  const int64_t floor = Read(restored, 1, "/db").Number("token");
  EXPECT_GE(floor, kept + kLeap);
  for (const char* path : {"/db", "/made/later", "/never"}) {
    const Answer late = Raise(restored, 1, path, lost);
    EXPECT_EQ(late.Code(), "fenced") << path;
    EXPECT_EQ(late.Number("highest"), floor) << path;
  }
  EXPECT_EQ(Http(restored.port(1), "DELETE", "/v1/fences/db").status, 200);
  EXPECT_EQ(Raise(restored, 1, "/db", lost).Code(), "fenced");
  const int64_t fresh = TokenOfLock(restored);
  EXPECT_EQ(Raise(restored, 1, "/db", fresh).status, 200);
  // Kept over a restart as well.
  restored.node(1).Kill();
  restored.node(1).StartAgain();
  restored.node(1).AwaitReady();
  EXPECT_EQ(Raise(restored, 1, "/never", lost).Number("highest"), floor);
  EXPECT_EQ(Read(restored, 1, "/db").Number("token"), fresh);
}

}  // namespace
}  // namespace synod::integration
