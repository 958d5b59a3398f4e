// FenceClient: raises fence registers and reads them; FenceRegisters: what must be true of them.
//
// Contract      FenceRegisters watches the observer's machine after every slot. Throws Violation:
//               (1) a register that falls in the log; (2) a token that is taken, or a linearizable
//               read, below what a client had been told before it was asked for; (3) a refusal that
//               names no higher token; (4) something told that the log does not have.
// Thread        One.
#ifndef SYNOD_TESTS_SIM_FENCE_CLIENT_H_
#define SYNOD_TESTS_SIM_FENCE_CLIENT_H_

#include <map>
#include <string>

#include "tests/sim/client.h"

namespace synod::sim {

class FenceRegisters {
 public:
  explicit FenceRegisters(World* world) : world_(world) {}

  void Watch(const std::string& path) { registers_[path]; }
  // After every slot of the observer's machine.
  void OnSlot(Slot slot);

  // The highest that a client was told of.
  FenceToken told(const std::string& path) const { return registers_.at(path).told; }
  // A client that asked when told() was `before` hears that the register was at `token` since.
  void Tell(const std::string& path, FenceToken before, FenceToken token);

 private:
  struct Register {
    FenceToken in_log;
    FenceToken told;
  };

  World* world_;
  std::map<std::string, Register> registers_;
};

class FenceClient final : public Client {
 public:
  FenceClient(const Shared& shared, uint32_t number, Random random, FenceRegisters* registers)
      : Client(shared, number, random), registers_(registers) {}

 private:
  void Next() override;
  void Raise(const std::string& path);
  void OnRaised(const std::string& path,
                FenceToken token,
                FenceToken before,
                const ChangeOutcome& outcome);
  void Read(const std::string& path);

  FenceRegisters* registers_;
};

}  // namespace synod::sim

#endif  // SYNOD_TESTS_SIM_FENCE_CLIENT_H_
