// Data directories that must not be used: in use, of another cluster, of a newer format, damaged,
// lost. Each is refused with a message that says what to do; and what a node says to bad settings.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "src/base/crc32c.h"
#include "tests/integration/cluster_test_base.h"

namespace synod::integration {
namespace {

namespace fs = std::filesystem;

// Runs the node in the foreground; it has to end by itself.
Finished RunNode(const Arguments& arguments, const Environment& environment = {}) {
  return RunProgram(arguments, environment, {}, std::chrono::milliseconds(20'000));
}

class DataDirTest : public testing::Test {
 protected:
  void ExpectRefused(const Finished& run, const std::vector<std::string>& words, int code = 1) {
    EXPECT_EQ(run.exit_code, code) << run.err;
    for (const std::string& word : words)
      EXPECT_NE(run.err.find(word), std::string::npos) << "no '" << word << "' in: " << run.err;
  }
  Arguments Again(const Arguments& extra = {}) {
    Arguments arguments = node().BaseArguments();
    arguments.insert(arguments.end(), extra.begin(), extra.end());
    return arguments;
  }
  Node& node() { return cluster_.node(1); }
  // Founds a cluster of one with a value in it, and stops it.
  void FoundAndKill() {
    cluster_.Start();
    ASSERT_EQ(Http(node().port(), "PUT", "/v1/kv/a", {.body = "kept"}).status, 201);
    node().Kill();
  }
  // The fullest segment of the log: the one that was written to.
  std::string Segment() {
    for (const auto& entry : fs::directory_iterator(node().data_dir() + "/log")) {
      if (ReadFile(entry.path()).find("kept") != std::string::npos)
        return entry.path();
    }
    return {};
  }

  Cluster cluster_{1};
};

TEST_F(DataDirTest, ADirectoryInUseIsRefusedAndItsUserGoesOn) {
  cluster_.Start();
  const Finished second = RunNode(Again());
  ExpectRefused(second, {"in use by", std::to_string(node().pid())});
  EXPECT_TRUE(node().Ready());
}

TEST_F(DataDirTest, APortInUseIsNamed) {
  cluster_.Start();
  const TempDir other;
  Arguments arguments = Again();
  const auto dir = std::find(arguments.begin(), arguments.end(), node().data_dir());
  ASSERT_NE(dir, arguments.end());
  *dir = other.path() + "/data";
  ExpectRefused(RunNode(arguments), {"cannot listen", std::to_string(node().port())});
}

// A service manager starts a node again after that, and not after an exit code 3.
TEST_F(DataDirTest, AnIdentityThatCannotBeWrittenIsADiskError) {
  FoundAndKill();
  fs::create_directories(node().data_dir() + "/identity.tmp/in-the-way");
  ExpectRefused(RunNode(Again({"--name", "other"})), {"the identity cannot be written"}, 70);
}

TEST_F(DataDirTest, ANewerFormatIsRefused) {
  FoundAndKill();
  const std::string path = node().data_dir() + "/identity";
  const std::string text = ReadFile(path);
  ASSERT_TRUE(text.starts_with("synod-identity 2\n")) << text;
  // As a later version would write it: another first line, the checksum of all before the last.
  std::string body = "synod-identity 9" + text.substr(text.find('\n'));
  body = body.substr(0, body.rfind("crc32c "));
  char crc[32];
  std::snprintf(crc, sizeof crc, "crc32c %08x\n", Crc32c(body));
  WriteFile(path, body + crc);
  ExpectRefused(RunNode(Again()), {path, "newer version"});
}

TEST_F(DataDirTest, ADamagedIdentityIsRefused) {
  FoundAndKill();
  const std::string path = node().data_dir() + "/identity";
  std::string text = ReadFile(path);
  text[text.size() / 2] = static_cast<char>(text[text.size() / 2] ^ 1);
  WriteFile(path, text);
  ExpectRefused(RunNode(Again()), {path, "damaged"});
}

TEST_F(DataDirTest, ALostIdentityIsNotInventedAnew) {
  FoundAndKill();
  fs::remove(node().data_dir() + "/identity");
  ExpectRefused(RunNode(Again()), {"identity", "missing"});
}

TEST_F(DataDirTest, ALostLogIsRefusedUnlessTheLossIsAccepted) {
  FoundAndKill();
  fs::remove_all(node().data_dir() + "/log");
  ExpectRefused(RunNode(Again()), {"missing", "--accept-data-loss"});
}

TEST_F(DataDirTest, ADamagedLogIsRefusedAndNotRepaired) {
  FoundAndKill();
  // More records behind it: then it cannot be a torn tail.
  node().StartAgain();
  node().AwaitReady();
  for (int i = 0; i < 50; ++i)
    ASSERT_EQ(Http(node().port(), "PUT", "/v1/kv/b", {.body = "x"}).status / 100, 2);
  node().Kill();
  const std::string path = Segment();
  ASSERT_FALSE(path.empty());
  std::string bytes = ReadFile(path);
  bytes[bytes.find("kept")] = 'K';
  WriteFile(path, bytes);
  ExpectRefused(RunNode(Again()), {"damaged", path});
  EXPECT_EQ(ReadFile(path), bytes);
}

TEST_F(DataDirTest, AnotherClustersDirectoryIsRefusedByThePeers) {
  FoundAndKill();
  Cluster other(3);
  // The third member comes with the data of the cluster of one.
  for (int id = 1; id <= 2; ++id) other.node(id).Start(other.InitialArguments());
  other.node(1).AwaitReady();
  fs::copy(node().data_dir(), other.node(3).data_dir(), fs::copy_options::recursive);
  other.node(3).Start(other.InitialArguments());
  // It says that it is another member of another cluster, and takes no part in this one.
  ASSERT_TRUE(Eventually(Milliseconds(10'000), [&] {
    return other.node(3).Log().find("belongs to another") != std::string::npos;
  })) << other.node(3).Log();
  // The two others work together: what one of them has, the other gets.
  EXPECT_TRUE(Eventually(Milliseconds(10'000), [&] {
    return other.node(1).Status()->at("applied_slot") == other.node(2).Status()->at("applied_slot");
  }));
  const auto three = other.node(3).Status();
  if (three) {
    EXPECT_NE(three->at("cluster_id"), other.node(1).Status()->at("cluster_id"));
  }
}

TEST_F(DataDirTest, AMemberThatLostItsDiskDoesNotComeBackUnderItsNumber) {
  Cluster cluster(3);
  cluster.Start();
  ASSERT_EQ(Http(cluster.port(1), "PUT", "/v1/kv/a", {.body = "x"}).status, 201);
  const int victim = cluster.Other(cluster.Leader());
  cluster.node(victim).Kill();
  fs::remove_all(cluster.node(victim).data_dir());
  cluster.node(victim).StartAgain();
  const std::optional<int> code = cluster.node(victim).AwaitExit(Milliseconds(20'000));
  ASSERT_TRUE(code.has_value()) << cluster.node(victim).Log();
  EXPECT_EQ(*code, 3);
  EXPECT_NE(cluster.node(victim).Log().find("disk was lost"), std::string::npos)
      << cluster.node(victim).Log();
}

TEST(SettingsTest, WhatIsWrongIsNamedWithItsPlace) {
  const TempDir dir;
  const std::string file = dir.path() + "/synod.yaml";
  struct Case {
    std::string yaml;
    std::string word;
  };
  const Case cases[] = {
      {"data_dri: /x\n", ":1: data_dri"},
      {"data_dir: /x\nid: 1\nid: 2\n", ":3: id"},
      {"data_dir: /x\nid: one\n", ":2: id"},
      {"data_dir: /x\nhttp:\n  allowed_host: [a]\n", ":3: http.allowed_host"},
      {"data_dir: [\n", "synod.yaml:"},
      {"data_dir: /x\nclient: 0.0.0.0:7301\n", "insecure_open"},
  };
  for (const Case& c : cases) {
    WriteFile(file, c.yaml);
    const Finished run = RunNode({Program("synodd"), "--config", file, "--check-config"});
    EXPECT_EQ(run.exit_code, 2) << c.yaml;
    EXPECT_NE(run.err.find(c.word), std::string::npos) << run.err;
  }
}

TEST(SettingsTest, LaterSourcesWinInTheOrderFileEnvironmentFlags) {
  const TempDir dir;
  const std::string file = dir.path() + "/synod.yaml";
  WriteFile(file, "data_dir: " + dir.path() + "/data\nid: one\n");
  // The environment's value is looked at after the file's, which was bad already.
  EXPECT_EQ(RunNode({Program("synodd"), "--config", file, "--check-config"}).exit_code, 2);
  WriteFile(file, "data_dir: " + dir.path() + "/data\nclient: 0.0.0.0:7301\n");
  const Arguments check = {Program("synodd"), "--config", file, "--check-config"};
  EXPECT_EQ(RunNode(check, {{"SYNOD_CLIENT", "127.0.0.1:7301"}}).exit_code, 0);
  Arguments with_flag = check;
  with_flag.insert(with_flag.end(), {"--client", "0.0.0.0:7301"});
  EXPECT_EQ(RunNode(with_flag, {{"SYNOD_CLIENT", "127.0.0.1:7301"}}).exit_code, 2);
  EXPECT_EQ(RunNode(check, {{"SYNOD_INSECURE_OPEN", "true"}}).exit_code, 0);
}

TEST(SettingsTest, UnknownFlagsAreBadUsage) {
  EXPECT_EQ(RunNode({Program("synodd"), "--data-dri", "/x"}).exit_code, 2);
  EXPECT_EQ(RunNode({Program("synodd")}).exit_code, 2);
  const Finished help = RunNode({Program("synodd"), "--help"});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_NE(help.out.find("--initial-cluster"), std::string::npos);
}

}  // namespace
}  // namespace synod::integration
