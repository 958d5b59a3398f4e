// OverlayFileSystem: another file system as it is, with whatever is written kept in memory.
//
// Contract      Reads come from below until a file is first written, which takes a copy of it into
//               memory; nothing below is ever changed. So the code that opens a node's data, and
//               mends what a crash left while it does, can look at a directory that must stay as it
//               is.
// Thread        Any (one mutex). Locks taken here exclude nobody: take the real one below.
#ifndef SYNOD_OFFLINE_OVERLAY_FILE_SYSTEM_H_
#define SYNOD_OFFLINE_OVERLAY_FILE_SYSTEM_H_

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "src/storage/file_system.h"

namespace synod::offline {

class OverlayFileSystem final : public storage::FileSystem {
 public:
  explicit OverlayFileSystem(storage::FileSystem& below) : below_(below) {}

  Result<std::unique_ptr<storage::File>> Open(const std::string& path, Mode mode) override;
  Result<std::vector<std::string>> List(const std::string& dir) override;
  bool Exists(const std::string& path) override;
  Status MakeDirectory(const std::string& dir) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Status RemoveDirectory(const std::string& dir) override;
  Status SyncDirectory(const std::string& dir) override;
  Result<std::unique_ptr<storage::File>> Lock(const std::string& path) override;
  Result<uint64_t> FreeBytes(const std::string& dir) override;
  Result<uint64_t> TotalBytes(const std::string& dir) override;

 private:
  class LayeredFile;
  struct Content {
    std::unique_ptr<storage::File> below;  // until it is written
    std::optional<std::string> memory;
  };

  Result<std::shared_ptr<Content>> Find(const std::string& path);

  storage::FileSystem& below_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Content>> files_;  // opened, made or renamed here
  std::set<std::string> gone_;                             // names below that are no more
};

}  // namespace synod::offline

#endif  // SYNOD_OFFLINE_OVERLAY_FILE_SYSTEM_H_
