// The server and its disk threads: what they report, and a state that takes the place of another.
#include <utility>

#include "src/node/log.h"
#include "src/node/process.h"
#include "src/node/server.h"

namespace synod::node {

void Server::OpenDisk() {
  DiskThreads::Files files;
  files.log = std::move(log_);
  files.state = std::move(state_);
  files.snapshots = std::move(snapshots_);
  files.state_dir_for = [this](Slot slot) { return data_dir_->states().For(slot); };
  files.cluster_id = Hash128::FromHex(founding_->cluster_id()).value();
  files.machine_version = config_.machine_version;
  if (const Result<uint64_t> total = storage::PosixFileSystem().TotalBytes(config_.data_dir))
    files.leave_free = config_.disk.Hard(*total);
  DiskThreads::Callbacks callbacks;
  // Each hands something to the engine, whose turn follows.
  const auto then_touch = [this](auto&& give) {
    return [this, give](auto&&... results) {
      give(std::forward<decltype(results)>(results)...);
      Touch();
    };
  };
  callbacks.persisted =
      then_touch([this](PersistId upto, uint64_t gen) { engine_->Persisted(upto, gen); });
  callbacks.checkpointed = then_touch([this](Slot slot, Slot kept) {
    engine_->Checkpointed(slot, kept);
    GiveStates(slot);
  });
  callbacks.loaded = then_touch(
      [this](const auto& request, auto entries) { engine_->Loaded(request, std::move(entries)); });
  callbacks.recovered = then_touch(
      [this](const auto& kept, const auto& part) { engine_->SnapshotsRecovered(kept, part); });
  callbacks.made = then_touch([this](const auto& file) { engine_->SnapshotMade(file); });
  callbacks.read = then_touch(
      [this](const auto& job, auto bytes) { engine_->SnapshotRead(job, std::move(bytes)); });
  callbacks.stored = then_touch([this](const Status& stored) { engine_->SnapshotStored(stored); });
  callbacks.built = then_touch([this](const auto& built) { OnStateBuilt(built); });
  disk_ = std::make_unique<DiskThreads>(io_, std::move(files), std::move(callbacks));
}

// The directory is switched here, on the loop's thread, although that waits for the disk: until the
// engine has the new state it must not get any other input, and the log may hear of it only once
// the state is durable.
void Server::OnStateBuilt(const Result<std::shared_ptr<BuiltState>>& built) {
  if (!built) {
    engine_->SnapshotBad();
    return;
  }
  const int64_t start = MonotonicMs();
  BuiltState& next = **built;
  const Slot slot = next.machine.applied();
  storage::StateDirs& states = data_dir_->states();
  if (!engine_->WantsSnapshot(slot)) {
    next.store.reset();
    disk_->RemoveState(states.For(slot));
    disk_->Destroy(engine_->InstallSnapshot(std::move(next.machine)));
    return;
  }
  // Else a start without --discard-state would count the word of a state that was only copied.
  if (engine_->StateUnconfirmed())
    if (const Status s = data_dir_->SetUnconfirmed(true); !s) {
      fatal_(Ending::kDiskError,
             "the mark of an unconfirmed state cannot be written: " + s.error().detail);
      return;
    }
  const std::string old_dir = states.current();
  if (const Status s = states.Switch(slot); !s) {
    fatal_(Ending::kDiskError,
           "the state of a snapshot cannot be put in place: " + s.error().detail);
    return;
  }
  disk_->ReplaceState(std::move(next.store), old_dir);
  disk_->Destroy(engine_->InstallSnapshot(std::move(next.machine)));
  service_.OnStateReplaced();
  LogInfo("snapshot installed", {{"slot", slot.value}, {"ms", MonotonicMs() - start}});
}

void Server::ForgetUnconfirmed() {
  if (!data_dir_->unconfirmed() || engine_->StateUnconfirmed())
    return;
  if (const Status s = data_dir_->SetUnconfirmed(false); !s)
    fatal_(Ending::kDiskError,
           "the mark of an unconfirmed state cannot be removed: " + s.error().detail);
}

void Server::ScrubIfDue(int64_t now_ms) {
  if (!disk_ || !scrub_schedule_.Begin(now_ms))
    return;
  disk_->Scrub([this](const ScrubReport& report) {
    const uint64_t runs = scrub_.runs + 1;
    scrub_ = report;
    scrub_.runs = runs;
    scrub_schedule_.Ended(MonotonicMs());
    for (const auto* damage : {&report.log_damage, &report.state_damage})
      for (const std::string& what : *damage) LogError("scrub: " + what);
    LogInfo("log and state read again",
            {{"bytes", report.bytes},
             {"damaged", report.log_damage.size() + report.state_damage.size()}});
  });
}

}  // namespace synod::node
