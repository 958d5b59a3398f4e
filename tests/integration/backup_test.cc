// Backups with real processes: taken under load, checked, damaged, restored into a new cluster
// where everything old fails closed; a lost quorum recovered from one survivor; the files of
// stopped nodes read.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <set>
#include <thread>

#include "tests/integration/cluster_test_base.h"

namespace synod::integration {
namespace {

namespace fs = std::filesystem;

Finished RunSynod(Arguments arguments) {
  arguments.insert(arguments.begin(), Program("synod"));
  return RunProgram(arguments);
}

class BackupTest : public testing::Test {
 protected:
  void TearDown() override {
    if (HasFailure())
      PrintLogs(cluster_);
  }

  std::string File(const std::string& name) const { return dir_.path() + "/" + name; }
  Answer Put(int node, const std::string& path, const std::string& value, Headers headers = {}) {
    return Http(cluster_.port(node), "PUT", "/v1/kv" + path,
                {.body = value, .headers = std::move(headers)});
  }
  Answer Get(Cluster& cluster, const std::string& target) {
    return Http(cluster.port(1), "GET", target);
  }
  int64_t Lease(Cluster& cluster) {
    return Http(cluster.port(1), "POST", "/v1/leases", {.body = "{\"ttl_ms\":60000}"}).Number("id");
  }
  Answer Acquire(Cluster& cluster, int64_t lease) {
    return Http(cluster.port(1), "POST", "/v1/locks/jobs/acquire",
                {.body = "{\"lease\":" + std::to_string(lease) + ",\"wait_ms\":0}"});
  }
  void Save(const std::string& file) {
    const Finished saved = cluster_.Synod({"snapshot", "save", file});
    ASSERT_EQ(saved.exit_code, 0) << saved.err;
  }

