// Principal: who asks, as far as the node that took the request can tell.
//
// Contract      Travels with a command and is judged where the command is applied: which user a
//               token stands for, and what he may do, is a question to the replicated state at that
//               slot (directory.h), not to the node. At most one of the three is set.
// Source        docs/api.md, "Security".
#ifndef SYNOD_AUTH_PRINCIPAL_H_
#define SYNOD_AUTH_PRINCIPAL_H_

#include <string>

#include "src/base/types.h"

namespace synod::auth {

// Of the clear text of a token; the clear text itself never gets into the core.
inline constexpr size_t kTokenHashBytes = 32;  // SHA-256

struct Principal {
  std::string user;   // whom the node vouches for by name: of a certificate
  Bytes token_hash;   // of the bearer token that came with the request
  bool node = false;  // the node itself, on its own account

  bool nobody() const { return user.empty() && token_hash.empty() && !node; }
  bool operator==(const Principal&) const = default;
};

// The node itself.
inline Principal OfNode() { return {{}, {}, true}; }

}  // namespace synod::auth

#endif  // SYNOD_AUTH_PRINCIPAL_H_
