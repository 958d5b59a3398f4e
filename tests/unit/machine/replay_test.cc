// Random logs, replayed: equal entries must give equal states, whatever was loaded in between and
// whoever looked.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "src/base/path.h"
#include "src/base/random.h"
#include "src/machine/members.h"
#include "tests/unit/machine/machine_fixture.h"

namespace synod::machine {
namespace {

using Kind = LogEntry::Kind;

struct StoredEntry {
  Kind kind = Kind::kCommand;
  Ballot origin;
  Bytes payload;
};

// Makes a log of what clients of a small world do: few paths, few leases, short times, so that
// everything meets everything. It follows a machine of its own to know tokens, leases and times.
class LogWriter {
 public:
  explicit LogWriter(uint64_t seed) : random_(seed), machine_(SettingsOf(seed)) {
    Add({Kind::kLeaderStart, ballot_, {}});
  }

  static auth::Settings SettingsOf(uint64_t seed) {
    auth::Settings settings;
    settings.lease_ttl_ms_min = 500;
    settings.idempotency_retention_ms = 5000;
    settings.history_keep_ms = 4000;
    if (seed % 4 == 0)
      settings.quota_bytes = 6000;
    if (seed % 5 == 0)
      settings.idempotency_bytes_max = 4000;
    return settings;
  }

  const StoredEntry& Next() {
    if (random_.Chance(3)) {
      // A new leader; sometimes one that was overtaken meanwhile.
      Ballot next{ballot_.round + 1, NodeId(static_cast<uint32_t>(random_.Between(1, 3)))};
      if (random_.Chance(30))
        next.round = ballot_.round > 1 ? ballot_.round - 1 : 1;
      if (next > ballot_) {
        deposed_ = ballot_;
        ballot_ = next;
      }
      return Add({Kind::kLeaderStart, next, {}});
    }
    if (random_.Chance(2))
      return Add({Kind::kNoop, ballot_, {}});
    if (random_.Chance(2))
      return Add({Kind::kConfig, ballot_, NextConfig()});
    if (random_.Chance(70))
      now_ = now_ + static_cast<int64_t>(random_.Below(400));
    std::vector<Bytes> commands;
    for (uint64_t i = random_.Below(4); i > 0; --i) commands.push_back(Encode(MakeCommand()));
    const Ballot origin = random_.Chance(5) ? deposed_ : ballot_;
    return Add({Kind::kCommand, origin, EncodeBatch(now_, commands)});
  }

  const Machine& machine() const { return machine_; }
  const std::vector<StoredEntry>& entries() const { return entries_; }
  ClusterTime now() const { return now_; }

 private:
  const StoredEntry& Add(StoredEntry entry) {
    entries_.push_back(std::move(entry));
    const StoredEntry& added = entries_.back();
    Applied applied;
    machine_.Apply({machine_.applied() + 1, added.kind, added.origin, added.payload},
                   {NodeId(1), 1}, &applied);
    for (const Completion& completion : applied.completions) {
      if (const auto* hold = std::get_if<HoldAnswer>(&completion.answer.body))
        tokens_.push_back({hold->path, hold->token});
      if (const auto* holds = std::get_if<HoldsAnswer>(&completion.answer.body))
        for (const HoldsAnswer::Hold& hold : holds->holds)
          tokens_.push_back({hold.path, hold.token});
    }
    return added;
  }

  // As a leader would propose it; sometimes one that comes too late.
  Bytes NextConfig() {
    Membership next = machine_.membership();
    ChangeMembers change;
    change.kind = static_cast<ChangeMembers::Kind>(random_.Below(4));
    change.with = NodeId(static_cast<uint32_t>(random_.Between(1, 9)));
    change.name = "learner";
    if (change.kind != ChangeMembers::Kind::kAdd)
      change.ids = {NodeId(static_cast<uint32_t>(random_.Between(1, 9)))};
    const Result<Membership> planned = PlanChange(next, change);
    Command command;
    command.id = {NodeId(1), 1, ++last_seq_};
    command.operation = change;
    if (next.version == 0)
      return EncodeConfigEntry({1, {NodeId(1), NodeId(2), NodeId(3)}, {}, NodeId(4)}, now_, {});
    if (planned && !random_.Chance(10))
      return EncodeConfigEntry(*planned, now_, Encode(command));
    return EncodeConfigEntry(next, now_, Encode(command));
  }

