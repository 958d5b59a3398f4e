// /v1/cluster/members and below: changes of the membership.
#include <algorithm>

#include "src/api/encoding.h"
#include "src/api/request.h"
#include "src/base/address.h"

namespace synod::api {
namespace {

using Kind = machine::ChangeMembers::Kind;
using Need = Fields::Need;

constexpr uint64_t kMemberIdMax = UINT32_MAX;

// The {id} of /v1/cluster/members/{id}[/...], which `rest` begins with.
Result<NodeId> MemberOf(const Request& request) {
  const auto id = ParseInteger(request.rest.substr(0, request.rest.find('/')));
  if (!id || *id == 0 || *id > kMemberIdMax)
    return Malformed("the id of a member must be an integer from 1 to 2^32 - 1");
  return NodeId(static_cast<uint32_t>(*id));
}

struct Description {
  std::string name;
  std::string peer_url;
  std::string client_url;
};

// The fields that describe a member; each that is there must be as the flags of a node would be.
Status TakeDescription(Fields* body, Need urls, Description* out) {
  if (Status s = body->Text("name", Need::kOptional, &out->name); !s)
    return s;
  if (Status s = body->Text("peer_url", urls, &out->peer_url); !s)
    return s;
  if (Status s = body->Text("client_url", urls, &out->client_url); !s)
    return s;
  if (body->Has("name"))
    if (const Status s = ValidateMemberName(out->name); !s)
      return body->Wrong("name", s.error().detail);
  if (body->Has("peer_url")) {
    const Result<HostPort> address = ParseHostPort(out->peer_url);
    if (!address)
      return body->Wrong("peer_url", address.error().detail);
    if (address->port == 0)
      return body->Wrong("peer_url", "must be HOST:PORT with a port from 1 to 65535");
  }
  if (body->Has("client_url"))
    if (const Status s = ValidateUrl(out->client_url); !s)
      return body->Wrong("client_url", s.error().detail);
  return Done();
}

Result<Call> ParseUpdate(Request& request, NodeId id) {
  return ParseObjectOfChange(request, Body::kRequired, [&](Fields& body, ChangeCall* call) {
    Description changed;
    if (Status s = TakeDescription(&body, Need::kOptional, &changed); !s)
      return s;
    if (body.empty())
      return Status(Malformed("the body must have at least one of name, peer_url and client_url"));
    call->command.operation =
        machine::UpdateMember{id, changed.name, changed.peer_url, changed.client_url};
    return Done();
  });
}

Result<Call> ParseRemove(Request& request, NodeId id) {
  machine::ChangeMembers change;
  change.kind = Kind::kRemove;
  change.ids = {id};
  return FinishBareChange(request, std::move(change));
}

}  // namespace

Result<Call> ParseMemberAdd(Request& request) {
  request.render.location = true;
  return ParseObjectOfChange(request, Body::kRequired, [](Fields& body, ChangeCall* call) {
    Description added;
    if (Status s = TakeDescription(&body, Need::kRequired, &added); !s)
      return s;
    machine::ChangeMembers change;
    change.kind = Kind::kAdd;
    change.name = std::move(added.name);
    change.peer_address = std::move(added.peer_url);
    change.client_url = std::move(added.client_url);
    call->command.operation = std::move(change);
    return Done();
  });
}

Result<Call> ParseMembersPromote(Request& request) {
  return ParseObjectOfChange(request, Body::kRequired, [](Fields& body, ChangeCall* call) {
    std::vector<uint64_t> ids;
    if (Status s = body.Numbers("ids", kMemberIdMax, "learner", &ids); !s)
      return s;
    machine::ChangeMembers change;
    change.kind = Kind::kPromote;
    for (const uint64_t id : ids) {
      if (std::count(ids.begin(), ids.end(), id) > 1)
        return Status(body.Wrong("ids", "names member " + std::to_string(id) + " twice"));
      change.ids.emplace_back(static_cast<uint32_t>(id));
    }
    call->command.operation = std::move(change);
    return Done();
  });
}

Result<Call> ParseMemberPromote(Request& request) {
  const Result<NodeId> id = MemberOf(request);
  if (!id)
    return id.error();
  return ParseObjectOfChange(request, Body::kMayBeEmpty, [&](Fields&, ChangeCall* call) {
    machine::ChangeMembers change;
    change.kind = Kind::kPromote;
    change.ids = {*id};
    call->command.operation = std::move(change);
    return Done();
  });
}

Result<Call> ParseMemberReplace(Request& request) {
  const Result<NodeId> id = MemberOf(request);
  if (!id)
    return id.error();
  return ParseObjectOfChange(request, Body::kRequired, [&](Fields& body, ChangeCall* call) {
    uint64_t with = 0;
    if (Status s = body.Integer("with", 1, kMemberIdMax, Need::kRequired, &with); !s)
      return s;
    if (with == id->value)
      return Status(body.Wrong("with", "must be another member than the one that is replaced"));
    machine::ChangeMembers change;
    change.kind = Kind::kReplace;
    change.ids = {*id};
    change.with = NodeId(static_cast<uint32_t>(with));
    call->command.operation = std::move(change);
    return Done();
  });
}

Result<Call> ParseMember(Request& request) {
  const Result<NodeId> id = MemberOf(request);
  if (!id)
    return id.error();
  return request.http.method == "PATCH" ? ParseUpdate(request, *id) : ParseRemove(request, *id);
}

}  // namespace synod::api
