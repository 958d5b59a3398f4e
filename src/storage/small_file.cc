#include "src/storage/small_file.h"

#include <memory>

namespace synod::storage {

Result<std::string> ReadFile(FileSystem& fs, const std::string& path, size_t most) {
  Result<std::unique_ptr<File>> file = fs.Open(path, FileSystem::Mode::kRead);
  if (!file)
    return file.error();
  return file.value()->Read(0, most);
}

Status ReplaceFile(FileSystem& fs, const std::string& path, const std::string& text) {
  const std::string tmp = path + ".tmp";
  if (fs.Exists(tmp))
    if (Status ok = fs.Remove(tmp); !ok)
      return ok;
  Result<std::unique_ptr<File>> file = fs.Open(tmp, FileSystem::Mode::kCreate);
  if (!file)
    return file.error();
  if (Status ok = file.value()->Write(0, text); !ok)
    return ok;
  if (Status ok = file.value()->Sync(); !ok)
    return ok;
  if (Status ok = fs.Rename(tmp, path); !ok)
    return ok;
  return fs.SyncDirectory(path.substr(0, path.rfind('/')));
}

}  // namespace synod::storage
