// Runs every tests/golden/*.txt and compares the transcript; `golden_test --update` rewrites them,
// and the diff is reviewed like code.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/golden/scenario.h"

namespace synod::golden {
namespace {

bool update = false;

std::vector<std::string> Files() {
  std::vector<std::string> names;
  for (const auto& file : std::filesystem::directory_iterator(SYNOD_GOLDEN_DIR)) {
    if (file.path().extension() == ".txt" && file.path().filename() != "CMakeLists.txt")
      names.push_back(file.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class GoldenTest : public testing::TestWithParam<std::string> {};

TEST_P(GoldenTest, GivesTheSameTranscript) {
  const std::string path = std::string(SYNOD_GOLDEN_DIR) + "/" + GetParam() + ".txt";
  std::ifstream in(path);
  const std::string expected{std::istreambuf_iterator<char>(in), {}};
  ASSERT_FALSE(expected.empty());
  const std::string actual = Scenario().Run(expected);
  EXPECT_EQ(actual.find("error:"), std::string::npos) << actual;
  EXPECT_EQ(actual.find("FAULT"), std::string::npos) << actual;
  if (update)
    std::ofstream(path) << actual;
  else
    EXPECT_EQ(actual, expected) << "review, then accept with: golden_test --update";
}

INSTANTIATE_TEST_SUITE_P(Files, GoldenTest, testing::ValuesIn(Files()), [](const auto& suite) {
  std::string name = suite.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace synod::golden

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  synod::golden::update = argc > 1 && std::string(argv[1]) == "--update";
  return RUN_ALL_TESTS();
}
