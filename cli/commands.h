// Commands: the groups of the CLI, each of which adds its subcommands to the parser.
//
// Contract      Add...() registers subcommands; the chosen one sets *run, which main calls with a
//               session after parsing. Nothing talks to the cluster while parsing.
#ifndef SYNOD_CLI_COMMANDS_H_
#define SYNOD_CLI_COMMANDS_H_

#include <CLI/CLI.hpp>
#include <functional>
#include <optional>
#include <string>

#include "cli/session.h"

namespace synod::cli {

using Run = std::function<int(Session&)>;

void AddTreeCommands(CLI::App* app, Run* run);      // get put cas create rm ls tree stat txn
void AddFileCommands(CLI::App* app, Run* run);      // import export
void AddWatchCommand(CLI::App* app, Run* run);      // watch
void AddLeaseCommands(CLI::App* app, Run* run);     // lease
void AddLockCommands(CLI::App* app, Run* run);      // lock elect
void AddMemberCommands(CLI::App* app, Run* run);    // member
void AddSnapshotCommands(CLI::App* app, Run* run);  // snapshot
void AddDebugCommands(CLI::App* app, Run* run);     // debug
void AddAuthCommands(CLI::App* app, Run* run);      // auth
void AddClusterCommands(CLI::App* app, Run* run);   // status leader
void AddQuotaCommands(CLI::App* app, Run* run);     // quota
void AddTopCommand(CLI::App* app, Run* run);        // top

// Walks a list endpoint page by page, all pages at one revision; calls `each` for every node.
int ForEachNode(Session& session,
                const std::string& path,
                const std::string& scope,
                bool keys_only,
                const std::function<int(const boost::json::object&)>& each);

// What leads from `root` to the node at `path`, without a slash in front; nothing if that is no
// path below it, which a node at fault may answer.
std::optional<std::string> RelativePath(const std::string& root, const std::string& path);

}  // namespace synod::cli

#endif  // SYNOD_CLI_COMMANDS_H_
