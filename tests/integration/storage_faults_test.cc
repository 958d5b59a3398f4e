// Real processes on bad disks: an old copy of a data directory, a full file system.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>

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

constexpr uint64_t kMiB = uint64_t{1} << 20;

// A small file system of its own for each node, and files that fill it.
class FullDiskTest : public testing::Test {
 protected:
  static constexpr const char* kLimits =
      "disk:\n  soft_limit_bytes: 104857600\n  hard_limit_bytes: 52428800\n"
      "  reserve_bytes: 16777216\n";

  ~FullDiskTest() override {
    if (cluster_ && HasFailure())
      PrintLogs(*cluster_);
    const std::vector<std::string> mounts = std::exchange(mounts_, {});
    if (cluster_)
      for (int id = 1; id <= cluster_->size(); ++id)
        if (cluster_->node(id).Running())
          cluster_->node(id).Kill();
    for (const std::string& mount : mounts) ::umount2(mount.c_str(), MNT_DETACH);
  }
  void Start(int size) {
    cluster_ = std::make_unique<Cluster>(size);
    WriteFile(dir_.path() + "/config", kLimits);
    for (int id = 1; id <= size; ++id) {
      const std::string data = cluster_->node(id).data_dir();
      std::filesystem::create_directories(data);
      Mount(data);
      mounts_.push_back(data);
    }
    Arguments arguments = cluster_->InitialArguments();
    arguments.insert(arguments.end(), {"--config", dir_.path() + "/config"});
    for (int id = 1; id <= size; ++id) cluster_->node(id).Start(arguments);
    cluster_->AwaitAllReady();
  }
  // Who may not mount does so in namespaces of the test's own, which need no privilege and which
  // the nodes inherit.
  static void Mount(const std::string& dir) {
    const auto mount = [&] { return ::mount("tmpfs", dir.c_str(), "tmpfs", 0, "size=400m") == 0; };
    if (mount() || (EnterNamespaces() && mount()))
      return;
    throw std::runtime_error(
        "these tests need a file system that they can fill, and nothing can be mounted on " + dir +
        " (" + std::strerror(errno) +
        "): run them as root, or where user namespaces are allowed (user.max_user_namespaces)");
  }
  static bool EnterNamespaces() {
    const std::string uid = std::to_string(::geteuid());
    const std::string gid = std::to_string(::getegid());
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
      return false;
    WriteFile("/proc/self/setgroups", "deny");
    WriteFile("/proc/self/uid_map", uid + " " + uid + " 1");
    WriteFile("/proc/self/gid_map", gid + " " + gid + " 1");
    return true;
  }
  std::string Ballast(int id) { return cluster_->node(id).data_dir() + "/ballast"; }
  static uint64_t Free(const std::string& dir) {
    struct statvfs s {};
    EXPECT_EQ(::statvfs(dir.c_str(), &s), 0);
    return uint64_t{s.f_bavail} * s.f_frsize;
  }
  // Leaves about this much of the node's disk free.
  void Fill(int id, uint64_t leave) {
    const std::string dir = cluster_->node(id).data_dir();
    std::ofstream out(Ballast(id), std::ios::binary | std::ios::app);
    const std::string piece(kMiB, 'b');
    while (Free(dir) >= leave + kMiB && out) {
      out.write(piece.data(), static_cast<std::streamsize>(piece.size()));
      out.flush();
    }
    if (leave == 0) {
      const std::string rest(4096, 'b');
      while (out.write(rest.data(), static_cast<std::streamsize>(rest.size())) && out.flush()) {
      }
    }
  }
  int Put(int id, const std::string& path) {
    const auto answer = TryHttp(cluster_->port(id), "PUT", "/v1/kv" + path, {.body = "x"});
    return answer ? answer->status : 0;
  }
  bool Says(int id, const std::string& metric) {
    const auto answer = TryHttp(cluster_->port(id), "GET", "/metrics", {});
    return answer && answer->body.find("\n" + metric + "\n") != std::string::npos;
  }

  TempDir dir_;
  std::unique_ptr<Cluster> cluster_;
  std::vector<std::string> mounts_;
};

