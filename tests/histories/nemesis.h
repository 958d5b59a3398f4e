// Nemesis: real faults on a running cluster, drawn from a seed, several at a time.
//
// Contract      Begins a fault every second or two; each ends by itself after some seconds. A node
//               has at most one at a time. What the seed gives is the order of the draws: when they
//               fall, the machine decides. A node that ends without being killed is a crash.
// Thread        The main one: it starts the nodes.
#ifndef SYNOD_TESTS_HISTORIES_NEMESIS_H_
#define SYNOD_TESTS_HISTORIES_NEMESIS_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "src/base/random.h"
#include "tests/integration/cluster.h"

namespace synod::histories {

class Nemesis {
 public:
  using Clock = std::chrono::steady_clock;

  // The names that --faults takes.
  static const std::vector<std::string>& Names();

  Nemesis(integration::Cluster* cluster, std::vector<std::string> faults, uint64_t seed);

  // Until `deadline`, or the first crash.
  void Run(Clock::time_point deadline);
  // Ends what is under way.
  void Mend();

  const std::map<std::string, uint64_t>& counts() const { return counts_; }
  const std::vector<std::string>& crashes() const { return crashes_; }

 private:
  struct Active {
    Clock::time_point until;
    std::vector<int> nodes;
    std::function<void()> end;
  };
  // Each returns false if it cannot be done now.
  bool Kill();
  bool KillAll();
  bool Pause();
  bool Transfer();
  void BeginOne();
  void EndDue(Clock::time_point now);
  void NoticeCrashes();
  void Hold(std::vector<int> nodes, uint64_t ms_max, std::function<void()> end);
  std::vector<int> Free() const;

  integration::Cluster* cluster_;
  std::vector<std::string> faults_;
  Random random_;
  std::vector<Active> active_;
  std::set<int> busy_;
  std::map<std::string, uint64_t> counts_;
  std::vector<std::string> crashes_;
};

}  // namespace synod::histories

#endif  // SYNOD_TESTS_HISTORIES_NEMESIS_H_
