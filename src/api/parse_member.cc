// /v1/cluster/members and below: changes of the membership.
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
  return body->Finish();
}

Result<Call> Finish(Request& request, machine::Operation operation) {
  ChangeCall call;
  call.command.operation = std::move(operation);
  return FinishChange(request, std::move(call));
}

Result<Call> ParseUpdate(Request& request, NodeId id) {
  Result<Json> json = request.JsonBody(/*empty_is_object=*/false);
  if (!json)
    return json.error();
  Fields body(&*json, "");
  Description changed;
  if (Status s = TakeDescription(&body, Need::kOptional, &changed); !s)
    return s.error();
  if (json->members.empty())
    return Malformed("the body must have at least one of name, peer_url and client_url");
  return Finish(request,
                machine::UpdateMember{id, changed.name, changed.peer_url, changed.client_url});
}

}  // namespace

Result<Call> ParseMemberAdd(Request& request) {
  if (Status s = request.RefusePreconditions(); !s)
    return s.error();
  Result<Json> json = request.JsonBody(/*empty_is_object=*/false);
  if (!json)
    return json.error();
  Fields body(&*json, "");
  Description added;
  if (Status s = TakeDescription(&body, Need::kRequired, &added); !s)
    return s.error();
  request.render.location = true;
  machine::ChangeMembers change;
  change.kind = Kind::kAdd;
  change.name = std::move(added.name);
  change.peer_address = std::move(added.peer_url);
  change.client_url = std::move(added.client_url);
  return Finish(request, std::move(change));
}

Result<Call> ParseMembersPromote(Request& request) {
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
    return body.Wrong("ids", "must name at least one learner");
  machine::ChangeMembers change;
  change.kind = Kind::kPromote;
  for (const Json& item : **items) {
    if (item.kind != Json::Kind::kInteger || item.integer == 0 || item.integer > kMemberIdMax)
      return body.Wrong("ids", "must have integers from 1 to 2^32 - 1");
    const NodeId id(static_cast<uint32_t>(item.integer));
    for (const NodeId other : change.ids)
      if (other == id)
        return body.Wrong("ids", "names member " + std::to_string(id.value) + " twice");
    change.ids.push_back(id);
  }
  if (Status s = body.Finish(); !s)
    return s.error();
  return Finish(request, std::move(change));
}

Result<Call> ParseMemberPromote(Request& request) {
  Result<NodeId> id = MemberOf(request);
  if (!id)
    return id.error();
  if (Status s = request.RefusePreconditions(); !s)
    return s.error();
  Result<Json> json = request.JsonBody(/*empty_is_object=*/true);
  if (!json)
    return json.error();
  if (Status s = Fields(&*json, "").Finish(); !s)
    return s.error();
  machine::ChangeMembers change;
  change.kind = Kind::kPromote;
  change.ids = {*id};
  return Finish(request, std::move(change));
}

Result<Call> ParseMemberReplace(Request& request) {
  Result<NodeId> id = MemberOf(request);
  if (!id)
    return id.error();
  if (Status s = request.RefusePreconditions(); !s)
    return s.error();
  Result<Json> json = request.JsonBody(/*empty_is_object=*/false);
  if (!json)
    return json.error();
  Fields body(&*json, "");
  uint64_t with = 0;
  if (Status s = body.Integer("with", 1, kMemberIdMax, Need::kRequired, &with); !s)
    return s.error();
  if (with == id->value)
    return body.Wrong("with", "must be another member than the one that is replaced");
  if (Status s = body.Finish(); !s)
    return s.error();
  machine::ChangeMembers change;
  change.kind = Kind::kReplace;
  change.ids = {*id};
  change.with = NodeId(static_cast<uint32_t>(with));
  return Finish(request, std::move(change));
}

Result<Call> ParseMember(Request& request) {
  Result<NodeId> id = MemberOf(request);
  if (!id)
    return id.error();
  if (Status s = request.RefusePreconditions(); !s)
    return s.error();
  if (request.http.method == "PATCH")
    return ParseUpdate(request, *id);
  if (Status s = request.RefuseBody(); !s)
    return s.error();
  machine::ChangeMembers change;
  change.kind = Kind::kRemove;
  change.ids = {*id};
  return Finish(request, std::move(change));
}

}  // namespace synod::api
