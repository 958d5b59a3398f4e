#include <gtest/gtest.h>

#include "src/base/path.h"
#include "tests/unit/machine/machine_fixture.h"

namespace synod::machine {
namespace {

class LeaseCommandsTest : public MachineTest {
 protected:
  std::optional<Answer> KeepAlive(LeaseId id) { return Do(LeaseKeepAlive{{id}, false}); }
};

TEST_F(LeaseCommandsTest, AGrantIsAnsweredWithItsDeadline) {
  const auto answer = Do(LeaseGrant{5000, "worker"});
  const auto& granted = std::get<LeaseAnswer>(answer->body);
  EXPECT_TRUE(granted.granted);
  EXPECT_EQ(granted.lease.deadline, now() + 5000);
  EXPECT_EQ(granted.lease.name, "worker");
  EXPECT_EQ(answer->revision, Revision(1));
}

TEST_F(LeaseCommandsTest, ATtlOutsideTheSettingsIsRefused) {
  EXPECT_EQ(CodeOf(Do(LeaseGrant{499, ""})), Errc::kInvalidRequest);
  EXPECT_EQ(CodeOf(Do(LeaseGrant{86'400'001, ""})), Errc::kInvalidRequest);
  EXPECT_EQ(CodeOf(Do(LeaseGrant{500, std::string(1025, 'n')})), Errc::kTooLarge);
  EXPECT_EQ(revision(), Revision(0));
}

TEST_F(LeaseCommandsTest, KeepAlivesAndTicksTakeNoRevision) {
  const LeaseId id = Lease(5000);
  Pass(1000);
  const auto answer = KeepAlive(id);
  EXPECT_EQ(std::get<LeaseAnswer>(answer->body).lease.deadline, now() + 5000);
  EXPECT_EQ(revision(), Revision(1));
  EXPECT_EQ(answer->revision, Revision(1));
}

// By definition (docs/api.md): no read, write or lock on a lease is a sign of life of its owner.
TEST_F(LeaseCommandsTest, NothingButAKeepAliveRenews) {
  const LeaseId id = Lease(5000);
  const ClusterTime deadline = now() + 5000;
  for (int i = 0; i < 4; ++i) {
    Pass(1000);
    PutNode("/a", "x", id);
    Do(AcquireOf("/l", id, 0));
    Do(Txn{{}, {TxnGet{"/a"}, TxnPut{"/a", "y", id}}, {}});
    ReadAs<NodeResult>(GetNode{"/a", {}});
    ReadAs<LockResult>(GetLock{LockKind::kLock, "/l"});
    EXPECT_EQ(ReadAs<LeaseResult>(GetLease{id}).lease.deadline, deadline);
  }
  Pass(999);
  EXPECT_TRUE(Exists("/a"));
  Pass(1);
  EXPECT_FALSE(Exists("/a"));
  EXPECT_EQ(CodeOf(KeepAlive(id)), Errc::kLeaseNotFound);
}

TEST_F(LeaseCommandsTest, ExpiresAllItsNodesInOneRevision) {
  const LeaseId id = Lease(5000);
  PutNode("/a", "1", id);
  PutNode("/b/c", "2", id);
  PutNode("/kept", "3");
  Pass(4999);
  EXPECT_TRUE(Exists("/a"));
  const Revision before = revision();
  const Applied applied = Pass(1);
  EXPECT_EQ(revision(), before + 1);
  ASSERT_EQ(applied.revisions.size(), 1u);
  const auto& changes = applied.revisions[0]->changes;
  ASSERT_EQ(changes.size(), 2u);
  for (const store::Change& change : changes) {
    EXPECT_EQ(change.type, store::Change::Type::kDelete);
    EXPECT_EQ(change.cause, store::Cause::kExpired);
  }
  EXPECT_EQ(changes[0].path, "/a");
  EXPECT_EQ(changes[1].path, "/b/c");
  EXPECT_TRUE(Exists("/b"));
  EXPECT_TRUE(Exists("/kept"));
}

TEST_F(LeaseCommandsTest, EachExpiredLeaseHasItsOwnRevisionInOrderOfDeadlineAndId) {
  const LeaseId late = Lease(6000);
  const LeaseId early = Lease(5000);
  PutNode("/late", "", late);
  PutNode("/early", "", early);
  const Applied applied = Pass(6000);
  ASSERT_EQ(applied.revisions.size(), 2u);
  EXPECT_EQ(applied.revisions[0]->changes[0].path, "/early");
  EXPECT_EQ(applied.revisions[1]->changes[0].path, "/late");
}

TEST_F(LeaseCommandsTest, KeepAliveAfterExpiryIsNotFound) {
  const LeaseId id = Lease(5000);
  Pass(5000);
  EXPECT_EQ(CodeOf(KeepAlive(id)), Errc::kLeaseNotFound);
}

TEST_F(LeaseCommandsTest, TheDeadlineIsJudgedBeforeAKeepAliveOfTheSameEntry) {
  const LeaseId id = Lease(5000);
  now_ = now_ + 5000;
  EXPECT_EQ(CodeOf(KeepAlive(id)), Errc::kLeaseNotFound);
  EXPECT_EQ(machine().counts().leases, 0u);
}

TEST_F(LeaseCommandsTest, ManyAreRenewedAtOnce) {
  const LeaseId a = Lease(5000);
  const LeaseId b = Lease(5000);
  const auto answer = Do(LeaseKeepAlive{{a, LeaseId(99), b}, true});
  const auto& renewed = std::get<KeepAliveAnswer>(answer->body);
  ASSERT_EQ(renewed.leases.size(), 2u);
  EXPECT_EQ(renewed.leases[1].id, b);
  EXPECT_EQ(renewed.not_found, std::vector<LeaseId>{LeaseId(99)});
}

TEST_F(LeaseCommandsTest, RevokeReleasesWhatHangsOnIt) {
  const LeaseId id = Lease(5000);
  PutNode("/a", "", id);
  const auto answer = Do(LeaseRevoke{id});
  EXPECT_EQ(CodeOf(answer), Errc::kOk);
  EXPECT_EQ(answer->revision, revision());
  ASSERT_EQ(last_applied.revisions.size(), 1u);
  EXPECT_EQ(last_applied.revisions[0]->changes[0].cause, store::Cause::kReleased);
  EXPECT_FALSE(Exists("/a"));
  EXPECT_EQ(CodeOf(Do(LeaseRevoke{id})), Errc::kLeaseNotFound);
}

TEST_F(LeaseCommandsTest, ADeadLeaseTiesNothing) {
  EXPECT_EQ(CodeOf(PutNode("/a", "", LeaseId(7))), Errc::kLeaseNotFound);
  EXPECT_EQ(CodeOf(Do(CreateSequential{"/q/", "", LeaseId(7)})), Errc::kLeaseNotFound);
  EXPECT_FALSE(Exists("/a"));
  EXPECT_FALSE(Exists("/q"));
}

TEST_F(LeaseCommandsTest, ANodeLeavesItsLeaseWhenDetachedOrDeletedOrTiedToAnother) {
  const LeaseId a = Lease(5000);
  const LeaseId b = Lease(9000);
  PutNode("/detached", "", a);
  PutNode("/moved", "", a);
  PutNode("/deleted", "", a);
  PutNode("/kept", "", a);
  PutNode("/detached", "", LeaseId(0));
  PutNode("/moved", "", b);
  PutNode("/kept", "again");
  Do(Delete{"/deleted", false, {}, false, false});
  EXPECT_EQ(ReadAs<LeaseResult>(GetLease{a}).paths, std::vector<std::string>{"/kept"});
  Pass(5000);
  EXPECT_TRUE(Exists("/detached"));
  EXPECT_TRUE(Exists("/moved"));
  EXPECT_FALSE(Exists("/kept"));
}

TEST_F(LeaseCommandsTest, OnlyItsUserMayUseALease) {
  user = "ann";
  const LeaseId id = Lease(5000);
  user = "bob";
  EXPECT_EQ(CodeOf(KeepAlive(id)), Errc::kPermissionDenied);
  EXPECT_EQ(CodeOf(Do(LeaseRevoke{id})), Errc::kPermissionDenied);
  EXPECT_EQ(CodeOf(PutNode("/a", "", id)), Errc::kPermissionDenied);
  EXPECT_EQ(CodeOf(Do(AcquireOf("/l", id, 0))), Errc::kPermissionDenied);
  const auto answer = Do(LeaseKeepAlive{{id}, true});
  EXPECT_EQ(std::get<KeepAliveAnswer>(answer->body).not_found, std::vector<LeaseId>{id});
}

TEST_F(LeaseCommandsTest, OneEntryEndsAtMostAThousandLeases) {
  std::vector<Command> grants;
  for (int i = 0; i < 1500; ++i) grants.push_back(Make(LeaseGrant{5000, ""}));
  Entry(grants);
  const LeaseId last = std::get<LeaseAnswer>(AnswerTo(last_seq)->body).lease.id;
  const Revision before = revision();
  Pass(5000);
  EXPECT_EQ(revision(), before + 1000);
  EXPECT_EQ(machine().counts().leases, 500u);
  // Those left over are gone for every use all the same.
  EXPECT_LE(*machine().NextDeadline(), now());
  EXPECT_TRUE(machine().Read(GetLease{last}, now()).has_error());
  Pass(0);
  EXPECT_EQ(machine().counts().leases, 0u);
}

TEST_F(LeaseCommandsTest, OneEntryEndsAtMostTenThousandNodes) {
  for (int lease = 0; lease < 3; ++lease) {
    const LeaseId id = Lease(50'000);
    std::vector<Command> puts;
    for (int i = 0; i < 4000; ++i)
      puts.push_back(Make(Put{"/n" + std::to_string(lease) + "/" + std::to_string(i), "", id, {}}));
    Entry(puts);
  }
  EXPECT_EQ(Pass(50'000).revisions.size(), 2u);
  EXPECT_EQ(machine().counts().leases, 1u);
  EXPECT_EQ(Pass(1).revisions.size(), 1u);
  EXPECT_EQ(machine().counts().leases, 0u);
}

// An ensemble that cannot restart because closing one session is too much for one transaction.
TEST_F(LeaseCommandsTest, TenThousandNodesWithLongPathsExpireInOneRevision) {
  const LeaseId id = Lease(50'000);
  const std::string folder = "/" + std::string(250, 'a') + "/" + std::string(250, 'b') + "/";
  for (int part = 0; part < 10; ++part) {
    std::vector<Command> puts;
    for (int i = 0; i < 1000; ++i)
      puts.push_back(Make(Put{folder + std::to_string(part * 1000 + i), "", id, {}}));
    Entry(puts);
  }
  const auto one_more = PutNode("/one-more", "", id);
  EXPECT_EQ(CodeOf(one_more), Errc::kTooLarge);
  EXPECT_EQ(std::get<Refusal>(one_more->body).limit, 10'000u);
  // One for another, in whatever order.
  const TxnOp put = TxnPut{"/another", "", id};
  const TxnOp erase = TxnDelete{folder + "7", false};
  EXPECT_EQ(CodeOf(Do(Txn{{}, {put, erase}, {}})), Errc::kOk);
  EXPECT_EQ(CodeOf(Do(Txn{{}, {TxnDelete{"/another", false}, TxnPut{folder + "7", "", id}}, {}})),
            Errc::kOk);
  EXPECT_EQ(CodeOf(Do(Txn{{}, {TxnDelete{folder + "8", false}, put, TxnPut{"/two", "", id}}, {}})),
            Errc::kTooLarge);
  const Applied applied = Pass(50'000);
  ASSERT_EQ(applied.revisions.size(), 1u);
  EXPECT_EQ(applied.revisions[0]->changes.size(), 10'000u);
}

TEST_F(LeaseCommandsTest, AtMostSixteenMebibytesHangOnALease) {
  const LeaseId id = Lease(50'000);
  const std::string mebibyte((1 << 20) - 100, 'x');
  for (int i = 0; i < 16; ++i)
    EXPECT_EQ(CodeOf(PutNode("/n" + std::to_string(i), mebibyte, id)), Errc::kOk);
  EXPECT_EQ(CodeOf(PutNode("/n16", mebibyte, id)), Errc::kTooLarge);
  // A node grows within its lease too.
  EXPECT_EQ(CodeOf(PutNode("/n0", mebibyte + "y")), Errc::kOk);
  EXPECT_EQ(CodeOf(PutNode("/small", "", id)), Errc::kOk);
  EXPECT_EQ(CodeOf(PutNode("/small", std::string(2000, 'z'))), Errc::kTooLarge);
}

TEST_F(LeaseCommandsTest, ATransactionCannotTieMoreThanALeaseTakes) {
  const LeaseId id = Lease(50'000);
  const std::string half(1 << 20, 'x');
  for (int i = 0; i < 15; ++i) PutNode("/n" + std::to_string(i), half, id);
  Txn txn;
  txn.then_ops.emplace_back(TxnPut{"/m1", std::string(600'000, 'y'), id});
  txn.then_ops.emplace_back(TxnPut{"/m2", std::string(600'000, 'y'), id});
  const auto answer = Do(txn);
  EXPECT_EQ(CodeOf(answer), Errc::kTooLarge);
  EXPECT_FALSE(std::get<Refusal>(answer->body).index.has_value());
  EXPECT_FALSE(Exists("/m1"));
}

TEST_F(LeaseCommandsTest, LeaderChangeDoesNotShortenALease) {
  const LeaseId id = Lease(5000);
  Pass(3000);
  ballot_ = {2, NodeId(2)};
  log_.Apply(LogEntry::Kind::kLeaderStart, ballot_);
  // The new leader's clock begins where the old one's ended, whatever its own says.
  Pass(1999);
  EXPECT_EQ(ReadAs<LeaseResult>(GetLease{id}).lease.deadline, now() + 1);
  EXPECT_EQ(CodeOf(KeepAlive(id)), Errc::kOk);
}

TEST_F(LeaseCommandsTest, LeasesAreListedByIdInPages) {
  const LeaseId a = Lease(5000);
  const LeaseId b = Lease(6000);
  const LeaseId c = Lease(7000);
  const auto first = ReadAs<ListLeasesResult>(ListLeases{2, LeaseId()});
  ASSERT_EQ(first.leases.size(), 2u);
  EXPECT_EQ(first.leases[0].id, a);
  EXPECT_EQ(first.leases[1].id, b);
  EXPECT_TRUE(first.more);
  const auto second = ReadAs<ListLeasesResult>(ListLeases{2, b});
  ASSERT_EQ(second.leases.size(), 1u);
  EXPECT_EQ(second.leases[0].id, c);
  EXPECT_FALSE(second.more);
}

}  // namespace
}  // namespace synod::machine
