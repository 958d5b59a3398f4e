// Arguments: those that several commands take, read and checked in one way.
//
// Contract      What is not of its form ends the parsing, with a line that says why and the exit
//               code of bad usage; nothing has been sent then.
// Thread        One.
#ifndef SYNOD_CLI_ARGUMENTS_H_
#define SYNOD_CLI_ARGUMENTS_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/client/tree.h"

namespace synod::cli {

// A positional "path" of the tree, a lock, an election or a quota. It begins with '/': an unset
// variable of a script must not become the root.
CLI::Option* AddPath(CLI::App* command, std::string* path, const std::string& help);

// A number from 1, in decimal digits alone: revisions, tokens, leases, counts.
CLI::Option* AddNumber(CLI::App* command,
                       const std::string& name,
                       uint64_t* number,
                       const std::string& help);

// "--fence", several times: each as ReadFence takes it.
CLI::Option* AddFences(CLI::App* command, std::vector<std::string>* fences);
// "LOCKPATH=TOKEN", as SYNOD_FENCE and the header have it, percent-encoded, or the path as it is: a
// '%' begins an escape. Nothing: it is not of that form.
std::optional<client::Fence> ReadFence(std::string_view text);

}  // namespace synod::cli

#endif  // SYNOD_CLI_ARGUMENTS_H_
