// QuotaClient, QuotaJudge: subtrees are limited, and nothing passes a limit.
//
// Contract      The client sets, moves and removes quotas around the registers and over a subtree
//               of its own, which it fills and empties. The judge looks at the log's state after
//               every slot and throws Violation: (1) what a quota says is used is not what a walk
//               over the subtree finds;  (2) nodes or bytes above a hard limit grew.
// Thread        One.
#ifndef SYNOD_TESTS_SIM_QUOTA_CLIENT_H_
#define SYNOD_TESTS_SIM_QUOTA_CLIENT_H_

#include <map>
#include <string>

#include "tests/sim/client.h"

namespace synod::sim {

class QuotaJudge {
 public:
  explicit QuotaJudge(const World* world) : world_(world) {}
  void OnSlot(Slot slot);

 private:
  struct Known {
    auth::Quota quota;
    store::Usage usage;
  };
  const World* world_;
  std::map<std::string, Known> known_;  // after the slot before
};

class QuotaClient final : public Client {
 public:
  using Client::Client;

 private:
  void Next() override;
  machine::Operation DrawQuota();
};

}  // namespace synod::sim

#endif  // SYNOD_TESTS_SIM_QUOTA_CLIENT_H_
