#include "tests/histories/watch_stream.h"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <deque>
#include <stdexcept>

#include "tests/integration/http_client.h"
#include "tests/support/websocket_client.h"

namespace synod::histories {
namespace {

namespace json = boost::json;
using integration::Milliseconds;

// To begin: a node that has no leader says so after this.
constexpr int kBeginMs = 1'500;
constexpr Milliseconds kToBegin(5'000);

const char* Name(WatchSpec::Scope scope) {
  return scope == WatchSpec::Scope::kNode       ? "node"
         : scope == WatchSpec::Scope::kChildren ? "children"
                                                : "subtree";
}

std::string Filter(const WatchSpec& spec) {
  return std::string(spec.puts ? "put" : "") + (spec.puts && spec.deletes ? "," : "") +
         (spec.deletes ? "delete" : "");
}

std::string Target(const WatchSpec& spec) {
  return "/v1/watch" + spec.path + "?scope=" + Name(spec.scope) + "&filter=" + Filter(spec) +
         "&prev=" + (spec.prev ? "true" : "false") + "&timeout_ms=" + std::to_string(kBeginMs);
}

uint64_t NumberIn(const json::object& object, std::string_view name) {
  return object.at(name).to_number<uint64_t>();
}

std::string TextIn(const json::object& object, std::string_view name) {
  const json::value* text = object.if_contains(name);
  return text == nullptr ? std::string() : std::string(text->as_string());
}

WatchSource::Item Compacted(uint64_t revision) {
  return {json::object{{"type", "compacted"}, {"compact_revision", revision}}};
}

[[noreturn]] void Refused(const integration::Answer& answer) {
  const std::string text = "refused: " + std::to_string(answer.status) + " " + answer.body;
  if (answer.status == 429 || answer.status >= 503)
    throw std::runtime_error(text);
  throw WatchNonsense(text);
}

json::object Parse(const std::string& text) {
  boost::system::error_code ec;
  json::value message = json::parse(text, ec);
  if (ec || !message.is_object())
    throw WatchNonsense("not a JSON object: " + text.substr(0, 500));
  return std::move(message.as_object());
}

// SSE and NDJSON.
class HttpSource : public WatchSource {
 public:
  HttpSource(
      uint16_t port, const WatchSpec& spec, WatchFormat format, int receive_buffer, uint64_t from)
      : stream_(port, TargetFrom(spec, format, from), HeadersFrom(format, from), receive_buffer) {
    const integration::Answer& head = stream_.head();
    if (head.status == 410)
      refusal_ = Compacted(static_cast<uint64_t>(head.Number("compact_revision")));
    else if (head.status != 200)
      Refused(head);
  }

  std::optional<Item> Next(Milliseconds timeout) override {
    if (refusal_)
      return std::exchange(refusal_, std::nullopt);
    const std::optional<integration::Message> message = stream_.Next(timeout);
    if (!message)
      return std::nullopt;
    return Item{Parse(message->data), message->id};
  }

 private:
  static std::string TargetFrom(const WatchSpec& spec, WatchFormat format, uint64_t from) {
    const bool in_header = from == 0 || format == WatchFormat::kSse;
    return Target(spec) + (in_header ? "" : "&from_revision=" + std::to_string(from));
  }
  // As an EventSource resumes.
  static integration::Headers HeadersFrom(WatchFormat format, uint64_t from) {
    if (format != WatchFormat::kSse)
      return {{"Accept", "application/x-ndjson"}};
    integration::Headers headers = {{"Accept", "text/event-stream"}};
    if (from != 0)
      headers.emplace_back("Last-Event-ID", std::to_string(from - 1));
    return headers;
  }

  integration::Stream stream_;
  std::optional<Item> refusal_;
};

class WebSocketSource : public WatchSource {
 public:
  WebSocketSource(uint16_t port, const WatchSpec& spec, int receive_buffer, uint64_t from)
      : socket_(port, "/v1/watch", {.receive_buffer = receive_buffer}) {
    json::object request = {{"op", "watch"},          {"id", 1},
                            {"path", spec.path},      {"scope", Name(spec.scope)},
                            {"filter", Filter(spec)}, {"prev", spec.prev},
                            {"timeout_ms", kBeginMs}};
    if (from != 0)
      request["from_revision"] = from;
    socket_.Send(json::serialize(request));
  }

  std::optional<Item> Next(Milliseconds timeout) override {
    const std::optional<std::string> text = socket_.Next(timeout);
    if (!text)
      return std::nullopt;
    json::object message = Parse(*text);
    if (TextIn(message, "op") == "created")
      message["type"] = "created";
    if (TextIn(message, "op") != "error")
      return Item{std::move(message)};
    if (TextIn(message, "code") == "compacted")
      return Compacted(NumberIn(message, "compact_revision"));
    if (TextIn(message, "code").starts_with("invalid"))
      throw WatchNonsense("refused: " + *text);
    throw std::runtime_error("refused: " + *text);
  }

 private:
  WebSocketClient socket_;
};

class LongPollSource : public WatchSource {
 public:
  LongPollSource(uint16_t port, const WatchSpec& spec, uint64_t from)
      : connection_(port), target_(Target(spec) + "&wait_ms=700"), next_(from) {}

  std::optional<Item> Next(Milliseconds timeout) override {
    while (items_.empty()) {
      if (std::exchange(refused_, false))
        return std::nullopt;
      Poll(timeout);
    }
    Item item = std::move(items_.front());
    items_.pop_front();
    return item;
  }

 private:
  // An answer is a message for each revision, and a mark for all that it looked at.
  void Poll(Milliseconds timeout) {
    connection_.Request("GET", Target(), {}, {{"Accept", "application/json"}});
    const integration::Answer answer = connection_.Read(timeout);
    if (answer.status == 410) {
      refused_ = true;
      items_.push_back(Compacted(static_cast<uint64_t>(answer.Number("compact_revision"))));
      return;
    }
    if (answer.status != 200)
      Refused(answer);
    const json::object body = Parse(answer.body);
    if (!std::exchange(begun_, true))
      items_.push_back({json::object{{"type", "created"}, {"revision", body.at("revision")}}});
    uint64_t last = 0;
    for (const json::value& event : body.at("events").as_array()) {
      const uint64_t revision = NumberIn(event.as_object(), "revision");
      if (std::exchange(last, revision) != revision)
        items_.push_back(
            {json::object{{"type", "change"}, {"revision", revision}, {"events", json::array()}}});
      items_.back().message.at("events").as_array().push_back(event);
    }
    next_ = NumberIn(body, "next_revision");
    items_.push_back({json::object{{"type", "progress"}, {"revision", next_ - 1}}});
  }
  std::string Target() const {
    return target_ + (next_ == 0 ? "" : "&from_revision=" + std::to_string(next_));
  }
  static std::string Target(const WatchSpec& spec) { return histories::Target(spec); }

  integration::Connection connection_;
  std::string target_;
  uint64_t next_;
  bool begun_ = false;
  bool refused_ = false;
  std::deque<Item> items_;
};

std::unique_ptr<WatchSource> MakeSource(
    uint16_t port, const WatchSpec& spec, WatchFormat format, int receive_buffer, uint64_t from) {
  switch (format) {
    case WatchFormat::kWebSocket:
      return std::make_unique<WebSocketSource>(port, spec, receive_buffer, from);
    case WatchFormat::kLongPoll:
      return std::make_unique<LongPollSource>(port, spec, from);
    default:
      return std::make_unique<HttpSource>(port, spec, format, receive_buffer, from);
  }
}

WatchedEvent ParseEvent(const json::object& event) {
  WatchedEvent parsed{.path = TextIn(event, "path"), .node = {}, .cause = TextIn(event, "cause")};
  const bool put = TextIn(event, "type") == "put";
  if (put != event.contains("node"))
    throw WatchNonsense("an event with a node that should have none, or without: " +
                        json::serialize(event));
  if (put)
    parsed.node = ParseWatchedNode(event.at("node"));
  if (const json::value* prev = event.if_contains("prev"))
    parsed.prev = ParseWatchedNode(*prev);
  return parsed;
}

}  // namespace

std::string ShortValue(std::string_view value) {
  const size_t text = value.find_last_not_of('.') + 1;
  const size_t dots = value.size() - text;
  return std::string(value.substr(0, text)) + (dots == 0 ? "" : "+" + std::to_string(dots));
}

WatchedNode ParseWatchedNode(const json::value& node) {
  const json::object& o = node.as_object();
  return {.value = ShortValue(o.at("value").as_string()),
          .version = NumberIn(o, "version"),
          .create_revision = NumberIn(o, "create_revision"),
          .mod_revision = NumberIn(o, "mod_revision"),
          .lease = NumberIn(o, "lease")};
}

WatchStream::WatchStream(uint16_t port,
                         const WatchSpec& spec,
                         WatchFormat format,
                         int receive_buffer,
                         WatchSession* session)
    : session_(session), source_(MakeSource(port, spec, format, receive_buffer, session->from)) {}

WatchStream::~WatchStream() = default;

bool WatchStream::Next(Deadline deadline) {
  const auto left =
      std::chrono::duration_cast<Milliseconds>(deadline - std::chrono::steady_clock::now());
  const std::optional<WatchSource::Item> item =
      source_->Next(std::max(left, session_->created ? Milliseconds(0) : kToBegin));
  if (!item)
    return false;
  const json::object& message = item->message;
  const std::optional<uint64_t> id =
      item->id.empty() ? std::nullopt : std::optional<uint64_t>(std::stoull(item->id));
  const std::string type = TextIn(message, "type");
  if (type == "created") {
    session_->created = NumberIn(message, "revision");
    session_->created_id = id;
  } else if (type == "progress") {
    session_->messages.push_back({.revision = NumberIn(message, "revision"), .id = id});
  } else if (message.contains("events")) {
    WatchMessage change{.revision = NumberIn(message, "revision"), .id = id};
    for (const json::value& event : message.at("events").as_array())
      change.events.push_back(ParseEvent(event.as_object()));
    if (change.events.empty())
      throw WatchNonsense("a change without events");
    session_->messages.push_back(std::move(change));
  } else if (type == "compacted") {
    session_->compacted = NumberIn(message, "compact_revision");
  } else if (message.contains("resume_from")) {
    session_->resume_from = NumberIn(message, "resume_from");
    session_->end = type;
  } else {
    throw WatchNonsense("an unknown message: " + json::serialize(message));
  }
  return true;
}

}  // namespace synod::histories
