// Nemesis: makes things go wrong, at the rates that the swarm options say.
//
// Contract      Each kind of fault has its own clock. What it breaks it also mends after a while
//               (a node restarts, a partition heals), until HealAll(), which mends everything and
//               ends it.
// Thread        One.
#ifndef SYNOD_TESTS_SIM_NEMESIS_H_
#define SYNOD_TESTS_SIM_NEMESIS_H_

#include <array>
#include <functional>
#include <vector>

#include "src/base/random.h"
#include "tests/sim/client_port.h"
#include "tests/sim/node_host.h"

namespace synod::sim {

class Nemesis {
 public:
  Nemesis(World* world, ClientPort* port, Random random);

  void Start();
  void HealAll();
  void OnProcessEnded(NodeHost& host);
  const std::array<uint64_t, kFaultCount>& counts() const { return counts_; }

 private:
  void Schedule(Fault fault);
  void Inflict(Fault fault);
  void StopNode(NodeHost& host, NodeHost::Crash how);
  void RestartLater(NodeHost& host);
  void PauseNode(NodeHost& host, bool stop_clock);
  // Closes the directions for which `closed(from, to)` is true; opens them again later.
  void Partition(const std::function<bool(uint32_t from, uint32_t to)>& closed);
  void PartitionBy(Fault fault);
  void SlowLink();
  void ResetConnections(bool all);
  void Transfer();
  void CutClients();
  // One more node may lose what its disk held: never so many that a majority of honest ones is
  // missing.
  bool MaySpoil(const NodeHost& host) const;
  // What every honest other node will still know of the host's log after a power cut.
  uint64_t GenSeenByAll(const NodeHost& host) const;
  void PutOldDisk();
  void DamageDisk();
  void Rot();
  void UpgradeLater(NodeHost& host);
  // Runs `mend` after a while, unless everything is mended before.
  void MendLater(Time longest, std::function<void()> mend);
  NodeHost& AnyHost() { return *world_->AnyHost(&random_); }
  uint32_t nodes() const { return static_cast<uint32_t>(world_->hosts.size()); }

  World* world_;
  ClientPort* port_;
  Random random_;
  bool healed_ = false;
  NodeHost* copied_ = nullptr;  // whose disk there is a copy of
  std::array<uint64_t, kFaultCount> counts_{};
  std::vector<std::vector<int>> closed_;  // how many partitions close a direction
};

}  // namespace synod::sim

#endif  // SYNOD_TESTS_SIM_NEMESIS_H_
