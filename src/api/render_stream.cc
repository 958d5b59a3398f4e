// Messages of watches and of observed elections.
#include "src/api/documents.h"
#include "src/api/json_writer.h"
#include "src/api/render.h"

namespace synod::api {
namespace {

constexpr size_t kLongPollBytesMax = size_t{4} << 20;

std::string_view Name(store::Cause cause) {
  switch (cause) {
    case store::Cause::kClient:
      return "client";
    case store::Cause::kExpired:
      return "expired";
    case store::Cause::kReleased:
      return "released";
  }
  return "client";
}

void WriteEvent(JsonWriter& writer,
                const store::Change& change,
                bool prev,
                bool base64,
                std::optional<Revision> revision) {
  const ValueForm form = base64 ? ValueForm::kBase64 : ValueForm::kText;
  writer.BeginObject();
  if (revision)
    writer.Number("revision", revision->value);
  writer.Text("type", change.type == store::Change::Type::kPut ? "put" : "delete");
  writer.Text("path", change.path);
  if (change.type == store::Change::Type::kPut) {
    writer.BeginObject("node");
    WriteNodeFields(writer, change.path, *change.node, form);
    writer.EndObject();
  }
  if (prev && change.prev != nullptr) {
    writer.BeginObject("prev");
    WriteNodeFields(writer, change.path, *change.prev, form);
    writer.EndObject();
  }
  writer.Text("cause", Name(change.cause));
  writer.EndObject();
}

// What stands before the JSON of an SSE message; nothing for NDJSON.
std::string Preamble(StreamFormat format, std::string_view event, std::optional<Revision> id) {
  if (format != StreamFormat::kSse)
    return {};
  std::string text;
  if (id)
    text.append("id: ").append(std::to_string(id->value)).append("\n");
  text.append("event: ").append(event).append("\ndata: ");
  return text;
}

std::string_view Terminator(StreamFormat format) {
  return format == StreamFormat::kSse ? "\n\n" : "\n";
}

// A message of at most one number besides its type.
std::string Control(StreamFormat format,
                    std::string_view event,
                    std::optional<Revision> id,
                    std::string_view field,
                    Revision number) {
  std::string text = Preamble(format, event, id);
  JsonWriter writer(&text);
  writer.BeginObject();
  writer.Text("type", event);
  if (!field.empty())
    writer.Number(field, number.value);
  writer.EndObject();
  text.append(Terminator(format));
  return text;
}

std::string RenderMessage(StreamFormat format, bool base64, const watch::Message& message) {
  const Revision revision = message.revision->revision;
  std::string text = Preamble(format, "change", revision);
  JsonWriter writer(&text);
  if (format == StreamFormat::kLongPoll) {
    for (const store::Change* change : message.changes)
      WriteEvent(writer, *change, message.prev, base64, revision);
    return text;
  }
  writer.BeginObject();
  if (format == StreamFormat::kNdjson)
    writer.Text("type", "change");
  writer.Number("revision", revision.value);
  writer.BeginArray("events");
  for (const store::Change* change : message.changes)
    WriteEvent(writer, *change, message.prev, base64, std::nullopt);
  writer.EndArray();
  writer.EndObject();
  text.append(Terminator(format));
  return text;
}

}  // namespace

net::HttpResponse RenderStreamHead(const RenderOptions& options,
                                   const Context& context,
                                   StreamFormat format) {
  net::HttpResponse response;
  response.content_type =
      format == StreamFormat::kSse ? "text/event-stream" : "application/x-ndjson";
  AddContextHeaders(options, context, &response);
  for (auto& [name, value] : response.headers)
    if (name == "Cache-Control")
      value = "no-store";
  // Proxies that gather answers would hold events back.
  response.headers.emplace_back("X-Accel-Buffering", "no");
  return response;
}

std::string RenderCreated(StreamFormat format, Revision revision, Revision position) {
  // The id is not `revision`: whoever asked for older changes and loses the connection right now
  // would resume after them.
  return Control(format, "created", position, "revision", revision);
}

std::string RenderProgress(StreamFormat format, Revision position) {
  return Control(format, "progress", position, "revision", position);
}

SharedBytes RenderChange(StreamFormat format, bool base64, const watch::Message& message) {
  if (base64)
    return std::make_shared<const std::string>(RenderMessage(format, true, message));
  SharedBytes& slot = message.rendered[static_cast<size_t>(format)];
  if (slot == nullptr)
    slot = std::make_shared<const std::string>(RenderMessage(format, false, message));
  return slot;
}

std::string RenderOverflow(StreamFormat format, Revision resume_from) {
  return Control(format, "overflow", std::nullopt, "resume_from", resume_from);
}

std::string RenderCompacted(StreamFormat format, Revision compact_revision) {
  return Control(format, "compacted", std::nullopt, "compact_revision", compact_revision);
}

std::string RenderDenied(StreamFormat format) {
  return Control(format, "denied", std::nullopt, {}, {});
}

std::string RenderShuttingDown(StreamFormat format, Revision resume_from) {
  return Control(format, "shutting_down", std::nullopt, "resume_from", resume_from);
}

std::string_view Heartbeat(StreamFormat format) {
  return format == StreamFormat::kSse ? ":\n\n" : "";
}

std::string RenderLeader(StreamFormat format,
                         bool base64,
                         Revision revision,
                         const std::optional<machine::Holder>& leader) {
  std::string text = Preamble(format, "change", revision);
  JsonWriter writer(&text);
  writer.BeginObject();
  if (format == StreamFormat::kNdjson)
    writer.Text("type", "change");
  writer.Number("revision", revision.value);
  WriteLeader(writer, "leader", leader ? &*leader : nullptr, base64);
  writer.EndObject();
  text.append(Terminator(format));
  return text;
}

bool LongPoll::Add(const watch::Message& message) {
  const SharedBytes text = RenderChange(StreamFormat::kLongPoll, base64_, message);
  if (!events_.empty() && events_.size() + text->size() > kLongPollBytesMax)
    return false;
  if (!events_.empty())
    events_.push_back(',');
  events_.append(*text);
  return true;
}

net::HttpResponse LongPoll::Render(const RenderOptions& options,
                                   const Context& context,
                                   Revision revision,
                                   Revision next_revision) const {
  std::string body;
  body.reserve(events_.size() + 96);
  JsonWriter writer(&body);
  writer.BeginObject();
  writer.Number("revision", revision.value);
  writer.Number("next_revision", next_revision.value);
  writer.BeginArray("events");
  body.append(events_);
  writer.EndArray();
  writer.EndObject();
  net::HttpResponse response = JsonResponse(200, std::move(body));
  AddContextHeaders(options, context, &response);
  return response;
}

}  // namespace synod::api
