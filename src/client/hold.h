// Hold: one or several locks, or a leadership, that this process has now. Waiting: one it asks for.
//
// Contract      A hold rests on a lease of its own, renewed in the background. Held() is true only
//               while nobody else can have it; it turns false before that, for good. `on_lost` of
//               the recipe runs once then, and not after Release has returned. The token goes with
//               every write that the lock protects: Fence for Synod, the number for others; Held()
//               alone cannot stop a write that is already under way.
// Thread        Any; `on_lost` on the client's. The destructor releases, as Lease's does.
// Errors        Of asking: kLockUnavailable when the wait is over, kLeaseNotFound if the place in
//               the queue was lost while waiting (ask again), the API's.
#ifndef SYNOD_CLIENT_HOLD_H_
#define SYNOD_CLIENT_HOLD_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "src/client/lease.h"
#include "src/client/tree.h"

namespace synod::client {

class ClaimState;

struct HoldOptions {
  Milliseconds ttl{10'000};
  std::string value;  // who holds it, for others to see
  std::function<void()> on_lost;
  // After the hold expires (not when it is released) nobody gets the lock for so long.
  Milliseconds lock_delay{0};
};

class Hold {
 public:
  Hold(Hold&&) noexcept = default;
  Hold& operator=(Hold&&) noexcept = default;

  bool Held() const { return lease_.Alive(); }
  // Of the first lock, if there are several.
  uint64_t token() const { return fences_.front().token; }
  Fence fence() const { return fences_.front(); }
  const std::vector<Fence>& fences() const { return fences_; }
  uint64_t lease() const { return lease_.id(); }
  Clock::time_point safe_until() const { return lease_.safe_until(); }

  Status Release() { return lease_.Revoke(); }
  void Release(Callback<Unit> done) { lease_.Revoke(std::move(done)); }

 private:
  friend class ClaimState;
  Hold(Lease lease, std::vector<Fence> fences)
      : lease_(std::move(lease)), fences_(std::move(fences)) {}

  Lease lease_;
  std::vector<Fence> fences_;
};

// Cancels when it goes: then the callback is not called any more, and the place in the queue is
// given up.
class [[nodiscard]] Waiting {
 public:
  Waiting(Waiting&&) noexcept = default;
  Waiting& operator=(Waiting&&) noexcept;
  ~Waiting();

 private:
  friend class ClaimState;
  Waiting(Client& client, std::shared_ptr<ClaimState> claim)
      : client_(&client), claim_(std::move(claim)) {}
  void Cancel();

  Client* client_;
  std::shared_ptr<ClaimState> claim_;
};

}  // namespace synod::client

#endif  // SYNOD_CLIENT_HOLD_H_
