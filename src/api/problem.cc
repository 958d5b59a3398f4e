#include "src/api/problem.h"

#include <array>

#include "src/api/documents.h"
#include "src/api/json_writer.h"
#include "src/base/check.h"

namespace synod::api {
namespace {

struct Row {
  int status;
  std::string_view title;
};

// In the order of Errc.
constexpr std::array<Row, kErrcCount> kRows = {{
    {200, "OK"},
    {400, "The request is malformed"},
    {400, "The path is not valid"},
    {400, "The body is not valid JSON"},
    {401, "Credentials are missing or wrong"},
    {403, "Not allowed"},
    {404, "Not found"},
    {404, "There is no such lease"},
    {404, "The lock is not held with this token"},
    {405, "The resource does not have this method"},
    {406, "None of the accepted media types is offered"},
    {408, "The request took too long to arrive"},
    {411, "The length of the body is missing"},
    {414, "The request target is too long"},
    {415, "The media type of the body is not taken here"},
    {417, "The expectation cannot be met"},
    {431, "The request headers are too large"},
    {501, "Not implemented"},
    {505, "The HTTP version is not supported"},
    {409, "The node has children"},
    {409, "The node belongs to the service"},
    {409, "A node with a lease has no children"},
    {409, "The path is in use as the other kind of lock"},
    {409, "The lease holds or awaits this lock in another way"},
    {409, "The lock is in use with another limit"},
    {409, "A quota is exhausted"},
    {409, "The request has expired"},
    {409, "The change of members is refused"},
    {410, "The revision has been compacted"},
    {412, "The precondition failed"},
    {412, "The fencing token is no longer current"},
    {413, "Too large"},
    {422, "The idempotency key was used for another request"},
    {423, "The lock was not granted in time"},
    {429, "The node is overloaded"},
    {429, "Too many requests"},
    {503, "There is no leader"},
    {503, "There is no quorum"},
    {503, "Not ready"},
    {503, "The storage quota is full"},
    {503, "The node is shutting down"},
    {504, "The deadline has passed"},
    {500, "Internal error"},
}};

const Row& RowOf(Errc code) {
  const auto i = static_cast<size_t>(code);
  SYNOD_CHECK_LT(i, kRows.size());
  return kRows[i];
}

void WriteHolders(JsonWriter& writer, const std::vector<machine::Holder>& holders, bool base64) {
  writer.BeginArray("holders");
  for (const machine::Holder& holder : holders)
    WriteHolder(writer, holder, base64, /*remaining=*/true);
  writer.EndArray();
}

}  // namespace

int HttpStatus(Errc code) { return RowOf(code).status; }

std::string_view Title(Errc code) { return RowOf(code).title; }

net::HttpResponse RenderError(const RenderOptions& options,
                              const Context& context,
                              const Error& error,
                              std::optional<Revision> compact_revision) {
  machine::Refusal refusal;
  refusal.error = error;
  refusal.compact_revision = compact_revision;
  return RenderRefusal(options, context, refusal);
}

net::HttpResponse RenderRefusal(const RenderOptions& options,
                                const Context& context,
                                const machine::Refusal& refusal) {
  const Errc code = refusal.error.code;
  net::HttpResponse response;
  response.status = HttpStatus(code);
  response.content_type = "application/problem+json";
  response.body.reserve(256 + refusal.error.detail.size());
  JsonWriter writer(&response.body);
  writer.BeginObject();
  writer.Text("type", "urn:synod:problem:" + std::string(Name(code)));
  writer.Text("title", Title(code));
  writer.Number("status", response.status);
  writer.Text("detail", refusal.error.detail.empty() ? Title(code) : refusal.error.detail);
  writer.Text("code", Name(code));
  if (options.could_change)
    writer.Text("outcome", refusal.error.outcome == Outcome::kUnknown ? "unknown" : "not_applied");
  if (refusal.current) {
    writer.BeginObject("current");
    WriteNodeFields(writer, refusal.current->path, *refusal.current->node, ValueForm::kLeftOut);
    writer.EndObject();
  }
  if (code == Errc::kLockUnavailable)
    WriteHolders(writer, refusal.holders, options.base64);
  if (code == Errc::kCompacted && refusal.compact_revision)
    writer.Number("compact_revision", refusal.compact_revision->value);
  if (refusal.limit)
    writer.Number("limit", *refusal.limit);
  if (refusal.index)
    writer.Number("index", *refusal.index);
  if (refusal.highest)
    writer.Number("highest", refusal.highest->value);
  writer.EndObject();

  AddContextHeaders(options, context, &response);
  if (response.status == 429 || response.status == 503)
    // A full store is not emptied in a second; everything else here is over in about one.
    response.headers.emplace_back("Retry-After", code == Errc::kStorageFull ? "10" : "1");
  if (response.status == 401)
    response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"synod\"");
  return response;
}

}  // namespace synod::api
