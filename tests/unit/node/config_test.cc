#include "src/node/config.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace synod::node {
namespace {

// A file of this process: tests run side by side.
Status Load(const std::string& text, NodeConfig* config) {
  const std::string path =
      testing::TempDir() + "/synod_config_test_" + std::to_string(getpid()) + ".yaml";
  std::ofstream(path) << text;
  Status loaded = LoadConfigFile(path, config);
  std::filesystem::remove(path);
  return loaded;
}

std::string WhyNot(const std::string& text) {
  NodeConfig config;
  const Status s = Load(text, &config);
  return s ? "accepted" : s.error().detail.substr(s.error().detail.rfind("yaml") + 4);
}

TEST(ConfigTest, ReadsEverySettingOfAFile) {
  NodeConfig config;
  const Status s = Load(
      "data_dir: /d\nid: 2\nclient: 127.0.0.1:7311\npeer: \"[::1]:7312\"\n"
      "initial_cluster: [1=127.0.0.1:7302, 2=127.0.0.1:7312]\n"
      "http:\n  allowed_hosts: [a.example, b.example]\nlog:\n  level: warn\n  format: json\n",
      &config);
  ASSERT_TRUE(s) << s.error().detail;
  EXPECT_EQ(config.data_dir, "/d");
  EXPECT_EQ(config.id, 2U);
  EXPECT_EQ(config.client.port, 7311);
  EXPECT_EQ(config.peer.ToString(), "[::1]:7312");
  EXPECT_EQ(config.initial_cluster.at(2).port, 7312);
  EXPECT_EQ(config.allowed_hosts, (std::vector<std::string>{"a.example", "b.example"}));
  EXPECT_EQ(config.log_level, LogLevel::kWarn);
  EXPECT_EQ(config.log_format, LogFormat::kJson);
}

TEST(ConfigTest, AnEmptyFileSetsNothing) {
  EXPECT_EQ(WhyNot(""), "accepted");
  NodeConfig config;
  EXPECT_TRUE(LoadConfigFile("/dev/null", &config));
}

TEST(ConfigTest, WhatCannotBeReadIsRefused) {
  NodeConfig config;
  for (const std::string& path : {testing::TempDir(), testing::TempDir() + "/no/such.yaml"}) {
    const Status s = LoadConfigFile(path, &config);
    ASSERT_FALSE(s);
    EXPECT_EQ(s.error().detail, path + ": cannot be read");
  }
}

TEST(ConfigTest, NamesLineAndKeyOfWhatIsWrong) {
  EXPECT_EQ(WhyNot("id: 1\nidd: 2\n"), ":2: idd: there is no such setting");
  EXPECT_EQ(WhyNot("id: 1\nid: 2\n"), ":2: id: is set twice");
  EXPECT_EQ(WhyNot("id: x\n"), ":1: id: must be an integer from 1 to 1000000");
  EXPECT_EQ(WhyNot("http:\n  allowed_host: x\n"),
            ":2: http.allowed_host: there is no such setting");
  EXPECT_EQ(WhyNot("heartbeat_ms: 5\n"), ":1: heartbeat_ms: must be an integer from 10 to 10000");
  EXPECT_EQ(WhyNot("insecure_open: yes\n"), ":1: insecure_open: must be true or false");
  EXPECT_EQ(WhyNot("- a\n"), ": must be a map of settings");
}

TEST(ConfigTest, ASettingIsRepeatedInWhateverForm) {
  EXPECT_EQ(WhyNot("http.connections_max: 1\nhttp:\n  connections_max: 2\n"),
            ":3: http.connections_max: is set twice");
}

TEST(ConfigTest, AMapWithinItselfIsNone) {
  EXPECT_EQ(WhyNot("tls: &again\n  client: *again\n"),
            ":2: tls.client.client: there is no such setting");
}

TEST(ConfigTest, WhatIsReplicatedCanBeSeeded) {
  NodeConfig config;
  ASSERT_TRUE(
      Load("data_dir: /d\nquota:\n  bytes: 1048576\nlease:\n  ttl_ms_max: 2000\n", &config));
  ASSERT_TRUE(LoadEnvironment({{"SYNOD_HISTORY_KEEP_MS", "5000"}}, &config));
  auth::Settings expected;
  expected.quota_bytes = 1 << 20;
  expected.lease_ttl_ms_max = 2000;
  expected.history_keep_ms = 5000;
  EXPECT_EQ(config.first_settings, expected);
  EXPECT_TRUE(FinishConfig(&config));
  EXPECT_EQ(WhyNot("quota:\n  bytes: 1\n"),
            ":2: quota.bytes: must be an integer from 65536 to 68719476736");
  ASSERT_TRUE(SetOption(&config, "lease.ttl_ms_min", "3000"));
  EXPECT_EQ(FinishConfig(&config).error().detail,
            "lease.ttl_ms_min must not be above lease.ttl_ms_max");
}

TEST(ConfigTest, SoCanQuotasByTheirPaths) {
  NodeConfig config;
  ASSERT_TRUE(
      Load("data_dir: /d\nquotas:\n  /b: {nodes_hard: 0}\n  /a:\n    nodes_soft: 8\n    "
           "bytes_hard: 99\n",
           &config));
  ASSERT_EQ(config.first_quotas.size(), 2U);
  EXPECT_EQ(config.first_quotas["/a"],
            (auth::QuotaChange{"/a", {8, std::nullopt, std::nullopt, 99}}));
  EXPECT_TRUE(FinishConfig(&config));
  config.first_quotas["/a"].limits[1] = 7;
  EXPECT_EQ(FinishConfig(&config).error().detail,
            "quota of /a: nodes_soft must not be above nodes_hard");
  EXPECT_EQ(WhyNot("quotas:\n  a: {nodes_hard: 1}\n").substr(0, 14), ":2: quotas.a: ");
  EXPECT_EQ(WhyNot("quotas:\n  /.synod: {nodes_hard: 1}\n"),
            ":2: quotas./.synod: what is in /.synod counts for no quota");
  EXPECT_EQ(WhyNot("quotas:\n  /a: 1\n"), ":2: quotas./a: must be a map of limits");
  EXPECT_EQ(WhyNot("quotas:\n  /a: {nodes: 1}\n"), ":2: quotas./a: nodes: there is no such limit");
  EXPECT_EQ(WhyNot("quotas:\n  /a: {nodes_hard: x}\n"),
            ":2: quotas./a: nodes_hard: must be an integer from 0 to 9007199254740991");
  EXPECT_EQ(WhyNot("quotas:\n  /a: {nodes_hard: 1}\n  /a: {nodes_hard: 2}\n"),
            ":3: quotas./a: is set twice");
  EXPECT_EQ(WhyNot("quotas: 5\n"), ":1: quotas: there is no such setting");
}

TEST(ConfigTest, TheEnvironmentBeatsTheFile) {
  NodeConfig config;
  ASSERT_TRUE(Load("id: 1\nname: a\n", &config));
  ASSERT_TRUE(LoadEnvironment({{"SYNOD_NAME", "b"}, {"SYNOD_HTTP_ALLOWED_HOSTS", "x,y"}}, &config));
  EXPECT_EQ(config.name, "b");
  EXPECT_EQ(config.allowed_hosts.size(), 2U);
  const Status unknown = LoadEnvironment({{"SYNOD_HTTP_RATE_PER_SECONDS", "5"}}, &config);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().detail, "SYNOD_HTTP_RATE_PER_SECONDS: there is no such setting");
  const Status bad = LoadEnvironment({{"SYNOD_ID", "0"}}, &config);
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().detail, "SYNOD_ID: must be an integer from 1 to 1000000");
}

