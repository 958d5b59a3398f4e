#include "src/storage/leveldb_env.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "src/storage/thread_priority.h"

namespace synod::storage {
namespace {

using leveldb::Slice;

constexpr size_t kBufferBytes = size_t{64} << 10;

leveldb::Status ToLevelDb(const Error& e) {
  return e.code == Errc::kNotFound ? leveldb::Status::NotFound(e.detail)
                                   : leveldb::Status::IOError(e.detail);
}

std::string_view NameOfPath(std::string_view path) {
  return path.substr(path.find_last_of('/') + 1);
}

bool IsWriteAheadLog(std::string_view path) { return path.ends_with(".log"); }
bool IsTable(std::string_view path) { return path.ends_with(".ldb"); }
bool IsManifest(std::string_view path) { return NameOfPath(path).starts_with("MANIFEST"); }

class ReadableFile final : public leveldb::SequentialFile, public leveldb::RandomAccessFile {
 public:
  ReadableFile(LevelDbEnv* env, std::unique_ptr<File> file) : env_(env), file_(std::move(file)) {}

  leveldb::Status Read(size_t n, Slice* result, char* scratch) override {
    leveldb::Status s = Read(position_, n, result, scratch);
    position_ += result->size();
    return s;
  }
  leveldb::Status Skip(uint64_t n) override {
    position_ += n;
    return leveldb::Status::OK();
  }
  leveldb::Status Read(uint64_t offset, size_t n, Slice* result, char* scratch) const override {
    Result<std::string> data = file_->Read(offset, n);
    *result = Slice();
    if (!data)
      return env_->CannotRead(data.error());
    std::memcpy(scratch, data.value().data(), data.value().size());
    *result = Slice(scratch, data.value().size());
    return leveldb::Status::OK();
  }

 private:
  LevelDbEnv* env_;
  std::unique_ptr<File> file_;
  uint64_t position_ = 0;
};

class AppendedFile final : public leveldb::WritableFile {
 public:
  AppendedFile(LevelDbEnv* env, std::string path, std::unique_ptr<File> file, uint64_t size)
      : env_(env), path_(std::move(path)), file_(std::move(file)), size_(size) {}

  // LevelDB destroys a full write-ahead log without syncing it: a later synced write would survive
  // a power cut that this one does not.
  ~AppendedFile() override {
    if (file_)
      (void)Close();
  }

  leveldb::Status Append(const Slice& data) override {
    buffer_.append(data.data(), data.size());
    return buffer_.size() >= kBufferBytes ? Flush() : env_->Latched();
  }
  leveldb::Status Flush() override {
    leveldb::Status s = env_->Latched();
    if (!s.ok() || buffer_.empty())
      return s;
    if (Status ok = file_->Write(size_, buffer_); !ok)
      return env_->Latch(ok.error());
    if (IsTable(path_))  // megabytes of it before the first sync
      file_->StartWriting(size_, buffer_.size());
    size_ += buffer_.size();
    buffer_.clear();
    synced_ = false;
    return s;
  }
  leveldb::Status Sync() override {
    // A MANIFEST names new tables: their directory entries must be durable before it is.
    if (IsManifest(path_)) {
      if (leveldb::Status s = env_->SyncParent(path_); !s.ok())
        return s;
    }
    leveldb::Status s = Flush();
    if (!s.ok() || synced_)
      return s;
    if (Status ok = file_->Sync(); !ok)
      return env_->Latch(ok.error());
    synced_ = true;
    return s;
  }
  leveldb::Status Close() override {
    leveldb::Status s = IsWriteAheadLog(path_) ? Sync() : Flush();
    file_.reset();
    return s;
  }

 private:
  LevelDbEnv* env_;
  std::string path_;
  std::unique_ptr<File> file_;
  uint64_t size_;
  std::string buffer_;
  bool synced_ = true;
};

class HeldLock final : public leveldb::FileLock {
 public:
  explicit HeldLock(std::unique_ptr<File> file) : file_(std::move(file)) {}

 private:
  std::unique_ptr<File> file_;
};

class SilentLogger final : public leveldb::Logger {
 public:
  void Logv(const char*, std::va_list) override {}
};

}  // namespace

LevelDbEnv::LevelDbEnv(FileSystem& fs) : EnvWrapper(leveldb::Env::Default()), fs_(fs) {}

LevelDbEnv::~LevelDbEnv() {
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable())
    thread_.join();
}

std::optional<Error> LevelDbEnv::error() const {
  const std::lock_guard<std::mutex> hold(mutex_);
  return error_;
}

leveldb::Status LevelDbEnv::Latch(const Error& e) {
  const std::lock_guard<std::mutex> hold(mutex_);
  if (!error_)
    error_ = e;
  return leveldb::Status::IOError(error_->detail);
}

leveldb::Status LevelDbEnv::Latched() const {
  const std::lock_guard<std::mutex> hold(mutex_);
  return error_ ? leveldb::Status::IOError(error_->detail) : leveldb::Status::OK();
}

std::optional<Error> LevelDbEnv::read_error() const {
  const std::lock_guard<std::mutex> hold(mutex_);
  return read_error_;
}

void LevelDbEnv::set_reads_must_succeed(bool must) {
  const std::lock_guard<std::mutex> hold(mutex_);
  reads_must_succeed_ = must;
}

leveldb::Status LevelDbEnv::CannotRead(const Error& e) {
  const std::lock_guard<std::mutex> hold(mutex_);
  read_error_ = e;
  // That a file is not there may be what was asked.
  if (reads_must_succeed_ && e.code != Errc::kNotFound && !error_)
    error_ = e;
  return ToLevelDb(e);
}

