// Totals: what many runs did, in numbers, so that one can see which faults were really met.
//
// Contract      Sums over runs, printed at the end; no run depends on them.
#ifndef SYNOD_TESTS_SIM_TOTALS_H_
#define SYNOD_TESTS_SIM_TOTALS_H_

#include <array>
#include <cstdint>

#include "tests/sim/run.h"

namespace synod::sim {

// Plain numbers: lives in memory that processes share.
struct Totals {
  uint64_t runs = 0;
  uint64_t last_trace = 0;
  uint64_t virtual_ms = 0;
  uint64_t steps = 0;
  std::array<uint64_t, 8> runs_by_nodes{};
  std::array<uint64_t, kFaultCount> runs_with_fault{};
  std::array<uint64_t, kFaultCount> faults{};
  uint64_t elections = 0, crashes = 0, torn_appends = 0, old_disks = 0, damages = 0, caught = 0,
           rotten = 0, upgraded = 0, refused_logs = 0, appends = 0, checkpoints = 0, loads = 0;
  uint64_t snapshots_made = 0, snapshots_installed = 0, crashes_at_install = 0;
  uint64_t frames = 0, frames_lost = 0, frames_duplicated = 0;
  uint64_t slots = 0, commands = 0, ignored_entries = 0, revisions = 0;
  uint64_t changes = 0, reads = 0, applied = 0, refused = 0, not_applied = 0, unknown = 0;
  uint64_t retries = 0, replays = 0, holds = 0, fenced = 0, leases = 0, leases_ended = 0;
  uint64_t leads = 0, aged = 0, cancels = 0, raised = 0, over_quota = 0, waits_left = 0;
  uint64_t waits_joined = 0, places_kept = 0;
  uint64_t watch_messages = 0, watch_moves = 0;
  uint64_t memberships = 0, joined = 0, left = 0;
  uint64_t checked = 0, undecided = 0;

  void Add(const RunReport& report);
  void Add(const Totals& other);
  void Print(double cpu_seconds) const;
};

}  // namespace synod::sim

#endif  // SYNOD_TESTS_SIM_TOTALS_H_