TEST(ConfigTest, WhatOthersHaveInTheEnvironmentIsPassedOver) {
  NodeConfig config;
  for (const char* name :
       {"SYNOD_ENDPOINTS", "SYNOD_TOKEN", "SYNOD_DEV_PORT", "SYNOD_SERVICE_HOST",
        "SYNOD_SERVICE_PORT", "SYNOD_SERVICE_PORT_CLIENT", "SYNOD_PORT", "SYNOD_PORT_7301_TCP",
        "SYNOD_PORT_7301_TCP_ADDR", "SYNOD_HEADLESS_SERVICE_HOST",
        "SYNOD_PEERS_PORT_7302_TCP_PROTO", "SYNODD_X"})
    EXPECT_TRUE(LoadEnvironment({{name, "tcp://10.0.0.1:7301"}}, &config)) << name;
}

TEST(ConfigTest, ListensBeyondLoopbackOnlyWhenTold) {
  NodeConfig config;
  config.data_dir = "d";
  config.client = {"0.0.0.0", 7301};
  EXPECT_FALSE(FinishConfig(&config));
  config.insecure_open = true;
  EXPECT_TRUE(FinishConfig(&config));
}

TEST(ConfigTest, WithAuthenticationClientsMayComeFromAnywhereAndPeersNot) {
  NodeConfig config;
  config.data_dir = "d";
  config.client = {"0.0.0.0", 7301};
  ASSERT_TRUE(SetOption(&config, "auth.required", "true"));
  EXPECT_TRUE(FinishConfig(&config));
  config.peer = {"0.0.0.0", 7302};
  EXPECT_FALSE(FinishConfig(&config));
  config.insecure_open = true;
  EXPECT_TRUE(FinishConfig(&config));
}

