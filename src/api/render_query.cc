// Results of reads as responses.
#include <algorithm>

#include "src/api/documents.h"
#include "src/api/encoding.h"
#include "src/api/json_writer.h"
#include "src/api/render.h"

namespace synod::api {
namespace {

bool Matches(const EntityTags& tags, Revision mod_revision) {
  return tags.any || std::find(tags.revisions.begin(), tags.revisions.end(), mod_revision.value) !=
                         tags.revisions.end();
}

net::HttpResponse RenderRaw(const store::NodeState& node) {
  net::HttpResponse response;
  response.content_type = "application/octet-stream";
  response.body = node.value.view();
  auto& headers = response.headers;
  const auto number = [&](const char* name, uint64_t value) {
    headers.emplace_back(name, std::to_string(value));
  };
  headers.reserve(16);
  headers.emplace_back("ETag", EntityTag(node.mod_revision));
  headers.emplace_back("X-Content-Type-Options", "nosniff");
  number("Synod-Version", node.version);
  number("Synod-Create-Revision", node.create_revision.value);
  number("Synod-Mod-Revision", node.mod_revision.value);
  number("Synod-Children-Revision", node.children_revision.value);
  number("Synod-Num-Children", node.num_children);
  number("Synod-Lease", node.lease.value);
  return response;
}

void WriteLock(JsonWriter& writer, const machine::LockResult& lock, const RenderOptions& options) {
  writer.BeginObject();
  writer.Text("lock", lock.path);
  writer.Number("limit", lock.limit);
  writer.BeginArray("holders");
  for (const machine::Holder& holder : lock.holders)
    WriteHolder(writer, holder, options.base64, !options.sequential);
  writer.EndArray();
  writer.BeginArray("waiters");
  for (const machine::Waiter& waiter : lock.waiters) {
    writer.BeginObject();
    writer.Number("lease", waiter.lease.value);
    writer.Text("mode", Name(waiter.mode));
    writer.Value(waiter.value, options.base64);
    writer.Number("waiting_ms", waiter.waiting_ms);
    writer.EndObject();
  }
  writer.EndArray();
  if (lock.delay_remaining_ms)
    writer.Number("delay_remaining_ms", *lock.delay_remaining_ms);
  writer.EndObject();
}

void WriteElection(JsonWriter& writer,
                   const machine::LockResult& election,
                   const RenderOptions& options) {
  writer.BeginObject();
  writer.Text("election", election.path);
  WriteLeader(writer, "leader", election.holders.empty() ? nullptr : &election.holders[0],
              options.base64);
  writer.BeginArray("candidates");
  for (const machine::Waiter& waiter : election.waiters) {
    writer.BeginObject();
    writer.Number("lease", waiter.lease.value);
    writer.Value(waiter.value, options.base64);
    writer.Number("waiting_ms", waiter.waiting_ms);
    writer.EndObject();
  }
  writer.EndArray();
  writer.EndObject();
}

void WriteEither(JsonWriter& writer,
                 const machine::LockResult& lock,
                 const RenderOptions& options) {
  if (lock.kind == machine::LockKind::kLock)
    WriteLock(writer, lock, options);
  else
    WriteElection(writer, lock, options);
}

class ResultRenderer {
 public:
  ResultRenderer(const RenderOptions& options, const Context& context)
      : options_(options), context_(context) {}

  net::HttpResponse operator()(const machine::NodeResult& result) const {
    const store::NodeState& node = *result.node.node;
    if (!options_.if_none_match.empty() && Matches(options_.if_none_match, node.mod_revision)) {
      net::HttpResponse response;
      response.status = 304;
      response.headers.emplace_back("ETag", EntityTag(node.mod_revision));
      return response;
    }
    if (options_.raw)
      return RenderRaw(node);
    std::string body;
    body.reserve(192 + result.node.path.size() + node.value.size());
    JsonWriter writer(&body);
    writer.BeginObject();
    WriteNodeFields(writer, result.node.path, node, Form());
    writer.EndObject();
    net::HttpResponse response = JsonResponse(200, std::move(body));
    response.headers.reserve(8);
    response.headers.emplace_back("ETag", EntityTag(node.mod_revision));
    return response;
  }

