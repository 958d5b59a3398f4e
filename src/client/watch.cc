#include "src/client/watch.h"

#include <boost/json/array.hpp>

#include "src/client/core.h"
#include "src/client/nodes.h"
#include "src/client/stream.h"

namespace synod::client {
namespace {

std::string Target(const std::string& path, const WatchOptions& options) {
  static constexpr std::string_view kScopes[] = {"node", "children", "subtree"};
  std::string target = "/v1/watch" + EncodePath(path) + "?scope=";
  target += kScopes[static_cast<size_t>(options.scope)];
  if (options.prev)
    target += "&prev=true";
  if (!options.filter.empty())
    target += "&filter=" + options.filter;
  return target;
}

Event ToEvent(const boost::json::object& json, uint64_t revision) {
  Event event;
  const std::string cause = TextOf(json, "cause");
  event.type = TextOf(json, "type") == "delete" ? Event::Type::kDelete : Event::Type::kPut;
  event.cause = cause == "expired"    ? Event::Cause::kExpired
                : cause == "released" ? Event::Cause::kReleased
                                      : Event::Cause::kClient;
  event.path = TextOf(json, "path");
  if (const auto* node = json.if_contains("node"); node != nullptr && node->is_object())
    event.node = ToNode(node->get_object(), revision);
  return event;
}

}  // namespace

Watch::Watch(Client& client,
             const std::string& path,
             const WatchOptions& options,
             std::function<void(const Change&)> on_change,
             std::function<void(const Error&)> on_end)
    : client_(client) {
  Stream::Handlers handlers;
  handlers.on_change = [on_change = std::move(on_change)](const boost::json::object& json,
                                                          std::string_view line) {
    Change change;
    change.revision = NumberOf(json, "revision");
    change.text = line;
    if (const auto* events = json.if_contains("events"); events != nullptr && events->is_array())
      for (const auto& event : events->get_array())
        if (event.is_object())
          change.events.push_back(ToEvent(event.get_object(), change.revision));
    on_change(change);
  };
  handlers.on_end = std::move(on_end);
  stream_ =
      std::make_shared<Stream>(client.core().runtime(), client.core().calls, Target(path, options),
                               options.from_revision, std::move(handlers));
  client.core().runtime().Post([weak = std::weak_ptr(stream_)] {
    if (const auto stream = weak.lock())
      stream->Open();
  });
}

Watch::~Watch() {
  RunOnLoop(client_, [&] { stream_->Close(); });
}

}  // namespace synod::client
