// Watch: the changes below a path, each once and in order, whatever happens to the nodes.
//
// Contract      Resumes by itself, at any node. `on_end` is called once if it cannot: kCompacted
//               means that the history at the resume point is gone: list the nodes anew
//               (Tree::List), and watch from the revision of that list + 1. List first and watch
//               then is also how to begin without a gap; Cache does both.
// Thread        Any. The functions run on the client's, and not after the destructor has returned.
// Errors        By `on_end`: kCompacted, kPermissionDenied, kInvalidPath and the like.
#ifndef SYNOD_CLIENT_WATCH_H_
#define SYNOD_CLIENT_WATCH_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "src/client/client.h"
#include "src/client/tree.h"

namespace synod::client {

class Stream;

// One node's part of a change.
struct Event {
  enum class Type : uint8_t { kPut, kDelete };
  enum class Cause : uint8_t { kClient, kExpired, kReleased };
  Type type = Type::kPut;
  Cause cause = Cause::kClient;
  std::string path;
  Node node;  // of a put
};

// All that one revision changed.
struct Change {
  uint64_t revision = 0;
  std::vector<Event> events;
  std::string_view text;  // as it came: JSON; only during the call
};

struct WatchOptions {
  Scope scope = Scope::kNode;
  uint64_t from_revision = 0;  // 0: the next change
  std::string filter;          // "put", "delete"; empty: both
  bool prev = false;           // the text has what was there before
};

class Watch {
 public:
  Watch(Client& client,
        const std::string& path,
        const WatchOptions& options,
        std::function<void(const Change&)> on_change,
        std::function<void(const Error&)> on_end);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

 private:
  Client& client_;
  std::shared_ptr<Stream> stream_;
};

}  // namespace synod::client

#endif  // SYNOD_CLIENT_WATCH_H_
