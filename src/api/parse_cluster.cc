// /v1/cluster/leader.
#include <cstdint>

#include "src/api/request.h"

namespace synod::api {

Result<Call> ParseMoveLeader(Request& request) {
  // No entry carries the request: nothing would judge a fence or a deadline. A key is welcome,
  // since a repeat finds the member leading.
  machine::Command guards;
  if (Status s = request.TakeGuards(&guards); !s)
    return s.error();
  if (!guards.fences.empty() || guards.not_after.value != 0)
    return Malformed("Synod-Fence and Synod-Not-After are not judged on this request");
  uint64_t id = 0;
  if (Status s = TakeObject(request, Body::kRequired,
                            [&](Fields& body) {
                              return body.Integer("id", 1, UINT32_MAX, Fields::Need::kRequired,
                                                  &id);
                            });
      !s)
    return s.error();
  MoveLeaderCall call;
  call.to = NodeId(static_cast<uint32_t>(id));
  return FinishCall(request, std::move(call));
}

}  // namespace synod::api
