// The file system of the machine, by positional reads and writes. No mmap: a bad sector must be an
// error that is returned, not a SIGBUS.
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "src/storage/file_system.h"

namespace synod::storage {
namespace {

Error ErrnoError(const std::string& what, const std::string& path, int code) {
  Error e;
  if (code == ENOENT)
    e.code = Errc::kNotFound;
  else if (code == ENOSPC || code == EDQUOT)
    e.code = Errc::kStorageFull;
  else
    e.code = Errc::kInternal;
  e.detail = what + " " + path + ": " + std::generic_category().message(code);
  return e;
}

std::string ParentDirectory(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos)
    return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

class PosixFile final : public File {
 public:
  PosixFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~PosixFile() override { ::close(fd_); }
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;

  Result<std::string> Read(uint64_t offset, size_t n) override {
    std::string data(n, '\0');
    size_t got = 0;
    while (got < n) {
      const ssize_t r = ::pread(fd_, data.data() + got, n - got, static_cast<off_t>(offset + got));
      if (r < 0) {
        if (errno == EINTR)
          continue;
        return ErrnoError("cannot read", path_, errno);
      }
      if (r == 0)
        break;
      got += static_cast<size_t>(r);
    }
    data.resize(got);
    return data;
  }

  Status Write(uint64_t offset, std::string_view data) override {
    while (!data.empty()) {
      const ssize_t w = ::pwrite(fd_, data.data(), data.size(), static_cast<off_t>(offset));
      if (w < 0) {
        if (errno == EINTR)
          continue;
        return ErrnoError("cannot write", path_, errno);
      }
      offset += static_cast<uint64_t>(w);
      data.remove_prefix(static_cast<size_t>(w));
    }
    return Done();
  }

  Status Sync() override {
    // Never repeated after a failure: Linux marks the pages clean and reports the error once.
    if (::fdatasync(fd_) != 0)
      return ErrnoError("cannot sync", path_, errno);
    return Done();
  }

  // It does not wait, and so takes no error of the device away from the next Sync.
  void StartWriting(uint64_t offset, uint64_t n) override {
    (void)::sync_file_range(fd_, static_cast<off_t>(offset), static_cast<off_t>(n),
                            SYNC_FILE_RANGE_WRITE);
  }

  Result<uint64_t> Size() override {
    struct stat s {};
    if (::fstat(fd_, &s) != 0)
      return ErrnoError("cannot stat", path_, errno);
    return static_cast<uint64_t>(s.st_size);
  }

 private:
  int fd_;
  std::string path_;
};

class RealFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> Open(const std::string& path, Mode mode) override {
    int flags = O_CLOEXEC;
    if (mode == Mode::kRead)
      flags |= O_RDONLY;
    else if (mode == Mode::kReadWrite)
      flags |= O_RDWR;
    else
      flags |= O_RDWR | O_CREAT | O_EXCL;
    const int fd = ::open(path.c_str(), flags, 0600);
    if (fd < 0)
      return ErrnoError(mode == Mode::kCreate ? "cannot create" : "cannot open", path, errno);
    return std::unique_ptr<File>(std::make_unique<PosixFile>(fd, path));
  }

  Result<std::vector<std::string>> List(const std::string& dir) override {
    DIR* d = ::opendir(dir.c_str());
    if (d == nullptr)
      return ErrnoError("cannot list", dir, errno);
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(d)) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..")
        names.push_back(name);
    }
    const int code = errno;
    ::closedir(d);
    if (code != 0)
      return ErrnoError("cannot list", dir, code);
    std::sort(names.begin(), names.end());
    return names;
  }

  bool Exists(const std::string& path) override { return ::access(path.c_str(), F_OK) == 0; }

  Status MakeDirectory(const std::string& dir) override {
    if (dir.empty() || Exists(dir))
      return Done();
    const std::string parent = ParentDirectory(dir);
    if (Status made = MakeDirectory(parent); !made)
      return made;
    if (::mkdir(dir.c_str(), 0700) != 0 && errno != EEXIST)
      return ErrnoError("cannot make directory", dir, errno);
    return SyncDirectory(parent);
  }

  Status Rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0)
      return ErrnoError("cannot rename", from + " to " + to, errno);
    return Done();
  }

  Status Remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0)
      return ErrnoError("cannot remove", path, errno);
    return Done();
  }

  Status RemoveDirectory(const std::string& dir) override {
    if (::rmdir(dir.c_str()) != 0)
      return ErrnoError("cannot remove directory", dir, errno);
    return Done();
  }

  Status SyncDirectory(const std::string& dir) override {
    const int fd = ::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
      return ErrnoError("cannot open directory", dir, errno);
    const int code = ::fsync(fd) != 0 ? errno : 0;
    ::close(fd);
    if (code != 0)
      return ErrnoError("cannot sync directory", dir, code);
    return Done();
  }

  Result<std::unique_ptr<File>> Lock(const std::string& path) override {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
      return ErrnoError("cannot open", path, errno);
    auto file = std::make_unique<PosixFile>(fd, path);
    // flock belongs to this open file: it ends with the File, also when the process is killed, and
    // another open of the same path in this process does not release it (fcntl locks would).
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK)
        return Error{Errc::kNotReady, Outcome::kNotApplied, path + " is locked by another process"};
      return ErrnoError("cannot lock", path, errno);
    }
    return std::unique_ptr<File>(std::move(file));
  }

  Result<uint64_t> FreeBytes(const std::string& dir) override {
    struct statvfs s {};
    if (::statvfs(dir.c_str(), &s) != 0)
      return ErrnoError("cannot stat file system of", dir, errno);
    return static_cast<uint64_t>(s.f_bavail) * s.f_frsize;
  }

  Result<uint64_t> TotalBytes(const std::string& dir) override {
    struct statvfs s {};
    if (::statvfs(dir.c_str(), &s) != 0)
      return ErrnoError("cannot stat file system of", dir, errno);
    return static_cast<uint64_t>(s.f_blocks) * s.f_frsize;
  }
};

}  // namespace

Status RemoveTree(FileSystem& fs, const std::string& dir) {
  if (!fs.Exists(dir))
    return Done();
  Result<std::vector<std::string>> names = fs.List(dir);
  if (!names)
    return names.error();
  for (const std::string& name : names.value())
    if (Status ok = fs.Remove(dir + "/" + name); !ok)
      return ok;
  return fs.RemoveDirectory(dir);
}

FileSystem& PosixFileSystem() {
  static RealFileSystem fs;
  return fs;
}

}  // namespace synod::storage
