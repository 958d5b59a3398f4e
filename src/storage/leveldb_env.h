// LevelDbEnv: LevelDB's view of a FileSystem, without the traps of its own POSIX environment.
//
// Contract      What LevelDB leaves to luck is done here: a write-ahead log (*.log) is synced
//               before it is closed, the directory is synced when one is created, when a MANIFEST
//               is synced and after every rename, files are read by pread and never mapped. The
//               first failure on a file that holds data is latched: from then on every write fails,
//               since LevelDB would go on after a failed append and acknowledge what nobody can
//               read back. A failed read is remembered, and latched while reads must succeed.
// Thread        Any. Compactions run on a thread of this object's own: Env::Default() has one for
//               all databases of a process.
// Source        docs/decisions/0002-acceptor-log.md names the faults and how they were seen.
#ifndef SYNOD_STORAGE_LEVELDB_ENV_H_
#define SYNOD_STORAGE_LEVELDB_ENV_H_

#include <leveldb/env.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "src/storage/file_system.h"

namespace synod::storage {

class LevelDbEnv final : public leveldb::EnvWrapper {
 public:
  explicit LevelDbEnv(FileSystem& fs);
  ~LevelDbEnv() override;  // after the database

  // The first failure, for ever.
  std::optional<Error> error() const;
  // The last failure to read or lock, to name the cause of what LevelDB says of it.
  std::optional<Error> read_error() const;
  void set_reads_must_succeed(bool must);
  // For the files of this env: remembers a failure, and gives back the first one.
  leveldb::Status Latch(const Error& e);
  leveldb::Status Latched() const;
  leveldb::Status CannotRead(const Error& e);
  leveldb::Status SyncParent(const std::string& path);

  leveldb::Status NewSequentialFile(const std::string& path,
                                    leveldb::SequentialFile** file) override;
  leveldb::Status NewRandomAccessFile(const std::string& path,
                                      leveldb::RandomAccessFile** file) override;
  leveldb::Status NewWritableFile(const std::string& path, leveldb::WritableFile** file) override;
  leveldb::Status NewAppendableFile(const std::string& path, leveldb::WritableFile** file) override;
  bool FileExists(const std::string& path) override;
  leveldb::Status GetChildren(const std::string& dir, std::vector<std::string>* names) override;
  leveldb::Status RemoveFile(const std::string& path) override;
  leveldb::Status CreateDir(const std::string& dir) override;
  leveldb::Status RemoveDir(const std::string& dir) override;
  leveldb::Status GetFileSize(const std::string& path, uint64_t* size) override;
  leveldb::Status RenameFile(const std::string& from, const std::string& to) override;
  leveldb::Status LockFile(const std::string& path, leveldb::FileLock** lock) override;
  leveldb::Status UnlockFile(leveldb::FileLock* lock) override;
  leveldb::Status NewLogger(const std::string& path, leveldb::Logger** logger) override;
  void Schedule(void (*work)(void*), void* arg) override;

 private:
  void Run();

  FileSystem& fs_;
  mutable std::mutex mutex_;
  std::optional<Error> error_;
  std::optional<Error> read_error_;
  bool reads_must_succeed_ = false;
  std::condition_variable changed_;
  std::deque<std::pair<void (*)(void*), void*>> work_;
  bool stopping_ = false;
  std::thread thread_;  // started by the first Schedule
};

}  // namespace synod::storage

#endif  // SYNOD_STORAGE_LEVELDB_ENV_H_
