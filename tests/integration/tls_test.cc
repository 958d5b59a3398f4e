// A cluster under TLS, seen by curl and by the command line client.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/integration/cluster.h"
#include "tests/support/certificates.h"

namespace synod::integration {
namespace {

using testing::HasSubstr;

class TlsTest : public testing::Test {
 protected:
  TlsTest() {
    ours_.Issue("node");
    ours_.Issue("guest");
    theirs_.Issue("guest");
  }

  std::string ConfigFile(const std::string& more = {}) {
    const std::string path = dir_.path() + "/synod.yaml";
    WriteFile(path, "tls:\n  client:\n    cert_file: " + ours_.cert_file("node") +
                        "\n    key_file: " + ours_.key_file("node") + more +
                        "\n  peer:\n    cert_file: " + ours_.cert_file("node") +
                        "\n    key_file: " + ours_.key_file("node") +
                        "\n    ca_file: " + ours_.ca_file() + "\n");
    return path;
  }
  void Start(const std::string& more = {}) {
    Arguments arguments = cluster_.InitialArguments();
    arguments.insert(arguments.end(), {"--config", ConfigFile(more)});
    for (int id = 1; id <= cluster_.size(); ++id) cluster_.node(id).Start(arguments);
  }
  std::string Url(int id) { return "https://127.0.0.1:" + std::to_string(cluster_.port(id)); }
  std::string Urls() { return Url(1) + "," + Url(2) + "," + Url(3); }
  Finished Curl(const Arguments& more) {
    Arguments arguments = {"curl", "-sS", "--fail-with-body", "--max-time", "5"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunProgram(arguments);
  }
  Finished Synod(const Arguments& more, const Environment& environment = {}) {
    Arguments arguments = {Program("synod"), "--endpoints", Urls(), "--timeout", "20s"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    Environment all = {{"SYNOD_CACERT", ours_.ca_file()}};
    for (const auto& [name, value] : environment) all[name] = value;
    return RunProgram(arguments, all);
  }

  TempDir dir_;
  Certificates ours_;
  Certificates theirs_{"another authority"};
  Cluster cluster_{3};
};

TEST_F(TlsTest, AClusterServesFailsOverAndGrows) {
  Start();
  EXPECT_EQ(Synod({"put", "/a", "one"}).exit_code, 0);
  const Finished curl = Curl({"--cacert", ours_.ca_file(), Url(2) + "/v1/kv/a"});
  EXPECT_EQ(curl.exit_code, 0) << curl.err;
  EXPECT_THAT(curl.out, HasSubstr(R"("value":"one")"));

  cluster_.node(1).Kill();
  const Finished put = Synod({"put", "/a", "two"});
  EXPECT_EQ(put.exit_code, 0) << put.err;
  cluster_.node(1).StartAgain();

  Node& fourth = cluster_.Add();
  fourth.Start({"--join", Url(2), "--name", "fourth", "--config",
                ConfigFile("\n    ca_file: " + ours_.ca_file())});
  const std::string ready = "https://127.0.0.1:" + std::to_string(fourth.port()) + "/readyz";
  EXPECT_TRUE(Eventually(std::chrono::seconds(60), [&] {
    return Curl({"--cacert", ours_.ca_file(), ready}).exit_code == 0;
  })) << fourth.Log();
}

TEST_F(TlsTest, WhatDoesNotBelongIsRefused) {
  Start("\n    ca_file: " + ours_.ca_file() + "\n    require_certificate: true");
  const Environment guest = {{"SYNOD_CERT", ours_.cert_file("guest")},
                             {"SYNOD_KEY", ours_.key_file("guest")}};
  EXPECT_EQ(Synod({"put", "/a", "one"}, guest).exit_code, 0);
  EXPECT_EQ(Curl({"--cacert", ours_.ca_file(), "--cert", ours_.cert_file("guest"), "--key",
                  ours_.key_file("guest"), Url(1) + "/v1/kv/a"})
                .exit_code,
            0);
  // No certificate, another authority's, no TLS, and an authority that did not sign the node's.
  EXPECT_NE(Curl({"--cacert", ours_.ca_file(), Url(1) + "/v1/kv/a"}).exit_code, 0);
  EXPECT_NE(Curl({"--cacert", ours_.ca_file(), "--cert", theirs_.cert_file("guest"), "--key",
                  theirs_.key_file("guest"), Url(1) + "/v1/kv/a"})
                .exit_code,
            0);
  EXPECT_NE(Curl({"http://127.0.0.1:" + std::to_string(cluster_.port(1)) + "/v1/kv/a"}).exit_code,
            0);
  const Finished doubts = RunProgram({Program("synod"), "--endpoints", Urls(), "--cacert",
                                      theirs_.ca_file(), "--timeout", "1s", "get", "/a"},
                                     guest);
  EXPECT_EQ(doubts.exit_code, 6);
  EXPECT_THAT(doubts.err, HasSubstr("the certificate is not trusted: "));
  // Nor is anybody heard on the peer port.
  EXPECT_NE(Curl({"--cacert", ours_.ca_file(),
                  "https://127.0.0.1:" + std::to_string(cluster_.node(1).peer_port())})
                .exit_code,
            0);
  EXPECT_TRUE(Eventually(std::chrono::seconds(10), [&] {
    return cluster_.node(1).Log().find("refused by TLS") != std::string::npos;
  }));
}

TEST_F(TlsTest, NewCertificatesAreTakenUpWithoutARestart) {
  Start();
  EXPECT_EQ(Synod({"put", "/a", "one"}).exit_code, 0);
  ours_.Issue("node", "DNS:localhost,IP:127.0.0.1,DNS:renewed");
  for (int id = 1; id <= 3; ++id)
    EXPECT_TRUE(Eventually(std::chrono::seconds(20), [&] {
      return Curl({"--cacert", ours_.ca_file(), "--resolve",
                   "renewed:" + std::to_string(cluster_.port(id)) + ":127.0.0.1",
                   "https://renewed:" + std::to_string(cluster_.port(id)) + "/livez"})
                 .exit_code == 0;
    })) << id;
  EXPECT_EQ(Synod({"put", "/a", "two"}).exit_code, 0);
}

}  // namespace
}  // namespace synod::integration
