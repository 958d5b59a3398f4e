#include <algorithm>

#include "src/api/encoding.h"
#include "src/api/request.h"

namespace synod::api {
namespace {

constexpr size_t kIdempotencyKeyBytesMax = 128;

std::string_view Trim(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

// Cuts the next element off a comma-separated list.
std::string_view NextElement(std::string_view* list) {
  const size_t comma = list->find(',');
  const std::string_view element = Trim(list->substr(0, comma));
  *list = comma == std::string_view::npos ? std::string_view() : list->substr(comma + 1);
  return element;
}

Result<uint64_t> ParseEntityTag(std::string_view text, std::string_view header) {
  if (text.starts_with("W/"))
    return Malformed(std::string(header) + ": weak ETags are not taken");
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"')
    if (const auto number = ParseInteger(text.substr(1, text.size() - 2)))
      return *number;
  return Malformed(std::string(header) +
                   " must be an ETag of this service, such as \"17\" (with quotes), or *");
}

Status ParseFence(std::string_view text, std::vector<machine::Fence>* fences) {
  const size_t equals = text.rfind('=');
  const auto token = equals == std::string_view::npos ? std::optional<uint64_t>()
                                                      : ParseInteger(text.substr(equals + 1));
  if (!token || *token == 0 || text.front() != '/')
    return Malformed("Synod-Fence must be /path=token, the path percent-encoded");
  Result<std::string> path = DecodePath(text.substr(0, equals));
  if (!path)
    return Error{Errc::kInvalidPath, Outcome::kNotApplied, "Synod-Fence: " + path.error().detail};
  if (Status s = ValidateLockPath(*path); !s)
    return Error{Errc::kInvalidPath, Outcome::kNotApplied, "Synod-Fence: " + s.error().detail};
  fences->push_back({std::move(*path), FenceToken(*token)});
  return Done();
}

}  // namespace

std::optional<std::string_view> BearerOf(const net::HttpRequest& request) {
  constexpr std::string_view kScheme = "bearer ";
  const std::string_view text = Trim(request.Header("authorization"));
  if (text.size() <= kScheme.size() || !net::EqualsNoCase(text.substr(0, kScheme.size()), kScheme))
    return std::nullopt;
  return Trim(text.substr(kScheme.size()));
}

Status Headers::Collect(const net::HttpRequest& request) {
  struct Known {
    std::string_view name;
    std::optional<std::string_view>* slot;
  };
  const Known known[] = {
      {"host", &host},
      {"authorization", &authorization},
      {"content-type", &content_type},
      {"idempotency-key", &idempotency_key},
      {"if-match", &if_match},
      {"if-none-match", &if_none_match},
      {"origin", &origin},
      {"synod-not-after", &not_after},
      {"content-encoding", &content_encoding},
      {"last-event-id", &last_event_id},
      {"upgrade", &upgrade},
      {"access-control-request-method", &requested_method},
  };
  for (const auto& [name, value] : request.headers) {
    const Known* found = nullptr;
    for (const Known& candidate : known)
      if (candidate.name == name)
        found = &candidate;
    if (found != nullptr) {
      if (*found->slot)
        return Malformed("the header " + name + " is repeated");
      *found->slot = Trim(value);
    } else if (name == "accept") {
      if (!Trim(value).empty())
        accept.push_back(value);
    } else if (name == "synod-fence") {
      fences.push_back(value);
    } else if (name.starts_with("synod-")) {
      return Malformed("the request header " + name + " is not known");
    } else if (name == "if-modified-since" || name == "if-unmodified-since" || name == "if-range") {
      other_precondition = name;
    }
  }
  return Done();
}

Status Request::TakeGuards(machine::Command* command) {
  if (headers.idempotency_key) {
    const std::string_view key = *headers.idempotency_key;
    if (key.empty() || key.size() > kIdempotencyKeyBytesMax)
      return Malformed("Idempotency-Key must have 1 to 128 characters");
    for (const char c : key)
      if (c <= 0x20 || c >= 0x7F)
        return Malformed("Idempotency-Key must be visible ASCII");
    command->idempotency_key = key;
  }
  if (headers.not_after) {
    const auto time = ParseInteger(*headers.not_after);
    if (!time || *time == 0)
      return Malformed("Synod-Not-After must be a cluster time: an integer from 1 to 2^53 - 1");
    command->not_after = ClusterTime(static_cast<int64_t>(*time));
  }
  for (std::string_view list : headers.fences) {
    do {
      const std::string_view item = NextElement(&list);
      if (item.empty())
        return Malformed("Synod-Fence has an empty element");
      if (Status s = ParseFence(item, &command->fences); !s)
        return s;
    } while (!list.empty());
  }
  return Done();
}

Status Request::TakePrecondition(store::Precondition* precondition) {
  using Kind = store::Precondition::Kind;
  if (!headers.other_precondition.empty())
    return Malformed("the precondition " + std::string(headers.other_precondition) +
                     " is not judged here");
  std::optional<uint64_t> version;
  if (Status s = params.OptionalInteger("if_version", 0, kIntegerMax, &version); !s)
    return s;
  if (int{headers.if_match.has_value()} + int{headers.if_none_match.has_value()} +
          int{version.has_value()} >
      1)
    return Malformed("If-Match, If-None-Match and if_version exclude each other");
  if (version) {
    *precondition = {Kind::kVersion, *version};
  } else if (headers.if_none_match) {
    if (*headers.if_none_match != "*")
      return Malformed("If-None-Match of a change must be *");
    *precondition = {Kind::kAbsent, 0};
  } else if (headers.if_match && *headers.if_match == "*") {
    *precondition = {Kind::kExists, 0};
  } else if (headers.if_match) {
    Result<uint64_t> revision = ParseEntityTag(*headers.if_match, "If-Match");
    if (!revision)
      return revision.error();
    *precondition = {Kind::kModRevision, *revision};
  }
  return Done();
}

Status Request::TakeEntityTags() {
  if (headers.if_match)
    return Malformed("If-Match is not judged on a read");
  if (!headers.other_precondition.empty())
    return Malformed("the precondition " + std::string(headers.other_precondition) +
                     " is not judged here");
  if (!headers.if_none_match)
    return Done();
  if (*headers.if_none_match == "*") {
    render.if_none_match.any = true;
    return Done();
  }
  std::string_view list = *headers.if_none_match;
  do {
    Result<uint64_t> revision = ParseEntityTag(NextElement(&list), "If-None-Match");
    if (!revision)
      return revision.error();
    render.if_none_match.revisions.push_back(*revision);
  } while (!list.empty());
  return Done();
}

Status Request::RefusePreconditions() const {
  if (headers.if_match)
    return Malformed("If-Match is not judged here");
  if (headers.if_none_match)
    return Malformed("If-None-Match is not judged here");
  if (!headers.other_precondition.empty())
    return Malformed("the precondition " + std::string(headers.other_precondition) +
                     " is not judged here");
  return Done();
}

Status Request::RefuseGuards() const {
  if (headers.idempotency_key)
    return Malformed("Idempotency-Key belongs to POST, PUT, PATCH and DELETE");
  if (headers.not_after)
    return Malformed("Synod-Not-After belongs to changes");
  if (!headers.fences.empty())
    return Malformed("Synod-Fence belongs to changes");
  return Done();
}

}  // namespace synod::api
