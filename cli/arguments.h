// Arguments: those that several commands take, read and checked in one way.
//
// Contract      What is not of its form ends the parsing, with a line that says why and the exit
//               code of bad usage; nothing has been sent then.
// Thread        One.
#ifndef SYNOD_CLI_ARGUMENTS_H_
#define SYNOD_CLI_ARGUMENTS_H_

#include <CLI/CLI.hpp>
#include <string>

namespace synod::cli {

// A positional "path" of the tree, a lock, an election or a quota. It begins with '/': an unset
// variable of a script must not become the root.
CLI::Option* AddPath(CLI::App* command, std::string* path, const std::string& help);

}  // namespace synod::cli

#endif  // SYNOD_CLI_ARGUMENTS_H_
