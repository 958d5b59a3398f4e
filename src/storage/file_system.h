// FileSystem: the few file operations that storage uses, so that tests can lose, tear and refuse
// them.
//
// Contract      Positional reads and writes, explicit syncs. Data is durable after File::Sync; a
//               created, renamed or removed name is durable after SyncDirectory. Nothing is
//               retried.
// Errors        Status with errno's text in `detail`. Callers treat a failed write or sync of the
//               log as fatal: nobody knows what is on the disk then.
// Thread        A File is used by one thread at a time, except that reads may run beside each
//               other; a FileSystem by several.
// Source        Pillai et al., OSDI 2014, and Rebello et al., ATC 2020, on what may be relied on.
#ifndef SYNOD_STORAGE_FILE_SYSTEM_H_
#define SYNOD_STORAGE_FILE_SYSTEM_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/error.h"

namespace synod::storage {

class File {
 public:
  virtual ~File() = default;
  // Reads up to `n` bytes; fewer only at the end of the file.
  virtual Result<std::string> Read(uint64_t offset, size_t n) = 0;
  // Writes all of `data` at `offset`, extending the file if needed.
  virtual Status Write(uint64_t offset, std::string_view data) = 0;
  virtual Status Sync() = 0;  // fdatasync
  // A hint: what was written there should go to the disk soon, so that a later Sync finds little to
  // do and the syncs of other files wait for no burst.
  virtual void StartWriting(uint64_t /*offset*/, uint64_t /*n*/) {}
  virtual Result<uint64_t> Size() = 0;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  enum class Mode { kRead, kReadWrite, kCreate };  // kCreate: must not exist yet
  virtual Result<std::unique_ptr<File>> Open(const std::string& path, Mode mode) = 0;
  virtual Result<std::vector<std::string>> List(const std::string& dir) = 0;  // names, sorted
  virtual bool Exists(const std::string& path) = 0;
  // With parents; fine if it exists. The new names are durable on return.
  virtual Status MakeDirectory(const std::string& dir) = 0;
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  virtual Status Remove(const std::string& path) = 0;
  virtual Status RemoveDirectory(const std::string& dir) = 0;  // an empty one
  virtual Status SyncDirectory(const std::string& dir) = 0;
  // Takes an exclusive lock that lives as long as the returned File. kNotReady if another has it.
  virtual Result<std::unique_ptr<File>> Lock(const std::string& path) = 0;
  virtual Result<uint64_t> FreeBytes(const std::string& dir) = 0;
  virtual Result<uint64_t> TotalBytes(const std::string& dir) = 0;  // of the whole file system
};

// Removes a directory and the files in it, if it is there. Not durable: do it again at the start.
Status RemoveTree(FileSystem& fs, const std::string& dir);

// The real one.
FileSystem& PosixFileSystem();

}  // namespace synod::storage

#endif  // SYNOD_STORAGE_FILE_SYSTEM_H_
