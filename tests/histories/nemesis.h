// Nemesis: real faults on a running cluster, drawn from a seed, several at a time.
//
// Contract      Begins a fault every second or two; each ends by itself after some seconds. A node
//               has at most one of its own at a time, and the network one. What the seed gives is
//               the order of the draws: when they fall, the machine decides. A node that ends
//               without being killed is a crash.
// Thread        The main one: it starts the nodes.
#ifndef SYNOD_TESTS_HISTORIES_NEMESIS_H_
#define SYNOD_TESTS_HISTORIES_NEMESIS_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "src/base/random.h"
#include "tests/histories/full_disks.h"
#include "tests/histories/member_changes.h"
#include "tests/histories/peer_proxies.h"
#include "tests/integration/cluster.h"

namespace synod::histories {

class Nemesis {
 public:
  using Clock = std::chrono::steady_clock;

  // The names that --faults takes.
  static std::vector<std::string> Names();

  // Before the cluster starts: faults of the network put proxies between its nodes.
  Nemesis(integration::Cluster* cluster, std::vector<std::string> faults, uint64_t seed);

  // Once it runs: a further node for changes of the members.
  void AddSpare();
  // Until `deadline`, or the first crash.
  void Run(Clock::time_point deadline);
  // Ends what is under way.
  void Mend();

  // The nodes that belong to the cluster now.
  const std::set<int>& members() const { return members_.members(); }
  uint64_t exchanged() const { return members_.done(); }
  const std::map<std::string, uint64_t>& counts() const { return counts_; }
  const std::vector<std::string>& crashes() const { return crashes_; }

 private:
  using Fault = bool (Nemesis::*)();
  struct Active {
    Clock::time_point until;
    std::vector<int> nodes;
    std::function<void()> end;
  };
  static const std::map<std::string, Fault>& Faults();

  // Each returns false if it cannot be done now.
  bool Kill() { return KillFor(0, 3'000); }
  bool Away() { return KillFor(5'000, 15'000); }
  bool KillFor(uint64_t ms_min, uint64_t ms_max);
  bool KillAll();
  bool Pause();
  bool SlowClock();
  bool Transfer();
  bool Separate();
  bool FillDisk();
  bool ChangeMembers();

  void BeginOne();
  void EndDue(Clock::time_point now);
  void NoticeCrashes();
  void Hold(std::vector<int> nodes, uint64_t ms_min, uint64_t ms_max, std::function<void()> end);
  bool Has(const std::string& fault) const;
  // Members that nothing is being done to; one of them.
  std::vector<int> Free() const;
  integration::Node* AnyFree();
  void StepMembers();
  // Puts what the faults need under and before a node that has not been started.
  void Prepare(int id);

  integration::Cluster* cluster_;
  std::vector<std::string> faults_;
  Random random_;
  MemberChanges members_;
  FullDisks disks_;
  std::unique_ptr<PeerProxies> proxies_;
  bool separated_ = false;
  std::vector<Active> active_;
  std::set<int> busy_;
  std::map<std::string, uint64_t> counts_;
  std::vector<std::string> crashes_;
};

}  // namespace synod::histories

#endif  // SYNOD_TESTS_HISTORIES_NEMESIS_H_
