// synod top against a real cluster, as a command for scripts and on a terminal.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <boost/json/parse.hpp>
#include <csignal>
#include <optional>
#include <stdexcept>

#include "tests/integration/cluster_test_base.h"

namespace synod::integration {
namespace {

using ::testing::ContainsRegex;
using ::testing::EndsWith;
using ::testing::HasSubstr;

// A program on a terminal of its own, between two looks of a shell at the terminal's settings.
class Terminal {
 public:
  Terminal(const Arguments& arguments, uint16_t columns, uint16_t lines) {
    const winsize size{lines, columns, 0, 0};
    Arguments all = {"/bin/sh", "-c", R"(trap : INT; stty -g; "$@"; echo "exit $?"; stty -g)",
                     "sh"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& argument : all) argv.push_back(argument.data());
    argv.push_back(nullptr);
    pid_ = forkpty(&master_, nullptr, nullptr, &size);
    if (pid_ == 0) {
      execv(argv[0], argv.data());
      _exit(127);
    }
    if (pid_ < 0)
      throw std::runtime_error("no terminal");
  }
  ~Terminal() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    close(master_);  // whoever still runs on it gets a SIGHUP
  }

  void Press(char key) { EXPECT_EQ(write(master_, &key, 1), 1); }
  void Resize(uint16_t columns, uint16_t lines) {
    const winsize size{lines, columns, 0, 0};
    EXPECT_EQ(ioctl(master_, TIOCSWINSZ, &size), 0);  // sends SIGWINCH, too
  }
  // Of what was written since the last Take().
  bool Shows(const std::string& text) {
    return Eventually(Milliseconds(10'000), [&] {
      Read();
      return output_.find(text) != std::string::npos;
    });
  }
  std::string Take() {
    Read();
    return std::exchange(output_, {});
  }
  bool Echoes() const {
    termios settings{};
    EXPECT_EQ(tcgetattr(master_, &settings), 0);
    return (settings.c_lflag & ECHO) != 0;
  }

 private:
  void Read() {
    pollfd ready{master_, POLLIN, 0};
    std::array<char, 4096> bytes{};
    while (poll(&ready, 1, 0) > 0 && (ready.revents & POLLIN) != 0) {
      const ssize_t n = read(master_, bytes.data(), bytes.size());
      if (n <= 0)
        return;
      output_.append(bytes.data(), static_cast<size_t>(n));
    }
  }

  int master_ = -1;
  pid_t pid_ = -1;
  std::string output_;
};

class TopTest : public ClusterTest<3> {
 protected:
  static Arguments Top() {
    return {Program("synod"), "--endpoints", cluster().Endpoints(), "top", "--interval", "200ms"};
  }
};

// It ends by this key, with code 0 and the terminal as it was.
void EndsBy(char key, Terminal* terminal) {
  ASSERT_TRUE(terminal->Shows("3 of 3 nodes answer"));
  EXPECT_FALSE(terminal->Echoes());
  terminal->Press(key);
  ASSERT_TRUE(terminal->Shows("exit 0\r\n"));
  ASSERT_TRUE(Eventually(Milliseconds(10'000), [&] { return terminal->Echoes(); }));
  std::string output = terminal->Take();
  const std::string before = output.substr(0, output.find('\r'));
  EXPECT_THAT(before, ContainsRegex("^[0-9a-f:]+$"));
  ASSERT_TRUE(Eventually(Milliseconds(10'000), [&] {
    output += terminal->Take();
    return output.ends_with("\r\n") && output.find(":", output.find("exit 0")) != output.npos;
  }));
  EXPECT_THAT(output, EndsWith("\x1b[?25h\x1b[?1049lexit 0\r\n" + before + "\r\n"));
  EXPECT_THAT(output, HasSubstr(before + "\r\n\x1b[?1049h\x1b[?25l"));
}

TEST_F(TopTest, OnceTellsScriptsOfEveryMember) {
  cluster().AwaitAllReady();
  Put("/a", "x");
  const Finished run = cluster().Synod({"top", "--once", "-o", "json"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const boost::json::value top = boost::json::parse(run.out);
  EXPECT_EQ(top.at("members").as_array().size(), 3U);
  int leaders = 0;
  for (const boost::json::value& member : top.at("members").as_array()) {
    leaders += member.at("role") == "leader" ? 1 : 0;
    EXPECT_GT(member.at("memory_bytes").to_number<double>(), 1e6);
    EXPECT_GT(member.at("disk_free_bytes").to_number<double>(), 0);
  }
  EXPECT_EQ(leaders, 1);
  EXPECT_GT(top.at("revision").to_number<int>(), 0);
  EXPECT_GT(top.at("quota_bytes").to_number<double>(), 0);
}

TEST_F(TopTest, OnceShowsTheSameToPeople) {
  cluster().AwaitAllReady();
  const Finished run = cluster().Synod({"top", "--once"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("3 of 3 nodes answer"));
  EXPECT_THAT(run.out, ContainsRegex("\n1 +node-1 +(leader|follower)"));
  EXPECT_EQ(run.out.find('\x1b'), std::string::npos);
}

TEST_F(TopTest, ANodeThatIsDownIsShownAsSuch) {
  cluster().AwaitAllReady();
  cluster().node(3).Kill();
  const Finished run = cluster().Synod({"top", "--once"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("2 of 3 nodes answer"));
  EXPECT_THAT(run.out, ContainsRegex("\n3 +node-3 +down"));
  EXPECT_THAT(run.out, HasSubstr("! one more voter down stops the cluster"));
  cluster().node(3).StartAgain();
  cluster().AwaitAllReady();
}

TEST_F(TopTest, ANodeThatHangsKeepsNobodyWaiting) {
  cluster().AwaitAllReady();
  cluster().node(3).Pause();
  const Finished run = cluster().Synod({"top", "--once"}, Milliseconds(10'000));
  cluster().node(3).Resume();
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("2 of 3 nodes answer"));
  cluster().AwaitAllReady();
}

TEST_F(TopTest, WithoutAnyNodeOnceSaysSoByItsExitCode) {
  const Finished run =
      RunProgram({Program("synod"), "--endpoints", "http://127.0.0.1:1", "top", "--once"});
  EXPECT_EQ(run.exit_code, 6);
  EXPECT_THAT(run.out, HasSubstr("! no node answers"));
}

TEST_F(TopTest, QuitsByItsKeyAndLeavesTheTerminalAsItWas) {
  cluster().AwaitAllReady();
  Terminal terminal(Top(), 120, 30);
  EndsBy('q', &terminal);
}

TEST_F(TopTest, AnInterruptLeavesTheTerminalAsItWasToo) {
  cluster().AwaitAllReady();
  Terminal terminal(Top(), 120, 30);
  EndsBy('\x03', &terminal);
}

TEST_F(TopTest, FollowsTheSizeOfTheTerminal) {
  cluster().AwaitAllReady();
  Terminal terminal(Top(), 120, 30);
  ASSERT_TRUE(terminal.Shows("SYNC P99"));
  terminal.Resize(19, 2);
  terminal.Take();
  ASSERT_TRUE(terminal.Shows("synod top  cluster \x1b"));
  terminal.Take();
  ASSERT_TRUE(terminal.Shows("requests "));
  EXPECT_EQ(terminal.Take().find("SYNC"), std::string::npos);
  terminal.Press('q');
  EXPECT_TRUE(terminal.Shows("exit 0"));
}

}  // namespace
}  // namespace synod::integration
