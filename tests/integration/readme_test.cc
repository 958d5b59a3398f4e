// Runs every command block of README.md against a cluster that `./dev up` starts, and compares.
//
// A block is fenced with ```console. A line that begins with "$ " is a command (it goes on in the
// next line after a backslash); the lines below are what it prints, on both streams. In these,
// "..." stands for anything within a line, and a line that is only "..." for any lines. The ports
// are moved, so that a developer's own cluster is left alone.
#include <gtest/gtest.h>

#include <regex>
#include <sstream>

#include "tests/integration/cluster.h"

namespace synod::integration {
namespace {

struct Step {
  int line = 0;
  std::string command;
  std::vector<std::string> expected;
};

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::vector<Step> Steps(const std::string& readme) {
  std::vector<Step> steps;
  bool inside = false;
  bool goes_on = false;
  int number = 0;
  for (const std::string& line : Lines(readme)) {
    ++number;
    if (line.starts_with("```")) {
      inside = line == "```console";
      continue;
    }
    if (!inside)
      continue;
    if (goes_on)
      steps.back().command += "\n" + line;
    else if (line.starts_with("$ "))
      steps.push_back({number, line.substr(2), {}});
    else if (!steps.empty())
      steps.back().expected.push_back(line);
    goes_on = (goes_on || line.starts_with("$ ")) && line.ends_with('\\');
  }
  return steps;
}

bool LineMatches(const std::string& expected, const std::string& actual) {
  std::string pattern;
  for (size_t i = 0; i < expected.size(); ++i) {
    if (expected.compare(i, 3, "...") == 0) {
      pattern += ".*";
      i += 2;
    } else {
      if (std::string("\\^$.|?*+()[]{}").find(expected[i]) != std::string::npos)
        pattern += '\\';
      pattern += expected[i];
    }
  }
  return std::regex_match(actual, std::regex(pattern));
}

bool Matches(const std::vector<std::string>& expected, const std::vector<std::string>& actual) {
  // reach[j]: the first i expected lines can match the first j actual ones.
  std::vector<bool> reach(actual.size() + 1, false);
  reach[0] = true;
  for (const std::string& line : expected) {
    std::vector<bool> next(actual.size() + 1, false);
    if (line == "...") {
      bool any = false;
      for (size_t j = 0; j <= actual.size(); ++j) next[j] = any = any || reach[j];
    } else {
      for (size_t j = 0; j < actual.size(); ++j)
        next[j + 1] = reach[j] && LineMatches(line, actual[j]);
    }
    reach = next;
  }
  return reach[actual.size()];
}

TEST(ReadmeNotationTest, DotsStandForAnything) {
  EXPECT_TRUE(Matches({"a", "b"}, {"a", "b"}));
  EXPECT_FALSE(Matches({"a"}, {"a", "b"}));
  EXPECT_FALSE(Matches({"a", "b"}, {"a"}));
  EXPECT_TRUE(Matches({"{\"v\":...}"}, {"{\"v\":17}"}));
  EXPECT_FALSE(Matches({"{\"v\":...}"}, {"{\"w\":17}"}));
  EXPECT_TRUE(Matches({"..."}, {}));
  EXPECT_TRUE(Matches({"...", "end"}, {"x", "y", "end"}));
  EXPECT_FALSE(Matches({"...", "end"}, {"x", "end", "y"}));
  EXPECT_TRUE(Matches({}, {}));
}

TEST(ReadmeNotationTest, CommandsGoOnAfterABackslash) {
  const std::vector<Step> steps =
      Steps("text\n```console\n$ a \\\n  b\nout\n$ c\n```\n$ not this\n```sh\n$ nor this\n```\n");
  ASSERT_EQ(steps.size(), 2U);
  EXPECT_EQ(steps[0].command, "a \\\n  b");
  EXPECT_EQ(steps[0].expected, std::vector<std::string>{"out"});
  EXPECT_EQ(steps[1].command, "c");
  EXPECT_EQ(steps[1].line, 6);
}

// A cluster of ./dev in a directory of its own; stopped at the end.
class DevCluster {
 public:
  DevCluster() : port_(ReservePorts({0, 1, 10, 11, 20, 21})) {
    environment_ = {{"SYNOD_DEV_BIN", ProgramDirectory()},
                    {"SYNOD_DEV_DATA", dir_.path() + "/cluster"},
                    {"SYNOD_DEV_PORT", std::to_string(port_)}};
  }
  ~DevCluster() { static_cast<void>(Do("./dev down")); }

  // Runs a command with the README's ports moved; gives its output with the ports moved back.
  std::vector<std::string> Do(std::string command) {
    for (const int offset : {0, 10, 20})
      Replace(std::to_string(7301 + offset), std::to_string(port_ + offset), &command);
    // Both streams, as a terminal shows them.
    const Finished run = RunProgram({"bash", "-c", "exec 2>&1\n" + command + "\n"}, environment_,
                                    {}, std::chrono::milliseconds(120'000));
    std::string text = run.out;
    for (const int offset : {0, 10, 20})
      Replace(std::to_string(port_ + offset), std::to_string(7301 + offset), &text);
    return Lines(text);
  }

 private:
  static void Replace(const std::string& from, const std::string& to, std::string* text) {
    *text = std::regex_replace(*text, std::regex("\\b" + from + "\\b"), to);
  }

  TempDir dir_;
  uint16_t port_;
  Environment environment_;
};

TEST(ReadmeTest, EveryCommandPrintsWhatThePageSays) {
  const std::vector<Step> steps = Steps(ReadFile("README.md"));
  ASSERT_GT(steps.size(), 5U);
  DevCluster cluster;
  for (const Step& step : steps) {
    const std::vector<std::string> actual = cluster.Do(step.command);
    std::string shown;
    for (const std::string& line : actual) shown += line + "\n";
    EXPECT_TRUE(Matches(step.expected, actual))
        << "README.md:" << step.line << ": $ " << step.command << "\n--- printed\n"
        << shown;
    if (HasFailure())
      return;  // what follows stands on it
  }
}

TEST(ReadmeTest, StaysShort) { EXPECT_LT(Lines(ReadFile("README.md")).size(), 200U); }

}  // namespace
}  // namespace synod::integration
