// ElectionClient: campaigns, proclaims, hands over, resigns, and reads who leads.
//
// Contract      What it proclaims and what it is told of the leader goes to Claims, which compares
//               it with the log: one leader at a time, by its token; a value only of the leader.
// Thread        One.
#ifndef SYNOD_TESTS_SIM_ELECTION_CLIENT_H_
#define SYNOD_TESTS_SIM_ELECTION_CLIENT_H_

#include <string>

#include "tests/sim/claims.h"
#include "tests/sim/client.h"

namespace synod::sim {

class ElectionClient final : public Client {
 public:
  ElectionClient(const Shared& shared, uint32_t number, Random random, Claims* claims)
      : Client(shared, number, random), claims_(claims) {}

 private:
  void Next() override;
  void Campaign();
  void Observe();
  void OnObserved(const Reply& reply, Revision floor);
  void Lead();
  void Proclaim();
  // To a candidate that it was told of, or to nobody there is.
  void HandOver();
  void Resign();

  Claims* claims_;
  int64_t ttl_ms_ = 0;
  LeaseId lease_;
  FenceToken token_;
  LeaseId candidate_;  // another one, as last read
  uint32_t proclaims_left_ = 0;
};

}  // namespace synod::sim

#endif  // SYNOD_TESTS_SIM_ELECTION_CLIENT_H_
