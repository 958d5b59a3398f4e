// /v1/cluster/leader.
#include <cstdint>

#include "src/api/request.h"

namespace synod::api {

Result<Call> ParseMoveLeader(Request& request) {
  if (Status s = request.RefusePreconditions(); !s)
    return s.error();
  // No entry carries the request: nothing would judge a fence or a deadline. A key is welcome,
  // since a repeat finds the member leading.
  machine::Command guards;
  if (Status s = request.TakeGuards(&guards); !s)
    return s.error();
  if (!guards.fences.empty() || guards.not_after.value != 0)
    return Malformed("Synod-Fence and Synod-Not-After are not judged on this request");
  Result<Json> json = request.JsonBody(/*empty_is_object=*/false);
  if (!json)
    return json.error();
  Fields body(&*json, "");
  uint64_t id = 0;
  if (Status s = body.Integer("id", 1, UINT32_MAX, Fields::Need::kRequired, &id); !s)
    return s.error();
  if (Status s = body.Finish(); !s)
    return s.error();
  MoveLeaderCall call;
  call.to = NodeId(static_cast<uint32_t>(id));
  if (Status s = request.TakeCommon(&call.timeout_ms); !s)
    return s.error();
  if (Status s = request.params.Finish(); !s)
    return s.error();
  call.render = std::move(request.render);
  return Call(std::move(call));
}

}  // namespace synod::api
