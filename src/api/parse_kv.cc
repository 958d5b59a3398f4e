// /v1/kv: nodes.
#include "src/api/encoding.h"
#include "src/api/request.h"
#include "src/base/path.h"

namespace synod::api {
namespace {

constexpr size_t kSequenceDigits = 10;

Error TooLarge(Request& request, uint64_t limit, std::string detail) {
  request.limit = limit;
  return Error{Errc::kTooLarge, Outcome::kNotApplied, std::move(detail)};
}

// The body as a value.
Status CheckValue(Request& request) {
  if (request.headers.content_encoding && *request.headers.content_encoding != "identity")
    return Error{Errc::kUnsupportedMediaType, Outcome::kNotApplied,
                 "Content-Encoding is not taken here"};
  if (request.http.body.size() > request.limits.value_bytes)
    return TooLarge(request, request.limits.value_bytes, "the value is too large");
  return Done();
}

Result<Call> ParsePut(Request& request) {
  if (Status s = CheckValue(request); !s)
    return s.error();
  machine::Put put;
  std::optional<uint64_t> lease;
  if (Status s = request.params.OptionalInteger("lease", 0, kIntegerMax, &lease); !s)
    return s.error();
  if (lease)
    put.lease = LeaseId(*lease);
  if (Status s = request.params.Bool("prev", &put.want_prev); !s)
    return s.error();
  if (Status s = request.TakePrecondition(&put.precondition); !s)
    return s.error();
  put.path = std::move(request.resource);
  put.value = request.http.body;
  const store::Precondition precondition = put.precondition;
  ChangeCall call;
  call.command.operation = std::move(put);
  return FinishChange(request, std::move(call), precondition);
}

Result<Call> ParseCreate(Request& request) {
  if (Status s = CheckValue(request); !s)
    return s.error();
  if (Status s = request.RefusePreconditions(); !s)
    return s.error();
  machine::CreateSequential create;
  if (Status s = request.params.Integer("lease", 0, kIntegerMax, &create.lease.value); !s)
    return s.error();
  create.prefix = std::move(request.resource);
  if (!LeavesRoomForSequence(create.prefix))
    return Error{Errc::kInvalidPath, Outcome::kNotApplied,
                 "the path leaves no room for the ten digits of the sequence"};
  create.value = request.http.body;
  request.render.location = true;
  ChangeCall call;
  call.command.operation = std::move(create);
  return FinishChange(request, std::move(call));
}

Result<Call> ParseDelete(Request& request) {
  if (Status s = request.RefuseBody(); !s)
    return s.error();
  machine::Delete remove;
  if (Status s = request.params.Bool("recursive", &remove.recursive); !s)
    return s.error();
  if (Status s = request.params.Bool("prev", &remove.want_prev); !s)
    return s.error();
  if (Status s = request.params.Bool("force", &remove.force); !s)
    return s.error();
  if (Status s = request.TakePrecondition(&remove.precondition); !s)
    return s.error();
  remove.path = std::move(request.resource);
  if (remove.force && !IsWithin(remove.path, kLocksRoot))
    return Malformed("force is for keys under /.synod/locks");
  const store::Precondition precondition = remove.precondition;
  ChangeCall call;
  call.command.operation = std::move(remove);
  return FinishChange(request, std::move(call), precondition);
}

Result<Call> ParseGet(Request& request, ReadCall call) {
  if (Status s = request.params.Bool("raw", &request.render.raw); !s)
    return s.error();
  if (request.render.raw && request.params.Has("encoding"))
    return Malformed("raw and encoding exclude each other");
  if (Status s = request.TakeEntityTags(); !s)
    return s.error();
  call.query = machine::GetNode{std::move(request.resource), request.render.at};
  return FinishCall(request, std::move(call));
}

Result<Call> ParseList(Request& request, ReadCall call, std::string_view scope) {
  machine::ListNodes list;
  if (scope == "subtree")
    list.scope = store::ListScope::kSubtree;
  else if (scope != "children")
    return Malformed("list must be children or subtree");
  if (Status s = request.RefusePreconditions(); !s)
    return s.error();
  if (Status s = request.TakePage(&list.limit, &list.after); !s)
    return s.error();
  if (Status s = request.params.Bool("keys_only", &request.render.keys_only); !s)
    return s.error();
  list.path = std::move(request.resource);
  list.at = request.render.at;
  call.query = std::move(list);
  return FinishCall(request, std::move(call));
}

}  // namespace

bool LeavesRoomForSequence(std::string_view prefix) {
  return prefix.size() + kSequenceDigits <= kPathBytesMax &&
         NameOf(prefix).size() + kSequenceDigits <= kComponentBytesMax;
}

Result<Call> ParseNodeRead(Request& request) {
  if (Status s = request.RefuseBody(); !s)
    return s.error();
  if (Status s = request.RefuseGuards(); !s)
    return s.error();
  ReadCall call;
  if (Status s = request.TakeConsistency(/*history=*/true, &call); !s)
    return s.error();
  if (const auto scope = request.params.Take("list"))
    return ParseList(request, std::move(call), *scope);
  return ParseGet(request, std::move(call));
}

Result<Call> ParseNodeChange(Request& request) {
  if (request.http.method == "PUT")
    return ParsePut(request);
  if (request.http.method == "POST")
    return ParseCreate(request);
  return ParseDelete(request);
}

}  // namespace synod::api
