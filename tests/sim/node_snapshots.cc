// Snapshots on a simulated machine: their files, their jobs, and a state that takes the place of
// another.
#include <utility>

#include "src/node/state_load.h"
#include "tests/sim/node_host.h"

namespace synod::sim {
namespace {

constexpr Hash128 kClusterId{1, 2};

}  // namespace

void NodeHost::OpenSnapshots() {
  auto opened = storage::SnapshotStore::Open(files_, "/data/snapshots");
  SIM_REQUIRE(opened.has_value(), Who() + "the snapshots do not open: " + opened.error().detail);
  snapshots_ = std::move(*opened);
  const Status recovered = snapshots_->Recover();
  SIM_REQUIRE(recovered.has_value(), Who() + "snapshots: " + recovered.error().detail);
  std::vector<node::SnapshotFile> files;
  for (const storage::KeptSnapshot& kept : snapshots_->kept())
    files.push_back({kept.id, kept.slot, kept.bytes});
  std::optional<node::SnapshotPart> part;
  if (const auto& found = snapshots_->part())
    part = node::SnapshotPart{found->id, found->total, found->received};
  engine_->SnapshotsRecovered(files, part);
}

// Whole states take as long as checkpoints, pieces as long as records of the log.
Time NodeHost::DrawJobTime(const node::SnapshotJob& job) {
  const bool whole = std::holds_alternative<node::MakeSnapshot>(job) ||
                     std::holds_alternative<node::BuildSnapshot>(job);
  return whole ? Draw(50, world_->swarm.checkpoint_write_max / 10 + 100)
               : Draw(world_->swarm.sync_min, world_->swarm.sync_max);
}

// One at a time, in order. A snapshot shows the checkpoint of the moment at which it was begun.
void NodeHost::RunSnapshotJobs() {
  if (snapshot_jobs_.empty())
    return;
  std::shared_ptr<storage::StateSnapshot> state;
  if (std::holds_alternative<node::MakeSnapshot>(snapshot_jobs_.front()))
    state = storage::MemoryStateStore(state_disk_).TakeSnapshot();
  const Time delay = DrawJobTime(snapshot_jobs_.front()) * disk_factor_;
  world_->scheduler.After(delay, [this, state, process = process_] {
    if (process != process_)
      return;
    RunSnapshotJob(snapshot_jobs_.front(), state.get());
    if (process != process_)
      return;
    snapshot_jobs_.pop_front();
    RunSnapshotJobs();
  });
}

void NodeHost::RunSnapshotJob(const node::SnapshotJob& job, storage::StateSnapshot* state) {
  if (std::holds_alternative<node::MakeSnapshot>(job)) {
    const auto kept = snapshots_->Make(*state, kClusterId, 0);
    Result<node::SnapshotFile> made = node::SnapshotFile{};
    if (kept)
      made = node::SnapshotFile{kept->id, kept->slot, kept->bytes};
    else
      made = kept.error();
    Input([this, made] { engine_->SnapshotMade(made); });
  } else if (const auto* read = std::get_if<node::ReadSnapshot>(&job)) {
    Result<Bytes> bytes = snapshots_->Read(read->id, read->offset, read->bytes);
    Input([this, j = *read, bytes] { engine_->SnapshotRead(j, bytes); });
  } else if (const auto* remove = std::get_if<node::RemoveSnapshot>(&job)) {
    (void)snapshots_->Remove(remove->id);
  } else if (const auto* store = std::get_if<node::StoreSnapshotPart>(&job)) {
    const Status stored =
        snapshots_->StorePart(store->id, store->total, store->offset, store->bytes);
    Input([this, stored] { engine_->SnapshotStored(stored); });
  } else if (std::holds_alternative<node::DropSnapshotPart>(job)) {
    (void)snapshots_->DropPart();
  } else {
    BuildState(std::get<node::BuildSnapshot>(job).witness);
  }
}

void NodeHost::BuildState(const Bytes& witness) {
  auto disk = std::make_shared<storage::MemoryStateDisk>();
  auto machine = std::make_shared<machine::Machine>(world_->swarm.settings, supports_);
  disk->log_gen = log_->stats().gen;
  disk->witness = witness;
  const auto header = node::LoadSnapshot(
      *snapshots_, kClusterId,
      [&](std::string_view key, std::string_view value) {
        disk->records.emplace(key, value);
        return Done();
      },
      machine.get());
  // Nothing damages files here: what was received whole is good.
  SIM_REQUIRE(header.has_value(), Who() + "a bad snapshot: " + header.error().detail);
  disk->slot = header->slot;
  disk->digest = header->digest;
  disk->revision = header->revision;
  disk->time = header->time;
  SIM_REQUIRE(header->digest == world_->observer.DigestAt(header->slot),
              Who() + "a snapshot with another digest");
  SIM_REQUIRE(header->revision == machine->revision() && header->time == machine->time(),
              Who() + "a snapshot's header is not of its state");
  Input([this, disk, machine] { InstallState(std::move(*disk), std::move(*machine)); });
}

void NodeHost::InstallState(storage::MemoryStateDisk disk, machine::Machine machine) {
  if (engine_->WantsSnapshot(disk.slot)) {
    state_disk_ = std::move(disk);
    checkpointed_ = state_disk_.slot;
    world_->trace.Note("state_switched", id_.value, checkpointed_.value);
    crash_at_turn_ = random_.Chance(world_->swarm.crash_at_install_percent);
  }
  (void)engine_->InstallSnapshot(std::move(machine));
  hub_->Rebase(&engine_->machine().tree());
  if (hub_listener_)
    hub_listener_();
}

// The process or the power goes in the middle of a job.
void NodeHost::TearSnapshotJob() {
  if (snapshot_jobs_.empty() || random_.Chance(50))
    return;
  files_.CutPowerAfter(random_.Below(4));
  const node::SnapshotJob& job = snapshot_jobs_.front();
  if (std::holds_alternative<node::MakeSnapshot>(job))
    (void)snapshots_->Make(*storage::MemoryStateStore(state_disk_).TakeSnapshot(), kClusterId, 0);
  else if (const auto* store = std::get_if<node::StoreSnapshotPart>(&job))
    (void)snapshots_->StorePart(store->id, store->total, store->offset, store->bytes);
  else if (std::holds_alternative<node::DropSnapshotPart>(job))
    (void)snapshots_->DropPart();
}

}  // namespace synod::sim