  std::string Path() {
    static constexpr const char* kPaths[] = {"/a", "/a/b", "/a/b/c", "/a/d", "/e", "/e/f", "/g"};
    return kPaths[random_.Below(7)];
  }
  std::string LockPath() {
    static constexpr const char* kPaths[] = {"/l", "/l/m", "/n", "/o"};
    return kPaths[random_.Below(4)];
  }
  LeaseId AnyLease() {
    const uint64_t newest = machine_.counts().leases + 3;
    return LeaseId(random_.Below(2 * newest) + lease_base_);
  }
  Fence AnyFence() {
    if (tokens_.empty() || random_.Chance(10))
      return {LockPath(), FenceToken(random_.Below(20))};
    const size_t back = std::min<size_t>(tokens_.size(), 6);
    return tokens_[tokens_.size() - 1 - random_.Below(back)];
  }
  std::optional<LeaseId> MaybeLease() {
    return random_.Chance(50) ? std::nullopt : std::optional(AnyLease());
  }

  Operation MakeLockOperation() {
    const Fence held = AnyFence();
    const LockKind kind = held.path == "/n" ? LockKind::kElection : LockKind::kLock;
    switch (random_.Below(8)) {
      case 0:
      case 1:
        return Release{kind, held.path, held.token};
      case 2:
        return Proclaim{held.path, held.token, "p" + std::to_string(random_.Below(9))};
      case 3:
        return Transfer{held.path, held.token, AnyLease()};
      case 4:
        return Delete{std::string(kLocksRoot) + LockPath() + "/@000000000" +
                          std::to_string(random_.Between(1, 4)),
                      false,
                      {},
                      random_.Chance(50),
                      true};
      case 5:
        return MakeAcquireAll();
      default:
        return MakeAcquire();
    }
  }

  AcquireAll MakeAcquireAll() {
    AcquireAll acquire;
    for (const char* path : {"/o", "/l", "/p", "/n"})
      if (random_.Chance(path == std::string("/n") ? 10 : 60))
        acquire.locks.push_back(
            {path, random_.Chance(40) ? LockMode::kShared : LockMode::kExclusive});
    if (acquire.locks.empty())
      acquire.locks.push_back({LockPath()});
    acquire.lease = random_.Chance(50) ? LeaseId() : AnyLease();
    acquire.ttl_ms = static_cast<int64_t>(random_.Between(500, 3000));
    acquire.wait_ms = random_.Chance(70) ? static_cast<int64_t>(random_.Below(6000)) : 0;
    return acquire;
  }

  Acquire MakeAcquire() {
    Acquire acquire;
    acquire.path = LockPath();
    acquire.kind = acquire.path == "/n" ? LockKind::kElection : LockKind::kLock;
    acquire.lease = random_.Chance(50) ? LeaseId() : AnyLease();
    acquire.ttl_ms = static_cast<int64_t>(random_.Between(500, 3000));
    if (acquire.kind == LockKind::kLock && random_.Chance(40))
      acquire.mode = LockMode::kShared;
    else if (acquire.path == "/l/m")
      acquire.limit = 2;
    acquire.wait_ms = random_.Chance(70) ? static_cast<int64_t>(random_.Below(6000)) : 0;
    if (acquire.kind == LockKind::kLock && random_.Chance(30))
      acquire.lock_delay_ms = static_cast<int64_t>(random_.Below(2000));
    acquire.value = std::string(random_.Below(30), 'v');
    return acquire;
  }

