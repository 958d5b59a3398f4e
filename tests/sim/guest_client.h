// Administrator and Guest: authentication is on, and one user may do little.
//
// Contract      The administrator switches authentication on before anybody else begins, then gives
//               the guest his role and takes it away again, over and over. The guest tries what is
//               his and what is not, and throws Violation: (1) an answer to him that changed or
//               shows something outside his prefix, whatever his role; (2) one that was given after
//               he was known to have no role, and asked for after that.
// Thread        One.
#ifndef SYNOD_TESTS_SIM_GUEST_CLIENT_H_
#define SYNOD_TESTS_SIM_GUEST_CLIENT_H_

#include <string>

#include "tests/sim/client.h"

namespace synod::sim {

// What is known of the guest's role.
struct GuestRole {
  bool known = false;      // his token's making is acknowledged
  bool withdrawn = false;  // acknowledged, and not asked for again since
  uint64_t epoch = 0;      // rises with every change that is asked for
};

class Administrator final : public Client {
 public:
  Administrator(const Shared& shared, uint32_t number, Random random, GuestRole* role)
      : Client(shared, number, random), role_(role) {}

 private:
  bool MayBegin() const override { return true; }
  void Next() override;
  // The next of the steps that make the guest; again until it is known to be done.
  void SetUp();

  GuestRole* role_;
  size_t step_ = 0;
};

class Guest final : public Client {
 public:
  Guest(const Shared& shared, uint32_t number, Random random, GuestRole* role)
      : Client(shared, number, random), role_(role) {}

 private:
  // A read may still be of the time before the token, as long as its making is not acknowledged.
  bool MayBegin() const override { return role_->known; }
  auth::Principal Who() const override;
  void Next() override;
  void TryChange(bool inside);
  void TryRead(bool inside);
  void Judge(bool inside, bool done, Errc code, bool withdrawn, uint64_t epoch);

  GuestRole* role_;
};

}  // namespace synod::sim

#endif  // SYNOD_TESTS_SIM_GUEST_CLIENT_H_
