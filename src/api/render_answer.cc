// Answers of the state machine as responses.
#include "src/api/documents.h"
#include "src/api/encoding.h"
#include "src/api/json_writer.h"
#include "src/api/render.h"

namespace synod::api {
namespace {

ValueForm FormOf(const RenderOptions& options) {
  return options.base64 ? ValueForm::kBase64 : ValueForm::kText;
}

void WriteNode(JsonWriter& writer, const store::NodeView& view, ValueForm form) {
  writer.BeginObject();
  WriteNodeFields(writer, view.path, *view.node, form);
  writer.EndObject();
}

struct TxnOpWriter {
  JsonWriter& writer;
  const RenderOptions& options;

  void NodeUnder(std::string_view key, const store::NodeView& view, ValueForm form) const {
    writer.BeginObject(key);
    WriteNodeFields(writer, view.path, *view.node, form);
    writer.EndObject();
  }
  void operator()(const machine::TxnPutAnswer& a) const {
    NodeUnder("put", a.node, ValueForm::kLeftOut);
  }
  void operator()(const machine::TxnCreateAnswer& a) const {
    NodeUnder("create", a.node, ValueForm::kLeftOut);
  }
  void operator()(const machine::TxnDeleteAnswer& a) const {
    writer.BeginObject("delete");
    writer.Number("deleted", a.deleted);
    writer.EndObject();
  }
  void operator()(const machine::TxnGetAnswer& a) const {
    if (a.node)
      NodeUnder("get", *a.node, FormOf(options));
    else
      writer.Null("get");
  }
  void operator()(const machine::TxnListAnswer& a) const {
    writer.BeginObject("list");
    writer.BeginArray("nodes");
    for (const store::NodeView& view : a.nodes)
      WriteNode(writer, view, a.keys_only ? ValueForm::kLeftOut : FormOf(options));
    writer.EndArray();
    writer.Bool("more", a.more);
    writer.EndObject();
  }
};

// Renders the body of every answer but a refusal.
class BodyRenderer {
 public:
  BodyRenderer(const RenderOptions& options, const machine::Answer& answer)
      : options_(options), answer_(answer) {}

  net::HttpResponse operator()(const machine::PutAnswer& a) const {
    std::string body;
    body.reserve(192 + a.node.path.size() + (a.prev ? 160 + a.prev->node->value.size() : 0));
    JsonWriter writer(&body);
    writer.BeginObject();
    WriteNodeFields(writer, a.node.path, *a.node.node, ValueForm::kLeftOut);
    if (a.with_prev && a.prev) {
      writer.BeginObject("prev");
      WriteNodeFields(writer, a.prev->path, *a.prev->node, FormOf(options_));
      writer.EndObject();
    } else if (a.with_prev) {
      writer.Null("prev");
    }
    writer.EndObject();
    net::HttpResponse response = JsonResponse(a.created ? 201 : 200, std::move(body));
    response.headers.reserve(8);
    response.headers.emplace_back("ETag", EntityTag(a.node.node->mod_revision));
    if (options_.location)
      response.headers.emplace_back("Location", "/v1/kv" + EncodePath(a.node.path));
    return response;
  }

  net::HttpResponse operator()(const machine::DeleteAnswer& a) const {
    std::string body;
    JsonWriter writer(&body);
    writer.BeginObject();
    writer.Number("deleted", a.deleted);
    writer.Number("revision", answer_.revision.value);
    if (a.with_prev) {
      writer.BeginArray("prev");
      for (const store::NodeView& view : a.prev) WriteNode(writer, view, FormOf(options_));
      writer.EndArray();
    }
    writer.EndObject();
    return JsonResponse(200, std::move(body));
  }

  net::HttpResponse operator()(const machine::TxnAnswer& a) const {
    std::string body;
    JsonWriter writer(&body);
    writer.BeginObject();
    writer.Bool("succeeded", a.succeeded);
    writer.Number("revision", answer_.revision.value);
    writer.BeginArray("results");
    for (const machine::TxnOpAnswer& op : a.results) {
      writer.BeginObject();
      std::visit(TxnOpWriter{writer, options_}, op);
      writer.EndObject();
    }
    writer.EndArray();
    writer.EndObject();
    return JsonResponse(200, std::move(body));
  }

  net::HttpResponse operator()(const machine::LeaseAnswer& a) const {
    return OneLease(a.lease, a.granted ? 201 : 200);
  }

  net::HttpResponse operator()(const machine::KeepAliveAnswer& a) const {
    if (!options_.bulk && a.leases.size() == 1)
      return OneLease(a.leases[0], 200);
    std::string body;
    JsonWriter writer(&body);
    writer.BeginObject();
    writer.BeginArray("leases");
    for (const machine::LeaseView& lease : a.leases) {
      writer.BeginObject();
      WriteLeaseFields(writer, lease, answer_.time, /*remaining=*/true);
      writer.EndObject();
    }
    writer.EndArray();
    writer.BeginArray("not_found");
    for (const LeaseId id : a.not_found) writer.NumberElement(id.value);
    writer.EndArray();
    writer.EndObject();
    return JsonResponse(200, std::move(body));
  }

