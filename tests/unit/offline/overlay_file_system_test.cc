#include "src/offline/overlay_file_system.h"

#include <gtest/gtest.h>

#include "tests/support/sim_file_system.h"

namespace synod::offline {
namespace {

using Mode = storage::FileSystem::Mode;

class OverlayFileSystemTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(below_.MakeDirectory("/d").has_value());
    below_.SetContent("/d/a", "abc");
    below_.SetContent("/d/b", "xyz");
  }
  std::string Read(const std::string& path) {
    auto file = overlay_.Open(path, Mode::kRead);
    return file ? (*file)->Read(0, 100).value() : "none";
  }

  storage::SimFileSystem below_;
  OverlayFileSystem overlay_{below_};
};

TEST_F(OverlayFileSystemTest, WritesAreSeenAboveAndNotBelow) {
  auto reader = overlay_.Open("/d/a", Mode::kRead);
  auto writer = overlay_.Open("/d/a", Mode::kReadWrite);
  ASSERT_TRUE((*writer)->Write(1, "BCDE").has_value());
  EXPECT_EQ((*reader)->Read(0, 100).value(), "aBCDE");
  EXPECT_EQ((*reader)->Size().value(), 5U);
  EXPECT_EQ(Read("/d/a"), "aBCDE");
  EXPECT_EQ(below_.Content("/d/a"), "abc");
}

TEST_F(OverlayFileSystemTest, NamesComeAndGoAboveOnly) {
  ASSERT_TRUE(overlay_.Remove("/d/a").has_value());
  ASSERT_TRUE(overlay_.Rename("/d/b", "/d/c").has_value());
  ASSERT_TRUE(overlay_.Open("/d/new", Mode::kCreate).has_value());
  EXPECT_EQ(overlay_.List("/d").value(), (std::vector<std::string>{"c", "new"}));
  EXPECT_FALSE(overlay_.Exists("/d/a"));
  EXPECT_EQ(Read("/d/a"), "none");
  EXPECT_EQ(Read("/d/b"), "none");
  EXPECT_EQ(Read("/d/c"), "xyz");
  EXPECT_TRUE(overlay_.Open("/d/a", Mode::kCreate).has_value());
  EXPECT_TRUE(overlay_.Open("/d/c", Mode::kCreate).has_error());
  EXPECT_TRUE(overlay_.Remove("/d/nothing").has_error());
  EXPECT_EQ(below_.List("/d").value(), (std::vector<std::string>{"a", "b"}));
}

}  // namespace
}  // namespace synod::offline
