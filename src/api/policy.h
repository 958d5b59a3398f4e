// Policy: which Host and Origin a request may come with (docs/api.md, "Security").
//
// Contract      While bound to loopback only, a web page that has its own name resolve to 127.0.0.1
//               must not reach the service: Host has to be localhost, an IP literal, the advertised
//               host or an allowed one. A request with an Origin comes from a browser: it has to be
//               an allowed one.
// Thread        Any.   Errors: kInvalidRequest for a missing Host, kPermissionDenied.
#ifndef SYNOD_API_POLICY_H_
#define SYNOD_API_POLICY_H_

#include <optional>
#include <string_view>

#include "src/api/call.h"
#include "src/base/error.h"

namespace synod::api {

// `host` as in the header, maybe with a port.
Status CheckHost(const HttpPolicy& policy, std::optional<std::string_view> host);
Status CheckOrigin(const HttpPolicy& policy, std::string_view origin);

}  // namespace synod::api

#endif  // SYNOD_API_POLICY_H_