TEST(ConfigTest, TlsIsOnForBothPortsOrForNeither) {
  const std::string client = "tls: {client: {cert_file: c, key_file: k}}\n";
  const std::string both =
      "tls: {client: {cert_file: c, key_file: k}, peer: {cert_file: c, key_file: k, ca_file: a}}\n";
  for (const std::string& text :
       {client, std::string("tls: {peer: {cert_file: c, key_file: k, ca_file: a}}\n"),
        std::string("tls: {client: {ca_file: a}}\n"),
        std::string(
            "tls: {client: {cert_file: c, key_file: k}, peer: {cert_file: c, key_file: k}}"),
        both + "tls.client.require_certificate: true\n"}) {
    NodeConfig config;
    config.data_dir = "d";
    ASSERT_TRUE(Load(text, &config)) << text;
    EXPECT_FALSE(FinishConfig(&config)) << text;
  }
  NodeConfig config;
  config.data_dir = "d";
  config.peer = {"0.0.0.0", 7302};
  ASSERT_TRUE(Load(both, &config));
  EXPECT_TRUE(FinishConfig(&config)) << "peers prove who they are";
  EXPECT_EQ(config.advertise_client, "https://127.0.0.1:7301");
  EXPECT_TRUE(config.peer_tls.require_certificate);
}

TEST(ConfigTest, ABootstrapTokenIsReadFromItsFile) {
  const std::string path = testing::TempDir() + "synod-bootstrap-token";
  std::ofstream(path) << "0123456789abcdef\n";
  NodeConfig config;
  config.data_dir = "d";
  ASSERT_TRUE(Load("auth: {bootstrap_token_file: " + path + "}\n", &config));
  ASSERT_TRUE(FinishConfig(&config));
  ASSERT_TRUE(ReadTokenFiles(&config));
  EXPECT_EQ(config.auth_bootstrap, "0123456789abcdef");
  EXPECT_EQ(config.auth_join, config.auth_bootstrap);
  EXPECT_TRUE(config.auth_required);
  std::ofstream(path) << "short\n";
  const Status refused = ReadTokenFiles(&config);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().detail.find("short"), std::string::npos) << "it is a secret";
  EXPECT_FALSE(SetOption(&config, "auth.enabled", "true")) << "no file switches it";
}

TEST(ConfigTest, TheInitialClusterListsTheNodeItself) {
  NodeConfig config;
  config.data_dir = "d";
  config.id = 4;
  config.initial_cluster = {{1, {"a", 1}}};
  EXPECT_FALSE(FinishConfig(&config));
}

TEST(ConfigTest, ANodeFoundsOrJoins) {
  NodeConfig config;
  config.data_dir = "d";
  ASSERT_TRUE(SetOption(&config, "join", "http://127.0.0.1:7301,http://127.0.0.1:7311"));
  EXPECT_EQ(config.join.size(), 2U);
  EXPECT_TRUE(FinishConfig(&config));
  for (const char* bad :
       {"", "http://a", "ftp://a:1", "http://a:0", "http://a:1,x", "http://a:1,https://b:1"})
    EXPECT_FALSE(SetOption(&config, "join", bad)) << bad;
}

TEST(ConfigTest, WithBothListsFoundersFoundAndTheOthersJoin) {
  for (const uint32_t id : {1U, 2U}) {
    NodeConfig config;
    config.data_dir = "d";
    config.id = id;
    config.initial_cluster = {{1, {"a", 1}}};
    config.join = {"http://a:1"};
    ASSERT_TRUE(FinishConfig(&config));
    EXPECT_EQ(config.initial_cluster.empty(), id == 2);
    EXPECT_EQ(config.join.empty(), id == 1);
  }
}

TEST(ConfigTest, AJoinerBecomesAVoterOnlyWhenTold) {
  NodeConfig config;
  EXPECT_FALSE(config.joins_as_voter);
  ASSERT_TRUE(SetOption(&config, "join_as", "voter"));
  EXPECT_TRUE(config.joins_as_voter);
  ASSERT_TRUE(SetOption(&config, "join_as", "learner"));
  EXPECT_FALSE(config.joins_as_voter);
  EXPECT_FALSE(SetOption(&config, "join_as", "leader"));
}

}  // namespace
}  // namespace synod::node
