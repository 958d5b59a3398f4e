#include "src/api/documents.h"

#include <algorithm>

namespace synod::api {

void WriteNodeFields(JsonWriter& writer,
                     std::string_view path,
                     const store::NodeState& node,
                     ValueForm form) {
  writer.Text("path", path);
  if (form != ValueForm::kLeftOut)
    writer.Value(node.value.view(), form == ValueForm::kBase64);
  writer.Number("version", node.version);
  writer.Number("create_revision", node.create_revision.value);
  writer.Number("mod_revision", node.mod_revision.value);
  writer.Number("children_revision", node.children_revision.value);
  writer.Number("num_children", node.num_children);
  writer.Number("lease", node.lease.value);
}

void WriteHolder(JsonWriter& writer, const machine::Holder& holder, bool base64, bool remaining) {
  writer.BeginObject();
  if (!holder.lock.empty())
    writer.Text("lock", holder.lock);
  writer.Number("token", holder.token.value);
  writer.Number("lease", holder.lease.value);
  writer.Text("mode", Name(holder.mode));
  writer.Value(holder.value, base64);
  writer.Number("since_revision", holder.since_revision.value);
  writer.Number("held_ms", holder.held_ms);
  if (remaining)
    writer.Number("lease_remaining_ms", holder.lease_remaining_ms);
  writer.EndObject();
}

void WriteLeader(JsonWriter& writer,
                 std::string_view key,
                 const machine::Holder* leader,
                 bool base64) {
  if (leader == nullptr) {
    writer.Null(key);
    return;
  }
  writer.BeginObject(key);
  writer.Number("token", leader->token.value);
  writer.Number("lease", leader->lease.value);
  writer.Value(leader->value, base64);
  writer.Number("since_revision", leader->since_revision.value);
  writer.EndObject();
}

void WriteLeaseFields(JsonWriter& writer,
                      const machine::LeaseView& lease,
                      ClusterTime now,
                      bool remaining) {
  writer.Number("id", lease.id.value);
  writer.Number("ttl_ms", lease.ttl_ms);
  if (remaining)
    writer.Number("remaining_ms", RemainingMs(lease.deadline, now));
  writer.Text("name", lease.name);
}

int64_t RemainingMs(ClusterTime deadline, ClusterTime now) {
  return std::max<int64_t>(0, deadline.value - now.value);
}

std::string_view Name(machine::LockMode mode) {
  return mode == machine::LockMode::kShared ? "shared" : "exclusive";
}

std::string EntityTag(Revision mod_revision) {
  return '"' + std::to_string(mod_revision.value) + '"';
}

net::HttpResponse JsonResponse(int status, std::string body) {
  net::HttpResponse response;
  response.status = status;
  response.content_type = "application/json";
  response.body = std::move(body);
  return response;
}

namespace {

void WriteQuota(JsonWriter& writer, const machine::QuotaView& view) {
  writer.BeginObjectOf(view.path);
  for (const auth::QuotaLimit& limit : auth::kQuotaLimits) {
    if (const uint64_t value = view.quota.*limit.member; value != 0)
      writer.Number(limit.name, value);
    else
      writer.Null(limit.name);
  }
  writer.Number("nodes_used", view.usage.nodes);
  writer.Number("bytes_used", view.usage.bytes);
  writer.EndObject();
}

}  // namespace

net::HttpResponse SettingsResponse(const auth::SettingValues& settings,
                                   const std::vector<machine::QuotaView>* quotas) {
  std::string body;
  JsonWriter writer(&body);
  writer.BeginObject();
  for (const auto& [number, value] : settings) {
    const auth::SettingField& field = auth::SettingFields()[number];
    if (field.is_flag())
      writer.Bool(field.name, value != 0);
    else
      writer.Number(field.name, value);
  }
  if (quotas != nullptr) {
    writer.BeginObject("quotas");
    for (const machine::QuotaView& view : *quotas) WriteQuota(writer, view);
    writer.EndObject();
  }
  writer.EndObject();
  return JsonResponse(200, std::move(body));
}

void WriteRoleFields(JsonWriter& writer, const auth::Role& role) {
  writer.Text("name", role.name);
  writer.BeginArray("permissions");
  for (const auth::Permission& permission : role.permissions) {
    writer.BeginObject();
    writer.Text("prefix", permission.prefix);
    writer.BeginArray("verbs");
    for (const auth::Verb verb : auth::kVerbs)
      if ((permission.verbs & static_cast<uint8_t>(verb)) != 0)
        writer.TextElement(auth::Name(verb));
    writer.EndArray();
    writer.EndObject();
  }
  writer.EndArray();
}

void WriteUserFields(JsonWriter& writer, const auth::User& user) {
  writer.Text("name", user.name);
  writer.BeginArray("roles");
  for (const std::string& role : user.roles) writer.TextElement(role);
  writer.EndArray();
}

void WriteTokenFields(JsonWriter& writer, const machine::TokenView& token) {
  writer.Number("id", token.id.value);
  writer.Text("user", token.user);
  writer.Text("name", token.name);
  if (token.expires.value == 0)
    writer.Null("expires_at");
  else
    writer.Number("expires_at", token.expires.value);
}

net::HttpResponse FenceResponse(FenceToken token) {
  return JsonResponse(200, "{\"token\":" + std::to_string(token.value) + "}");
}

}  // namespace synod::api
