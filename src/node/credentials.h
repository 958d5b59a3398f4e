// Credentials: bearer tokens, as the shell makes, reads and hashes them, and the names of
// certificates.
//
// Contract      The clear text of a token exists in the request that shows it, and in the answer
//               that gives it out: never in a command, a record or a log line. Everything else
//               knows its SHA-256. That is enough for a secret of 256 random bits.
// Thread        Any.
// Errors        ReadTokenFile: kInvalidRequest, what is wrong with the file.
#ifndef SYNOD_NODE_CREDENTIALS_H_
#define SYNOD_NODE_CREDENTIALS_H_

#include <string>
#include <string_view>

#include "src/auth/principal.h"
#include "src/base/error.h"
#include "src/base/types.h"
#include "src/net/http_types.h"

namespace synod::node {

// A new one, from the system's source of randomness.
std::string NewToken();
Bytes HashOfToken(std::string_view token);
// The first line of the file, which must hold a token of at least 16 bytes.
Result<std::string> ReadTokenFile(const std::string& path);

// Who a request says it is from: whose token it shows; without Authorization, whom the certificate
// of its connection names; else nobody.
auth::Principal PrincipalOf(const net::HttpRequest& request);

}  // namespace synod::node

#endif  // SYNOD_NODE_CREDENTIALS_H_