  net::HttpResponse operator()(const machine::ListNodesResult& result) const {
    std::string body;
    JsonWriter writer(&body);
    writer.BeginObject();
    writer.BeginArray("nodes");
    for (const store::NodeView& view : result.nodes) {
      writer.BeginObject();
      WriteNodeFields(writer, view.path, *view.node,
                      options_.keys_only ? ValueForm::kLeftOut : Form());
      writer.EndObject();
    }
    writer.EndArray();
    const bool more = result.more && !result.nodes.empty();
    EndPage(writer, more, more ? EncodeBase64Url(result.nodes.back().path) : std::string());
    return JsonResponse(200, std::move(body));
  }

  net::HttpResponse operator()(const machine::LeaseResult& result) const {
    std::string body;
    JsonWriter writer(&body);
    writer.BeginObject();
    WriteLeaseFields(writer, result.lease, context_.time, !options_.sequential);
    writer.BeginArray("paths");
    for (const std::string& path : result.paths) writer.TextElement(path);
    writer.EndArray();
    writer.EndObject();
    return JsonResponse(200, std::move(body));
  }

  net::HttpResponse operator()(const machine::ListLeasesResult& result) const {
    std::string body;
    JsonWriter writer(&body);
    writer.BeginObject();
    writer.BeginArray("leases");
    for (const machine::LeaseView& lease : result.leases) {
      writer.BeginObject();
      WriteLeaseFields(writer, lease, context_.time, !options_.sequential);
      writer.EndObject();
    }
    writer.EndArray();
    const bool more = result.more && !result.leases.empty();
    EndPage(writer, more, more ? std::to_string(result.leases.back().id.value) : std::string());
    return JsonResponse(200, std::move(body));
  }

  net::HttpResponse operator()(const machine::LockResult& result) const {
    std::string body;
    JsonWriter writer(&body);
    WriteEither(writer, result, options_);
    return JsonResponse(200, std::move(body));
  }

  net::HttpResponse operator()(const machine::SettingsResult& result) const {
    return SettingsResponse(auth::AllOf(result.settings), &result.quotas);
  }

  net::HttpResponse operator()(const machine::FenceResult& result) const {
    return FenceResponse(result.token);
  }

  net::HttpResponse operator()(const machine::RolesResult& result) const {
    return OneOrAll("roles", result.roles, result.one, WriteRoleFields);
  }
  net::HttpResponse operator()(const machine::UsersResult& result) const {
    return OneOrAll("users", result.users, result.one, WriteUserFields);
  }
  net::HttpResponse operator()(const machine::TokensResult& result) const {
    return OneOrAll("tokens", result.tokens, result.one, WriteTokenFields);
  }

  net::HttpResponse operator()(const machine::ListLocksResult& result) const {
    std::string body;
    JsonWriter writer(&body);
    writer.BeginObject();
    writer.BeginArray("locks");
    for (const machine::LockResult& lock : result.locks) WriteEither(writer, lock, options_);
    writer.EndArray();
    const bool more = result.more && !result.locks.empty();
    EndPage(writer, more, more ? EncodeBase64Url(result.locks.back().path) : std::string());
    return JsonResponse(200, std::move(body));
  }

 private:
  ValueForm Form() const { return options_.base64 ? ValueForm::kBase64 : ValueForm::kText; }
  template <typename Item, typename WriteFields>
  net::HttpResponse OneOrAll(std::string_view name,
                             const std::vector<Item>& items,
                             bool one,
                             WriteFields write) const {
    std::string body;
    JsonWriter writer(&body);
    writer.BeginObject();
    if (one) {
      write(writer, items[0]);
    } else {
      writer.BeginArray(name);
      for (const Item& item : items) {
        writer.BeginObject();
        write(writer, item);
        writer.EndObject();
      }
      writer.EndArray();
      writer.Number("revision", context_.revision.value);
    }
    writer.EndObject();
    return JsonResponse(200, std::move(body));
  }
  void EndPage(JsonWriter& writer, bool more, const std::string& next) const {
    writer.Number("revision", context_.revision.value);
    writer.Bool("more", more);
    if (more)
      writer.Text("next", next);
    writer.EndObject();
  }

  const RenderOptions& options_;
  const Context& context_;
};

}  // namespace

net::HttpResponse RenderQuery(const RenderOptions& options,
                              const Context& context,
                              const machine::QueryResult& result) {
  Context own = context;
  if (options.at.value != 0)
    own.revision = options.at;  // what the answer reflects
  net::HttpResponse response = std::visit(ResultRenderer(options, own), result);
  AddContextHeaders(options, own, &response);
  return response;
}

}  // namespace synod::api
