#include "src/api/request.h"

#include <algorithm>

#include "src/api/encoding.h"
#include "src/base/codec.h"
#include "src/base/path.h"

namespace synod::api {
namespace {

constexpr size_t kLockPathBytesMax = 900;

Error InvalidPath(std::string detail) {
  return Error{Errc::kInvalidPath, Outcome::kNotApplied, std::move(detail)};
}

bool EqualsIgnoringCase(std::string_view a, std::string_view lower) {
  return std::equal(a.begin(), a.end(), lower.begin(), lower.end(), [](char x, char y) {
    return (x >= 'A' && x <= 'Z' ? static_cast<char>(x - 'A' + 'a') : x) == y;
  });
}

// application/json, or the type that curl -d and its like name for any body; charset UTF-8.
bool IsJsonType(std::string_view type) {
  const size_t semicolon = type.find(';');
  std::string_view essence = type.substr(0, semicolon);
  while (essence.ends_with(' ')) essence.remove_suffix(1);
  if (!EqualsIgnoringCase(essence, "application/json") &&
      !EqualsIgnoringCase(essence, "application/x-www-form-urlencoded"))
    return false;
  if (semicolon == std::string_view::npos)
    return true;
  std::string_view parameter = type.substr(semicolon + 1);
  while (parameter.starts_with(' ')) parameter.remove_prefix(1);
  return parameter.empty() || EqualsIgnoringCase(parameter, "charset=utf-8") ||
         EqualsIgnoringCase(parameter, "charset=\"utf-8\"");
}

}  // namespace

Result<std::string> DecodePath(std::string_view encoded) {
  std::string path;
  path.reserve(encoded.size() + 1);
  if (!encoded.starts_with('/'))
    path.push_back('/');
  if (encoded.find('%') == std::string_view::npos) {
    path.append(encoded);
  } else {
    std::optional<std::string> decoded = DecodePercent(encoded, /*plus_is_space=*/false);
    if (!decoded)
      return InvalidPath("the path has a '%' without two hex digits");
    // Every slash must have been there before decoding.
    if (std::count(decoded->begin(), decoded->end(), '/') !=
        std::count(encoded.begin(), encoded.end(), '/'))
      return InvalidPath("a path component contains an encoded '/'");
    path.append(*decoded);
  }
  if (encoded.find('#') != std::string_view::npos)
    return InvalidPath("'#' must be percent-encoded in a path");
  if (Status s = ValidatePath(path); !s)
    return s.error();
  return path;
}

Status ValidateLockPath(std::string_view path) {
  if (path == "/")
    return InvalidPath("'/' is no lock");
  if (path.size() > kLockPathBytesMax)
    return InvalidPath("the path of a lock is longer than 900 bytes");
  if (path.find("/@") != std::string_view::npos)
    return InvalidPath("a component of a lock's path begins with '@'");
  static constexpr std::string_view kReservedNames[] = {
      "acquire", "release", "campaign", "proclaim", "resign", "transfer", "observe"};
  for (const std::string_view name : kReservedNames)
    if (NameOf(path) == name)
      return InvalidPath(std::string(name) + " is reserved as a lock's last component");
  return Done();
}

Status Request::Open() {
  std::string_view target = http.target;
  if (target.size() > limits.target_bytes)
    return Error{Errc::kUriTooLong, Outcome::kNotApplied, "the request target is over 8 KiB"};
  if (Status s = headers.Collect(http); !s)
    return s;
  // Absolute form (RFC 9112, section 3.2.2): its authority takes the place of Host.
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!target.starts_with(scheme))
      continue;
    target.remove_prefix(scheme.size());
    const size_t end = std::min(target.find_first_of("/?"), target.size());
    headers.host = target.substr(0, end);
    target.remove_prefix(end);
    break;
  }
  const size_t question = std::min(target.find('?'), target.size());
  path = target.substr(0, question);
  if (Status s = params.Parse(target.substr(std::min(question + 1, target.size()))); !s)
    return s;
  if (http.body.size() > limits.body_bytes) {
    limit = limits.body_bytes;
    return Error{Errc::kTooLarge, Outcome::kNotApplied, "the request body is too large"};
  }
  return Done();
}

Status Request::TakeCommon(int64_t* timeout_ms) {
  if (Status s = params.Integer("timeout_ms", 1, kTimeoutMsMax, timeout_ms); !s)
    return s;
  if (const auto encoding = params.Take("encoding")) {
    if (*encoding != "base64")
      return Malformed("encoding must be base64");
    render.base64 = true;
  }
  return Done();
}

