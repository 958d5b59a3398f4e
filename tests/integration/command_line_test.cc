// The command line client against a real node: what it refuses before anything is sent, and that
// what it sends is what was said.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/integration/cluster_test_base.h"

namespace synod::integration {
namespace {

using testing::HasSubstr;

constexpr int kUsage = 2;

class CommandLineTest : public ClusterTest<1> {
 protected:
  static Finished Synod(const Arguments& arguments) { return cluster().Synod(arguments); }
  static Finished Transact(const std::string& text) {
    return RunProgram({Program("synod"), "txn", "-"}, {{"SYNOD_ENDPOINTS", cluster().Endpoints()}},
                      text);
  }
  static std::string ValueOf(const std::string& path) {
    return Http(port(), "GET", "/v1/kv" + path + "?raw=true").body;
  }
};

TEST_F(CommandLineTest, APathThatDoesNotBeginWithASlashIsRefusedByEveryCommand) {
  Put("/kept", "value");
  const TempDir dir;
  const std::vector<std::vector<std::string>> commands = {{"get"},
                                                          {"put"},
                                                          {"cas", "@", "1", "x"},
                                                          {"create"},
                                                          {"create", "--sequential"},
                                                          {"rm"},
                                                          {"rm", "-r"},
                                                          {"ls"},
                                                          {"ls", "-r"},
                                                          {"tree"},
                                                          {"stat"},
                                                          {"watch", "-n", "1"},
                                                          {"export", "@", dir.path()},
                                                          {"import", dir.path()},
                                                          {"lock", "acquire"},
                                                          {"lock", "release", "@", "1"},
                                                          {"lock", "get"},
                                                          {"lock", "list"},
                                                          {"lock", "run", "@", "--", "true"},
                                                          {"elect", "campaign"},
                                                          {"elect", "resign", "@", "1"},
                                                          {"elect", "proclaim", "@", "1", "x"},
                                                          {"elect", "get"},
                                                          {"elect", "run", "@", "--", "true"},
                                                          {"quota", "set", "--nodes-soft", "5"},
                                                          {"quota", "remove"}};
  for (const std::string path : {"", "kept", "/kept/", "/a/../kept"}) {
    for (Arguments command : commands) {
      const auto place = std::find(command.begin(), command.end(), "@");
      if (place != command.end())
        *place = path;
      else
        command.push_back(path);
      const Finished refused = Synod(command);
      EXPECT_EQ(refused.exit_code, kUsage) << command[0] << " " << command[1] << refused.out;
      EXPECT_THAT(refused.err, HasSubstr("path")) << command[0] << " " << command[1];
    }
  }
  EXPECT_THAT(Synod({"get", "kept"}).err, HasSubstr("a path begins with '/'"));
  EXPECT_EQ(Synod({"auth", "role", "set", "app", "--allow", "read:app"}).exit_code, kUsage);
  EXPECT_EQ(ValueOf("/kept"), "value");
}

TEST_F(CommandLineTest, AnExportStaysInItsDirectory) {
  const TempDir dir;
  const std::string outside = dir.path() + "/outside";
  Put("/exp" + outside + "/pwned", "hello");
  const std::string inside = dir.path() + "/inside";
  EXPECT_EQ(Synod({"export", "exp", inside}).exit_code, kUsage);
  EXPECT_FALSE(std::filesystem::exists(outside));
  ASSERT_EQ(Synod({"export", "/exp", inside}).exit_code, 0);
  EXPECT_EQ(ReadFile(inside + outside + "/pwned"), "hello");
  EXPECT_FALSE(std::filesystem::exists(outside));
}

TEST_F(CommandLineTest, ATransactionIsSentAsItWasWritten) {
  Put("/txn", "kept");
  const std::string absent = R"([{"path":"/txn","target":"exists","op":"==","value":false}])";
  const std::string put = R"("then":[{"put":{"path":"/txn","value":"lost"}}])";
  const Finished twice = Transact(R"({"if":)" + absent + R"(,"if":[],)" + put + "}");
  EXPECT_EQ(twice.exit_code, kUsage) << twice.out;
  EXPECT_THAT(twice.err, HasSubstr("invalid_json"));
  const Finished minus =
      Transact(R"({"if":[{"path":"/none","target":"version","op":"==","value":-0}],)" + put + "}");
  EXPECT_EQ(minus.exit_code, kUsage) << minus.out;
  EXPECT_EQ(ValueOf("/txn"), "kept");
  for (const char* text : {"", "{", "[]"}) EXPECT_EQ(Transact(text).exit_code, kUsage) << text;
  EXPECT_THAT(Transact(R"({"if":)" + absent + "," + put + "}").out,
              HasSubstr(R"("succeeded":false)"));
  EXPECT_THAT(Transact("{" + put + "}").out, HasSubstr(R"("succeeded":true)"));
  EXPECT_EQ(ValueOf("/txn"), "lost");
}

TEST_F(CommandLineTest, AFenceIsWhatTheHoldSaysOrThePathAsItIs) {
  for (const std::string path :
       {"/jobs/b c", "/jobs/\xc3\xa9", "/jobs/a,b", "/jobs/100%", "/jobs/a=1"}) {
    const std::string mine = Program("synod") + " put /fenced x --fence \"$SYNOD_FENCE\"";
    const Finished held = Synod({"lock", "run", path, "--", "sh", "-c", mine});
    EXPECT_EQ(held.exit_code, 0) << path << held.err;
    if (path.find('%') != std::string::npos)
      continue;  // an escape begins there
    const std::string raw =
        Program("synod") + " put --fence \"$SYNOD_PATH=$SYNOD_TOKEN\" /fenced x";
    const Finished plain = Synod({"lock", "run", path, "--", "sh", "-c", raw});
    EXPECT_EQ(plain.exit_code, 0) << path << plain.err;
  }
  const Finished stale = Synod({"put", "/fenced", "x", "--fence", "/jobs/b%20c=1"});
  EXPECT_EQ(stale.exit_code, 4);
  EXPECT_THAT(stale.err, HasSubstr("/jobs/b c"));
  for (const std::string fence : {"", "/a", "/a=", "/a=x", "/a=1x", "a=1", "=1", "/a%=1", "/a%2=1",
                                  "/a%zz=1", "/a%2Fb=1", "/a%00=1", "/a=-1"}) {
    const Finished refused = Synod({"put", "/fenced", "y", "--fence", fence});
    EXPECT_EQ(refused.exit_code, kUsage) << fence;
    EXPECT_THAT(refused.err, HasSubstr("LOCKPATH=TOKEN")) << fence;
  }
  EXPECT_EQ(ValueOf("/fenced"), "x");
}

TEST_F(CommandLineTest, NumbersAreNumbersAndAValueComesFromOnePlace) {
  const TempDir dir;
  WriteFile(dir.path() + "/value", "of the file");
  Put("/numbers", "kept");
  const std::vector<Arguments> commands = {
      {"lock", "acquire", "/n", "--lease", "12abc"},
      {"lock", "acquire", "/n", "--lease", "-1"},
      {"lock", "acquire", "/n", "--lease", ""},
      {"elect", "campaign", "/n", "--lease", "0x10"},
      {"lock", "release", "/n", "1x"},
      {"watch", "/numbers", "-n", "-1", "--from", "1"},
      {"watch", "/numbers", "-n", "0", "--from", "1"},
      {"watch", "/numbers", "-n", "1", "--from", "0"},
      {"watch", "/numbers", "-n", "1", "--from", "-1"},
      {"watch", "/numbers", "-n", "1x", "--from", "1"},
      {"put", "/numbers", "given", "-f", dir.path() + "/value"},
      {"cas", "/numbers", "1", "given", "-f", dir.path() + "/value"},
      {"txn", "{}", "-f", dir.path() + "/value"}};
  for (const Arguments& command : commands) {
    const Finished refused = cluster().Synod(command, Milliseconds(5'000));
    EXPECT_EQ(refused.exit_code, kUsage) << testing::PrintToString(command) << refused.err;
  }
  EXPECT_EQ(ValueOf("/numbers"), "kept");
  EXPECT_EQ(Http(port(), "GET", "/v1/locks/n").status, 404);
  const Answer lease = Http(port(), "POST", "/v1/leases", {.body = R"({"ttl_ms":60000})"});
  const std::string id = std::to_string(lease.Number("id"));
  EXPECT_THAT(Synod({"lock", "acquire", "/n", "--lease", id}).out, HasSubstr(id));
}

// Nobody listens at port 1; the client tries again until its time is over.
TEST_F(CommandLineTest, ATimeoutBelowTheUsualOneHolds) {
  for (const Arguments& command :
       {Arguments{"get", "/a"}, {"rm", "/a"}, {"lock", "acquire", "/a"}}) {
    Arguments all = {Program("synod"), "--endpoints", "127.0.0.1:1", "--timeout", "200ms"};
    all.insert(all.end(), command.begin(), command.end());
    const Finished refused = RunProgram(all, {}, {}, Milliseconds(8'000));
    EXPECT_EQ(refused.exit_code, 6) << testing::PrintToString(command) << refused.err;
  }
}

TEST_F(CommandLineTest, AnElectionTellsSinceWhenItsLeaderLeads) {
  const std::string get = Program("synod") + " elect get /led";
  const Finished led = Synod({"elect", "run", "/led", "--value", "me", "--", "sh", "-c", get});
  EXPECT_THAT(led.out,
              testing::MatchesRegex("ROLE +TOKEN +LEASE +VALUE +SINCE_REVISION +WAITING_MS\n"
                                    "leader +[0-9]+ +[0-9]+ +me +[0-9]+ *\n"));
}

}  // namespace
}  // namespace synod::integration
