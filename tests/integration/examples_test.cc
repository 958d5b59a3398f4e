// The programs of tests/examples: what they print on a real cluster, and that docs/recipes.md shows
// them as they are.
#include <algorithm>
#include <filesystem>

#include "tests/integration/cluster_test_base.h"

namespace synod::integration {
namespace {

struct Example {
  const char* name;
  const char* printed;
};

const Example kExamples[] = {
    {"barrier", "the sign is given\nall left, 3 were inside\n"},
    {"counter", "visits: 100\n"},
    {"fence_register",
     "first may write: yes\nsecond may write: yes\nfirst may write, late: fenced\n"
     "the second token is the highest: yes\n"},
    {"fenced_storage",
     "first writes: yes\nthe second token is higher: yes\nsecond writes: yes\n"
     "first writes, late: no\nstored: two\n"},
    {"lock", "held: yes\nwritten: yes\nreleased: yes, written after that: fenced\n"},
    {"members",
     "/examples/members/one 10.0.0.1:80\n/examples/members/two 10.0.0.2:80\nmembers: 2\n"
     "/examples/members/one left\nin the cache: 1\n"},
    {"multi_lock", "locks: 2, alice: -5, bob: 5\n"},
    {"read_write", "two readers: yes\na writer beside them: no\na writer alone: yes\n"},
    {"semaphore",
     "licence 1: taken\nlicence 2: taken\nlicence 3: none left\nafter one came back: taken\n"},
    {"work_queue", "first: a\nthen: b\nthen: c\nthen: nothing\n"},
};

class ExamplesTest : public ClusterTest<3> {
 protected:
  static Environment Endpoints() { return {{"SYNOD_ENDPOINTS", cluster().Endpoints()}}; }
  // Events come on a thread of their own: lines of two threads in any order.
  static std::vector<std::string> Lines(const std::string& text) {
    std::vector<std::string> lines;
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = std::min(text.find('\n', begin), text.size());
      lines.push_back(text.substr(begin, end - begin));
      begin = end + 1;
    }
    std::sort(lines.begin(), lines.end());
    return lines;
  }
};

TEST_F(ExamplesTest, EachPrintsWhatThePageSays) {
  for (const Example& example : kExamples) {
    const Finished run = RunProgram({Program(std::string("example_") + example.name)}, Endpoints());
    EXPECT_EQ(run.exit_code, 0) << example.name << run.out << run.err;
    EXPECT_EQ(Lines(run.out), Lines(example.printed)) << example.name;
  }
}

TEST_F(ExamplesTest, WhenTheLeadingJobRunnerDiesTheNextGoesOn) {
  TempDir dir;
  ProcessOptions first{.environment = Endpoints(), .output_file = dir.path() + "/first"};
  ProcessOptions second{.environment = Endpoints(), .output_file = dir.path() + "/second"};
  Process one({Program("example_job_runner"), "100", "one"}, first);
  const auto has = [](const ProcessOptions& options, const std::string& text) {
    return Eventually(std::chrono::seconds(60), [&] {
      return ReadFile(options.output_file).find(text) != std::string::npos;
    });
  };
  ASSERT_TRUE(has(first, "one leads\n"));
  Process two({Program("example_job_runner"), "1", "two"}, second);
  ASSERT_EQ(Http(port(), "POST", "/v1/kv/examples/jobs/item-", {.body = "mow"}).status, 201);
  ASSERT_TRUE(has(first, "job mow is done: 1 in all\n"));
  one.Kill();
  ASSERT_TRUE(has(second, "two leads\n"));
  ASSERT_EQ(Http(port(), "POST", "/v1/kv/examples/jobs/item-", {.body = "rake"}).status, 201);
  ASSERT_TRUE(has(second, "job rake is done: 2 in all\n"));
  EXPECT_EQ(two.Wait(std::chrono::seconds(30)), 0);
}

TEST_F(ExamplesTest, ThePageShowsEveryProgramAsItIs) {
  const std::string page = ReadFile("docs/recipes.md");
  int programs = 0;
  for (const auto& file : std::filesystem::directory_iterator("tests/examples")) {
    if (file.path().extension() != ".cc")
      continue;
    ++programs;
    EXPECT_NE(page.find("```cpp\n" + ReadFile(file.path().string()) + "```\n"), std::string::npos)
        << file.path();
  }
  EXPECT_EQ(programs, 11);
}

}  // namespace
}  // namespace synod::integration
