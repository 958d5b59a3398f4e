// What kind of work a call is: for the counters, and for who goes first under load.
//
// Contract      Plain functions of the call.
// Thread        Any.
#ifndef SYNOD_NODE_WORK_H_
#define SYNOD_NODE_WORK_H_

#include "src/api/call.h"
#include "src/node/admission.h"
#include "src/node/request_stats.h"

namespace synod::node {

Route RouteOf(const api::Call& call);
WorkClass WorkOf(const api::Call& call);
int64_t TimeoutOf(const api::Call& call);  // in ms
// What must be proven of the replica before the call is served.
api::Freshness FreshnessOf(const api::Call& call);
// Of what was proven `age_ms` after it was asked for, or has waited so long for its turn: not_ready
// if that is too old, deadline_exceeded if it is too late.
Status MayStillServe(const api::Call& call, int64_t age_ms);
// Asked for by those who would restart the node.
bool IsHealth(const api::Call& call);

}  // namespace synod::node

#endif  // SYNOD_NODE_WORK_H_
