// Trace: which trace a request says it belongs to.
//
// Contract      W3C Trace Context, Level 2, section 3.2: `traceparent` is
//               version-traceid-parentid-flags in lower-case hexadecimal. A header that breaks the
//               rules, or comes twice, is as good as none: the request is served all the same. Of a
//               version above 00 the fields that 00 has are read.
// Thread        Any.   Errors: none.
#ifndef SYNOD_API_TRACE_H_
#define SYNOD_API_TRACE_H_

#include <string_view>

#include "src/net/http_types.h"

namespace synod::api {

// The trace id, 32 hexadecimal digits that live as long as the request; empty: there is none.
std::string_view TraceIdOf(const net::HttpRequest& request);

}  // namespace synod::api

#endif  // SYNOD_API_TRACE_H_
