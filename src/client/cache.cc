#include "src/client/cache.h"

#include <condition_variable>
#include <mutex>

#include "src/client/core.h"

namespace synod::client {
namespace {

constexpr Milliseconds kPause{500};

}  // namespace

class Cache::State : public std::enable_shared_from_this<State> {
 public:
  State(Client& client, std::string path, Options options)
      : client_(client), path_(std::move(path)), options_(std::move(options)) {}

  void List() {
    Tree(client_).List(path_, Scope::kSubtree, 0, [weak = weak_from_this()](Result<Listing> list) {
      if (const auto self = weak.lock())
        self->OnList(std::move(list));
    });
  }
  void Close() {
    closed_ = true;
    watch_.reset();
    if (timer_)
      client_.core().runtime().Cancel(*timer_);
  }
  Status Reach(uint64_t revision, Milliseconds timeout) {
    std::unique_lock lock(mutex_);
    moved_.wait_for(lock, timeout, [&] { return lost_ || revision_ >= revision; });
    if (lost_)
      return *lost_;
    if (revision_ < revision)
      return Error{Errc::kDeadlineExceeded, Outcome::kNotApplied, "the cache is not there yet"};
    return Done();
  }
  uint64_t revision() const {
    const std::lock_guard lock(mutex_);
    return revision_;
  }
  std::optional<Node> Get(const std::string& path) const {
    const std::lock_guard lock(mutex_);
    const auto it = nodes_.find(path);
    return it == nodes_.end() ? std::nullopt : std::optional<Node>(it->second);
  }
  std::map<std::string, Node> All() const {
    const std::lock_guard lock(mutex_);
    return nodes_;
  }

 private:
  void OnList(Result<Listing> list) {
    if (closed_)
      return;
    if (!list)
      return OnEnd(list.error());
    std::map<std::string, Node> found;
    for (Node& node : list->nodes) found.emplace(node.path, std::move(node));
    std::vector<Event> events;
    for (const auto& [path, node] : nodes_)
      if (!found.contains(path))
        events.push_back({Event::Type::kDelete, Event::Cause::kClient, path, {}});
    for (const auto& [path, node] : found) {
      const auto old = nodes_.find(path);
      if (old == nodes_.end() || old->second.mod_revision != node.mod_revision)
        events.push_back({Event::Type::kPut, Event::Cause::kClient, path, node});
    }
    const bool first = revision_ == 0;
    {
      const std::lock_guard lock(mutex_);
      revision_ = list->revision;
      nodes_ = std::move(found);
      moved_.notify_all();
    }
    if (!first)
      Tell(events);
    if (closed_)
      return;
    Follow(list->revision + 1);
  }

  void Follow(uint64_t from) {
    WatchOptions watch;
    watch.scope = Scope::kSubtree;
    watch.from_revision = from;
    // Held for the call: what it tells may be the end of the cache.
    watch_ = std::make_unique<Watch>(
        client_, path_, watch,
        [weak = weak_from_this()](const Change& change) {
          if (const auto self = weak.lock())
            self->OnChange(change);
        },
        [weak = weak_from_this()](const Error& error) {
          if (const auto self = weak.lock())
            self->OnEnd(error);
        });
  }

  void OnChange(const Change& change) {
    std::vector<Event> events;
    {
      const std::lock_guard lock(mutex_);
      for (const Event& event : change.events) {
        if (event.path == path_)
          continue;  // what is below is cached, as a list gives it
        if (event.type == Event::Type::kDelete)
          nodes_.erase(event.path);
        else
          nodes_[event.path] = event.node;
        events.push_back(event);
      }
      revision_ = change.revision;
      moved_.notify_all();
    }
    Tell(events);
  }

  void OnEnd(const Error& error) {
    // Anew; or the cluster is away, and comes back.
    const bool at_once = error.code == Errc::kCompacted;
    if (at_once || MayPass(error.code)) {
      Runtime& runtime = client_.core().runtime();
      timer_ = runtime.At(runtime.Now() + (at_once ? Milliseconds(0) : kPause),
                          [weak = weak_from_this()] {
                            if (const auto self = weak.lock())
                              self->List();
                          });
      return;
    }
    {
      const std::lock_guard lock(mutex_);
      lost_ = error;
      moved_.notify_all();
    }
    if (options_.on_lost)
      options_.on_lost(error);
  }

  void Tell(const std::vector<Event>& events) {
    for (const Event& event : events)
      if (options_.on_event && !closed_)
        options_.on_event(event);
  }

  Client& client_;
  const std::string path_;
  const Options options_;
  std::unique_ptr<Watch> watch_;  // the loop's, as all until the mutex
  std::optional<Runtime::TimerId> timer_;
  bool closed_ = false;
  mutable std::mutex mutex_;
  std::condition_variable moved_;
  // Written by the loop under the mutex.
  uint64_t revision_ = 0;
  std::map<std::string, Node> nodes_;
  std::optional<Error> lost_;
};

Cache::Cache(Client& client, const std::string& path, Options options)
    : client_(client), state_(std::make_shared<State>(client, path, std::move(options))) {
  client.core().runtime().Post([state = state_] { state->List(); });
}
Cache::~Cache() {
  RunOnLoop(client_, [this] { state_->Close(); });
}
Status Cache::Ready(Milliseconds timeout) { return state_->Reach(1, timeout); }
Status Cache::Reach(uint64_t revision, Milliseconds timeout) {
  return state_->Reach(revision, timeout);
}
uint64_t Cache::revision() const { return state_->revision(); }
std::optional<Node> Cache::Get(const std::string& path) const { return state_->Get(path); }
std::map<std::string, Node> Cache::All() const { return state_->All(); }

}  // namespace synod::client
