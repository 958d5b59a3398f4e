#include "tests/sim/swarm.h"

#include <algorithm>

#include "src/base/random.h"

namespace synod::sim {
namespace {

constexpr std::array<const char*, kFaultCount> kNames = {
    "kill",        "power_cut", "power_cut_all", "pause",    "freeze",     "isolate",
    "split",       "bridge",    "ring",          "one_way",  "slow_link",  "reset",
    "reset_all",   "slow_disk", "sync_error",    "transfer", "client_cut", "shutdown",
    "torn_append", "old_disk",  "damage",        "rot",      "churn"};

// How likely a kind is on, and the range of the mean time between two of it.
struct Row {
  double on_percent;
  Time every_min;
  Time every_max;
};
constexpr std::array<Row, kFaultCount> kRows = {{
    {45, 600 * kMillisecond, 6 * kSecond},  // kill
    {40, 600 * kMillisecond, 6 * kSecond},  // power cut
    {15, 2 * kSecond, 8 * kSecond},         // power cut, all
    {30, 500 * kMillisecond, 5 * kSecond},  // pause
    {25, 500 * kMillisecond, 5 * kSecond},  // freeze
    {30, 500 * kMillisecond, 4 * kSecond},  // isolate
    {25, 500 * kMillisecond, 4 * kSecond},  // split
    {20, 500 * kMillisecond, 4 * kSecond},  // bridge
    {15, 500 * kMillisecond, 4 * kSecond},  // ring
    {25, 300 * kMillisecond, 3 * kSecond},  // one way
    {25, 300 * kMillisecond, 3 * kSecond},  // slow link
    {35, 100 * kMillisecond, 3 * kSecond},  // reset
    {15, 500 * kMillisecond, 5 * kSecond},  // reset all
    {30, 500 * kMillisecond, 4 * kSecond},  // slow disk
    {20, 1 * kSecond, 6 * kSecond},         // sync error
    {30, 500 * kMillisecond, 4 * kSecond},  // transfer
    {35, 300 * kMillisecond, 3 * kSecond},  // clients cut off
    {15, 1 * kSecond, 6 * kSecond},         // shutdown
    {25, 500 * kMillisecond, 5 * kSecond},  // torn append
    {25, 700 * kMillisecond, 3 * kSecond},  // old disk
    {25, 1 * kSecond, 6 * kSecond},         // damage
    {20, 1 * kSecond, 6 * kSecond},         // rot
    {25, 100 * kMillisecond, 2 * kSecond},  // churn
}};

uint32_t DrawNodes(Random* random) {
  constexpr std::array<uint32_t, 20> kSizes = {1, 2, 3, 3, 3, 3, 3, 3, 3, 3,
                                               3, 4, 5, 5, 5, 5, 5, 5, 6, 7};
  return kSizes[random->Below(kSizes.size())];
}

Time TimeBetween(Random* random, Time low, Time high) {
  return static_cast<Time>(
      random->Between(static_cast<uint64_t>(low), static_cast<uint64_t>(high)));
}

void DrawFaults(Random* random, Swarm* s) {
  if (random->Chance(5))
    return;  // nothing goes wrong: everything must be quick
  for (size_t i = 0; i < kFaultCount; ++i) {
    const bool on = random->Chance(kRows[i].on_percent);
    const Time every = TimeBetween(random, kRows[i].every_min, kRows[i].every_max);
    s->fault_every[i] = on ? every : 0;
  }
}

void DrawNetwork(Random* random, Swarm* s) {
  s->latency_min = TimeBetween(random, 20, 500);
  s->latency_max = s->latency_min + (random->Chance(30) ? TimeBetween(random, 1'000, 20'000)
                                                        : TimeBetween(random, 10, 1'500));
  s->silence_max = TimeBetween(random, 300 * kMillisecond, 3 * kSecond);
  s->datagrams = random->Chance(30);
  s->loss_percent = random->Chance(60) ? static_cast<double>(random->Below(80)) / 10 : 0;
  s->duplicate_percent = random->Chance(60) ? static_cast<double>(random->Below(100)) / 10 : 0;
}

void DrawMachines(Random* random, Swarm* s) {
  s->clock_spread_ppm = random->Chance(60) ? static_cast<int64_t>(random->Below(100'001)) : 0;
  s->turn_max = random->Chance(25) ? TimeBetween(random, 500, 4'000) : TimeBetween(random, 0, 300);
  s->sync_min = TimeBetween(random, 50, 1'000);
  s->sync_max = s->sync_min + TimeBetween(random, 50, random->Chance(20) ? 20'000 : 2'000);
  s->checkpoint_write_max = TimeBetween(random, 1'000, 400'000);
}

void DrawSettings(Random* random, Swarm* s) {
  if (random->Chance(40)) {  // quick elections: more of them in a run
    s->heartbeat_ticks = 2;
    s->election_ticks_min = 15;
    s->election_ticks_max = 30;
  }
  s->window_slots = random->Chance(40) ? random->Between(2, 16) : 512;
  s->message_bytes_max = random->Chance(40) ? random->Between(300, 4'000) : size_t{1} << 20;
  s->cache_bytes = random->Chance(40) ? random->Between(500, 20'000) : size_t{64} << 20;
  s->pending_bytes_max = random->Chance(20) ? random->Between(500, 5'000) : uint64_t{64} << 20;
  s->grace_ms = random->Chance(50) ? 1000 : static_cast<int64_t>(random->Below(1000));
  s->checkpoint_ms = static_cast<int64_t>(random->Between(100, 3'000));
  s->checkpoint_bytes = random->Chance(40) ? random->Between(2'000, 50'000) : uint64_t{4} << 20;
  s->segment_bytes = uint64_t{4096} * random->Between(8, 64);
  if (random->Chance(25)) {
    s->settings.history_keep_bytes = random->Between(5'000, 50'000);
    s->settings.history_keep_ms = static_cast<int64_t>(random->Between(1'000, 10'000));
  }
  if (random->Chance(25))
    s->settings.idempotency_bytes_max = random->Between(1'000, 10'000);
  s->window_bytes = random->Chance(20) ? random->Between(100, 5'000) : uint64_t{16} << 20;
  s->unsynced_bytes_max = random->Chance(20) ? random->Between(100, 5'000) : uint64_t{64} << 20;
}

void DrawSnapshots(Random* random, Swarm* s) {
  const bool short_log = random->Chance(50);
  const uint64_t keep = random->Between(0, 100'000);
  const uint64_t cache = random->Between(500, 5'000);
  if (short_log) {
    s->log_keep_bytes = keep;
    // What is in memory is given to a member that lags, however short the log is.
    s->cache_bytes = random->Chance(80) ? cache : s->cache_bytes;
    s->segment_bytes = uint64_t{4096} * random->Between(8, 16);
  }
  if (random->Chance(30))
    s->log_keep_sending_bytes = random->Between(0, 1'000'000);
  s->snapshots.chunk_bytes = random->Between(1'000, 20'000);
  if (random->Chance(30))
    // Slower, and a log of no size may be gone each time that a snapshot has arrived.
    s->snapshots.bytes_per_second = random->Between(250'000, 5'000'000);
  if (random->Chance(30))
    s->snapshots.unused_ms = static_cast<int64_t>(random->Between(300, 5'000));
  if (random->Chance(40))
    s->crash_at_install_percent = static_cast<double>(random->Between(10, 60));
}

void DrawVersions(Random* random, Swarm* s) {
  s->digest_every = random->Between(20, 200);
  s->upgrade = random->Chance(25);
  // Until it is found out a spoiled node may send its state to others: then it is nobody's fault
  // that the majority is wrong.
  if (!s->IsOn(Fault::kRot))
    return;
  s->log_keep_bytes = uint64_t{1} << 30;
}

void DrawLoad(Random* random, Swarm* s) {
  s->register_clients = static_cast<uint32_t>(random->Between(2, 7));
  s->lock_clients = static_cast<uint32_t>(random->Between(0, 4));
  s->lease_clients = static_cast<uint32_t>(random->Between(0, 2));
  s->watchers = static_cast<uint32_t>(random->Between(0, 3));
  s->paths = static_cast<uint32_t>(random->Between(1, 6));
  s->locks = static_cast<uint32_t>(random->Between(1, 2));
  s->value_bytes_max = random->Chance(15) ? 3'000 : 60;
  s->think_max =
      random->Chance(30) ? TimeBetween(random, 500, 10'000) : TimeBetween(random, 10'000, 200'000);
  s->compacts = random->Chance(15);
  s->election_clients = static_cast<uint32_t>(random->Between(0, 3));
  s->cancels = random->Chance(30);
  s->fence_clients = static_cast<uint32_t>(random->Between(0, 2));
}

// They stand on clocks that are nearly right and never stop.
void DrawLeases(Random* random, Swarm* s) {
  if (!random->Chance(25))
    return;
  s->lease_ms = random->Between(100, 1'500);
  s->clock_spread_ppm = std::min<int64_t>(s->clock_spread_ppm, 20'000);
  s->fault_every[static_cast<size_t>(Fault::kFreeze)] = 0;
}

}  // namespace

const char* Name(Fault fault) { return kNames[static_cast<size_t>(fault)]; }

Swarm DrawSwarm(uint64_t seed) {
  Random root(seed * 0x9E3779B97F4A7C15ULL + 1);
  Swarm s;
  s.seed = seed;
  // A generator per part: a new draw in one part leaves the seeds of the others as they were.
  Random cluster = root.Fork();
  Random faults = root.Fork();
  Random network = root.Fork();
  Random machines = root.Fork();
  Random settings = root.Fork();
  Random load = root.Fork();
  Random snapshots = root.Fork();
  Random versions = root.Fork();
  Random leases = root.Fork();
  Random access = root.Fork();
  Random quotas = root.Fork();
  Random leaving = root.Fork();
  s.nodes = DrawNodes(&cluster);
  s.safety = TimeBetween(&cluster, 4 * kSecond, 12 * kSecond);
  DrawFaults(&faults, &s);
  DrawNetwork(&network, &s);
  DrawMachines(&machines, &s);
  DrawSettings(&settings, &s);
  DrawLoad(&load, &s);
  DrawSnapshots(&snapshots, &s);
  DrawVersions(&versions, &s);
  DrawLeases(&leases, &s);
  s.auth = access.Chance(20);
  s.quotas = quotas.Chance(30);
  if (leaving.Chance(25))
    s.leaving_clients = static_cast<uint32_t>(leaving.Between(1, 4));
  s.joins = leaving.Chance(60);
  return s;
}

std::string Describe(const Swarm& s) {
  std::string text = std::to_string(s.nodes) + " nodes, " +
                     std::to_string(s.safety / kMillisecond) + " ms of faults:";
  for (size_t i = 0; i < kFaultCount; ++i)
    if (s.fault_every[i] != 0)
      text += std::string(" ") + kNames[i] + "/" + std::to_string(s.fault_every[i] / kMillisecond);
  text += s.datagrams ? "; datagrams" : "; connections";
  text +=
      ", latency " + std::to_string(s.latency_min) + ".." + std::to_string(s.latency_max) + " us";
  text += ", sync " + std::to_string(s.sync_min) + ".." + std::to_string(s.sync_max) + " us";
  text += ", clocks +-" + std::to_string(s.clock_spread_ppm) + " ppm";
  text += ", window " + std::to_string(s.window_slots);
  text += ", log kept " + std::to_string(s.log_keep_bytes);
  text += ", clients " + std::to_string(s.register_clients) + "+" + std::to_string(s.lock_clients) +
          "+" + std::to_string(s.lease_clients) + "+" + std::to_string(s.election_clients) + "+" +
          std::to_string(s.fence_clients) + "+" + std::to_string(s.watchers);
  if (s.lease_ms > 0)
    text += ", leader leases of " + std::to_string(s.lease_ms) + " ms";
  text += s.auth ? ", authentication" : "";
  text += s.quotas ? ", quotas" : "";
  if (s.leaving_clients > 0)
    text += ", " + std::to_string(s.leaving_clients) + " clients that leave" +
            (s.joins ? ", joined by repeats" : "");
  text += ", digests every " + std::to_string(s.digest_every) + (s.upgrade ? ", upgrade" : "");
  return text;
}

}  // namespace synod::sim
