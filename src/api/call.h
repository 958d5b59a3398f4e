// Call: what one HTTP request asks for, once its form has been judged.
//
// Contract      ParseCall() is a pure function of the request: it refuses everything that
//               docs/api.md, "Conventions", calls malformed (unknown, repeated or contradicting
//               parameters, fields, headers and preconditions) with a finished answer, and turns
//               the rest into a command, a read, a watch or a plain call. It judges form alone:
//               whether a change applies is decided by the state machine.
// Thread        Any.
// Errors        None thrown. Requests are hostile by assumption.
// Not here      Routing a call to the leader (src/node), sockets (src/net), answers (render.h).
#ifndef SYNOD_API_CALL_H_
#define SYNOD_API_CALL_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "src/api/context.h"
#include "src/base/types.h"
#include "src/machine/command.h"
#include "src/machine/query.h"
#include "src/net/http_types.h"
#include "watch/hub.h"

namespace synod::api {

struct Limits {
  uint64_t value_bytes = uint64_t{1} << 20;
  uint64_t body_bytes = uint64_t{2} << 20;
  uint64_t target_bytes = 8 << 10;
  uint64_t txn_comparisons = 128;
  uint64_t txn_operations = 128;  // of either branch
  uint64_t keepalive_ids = 1000;
  uint64_t list_nodes = 10'000;
  int64_t lease_ttl_ms_min = 500;
  int64_t lease_ttl_ms_max = 86'400'000;
};

// Which Host and Origin are let in (docs/api.md, "Security").
struct HttpPolicy {
  bool loopback_only = false;                // then Host is checked against DNS rebinding
  std::string advertised_host;               // of --advertise-client, without port
  std::vector<std::string> allowed_hosts;    // without port
  std::vector<std::string> allowed_origins;  // "https://console.example:8443"
};

enum class Consistency : uint8_t { kLinearizable, kSequential };

struct ChangeCall {
  machine::Command command;  // id, principal and a token's hash are the driver's to fill in
  int64_t timeout_ms = 5000;
  std::optional<int64_t> wait_ms;  // acquire and campaign: added to timeout_ms
  RenderOptions render;
};

// How fresh the replica must be that answers.
struct Freshness {
  Consistency consistency = Consistency::kLinearizable;
  Revision min_revision;              // kSequential: wait for it
  std::optional<int64_t> max_age_ms;  // kSequential

  bool operator==(const Freshness&) const = default;
  bool NeedsRound() const { return consistency == Consistency::kLinearizable || max_age_ms; }
};

struct ReadCall {
  machine::Query query;
  Freshness fresh;
  Revision at_revision;  // 0: the present
  int64_t timeout_ms = 5000;
  RenderOptions render;
};

struct WatchCall {
  watch::Spec spec;
  Revision from_revision;  // 0: the next change
  StreamFormat format = StreamFormat::kSse;
  int64_t wait_ms = 30'000;  // kLongPoll
  int64_t timeout_ms = 5000;
  RenderOptions render;
};

// GET /v1/watch with Upgrade: websocket; its watches come as messages (watch_socket.h).
struct WatchSocketCall {
  int64_t timeout_ms = 5000;
  RenderOptions render;
};

// GET /v1/elections/{path}/observe
struct ObserveCall {
  std::string path;                          // the election's
  Revision from_revision;                    // 0: the current leader at once, then each change
  StreamFormat format = StreamFormat::kSse;  // never kLongPoll
  int64_t timeout_ms = 5000;
  RenderOptions render;
};

// POST /v1/cluster/leader
struct MoveLeaderCall {
  NodeId to;
  int64_t timeout_ms = 5000;
  RenderOptions render;
};

// GET /v1/snapshot
struct SnapshotCall {
  Freshness fresh;
  int64_t timeout_ms = 5000;
  RenderOptions render;
};

struct PlainCall {
  enum class Kind : uint8_t { kStatus, kCluster, kMetrics, kVersion, kLivez, kReadyz, kHealthz };
  Kind kind = Kind::kStatus;
  std::optional<Freshness> fresh;  // nullopt: as this node sees it now, which needs no leader
  int64_t timeout_ms = 5000;
  RenderOptions render;
};

using Call = std::variant<ChangeCall,
                          ReadCall,
                          WatchCall,
                          WatchSocketCall,
                          ObserveCall,
                          MoveLeaderCall,
                          SnapshotCall,
                          PlainCall>;

// The bearer token that came with the request, if one did (RFC 6750, section 2.1).
std::optional<std::string_view> BearerOf(const net::HttpRequest& request);

// How a request is answered of which nothing more is known: whether it could have changed anything,
// and the page that sent it, if it is let in.
RenderOptions OptionsOf(const net::HttpRequest& request, const HttpPolicy& policy);

// The call, or the answer that ends the matter: a refusal, OPTIONS, or HEAD of a stream.
std::variant<Call, net::HttpResponse> ParseCall(const net::HttpRequest& request,
                                                const Limits& limits,
                                                const HttpPolicy& policy,
                                                const Context& context);

}  // namespace synod::api

#endif  // SYNOD_API_CALL_H_
