// The library as others get it: installed into a prefix of its own, found by CMake, built against.
#include <gtest/gtest.h>

#include "tests/integration/cluster.h"

namespace synod::integration {
namespace {

TEST(PackageTest, AProgramFindsBuildsAndRunsWithTheInstalledLibrary) {
  TempDir dir;
  const std::string prefix = dir.path() + "/prefix";
  const std::string build = ProgramDirectory() + "/..";
  const auto run = [](const Arguments& arguments) {
    const Finished finished = RunProgram(arguments, {}, {}, std::chrono::minutes(4));
    EXPECT_EQ(finished.exit_code, 0) << finished.out << finished.err;
    return finished.exit_code == 0;
  };
  ASSERT_TRUE(run({"cmake", "--install", build, "--component", "client", "--prefix", prefix}));
  // A copy, so that nothing of this repository is beside it.
  ASSERT_TRUE(run({"cp", "-r", "tests/examples", dir.path() + "/examples"}));
  const std::string program = dir.path() + "/build";
  ASSERT_TRUE(run({"cmake", "-S", dir.path() + "/examples", "-B", program,
                   "-DCMAKE_PREFIX_PATH=" + prefix, "-DCMAKE_BUILD_TYPE=Debug"}));
  ASSERT_TRUE(run({"cmake", "--build", program, "--target", "example_lock"}));

  Cluster cluster(1);
  cluster.Start();
  const Finished finished =
      RunProgram({program + "/example_lock"}, {{"SYNOD_ENDPOINTS", cluster.Endpoints()}});
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_EQ(finished.out, "held: yes\nwritten: yes\nreleased: yes, written after that: fenced\n");
}

}  // namespace
}  // namespace synod::integration
