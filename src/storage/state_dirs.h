// StateDirs: which directory of a node's data holds its state, and how another takes its place.
//
// Contract      A snapshot is built in a directory of its own beside the state; Switch() makes it
//               the state in one atomic step: the file `current` is replaced. Whatever a crash
//               leaves, one whole state is named, the old one or the new one. Without that file the
//               state is in `state`. All others are removed at the next start.
// Format        docs/formats.md, "Data directory".
// Errors        kInternal with what to do if `current` is damaged.
// Thread        One at a time.
#ifndef SYNOD_STORAGE_STATE_DIRS_H_
#define SYNOD_STORAGE_STATE_DIRS_H_

#include <string>

#include "src/base/error.h"
#include "src/base/types.h"
#include "src/storage/file_system.h"

namespace synod::storage {

class StateDirs {
 public:
  StateDirs(FileSystem& fs, std::string data_dir)
      : fs_(fs), data_dir_(std::move(data_dir)), current_("state") {}

  // Finds the current one and removes what was left of others.
  Status Open();
  bool Any() const;  // there is a state, or a word of one

  std::string current() const { return data_dir_ + "/" + current_; }
  // Where the state of a snapshot at `slot` is to be built.
  std::string For(Slot slot) const { return data_dir_ + "/" + NameFor(slot); }
  // The directory For(slot), whole and durable, is the state from now on.
  Status Switch(Slot slot);

 private:
  std::string NameFor(Slot slot) const;
  std::string pointer_path() const { return data_dir_ + "/current"; }

  FileSystem& fs_;
  const std::string data_dir_;
  std::string current_;
};

}  // namespace synod::storage

#endif  // SYNOD_STORAGE_STATE_DIRS_H_
