#include "cli/commands.h"

#include <gtest/gtest.h>

namespace synod::cli {
namespace {

TEST(RelativePathTest, LeadsFromTheRootToTheNode) {
  EXPECT_EQ(RelativePath("/", "/a"), "a");
  EXPECT_EQ(RelativePath("/a", "/a/b/c"), "b/c");
}

TEST(RelativePathTest, IsNothingForWhatIsNoPathBelowTheRoot) {
  for (const char* path : {"", "a", "/", "/a", "/ab", "/b/c", "/a//etc", "/a/", "/a/../b",
                           "/a/b/..", "/a/./b", "a/b", "/a/b\n"})
    EXPECT_EQ(RelativePath("/a", path), std::nullopt) << path;
  EXPECT_EQ(RelativePath("/", "//etc/passwd"), std::nullopt);
  EXPECT_EQ(RelativePath("/", "/../etc"), std::nullopt);
}

}  // namespace
}  // namespace synod::cli
