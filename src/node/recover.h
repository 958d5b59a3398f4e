// The command `synodd recover`: for the day the quorum is gone for good.
//
// Contract      Adds itself to the parser; if it was chosen, *code has the exit code after parsing:
//               0 done, 1 it could not be, 2 bad usage. It starts no node.
// Source        docs/operations.md, "The quorum is gone".
#ifndef SYNOD_NODE_RECOVER_H_
#define SYNOD_NODE_RECOVER_H_

#include <CLI/CLI.hpp>
#include <optional>

namespace synod::node {

void AddRecoverCommand(CLI::App* app, std::optional<int>* code);

}  // namespace synod::node

#endif  // SYNOD_NODE_RECOVER_H_
