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
  return ParseObjectOfChange(request, Body::kRequired, [&](Fields& body, ChangeCall* call) {
    machine::LeaseGrant grant;
    uint64_t ttl_ms = 0;
    if (Status s = body.Integer("ttl_ms", static_cast<uint64_t>(request.limits.lease_ttl_ms_min),
                                static_cast<uint64_t>(request.limits.lease_ttl_ms_max),
                                Need::kRequired, &ttl_ms);
        !s)
      return s;
    grant.ttl_ms = static_cast<int64_t>(ttl_ms);
    if (Status s = body.Text("name", Need::kOptional, &grant.name); !s)
      return s;
    if (grant.name.size() > kLeaseNameBytesMax)
      return Status(Malformed("name must have at most 255 bytes"));
    call->command.operation = std::move(grant);
    return Done();
  });
}

}  // namespace

Result<Call> ParseLeases(Request& request) {
  if (!request.IsGet())
    return ParseGrant(request);
  machine::ListLeases list;
  if (Status s = request.TakeLimit(&list.limit); !s)
    return s.error();
  if (const auto after = request.params.Take("after")) {
    const auto id = ParseInteger(*after);
    if (!id)
      return Malformed("after must be the \"next\" of a page");
    list.after = LeaseId(*id);
  }
  return FinishCurrentRead(request, list);
}

Result<Call> ParseLease(Request& request) {
  Result<LeaseId> id = LeaseOf(request);
  if (!id)
    return id.error();
  if (request.IsGet())
    return FinishCurrentRead(request, machine::GetLease{*id});
  return FinishBareChange(request, machine::LeaseRevoke{*id});
}

Result<Call> ParseLeaseKeepAlive(Request& request) {
  const Result<LeaseId> id = LeaseOf(request);
  if (!id)
    return id.error();
  return ParseObjectOfChange(request, Body::kMayBeEmpty, [&](Fields&, ChangeCall* call) {
    call->command.operation = machine::LeaseKeepAlive{{*id}, /*bulk=*/false};
    return Done();
  });
}

Result<Call> ParseLeasesKeepAlive(Request& request) {
  request.render.bulk = true;
  return ParseObjectOfChange(request, Body::kRequired, [&](Fields& body, ChangeCall* call) {
    std::vector<uint64_t> ids;
    if (Status s = body.Numbers("ids", kIntegerMax, "lease", &ids); !s)
      return s;
    if (ids.size() > request.limits.keepalive_ids) {
      request.limit = request.limits.keepalive_ids;
      return Status(Error{Errc::kTooLarge, Outcome::kNotApplied, "ids has too many leases"});
    }
    call->command.operation =
        machine::LeaseKeepAlive{std::vector<LeaseId>(ids.begin(), ids.end()), /*bulk=*/true};
    return Done();
  });
}

}  // namespace synod::api