  TempDir dir_;
  Cluster cluster_{3};
};

TEST_F(BackupTest, ASaveUnderLoadHasEverythingAcknowledgedBefore) {
  cluster_.Start();
  std::atomic<bool> stop = false;
  std::atomic<int> acknowledged = 0;
  std::thread writer([&] {
    for (int i = 0; !stop; ++i)
      if (Put(2, "/load/" + std::to_string(i), std::string(2000, 'x')).status == 201)
        acknowledged = i;
  });
  EXPECT_TRUE(Eventually(Milliseconds(20'000), [&] { return acknowledged > 50; }));
  const int before = acknowledged;
  Save(File("b.snap"));
  stop = true;
  writer.join();
  EXPECT_FALSE(fs::exists(File("b.snap.part")));
  const Finished verified = RunSynod({"snapshot", "verify", File("b.snap")});
  EXPECT_EQ(verified.exit_code, 0) << verified.err;

  Cluster restored(3);
  restored.Restore(File("b.snap"));
  restored.Start();
  for (const int i : {0, before / 2, before})
    EXPECT_EQ(Get(restored, "/v1/kv/load/" + std::to_string(i)).status, 200) << i;
}

TEST_F(BackupTest, TheAnswerNamesItsRevisionAndOneIsSentAtATime) {
  cluster_.Start();
  for (int i = 0; i < 24; ++i)
    ASSERT_EQ(Put(1, "/big/" + std::to_string(i), std::string(1'000'000, 'x')).status, 201);
  Connection slow(cluster_.port(1));
  slow.Request("GET", "/v1/snapshot");
  const Answer head = slow.ReadHead();
  ASSERT_EQ(head.status, 200);
  EXPECT_EQ(head.Header("content-type"), "application/octet-stream");
  EXPECT_EQ(head.Header("content-disposition"),
            "attachment; filename=\"synod-" + std::to_string(head.Revision()) + ".snap\"");
  const Answer second = Http(cluster_.port(1), "GET", "/v1/snapshot");
  EXPECT_EQ(second.status, 429);
  EXPECT_EQ(second.Code(), "overloaded");
  // Nobody reads, and the node goes on. What is changed meanwhile is not in the backup.
  EXPECT_EQ(Put(1, "/later", "x").status, 201);
  std::string bytes;
  for (std::string chunk; !(chunk = slow.ReadChunk(Milliseconds(15'000))).empty();) bytes += chunk;
  WriteFile(File("slow.snap"), bytes);
  const Finished verified = RunSynod({"snapshot", "verify", File("slow.snap")});
  EXPECT_EQ(verified.exit_code, 0) << verified.err;
  const Finished info = RunSynod({"-o", "json", "snapshot", "info", File("slow.snap")});
  EXPECT_NE(info.out.find("\"revision\":" + std::to_string(head.Revision()) + ","),
            std::string::npos)
      << info.out;
  EXPECT_NE(info.out.find("\"nodes\":26,"), std::string::npos) << info.out;

  // A client that goes away makes room for the next.
  Connection gone(cluster_.port(1));
  gone.Request("GET", "/v1/snapshot");
  ASSERT_EQ(gone.ReadHead().status, 200);
  gone.Close();
  EXPECT_TRUE(Eventually(Milliseconds(10'000), [&] {
    return Http(cluster_.port(1), "HEAD", "/v1/snapshot").status == 200;
  }));
}

TEST_F(BackupTest, DamagedAndUnwantedFilesAreRefused) {
  cluster_.Start();
  ASSERT_EQ(Put(1, "/a", std::string(3000, 'x')).status, 201);
  Save(File("b.snap"));
  const std::string whole = ReadFile(File("b.snap"));
  EXPECT_EQ(cluster_.Synod({"snapshot", "save", File("b.snap")}).exit_code, 2);
  EXPECT_EQ(ReadFile(File("b.snap")), whole);
  EXPECT_EQ(cluster_.Synod({"snapshot", "save", "--force", File("b.snap")}).exit_code, 0);

  std::string bytes = whole;
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  WriteFile(File("flipped.snap"), bytes);
  WriteFile(File("cut.snap"), whole.substr(0, whole.size() - 1));
  WriteFile(File("long.snap"), whole + "x");
  for (const std::string name : {"flipped.snap", "cut.snap", "long.snap", "none.snap"}) {
    EXPECT_EQ(RunSynod({"snapshot", "verify", File(name)}).exit_code, 1) << name;
    const Finished restored = RunSynod({"snapshot", "restore", File(name), "--data-dir", File("r"),
                                        "--id", "1", "--initial-cluster", "1=127.0.0.1:7302"});
    EXPECT_EQ(restored.exit_code, 1) << name;
    EXPECT_FALSE(fs::exists(File("r"))) << name;
  }
  WriteFile(File("file-in-dir"), "");
  const Finished not_empty =
      RunSynod({"snapshot", "restore", File("b.snap"), "--data-dir", dir_.path(), "--id", "1",
                "--initial-cluster", "1=127.0.0.1:7302"});
  EXPECT_EQ(not_empty.exit_code, 2) << not_empty.err;
}

TEST_F(BackupTest, WhatClientsHoldOfTheOldClusterFailsClosedInTheRestoredOne) {
  cluster_.Start();
  ASSERT_EQ(Put(1, "/doc", "kept").status, 201);
  const int64_t lease = Lease(cluster_);
  ASSERT_EQ(Http(cluster_.port(1), "PUT", "/v1/kv/here?lease=" + std::to_string(lease), {}).status,
            201);
  const int64_t token = Acquire(cluster_, lease).Number("token");
  ASSERT_GT(token, 0);
  Save(File("b.snap"));
  const Answer lost = Put(1, "/doc", "lost");
  ASSERT_EQ(lost.status, 200);
  const int64_t time = std::stoll(lost.Header("synod-time"));

  Cluster restored(3);
  restored.Restore(File("b.snap"));
  restored.Start();
  const uint16_t port = restored.port(2);
  EXPECT_EQ(Http(port, "GET", "/v1/kv/doc").Text("value"), "kept");
  EXPECT_EQ(Http(port, "GET", "/v1/kv/here").status, 404);
  const auto put = [&](const Headers& headers) {
    return Http(port, "PUT", "/v1/kv/doc", {.body = "late", .headers = headers});
  };
  EXPECT_EQ(put({{"If-Match", lost.Header("etag")}}).status, 412);
  EXPECT_EQ(put({{"Synod-Fence", "/jobs=" + std::to_string(token)}}).Code(), "fenced");
  EXPECT_EQ(put({{"Synod-Not-After", std::to_string(time + 15'000)}}).Code(), "request_expired");
  EXPECT_EQ(Http(port, "POST", "/v1/leases/" + std::to_string(lease) + "/keepalive", {}).Code(),
            "lease_not_found");
  EXPECT_EQ(Http(port, "GET", "/v1/watch/doc?from_revision=" + std::to_string(lost.Revision()),
                 {.headers = {{"Accept", "text/event-stream"}}})
                .status,
            410);
  EXPECT_EQ(Http(port, "GET", "/v1/kv/doc?at_revision=" + std::to_string(lost.Revision())).status,
            410);

  const Answer acquired = Acquire(restored, Lease(restored));
  EXPECT_GT(acquired.Number("token"), token + (int64_t{1} << 29));
  const Answer written = put({});
  EXPECT_EQ(written.status, 200);
  EXPECT_GT(written.Revision(), lost.Revision() + (uint64_t{1} << 29));
  // All three hold the same state.
  EXPECT_TRUE(Eventually(Milliseconds(20'000), [&] {
    std::set<std::string> states;
    for (int id = 1; id <= 3; ++id)
      if (const auto status = restored.node(id).Status())
        states.insert(std::string(status->at("digest").as_string()));
    return states.size() == 1;
  }));
}

TEST_F(BackupTest, AForcedNewClusterGoesOnFromOneSurvivor) {
  cluster_.Start();
  for (int i = 0; i < 20; ++i) ASSERT_EQ(Put(1, "/n/" + std::to_string(i), "x").status, 201);
  ASSERT_TRUE(Eventually(Milliseconds(20'000), [&] {
    return Http(cluster_.port(2), "GET", "/v1/kv/n/19?consistency=sequential").status == 200;
  }));
  const uint64_t revision = Get(cluster_, "/v1/kv/n/19").Revision();
  for (int id = 1; id <= 3; ++id) cluster_.node(id).Kill();
  const std::string survivor = cluster_.node(2).data_dir();
  Cluster alone(1);
  const Arguments recover{Program("synodd"), "recover",        "--data-dir",
                          survivor,          "--new-data-dir", alone.node(1).data_dir()};
  const Finished asked = RunProgram(recover);
  EXPECT_EQ(asked.exit_code, 2);
  EXPECT_FALSE(fs::exists(alone.node(1).data_dir()));
  Arguments sure = recover;
  sure.push_back("--force-new-cluster");
  const Finished recovered = RunProgram(sure);
  ASSERT_EQ(recovered.exit_code, 0) << recovered.err;
  EXPECT_NE(recovered.out.find("the only one; was member 2"), std::string::npos) << recovered.out;

  alone.Start();
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(Get(alone, "/v1/kv/n/" + std::to_string(i)).status, 200) << i;
  EXPECT_GT(Http(alone.port(1), "PUT", "/v1/kv/new", {.body = "x"}).Revision(),
            revision + (uint64_t{1} << 29));
  // The survivor's own directory is as it was: of the old cluster.
  const Finished verified = RunSynod({"debug", "verify", survivor});
  EXPECT_EQ(verified.exit_code, 0) << verified.err;
}

TEST_F(BackupTest, TheFilesOfAStoppedNodeAreReadAndNotChanged) {
  cluster_.Start();
  ASSERT_EQ(Put(1, "/a", "x").status, 201);
  Save(File("b.snap"));
  for (int i = 0; i < 10; ++i) ASSERT_EQ(Put(1, "/later/" + std::to_string(i), "x").status, 201);
  Save(File("later.snap"));  // and with it a checkpoint
  const std::string dir = cluster_.node(1).data_dir();
  const Finished running = RunSynod({"debug", "verify", dir});
  EXPECT_EQ(running.exit_code, 1);
  EXPECT_NE(running.err.find("stop it first"), std::string::npos) << running.err;
  ASSERT_EQ(cluster_.node(1).Stop(), 0);

  std::map<std::string, std::string> before;
  const auto files = [&] {
    std::map<std::string, std::string> all;
    for (const auto& entry : fs::recursive_directory_iterator(dir))
      if (entry.is_regular_file())
        all[entry.path()] = ReadFile(entry.path());
    return all;
  };
  before = files();
  const Finished log = RunSynod({"debug", "log", dir});
  EXPECT_EQ(log.exit_code, 0) << log.err;
  EXPECT_NE(log.out.find("put /later/9 1 bytes"), std::string::npos) << log.out;
  const Finished json = RunSynod({"-o", "json", "debug", "log", dir, "--kind", "leader_start"});
  EXPECT_NE(json.out.find("\"kind\":\"leader_start\""), std::string::npos) << json.out;
  const Finished verified = RunSynod({"debug", "verify", dir});
  EXPECT_EQ(verified.exit_code, 0) << verified.err;
  const Finished state = RunSynod({"debug", "state", dir});
  EXPECT_NE(state.out.find("/later/9"), std::string::npos) << state.out;
  const Finished replayed =
      RunSynod({"debug", "replay", "--snapshot", File("b.snap"), "--log", dir});
  EXPECT_EQ(replayed.exit_code, 0) << replayed.err;
  EXPECT_NE(replayed.out.find("has the same digest"), std::string::npos) << replayed.out;
  EXPECT_TRUE(files() == before);
}

}  // namespace
}  // namespace synod::integration
