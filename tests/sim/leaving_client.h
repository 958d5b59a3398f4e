// LeavingClient: waits for a lock for as long as it takes, and often leaves before.
//
// Contract      Waits for hours; closes its connection at any moment, comes back with the same key,
//               within the time that its place is kept or after, or never. Or it stays, and must be
//               answered: with the lock, or that its place is gone. What it leaves in the queue is
//               for Run to judge: its leases live so long that only a withdrawal ends a wait.
// Thread        One.
#ifndef SYNOD_TESTS_SIM_LEAVING_CLIENT_H_
#define SYNOD_TESTS_SIM_LEAVING_CLIENT_H_

#include "tests/sim/client.h"

namespace synod::sim {

class LeavingClient final : public Client {
 public:
  static constexpr const char* kLock = "/left";
  static constexpr int64_t kTtlMsMin = 12'000;
  static constexpr int64_t kTtlMsMax = 18'000;

  using Client::Client;

 private:
  void Next() override;
  void Wait();
  void OnReply(const Reply& reply);
  void Hold(FenceToken token);
  void ComeBackOrPause();

  machine::Command command_;
  uint64_t waits_ = 0;
};

}  // namespace synod::sim

#endif  // SYNOD_TESTS_SIM_LEAVING_CLIENT_H_