  Txn MakeTxn() {
    Txn txn;
    const Fence fence = AnyFence();
    if (random_.Chance(50))
      txn.conditions.push_back({Path(), static_cast<Comparison::Target>(random_.Below(7)),
                                static_cast<Comparison::Op>(random_.Below(4)), random_.Below(4),
                                "x"});
    if (random_.Chance(20))
      txn.conditions.push_back(
          {fence.path, Comparison::Target::kFence, Comparison::Op::kEqual, fence.token.value, {}});
    for (auto* ops : {&txn.then_ops, &txn.else_ops}) {
      for (uint64_t i = random_.Below(4); i > 0; --i) {
        switch (random_.Below(4)) {
          case 0:
            ops->emplace_back(TxnPut{Path(), "t", MaybeLease()});
            break;
          case 1:
            ops->emplace_back(TxnDelete{Path(), random_.Chance(50)});
            break;
          case 2:
            ops->emplace_back(TxnGet{Path()});
            break;
          default:
            ops->emplace_back(TxnCreate{Path(), "c", MaybeLease(), random_.Chance(50)});
        }
      }
    }
    return txn;
  }

  Operation MakeNodeOperation() {
    const auto boot = random_.Between(1, 3);
    switch (random_.Below(5)) {
      case 4: {
        CheckDigests check{Slot(random_.Below(entries_.size() + 1)), 2, {}};
        // Mostly agreement: without, no command of a client does anything.
        for (uint32_t id = 1; id <= 3; ++id)
          check.reports.push_back({NodeId(id), {{random_.Chance(10) ? id : 0, 7}}});
        return check;
      }
      case 0:
        return Disown{{NodeId(1), 1, random_.Below(last_seq_ + 1)}};
      case 1:
        return NodeGone{NodeId(1), boot};
      case 2:
        return Adopt{NodeId(1), boot};
      default:
        return SetMember{NodeId(static_cast<uint32_t>(random_.Between(1, 6))),
                         "uuid" + std::to_string(random_.Below(9)), "name",
                         std::to_string(random_.Below(9)), "url"};
    }
  }

  Operation MakeQuota() {
    auth::QuotaChange change{random_.Chance(20) ? "/" : Path(), {}};
    if (random_.Chance(80)) {
      change.limits[0] = random_.Below(4);
      change.limits[1] = random_.Between(3, 6);
      change.limits[3] = random_.Between(0, 200);
    }
    return ChangeQuotas{{std::move(change)}};
  }

  // Of what an entry consults by itself; most TTLs would end all that goes on with leases.
  Operation MakeSettings() {
    if (random_.Chance(60))
      return MakeQuota();
    const auto number = static_cast<uint32_t>(random_.Between(3, 6));
    const auth::SettingField& field = auth::SettingFields()[number];
    return ChangeSettings{{{number, random_.Between(field.lowest, 4 * field.lowest)}}};
  }

  Operation MakeFence() {
    const Fence held = AnyFence();
    return random_.Chance(20) ? Operation(ForgetFence{held.path})
                              : Operation(RaiseFence{held.path, held.token});
  }

  Operation MakeOperation() {
    const store::Precondition condition{
        static_cast<store::Precondition::Kind>(random_.Chance(30) ? random_.Below(5) : 0),
        random_.Below(5)};
    lease_base_ = std::max<uint64_t>(lease_base_, 1);
    switch (random_.Below(14)) {
      case 0:
      case 1:
      case 2:
        return Put{Path(), std::string(random_.Below(40), 'x'), MaybeLease(), condition,
                   random_.Chance(30)};
      case 3:
        return CreateSequential{Path() + "/s-", "s", random_.Chance(50) ? LeaseId() : AnyLease()};
      case 4:
        return Delete{random_.Chance(5) ? "/" : Path(), random_.Chance(60), condition,
                      random_.Chance(30), false};
      case 5:
        return MakeTxn();
      case 6:
        ++lease_base_;
        return LeaseGrant{static_cast<int64_t>(random_.Between(500, 4000)), "lease"};
      case 7:
        return LeaseKeepAlive{{AnyLease(), AnyLease()}, true};
      case 8:
        return random_.Chance(50) ? Operation(LeaseRevoke{AnyLease()})
                                  : Operation(LeaseKeepAlive{{AnyLease()}, false});
      case 9:
        if (random_.Chance(20))
          return MakeSettings();
        if (random_.Chance(50))
          return MakeFence();
        return random_.Chance(30) ? Operation(Compact{Revision(random_.Below(40))})
                                  : MakeNodeOperation();
      default:
        return MakeLockOperation();
    }
  }