leveldb::Status LevelDbEnv::SyncParent(const std::string& path) {
  if (Status ok = fs_.SyncDirectory(path.substr(0, path.find_last_of('/'))); !ok)
    return Latch(ok.error());
  return Latched();
}

leveldb::Status LevelDbEnv::NewSequentialFile(const std::string& path,
                                              leveldb::SequentialFile** file) {
  *file = nullptr;
  Result<std::unique_ptr<File>> opened = fs_.Open(path, FileSystem::Mode::kRead);
  if (!opened)
    return CannotRead(opened.error());
  *file = new ReadableFile(this, std::move(opened.value()));
  return leveldb::Status::OK();
}

leveldb::Status LevelDbEnv::NewRandomAccessFile(const std::string& path,
                                                leveldb::RandomAccessFile** file) {
  *file = nullptr;
  Result<std::unique_ptr<File>> opened = fs_.Open(path, FileSystem::Mode::kRead);
  if (!opened)
    return CannotRead(opened.error());
  *file = new ReadableFile(this, std::move(opened.value()));
  return leveldb::Status::OK();
}

leveldb::Status LevelDbEnv::NewWritableFile(const std::string& path, leveldb::WritableFile** file) {
  *file = nullptr;
  if (leveldb::Status s = Latched(); !s.ok())
    return s;
  if (fs_.Exists(path))
    if (Status ok = fs_.Remove(path); !ok)
      return Latch(ok.error());
  Result<std::unique_ptr<File>> opened = fs_.Open(path, FileSystem::Mode::kCreate);
  if (!opened)
    return Latch(opened.error());
  if (IsWriteAheadLog(path))
    if (leveldb::Status s = SyncParent(path); !s.ok())
      return s;
  *file = new AppendedFile(this, path, std::move(opened.value()), 0);
  return leveldb::Status::OK();
}

// For `reuse_logs` alone, which appends after what may be a torn record: never.
leveldb::Status LevelDbEnv::NewAppendableFile(const std::string& path,
                                              leveldb::WritableFile** file) {
  *file = nullptr;
  return leveldb::Status::NotSupported("appending to an old file", path);
}

bool LevelDbEnv::FileExists(const std::string& path) { return fs_.Exists(path); }

leveldb::Status LevelDbEnv::GetChildren(const std::string& dir, std::vector<std::string>* names) {
  names->clear();
  Result<std::vector<std::string>> listed = fs_.List(dir);
  if (!listed)
    return CannotRead(listed.error());
  *names = std::move(listed.value());
  return leveldb::Status::OK();
}

leveldb::Status LevelDbEnv::RemoveFile(const std::string& path) {
  // Also refused once something failed: LevelDB removes files that it believes to be replaced.
  if (leveldb::Status s = Latched(); !s.ok())
    return s;
  if (Status ok = fs_.Remove(path); !ok)
    return ToLevelDb(ok.error());
  return leveldb::Status::OK();
}

leveldb::Status LevelDbEnv::CreateDir(const std::string& dir) {
  if (Status ok = fs_.MakeDirectory(dir); !ok)
    return ToLevelDb(ok.error());
  return leveldb::Status::OK();
}

leveldb::Status LevelDbEnv::RemoveDir(const std::string& dir) {
  return leveldb::Status::NotSupported("removing a directory", dir);
}

leveldb::Status LevelDbEnv::GetFileSize(const std::string& path, uint64_t* size) {
  *size = 0;
  Result<std::unique_ptr<File>> opened = fs_.Open(path, FileSystem::Mode::kRead);
  if (!opened)
    return CannotRead(opened.error());
  Result<uint64_t> got = opened.value()->Size();
  if (!got)
    return CannotRead(got.error());
  *size = got.value();
  return leveldb::Status::OK();
}

leveldb::Status LevelDbEnv::RenameFile(const std::string& from, const std::string& to) {
  if (leveldb::Status s = Latched(); !s.ok())
    return s;
  if (Status ok = fs_.Rename(from, to); !ok)
    return Latch(ok.error());
  // The old MANIFEST is removed right after CURRENT was switched.
  return SyncParent(to);
}

leveldb::Status LevelDbEnv::LockFile(const std::string& path, leveldb::FileLock** lock) {
  *lock = nullptr;
  Result<std::unique_ptr<File>> held = fs_.Lock(path);
  if (!held)
    return CannotRead(held.error());
  *lock = new HeldLock(std::move(held.value()));
  return leveldb::Status::OK();
}

leveldb::Status LevelDbEnv::UnlockFile(leveldb::FileLock* lock) {
  delete lock;
  return leveldb::Status::OK();
}

leveldb::Status LevelDbEnv::NewLogger(const std::string&, leveldb::Logger** logger) {
  *logger = new SilentLogger;
  return leveldb::Status::OK();
}

void LevelDbEnv::Schedule(void (*work)(void*), void* arg) {
  const std::lock_guard<std::mutex> hold(mutex_);
  if (!thread_.joinable())
    thread_ = std::thread([this] { Run(); });
  work_.emplace_back(work, arg);
  changed_.notify_all();
}

void LevelDbEnv::Run() {
  GiveWay();
  std::unique_lock<std::mutex> hold(mutex_);
  while (true) {
    changed_.wait(hold, [this] { return stopping_ || !work_.empty(); });
    if (work_.empty())
      return;
    const auto [work, arg] = work_.front();
    work_.pop_front();
    hold.unlock();
    work(arg);
    hold.lock();
  }
}

}  // namespace synod::storage