Status Request::TakeFreshness(Freshness* fresh) {
  if (const auto consistency = params.Take("consistency")) {
    if (*consistency == "sequential")
      fresh->consistency = Consistency::kSequential;
    else if (*consistency != "linearizable")
      return Malformed("consistency must be linearizable or sequential");
  }
  std::optional<uint64_t> min_revision;
  std::optional<uint64_t> max_age_ms;
  if (Status s = params.OptionalInteger("min_revision", 0, kIntegerMax, &min_revision); !s)
    return s;
  if (Status s = params.OptionalInteger("max_age_ms", 0, kIntegerMax, &max_age_ms); !s)
    return s;
  if (fresh->consistency != Consistency::kSequential && (min_revision || max_age_ms))
    return Malformed("min_revision and max_age_ms go with consistency=sequential");
  fresh->min_revision = Revision(min_revision.value_or(0));
  if (max_age_ms)
    fresh->max_age_ms = static_cast<int64_t>(*max_age_ms);
  render.sequential = fresh->consistency == Consistency::kSequential;
  return Done();
}

Status Request::TakeConsistency(bool history, ReadCall* call) {
  std::optional<uint64_t> at_revision;
  if (history)
    if (Status s = params.OptionalInteger("at_revision", 1, kIntegerMax, &at_revision); !s)
      return s;
  if (at_revision && (params.Has("min_revision") || params.Has("max_age_ms")))
    return Malformed("at_revision goes without min_revision and max_age_ms");
  if (at_revision)
    call->at_revision = render.at = Revision(*at_revision);
  return TakeFreshness(&call->fresh);
}

Status Request::TakeLimit(size_t* page_limit) {
  *page_limit = std::min<size_t>(*page_limit, limits.list_nodes);
  return params.Integer("limit", 1, limits.list_nodes, page_limit);
}

Status Request::TakePage(size_t* page_limit, std::string* after) {
  if (Status s = TakeLimit(page_limit); !s)
    return s;
  const auto told = params.Take("after");
  if (!told)
    return Done();
  *after = std::string(*told);
  if (!after->starts_with('/'))
    *after = DecodeBase64Url(*told).value_or("");
  if (!ValidatePath(*after))
    return Malformed("after must be the \"next\" of a page");
  return Done();
}

Status Request::RefuseBody() const {
  if (!http.body.empty())
    return Malformed("this request takes no body");
  return Done();
}

Status Request::RefuseAllButParams() const {
  if (Status s = RefuseBody(); !s)
    return s;
  if (Status s = RefuseGuards(); !s)
    return s;
  return RefusePreconditions();
}

Result<Json> Request::JsonBody(Body body) {
  if (headers.content_encoding && !EqualsIgnoringCase(*headers.content_encoding, "identity"))
    return Error{Errc::kUnsupportedMediaType, Outcome::kNotApplied,
                 "Content-Encoding is not taken here"};
  if (http.body.empty() && body == Body::kMayBeEmpty) {
    Json object;
    object.kind = Json::Kind::kObject;
    return object;
  }
  if (headers.content_type && !IsJsonType(*headers.content_type))
    return Error{Errc::kUnsupportedMediaType, Outcome::kNotApplied,
                 "the body must be application/json in UTF-8"};
  Result<Json> json = ParseJson(http.body, &limit);
  if (json && json->kind != Json::Kind::kObject)
    return Malformed("the body must be a JSON object");
  return json;
}

Hash128 Request::Fingerprint(const machine::Command& command,
                             const store::Precondition& precondition) const {
  std::string canonical;
  Writer writer(&canonical);
  writer.String(http.method);
  // The same path may be encoded in several ways.
  writer.String(DecodePercent(path, /*plus_is_space=*/false).value_or(std::string(path)));
  params.AppendCanonical(&canonical);
  const Hash128 body = HashOf(http.body);
  writer.Fixed64(body.hi);
  writer.Fixed64(body.lo);
  writer.U8(static_cast<uint8_t>(precondition.kind));
  writer.Varint(precondition.number);
  writer.Number(command.not_after);
  std::vector<machine::Fence> fences = command.fences;
  std::sort(fences.begin(), fences.end(), [](const machine::Fence& a, const machine::Fence& b) {
    return a.path != b.path ? a.path < b.path : a.token < b.token;
  });
  for (const machine::Fence& fence : fences) {
    writer.String(fence.path);
    writer.Number(fence.token);
  }
  return HashOf(canonical);
}

Result<Call> FinishChange(Request& request,
                          ChangeCall call,
                          const store::Precondition& precondition) {
  if (Status s = request.TakeGuards(&call.command); !s)
    return s.error();
  // Only a recorded request is ever compared.
  if (!call.command.idempotency_key.empty())
    call.command.fingerprint = request.Fingerprint(call.command, precondition);
  return FinishCall(request, std::move(call));
}

Result<Call> FinishBareChange(Request& request, machine::Operation operation) {
  if (Status s = request.RefuseBody(); !s)
    return s.error();
  if (Status s = request.RefusePreconditions(); !s)
    return s.error();
  ChangeCall call;
  call.command.operation = std::move(operation);
  return FinishChange(request, std::move(call));
}

Result<Call> FinishCurrentRead(Request& request, machine::Query query) {
  if (Status s = request.RefuseAllButParams(); !s)
    return s.error();
  ReadCall call;
  call.query = std::move(query);
  if (Status s = request.TakeConsistency(/*history=*/false, &call); !s)
    return s.error();
  return FinishCall(request, std::move(call));
}

}  // namespace synod::api
