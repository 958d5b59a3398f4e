// Request: the parts of an HTTP request that every endpoint shares, taken apart strictly.
//
// Contract      Collects the target's path and query and the headers that mean something here; an
//               endpoint takes what it knows, and whatever is left over at the end is refused.
//               Internal to src/api.
// Thread        Any; lives for one ParseCall().
// Errors        kInvalidRequest, kInvalidPath with a detail that names the culprit; kTooLarge and
//               kMethodNotAllowed leave `limit` and `allow` here for the answer.
#ifndef SYNOD_API_REQUEST_H_
#define SYNOD_API_REQUEST_H_

#include <cstdint>
#include <forward_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "src/api/call.h"
#include "src/api/json_reader.h"
#include "src/base/error.h"

namespace synod::api {

inline constexpr uint64_t kTimeoutMsMax = 60'000;

Error Malformed(std::string detail);

// The query of a target: names appear once, and each must be taken by somebody.
class Params {
 public:
  Status Parse(std::string_view query);

  bool Has(std::string_view name) const;
  std::optional<std::string_view> Take(std::string_view name);
  // The outputs are left alone where a parameter is absent.
  template <typename N>
  Status Integer(std::string_view name, uint64_t lowest, uint64_t highest, N* out) {
    std::optional<uint64_t> number;
    if (Status s = OptionalInteger(name, lowest, highest, &number); !s)
      return s;
    if (number)
      *out = static_cast<N>(*number);
    return Done();
  }
  Status OptionalInteger(std::string_view name,
                         uint64_t lowest,
                         uint64_t highest,
                         std::optional<uint64_t>* out);
  Status Bool(std::string_view name, bool* out);
  Status Finish() const;

  // All that can change what a command does, in one order: the idempotency fingerprint's share.
  void AppendCanonical(std::string* out) const;

 private:
  struct Param {
    std::string_view name;
    std::string_view value;
    bool taken = false;
  };
  Result<std::string_view> Decode(std::string_view text);

  std::vector<Param> params_;
  // Backs the views of what was percent-encoded; its strings stay where they are, and while there
  // are none it costs no allocation.
  std::forward_list<std::string> decoded_;
};

struct Headers {
  std::optional<std::string_view> host;
  std::optional<std::string_view> origin;
  std::optional<std::string_view> authorization;
  std::optional<std::string_view> idempotency_key;
  std::optional<std::string_view> not_after;
  std::optional<std::string_view> if_match;
  std::optional<std::string_view> if_none_match;
  std::optional<std::string_view> content_type;
  std::optional<std::string_view> content_encoding;
  std::optional<std::string_view> last_event_id;
  std::optional<std::string_view> upgrade;
  std::optional<std::string_view> requested_method;  // of a CORS preflight
  std::string_view other_precondition;               // name of one that nothing here judges
  std::vector<std::string_view> fences;
  std::vector<std::string_view> accept;

  Status Collect(const net::HttpRequest& request);
};

enum class Body : uint8_t { kRequired, kMayBeEmpty };  // kMayBeEmpty: no body means {}

class Request {
 public:
  Request(const net::HttpRequest& request, const Limits& bounds) : http(request), limits(bounds) {}

  // Splits the target, reads query and headers, and checks the body's size.
  Status Open();

  bool IsGet() const { return http.method == "GET" || http.method == "HEAD"; }

  // --- What endpoints share ---
  // timeout_ms (1 to kTimeoutMsMax) and encoding.
  Status TakeCommon(int64_t* timeout_ms);
  // consistency, min_revision, max_age_ms.
  Status TakeFreshness(Freshness* fresh);
  // The same and, if `history`, at_revision.
  Status TakeConsistency(bool history, ReadCall* call);
  // limit of a list.
  Status TakeLimit(size_t* page_limit);
  // limit and after, which is a path: a page's "next", or the path itself.
  Status TakePage(size_t* page_limit, std::string* after);
  // Idempotency-Key, Synod-Not-After, Synod-Fence into the command.
  Status TakeGuards(machine::Command* command);
  // If-Match, If-None-Match, if_version of a PUT or DELETE.
  Status TakePrecondition(store::Precondition* precondition);
  // If-None-Match of a GET of a node.
  Status TakeEntityTags();
  // For the endpoints that judge none.
  Status RefusePreconditions() const;
  // Guards on a request that changes nothing.
  Status RefuseGuards() const;
  Status RefuseBody() const;
  // Neither body, guards nor preconditions: nothing but a path and a query.
  Status RefuseAllButParams() const;
  // The body as a JSON object.
  Result<Json> JsonBody(Body body);
  // Of the whole request; call when all else is parsed.
  Hash128 Fingerprint(const machine::Command& command,
                      const store::Precondition& precondition) const;

