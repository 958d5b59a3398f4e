// A state that rots on a simulated machine's disk, in a way that its own checks do not see.
#include <utility>

#include "tests/sim/node_host.h"

namespace synod::sim {

void NodeHost::Rot() {
  if (state_disk_.slot == Slot() || durable_.learned <= state_disk_.slot)
    return;
  machine::Machine machine = LoadMachine();
  // Voters that disagree refuse all changes, this one too. And without a leader's beginning, or a
  // membership, a node does harm before anybody could find it out.
  if (!machine.digest_check().agreed ||
      world_->observer.KindAt(machine.applied() + 1) != consensus::EntryKind::kCommand)
    return;
  // What clients read, and something that nobody overwrites: the state could become right again.
  std::vector<Bytes> wrong;
  for (const char* path : {"/r/0", "/rot"}) {
    machine::Put put;
    put.path = path;
    put.value = "rot";
    machine::Command command;
    command.principal = auth::OfNode();
    command.operation = put;
    wrong.push_back(machine::Encode(command));
  }
  const Bytes payload = machine::EncodeBatch(machine.time(), wrong, machine.version());
  machine::Applied applied;
  machine.Apply(
      {machine.applied() + 1, machine::LogEntry::Kind::kCommand, machine.leader_start(), payload},
      {}, &applied);
  storage::MemoryStateStore store(state_disk_);
  const Status written =
      store.Write({machine.applied(), machine.digest(), machine.TakeDirty(), state_disk_.log_gen,
                   state_disk_.witness, machine.revision(), machine.time(), machine.version()});
  SIM_REQUIRE(written.has_value(), Who() + "cannot be spoiled");
  checkpointed_ = machine.applied();
  durable_votes_.erase(durable_votes_.begin(), durable_votes_.upper_bound(checkpointed_));
  rotten_ = spoiled_ = true;
  world_->observer.OnSpoiled(id_);
  ++world_->stats.rotten;
  world_->trace.Note("rot", id_.value, checkpointed_.value);
}

}  // namespace synod::sim
