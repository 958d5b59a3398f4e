// Access: who is let in at this node, and what he must be allowed there.
//
// Contract      Changes are judged where they are applied, reads by the machine that serves them.
//               Here is the rest: who gets no further than the door, so that nobody without a token
//               makes entries of the log; and what watches and the doings of an administrator at a
//               node need, which no entry carries.
// Thread        The loop's thread.
// Errors        kUnauthenticated; kNotReady while a node that requires authentication has none;
//               kInvalidRequest if it is asked to switch it off.
#ifndef SYNOD_NODE_ACCESS_H_
#define SYNOD_NODE_ACCESS_H_

#include <optional>

#include "src/api/call.h"
#include "src/auth/directory.h"
#include "src/base/error.h"
#include "src/machine/machine.h"

namespace synod::node {

struct AccessRules {
  bool required = false;      // while authentication is off, nothing but health and its start
  bool metrics_open = false;  // /metrics needs no credentials
};

// kAsk: this replica does not know the token. It may be behind: look again after a quorum round.
enum class Entrance : uint8_t { kOpen, kAsk };
// `machine`: null while there is none.
Result<Entrance> JudgeEntrance(const AccessRules& rules,
                               const machine::Machine* machine,
                               const api::Call& call,
                               const auth::Principal& who,
                               ClusterTime now);

// Why a node that requires authentication is not ready while it is off.
Error AuthMissing();

// What must be permitted at this node; nullopt: a valid token will do, or the machine judges.
std::optional<auth::Need> NeedHere(const api::Call& call);
auth::Need NeedOfWatch(const watch::Spec& spec);

// An administrator's doing, for the audit log.
bool IsAudited(const api::Call& call);

}  // namespace synod::node

#endif  // SYNOD_NODE_ACCESS_H_
