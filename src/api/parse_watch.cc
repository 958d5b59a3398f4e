// /v1/watch and /v1/elections/{path}/observe.
#include "src/api/accept.h"
#include "src/api/encoding.h"
#include "src/api/request.h"

namespace synod::api {
namespace {

constexpr uint64_t kWaitMsMax = 86'400'000;

Result<StreamFormat> FormatOf(const Request& request, bool offer_long_poll) {
  const auto format = ChooseFormat(request.headers.accept, offer_long_poll);
  if (!format)
    return Error{Errc::kNotAcceptable, Outcome::kNotApplied,
                 offer_long_poll
                     ? "offered are text/event-stream, application/x-ndjson, application/json"
                     : "offered are text/event-stream, application/x-ndjson"};
  return *format;
}

// from_revision, unless the browser's own Last-Event-ID says where it was.
Status TakeStart(Request& request, Revision* from) {
  if (Status s = request.params.Integer("from_revision", 1, kIntegerMax, &from->value); !s)
    return s;
  if (!request.headers.last_event_id || request.headers.last_event_id->empty())
    return Done();
  const auto last = ParseInteger(*request.headers.last_event_id);
  if (!last || *last >= kIntegerMax)
    return Malformed("Last-Event-ID must be the id of an event: a revision");
  *from = Revision(*last + 1);
  return Done();
}

}  // namespace

Status ReadFilter(std::string_view text, watch::Spec* spec) {
  spec->puts = text == "put" || text == "put,delete" || text == "delete,put";
  spec->deletes = text == "delete" || text == "put,delete" || text == "delete,put";
  if (!spec->puts && !spec->deletes)
    return Malformed("filter must be put, delete or put,delete");
  return Done();
}

Status ReadScope(std::string_view text, watch::Spec* spec) {
  if (text == "node")
    spec->scope = watch::Scope::kNode;
  else if (text == "children")
    spec->scope = watch::Scope::kChildren;
  else if (text == "subtree")
    spec->scope = watch::Scope::kSubtree;
  else
    return Malformed("scope must be node, children or subtree");
  return Done();
}

Result<Call> ParseWatch(Request& request) {
  if (Status s = request.RefuseAllButParams(); !s)
    return s.error();
  WatchCall call;
  Result<StreamFormat> format = FormatOf(request, /*offer_long_poll=*/true);
  if (!format)
    return format.error();
  call.format = *format;
  call.spec.path = std::move(request.resource);
  if (const auto scope = request.params.Take("scope"))
    if (Status s = ReadScope(*scope, &call.spec); !s)
      return s.error();
  if (const auto filter = request.params.Take("filter"))
    if (Status s = ReadFilter(*filter, &call.spec); !s)
      return s.error();
  if (Status s = request.params.Bool("prev", &call.spec.prev); !s)
    return s.error();
  if (Status s = TakeStart(request, &call.from_revision); !s)
    return s.error();
  if (call.format != StreamFormat::kLongPoll && request.params.Has("wait_ms"))
    return Malformed("wait_ms goes with a long poll (Accept: application/json)");
  if (Status s = request.params.Integer("wait_ms", 0, kWaitMsMax, &call.wait_ms); !s)
    return s.error();
  return FinishCall(request, std::move(call));
}

Result<Call> ParseObserve(Request& request) {
  if (Status s = request.RefuseAllButParams(); !s)
    return s.error();
  ObserveCall call;
  Result<StreamFormat> format = FormatOf(request, /*offer_long_poll=*/false);
  if (!format)
    return format.error();
  call.format = *format;
  call.path = std::move(request.resource);
  if (Status s = TakeStart(request, &call.from_revision); !s)
    return s.error();
  return FinishCall(request, std::move(call));
}

}  // namespace synod::api