  net::HttpResponse operator()(const machine::HoldAnswer& a) const {
    const bool lock = a.kind == machine::LockKind::kLock;
    std::string body;
    body.reserve(160 + a.path.size() + a.key.size() + a.value.size());
    JsonWriter writer(&body);
    writer.BeginObject();
    writer.Text(lock ? "lock" : "election", a.path);
    writer.Number("token", a.token.value);
    writer.Number("lease", a.lease.value);
    if (lock) {
      writer.Text("mode", Name(a.mode));
      writer.Text("key", a.key);
    } else {
      writer.Value(a.value, options_.base64);
    }
    writer.Number("remaining_ms", RemainingMs(a.lease_deadline, answer_.time));
    writer.EndObject();
    return JsonResponse(200, std::move(body));
  }

  net::HttpResponse operator()(const machine::HoldsAnswer& a) const {
    std::string body;
    JsonWriter writer(&body);
    writer.BeginObject();
    writer.BeginArray("holds");
    for (const machine::HoldsAnswer::Hold& hold : a.holds) {
      writer.BeginObject();
      writer.Text("lock", hold.path);
      writer.Number("token", hold.token.value);
      writer.Text("mode", Name(hold.mode));
      writer.Text("key", hold.key);
      writer.EndObject();
    }
    writer.EndArray();
    writer.Number("lease", a.lease.value);
    writer.Number("remaining_ms", RemainingMs(a.lease_deadline, answer_.time));
    writer.EndObject();
    return JsonResponse(200, std::move(body));
  }

  net::HttpResponse operator()(const machine::RevokeAnswer&) const { return JustRevision(); }
  net::HttpResponse operator()(const machine::ReleaseAnswer&) const { return JustRevision(); }
  net::HttpResponse operator()(const machine::CompactAnswer&) const { return JustRevision(); }
  net::HttpResponse operator()(const machine::NodeAnswer&) const { return JustRevision(); }
  // Never reached: RenderAnswer() has it go the way of problems.
  net::HttpResponse operator()(const machine::Refusal&) const { return {}; }

  net::HttpResponse operator()(const machine::QuotasAnswer& a) const {
    return SettingsResponse(a.settings, &a.quotas);
  }
  net::HttpResponse operator()(const machine::SettingsAnswer& a) const {
    return SettingsResponse(a.settings, nullptr);
  }

  net::HttpResponse operator()(const machine::FenceAnswer& a) const {
    return FenceResponse(a.token);
  }
  net::HttpResponse operator()(const machine::ForgetFenceAnswer&) const { return JustRevision(); }

  net::HttpResponse operator()(const machine::GoneAnswer&) const { return JustRevision(); }
  net::HttpResponse operator()(const machine::RoleAnswer& a) const {
    return Object(a.created ? 201 : 200, [&](JsonWriter& w) { WriteRoleFields(w, a.role); });
  }
  net::HttpResponse operator()(const machine::UserAnswer& a) const {
    return Object(a.created ? 201 : 200, [&](JsonWriter& w) { WriteUserFields(w, a.user); });
  }
  // Nobody keeps the clear text: a repeat cannot show it again.
  net::HttpResponse operator()(const machine::TokenAnswer& a) const {
    return Object(201, [&](JsonWriter& writer) {
      WriteTokenFields(writer, a.token);
      if (!answer_.replayed)
        writer.Text("token", options_.secret);
    });
  }

  net::HttpResponse operator()(const machine::MembersAnswer& a) const {
    // Of an addition the number that was given out; who asked for all else knows whom it was about.
    const bool added = options_.location && a.ids.size() == 1;
    std::string body;
    JsonWriter writer(&body);
    writer.BeginObject();
    if (added)
      writer.Number("id", a.ids[0].value);
    writer.Number("version", a.membership.version);
    writer.BeginArray("voters");
    for (const NodeId id : a.membership.voters) writer.NumberElement(id.value);
    writer.EndArray();
    writer.BeginArray("learners");
    for (const NodeId id : a.membership.learners) writer.NumberElement(id.value);
    writer.EndArray();
    writer.EndObject();
    net::HttpResponse response = JsonResponse(added ? 201 : 200, std::move(body));
    if (added)
      response.headers.emplace_back("Location",
                                    "/v1/cluster/members/" + std::to_string(a.ids[0].value));
    return response;
  }

 private:
  net::HttpResponse OneLease(const machine::LeaseView& lease, int status) const {
    return Object(status, [&](JsonWriter& w) {
      WriteLeaseFields(w, lease, answer_.time, /*remaining=*/true);
    });
  }
  template <typename WriteFields>
  static net::HttpResponse Object(int status, WriteFields write) {
    std::string body;
    JsonWriter writer(&body);
    writer.BeginObject();
    write(writer);
    writer.EndObject();
    return JsonResponse(status, std::move(body));
  }
  net::HttpResponse JustRevision() const {
    return JsonResponse(200, "{\"revision\":" + std::to_string(answer_.revision.value) + "}");
  }

  const RenderOptions& options_;
  const machine::Answer& answer_;
};

}  // namespace

net::HttpResponse RenderAnswer(const RenderOptions& options,
                               const Context& context,
                               const machine::Answer& answer) {
  Context own = context;
  own.revision = answer.revision;
  own.time = answer.time;
  net::HttpResponse response;
  if (const auto* refusal = std::get_if<machine::Refusal>(&answer.body)) {
    response = RenderRefusal(options, own, *refusal);
  } else {
    response = std::visit(BodyRenderer(options, answer), answer.body);
    AddContextHeaders(options, own, &response);
  }
  if (answer.replayed)
    response.headers.emplace_back("Synod-Replayed", "true");
  return response;
}

}  // namespace synod::api
