#include "src/offline/new_cluster.h"

#include <algorithm>
#include <utility>

#include "src/offline/stopped_node.h"
#include "src/storage/acceptor_log.h"
#include "src/storage/data_dir.h"
#include "src/storage/state_store.h"

namespace synod::offline {
namespace {

constexpr uint64_t kRestoredSeed = 0x524553544f5245ULL;  // keeps restored ids apart from founded

// The state stands for this slot; the log begins behind it.
constexpr Slot kFirstState{1};

Hash128 RestoredClusterId(const Hash128& snapshot, const RestoreOptions& options) {
  std::string text = snapshot.Hex() + "," + options.cluster_token;
  for (const auto& [id, address] : options.members)
    text += "," + std::to_string(id.value) + "=" + address;
  return HashOf(text, kRestoredSeed);
}

// A log that has learned slot 1 and no longer holds it, so that a member without the state is sent
// a snapshot.
Status WriteLog(storage::FileSystem& fs,
                const std::string& dir,
                uint64_t seed,
                uint64_t segment_bytes) {
  storage::AcceptorLogOptions options;
  options.seed = seed;
  options.segment_bytes = segment_bytes;
  consensus::Recovered empty;
  Result<std::unique_ptr<storage::AcceptorLog>> log =
      storage::AcceptorLog::Open(fs, dir, options, Slot(0), &empty);
  if (!log)
    return log.error();
  consensus::PersistRequest request;
  request.id = PersistId(1);
  request.hard_state.learned = kFirstState;
  request.hard_state.commit_hint = kFirstState;
  request.hard_state.first_slot = kFirstState + 1;
  return (*log)->Append(std::span(&request, 1));
}

Status WriteState(storage::FileSystem& fs,
                  const std::string& dir,
                  const machine::Machine& machine,
                  const Progress& progress) {
  Result<std::unique_ptr<storage::StateImport>> import = storage::StateImport::Create(fs, dir);
  if (!import)
    return import.error();
  Status added = Done();
  uint64_t bytes = 0;
  machine.ForEachRecord([&](std::string_view key, std::string_view value) {
    if (!added)
      return;
    bytes += key.size() + value.size();
    progress(bytes);
    added = (*import)->Add(key, value);
  });
  if (!added)
    return added;
  storage::Checkpoint whole;
  whole.slot = machine.applied();
  whole.digest = machine.digest();
  whole.log_gen = 1;  // of WriteLog's record: the state bears witness for it
  whole.revision = machine.revision();
  whole.time = machine.time();
  Result<std::unique_ptr<storage::StateStore>> state = (*import)->Finish(whole);
  return state ? Done() : Status(state.error());
}

// `machine` has begun a new cluster.
Result<NewNode> WriteNode(storage::FileSystem& fs,
                          const std::string& path,
                          const storage::Identity& identity,
                          const machine::Machine& machine,
                          uint64_t segment_bytes,
                          const Progress& progress) {
  Result<std::unique_ptr<storage::DataDir>> dir =
      storage::DataDir::OpenEmpty(fs, path, identity.node_uuid);
  if (!dir)
    return dir.error();
  // The state first: with it in place no start takes the directory for an empty one.
  if (Status state = WriteState(fs, (*dir)->states().current(), machine, progress); !state)
    return state.error();
  if (Status log = WriteLog(fs, (*dir)->log_dir(), identity.node_uuid.lo, segment_bytes); !log)
    return log.error();
  if (Status saved = (*dir)->Save(identity); !saved)
    return saved.error();
  return NewNode{identity.cluster_id, identity.member_id, machine.digest(), machine.revision(),
                 machine.time()};
}

}  // namespace

Result<NewNode> Restore(const RestoreOptions& options,
                        const Progress& progress,
                        storage::FileSystem& fs) {
  if (!options.members.contains(options.member))
    return Error{Errc::kInvalidRequest, Outcome::kNotApplied,
                 "member " + std::to_string(options.member.value) +
                     " is not in the list of the initial cluster"};
  Result<LoadedSnapshot> loaded = LoadSnapshot(options.snapshot, progress, fs);
  if (!loaded)
    return loaded.error();
  loaded->machine.BeginNewCluster();
  storage::Identity identity;
  identity.cluster_id = RestoredClusterId(loaded->info.id, options);
  identity.node_uuid = options.entropy;
  identity.member_id = options.member;
  identity.members = options.members;
  for (const auto& [id, address] : options.members) identity.membership.voters.push_back(id);
  return WriteNode(fs, options.data_dir, identity, loaded->machine, options.segment_bytes,
                   progress);
}

Result<Recovered> RecoverAlone(const RecoverOptions& options,
                               const Progress& progress,
                               storage::FileSystem& fs) {
  Result<std::unique_ptr<StoppedNode>> node = StoppedNode::Open(options.data_dir, fs);
  if (!node)
    return node.error();
  const storage::Identity& old = (*node)->identity();
  if (!old.HasCluster())
    return Error{Errc::kInvalidRequest, Outcome::kNotApplied,
                 options.data_dir + " belongs to no cluster yet: there is nothing to recover"};
  Result<machine::Machine> machine = (*node)->LoadState();
  if (!machine)
    return machine.error();
  Result<consensus::Recovered> log = (*node)->RecoverLog((*node)->state_slot());
  if (!log)
    return log.error();
  Recovered recovered;
  recovered.survivor = old.member_id;
  recovered.state_slot = (*node)->state_slot();
  recovered.learned = log->hard_state.learned;
  recovered.last = std::max(recovered.learned, recovered.state_slot);
  if (!log->entries.empty())
    recovered.last = std::max(recovered.last, log->entries.back().slot);
  Result<uint64_t> entries = ApplyLog(*log, recovered.last, &*machine);
  if (!entries)
    return entries.error();
  recovered.entries = *entries;

  // A number that nobody of the old cluster had: none of them is a member of the new one.
  NodeId highest = old.member_id;
  for (const auto& [id, address] : old.members) {
    recovered.ended.push_back(id);
    highest = std::max(highest, id);
  }
  for (const machine::MemberView& member : machine->members())
    highest = std::max(highest, member.id);
  machine->BeginNewCluster();
  storage::Identity identity;
  identity.cluster_id = options.cluster_id;
  identity.node_uuid = options.entropy;
  identity.member_id = highest + 1;
  const auto own = old.members.find(old.member_id);
  recovered.peer_address = own == old.members.end() ? "" : own->second;
  identity.members[identity.member_id] = recovered.peer_address;
  identity.membership.voters.push_back(identity.member_id);
  Result<NewNode> written =
      WriteNode(fs, options.new_data_dir, identity, *machine, options.segment_bytes, progress);
  if (!written)
    return written.error();
  recovered.node = *written;
  return recovered;
}

}  // namespace synod::offline
