// Status, members, health, version and metrics.
#include "src/api/documents.h"
#include "src/api/json_writer.h"
#include "src/api/render.h"

namespace synod::api {
namespace {

net::HttpResponse Finish(const RenderOptions& options,
                         const Context& context,
                         net::HttpResponse response) {
  AddContextHeaders(options, context, &response);
  return response;
}

void WriteLeader(JsonWriter& writer, const StatusView::Leader& leader) {
  writer.BeginObject("leader");
  writer.Number("id", leader.id.value);
  writer.Text("name", leader.name);
  writer.Text("client_url", leader.client_url);
  writer.EndObject();
}

void WriteDigestCheck(JsonWriter& writer, const machine::DigestCheck& check) {
  writer.BeginObject("digest_check");
  writer.Number("slot", check.slot.value);
  writer.Bool("agreed", check.agreed);
  writer.BeginArray("diverged");
  for (const NodeId id : check.diverged) writer.NumberElement(id.value);
  writer.EndArray();
  writer.EndObject();
}

void WriteStatus(JsonWriter& writer, const StatusView& status) {
  writer.BeginObject("node");
  writer.Number("id", status.id.value);
  writer.Text("name", status.name);
  writer.EndObject();
  writer.Text("role", status.role);
  if (!status.removed.empty())
    writer.Text("removed", status.removed);
  if (status.leader) {
    WriteLeader(writer, *status.leader);
  } else {
    writer.Null("leader");
  }
  writer.BeginObject("ballot");
  writer.Number("round", status.ballot.round);
  writer.Number("node", status.ballot.node.value);
  writer.EndObject();
  writer.Number("revision", status.revision.value);
  writer.Number("commit_slot", status.commit_slot.value);
  writer.Number("applied_slot", status.applied_slot.value);
  writer.Number("first_slot", status.first_slot.value);
  writer.Text("digest", status.digest.sum.Hex());
  WriteDigestCheck(writer, status.digest_check);
  writer.Number("machine_version", status.machine_version);
  writer.Text("cluster_id", status.cluster_id);
  writer.Text("version", status.version);
  writer.Number("uptime_ms", status.uptime_ms);
  writer.BeginObject("storage");
  writer.Number("log_bytes", status.log_bytes);
  writer.Number("state_bytes", status.state_bytes);
  writer.Number("quota_bytes", status.quota_bytes);
  if (!status.damage.empty()) {
    writer.BeginArray("damage");
    for (const std::string& what : status.damage) writer.TextElement(what);
    writer.EndArray();
  }
  writer.EndObject();
}

}  // namespace

net::HttpResponse RenderStatus(const RenderOptions& options,
                               const Context& context,
                               const StatusView& status) {
  std::string body;
  JsonWriter writer(&body);
  writer.BeginObject();
  WriteStatus(writer, status);
  writer.EndObject();
  return Finish(options, context, JsonResponse(200, std::move(body)));
}

net::HttpResponse RenderCluster(const RenderOptions& options,
                                const Context& context,
                                std::string_view cluster_id,
                                const std::vector<MemberStatus>& members) {
  std::string body;
  JsonWriter writer(&body);
  writer.BeginObject();
  writer.Text("cluster_id", cluster_id);
  writer.BeginArray("members");
  for (const MemberStatus& member : members) {
    writer.BeginObject();
    writer.Number("id", member.id.value);
    writer.Text("name", member.name);
    writer.Text("peer_url", member.peer_url);
    writer.Text("client_url", member.client_url);
    writer.Bool("voter", member.voter);
    writer.Bool("healthy", member.healthy);
    writer.Number("applied_slot", member.applied_slot.value);
    writer.Number("lag", member.lag);
    writer.EndObject();
  }
  writer.EndArray();
  writer.EndObject();
  return Finish(options, context, JsonResponse(200, std::move(body)));
}

net::HttpResponse RenderLeaderMoved(const RenderOptions& options,
                                    const Context& context,
                                    const StatusView::Leader& leader) {
  std::string body;
  JsonWriter writer(&body);
  writer.BeginObject();
  WriteLeader(writer, leader);
  writer.EndObject();
  return Finish(options, context, JsonResponse(200, std::move(body)));
}

net::HttpResponse RenderVersion(const RenderOptions& options,
                                const Context& context,
                                std::string_view version) {
  std::string body;
  JsonWriter writer(&body);
  writer.BeginObject();
  writer.Text("version", version);
  writer.Text("api", "v1");
  writer.EndObject();
  return Finish(options, context, JsonResponse(200, std::move(body)));
}

net::HttpResponse RenderHealth(const RenderOptions& options,
                               const Context& context,
                               bool ok,
                               std::string_view line) {
  net::HttpResponse response;
  response.status = ok ? 200 : 503;
  response.content_type = "text/plain; charset=utf-8";
  response.body.append(line).append("\n");
  if (!ok)
    response.headers.emplace_back("Retry-After", "1");
  return Finish(options, context, std::move(response));
}

net::HttpResponse RenderMetrics(const RenderOptions& options,
                                const Context& context,
                                std::string text) {
  net::HttpResponse response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  response.body = std::move(text);
  return Finish(options, context, std::move(response));
}

net::HttpResponse RenderSnapshotHead(const RenderOptions& options, const Context& context) {
  net::HttpResponse response;
  response.content_type = "application/octet-stream";
  AddContextHeaders(options, context, &response);
  response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  response.headers.emplace_back(
      "Content-Disposition",
      "attachment; filename=\"synod-" + std::to_string(context.revision.value) + ".snap\"");
  return response;
}

}  // namespace synod::api
