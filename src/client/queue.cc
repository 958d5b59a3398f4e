#include "src/client/queue.h"

#include "src/client/await_change.h"
#include "src/client/core.h"

namespace synod::client {
namespace {

using Text = Result<std::string>;

void TakeOldest(Client& client,
                const std::string& path,
                Clock::time_point deadline,
                const Callback<std::string>& done) {
  const auto again = [=, &client] { TakeOldest(client, path, deadline, done); };
  Tree(client).List(path, Scope::kChildren, 1, [=, &client](const Result<Listing>& list) {
    if (!list)
      return done(list.error());
    if (list->nodes.empty()) {
      WatchOptions watch;
      watch.scope = Scope::kChildren;
      watch.from_revision = list->revision + 1;
      watch.filter = "put";
      return AwaitChange(
          client, path, watch, deadline, [](const Change&) { return true; },
          [=](const Status& status) {
            if (!status && status.error().code != Errc::kCompacted)
              return done(status.error());
            again();
          });
    }
    const Node& oldest = list->nodes.front();
    WriteOptions take;
    take.if_revision = oldest.mod_revision;
    Tree(client).Delete(oldest.path, take, [=](const Result<uint64_t>& taken) {
      // Another took it.
      if (!taken && taken.error().code == Errc::kPreconditionFailed)
        return again();
      done(taken ? Text(oldest.value) : Text(taken.error()));
    });
  });
}

}  // namespace

void Queue::Put(std::string item, const WriteOptions& options, Callback<std::string> done) {
  Tree(client_).Append(path_ + "/item-", std::move(item), options,
                       [done = std::move(done)](const Result<Node>& node) {
                         done(node ? Text(node->path) : Text(node.error()));
                       });
}
void Queue::Take(Milliseconds timeout, Callback<std::string> done) {
  TakeOldest(client_, path_, client_.core().runtime().Now() + timeout, done);
}
Result<std::string> Queue::Put(std::string item, const WriteOptions& options) {
  return Await<std::string>(client_, [&](auto done) { Put(item, options, std::move(done)); });
}
Result<std::string> Queue::Take(Milliseconds timeout) {
  return Await<std::string>(client_, [&](auto done) { Take(timeout, std::move(done)); });
}

}  // namespace synod::client
