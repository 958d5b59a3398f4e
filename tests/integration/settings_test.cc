// Replicated settings with real processes: seeded by a file, changed over the API, kept over
// restarts and restores, the same on every node.
#include <gtest/gtest.h>

#include <string>

#include "tests/integration/cluster_test_base.h"

namespace synod::integration {
namespace {

class SettingsTest : public testing::Test {
 protected:
  void TearDown() override {
    if (HasFailure())
      PrintLogs(cluster_);
  }
  void Start(const std::string& file) {
    WriteFile(File(), file);
    Arguments arguments = cluster_.InitialArguments();
    arguments.insert(arguments.end(), {"--config", File()});
    for (int id = 1; id <= 3; ++id) cluster_.node(id).Start(arguments);
    cluster_.AwaitAllReady();
  }
  Answer Patch(int node, const std::string& body, Headers headers = {}) {
    return Http(cluster_.port(node), "PATCH", "/v1/settings",
                {.body = body, .headers = std::move(headers)});
  }
  static Answer Settings(Cluster& cluster, int node) {
    return Http(cluster.port(node), "GET", "/v1/settings");
  }
  std::string File() const { return dir_.path() + "/config.yaml"; }

  TempDir dir_;
  Cluster cluster_{3};
};

TEST_F(SettingsTest, AreSeededByTheFileAndChangedForAllNodes) {
  Start("value:\n  bytes_max: 1000\nhistory:\n  keep_ms: 60000\n");
  for (int id = 1; id <= 3; ++id) {
    const Answer settings = Settings(cluster_, id);
    ASSERT_EQ(settings.status, 200) << settings.body;
    EXPECT_EQ(settings.Number("value.bytes_max"), 1000);
    EXPECT_EQ(settings.Number("history.keep_ms"), 60'000);
    EXPECT_EQ(settings.Number("quota.bytes"), int64_t{2} << 30);
    EXPECT_EQ(settings.Revision(), 1U);
  }
  const std::string value(1001, 'x');
  EXPECT_EQ(Http(cluster_.port(1), "PUT", "/v1/kv/a", {.body = value}).status, 413);
  const Answer changed = Patch(2, R"({"value.bytes_max":1001})", {{"Idempotency-Key", "k"}});
  ASSERT_EQ(changed.status, 200) << changed.body;
  EXPECT_EQ(changed.Number("value.bytes_max"), 1001);
  EXPECT_EQ(changed.Number("history.keep_ms"), 60'000);
  EXPECT_EQ(changed.Revision(), 2U);
  // Acknowledged: in force on whichever node is asked next.
  for (int id = 1; id <= 3; ++id) {
    EXPECT_EQ(Http(cluster_.port(id), "PUT", "/v1/kv/a", {.body = value}).status / 100, 2);
    EXPECT_EQ(Http(cluster_.port(id), "PUT", "/v1/kv/a", {.body = value + "x"}).status, 413);
  }
  const Answer again = Patch(3, R"({"value.bytes_max":1001})", {{"Idempotency-Key", "k"}});
  EXPECT_EQ(again.Header("synod-replayed"), "true");
  EXPECT_EQ(again.Revision(), 2U);
  const Answer refused = Patch(1, R"({"lease.ttl_ms_min":9000,"lease.ttl_ms_max":8000})");
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(refused.Text("outcome"), "not_applied");
  EXPECT_EQ(refused.Text("detail"), "lease.ttl_ms_min must not be above lease.ttl_ms_max");
  EXPECT_EQ(Settings(cluster_, 1).Number("lease.ttl_ms_min"), 500);
}

TEST_F(SettingsTest, OutliveRestartsAndRestoresWhateverTheFileSays) {
  Start("quota:\n  bytes: 1048576\n");
  ASSERT_EQ(Patch(1, R"({"quota.bytes":2097152})").status, 200);
  WriteFile(File(), "quota:\n  bytes: 3145728\n");
  for (int id = 1; id <= 3; ++id) cluster_.node(id).Kill();
  for (int id = 1; id <= 3; ++id) cluster_.node(id).StartAgain();
  cluster_.AwaitAllReady();
  for (int id = 1; id <= 3; ++id)
    EXPECT_EQ(Settings(cluster_, id).Number("quota.bytes"), 2'097'152);

  const std::string backup = dir_.path() + "/backup";
  ASSERT_EQ(cluster_.Synod({"snapshot", "save", backup}).exit_code, 0);
  Cluster restored(1);
  restored.Restore(backup);
  restored.node(1).Start({"--config", File()});
  restored.node(1).AwaitReady();
  EXPECT_EQ(Settings(restored, 1).Number("quota.bytes"), 2'097'152);
}

}  // namespace
}  // namespace synod::integration
