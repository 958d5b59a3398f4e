#include "src/storage/state_dirs.h"

#include <cstdio>

#include "src/base/crc32c.h"
#include "src/storage/small_file.h"

namespace synod::storage {
namespace {

constexpr std::string_view kPrefix = "state";
constexpr size_t kPointerBytesMax = 256;

// "NAME crc32c" and a newline: one line, so that it can be read and mended by hand.
std::string PointerLine(const std::string& name) {
  char crc[16];
  std::snprintf(crc, sizeof crc, " %08x\n", Crc32c(name));
  return name + crc;
}

}  // namespace

std::string StateDirs::NameFor(Slot slot) const {
  char name[32];
  std::snprintf(name, sizeof name, "state-%016llx", static_cast<unsigned long long>(slot.value));
  // The one in use may be of that slot already, and wrong.
  return name == current_ ? current_ + "-again" : name;
}

bool StateDirs::Any() const { return fs_.Exists(pointer_path()) || fs_.Exists(current()); }

Status StateDirs::Open() {
  if (fs_.Exists(pointer_path())) {
    const Result<std::string> text = ReadFile(fs_, pointer_path(), kPointerBytesMax);
    if (!text)
      return text.error();
    const std::string name = text->substr(0, text->find(' '));
    if (!name.starts_with(kPrefix) || name.find('/') != std::string::npos ||
        PointerLine(name) != *text)
      return Error{Errc::kInternal, Outcome::kNotApplied,
                   pointer_path() +
                       ", which names the directory of the state, is damaged. Replace this node by "
                       "a new member with an empty data directory."};
    current_ = name;
  }
  Result<std::vector<std::string>> names = fs_.List(data_dir_);
  if (!names)
    return names.error();
  for (const std::string& name : names.value())
    if (name.starts_with(kPrefix) && name != current_)
      if (Status ok = RemoveTree(fs_, data_dir_ + "/" + name); !ok)
        return ok;
  return Done();
}

Status StateDirs::Switch(Slot slot) {
  if (Status ok = ReplaceFile(fs_, pointer_path(), PointerLine(NameFor(slot))); !ok)
    return ok;
  current_ = NameFor(slot);
  return Done();
}

}  // namespace synod::storage
