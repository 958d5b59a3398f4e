// Problem: an error as HTTP sees it: status, title and application/problem+json (RFC 9457).
//
// Contract      The status and title of every Errc, and the one renderer of refusals. `outcome` is
//               in the body exactly when RenderOptions::could_change; Retry-After, WWW-Authenticate
//               come with the codes that call for them.
// Thread        Any.   Errors: none.
#ifndef SYNOD_API_PROBLEM_H_
#define SYNOD_API_PROBLEM_H_

#include <optional>
#include <string_view>

#include "src/api/context.h"
#include "src/base/error.h"
#include "src/machine/answer.h"
#include "src/net/http_types.h"

namespace synod::api {

int HttpStatus(Errc code);
std::string_view Title(Errc code);

// `compact_revision` is told with kCompacted and else left out, so that whoever reads history can
// pass it whatever the error.
net::HttpResponse RenderError(const RenderOptions& options,
                              const Context& context,
                              const Error& error,
                              std::optional<Revision> compact_revision = std::nullopt);
// With everything the state machine told: current, holders, limit, index.
net::HttpResponse RenderRefusal(const RenderOptions& options,
                                const Context& context,
                                const machine::Refusal& refusal);

}  // namespace synod::api

#endif  // SYNOD_API_PROBLEM_H_
