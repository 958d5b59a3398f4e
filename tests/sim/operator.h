// Operator: changes who the members are, one change at a time, as somebody with the API would.
//
// Contract      Adds learners on new machines, promotes one or several, puts one in the place of a
//               voter, removes (the dead and the leader too), gives members new addresses. Repeats
//               a change until it knows what became of it.
// Limits        It knows what the nemesis has broken: no change of it leaves so many voters with
//               spoiled disks that a majority of honest ones is missing, and it waits while it is
//               open whether the others will find out a disk that forgot something, since new
//               members could not tell.
// Thread        One.
#ifndef SYNOD_TESTS_SIM_OPERATOR_H_
#define SYNOD_TESTS_SIM_OPERATOR_H_

#include <functional>
#include <optional>
#include <vector>

#include "src/base/membership.h"
#include "tests/sim/client.h"

namespace synod::sim {

class Operator final : public Client {
 public:
  // Starts a machine with an empty disk as that member, which was told of these members.
  using Join = std::function<void(NodeId id, const Membership& members)>;
  Operator(const Shared& shared, uint32_t number, Random random, Join join)
      : Client(shared, number, random), join_(std::move(join)) {}

 private:
  void Next() override;
  void Rest();
  std::optional<machine::ChangeMembers> DrawChange(const Membership& now);
  machine::ChangeMembers DrawAddition();
  std::vector<NodeId> DrawSome(std::vector<NodeId> from, double more_percent);
  NodeId DrawVictim(const std::vector<NodeId>& from);
  bool IsSafe(const Membership& now, const machine::ChangeMembers& change);
  void Ask(const machine::ChangeMembers& change);
  void Readdress(const Membership& now);

  Join join_;
  uint64_t addresses_ = 0;  // given out
};

}  // namespace synod::sim

#endif  // SYNOD_TESTS_SIM_OPERATOR_H_
