// Swarm: what one run is made of, drawn from its seed.
//
// Contract      A function of the seed alone. Every kind of fault is on or off per run, with a rate
//               of its own, so that no kind always hides another ("swarm testing", Groce et al.,
//               ISSTA 2012); limits and timeouts of the nodes vary too, so that small queues,
//               segments and windows are common.
#ifndef SYNOD_TESTS_SIM_SWARM_H_
#define SYNOD_TESTS_SIM_SWARM_H_

#include <array>
#include <cstdint>
#include <string>

#include "src/auth/settings.h"
#include "src/machine/command.h"
#include "src/node/engine_snapshots.h"
#include "tests/sim/scheduler.h"

namespace synod::sim {

enum class Fault : uint8_t {
  kKill,         // the process dies, the machine stays: unsynced writes survive
  kPowerCut,     // unsynced writes are lost, whole or in parts; peers hear nothing
  kPowerCutAll,  // every node at once
  kPause,        // the process stands still, its clock runs
  kFreeze,       // the process stands still and so does its clock
  kIsolate,      // one node cut off, both ways
  kSplit,        // two sides
  kBridge,       // two sides with one node that reaches both
  kRing,         // everybody reaches two neighbours only
  kOneWay,       // one direction of one link
  kSlowLink,     // one link, both ways
  kReset,        // connections break and come back
  kResetAll,     // all connections at once
  kSlowDisk,     // a node's syncs take long for a while
  kSyncError,    // a sync fails: the process must end
  kTransfer,     // leadership is handed over
  kClientCut,    // requests and answers of clients are lost for a while
  kShutdown,     // an orderly stop
  kTornAppend,   // the power goes while a record is being written
  kOldDisk,      // an old copy of a node's disk is put in its place: the node must be caught
  kDamage,       // bits flip in a log at rest, or files of it are lost
  kRot,          // a node's state is not what its log says: the node must be found out
  kChurn,        // members are added, promoted, replaced, removed, and addresses changed
};
inline constexpr int kFaultCount = 23;
inline constexpr uint32_t kNodesMax = 16;  // all ids of a run are below, those of joiners too

// Nodes of the next version are of this one.
inline constexpr uint32_t kNextVersion = machine::kMachineVersion + 1;
const char* Name(Fault fault);

struct Swarm {
  uint64_t seed = 0;
  uint32_t nodes = 3;  // that found the cluster
  Time safety = 0;     // length of the phase with faults

  // Mean time between two faults of a kind; 0: off.
  std::array<Time, kFaultCount> fault_every{};
  bool IsOn(Fault f) const { return fault_every[static_cast<size_t>(f)] != 0; }

  // Network. Without `datagrams` connections keep order and lose nothing until they break.
  Time latency_min = 0;
  Time latency_max = 0;
  bool datagrams = false;
  double loss_percent = 0;
  double duplicate_percent = 0;
  Time silence_max = 0;  // a connection over which nothing gets through breaks after so long

  // Machines.
  int64_t clock_spread_ppm = 0;  // rates are drawn from 1 +- this
  Time turn_max = 0;             // a node gathers inputs for up to so long
  Time sync_min = 0;
  Time sync_max = 0;
  Time checkpoint_write_max = 0;

  // Settings of the nodes.
  uint32_t heartbeat_ticks = 5;
  uint32_t election_ticks_min = 50;
  uint32_t election_ticks_max = 100;
  uint64_t window_slots = 512;
  uint64_t window_bytes = 0;
  uint64_t unsynced_bytes_max = 0;
  uint64_t message_bytes_max = 0;
  uint64_t cache_bytes = 0;
  uint64_t pending_bytes_max = 0;
  int64_t grace_ms = 1000;
  int64_t checkpoint_ms = 1000;
  uint64_t checkpoint_bytes = 0;
  uint64_t segment_bytes = 0;
  // Small: members that were away need a snapshot.
  uint64_t log_keep_bytes = uint64_t{1} << 30;
  uint64_t log_keep_sending_bytes = uint64_t{1} << 30;
  node::SnapshotLimits snapshots;
  double crash_at_install_percent = 0;  // right when the new state is in place
  uint64_t digest_every = 0;
  bool upgrade = false;   // each node is restarted once as a build of the next machine version
  uint64_t lease_ms = 0;  // of leader leases; 0: none
  auth::Settings settings;

  // Load.
  uint32_t register_clients = 0;
  uint32_t lock_clients = 0;
  uint32_t lease_clients = 0;
  uint32_t election_clients = 0;
  uint32_t fence_clients = 0;
  uint32_t leaving_clients = 0;
  bool joins = false;   // their requests are repeated while they wait
  bool auth = false;    // authentication is on, and a guest may do little
  bool quotas = false;  // subtrees have quotas, which change
  uint32_t watchers = 0;
  uint32_t paths = 0;
  uint32_t locks = 0;
  uint64_t value_bytes_max = 0;
  Time think_max = 0;
  bool compacts = false;  // clients compact the history now and then
  bool cancels = false;   // clients close their connection before the answer now and then
};

Swarm DrawSwarm(uint64_t seed);
std::string Describe(const Swarm& swarm);

}  // namespace synod::sim

#endif  // SYNOD_TESTS_SIM_SWARM_H_
