// What a WebSocket of watches says besides their messages.
#include "src/api/json_writer.h"
#include "src/api/watch_socket.h"
#include "src/base/check.h"

namespace synod::api {
namespace {

void BeginAnswer(JsonWriter& writer, std::optional<uint64_t> id, std::string_view op) {
  writer.BeginObject();
  if (id)
    writer.Number("id", *id);
  else
    writer.Null("id");
  writer.Text("op", op);
}

}  // namespace

net::HttpResponse RenderSocketHead(const RenderOptions& options, const Context& context) {
  net::HttpResponse response;
  response.status = 101;
  AddContextHeaders(options, context, &response);
  return response;
}

std::string RenderSocketCreated(uint64_t id, Revision revision) {
  std::string text;
  JsonWriter writer(&text);
  BeginAnswer(writer, id, "created");
  writer.Number("revision", revision.value);
  writer.EndObject();
  return text;
}

std::string RenderSocketCanceled(uint64_t id) {
  std::string text;
  JsonWriter writer(&text);
  BeginAnswer(writer, id, "canceled");
  writer.EndObject();
  return text;
}

std::string RenderSocketError(std::optional<uint64_t> id,
                              const Error& error,
                              Revision compact_revision,
                              uint64_t limit) {
  std::string text;
  JsonWriter writer(&text);
  BeginAnswer(writer, id, "error");
  writer.Text("code", Name(error.code));
  writer.Text("detail", error.detail);
  if (error.code == Errc::kCompacted)
    writer.Number("compact_revision", compact_revision.value);
  if (error.code == Errc::kTooLarge)
    writer.Number("limit", limit);
  writer.EndObject();
  return text;
}

std::string SocketPrefix(uint64_t id) { return "{\"id\":" + std::to_string(id) + ","; }

std::string_view SocketRest(std::string_view ndjson) {
  SYNOD_CHECK(ndjson.starts_with('{') && ndjson.ends_with("}\n"));
  return ndjson.substr(1, ndjson.size() - 2);
}

}  // namespace synod::api
