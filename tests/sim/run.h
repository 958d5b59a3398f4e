// RunSeed: one simulated cluster from its first start to its last check.
//
// Contract      A function of the seed: the same seed gives the same trace hash. First a phase with
//               faults, then everything is mended and must converge: a leader, an end to every
//               call, equal replicas, no lease left. `failure` is empty if every promise held; a
//               failed SYNOD_CHECK of the code under test aborts the process instead.
// Thread        One.
#ifndef SYNOD_TESTS_SIM_RUN_H_
#define SYNOD_TESTS_SIM_RUN_H_

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "tests/sim/client.h"
#include "tests/sim/swarm.h"

namespace synod::sim {

struct RunReport {
  uint64_t seed = 0;
  std::string failure;  // empty: all promises held
  uint64_t trace_hash = 0;
  Time virtual_time = 0;
  uint64_t steps = 0;
  std::array<uint64_t, kFaultCount> faults{};
  RunStats stats;
  LoadStats load;
  SimNetwork::Stats network;
  History::Summary history;
  uint64_t slots = 0, commands = 0, ignored_entries = 0, revisions = 0, leases_ended = 0;
  uint64_t watch_messages = 0, watch_moves = 0;
  uint64_t memberships = 0;  // in a row
};

RunReport RunSeed(uint64_t seed, bool print_trace);

}  // namespace synod::sim

#endif  // SYNOD_TESTS_SIM_RUN_H_
