// Cache: what is below a path, in memory, kept up with the cluster.
//
// Contract      Begins with a list and follows with a watch from the next revision: no gap. All()
//               is the tree as it was at revision(), never a mixture of two. When the history it
//               would resume from is gone it lists anew, and tells the differences as events.
//               `on_event` sees every change after the first list, `on_lost` is called once if the
//               cache cannot be kept any longer: from then on it is old.
// Thread        Any; the functions run on the client's, and not after the destructor has returned.
// Errors        By on_lost and Ready: kPermissionDenied, kInvalidPath and the like.
#ifndef SYNOD_CLIENT_CACHE_H_
#define SYNOD_CLIENT_CACHE_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "src/client/watch.h"

namespace synod::client {

class Cache {
 public:
  struct Options {
    std::function<void(const Event&)> on_event;
    std::function<void(const Error&)> on_lost;
  };
  Cache(Client& client, const std::string& path, Options options = {});
  ~Cache();
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;

  // Until the first list is here.
  Status Ready(Milliseconds timeout);
  // Until it has come to this revision, of a change below the path.
  Status Reach(uint64_t revision, Milliseconds timeout);
  uint64_t revision() const;
  std::optional<Node> Get(const std::string& path) const;
  std::map<std::string, Node> All() const;

 private:
  class State;
  Client& client_;
  std::shared_ptr<State> state_;
};

}  // namespace synod::client

#endif  // SYNOD_CLIENT_CACHE_H_
