// What a client says on a WebSocket of watches, and what it is answered.
//
// Contract      A message is one JSON object. Those of a watch are the ones that NDJSON has
//               (render.h), with its id in front: SocketPrefix(), then SocketRest() of the text
//               that all its listeners share.
// Thread        Any.
// Errors        As those of requests: every field is known and of its type, or the message is
//               refused. `*id` is set whenever the message has one, so that the refusal names it.
#ifndef SYNOD_API_WATCH_SOCKET_H_
#define SYNOD_API_WATCH_SOCKET_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "src/api/call.h"
#include "src/base/error.h"

namespace synod::api {

// Watches of one socket, those included whose answer is on its way.
inline constexpr uint64_t kSocketWatchesMax = 10'000;

struct SocketRequest {
  uint64_t id = 0;
  std::optional<WatchCall> watch;  // none: {"op":"cancel"}
};

Result<SocketRequest> ParseSocketRequest(std::string_view text, std::optional<uint64_t>* id);

// The fields of the 101, besides the protocol's own.
net::HttpResponse RenderSocketHead(const RenderOptions& options, const Context& context);

std::string RenderSocketCreated(uint64_t id, Revision revision);
std::string RenderSocketCanceled(uint64_t id);
// `compact_revision` is told with kCompacted, `limit` with kTooLarge.
std::string RenderSocketError(std::optional<uint64_t> id,
                              const Error& error,
                              Revision compact_revision,
                              uint64_t limit = kSocketWatchesMax);

std::string SocketPrefix(uint64_t id);
std::string_view SocketRest(std::string_view ndjson);

}  // namespace synod::api

#endif  // SYNOD_API_WATCH_SOCKET_H_
