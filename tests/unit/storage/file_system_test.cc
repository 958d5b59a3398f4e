#include "src/storage/file_system.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "src/storage/small_file.h"
#include "tests/support/sim_file_system.h"

namespace synod::storage {
namespace {

using Mode = FileSystem::Mode;

std::string MustRead(FileSystem& fs, const std::string& path) {
  auto file = fs.Open(path, Mode::kRead);
  EXPECT_TRUE(file.has_value());
  return file ? file.value()->Read(0, 1 << 20).value() : "";
}

// The same contract for the real file system and the simulated one.
class FileSystemTest : public testing::TestWithParam<bool> {
 protected:
  FileSystemTest() {
    if (GetParam()) {
      dir_ =
          (std::filesystem::temp_directory_path() / ("synod_fs_test_" + std::to_string(::getpid())))
              .string();
      std::filesystem::remove_all(dir_);
    } else {
      dir_ = "/data";
    }
    EXPECT_TRUE(fs().MakeDirectory(dir_));
  }
  ~FileSystemTest() override {
    if (GetParam())
      std::filesystem::remove_all(dir_);
  }
  FileSystem& fs() { return GetParam() ? PosixFileSystem() : static_cast<FileSystem&>(sim_); }
  std::string Path(const std::string& name) const { return dir_ + "/" + name; }

