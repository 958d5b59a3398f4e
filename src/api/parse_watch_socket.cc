// GET /v1/watch with Upgrade: websocket, and the messages that follow.
#include "src/api/encoding.h"
#include "src/api/request.h"
#include "src/api/watch_socket.h"

namespace synod::api {
namespace {

constexpr size_t kSocketKeyBytes = 16;  // RFC 6455, section 4.1

Status CheckKey(const net::HttpRequest& request) {
  const std::string_view key = request.Header("sec-websocket-key");
  if (key.empty())
    return Malformed("Sec-WebSocket-Key is missing");
  const std::optional<std::string> bytes = DecodeBase64(key);
  if (!bytes || bytes->size() != kSocketKeyBytes)
    return Malformed("Sec-WebSocket-Key must be 16 bytes in base64");
  return Done();
}

// RFC 6455, section 4.2.1.
Status CheckHandshake(Request& request) {
  const net::HttpRequest& http = request.http;
  if (http.http_1_0)
    return Malformed("a WebSocket needs HTTP/1.1");
  if (!http.HasToken("upgrade", "websocket"))
    return Malformed("Upgrade must be websocket");
  if (!http.HasToken("connection", "upgrade"))
    return Malformed("Connection must have the option Upgrade");
  if (Status s = CheckKey(http); !s)
    return s;
  if (http.Header("sec-websocket-version") != "13") {
    request.other_socket_version = true;
    return Malformed("Sec-WebSocket-Version must be 13");
  }
  // A client that offers some expects one of them to be chosen.
  if (!http.Header("sec-websocket-protocol").empty())
    return Malformed("Sec-WebSocket-Protocol: no subprotocol is known here");
  return Done();
}

// As the query of GET /v1/watch/{path} has them.
Status TakeWatch(Fields& fields, WatchCall* call) {
  using Need = Fields::Need;
  std::optional<std::string> text;
  const auto take_text = [&](std::string_view name) {
    text.reset();
    return fields.Has(name) ? fields.Text(name, Need::kRequired, &text.emplace()) : Done();
  };
  if (Status s = fields.Path("path", &call->spec.path); !s)
    return s;
  if (Status s = take_text("scope"); !s)
    return s;
  if (text)
    if (Status s = ReadScope(*text, &call->spec); !s)
      return s;
  if (Status s = take_text("filter"); !s)
    return s;
  if (text)
    if (Status s = ReadFilter(*text, &call->spec); !s)
      return s;
  if (Status s = take_text("encoding"); !s)
    return s;
  if (text && *text != "base64")
    return Malformed("encoding must be base64");
  call->render.base64 = text.has_value();
  if (Status s = fields.Bool("prev", &call->spec.prev); !s)
    return s;
  if (Status s = fields.Integer("from_revision", 1, kIntegerMax, Need::kOptional,
                                &call->from_revision.value);
      !s)
    return s;
  uint64_t timeout_ms = static_cast<uint64_t>(call->timeout_ms);
  if (Status s = fields.Integer("timeout_ms", 1, kTimeoutMsMax, Need::kOptional, &timeout_ms); !s)
    return s;
  call->timeout_ms = static_cast<int64_t>(timeout_ms);
  call->format = StreamFormat::kNdjson;
  return Done();
}

}  // namespace

Result<Call> ParseWatchSocket(Request& request) {
  if (Status s = request.RefuseAllButParams(); !s)
    return s.error();
  if (Status s = CheckHandshake(request); !s)
    return s.error();
  // What a watch is asked with stands in its message.
  if (Status s = request.params.Finish(); !s)
    return s.error();
  WatchSocketCall call;
  call.render = std::move(request.render);
  return Call(std::move(call));
}

Result<SocketRequest> ParseSocketRequest(std::string_view text, std::optional<uint64_t>* id) {
  std::optional<uint64_t> limit;
  Result<Json> json = ParseJson(text, &limit);
  if (!json)
    return json.error();
  if (json->kind != Json::Kind::kObject)
    return Malformed("a message must be a JSON object");
  Fields fields(&*json, "");
  SocketRequest request;
  if (Status s = fields.Integer("id", 0, kIntegerMax, Fields::Need::kRequired, &request.id); !s)
    return s.error();
  *id = request.id;
  std::string op;
  if (Status s = fields.Text("op", Fields::Need::kRequired, &op); !s)
    return s.error();
  if (op == "watch") {
    if (Status s = TakeWatch(fields, &request.watch.emplace()); !s)
      return s.error();
  } else if (op != "cancel") {
    return Malformed("op must be watch or cancel");
  }
  if (Status s = fields.Finish(); !s)
    return s.error();
  return request;
}

}  // namespace synod::api
