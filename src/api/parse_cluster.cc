// /v1/cluster/leader and /v1/settings.
#include <cstdint>

#include "src/api/request.h"

namespace synod::api {

using Need = Fields::Need;

Result<Call> ParseMoveLeader(Request& request) {
  // No entry carries the request: nothing would judge a fence or a deadline. A key is welcome,
  // since a repeat finds the member leading.
  machine::Command guards;
  if (Status s = request.TakeGuards(&guards); !s)
    return s.error();
  if (!guards.fences.empty() || guards.not_after.value != 0)
    return Malformed("Synod-Fence and Synod-Not-After are not judged on this request");
  uint64_t id = 0;
  if (Status s = TakeObject(
          request, Body::kRequired,
          [&](Fields& body) { return body.Integer("id", 1, UINT32_MAX, Need::kRequired, &id); });
      !s)
    return s.error();
  MoveLeaderCall call;
  call.to = NodeId(static_cast<uint32_t>(id));
  return FinishCall(request, std::move(call));
}

namespace {

Status TakeSetting(Fields& body, const auth::SettingField& field, uint64_t* value) {
  if (!field.is_flag())
    return body.Integer(field.name, field.lowest, field.highest, Need::kOptional, value);
  bool flag = false;
  const Status taken = body.Bool(field.name, &flag);
  *value = flag ? 1 : 0;
  return taken;
}

}  // namespace

Result<Call> ParseSettings(Request& request) {
  if (request.IsGet())
    return FinishCurrentRead(request, machine::GetSettings{});
  return ParseObjectOfChange(request, Body::kRequired, [](Fields& body, ChangeCall* call) {
    auth::SettingValues changes;
    uint32_t number = 0;
    for (const auth::SettingField& field : auth::SettingFields()) {
      uint64_t value = 0;
      if (Status s = TakeSetting(body, field, &value); !s)
        return s;
      if (body.Has(field.name))
        changes.emplace_back(number, value);
      ++number;
    }
    if (body.empty())
      return Status(Malformed("the body must have at least one setting"));
    call->command.operation = machine::ChangeSettings{std::move(changes)};
    return Done();
  });
}

}  // namespace synod::api