  Command MakeCommand() {
    if (!repeats_.empty() && random_.Chance(15)) {
      Command again = repeats_[random_.Below(repeats_.size())];
      again.id.seq = ++last_seq_;
      return again;
    }
    Command command;
    command.id = {NodeId(1), random_.Chance(80) ? 1 : random_.Between(2, 3), ++last_seq_};
    command.principal.user = random_.Chance(10) ? "ann" : "";
    command.operation = MakeOperation();
    if (random_.Chance(10))
      command.fences.push_back(AnyFence());
    if (random_.Chance(10))
      command.not_after = now_ + static_cast<int64_t>(random_.Below(3000));
    if (random_.Chance(30)) {
      command.idempotency_key = "k" + std::to_string(random_.Below(1000));
      command.fingerprint = HashOf(Encode(command));
      repeats_.push_back(command);
    }
    return command;
  }

  Random random_;
  Machine machine_;
  std::vector<StoredEntry> entries_;
  std::vector<Fence> tokens_;
  std::vector<Command> repeats_;
  Ballot ballot_{1, NodeId(1)};
  Ballot deposed_{1, NodeId(1)};
  ClusterTime now_{1000};
  uint64_t last_seq_ = 0;
  uint64_t lease_base_ = 0;
};

Applied ApplyTo(Machine* machine, const StoredEntry& entry, const Observer& observer) {
  Applied applied;
  machine->Apply({machine->applied() + 1, entry.kind, entry.origin, entry.payload}, observer,
                 &applied);
  return applied;
}

using Disk = std::map<Bytes, Bytes>;

void Checkpoint(Machine* machine, Disk* disk) {
  for (Record& record : machine->TakeDirty()) {
    if (record.value.has_value())
      (*disk)[record.key] = std::move(*record.value);
    else
      disk->erase(record.key);
  }
  EXPECT_EQ(machine->dirty_bytes(), 0u);
}

Disk RecordsOf(const Machine& machine) {
  Disk records;
  machine.ForEachRecord([&](std::string_view key, std::string_view value) {
    EXPECT_TRUE(records.emplace(key, value).second) << "two records of one key";
  });
  return records;
}

// Without the history, whose records are cut into pieces by when they were written.
Disk Present(Disk records) {
  std::erase_if(records, [](const auto& record) {
    return record.first[0] == static_cast<char>(RecordTag::kHistory);
  });
  return records;
}

std::unique_ptr<Machine> Load(const Disk& disk) {
  // Settings come from the records, not from what this process was started with.
  auth::Settings other;
  other.idempotency_retention_ms = 1;
  auto machine = std::make_unique<Machine>(other);
  for (const auto& [key, value] : disk) EXPECT_TRUE(machine->LoadRecord(key, value).has_value());
  const Status loaded = machine->FinishLoad();
  EXPECT_TRUE(loaded.has_value()) << loaded.error().detail;
  return machine;
}

Bytes Fingerprint(const Applied& applied) {
  Bytes out;
  Writer w(&out);
  w.Bool(applied.effective);
  w.Varint(applied.commands);
  for (const Completion& completion : applied.completions) {
    w.Varint(completion.seq);
    w.Bool(completion.answer.replayed);
    w.String(Encode(completion.answer));
  }
  for (const QuotaCrossing& crossing : applied.crossings) {
    w.String(crossing.path);
    w.String(crossing.kind);
    w.Bool(crossing.over);
    w.Varint(crossing.used);
  }
  for (const uint64_t seq : applied.waiting) w.Varint(seq);
  for (const store::RevisionRef& revision : applied.revisions) {
    w.Number(revision->revision);
    for (const store::Change& change : revision->changes) {
      w.String(change.path);
      w.U8(static_cast<uint8_t>(change.cause));
      w.U8(static_cast<uint8_t>(change.type));
    }
  }
  return out;
}

Digest SumOf(const Disk& records) {
  Digest sum;
  for (const auto& [key, value] : records) {
    if (key[0] != static_cast<char>(RecordTag::kHistory))
      sum.Add(HashOfRecord(key, value));
  }
  return sum;
}

class ReplayTest : public testing::TestWithParam<uint64_t> {};

TEST_P(ReplayTest, DigestsAgreeWhoeverLooks) {
  LogWriter log(GetParam());
  Machine follower(LogWriter::SettingsOf(GetParam()));
  for (const StoredEntry& entry : std::vector<StoredEntry>(log.entries()))
    ApplyTo(&follower, entry, {NodeId(2), 5});
  for (int i = 0; i < 400; ++i) {
    const StoredEntry entry = log.Next();
    ApplyTo(&follower, entry, {NodeId(2), 5});
    ASSERT_EQ(follower.digest(), log.machine().digest()) << "entry " << i;
    ASSERT_EQ(follower.revision(), log.machine().revision());
    follower.CheckInvariants();
  }
  EXPECT_EQ(SumOf(RecordsOf(follower)), follower.digest());
}

TEST_P(ReplayTest, ALoadedMachineGoesOnLikeTheOriginal) {
  LogWriter log(GetParam());
  Random random(GetParam() + 1000);
  const Observer observer{NodeId(1), 1};
  Disk disk;
  auto original = std::make_unique<Machine>(LogWriter::SettingsOf(GetParam()));
  for (const StoredEntry& entry : std::vector<StoredEntry>(log.entries()))
    ApplyTo(original.get(), entry, observer);
  std::unique_ptr<Machine> loaded;
  for (int i = 0; i < 400; ++i) {
    if (random.Chance(4)) {
      Checkpoint(original.get(), &disk);
      EXPECT_EQ(Present(disk), Present(RecordsOf(*original)));
      loaded = Load(disk);
      loaded->CheckInvariants();
      ASSERT_EQ(loaded->digest(), original->digest()) << "entry " << i;
      EXPECT_EQ(loaded->applied(), original->applied());
      EXPECT_EQ(loaded->time(), original->time());
      EXPECT_EQ(loaded->NextDeadline(), original->NextDeadline());
      EXPECT_EQ(loaded->leader_start(), original->leader_start());
      EXPECT_EQ(loaded->settings(), original->settings());
    }
    const StoredEntry entry = log.Next();
    const Applied expected = ApplyTo(original.get(), entry, observer);
    if (loaded == nullptr)
      continue;
    const Applied applied = ApplyTo(loaded.get(), entry, observer);
    ASSERT_EQ(Fingerprint(applied), Fingerprint(expected)) << "entry " << i;
    ASSERT_EQ(loaded->digest(), original->digest()) << "entry " << i;
  }
}

// A checkpoint that reflects an entry, and a log that holds it still: the replay begins behind the
// checkpoint, as often as the process starts.
TEST_P(ReplayTest, ACheckpointAndTheLogBehindItGiveTheStateAtTheEnd) {
  LogWriter log(GetParam());
  for (int i = 0; i < 300; ++i) log.Next();
  Machine first(LogWriter::SettingsOf(GetParam()));
  Disk disk;
  Random random(GetParam());
  const size_t cut = random.Between(1, log.entries().size() - 1);
  for (size_t i = 0; i < cut; ++i) ApplyTo(&first, log.entries()[i], {NodeId(1), 1});
  Checkpoint(&first, &disk);
  for (int round = 0; round < 2; ++round) {
    const std::unique_ptr<Machine> again = Load(disk);
    for (size_t i = again->applied().value; i < log.entries().size(); ++i)
      ApplyTo(again.get(), log.entries()[i], {NodeId(1), 9});
    EXPECT_EQ(again->digest(), log.machine().digest());
    EXPECT_EQ(Present(RecordsOf(*again)), Present(RecordsOf(log.machine())));
  }
}

TEST_P(ReplayTest, TokensRiseAndHoldersFitAndLeasesOwnTheirNodes) {
  LogWriter log(GetParam());
  std::set<std::pair<std::string, FenceToken>> known;
  FenceToken last;
  for (int i = 0; i < 400; ++i) {
    log.Next();
    const Machine& machine = log.machine();
    machine.CheckInvariants();
    const auto locks = machine.Read(ListLocks{"/", 100, ""}, log.now());
    FenceToken highest = last;
    for (const LockResult& lock : std::get<ListLocksResult>(*locks).locks) {
      for (const Holder& holder : lock.holders) {
        // One that was not there before has a token above all that were.
        if (known.emplace(lock.path, holder.token).second) {
          EXPECT_GT(holder.token, last);
        }
        highest = std::max(highest, holder.token);
      }
    }
    last = highest;
  }
  // Every node on a lease is one of a lease that is there (an ephemeral that never goes is the
  // oldest bug of them all).
  std::set<LeaseId> live;
  const auto leases =
      machine::QueryResult(*log.machine().Read(ListLeases{1000, LeaseId()}, log.machine().time()));
  for (const LeaseView& lease : std::get<ListLeasesResult>(leases).leases) live.insert(lease.id);
  for (const char* root : {"/", "/.synod"}) {
    const auto nodes = log.machine().Read(
        ListNodes{root, store::ListScope::kSubtree, 10'000, "", Revision()}, log.now());
    if (nodes.has_error())
      continue;
    for (const store::NodeView& view : std::get<ListNodesResult>(*nodes).nodes) {
      if (view.node->lease.value != 0) {
        EXPECT_TRUE(live.contains(view.node->lease)) << view.path;
      }
    }
  }
}

TEST_P(ReplayTest, EverythingEndsWhenTimeGoesOn) {
  LogWriter log(GetParam());
  for (int i = 0; i < 200; ++i) log.Next();
  Machine machine(LogWriter::SettingsOf(GetParam()));
  for (const StoredEntry& entry : log.entries()) ApplyTo(&machine, entry, {NodeId(1), 1});
  ClusterTime now = machine.time();
  for (int i = 0; i < 1000 && machine.NextDeadline().has_value(); ++i) {
    now = std::max(now, *machine.NextDeadline());
    ApplyTo(&machine, {Kind::kCommand, machine.leader_start(), EncodeBatch(now, {})},
            {NodeId(1), 1});
  }
  const Machine::Counts counts = machine.counts();
  EXPECT_EQ(counts.leases, 0u);
  EXPECT_EQ(counts.locks, 0u);
  EXPECT_EQ(counts.waiters, 0u);
  EXPECT_EQ(counts.idempotency_records, 0u);
  EXPECT_EQ(machine.NextDeadline(), std::nullopt);
  machine.CheckInvariants();
}

INSTANTIATE_TEST_SUITE_P(Seeds, ReplayTest, testing::Range<uint64_t>(1, 25));

TEST(LoadTest, RefusesRecordsThatDoNotFitTogether) {
  LogWriter log(3);
  for (int i = 0; i < 150 || log.machine().counts().waiters == 0; ++i) log.Next();
  const Disk disk = RecordsOf(log.machine());
  // Without any one lease, contender's node or lock record, something hangs in the air.
  size_t refused = 0;
  for (const auto& [key, value] : disk) {
    if (key[0] != static_cast<char>(RecordTag::kLock))
      continue;
    Machine machine({});
    for (const auto& [k, v] : disk) {
      if (k != key) {
        EXPECT_TRUE(machine.LoadRecord(k, v).has_value());
      }
    }
    const bool has_contender = std::any_of(disk.begin(), disk.end(), [&](const auto& r) {
      return r.first[0] == static_cast<char>(RecordTag::kContender) &&
             r.first.substr(9) == key.substr(1);
    });
    EXPECT_EQ(machine.FinishLoad().has_error(), has_contender);
    refused += has_contender ? 1 : 0;
  }
  EXPECT_GT(refused, 0u);
  Machine machine({});
  EXPECT_TRUE(machine.LoadRecord("zz", "x").has_error());
  EXPECT_TRUE(machine.LoadRecord("", "").has_error());
  EXPECT_TRUE(machine.LoadRecord("mclock", "x").has_error());
  EXPECT_TRUE(machine.LoadRecord("mother", "").has_error());
  EXPECT_TRUE(machine.LoadRecord("px", "").has_error());
}

}  // namespace
}  // namespace synod::machine
