#include "src/client/barrier.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <optional>

#include "src/client/await_change.h"
#include "src/client/core.h"
#include "src/client/json.h"
#include "src/client/tree.h"
#include "src/client/txn.h"

namespace synod::client {
namespace {

// What a transaction's operation gave; nothing if the answer has none.
const boost::json::object* ResultOf(const boost::json::object& answer, bool last) {
  const auto* results = answer.if_contains("results");
  if (results == nullptr || !results->is_array() || results->get_array().empty())
    return nullptr;
  const boost::json::array& list = results->get_array();
  return (last ? list.back() : list.front()).if_object();
}

void AwaitRemoval(Client& client,
                  const std::string& path,
                  Clock::time_point deadline,
                  const Callback<Unit>& done) {
  Tree(client).Get(path, [=, &client](const Result<Node>& node) {
    if (!node)
      return done(node.error().code == Errc::kNotFound ? Done() : Status(node.error()));
    WatchOptions watch;
    watch.from_revision = node->revision + 1;
    watch.filter = "delete";
    AwaitChange(
        client, path, watch, deadline, [](const Change&) { return true; },
        [=, &client](const Status& status) {
          // The history from there on is gone: look again.
          if (!status && status.error().code == Errc::kCompacted)
            return AwaitRemoval(client, path, deadline, done);
          done(status);
        });
  });
}

}  // namespace

void Barrier::Set(Callback<Unit> done) {
  Tree(client_).Put(path_, "", {}, [done = std::move(done)](const Result<Node>& node) {
    done(node ? Done() : Status(node.error()));
  });
}
void Barrier::Remove(Callback<Unit> done) {
  Tree(client_).Delete(path_, {}, [done = std::move(done)](const Result<uint64_t>& deleted) {
    const bool gone = deleted || deleted.error().code == Errc::kNotFound;
    done(gone ? Done() : Status(deleted.error()));
  });
}
void Barrier::Wait(Milliseconds timeout, Callback<Unit> done) {
  AwaitRemoval(client_, path_, client_.core().runtime().Now() + timeout, done);
}
Status Barrier::Set() {
  return Await<Unit>(client_, [&](auto done) { Set(std::move(done)); });
}
Status Barrier::Remove() {
  return Await<Unit>(client_, [&](auto done) { Remove(std::move(done)); });
}
Status Barrier::Wait(Milliseconds timeout) {
  return Await<Unit>(client_, [&](auto done) { Wait(timeout, std::move(done)); });
}

// Places are children of <path>/members, each tied to its lease; <path>/ready exists from when
// enough are there until the last has left, so that one who looks late sees that he may enter.
class DoubleBarrier::State : public std::enable_shared_from_this<State> {
 public:
  State(Client& client, const std::string& path, uint32_t count, LeaseOptions lease)
      : client_(client),
        members_(path + "/members"),
        ready_(path + "/ready"),
        count_(count),
        options_(std::move(lease)) {}

  void Enter(Clock::time_point deadline, const Callback<Unit>& done) {
    Lease::Grant(client_, options_, [=, self = shared_from_this()](Result<Lease> lease) {
      if (!lease)
        return done(lease.error());
      self->lease_.emplace(*std::move(lease));
      self->TakePlace(deadline, done);
    });
  }

  void Leave(Clock::time_point deadline, const Callback<Unit>& done) {
    if (!lease_)
      return done(Error{Errc::kLeaseNotFound, Outcome::kNotApplied, "not inside"});
    // With the last place goes `ready`, in one step: who enters next finds all or nothing.
    const std::string body = Transaction(
        Compare(members_, "num_children", "==", "1") + "," +
            Compare(place_, "exists", "==", "true"),
        Operate("delete", place_) + "," + Operate("delete", ready_), Operate("delete", place_));
    Tree(client_).Transact(body, [=, self = shared_from_this()](const Result<std::string>& left) {
      self->lease_.reset();
      if (!left)
        return done(left.error());
      self->AwaitEmpty(deadline, done);
    });
  }

  void Drop() { lease_.reset(); }

 private:
  void TakePlace(Clock::time_point deadline, const Callback<Unit>& done) {
    const std::string create = Operate(
        "create", members_ + "/m-", R"("sequential":true,"lease":)" + std::to_string(lease_->id()));
    // The first of a round sweeps away what a round left whose processes all died.
    const std::string body = Transaction(Compare(members_, "num_children", "==", "0"),
                                         Operate("delete", ready_) + "," + create, create);
    Tree(client_).Transact(body, [=, self = shared_from_this()](const Result<std::string>& made) {
      if (!made) {
        self->lease_.reset();
        return done(made.error());
      }
      const boost::json::object answer = JsonObject(*made);
      const boost::json::object* result = ResultOf(answer, /*last=*/true);
      const auto* node = result == nullptr ? nullptr : result->if_contains("create");
      if (node == nullptr || !node->is_object())
        return self->GiveUp(NoResult(), done);
      self->place_ = TextOf(node->get_object(), "path");
      self->AwaitFull(deadline, done);
    });
  }

