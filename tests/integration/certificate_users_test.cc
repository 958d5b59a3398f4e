// Users who are known by their certificates, on three nodes with TLS and authentication.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/cluster_test_base.h"
#include "tests/support/certificates.h"

namespace synod::integration {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kRootToken = "root-token-of-the-tests";

class CertificateUsersTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"node", "ann", "stranger"}) ours_.Issue(name);
    theirs_.Issue("ann");
    WriteFile(File("token"), std::string(kRootToken) + "\n");
  }
  void StartNodes(const std::string& more) {
    const std::string pair = "    cert_file: " + ours_.cert_file("node") +
                             "\n    key_file: " + ours_.key_file("node") +
                             "\n    ca_file: " + ours_.ca_file() + "\n";
    WriteFile(File("synod.yaml"), "tls:\n  client:\n" + pair + "  peer:\n" + pair + more);
    Arguments arguments = cluster_.InitialArguments();
    arguments.insert(arguments.end(), {"--config", File("synod.yaml")});
    for (int id = 1; id <= cluster_.size(); ++id) cluster_.node(id).Start(arguments);
  }
  // With an administrator, and a user who is known in /app.
  void Start() {
    StartNodes("auth:\n  bootstrap_token_file: " + File("token") + "\n");
    ASSERT_TRUE(Eventually(Milliseconds(30'000), [&] { return Root({"ls"}).exit_code == 0; }));
    ASSERT_EQ(Root({"auth", "role", "set", "app", "--allow", "read,write,lock:/app"}).exit_code, 0);
    ASSERT_EQ(Root({"auth", "user", "set", "ann", "--role", "app"}).exit_code, 0);
    ASSERT_EQ(Root({"put", "/other/x", "hidden-value"}).exit_code, 0);
  }
  void TearDown() override {
    if (HasFailure())
      PrintLogs(cluster_);
  }

  std::string File(const std::string& name) const { return dir_.path() + "/" + name; }
  std::string Url(int id) const { return "https://127.0.0.1:" + std::to_string(cluster_.port(id)); }
  static Environment Shown(const Certificates& by, const std::string& name) {
    return {{"SYNOD_CERT", by.cert_file(name)}, {"SYNOD_KEY", by.key_file(name)}};
  }
  // The client against one node alone.
  Finished Synod(int id, const Arguments& more, Environment who) {
    Arguments arguments = {Program("synod"), "--endpoints", Url(id)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    who["SYNOD_CACERT"] = ours_.ca_file();
    return RunProgram(arguments, who);
  }
  Finished Root(const Arguments& more) {
    return Synod(1, more, {{"SYNOD_AUTH_TOKEN", kRootToken}});
  }
  Finished Ann(const Arguments& more, int id = 2) { return Synod(id, more, Shown(ours_, "ann")); }

  TempDir dir_;
  Certificates ours_;
  Certificates theirs_{"another authority"};
  Cluster cluster_{3};
};

TEST_F(CertificateUsersTest, AUserIsWhomTheCertificateNamesOnEveryNode) {
  Start();
  for (int id = 1; id <= 3; ++id) {
    const Finished put = Ann({"put", "/app/x", "value"}, id);
    EXPECT_EQ(put.exit_code, 0) << id << put.err;
    EXPECT_EQ(Ann({"get", "/app/x"}, id).out, "value") << id;
    for (const Arguments& outside :
         {Arguments{"put", "/other/x", "v"}, {"get", "/other/x"}, {"auth", "user", "list"}}) {
      const Finished refused = Ann(outside, id);
      EXPECT_THAT(refused.err, HasSubstr("permission_denied")) << id;
      EXPECT_THAT(refused.out + refused.err, Not(HasSubstr("hidden-value"))) << id;
    }
  }
  // What it holds is the user's, however he shows who he is.
  const Finished run = Ann({"lock", "run", "/app/l", "--", "true"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
}

TEST_F(CertificateUsersTest, WhoIsNoUserIsNobody) {
  Start();
  for (int id = 1; id <= 3; ++id) {
    const Finished stranger = Synod(id, {"get", "/app"}, Shown(ours_, "stranger"));
    const Finished none = Synod(id, {"get", "/app"}, {});
    const Finished unknown = Synod(id, {"get", "/app"}, {{"SYNOD_AUTH_TOKEN", "not-a-token"}});
    EXPECT_THAT(stranger.err, HasSubstr("unauthenticated")) << id;
    // Nothing tells one who is not known from another.
    EXPECT_EQ(stranger.err, none.err) << id;
    EXPECT_EQ(stranger.err, unknown.err) << id;
  }
  // The same name, by an authority that is not believed: not even a connection.
  EXPECT_EQ(Synod(1, {"--timeout", "1s", "get", "/app"}, Shown(theirs_, "ann")).exit_code, 6);
}

TEST_F(CertificateUsersTest, ATokenCountsBeforeTheCertificate) {
  Start();
  Environment both = Shown(ours_, "ann");
  both["SYNOD_AUTH_TOKEN"] = kRootToken;
  EXPECT_EQ(Synod(3, {"put", "/other/x", "v"}, both).exit_code, 0);
  both["SYNOD_AUTH_TOKEN"] = "not-a-token";
  EXPECT_THAT(Synod(3, {"put", "/app/x", "v"}, both).err, HasSubstr("unauthenticated"));
}

TEST_F(CertificateUsersTest, AUserWhoIsRemovedSeesAndChangesNothingMore) {
  Start();
  ASSERT_EQ(Ann({"put", "/app/x", "first"}).exit_code, 0);
  const Arguments watch = {"curl",
                           "-sSN",
                           "--max-time",
                           "60",
                           "--cacert",
                           ours_.ca_file(),
                           "--cert",
                           ours_.cert_file("ann"),
                           "--key",
                           ours_.key_file("ann"),
                           Url(3) + "/v1/watch/app?scope=subtree&from_revision=1"};
  Process stream(watch, {.output_file = File("watch"), .error_file = File("errors")});
  ASSERT_TRUE(Eventually(Milliseconds(20'000), [&] {
    return ReadFile(File("watch")).find("first") != std::string::npos;
  }));
  ASSERT_EQ(Root({"auth", "user", "rm", "ann"}).exit_code, 0);
  ASSERT_EQ(Root({"put", "/app/x", "second"}).exit_code, 0);
  EXPECT_EQ(stream.Wait(Milliseconds(20'000)), 0) << ReadFile(File("errors"));
  EXPECT_THAT(ReadFile(File("watch")), HasSubstr("event: denied"));
  EXPECT_THAT(ReadFile(File("watch")), Not(HasSubstr("second")));
  for (int id = 1; id <= 3; ++id)
    EXPECT_THAT(Ann({"put", "/app/x", "third"}, id).err, HasSubstr("unauthenticated")) << id;
  ASSERT_EQ(Root({"auth", "user", "set", "ann", "--role", "app"}).exit_code, 0);
  EXPECT_EQ(Ann({"get", "/app/x"}).out, "second");
}

TEST_F(CertificateUsersTest, WhileAuthenticationIsOffTheNameOwnsNothing) {
  StartNodes("");
  ASSERT_TRUE(Eventually(Milliseconds(30'000), [&] { return Ann({"ls"}).exit_code == 0; }));
  const Finished granted = Ann({"-o", "json", "lease", "grant", "--ttl", "60s"}, 1);
  ASSERT_EQ(granted.exit_code, 0) << granted.err;
  const size_t at = granted.out.find("\"id\":") + 5;
  const std::string id = granted.out.substr(at, granted.out.find_first_of(",}", at) - at);
  const Finished kept = Synod(1, {"lease", "keepalive", id}, Shown(ours_, "stranger"));
  EXPECT_EQ(kept.exit_code, 0) << kept.err;
}

}  // namespace
}  // namespace synod::integration