TEST_F(FullDiskTest, BelowTheSoftLimitOnlyGrowthIsRefusedAndItEndsByItself) {
  Start(1);
  ASSERT_EQ(Put(1, "/a"), 201);
  const Answer lease =
      Http(cluster_->port(1), "POST", "/v1/leases", {.body = "{\"ttl_ms\":60000}"});
  ASSERT_EQ(lease.status, 201) << lease.body;
  Fill(1, 80 * kMiB);
  ASSERT_TRUE(Eventually(Milliseconds(10'000), [&] { return Put(1, "/b") == 503; }));
  const Answer refused = Http(cluster_->port(1), "PUT", "/v1/kv/b", {.body = "x"});
  EXPECT_EQ(refused.Text("code"), "storage_full");
  EXPECT_EQ(refused.Text("outcome"), "not_applied");
  EXPECT_TRUE(Says(1, "synod_storage_full 1"));
  EXPECT_TRUE(Says(1, "synod_disk_level 1"));
  EXPECT_EQ(Http(cluster_->port(1), "GET", "/v1/kv/a").status, 200);
  EXPECT_EQ(Http(cluster_->port(1), "DELETE", "/v1/kv/a").status, 200);
  EXPECT_EQ(Http(cluster_->port(1), "POST", "/v1/leases", {.body = "{\"ttl_ms\":60000}"}).status,
            201);
  EXPECT_TRUE(cluster_->node(1).Ready());
  std::filesystem::remove(Ballast(1));
  EXPECT_TRUE(Eventually(Milliseconds(10'000), [&] { return Put(1, "/b") / 100 == 2; }));
}

// etcd#3591, #4220, #5518: a member that cannot be started once the disk is full.
TEST_F(FullDiskTest, ANodeStartsOnAFullDiskByItsReserveAndServesDeletes) {
  Start(1);
  ASSERT_EQ(Put(1, "/a"), 201);
  Node& node = cluster_->node(1);
  ASSERT_EQ(node.Stop(), 0);
  // As a process of a minute's age makes it.
  WriteFile(node.data_dir() + "/reserve", std::string(16 * kMiB, '\0'));
  Fill(1, 0);
  ASSERT_LT(Free(node.data_dir()), kMiB);
  node.StartAgain();
  node.AwaitReady();
  EXPECT_THAT(node.Log(), HasSubstr("the reserve is given up"));
  EXPECT_FALSE(std::filesystem::exists(node.data_dir() + "/reserve"));
  EXPECT_TRUE(Eventually(Milliseconds(10'000), [&] { return Put(1, "/b") == 503; }));
  EXPECT_EQ(Http(node.port(), "DELETE", "/v1/kv/a").status, 200);
  // Again, now without a reserve: what it freed is still there.
  ASSERT_EQ(node.Stop(), 0);
  node.StartAgain();
  node.AwaitReady();
  EXPECT_EQ(Http(node.port(), "GET", "/v1/kv/a").status, 404);
}

TEST_F(FullDiskTest, ALeaderBelowTheHardLimitHandsOverBeforeItsDiskIsFull) {
  Start(3);
  ASSERT_EQ(Put(1, "/a"), 201);
  const int leader = cluster_->Leader();
  Fill(leader, 30 * kMiB);
  ASSERT_TRUE(Eventually(Milliseconds(20'000), [&] {
    return Says(leader, "synod_takes_part 0") && Says(cluster_->Other(leader), "synod_ready 1");
  }));
  EXPECT_NE(cluster_->Leader(), leader);
  EXPECT_TRUE(Says(leader, "synod_disk_level 2"));
  EXPECT_THAT(Http(cluster_->port(leader), "GET", "/readyz").body, HasSubstr("stands aside"));
  // The others have room, so writes go on.
  EXPECT_EQ(Put(cluster_->Other(leader), "/b"), 201);
  std::filesystem::remove(Ballast(leader));
  cluster_->AwaitAllReady();
  EXPECT_EQ(Put(leader, "/c"), 201);
}

}  // namespace
}  // namespace synod::integration