  SimFileSystem sim_;
  std::string dir_;
};

TEST_P(FileSystemTest, ReadsBackWhatWasWrittenAndStopsAtTheEnd) {
  auto file = fs().Open(Path("a"), Mode::kCreate).value();
  ASSERT_TRUE(file->Write(0, "hello"));
  ASSERT_TRUE(file->Write(8, "x"));
  EXPECT_EQ(file->Read(0, 100).value(), std::string("hello\0\0\0x", 9));
  EXPECT_EQ(file->Read(9, 1).value(), "");
  EXPECT_EQ(file->Size().value(), 9u);
  EXPECT_TRUE(file->Sync());
}

TEST_P(FileSystemTest, AFileIsReplacedWholeWhateverAnEarlierAttemptLeft) {
  EXPECT_EQ(ReadFile(fs(), Path("a"), 100).error().code, Errc::kNotFound);
  ASSERT_TRUE(fs().Open(Path("a.tmp"), Mode::kCreate).value()->Write(0, "half of a longer text"));
  ASSERT_TRUE(ReplaceFile(fs(), Path("a"), "first"));
  EXPECT_EQ(ReadFile(fs(), Path("a"), 100).value(), "first");
  ASSERT_TRUE(ReplaceFile(fs(), Path("a"), "2nd"));
  EXPECT_EQ(ReadFile(fs(), Path("a"), 100).value(), "2nd");
  EXPECT_EQ(ReadFile(fs(), Path("a"), 2).value(), "2n");
  EXPECT_FALSE(fs().Exists(Path("a.tmp")));
}

TEST_P(FileSystemTest, CreateRefusesAnExistingNameAndOpenAMissingOne) {
  EXPECT_EQ(fs().Open(Path("a"), Mode::kRead).error().code, Errc::kNotFound);
  EXPECT_EQ(fs().Open(Path("a"), Mode::kReadWrite).error().code, Errc::kNotFound);
  ASSERT_TRUE(fs().Open(Path("a"), Mode::kCreate));
  EXPECT_FALSE(fs().Open(Path("a"), Mode::kCreate));
}

TEST_P(FileSystemTest, RenameReplacesAndListIsSorted) {
  ASSERT_TRUE(fs().Open(Path("b"), Mode::kCreate).value()->Write(0, "new"));
  ASSERT_TRUE(fs().Open(Path("a"), Mode::kCreate).value()->Write(0, "old"));
  ASSERT_TRUE(fs().MakeDirectory(Path("c/d")));
  EXPECT_EQ(fs().List(dir_).value(), (std::vector<std::string>{"a", "b", "c"}));
  ASSERT_TRUE(fs().Rename(Path("b"), Path("a")));
  EXPECT_EQ(fs().List(dir_).value(), (std::vector<std::string>{"a", "c"}));
  EXPECT_EQ(MustRead(fs(), Path("a")), "new");
  ASSERT_TRUE(fs().Remove(Path("a")));
  EXPECT_EQ(fs().Remove(Path("a")).error().code, Errc::kNotFound);
  EXPECT_TRUE(fs().Exists(Path("c")));
  EXPECT_FALSE(fs().Exists(Path("a")));
  EXPECT_TRUE(fs().SyncDirectory(dir_));
}

TEST_P(FileSystemTest, LockIsExclusiveUntilItsFileIsGone) {
  auto held = fs().Lock(Path("lock"));
  ASSERT_TRUE(held);
  EXPECT_EQ(fs().Lock(Path("lock")).error().code, Errc::kNotReady);
  held.value().reset();
  EXPECT_TRUE(fs().Lock(Path("lock")));
}

INSTANTIATE_TEST_SUITE_P(Both, FileSystemTest, testing::Bool(), [](const auto& mode) {
  return mode.param ? std::string("Posix") : std::string("Sim");
});

class SimCrashTest : public testing::Test {
 protected:
  SimCrashTest() { EXPECT_TRUE(fs_.MakeDirectory("/d")); }
  std::unique_ptr<File> Create(const std::string& name) {
    return fs_.Open("/d/" + name, Mode::kCreate).value();
  }
  SimFileSystem fs_;
  Random random_{1};
};

TEST_F(SimCrashTest, LosesWhatWasNotSynced) {
  auto file = Create("a");
  ASSERT_TRUE(file->Write(0, "one"));
  ASSERT_TRUE(file->Sync());
  ASSERT_TRUE(fs_.SyncDirectory("/d"));
  ASSERT_TRUE(file->Write(0, "two"));
  fs_.Crash(random_, SimFileSystem::Unsynced::kLoseAll);
  EXPECT_EQ(fs_.Content("/d/a"), "one");
  EXPECT_FALSE(file->Write(0, "x")) << "a file of before the crash must be dead";
}

TEST_F(SimCrashTest, LosesANameWhoseDirectoryWasNotSynced) {
  auto file = Create("a");
  ASSERT_TRUE(file->Write(0, "one"));
  ASSERT_TRUE(file->Sync());
  fs_.Crash(random_, SimFileSystem::Unsynced::kLoseAll);
  EXPECT_FALSE(fs_.Exists("/d/a"));
}

TEST_F(SimCrashTest, BringsBackRemovedAndRenamedNamesThatWereNotSynced) {
  ASSERT_TRUE(Create("a")->Write(0, "a"));
  ASSERT_TRUE(Create("b")->Write(0, "b"));
  ASSERT_TRUE(fs_.SyncDirectory("/d"));
  ASSERT_TRUE(fs_.Remove("/d/a"));
  ASSERT_TRUE(fs_.Rename("/d/b", "/d/c"));
  fs_.Crash(random_, SimFileSystem::Unsynced::kLoseAll);
  EXPECT_EQ(fs_.List("/d").value(), (std::vector<std::string>{"a", "b"}));
}

TEST_F(SimCrashTest, KeepsSomePagesAndTearsOthers) {
  bool lost = false;
  bool kept = false;
  bool torn = false;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SimFileSystem fs;
    ASSERT_TRUE(fs.MakeDirectory("/d"));
    auto file = fs.Open("/d/a", Mode::kCreate).value();
    ASSERT_TRUE(file->Write(0, std::string(8192, 'o')));
    ASSERT_TRUE(file->Sync());
    ASSERT_TRUE(fs.SyncDirectory("/d"));
    ASSERT_TRUE(file->Write(0, std::string(8192, 'n')));
    Random random(seed);
    fs.Crash(random);
    const std::string page = fs.Content("/d/a").substr(0, 4096);
    lost |= page == std::string(4096, 'o');
    kept |= page == std::string(4096, 'n');
    torn |= page.find('o') != std::string::npos && page.find('n') != std::string::npos;
    EXPECT_EQ(fs.Content("/d/a").size(), 8192u);
  }
  EXPECT_TRUE(lost);
  EXPECT_TRUE(kept);
  EXPECT_TRUE(torn);
}

TEST_F(SimCrashTest, PagesOfAFailedSyncAreNotSavedByTheNextOne) {
  auto file = Create("a");
  ASSERT_TRUE(fs_.SyncDirectory("/d"));
  ASSERT_TRUE(file->Write(0, "one"));
  fs_.FailNth(SimFileSystem::Op::kSync, 1);
  EXPECT_FALSE(file->Sync());
  EXPECT_TRUE(file->Sync());
  EXPECT_EQ(fs_.Content("/d/a"), "one");
  fs_.Crash(random_, SimFileSystem::Unsynced::kLoseAll);
  EXPECT_EQ(fs_.Content("/d/a"), "");
}

TEST_F(SimCrashTest, AFullDiskTakesWhatFitsAndSaysSo) {
  auto file = Create("a");
  fs_.SetByteBudget(4);
  EXPECT_EQ(file->Write(0, "123456").error().code, Errc::kStorageFull);
  EXPECT_EQ(fs_.Content("/d/a"), "1234");
  EXPECT_TRUE(file->Write(0, "abcd")) << "overwriting needs no space";
  EXPECT_EQ(fs_.FreeBytes("/d").value(), 0u);
}

TEST_F(SimCrashTest, AnOldImageTakesTheDisksPlace) {
  ASSERT_TRUE(fs_.MakeDirectory("/d"));
  fs_.SetContent("/d/a", "old");
  const SimFileSystem::Image image = fs_.DurableImage();
  auto open = fs_.Open("/d/a", FileSystem::Mode::kReadWrite).value();
  ASSERT_TRUE(open->Write(0, "new"));
  ASSERT_TRUE(open->Sync());
  fs_.SetContent("/d/b", "later");
  fs_.SetImage(image);
  EXPECT_EQ(fs_.Content("/d/a"), "old");
  EXPECT_FALSE(fs_.Exists("/d/b"));
  EXPECT_FALSE(open->Write(0, "x"));
  fs_.Lose("/d/a");
  EXPECT_FALSE(fs_.Exists("/d/a"));
}

TEST_F(SimCrashTest, NothingWorksBetweenThePowerCutAndTheCrash) {
  auto file = Create("a");
  fs_.CutPowerAfter(1);
  EXPECT_TRUE(file->Write(0, "1"));
  EXPECT_FALSE(file->Sync());
  EXPECT_FALSE(file->Read(0, 1));
  EXPECT_FALSE(fs_.SyncDirectory("/d"));
  fs_.Crash(random_, SimFileSystem::Unsynced::kKeepAll);
  EXPECT_EQ(fs_.Content("/d/a"), "1");
}

}  // namespace
}  // namespace synod::storage
