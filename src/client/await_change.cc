#include "src/client/await_change.h"

#include <memory>

#include "src/client/core.h"

namespace synod::client {
namespace {

struct Waiter {
  std::unique_ptr<Watch> watch;
  Runtime::TimerId timer = 0;
  Callback<Unit> done;

  void Finish(Client& client, const Status& status) {
    client.core().runtime().Cancel(timer);
    watch.reset();
    const Callback<Unit> finished = std::move(done);
    finished(status);
  }
};

}  // namespace

void AwaitChange(Client& client,
                 const std::string& path,
                 const WatchOptions& options,
                 Clock::time_point deadline,
                 std::function<bool(const Change&)> enough,
                 Callback<Unit> done) {
  // Lives in its timer, which ends with it and with the client; its watch must not keep it.
  const auto waiter = std::make_shared<Waiter>();
  waiter->done = std::move(done);
  waiter->timer = client.core().runtime().At(deadline, [&client, waiter] {
    waiter->Finish(client, Error{Errc::kDeadlineExceeded, Outcome::kNotApplied, "waited in vain"});
  });
  const std::weak_ptr<Waiter> weak = waiter;
  waiter->watch = std::make_unique<Watch>(
      client, path, options,
      [&client, weak, enough = std::move(enough)](const Change& change) {
        const auto self = weak.lock();
        if (self && enough(change))
          self->Finish(client, Done());
      },
      [&client, weak](const Error& error) {
        if (const auto self = weak.lock())
          self->Finish(client, error);
      });
}

}  // namespace synod::client
