// What an entry of the log does, in words for whoever reads a dump.
//
// Contract      Pure. Values and keys of clients are told by their size only, paths as they are: a
//               dump can be shown to others. What cannot be decoded is said to be so.
// Thread        Any.
#ifndef SYNOD_OFFLINE_DESCRIBE_H_
#define SYNOD_OFFLINE_DESCRIBE_H_

#include <string>
#include <vector>

#include "consensus/types.h"
#include "src/machine/command.h"

namespace synod::offline {

struct EntryText {
  std::string kind;  // "noop", "leader_start", "command", "config"
  ClusterTime time;  // of a command or config entry, else 0
  // "put /a 12 bytes lease=3"; of a config entry first "version 3 voters 1,2,3 learners 4"
  std::vector<std::string> commands;
};

EntryText Describe(const consensus::Entry& entry);
std::string Describe(const machine::Command& command);

}  // namespace synod::offline

#endif  // SYNOD_OFFLINE_DESCRIBE_H_
