// Hold: a lock or a leadership kept while a command runs, and the command ended before it can be
// gone.
//
// Contract      What the library's Hold promises, for a program: a quarter of the TTL before the
//               hold can have passed to somebody else the command gets SIGTERM, before it can have
//               passed SIGKILL; SIGKILL at once if the cluster says that it has.
// Thread        One; SIGCHLD, SIGINT and SIGTERM are waited for.
#ifndef SYNOD_CLI_HOLD_H_
#define SYNOD_CLI_HOLD_H_

#include <cstdint>
#include <string>
#include <vector>

#include "cli/session.h"

namespace synod::cli {

struct HoldRequest {
  bool election = false;
  std::string path;
  int64_t ttl_ms = 10'000;
  int64_t wait_ms = 0;
  std::string value;
  std::vector<std::string> command;
};

// Acquires, runs the command with SYNOD_PATH, SYNOD_TOKEN, SYNOD_LEASE and SYNOD_FENCE in its
// environment, releases. Gives the command's exit code (128 + signal), or one of ours.
int RunWhileHeld(Session& session, const HoldRequest& request);

}  // namespace synod::cli

#endif  // SYNOD_CLI_HOLD_H_