  const net::HttpRequest& http;
  const Limits& limits;
  std::string_view path;  // raw, without query
  std::string_view rest;  // what the route's prefix left of `path`
  // The decoded path of a node, lock, election or register; the name of a user, role or token.
  std::string resource;
  Params params;
  Headers headers;
  RenderOptions render;

  std::optional<uint64_t> limit;      // of a 413
  std::string_view allow;             // of a 405
  bool other_socket_version = false;  // of an upgrade that is refused
};

// One percent-encoded path ("/a/b%20c", maybe without the leading slash) as a valid path.
Result<std::string> DecodePath(std::string_view encoded);
// Room for the ten digits that a sequential child's name ends with.
bool LeavesRoomForSequence(std::string_view prefix);
// What holds for the path of a lock, an election or a fence register besides that.
Status ValidateLockPath(std::string_view path);

// --- Endpoints: each takes all of the request and makes the call
// -----------------------------------
Result<Call> ParseNodeRead(Request& request);
Result<Call> ParseNodeChange(Request& request);
Result<Call> ParseTxn(Request& request);
Result<Call> ParseLeases(Request& request);
Result<Call> ParseLease(Request& request);
Result<Call> ParseLeaseKeepAlive(Request& request);
Result<Call> ParseLeasesKeepAlive(Request& request);
Result<Call> ParseLockList(Request& request);
Result<Call> ParseLockRead(Request& request);
Result<Call> ParseElectionRead(Request& request);
Result<Call> ParseAcquire(Request& request);
Result<Call> ParseAcquireAll(Request& request);
Result<Call> ParseCampaign(Request& request);
Result<Call> ParseRelease(Request& request);
Result<Call> ParseResign(Request& request);
Result<Call> ParseProclaim(Request& request);
Result<Call> ParseTransfer(Request& request);
Result<Call> ParseObserve(Request& request);
Result<Call> ParseFence(Request& request);
Result<Call> ParseWatch(Request& request);
Result<Call> ParseWatchSocket(Request& request);
Result<Call> ParseCompact(Request& request);
Result<Call> ParseMoveLeader(Request& request);
Result<Call> ParseSettings(Request& request);
Result<Call> ParseMemberAdd(Request& request);
Result<Call> ParseMembersPromote(Request& request);
Result<Call> ParseMemberPromote(Request& request);
Result<Call> ParseMemberReplace(Request& request);
Result<Call> ParseMember(Request& request);
Result<Call> ParseRoles(Request& request);
Result<Call> ParseRole(Request& request);
Result<Call> ParseUsers(Request& request);
Result<Call> ParseUser(Request& request);
Result<Call> ParseTokens(Request& request);
Result<Call> ParseToken(Request& request);

// Of a watch, by their names.
Status ReadScope(std::string_view text, watch::Spec* spec);
Status ReadFilter(std::string_view text, watch::Spec* spec);

// The end of every call: what all have in common, and no leftovers.
template <typename AnyCall>
Result<Call> FinishCall(Request& request, AnyCall call) {
  if (Status s = request.TakeCommon(&call.timeout_ms); !s)
    return s.error();
  if (Status s = request.params.Finish(); !s)
    return s.error();
  call.render = std::move(request.render);
  return Call(std::move(call));
}
// The end of every change: guards and the fingerprint as well.
Result<Call> FinishChange(Request& request,
                          ChangeCall call,
                          const store::Precondition& precondition = {});
// A change that is nothing but its path.
Result<Call> FinishBareChange(Request& request, machine::Operation operation);
// A read of what has neither history nor ETags.
Result<Call> FinishCurrentRead(Request& request, machine::Query query);

// A request that judges no precondition and has an object as its body: take(Fields&) reads all of
// its fields.
template <typename Take>
Status TakeObject(Request& request, Body body, Take take) {
  if (Status s = request.RefusePreconditions(); !s)
    return s;
  Result<Json> json = request.JsonBody(body);
  if (!json)
    return json.error();
  Fields fields(&*json, "");
  if (Status s = take(fields); !s)
    return s;
  return fields.Finish();
}

// As TakeObject(), of a change: take(Fields&, ChangeCall*) makes the call from the fields.
template <typename Take>
Result<Call> ParseObjectOfChange(Request& request, Body body, Take take) {
  ChangeCall call;
  if (Status s = TakeObject(request, body, [&](Fields& fields) { return take(fields, &call); }); !s)
    return s.error();
  return FinishChange(request, std::move(call));
}

}  // namespace synod::api

#endif  // SYNOD_API_REQUEST_H_
