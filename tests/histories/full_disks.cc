#include "tests/histories/full_disks.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <stdexcept>

namespace synod::histories {
namespace {

std::string Ballast(const std::string& dir) { return dir + "/ballast"; }

}  // namespace

FullDisks::~FullDisks() {
  for (const std::string& dir : mounted_) umount2(dir.c_str(), MNT_DETACH);
}

void FullDisks::Mount(const std::string& dir) {
  std::filesystem::create_directories(dir);
  if (mount("tmpfs", dir.c_str(), "tmpfs", 0, "size=400m") != 0)
    throw std::runtime_error("cannot mount a file system on " + dir + ": " + std::strerror(errno));
  mounted_.push_back(dir);
}

void FullDisks::Fill(const std::string& dir, uint64_t leave_bytes) {
  struct statvfs s {};
  if (statvfs(dir.c_str(), &s) != 0)
    throw std::runtime_error("cannot look at " + dir);
  const uint64_t free = uint64_t{s.f_bavail} * s.f_frsize;
  if (free <= leave_bytes)
    return;
  const int fd = open(Ballast(dir).c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
  // If the node took some of it meanwhile there is no ballast this time, and nothing is full.
  posix_fallocate(fd, 0, static_cast<off_t>(free - leave_bytes));
  close(fd);
}

void FullDisks::Empty(const std::string& dir) { std::filesystem::remove(Ballast(dir)); }

}  // namespace synod::histories
