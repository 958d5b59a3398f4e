// Files of a few lines, read and replaced as a whole.
//
// Contract      A replaced file is durable on return; a crash before leaves the old one or the new
//               one, never a part. What an earlier attempt left beside it (`path`.tmp) is dropped.
// Thread        Any; one writer a file.
// Errors        Those of the file system (file_system.h).
#ifndef SYNOD_STORAGE_SMALL_FILE_H_
#define SYNOD_STORAGE_SMALL_FILE_H_

#include <cstddef>
#include <string>

#include "src/storage/file_system.h"

namespace synod::storage {

// At most the first `most` bytes.
Result<std::string> ReadFile(FileSystem& fs, const std::string& path, size_t most);
Status ReplaceFile(FileSystem& fs, const std::string& path, const std::string& text);

}  // namespace synod::storage

#endif  // SYNOD_STORAGE_SMALL_FILE_H_
