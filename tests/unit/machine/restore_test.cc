// A backup that becomes the state of a new cluster: whatever clients still hold of the old one must
// fail there, also what the old cluster gave out after the backup.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "tests/unit/machine/machine_fixture.h"

namespace synod::machine {
namespace {

constexpr uint64_t kLeap = uint64_t{1} << 30;

using Kept = std::map<std::string, std::string>;

Kept RecordsOf(const Machine& machine) {
  Kept records;
  machine.ForEachRecord(
      [&](std::string_view key, std::string_view value) { records.emplace(key, value); });
  return records;
}

Machine Load(const Kept& records) {
  Machine machine{auth::Settings()};
  for (const auto& [key, value] : records) EXPECT_TRUE(machine.LoadRecord(key, value).has_value());
  EXPECT_TRUE(machine.FinishLoad().has_value());
  return machine;
}

class RestoreTest : public MachineTest {
 protected:
  void Backup() { backup_ = RecordsOf(machine()); }

  // The fixture's machine is that of the new cluster from here on.
  void Restore() {
    machine() = Load(backup_);
    machine().BeginNewCluster();
    machine().CheckInvariants();
    restored_ = RecordsOf(machine());
    now_ = machine().time();
    ballot_ = {1, NodeId(2)};
    log_.Apply(LogEntry::Kind::kLeaderStart, ballot_);
  }

  Errc Put(const std::string& path, store::Precondition precondition) {
    return CodeOf(Do(machine::Put{path, "new", std::nullopt, precondition, false}));
  }

