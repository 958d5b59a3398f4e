// Run: one recorded run against real processes, from the start of the cluster to the verdict.
#ifndef SYNOD_TESTS_HISTORIES_RUN_H_
#define SYNOD_TESTS_HISTORIES_RUN_H_

#include <cstdint>
#include <string>
#include <vector>

namespace synod::histories {

struct Options {
  int nodes = 3;
  double minutes = 1;
  std::vector<std::string> faults = {"kill", "pause"};
  std::vector<std::string> workloads = {};  // empty: the default ones
  uint64_t seed = 1;
};

std::vector<std::string> FaultNames();
std::vector<std::string> WorkloadNames();

// The exit status: 0 good, 1 not, 3 undecided.
int Run(const Options& options);

}  // namespace synod::histories

#endif  // SYNOD_TESTS_HISTORIES_RUN_H_
