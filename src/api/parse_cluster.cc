// /v1/cluster/leader and /v1/settings.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "src/api/request.h"
#include "src/base/path.h"

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

Status TakeLimit(Fields& quota, const auth::QuotaLimit& limit, std::optional<uint64_t>* value) {
  const Json* given = quota.Take(limit.name);
  if (given == nullptr)
    return Done();
  if (given->kind != Json::Kind::kNull && given->kind != Json::Kind::kInteger)
    return quota.Wrong(limit.name, "must be an integer from 0 to " +
                                       std::to_string(auth::kQuotaLimitMax) + ", or null");
  *value = given->kind == Json::Kind::kNull ? 0 : given->integer;
  return Done();
}

Status TakeQuota(Json::Member* member, auth::QuotaChange* change) {
  const std::string where = "quotas." + member->key;
  if (Status s = auth::ValidateQuotaPath(member->key); !s)
    return Malformed(where + ": " + s.error().detail);
  change->path = member->key;
  if (member->value.kind == Json::Kind::kNull)
    return Done();
  if (member->value.kind != Json::Kind::kObject)
    return Malformed(where + " must be an object, or null");
  Fields quota(&member->value, where + ".");
  for (size_t i = 0; i < auth::kQuotaLimits.size(); ++i)
    if (Status s = TakeLimit(quota, auth::kQuotaLimits[i], &change->limits[i]); !s)
      return s;
  if (quota.empty())
    return Malformed(where + " must have at least one limit");
  return quota.Finish();
}

Status TakeQuotas(Fields& body, std::vector<auth::QuotaChange>* changes) {
  Json* quotas = body.Take("quotas");
  if (quotas == nullptr)
    return Done();
  if (quotas->kind != Json::Kind::kObject)
    return body.Wrong("quotas", "must be an object of paths");
  static_assert(kJsonMembersMax <= auth::kQuotaChangesMax);
  for (Json::Member& member : quotas->members)
    if (Status s = TakeQuota(&member, &changes->emplace_back()); !s)
      return s;
  std::ranges::sort(*changes, PathLess(), &auth::QuotaChange::path);
  return Done();
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
    std::vector<auth::QuotaChange> quotas;
    if (Status s = TakeQuotas(body, &quotas); !s)
      return s;
    // An empty object of quotas is what GET answers where there are none.
    const bool named = !changes.empty() || !quotas.empty();
    if (body.empty() || (body.Has("quotas") && !named))
      return Status(Malformed("the body must have at least one setting"));
    call->command.operation = machine::ChangeOf(std::move(changes), std::move(quotas));
    return Done();
  });
}

}  // namespace synod::api
