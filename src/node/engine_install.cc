// Snapshots as the engine sees them: what the two ends of a transfer want done, and a state that
// takes the place of another.
#include <algorithm>
#include <utility>

#include "src/node/engine_core.h"

namespace synod::node {

void Engine::Core::Perform(SnapshotActions actions) {
  touched = true;
  for (auto& [to, item] : actions.send) Post(to, std::move(item));
  for (SnapshotJob& job : actions.jobs)
    if (auto* build = std::get_if<BuildSnapshot>(&job))
      build->witness = witness.Encode(config.cluster_id);
  // One of an older checkpoint may be of no use to the asker: the next one is.
  checkpoint_asked |= std::any_of(actions.jobs.begin(), actions.jobs.end(), [](const auto& job) {
    return std::holds_alternative<MakeSnapshot>(job);
  });
  std::move(actions.jobs.begin(), actions.jobs.end(), std::back_inserter(out.snapshots));
  std::move(actions.events.begin(), actions.events.end(), std::back_inserter(out.events));
}

void Engine::Core::MoveSnapshots() {
  if (shutting_down)
    return;
  // The leader has the newest; else whoever is ahead, the furthest first.
  std::vector<SnapshotSink::Candidate> candidates;
  for (const auto& [id, peer] : peers)
    if (peer.connected)
      candidates.push_back({id, peer.applied});
  const std::optional<NodeId> leader = replica.leader();
  std::stable_sort(candidates.begin(), candidates.end(), [&](const auto& a, const auto& b) {
    const bool a_leads = a.peer == leader;
    const bool b_leads = b.peer == leader;
    return a_leads != b_leads ? a_leads : a.applied > b.applied;
  });
  SnapshotActions actions;
  // Without a promise the log has no record yet: nothing that a state could bear witness to.
  const bool needed =
      (replica.AwaitsState() || replica.needs_snapshot().has_value()) && !replica.ballot().IsZero();
  sink.Tick(now_ms, needed, replica.InstallsAbove(), candidates, &actions);
  source.Tick(now_ms, machine.applied(), replica.first_slot(), &actions);
  if (!actions.send.empty() || !actions.jobs.empty() || !actions.events.empty())
    Perform(std::move(actions));
}

// A state that is known to be wrong, or may be, must not spread; whoever asks tries the others.
void Engine::Core::OnSnapshotRequest(NodeId from, const SnapshotRequest& request) {
  // A file that is being sent takes no more room, one that is to be made does.
  const bool room = disk_level < DiskLevel::kFull || request.id != Hash128{};
  if (room && !diverged && machine.digest_check().agreed && witness.lost().empty())
    source.OnRequest(from, request);
}

void Engine::Core::OnSnapshotAnswer(NodeId from, const FrameItem& item) {
  SnapshotActions actions;
  if (const auto* chunk = std::get_if<SnapshotChunk>(&item))
    sink.OnChunk(from, *chunk, &actions);
  else
    sink.OnRefusal(from, std::get<SnapshotRefusal>(item), &actions);
  Perform(std::move(actions));
}

machine::Machine Engine::Core::InstallSnapshot(machine::Machine next) {
  SnapshotActions actions;
  sink.Finished(false, &actions);
  Perform(std::move(actions));
  if (!replica.InstallSnapshot(next.applied(), next.membership()))
    return next;
  if (next.membership().version > machine.membership().version)
    config_at_ = next.applied();
  std::swap(machine, next);
  const bool knew = diverged;
  TakeOverDigests();
  // The others have found out what this node could not hear of.
  if (diverged && !knew)
    SendAway(Diverged());
  ++snapshot_counters.installed;
  // One that was taken of the old state and not handed out yet would go back behind the new one.
  checkpoint_.reset();
  checkpoint_at_ms_ = now_ms;
  FailSentChanges();
  return next;
}

// Whether they are among the slots that were skipped, with which answer, cannot be told any more.
void Engine::Core::FailSentChanges() {
  std::vector<uint64_t> sent;
  for (const auto& [seq, c] : changes.all())
    if (c.sent)
      sent.push_back(seq);
  for (const uint64_t seq : sent)
    FailChange(seq, {Errc::kNoLeader, Outcome::kUnknown,
                     "this node was far behind; the change may have been applied"});
}

bool Engine::WantsSnapshot(Slot slot) const { return slot > core_->replica.InstallsAbove(); }
machine::Machine Engine::InstallSnapshot(machine::Machine machine) {
  return core_->InstallSnapshot(std::move(machine));
}

void Engine::SnapshotsRecovered(const std::vector<SnapshotFile>& files,
                                const std::optional<SnapshotPart>& part) {
  core_->source.Recovered(files, core_->now_ms);
  core_->sink.Recovered(part);
  if (!core_->replica.AwaitsState())
    return;
  // Copies of the state that is worth nothing, and what may be half of one.
  SnapshotActions actions;
  core_->source.RemoveAll(&actions);
  core_->sink.Drop(&actions);
  core_->Perform(std::move(actions));
}

void Engine::SnapshotMade(const Result<SnapshotFile>& file) {
  SnapshotActions actions;
  core_->source.Made(file, core_->now_ms, &actions);
  core_->Perform(std::move(actions));
}

void Engine::SnapshotRead(const ReadSnapshot& job, Result<Bytes> bytes) {
  SnapshotActions actions;
  core_->source.ReadDone(job, std::move(bytes), &actions);
  core_->Perform(std::move(actions));
}

void Engine::SnapshotStored(const Status& stored) {
  SnapshotActions actions;
  core_->sink.Stored(stored, &actions);
  core_->Perform(std::move(actions));
}

void Engine::SnapshotBad() {
  SnapshotActions actions;
  core_->sink.Finished(true, &actions);
  core_->Perform(std::move(actions));
}

const SnapshotCounters& Engine::snapshot_counters() const { return core_->snapshot_counters; }
std::optional<uint64_t> Engine::snapshot_percent() const { return core_->sink.Percent(); }

}  // namespace synod::node
