#include "src/api/routes.h"

#include <span>

#include "src/api/encoding.h"
#include "src/base/path.h"

namespace synod::api {
namespace {

constexpr std::string_view kGet = "GET, HEAD, OPTIONS";
constexpr std::string_view kPost = "POST, OPTIONS";

// A request that is nothing but its path.
template <typename PathCall>
Result<Call> ParsePath(Request& request, PathCall call) {
  if (Status s = request.RefuseAllButParams(); !s)
    return s.error();
  return FinishCall(request, std::move(call));
}

template <PlainCall::Kind kKind>
Result<Call> ParsePlain(Request& request) {
  PlainCall call;
  call.kind = kKind;
  return ParsePath(request, std::move(call));
}

// What a node knows of the cluster: at once, or once it is proven to be as fresh as was asked for.
template <PlainCall::Kind kKind>
Result<Call> ParseView(Request& request) {
  PlainCall call;
  call.kind = kKind;
  if (request.params.Has("consistency"))
    if (Status s = request.TakeFreshness(&call.fresh.emplace()); !s)
      return s.error();
  return ParsePath(request, std::move(call));
}

Result<Call> ParseSnapshot(Request& request) {
  SnapshotCall call;
  if (Status s = request.TakeFreshness(&call.fresh); !s)
    return s.error();
  return ParsePath(request, std::move(call));
}

struct FixedRoute {
  std::string_view path;
  Route route;
};

// Endpoints whose path is always the same. The part before '/v1/' of the others is in FindRoute().
constexpr FixedRoute kFixed[] = {
    {"/v1/txn", {kPost, ParseTxn}},
    {"/v1/compact", {kPost, ParseCompact}},
    {"/v1/leases", {"GET, HEAD, POST, OPTIONS", ParseLeases}},
    {"/v1/leases/keepalive", {kPost, ParseLeasesKeepAlive}},
    {"/v1/status", {kGet, ParseView<PlainCall::Kind::kStatus>}},
    {"/v1/cluster", {kGet, ParseView<PlainCall::Kind::kCluster>}},
    {"/v1/cluster/leader", {kPost, ParseMoveLeader}},
    {"/v1/cluster/members", {kPost, ParseMemberAdd}},
    {"/v1/cluster/members/promote", {kPost, ParseMembersPromote}},
    {"/v1/settings", {"GET, HEAD, PATCH, OPTIONS", ParseSettings}},
    {"/v1/snapshot", {kGet, ParseSnapshot}},
    {"/livez", {kGet, ParsePlain<PlainCall::Kind::kLivez>, true}},
    {"/readyz", {kGet, ParsePlain<PlainCall::Kind::kReadyz>, true}},
    {"/healthz", {kGet, ParsePlain<PlainCall::Kind::kHealthz>, true}},
    {"/metrics", {kGet, ParsePlain<PlainCall::Kind::kMetrics>}},
    {"/version", {kGet, ParsePlain<PlainCall::Kind::kVersion>}},
};

Error NotFound() {
  return Error{Errc::kNotFound, Outcome::kNotApplied, "there is no such endpoint"};
}

// If `path` goes on after `prefix`, leaves the rest in request->rest, from the slash on.
bool Under(std::string_view prefix, Request* request) {
  if (!request->path.starts_with(prefix) || request->path.size() == prefix.size() ||
      request->path[prefix.size()] != '/')
    return false;
  request->rest = request->path.substr(prefix.size());
  return true;
}

Result<Route> NodeRoute(Request* request, const Route& route) {
  Result<std::string> path = DecodePath(request->rest);
  if (!path)
    return path.error();
  request->resource = std::move(*path);
  return route;
}

struct Action {
  std::string_view name;
  Route route;
};
constexpr Action kLockActions[] = {
    {"acquire", {kPost, ParseAcquire}},
    {"release", {kPost, ParseRelease}},
};
constexpr Action kElectionActions[] = {
    {"campaign", {kPost, ParseCampaign}}, {"proclaim", {kPost, ParseProclaim}},
    {"resign", {kPost, ParseResign}},     {"transfer", {kPost, ParseTransfer}},
    {"observe", {kGet, ParseObserve}},
};

// The last component may be an action on the lock that the rest of the path names.
Result<Route> LockRoute(Request* request, std::span<const Action> actions, const Route& others) {
  Result<std::string> path = DecodePath(request->rest);
  if (!path)
    return path.error();
  Route route = others;
  for (const Action& action : actions) {
    if (NameOf(*path) != action.name)
      continue;
    *path = std::string(ParentOf(*path));
    route = action.route;
    break;
  }
  if (Status s = ValidateLockPath(*path); !s)
    return s.error();
  request->resource = std::move(*path);
  return route;
}

Result<Route> LeaseRoute(Request* request) {
  request->rest.remove_prefix(1);
  const size_t slash = request->rest.find('/');
  if (request->rest.empty() || slash == 0)
    return NotFound();
  if (slash == std::string_view::npos)
    return Route{"GET, HEAD, DELETE, OPTIONS", ParseLease};
  if (request->rest.substr(slash) == "/keepalive")
    return Route{kPost, ParseLeaseKeepAlive};
  return NotFound();
}

Result<Route> MemberRoute(Request* request) {
  request->rest.remove_prefix(1);
  const size_t slash = request->rest.find('/');
  if (request->rest.empty() || slash == 0)
    return NotFound();
  if (slash == std::string_view::npos)
    return Route{"PATCH, DELETE, OPTIONS", ParseMember};
  const std::string_view action = request->rest.substr(slash);
  if (action == "/promote")
    return Route{kPost, ParseMemberPromote};
  if (action == "/replace")
    return Route{kPost, ParseMemberReplace};
  return NotFound();
}

struct AuthRoute {
  std::string_view path;
  Route all;
  Route one;
};
constexpr std::string_view kNamed = "GET, HEAD, PUT, DELETE, OPTIONS";
constexpr AuthRoute kAuthRoutes[] = {
    {"/users", {kGet, ParseUsers}, {kNamed, ParseUser}},
    {"/roles", {kGet, ParseRoles}, {kNamed, ParseRole}},
    {"/tokens",
     {"GET, HEAD, POST, OPTIONS", ParseTokens},
     {"GET, HEAD, DELETE, OPTIONS", ParseToken}},
};

Result<Route> FindAuthRoute(Request* request) {
  for (const AuthRoute& route : kAuthRoutes) {
    if (request->rest == route.path)
      return route.all;
    if (!request->rest.starts_with(route.path) || request->rest[route.path.size()] != '/')
      continue;
    std::optional<std::string> name =
        DecodePercent(request->rest.substr(route.path.size() + 1), /*plus_is_space=*/false);
    if (!name)
      return Malformed("the name in the path has a '%' without two hex digits");
    if (Status s = auth::ValidateName(*name); !s)
      return s.error();
    request->resource = std::move(*name);
    return route.one;
  }
  return NotFound();
}

}  // namespace

Result<Route> FindRoute(Request* request) {
  if (Under("/v1/kv", request))
    return NodeRoute(request,
                     request->IsGet()
                         ? Route{"GET, HEAD, PUT, POST, DELETE, OPTIONS", ParseNodeRead}
                         : Route{"GET, HEAD, PUT, POST, DELETE, OPTIONS", ParseNodeChange});
  for (const FixedRoute& fixed : kFixed)
    if (fixed.path == request->path)
      return fixed.route;
  if (Under("/v1/watch", request))
    return NodeRoute(request, {kGet, ParseWatch});
  if (request->path == "/v1/watch" && request->headers.upgrade)
    return Route{"GET, OPTIONS", ParseWatchSocket};
  if (Under("/v1/leases", request))
    return LeaseRoute(request);
  if (request->path == "/v1/locks")
    return Route{"GET, HEAD, POST, OPTIONS", request->IsGet() ? ParseLockList : ParseAcquireAll};
  if (Under("/v1/locks", request))
    return LockRoute(request, kLockActions, {kGet, ParseLockRead});
  if (Under("/v1/elections", request))
    return LockRoute(request, kElectionActions, {kGet, ParseElectionRead});
  if (Under("/v1/fences", request))
    return LockRoute(request, {}, {"GET, HEAD, POST, DELETE, OPTIONS", ParseFence});
  if (Under("/v1/cluster/members", request))
    return MemberRoute(request);
  if (Under("/v1/auth", request))
    return FindAuthRoute(request);
  return NotFound();
}

bool Offers(std::string_view methods, std::string_view method) {
  while (true) {
    const size_t comma = methods.find(", ");
    if (methods.substr(0, comma) == method)
      return true;
    if (comma == std::string_view::npos)
      return false;
    methods.remove_prefix(comma + 2);
  }
}

}  // namespace synod::api
