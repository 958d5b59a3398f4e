#include "src/api/context.h"

namespace synod::api {

void AddContextHeaders(const RenderOptions& options,
                       const Context& context,
                       net::HttpResponse* response) {
  auto& headers = response->headers;
  headers.reserve(headers.size() + 6);
  headers.emplace_back("Synod-Revision", std::to_string(context.revision.value));
  headers.emplace_back("Synod-Time", std::to_string(context.time.value));
  headers.emplace_back("Synod-Node", std::to_string(context.node.value));
  if (context.leader)
    headers.emplace_back("Synod-Leader", std::to_string(context.leader->value));
  headers.emplace_back("Cache-Control", "no-cache");
  if (options.origin.empty())
    return;
  headers.emplace_back("Access-Control-Allow-Origin", options.origin);
  headers.emplace_back(
      "Access-Control-Expose-Headers",
      "Allow, ETag, Location, Retry-After, Synod-Revision, Synod-Time, Synod-Node, "
      "Synod-Leader, Synod-Replayed, Synod-Version, Synod-Create-Revision, "
      "Synod-Mod-Revision, Synod-Children-Revision, Synod-Num-Children, "
      "Synod-Lease");
  headers.emplace_back("Vary", "Origin");
}

}  // namespace synod::api
