// Barrier, DoubleBarrier: processes that wait for a sign, or for each other.
//
// Contract      Barrier: while its node exists, all who Wait wait. DoubleBarrier: Enter returns
//               when `count` processes have entered, Leave when all have left; one that dies counts
//               as having left, since its place is tied to a lease. Both may be used again and
//               again.
// Thread        Any; callbacks on the client's. A DoubleBarrier object is one participant.
// Errors        kDeadlineExceeded when the wait is over: the process is then not inside;
//               kLeaseNotFound if its place was lost (also told by `on_lost`).
#ifndef SYNOD_CLIENT_BARRIER_H_
#define SYNOD_CLIENT_BARRIER_H_

#include <memory>
#include <string>

#include "src/client/lease.h"

namespace synod::client {

class Barrier {
 public:
  Barrier(Client& client, std::string path) : client_(client), path_(std::move(path)) {}

  Status Set();
  void Set(Callback<Unit> done);
  Status Remove();
  void Remove(Callback<Unit> done);
  Status Wait(Milliseconds timeout);
  void Wait(Milliseconds timeout, Callback<Unit> done);

 private:
  Client& client_;
  std::string path_;
};

class DoubleBarrier {
 public:
  DoubleBarrier(Client& client, const std::string& path, uint32_t count, LeaseOptions lease = {});
  ~DoubleBarrier();
  DoubleBarrier(const DoubleBarrier&) = delete;
  DoubleBarrier& operator=(const DoubleBarrier&) = delete;

  Status Enter(Milliseconds timeout);
  void Enter(Milliseconds timeout, Callback<Unit> done);
  Status Leave(Milliseconds timeout);
  void Leave(Milliseconds timeout, Callback<Unit> done);

 private:
  class State;
  Client& client_;
  std::shared_ptr<State> state_;
};

}  // namespace synod::client

#endif  // SYNOD_CLIENT_BARRIER_H_
