// OfflineTest: a file system in memory with a node's data directory, its log and snapshots in it.
//
// Contract      The history is that of `model`: every entry goes to the log and to it. Paths are
//               below "/d".
#ifndef SYNOD_TESTS_UNIT_OFFLINE_OFFLINE_FIXTURE_H_
#define SYNOD_TESTS_UNIT_OFFLINE_OFFLINE_FIXTURE_H_

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "src/machine/machine.h"
#include "src/offline/new_cluster.h"
#include "src/offline/stopped_node.h"
#include "src/storage/acceptor_log.h"
#include "src/storage/data_dir.h"
#include "src/storage/snapshot_file.h"
#include "src/storage/state_store.h"
#include "tests/support/sim_file_system.h"

namespace synod::offline {

class OfflineTest : public testing::Test {
 protected:
  static constexpr Hash128 kCluster{7, 8};
  static constexpr Hash128 kUuid{1, 2};

  // Everything but `chosen` is what the machine is given.
  struct Slots {
    std::vector<consensus::AcceptedEntry> entries;
    Slot learned;
  };

  static consensus::Entry Make(consensus::EntryKind kind, Bytes payload = {}) {
    return {kind, kBallot, std::make_shared<const std::string>(std::move(payload))};
  }
  static consensus::Entry PutEntry(const std::string& path, const std::string& value) {
    machine::Command command;
    command.id = {NodeId(1), 77, 1};
    command.operation = machine::Put{path, value, std::nullopt, {}, false};
    const std::vector<Bytes> commands{Encode(command)};
    return Make(consensus::EntryKind::kCommand, machine::EncodeBatch(ClusterTime(1000), commands));
  }

  static void Apply(const consensus::Entry& entry, machine::Machine* machine) {
    machine::Applied applied;
    machine->Apply({machine->applied() + 1, static_cast<machine::LogEntry::Kind>(entry.kind),
                    entry.origin, *entry.payload},
                   {}, &applied);
  }

  // A node of a cluster of three that voted for a LeaderStart and for puts of /1, /2, ... in the
  // slots behind it, and learned up to `learned`.
  void MakeNode(const std::string& path, uint64_t last, Slot learned) {
    auto dir = storage::DataDir::Open(fs_, path, kUuid, SmallLog());
    ASSERT_TRUE(dir.has_value()) << dir.error().detail;
    storage::Identity identity = (*dir)->identity();
    identity.cluster_id = kCluster;
    identity.member_id = NodeId(2);
    identity.members = {{NodeId(1), "h1:1"}, {NodeId(2), "h2:2"}, {NodeId(3), "h3:3"}};
    ASSERT_TRUE((*dir)->Save(identity).has_value());
    consensus::Recovered empty;
    auto log = storage::AcceptorLog::Open(fs_, (*dir)->log_dir(), SmallLog(), Slot(0), &empty);
    ASSERT_TRUE(log.has_value()) << log.error().detail;
    for (uint64_t slot = 1; slot <= last; ++slot) {
      consensus::PersistRequest request;
      request.id = PersistId(slot);
      request.hard_state.promised = kBallot;
      request.hard_state.learned = std::min(Slot(slot), learned);
      request.hard_state.commit_hint = request.hard_state.learned;
      request.entries.push_back({Slot(slot), kBallot, false, EntryOf(slot)});
      ASSERT_TRUE((*log)->Append(std::span(&request, 1)).has_value());
    }
  }
  static consensus::Entry EntryOf(uint64_t slot) {
    return slot == 1 ? Make(consensus::EntryKind::kLeaderStart)
                     : PutEntry("/" + std::to_string(slot), "value");
  }
  static machine::Machine StateAt(uint64_t slot) {
    machine::Machine machine{auth::Settings()};
    for (uint64_t s = 1; s <= slot; ++s) Apply(EntryOf(s), &machine);
    return machine;
  }

  // The checkpoint of the node at that slot.
  void WriteState(const std::string& dir, uint64_t slot) {
    machine::Machine machine = StateAt(slot);
    auto store = storage::StateStore::Open(fs_, dir);
    ASSERT_TRUE(store.has_value());
    storage::Checkpoint checkpoint;
    checkpoint.slot = machine.applied();
    checkpoint.digest = machine.digest();
    checkpoint.records = machine.TakeDirty();
    ASSERT_TRUE((*store)->Write(checkpoint).has_value());
  }

  void WriteSnapshot(const std::string& path, const machine::Machine& machine) {
    storage::SnapshotHeader header;
    header.cluster_id = kCluster;
    header.slot = machine.applied();
    header.revision = machine.revision();
    header.time = machine.time();
    header.digest = machine.digest();
    auto writer = storage::SnapshotWriter::Create(fs_, path, header);
    ASSERT_TRUE(writer.has_value());
    machine.ForEachRecord([&](std::string_view key, std::string_view value) {
      EXPECT_TRUE((*writer)->Add(key, value).has_value());
    });
    ASSERT_TRUE((*writer)->Finish().has_value());
  }

  static storage::AcceptorLogOptions SmallLog() {
    storage::AcceptorLogOptions options;
    options.segment_bytes = 64 << 10;
    options.seed = 3;
    return options;
  }

  static constexpr Ballot kBallot{1, NodeId(1)};
  static inline const Progress kQuiet = [](uint64_t) {};
  storage::SimFileSystem fs_;
};

}  // namespace synod::offline

#endif  // SYNOD_TESTS_UNIT_OFFLINE_OFFLINE_FIXTURE_H_
