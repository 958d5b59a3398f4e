// Accept: which form of a watch the client asked for (RFC 9110, section 12.5.1).
//
// Contract      The offered form of the highest weight; at equal weight the one that was named more
//               precisely, then the earlier in the order SSE, NDJSON, long poll. Elements that are
//               no media range are skipped.
// Thread        Any.   Errors: nullopt if nothing offered is acceptable.
#ifndef SYNOD_API_ACCEPT_H_
#define SYNOD_API_ACCEPT_H_

#include <optional>
#include <string_view>
#include <vector>

#include "src/api/context.h"

namespace synod::api {

// `accept` holds the values of all Accept headers; none means anything.
std::optional<StreamFormat> ChooseFormat(const std::vector<std::string_view>& accept,
                                         bool offer_long_poll);

}  // namespace synod::api

#endif  // SYNOD_API_ACCEPT_H_
