// /v1/locks, /v1/elections and /v1/fences.
#include <set>

#include "src/api/encoding.h"
#include "src/api/request.h"
#include "src/base/path.h"

namespace synod::api {
namespace {

constexpr uint64_t kWaitMsMax = 86'400'000;
constexpr uint64_t kLockDelayMsMax = 60'000;
constexpr uint64_t kSemaphoreLimitMax = 1'000'000;

using Need = Fields::Need;

// "lease" or "ttl_ms", exactly one, and "wait_ms".
template <typename Acquire>
Status ParseWait(const Request& request, Fields& body, Acquire* acquire) {
  if (body.Has("lease") == body.Has("ttl_ms"))
    return Malformed("the body must have either lease or ttl_ms");
  if (Status s = body.Integer("lease", 1, kIntegerMax, Need::kOptional, &acquire->lease.value); !s)
    return s;
  uint64_t ttl_ms = 0;
  if (Status s = body.Integer("ttl_ms", static_cast<uint64_t>(request.limits.lease_ttl_ms_min),
                              static_cast<uint64_t>(request.limits.lease_ttl_ms_max),
                              Need::kOptional, &ttl_ms);
      !s)
    return s;
  acquire->ttl_ms = static_cast<int64_t>(ttl_ms);
  uint64_t wait_ms = 0;
  if (Status s = body.Integer("wait_ms", 0, kWaitMsMax, Need::kOptional, &wait_ms); !s)
    return s;
  acquire->wait_ms = static_cast<int64_t>(wait_ms);
  return Done();
}

Status ParseMode(Fields& body, machine::LockMode* out) {
  std::string mode = "exclusive";
  if (Status s = body.Text("mode", Need::kOptional, &mode); !s)
    return s;
  if (mode != "exclusive" && mode != "shared")
    return body.Wrong("mode", "must be exclusive or shared");
  if (mode == "shared")
    *out = machine::LockMode::kShared;
  return Done();
}

// What an acquire has that a campaign has not.
Status ParseLockTerms(Fields& body, machine::Acquire* acquire) {
  if (Status s = ParseMode(body, &acquire->mode); !s)
    return s;
  uint64_t limit = 1;
  if (Status s = body.Integer("limit", 1, kSemaphoreLimitMax, Need::kOptional, &limit); !s)
    return s;
  acquire->limit = static_cast<uint32_t>(limit);
  if (acquire->limit > 1 && acquire->mode == machine::LockMode::kShared)
    return body.Wrong("limit", "above 1 is for exclusive mode");
  uint64_t delay_ms = 0;
  if (Status s = body.Integer("lock_delay_ms", 0, kLockDelayMsMax, Need::kOptional, &delay_ms); !s)
    return s;
  acquire->lock_delay_ms = static_cast<int64_t>(delay_ms);
  return Done();
}

Result<Call> ParseContender(Request& request, machine::LockKind kind) {
  return ParseObjectOfChange(request, Body::kRequired, [&](Fields& body, ChangeCall* call) {
    machine::Acquire acquire;
    acquire.kind = kind;
    acquire.path = std::move(request.resource);
    if (Status s = ParseWait(request, body, &acquire); !s)
      return s;
    if (kind == machine::LockKind::kLock)
      if (Status s = ParseLockTerms(body, &acquire); !s)
        return s;
    if (Status s =
            body.Value(Need::kOptional, request.limits.value_bytes, &acquire.value, &request.limit);
        !s)
      return s;
    call->wait_ms = acquire.wait_ms;
    call->command.operation = std::move(acquire);
    return Done();
  });
}

// One of several locks.
Result<machine::AcquireAll::Lock> ParseLockOfMany(Json* json, const std::string& where) {
  if (json->kind != Json::Kind::kObject)
    return Malformed(where + " must be an object");
  Fields fields(json, where + ".");
  machine::AcquireAll::Lock lock;
  if (Status s = fields.Path("path", &lock.path); !s)
    return s.error();
  if (Status s = ValidateLockPath(lock.path); !s)
    return Error{Errc::kInvalidPath, Outcome::kNotApplied, where + ".path: " + s.error().detail};
  if (Status s = ParseMode(fields, &lock.mode); !s)
    return s.error();
  if (Status s = fields.Finish(); !s)
    return s.error();
  return lock;
}

Result<std::vector<machine::AcquireAll::Lock>> ParseLocksOfMany(Request& request, Fields& body) {
  Result<std::vector<Json>*> items = body.Array("locks");
  if (!items)
    return items.error();
  if (*items == nullptr || (*items)->empty())
    return body.Wrong("locks", "must name at least one lock");
  if ((*items)->size() > machine::kLocksAtOnceMax) {
    request.limit = machine::kLocksAtOnceMax;
    return Error{Errc::kTooLarge, Outcome::kNotApplied, "too many locks at once"};
  }
  std::vector<machine::AcquireAll::Lock> locks;
  std::set<std::string> paths;
  for (size_t i = 0; i < (*items)->size(); ++i) {
    Result<machine::AcquireAll::Lock> lock =
        ParseLockOfMany(&(**items)[i], "locks[" + std::to_string(i) + "]");
    if (!lock)
      return lock.error();
    if (!paths.insert(lock->path).second)
      return body.Wrong("locks", "names " + lock->path + " twice");
    locks.push_back(std::move(*lock));
  }
  return locks;
}

// The body of a request by the holder of a token; `take` reads what else there is.
template <typename Take>
Result<Call> ParseHolderRequest(Request& request, Take take) {
  return ParseObjectOfChange(request, Body::kRequired, [&](Fields& body, ChangeCall* call) {
    uint64_t token = 0;
    if (Status s = body.Integer("token", 1, kIntegerMax, Need::kRequired, &token); !s)
      return s;
    return take(body, FenceToken(token), &call->command.operation);
  });
}

Result<Call> ParseEnd(Request& request, machine::LockKind kind) {
  return ParseHolderRequest(request, [&](Fields&, FenceToken token, machine::Operation* out) {
    *out = machine::Release{kind, std::move(request.resource), token};
    return Done();
  });
}

}  // namespace

Result<Call> ParseLockList(Request& request) {
  machine::ListLocks list;
  list.prefix = request.params.Take("prefix").value_or("/");
  if (Status s = ValidatePath(list.prefix); !s)
    return Error{Errc::kInvalidPath, Outcome::kNotApplied, "prefix: " + s.error().detail};
  if (Status s = request.TakePage(&list.limit, &list.after); !s)
    return s.error();
  return FinishCurrentRead(request, std::move(list));
}

Result<Call> ParseLockRead(Request& request) {
  return FinishCurrentRead(request,
                           machine::GetLock{machine::LockKind::kLock, std::move(request.resource)});
}

Result<Call> ParseElectionRead(Request& request) {
  return FinishCurrentRead(
      request, machine::GetLock{machine::LockKind::kElection, std::move(request.resource)});
}

Result<Call> ParseAcquire(Request& request) {
  return ParseContender(request, machine::LockKind::kLock);
}

Result<Call> ParseAcquireAll(Request& request) {
  return ParseObjectOfChange(request, Body::kRequired, [&](Fields& body, ChangeCall* call) {
    machine::AcquireAll acquire;
    Result<std::vector<machine::AcquireAll::Lock>> locks = ParseLocksOfMany(request, body);
    if (!locks)
      return Status(locks.error());
    acquire.locks = std::move(*locks);
    if (Status s = ParseWait(request, body, &acquire); !s)
      return s;
    call->wait_ms = acquire.wait_ms;
    call->command.operation = std::move(acquire);
    return Done();
  });
}

Result<Call> ParseCampaign(Request& request) {
  return ParseContender(request, machine::LockKind::kElection);
}

Result<Call> ParseRelease(Request& request) { return ParseEnd(request, machine::LockKind::kLock); }

Result<Call> ParseResign(Request& request) {
  return ParseEnd(request, machine::LockKind::kElection);
}

Result<Call> ParseProclaim(Request& request) {
  return ParseHolderRequest(request, [&](Fields& body, FenceToken token, machine::Operation* out) {
    machine::Proclaim proclaim;
    proclaim.path = std::move(request.resource);
    proclaim.token = token;
    if (Status s = body.Value(Need::kRequired, request.limits.value_bytes, &proclaim.value,
                              &request.limit);
        !s)
      return s;
    *out = std::move(proclaim);
    return Done();
  });
}

Result<Call> ParseTransfer(Request& request) {
  return ParseHolderRequest(request, [&](Fields& body, FenceToken token, machine::Operation* out) {
    machine::Transfer transfer;
    transfer.path = std::move(request.resource);
    transfer.token = token;
    if (Status s = body.Integer("to", 1, kIntegerMax, Need::kRequired, &transfer.to.value); !s)
      return s;
    *out = std::move(transfer);
    return Done();
  });
}

Result<Call> ParseFence(Request& request) {
  if (request.IsGet())
    return FinishCurrentRead(request, machine::GetFence{std::move(request.resource)});
  if (request.http.method == "POST")
    return ParseHolderRequest(request, [&](Fields&, FenceToken token, machine::Operation* out) {
      *out = machine::RaiseFence{std::move(request.resource), token};
      return Done();
    });
  return FinishBareChange(request, machine::ForgetFence{std::move(request.resource)});
}

}  // namespace synod::api
