// /v1/leases.
#include "src/api/encoding.h"
#include "src/api/request.h"

namespace synod::api {
namespace {

constexpr size_t kLeaseNameBytesMax = 255;

using Need = Fields::Need;

// The {id} of /v1/leases/{id}[/keepalive], which `rest` begins with.
Result<LeaseId> LeaseOf(const Request& request) {
  const auto id = ParseInteger(request.rest.substr(0, request.rest.find('/')));
  if (!id || *id == 0)
    return Malformed("the id of a lease must be an integer from 1 to 2^53 - 1");
  return LeaseId(*id);
}

Result<Call> ParseGrant(Request& request) {
  if (Status s = request.RefusePreconditions(); !s)
    return s.error();
  Result<Json> json = request.JsonBody(/*empty_is_object=*/false);
  if (!json)
    return json.error();
  Fields body(&*json, "");
  machine::LeaseGrant grant;
  uint64_t ttl_ms = 0;
  if (Status s = body.Integer("ttl_ms", static_cast<uint64_t>(request.limits.lease_ttl_ms_min),
                              static_cast<uint64_t>(request.limits.lease_ttl_ms_max),
                              Need::kRequired, &ttl_ms);
      !s)
    return s.error();
  grant.ttl_ms = static_cast<int64_t>(ttl_ms);
  if (Status s = body.Text("name", Need::kOptional, &grant.name); !s)
    return s.error();
  if (grant.name.size() > kLeaseNameBytesMax)
    return Malformed("name must have at most 255 bytes");
  if (Status s = body.Finish(); !s)
    return s.error();
  ChangeCall call;
  call.command.operation = std::move(grant);
  return FinishChange(request, std::move(call));
}

// A read of leases: no history, no ETags.
Result<Call> ReadLeases(Request& request, ReadCall call) {
  if (Status s = request.RefuseBody(); !s)
    return s.error();
  if (Status s = request.RefuseGuards(); !s)
    return s.error();
  if (Status s = request.RefusePreconditions(); !s)
    return s.error();
  if (Status s = request.TakeConsistency(/*history=*/false, &call); !s)
    return s.error();
  return FinishRead(request, std::move(call));
}

}  // namespace

Result<Call> ParseLeases(Request& request) {
  if (!request.IsGet())
    return ParseGrant(request);
  ReadCall call;
  machine::ListLeases list;
  std::optional<std::string_view> after;
  if (Status s = request.TakePage(&list.limit, &after); !s)
    return s.error();
  if (after) {
    const auto id = ParseInteger(*after);
    if (!id)
      return Malformed("after must be the \"next\" of a page");
    list.after = LeaseId(*id);
  }
  call.query = list;
  return ReadLeases(request, std::move(call));
}

Result<Call> ParseLease(Request& request) {
  Result<LeaseId> id = LeaseOf(request);
  if (!id)
    return id.error();
  if (request.IsGet()) {
    ReadCall call;
    call.query = machine::GetLease{*id};
    return ReadLeases(request, std::move(call));
  }
  if (Status s = request.RefuseBody(); !s)
    return s.error();
  if (Status s = request.RefusePreconditions(); !s)
    return s.error();
  ChangeCall call;
  call.command.operation = machine::LeaseRevoke{*id};
  return FinishChange(request, std::move(call));
}

Result<Call> ParseLeaseKeepAlive(Request& request) {
  Result<LeaseId> id = LeaseOf(request);
  if (!id)
    return id.error();
  if (Status s = request.RefusePreconditions(); !s)
    return s.error();
  Result<Json> json = request.JsonBody(/*empty_is_object=*/true);
  if (!json)
    return json.error();
  if (Status s = Fields(&*json, "").Finish(); !s)
    return s.error();
  ChangeCall call;
  call.command.operation = machine::LeaseKeepAlive{{*id}, /*bulk=*/false};
  return FinishChange(request, std::move(call));
}

Result<Call> ParseLeasesKeepAlive(Request& request) {
  if (Status s = request.RefusePreconditions(); !s)
    return s.error();
  Result<Json> json = request.JsonBody(/*empty_is_object=*/false);
  if (!json)
    return json.error();
  Fields body(&*json, "");
  Result<std::vector<Json>*> items = body.Array("ids");
  if (!items)
    return items.error();
  if (*items == nullptr || (*items)->empty())
    return body.Wrong("ids", "must name at least one lease");
  if ((*items)->size() > request.limits.keepalive_ids) {
    request.limit = request.limits.keepalive_ids;
    return Error{Errc::kTooLarge, Outcome::kNotApplied, "ids has too many leases"};
  }
  machine::LeaseKeepAlive keep_alive;
  keep_alive.bulk = true;
  for (const Json& item : **items) {
    if (item.kind != Json::Kind::kInteger || item.integer == 0)
      return body.Wrong("ids", "must have integers from 1 to 2^53 - 1");
    keep_alive.ids.emplace_back(item.integer);
  }
  if (Status s = body.Finish(); !s)
    return s.error();
  request.render.bulk = true;
  ChangeCall call;
  call.command.operation = std::move(keep_alive);
  return FinishChange(request, std::move(call));
}

}  // namespace synod::api
