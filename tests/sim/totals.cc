#include "tests/sim/totals.h"

#include <cstdio>

namespace synod::sim {
namespace {

using Llu = unsigned long long;

}  // namespace

void Totals::Add(const RunReport& r) {
  ++runs;
  last_trace = r.trace_hash;
  virtual_ms += static_cast<uint64_t>(r.virtual_time / kMillisecond);
  steps += r.steps;
  ++runs_by_nodes[DrawSwarm(r.seed).nodes];
  for (size_t i = 0; i < kFaultCount; ++i) {
    runs_with_fault[i] += r.faults[i] == 0 ? 0 : 1;
    faults[i] += r.faults[i];
  }
  const auto count = [&](const char* event) {
    const auto found = r.stats.events.find(event);
    return found == r.stats.events.end() ? 0 : found->second;
  };
  elections += count("became_leader");
  snapshots_made += count("snapshot_made");
  snapshots_installed += count("snapshot_installed");
  crashes_at_install += r.stats.crashes_at_install;
  crashes += r.stats.crashes;
  torn_appends += r.stats.torn_appends;
  old_disks += r.stats.old_disks;
  damages += r.stats.damages;
  caught += r.stats.caught;
  rotten += r.stats.rotten;
  upgraded += r.stats.upgraded;
  refused_logs += r.stats.refused;
  appends += r.stats.appends;
  checkpoints += r.stats.checkpoints;
  loads += r.stats.loads;
  frames += r.network.frames;
  frames_lost += r.network.lost;
  frames_duplicated += r.network.duplicated;
  slots += r.slots;
  commands += r.commands;
  ignored_entries += r.ignored_entries;
  revisions += r.revisions;
  changes += r.load.changes;
  reads += r.load.reads;
  applied += r.load.applied;
  refused += r.load.refused;
  not_applied += r.load.not_applied;
  unknown += r.load.unknown;
  retries += r.load.retries;
  replays += r.load.replays;
  holds += r.load.holds;
  leads += r.load.leads;
  raised += r.load.raised;
  over_quota += r.load.over_quota;
  waits_left += r.load.waits_left;
  waits_joined += r.load.waits_joined;
  places_kept += r.load.places_kept;
  aged += r.load.aged;
  cancels += r.stats.cancels;
  fenced += r.load.fenced;
  leases += r.load.leases;
  leases_ended += r.leases_ended;
  watch_messages += r.watch_messages;
  watch_moves += r.watch_moves;
  memberships += r.memberships;
  joined += r.stats.joined;
  left += r.stats.left;
  checked += r.history.operations;
  undecided += r.history.undecided;
}

void Totals::Add(const Totals& o) {
  // The whole of it is numbers that add up, but for the last trace.
  static_assert(sizeof(Totals) % sizeof(uint64_t) == 0);
  auto* mine = reinterpret_cast<uint64_t*>(this);
  const auto* theirs = reinterpret_cast<const uint64_t*>(&o);
  for (size_t i = 0; i < sizeof(Totals) / sizeof(uint64_t); ++i) mine[i] += theirs[i];
}

void Totals::Print(double cpu_seconds) const {
  std::printf("runs %llu, virtual %.0f s, events %llu, nodes", Llu(runs),
              static_cast<double>(virtual_ms) / 1000, Llu(steps));
  for (size_t n = 1; n < runs_by_nodes.size(); ++n)
    std::printf(" %zu:%llu", n, Llu(runs_by_nodes[n]));
  std::printf("\nfaults (runs/times)");
  for (size_t i = 0; i < kFaultCount; ++i)
    std::printf(" %s %llu/%llu", Name(static_cast<Fault>(i)), Llu(runs_with_fault[i]),
                Llu(faults[i]));
  std::printf(
      "\nelections %llu, crashes %llu, torn appends %llu, appends %llu, checkpoints %llu, "
      "loads for peers %llu\n",
      Llu(elections), Llu(crashes), Llu(torn_appends), Llu(appends), Llu(checkpoints), Llu(loads));
  std::printf(
      "old disks %llu, damages %llu, quarantined %llu, logs refused %llu, states spoiled %llu, "
      "clusters upgraded %llu\n",
      Llu(old_disks), Llu(damages), Llu(caught), Llu(refused_logs), Llu(rotten), Llu(upgraded));
  std::printf("memberships %llu, nodes joined %llu, left %llu\n", Llu(memberships), Llu(joined),
              Llu(left));
  std::printf("snapshots made %llu, installed %llu, crashes between state and log %llu\n",
              Llu(snapshots_made), Llu(snapshots_installed), Llu(crashes_at_install));
  std::printf(
      "frames %llu, lost %llu, doubled %llu; slots %llu, commands %llu, entries of deposed "
      "leaders %llu, revisions %llu\n",
      Llu(frames), Llu(frames_lost), Llu(frames_duplicated), Llu(slots), Llu(commands),
      Llu(ignored_entries), Llu(revisions));
  std::printf(
      "changes %llu (applied %llu, refused %llu, not applied %llu, unknown %llu), retries "
      "%llu, replays %llu, reads %llu\n",
      Llu(changes), Llu(applied), Llu(refused), Llu(not_applied), Llu(unknown), Llu(retries),
      Llu(replays), Llu(reads));
  std::printf(
      "holds %llu, fenced off %llu, leases %llu, ended %llu, watch messages %llu, moves %llu\n",
      Llu(holds), Llu(fenced), Llu(leases), Llu(leases_ended), Llu(watch_messages),
      Llu(watch_moves));
  std::printf(
      "elections won %llu, tokens registered %llu, reads of a bounded age %llu, calls given up "
      "%llu, over a quota %llu, waits left %llu, joined %llu, granted after one of two left %llu\n",
      Llu(leads), Llu(raised), Llu(aged), Llu(cancels), Llu(over_quota), Llu(waits_left),
      Llu(waits_joined), Llu(places_kept));
  std::printf("checked operations %llu, histories left undecided %llu\n", Llu(checked),
              Llu(undecided));
  if (cpu_seconds > 0)
    std::printf("cpu %.1f s, %.1f seeds a cpu-second\n", cpu_seconds,
                static_cast<double>(runs) / cpu_seconds);
}

}  // namespace synod::sim
