// LeaseKeeper: renews the leases of a client, and gives each up before the cluster can have ended
// it.
//
// Contract      A lease may be believed until SafeUntil() of the last renewal that was answered.
//               Then it is lost for good, whatever answer comes later: `on_lost` runs once.
//               Renewals are due every third of the TTL, up to kIdsMax leases in one request.
// Safety        The cluster counts `remaining_ms` from when it applied the renewal, which is after
//               the sending of the attempt that ran. Counting from the sending, with the clock that
//               counts suspend, less the drift of two clocks, ends the belief first.
// Thread        The loop's; what is public of LeaseBelief any.
#ifndef SYNOD_CLIENT_LEASE_KEEPER_H_
#define SYNOD_CLIENT_LEASE_KEEPER_H_

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "src/client/calls.h"

namespace synod::client {

// Until when an answer may be believed that says `remaining` and counts from `sent_at`.
Clock::time_point SafeUntil(Clock::time_point sent_at, Milliseconds remaining, Milliseconds ttl);

// What a holder knows of its lease.
class LeaseBelief {
 public:
  LeaseBelief(uint64_t id, Milliseconds ttl) : id_(id), ttl_(ttl) {}
  uint64_t id() const { return id_; }
  Milliseconds ttl() const { return ttl_; }
  bool Alive(Clock::time_point now) const { return !over_ && now < safe_until(); }
  Clock::time_point safe_until() const { return Clock::time_point(Clock::duration(until_)); }
  // The holder gives it back: it is over for everybody here. True for the first who does.
  bool GiveBack() {
    over_ = true;
    return !given_back_.exchange(true);
  }
  bool given_back() const { return given_back_; }

 private:
  friend class LeaseKeeper;

  const uint64_t id_;
  const Milliseconds ttl_;
  std::atomic<Clock::rep> until_ = 0;
  std::atomic<bool> over_ = false;
  std::atomic<bool> given_back_ = false;
  // The loop's.
  std::function<void()> on_lost_;
  Clock::time_point renew_at_;
  bool renewing_ = false;
};

class LeaseKeeper {
 public:
  static constexpr size_t kIdsMax = 100;

  LeaseKeeper(Runtime& runtime, Calls& calls) : runtime_(runtime), calls_(calls) {}

  // Takes up a lease by the answer to its grant; nothing if that is too old to be believed.
  std::shared_ptr<LeaseBelief> Keep(const Answer& grant, std::function<void()> on_lost);
  // The holder has done with it: no renewal, no on_lost.
  void Drop(LeaseBelief& lease);

 private:
  using Batch = std::vector<std::shared_ptr<LeaseBelief>>;

  void Tick();
  void Renew(const Batch& batch);
  void OnRenewed(const Batch& batch, const Result<Answer>& answer);
  // False if it is lost by now.
  bool Extend(LeaseBelief& lease, Clock::time_point sent_at, Milliseconds remaining);
  void Lose(const std::shared_ptr<LeaseBelief>& lease);
  void Arm();

  Runtime& runtime_;
  Calls& calls_;
  std::map<uint64_t, std::shared_ptr<LeaseBelief>> leases_;
  std::optional<Runtime::TimerId> timer_;
};

}  // namespace synod::client

#endif  // SYNOD_CLIENT_LEASE_KEEPER_H_