  Kept backup_;
  Kept restored_;
};

TEST_F(RestoreTest, KeepsPersistentNodesWithTheirNumbers) {
  PutNode("/a/b", "one");
  PutNode("/a/b", "two");
  const store::NodeRef before = machine().tree().Find("/a/b");
  Backup();
  Restore();
  const store::NodeRef after = machine().tree().Find("/a/b");
  ASSERT_NE(after, nullptr);
  EXPECT_EQ(after->value.view(), "two");
  EXPECT_EQ(after->version, before->version);
  EXPECT_EQ(after->mod_revision, before->mod_revision);
  EXPECT_EQ(after->create_revision, before->create_revision);
}

TEST_F(RestoreTest, MovesEveryCounterOn) {
  Lease(5000);
  const FenceToken token = TokenOf(Do(AcquireOf("/lock", LeaseId(), 0)));
  const LeaseId last_lease = Lease(5000);
  const Revision revision_before = revision();
  const ClusterTime time_before = machine().time();
  Backup();
  Restore();
  EXPECT_EQ(revision(), revision_before + kLeap);
  EXPECT_EQ(machine().time(), time_before + static_cast<int64_t>(kLeap));
  EXPECT_EQ(Lease(5000), last_lease + (kLeap + 1));
  EXPECT_GT(TokenOf(Do(AcquireOf("/lock", LeaseId(), 0))).value, token.value + kLeap);
}

TEST_F(RestoreTest, RefusesTheETagOfAWriteThatWasLost) {
  PutNode("/a", "kept");
  Backup();
  PutNode("/a", "lost");
  const Revision lost = machine().tree().Find("/a")->mod_revision;
  Restore();
  EXPECT_EQ(Put("/a", {store::Precondition::Kind::kModRevision, lost.value}),
            Errc::kPreconditionFailed);
  // Nor can a later write of the new cluster ever carry it.
  PutNode("/a", "new");
  EXPECT_GT(machine().tree().Find("/a")->mod_revision.value, lost.value + kLeap / 2);
}

TEST_F(RestoreTest, EndsEveryLeaseWithItsNodes) {
  const LeaseId lease = Lease(60'000);
  PutNode("/members/one", "here", lease);
  Backup();
  const LeaseId lost = Lease(60'000);
  Restore();
  EXPECT_FALSE(Exists("/members/one"));
  EXPECT_TRUE(Exists("/members"));
  EXPECT_EQ(machine().counts().leases, 0U);
  for (const LeaseId old : {lease, lost}) {
    const auto answer = Do(LeaseKeepAlive{{old}, false});
    EXPECT_EQ(CodeOf(answer), Errc::kLeaseNotFound) << old.value;
    EXPECT_EQ(CodeOf(PutNode("/x", "", old)), Errc::kLeaseNotFound) << old.value;
  }
}

TEST_F(RestoreTest, FreesEveryLockAndRefusesTheOldTokens) {
  const LeaseId holder = Lease(60'000);
  const LeaseId waiter = Lease(60'000);
  const FenceToken token = TokenOf(Do(AcquireOf("/jobs/lock", holder, 0)));
  Do(AcquireOf("/jobs/lock", waiter, 60'000));
  Run(MakeKeyed("key", AcquireOf("/jobs/lock", LeaseId(), 60'000)));
  Do(CampaignOf("/election", holder, 0));
  Do(CampaignOf("/election", waiter, 60'000));
  Acquire with_delay = AcquireOf("/delayed", Lease(1000), 0);
  with_delay.lock_delay_ms = 30'000;
  Do(with_delay);
  Pass(1000);
  ASSERT_EQ(machine().counts().waiters, 3U);
  ASSERT_EQ(machine().counts().locks, 3U);
  Backup();
  Restore();
  EXPECT_EQ(machine().counts().locks, 0U);
  EXPECT_EQ(machine().counts().waiters, 0U);
  EXPECT_FALSE(Exists("/.synod/locks/jobs/lock"));
  Command guarded = Make(machine::Put{"/guarded", "late", std::nullopt, {}, false});
  guarded.fences = {{"/jobs/lock", token}};
  EXPECT_EQ(CodeOf(Run(guarded)), Errc::kFenced);
  EXPECT_EQ(CodeOf(Do(Release{LockKind::kLock, "/jobs/lock", token})), Errc::kLockNotHeld);
  // Somebody new holds it: the old token does not fit either.
  Do(AcquireOf("/jobs/lock", Lease(60'000), 0));
  guarded = Make(machine::Put{"/guarded", "late", std::nullopt, {}, false});
  guarded.fences = {{"/jobs/lock", token}};
  EXPECT_EQ(CodeOf(Run(guarded)), Errc::kFenced);
}

Errc RaiseTo(FenceToken token, const std::optional<Answer>& answer) {
  const auto* refusal = std::get_if<Refusal>(&answer->body);
  if (refusal == nullptr)
    return std::get<FenceAnswer>(answer->body).token == token ? Errc::kOk : Errc::kInternal;
  EXPECT_EQ(refusal->highest.has_value(), refusal->error.code == Errc::kFenced);
  return refusal->error.code;
}

// Also those that the old cluster gave out after the backup, and to registers that it made then or
// that are forgotten now.
TEST_F(RestoreTest, FloorsEveryFenceRegisterAboveTheTokensThatWereLost) {
  const FenceToken kept = TokenOf(Do(AcquireOf("/lock", LeaseId(), 0)));
  Do(RaiseFence{"/storage", kept});
  Backup();
  const FenceToken lost = TokenOf(Do(AcquireOf("/other", LeaseId(), 0)));
  ASSERT_GT(lost, kept);
  Restore();
  const FenceToken floor = ReadAs<FenceResult>(GetFence{"/storage"}).token;
  EXPECT_GE(floor.value, kept.value + kLeap);
  for (const char* path : {"/storage", "/never/seen"}) {
    for (const FenceToken old : {kept, lost, FenceToken(floor.value - 1)}) {
      const auto answer = Do(RaiseFence{path, old});
      EXPECT_EQ(RaiseTo(old, answer), Errc::kFenced) << path << " " << old.value;
      EXPECT_EQ(std::get<Refusal>(answer->body).highest, floor) << path;
    }
  }
  EXPECT_EQ(machine().Read(GetFence{"/never/seen"}, now_).error().code, Errc::kNotFound);
  EXPECT_EQ(CodeOf(Do(ForgetFence{"/storage"})), Errc::kOk);
  EXPECT_EQ(RaiseTo(lost, Do(RaiseFence{"/storage", lost})), Errc::kFenced);

  const FenceToken fresh = TokenOf(Do(AcquireOf("/lock", LeaseId(), 0)));
  EXPECT_GT(fresh, floor);
  EXPECT_EQ(RaiseTo(fresh, Do(RaiseFence{"/storage", fresh})), Errc::kOk);
}

// A token is the revision of its grant at least: of a cluster whose locks came late, the revision
// is what the lost ones are near to.
TEST_F(RestoreTest, FloorsFenceRegistersByTheRevisionToo) {
  for (int i = 0; i < 50; ++i) PutNode("/a", "x");
  Backup();
  const FenceToken lost = TokenOf(Do(AcquireOf("/lock", LeaseId(), 0)));
  EXPECT_GT(lost.value, 50U);
  Restore();
  const auto answer = Do(RaiseFence{"/storage", FenceToken(lost.value + kLeap - 10)});
  EXPECT_EQ(CodeOf(answer), Errc::kFenced);
}

TEST_F(RestoreTest, TheFloorOutlivesCheckpointsAndRisesWithTheNextRestore) {
  Do(RaiseFence{"/storage", FenceToken(7)});
  Backup();
  Restore();
  const FenceToken floor = ReadAs<FenceResult>(GetFence{"/storage"}).token;
  Machine loaded = Load(RecordsOf(machine()));
  loaded.CheckInvariants();
  EXPECT_EQ(loaded.digest(), machine().digest());
  EXPECT_EQ(std::get<FenceResult>(*loaded.Read(GetFence{"/storage"}, now_)).token, floor);
  Backup();
  Restore();
  EXPECT_EQ(ReadAs<FenceResult>(GetFence{"/storage"}).token, floor + kLeap);
}

// What no lock of the cluster gave out may be far above.
TEST_F(RestoreTest, ARegisterAboveTheFloorKeepsWhatItHas) {
  const FenceToken foreign(uint64_t{1} << 50);
  Do(RaiseFence{"/storage", foreign});
  Backup();
  Restore();
  EXPECT_EQ(ReadAs<FenceResult>(GetFence{"/storage"}).token, foreign);
  EXPECT_EQ(CodeOf(Do(RaiseFence{"/storage", FenceToken(foreign.value - 1)})), Errc::kFenced);
}

TEST_F(RestoreTest, HasNoHistoryToResumeFrom) {
  PutNode("/a", "one");
  const Revision kept = revision();
  Backup();
  PutNode("/a", "lost");
  const Revision lost = revision();
  Restore();
  for (const Revision old : {Revision(1), kept, lost}) {
    EXPECT_LT(old, machine().tree().floor());
    const auto read = machine().tree().FindAt("/a", old);
    ASSERT_TRUE(read.has_error());
    EXPECT_EQ(read.error().code, Errc::kCompacted);
  }
  EXPECT_EQ(machine().tree().floor(), revision());
  EXPECT_EQ(machine().tree().HistoryAt(Revision(1)), nullptr);
  PutNode("/a", "new");
  EXPECT_EQ(machine().tree().HistoryAt(machine().tree().floor() + 1)->revision, revision());
}

TEST_F(RestoreTest, RefusesToRepeatARequestWhoseRecordIsGone) {
  Command keyed = MakeKeyed("key", machine::Put{"/a", "once", std::nullopt, {}, false});
  keyed.not_after = now() + 600'000;
  EXPECT_EQ(CodeOf(Run(keyed)), Errc::kOk);
  Backup();
  Restore();
  EXPECT_EQ(machine().counts().idempotency_records, 0U);
  EXPECT_EQ(machine().counts().idempotency_bytes, 0U);
  const auto answer = Run(keyed);
  EXPECT_EQ(CodeOf(answer), Errc::kRequestExpired);
  EXPECT_EQ(machine().tree().Find("/a")->version, 1U);
}

TEST_F(RestoreTest, BelongsToNobody) {
  Do(SetMember{NodeId(1), "uuid-1", "node-1", "10.0.0.1:7302", "http://10.0.0.1:7301"});
  ASSERT_EQ(machine().members().size(), 1U);
  Backup();
  Restore();
  EXPECT_TRUE(machine().members().empty());
  // The number is free for another identity.
  Do(SetMember{NodeId(1), "uuid-2", "node-1", "10.0.0.1:7302", "http://10.0.0.1:7301"});
  EXPECT_EQ(machine().members().front().uuid, "uuid-2");
}

TEST_F(RestoreTest, StartsBehindSlotOneWithoutALeader) {
  PutNode("/a", "one");
  Backup();
  Machine restored = Load(backup_);
  restored.BeginNewCluster();
  EXPECT_EQ(restored.applied(), Slot(1));
  EXPECT_EQ(restored.leader_start(), Ballot());
  EXPECT_FALSE(restored.NextDeadline().has_value());
}

TEST_F(RestoreTest, IsTheSameOnEveryNodeAndLoadsAgain) {
  const LeaseId lease = Lease(60'000);
  PutNode("/a", "one", lease);
  PutNode("/b", "two");
  Do(AcquireOf("/lock", lease, 0));
  Backup();
  Restore();
  Machine other = Load(backup_);
  other.BeginNewCluster();
  EXPECT_EQ(RecordsOf(other), restored_);
  Machine loaded = Load(restored_);
  loaded.CheckInvariants();
  EXPECT_EQ(loaded.digest(), other.digest());
  EXPECT_EQ(RecordsOf(loaded), restored_);
}

// logcabin 445f383: the activity of sessions was not in the snapshot, so that a copy ended them at
// another time than the original.
TEST_F(RestoreTest, ALoadedCopyEndsLeasesWhenTheOriginalDoes) {
  const LeaseId renewed = Lease(10'000);
  PutNode("/renewed", "", renewed);
  PutNode("/idle", "", Lease(10'000));
  Pass(6000);
  Do(LeaseKeepAlive{{renewed}, false});
  Pass(3999);
  Replayed copy;
  copy.machine = Load(RecordsOf(machine()));
  for (const int64_t ms : {1, 1, 5997, 1, 1}) {
    now_ = now_ + ms;
    const Bytes tick = EncodeBatch(now_, {});
    log_.Apply(LogEntry::Kind::kCommand, ballot_, tick);
    copy.Apply(LogEntry::Kind::kCommand, ballot_, tick);
    EXPECT_EQ(copy.machine.digest(), machine().digest()) << now_.value;
    EXPECT_EQ(copy.machine.tree().Find("/idle"), nullptr);
  }
  EXPECT_FALSE(Exists("/idle"));
  EXPECT_FALSE(Exists("/renewed"));
}

}  // namespace
}  // namespace synod::machine