  void AwaitFull(Clock::time_point deadline, const Callback<Unit>& done) {
    // Announces, if enough are there: exactly one of those who see it makes the node.
    const std::string body =
        Transaction(Compare(members_, "num_children", ">", std::to_string(count_ - 1)) + "," +
                        Compare(ready_, "exists", "==", "false"),
                    Operate("put", ready_), Operate("get", ready_));
    Tree(client_).Transact(body, [=, self = shared_from_this()](const Result<std::string>& seen) {
      if (!seen)
        return self->GiveUp(seen.error(), done);
      const boost::json::object answer = JsonObject(*seen);
      const boost::json::object* result = ResultOf(answer, /*last=*/false);
      if (result == nullptr)
        return self->GiveUp(NoResult(), done);
      const auto* got = result->if_contains("get");
      if (got == nullptr || !got->is_null())
        return self->Inside(done);
      WatchOptions watch;
      watch.from_revision = NumberOf(answer, "revision") + 1;
      watch.filter = "put";
      AwaitChange(
          self->client_, self->ready_, watch, deadline, [](const Change&) { return true; },
          [=](const Status& status) {
            if (!status && status.error().code == Errc::kCompacted)
              return self->AwaitFull(deadline, done);
            if (!status)
              return self->GiveUp(status.error(), done);
            self->Inside(done);
          });
    });
  }

  static Error NoResult() {
    return {Errc::kInternal, Outcome::kUnknown, "no results in the answer"};
  }

  void Inside(const Callback<Unit>& done) {
    if (lease_ && lease_->Alive())
      return done(Done());
    GiveUp(Error{Errc::kLeaseNotFound, Outcome::kNotApplied, "the place was lost"}, done);
  }

  void GiveUp(const Error& error, const Callback<Unit>& done) {
    lease_.reset();
    done(error);
  }

  void AwaitEmpty(Clock::time_point deadline, const Callback<Unit>& done) {
    Tree(client_).List(members_, Scope::kChildren, 0,
                       [=, self = shared_from_this()](Result<Listing> list) {
                         if (!list)
                           return done(list.error());
                         if (list->nodes.empty())
                           return done(Done());
                         size_t inside = list->nodes.size();
                         WatchOptions watch;
                         watch.scope = Scope::kChildren;
                         watch.from_revision = list->revision + 1;
                         AwaitChange(
                             self->client_, self->members_, watch, deadline,
                             [inside](const Change& change) mutable {
                               for (const Event& event : change.events) {
                                 if (event.type == Event::Type::kDelete)
                                   --inside;
                                 else if (event.node.version == 1)
                                   ++inside;
                               }
                               return inside == 0;
                             },
                             [=](const Status& status) {
                               if (!status && status.error().code == Errc::kCompacted)
                                 return self->AwaitEmpty(deadline, done);
                               done(status);
                             });
                       });
  }

  Client& client_;
  const std::string members_;
  const std::string ready_;
  const uint32_t count_;
  const LeaseOptions options_;
  std::optional<Lease> lease_;  // the loop's
  std::string place_;
};

DoubleBarrier::DoubleBarrier(Client& client,
                             const std::string& path,
                             uint32_t count,
                             LeaseOptions lease)
    : client_(client), state_(std::make_shared<State>(client, path, count, std::move(lease))) {}
DoubleBarrier::~DoubleBarrier() {
  RunOnLoop(client_, [this] { state_->Drop(); });
}

void DoubleBarrier::Enter(Milliseconds timeout, Callback<Unit> done) {
  client_.core().runtime().Post([state = state_,
                                 deadline = client_.core().runtime().Now() + timeout,
                                 done = std::move(done)] { state->Enter(deadline, done); });
}
void DoubleBarrier::Leave(Milliseconds timeout, Callback<Unit> done) {
  client_.core().runtime().Post([state = state_,
                                 deadline = client_.core().runtime().Now() + timeout,
                                 done = std::move(done)] { state->Leave(deadline, done); });
}
Status DoubleBarrier::Enter(Milliseconds timeout) {
  return Await<Unit>(client_, [&](auto done) { Enter(timeout, std::move(done)); });
}
Status DoubleBarrier::Leave(Milliseconds timeout) {
  return Await<Unit>(client_, [&](auto done) { Leave(timeout, std::move(done)); });
}

}  // namespace synod::client
