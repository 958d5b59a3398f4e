// Client::Core: what the parts of this folder share, and how their two forms become one.
//
// Contract      Await turns a form with a callback into a blocking one; RunOnLoop gets a task done
//               in the loop, now if it is the loop that asks, not at all if the client is going.
// Thread        Members: the loop's. The functions: any; Await not the loop's.
// Not here      Public headers: users see none of this.
#ifndef SYNOD_CLIENT_CORE_H_
#define SYNOD_CLIENT_CORE_H_

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "src/base/check.h"
#include "src/client/calls.h"
#include "src/client/client.h"
#include "src/client/lease_keeper.h"
#include "src/client/runtime.h"

namespace synod::client {

class Client::Core {
 public:
  Core(std::unique_ptr<Runtime> world, size_t endpoints)
      : runtime_(std::move(world)), calls(*runtime_, endpoints), leases(*runtime_, calls) {}

  Runtime& runtime() { return *runtime_; }

 private:
  std::unique_ptr<Runtime> runtime_;

 public:
  Calls calls;
  LeaseKeeper leases;
};

// `start` is given the callback, in the loop.
template <typename T, typename Start>
Result<T> Await(Client& client, Start start) {
  struct State {
    std::mutex mutex;
    std::condition_variable done;
    std::optional<Result<T>> result;
  };
  Runtime& runtime = client.core().runtime();
  SYNOD_CHECK(!runtime.OnLoop());
  const auto state = std::make_shared<State>();
  runtime.Post([state, start = std::move(start)] {
    start([state](Result<T> result) {
      const std::lock_guard lock(state->mutex);
      state->result.emplace(std::move(result));
      state->done.notify_one();
    });
  });
  std::unique_lock lock(state->mutex);
  state->done.wait(lock, [&] { return state->result.has_value(); });
  return std::move(*state->result);
}

template <typename Task>
void RunOnLoop(Client& client, Task task) {
  if (client.closing())
    return;
  if (client.core().runtime().OnLoop())
    return task();
  (void)Await<Unit>(client, [&task](const auto& done) {
    task();
    done(Done());
  });
}

// An answer that must be a 2xx of a node. What is no JSON is a page of something on the way, which
// says nothing of a change.
inline Result<Answer> OkOrError(Result<Answer> answer) {
  if (answer && !answer->ok())
    return answer->ToError();
  if (answer && !answer->reply.body.starts_with('{'))
    return Error{Errc::kInternal, answer->change ? Outcome::kUnknown : Outcome::kNotApplied,
                 "no JSON in the answer"};
  return answer;
}

// Sends, and turns a 2xx into a T.
template <typename T>
void Send(Client& client, Call call, T (*read)(const Answer&), Callback<T> done) {
  client.Send(std::move(call), [read, done = std::move(done)](Result<Answer> result) {
    const Result<Answer> answer = OkOrError(std::move(result));
    if (!answer)
      return done(answer.error());
    done(read(*answer));
  });
}

}  // namespace synod::client

#endif  // SYNOD_CLIENT_CORE_H_
