// LockClient and LeaseClient: clients that hold things and must be told the truth about it.
//
// Contract      A LockClient acquires a lock, or two at once, writes under its token, and releases
//               it, forgets it, or sleeps past its lease and goes on writing. A LeaseClient grants
//               leases, ties nodes to them, renews, revokes or abandons them. What they were told
//               goes to Claims.
// Thread        One.
#ifndef SYNOD_TESTS_SIM_CLAIM_CLIENTS_H_
#define SYNOD_TESTS_SIM_CLAIM_CLIENTS_H_

#include <string>
#include <vector>

#include "tests/sim/claims.h"
#include "tests/sim/client.h"

namespace synod::sim {

class LockClient final : public Client {
 public:
  LockClient(const Shared& shared, uint32_t number, Random random, Claims* claims)
      : Client(shared, number, random), claims_(claims) {}

 private:
  void Next() override;
  void Grant();
  void Acquire();
  void AcquireBoth(int64_t wait_ms);
  void OnAcquired(const ChangeOutcome& outcome);
  void KeepAlive(std::function<void()> then);
  void WriteFenced();
  void Continue();
  void Release();
  void Forget();

  Claims* claims_;
  std::string lock_;
  std::string other_lock_;  // wanted together with it; empty: none
  bool own_lease_ = false;  // granted before the acquire, not by it
  int64_t ttl_ms_ = 0;
  LeaseId lease_;
  std::vector<Claims::Hold> holds_;
  uint32_t writes_left_ = 0;
};

class LeaseClient final : public Client {
 public:
  LeaseClient(const Shared& shared, uint32_t number, Random random, Claims* claims)
      : Client(shared, number, random), claims_(claims) {}

 private:
  void Next() override;
  void Tie();
  void KeepAlive();
  void End();

  Claims* claims_;
  LeaseId lease_;
  int64_t ttl_ms_ = 0;
  uint32_t renewals_left_ = 0;
};

}  // namespace synod::sim

#endif  // SYNOD_TESTS_SIM_CLAIM_CLIENTS_H_
