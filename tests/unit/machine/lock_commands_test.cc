#include <gtest/gtest.h>

#include "src/base/path.h"
#include "tests/unit/machine/machine_fixture.h"

namespace synod::machine {
namespace {

class LockCommandsTest : public MachineTest {
 protected:
  // Asks and must wait; gives the number of the request.
  uint64_t Wait(const Acquire& acquire) {
    EXPECT_FALSE(Do(acquire).has_value());
    EXPECT_EQ(last_applied.waiting, std::vector<uint64_t>{last_seq});
    return last_seq;
  }
  std::optional<Answer> ReleaseToken(FenceToken token, const std::string& path = "/l") {
    return Do(Release{LockKind::kLock, path, token});
  }
  HoldAnswer HoldOf(const std::optional<Answer>& answer) {
    EXPECT_TRUE(answer.has_value() && std::holds_alternative<HoldAnswer>(answer->body));
    return answer.has_value() ? std::get<HoldAnswer>(answer->body) : HoldAnswer();
  }
  std::optional<Answer> Break(const std::string& key) {
    return Do(Delete{key, false, {}, false, true});
  }
  LockResult Get(const std::string& path = "/l") {
    return ReadAs<LockResult>(GetLock{LockKind::kLock, path});
  }
};

TEST_F(LockCommandsTest, AFreeLockIsHeldAtOnce) {
  const LeaseId lease = Lease(10'000);
  const auto answer = Do(AcquireOf("/a/l", lease, 0));
  const HoldAnswer hold = HoldOf(answer);
  EXPECT_EQ(hold.path, "/a/l");
  EXPECT_EQ(hold.key, "/.synod/locks/a/l/@0000000001");
  EXPECT_EQ(hold.lease, lease);
  EXPECT_EQ(hold.lease_deadline, now() + 10'000);
  EXPECT_EQ(answer->revision, revision());
  EXPECT_EQ(hold.token, FenceToken(revision().value));
  EXPECT_EQ(machine().tree().Find(hold.key)->value.view(), "who");
  EXPECT_TRUE(last_applied.waiting.empty());
}

TEST_F(LockCommandsTest, AHeldLockIsUnavailableAtOnceWithoutAWait) {
  const HoldAnswer hold = HoldOf(Do(AcquireOf("/l", Lease(10'000), 0)));
  const LeaseId other = Lease(10'000);
  const Revision before = revision();
  const auto answer = Do(AcquireOf("/l", other, 0));
  EXPECT_EQ(CodeOf(answer), Errc::kLockUnavailable);
  const auto& holders = std::get<Refusal>(answer->body).holders;
  ASSERT_EQ(holders.size(), 1u);
  EXPECT_EQ(holders[0].token, hold.token);
  EXPECT_EQ(holders[0].value, "who");
  EXPECT_EQ(revision(), before);
}

TEST_F(LockCommandsTest, TheNextWaiterHoldsInTheRevisionOfTheRelease) {
  const HoldAnswer first = HoldOf(Do(AcquireOf("/l", Lease(10'000), 0)));
  const uint64_t second = Wait(AcquireOf("/l", Lease(10'000), 5000));
  const auto released = ReleaseToken(first.token);
  const auto granted = AnswerTo(second);
  ASSERT_TRUE(granted.has_value());
  EXPECT_EQ(granted->revision, released->revision);
  EXPECT_GT(HoldOf(granted).token, first.token);
  ASSERT_EQ(last_applied.revisions.size(), 1u);
  EXPECT_EQ(last_applied.revisions[0]->changes[0].cause, store::Cause::kReleased);
}

TEST_F(LockCommandsTest, TheLastOneOutTakesTheLocksNodesWithIt) {
  const HoldAnswer deep = HoldOf(Do(AcquireOf("/a/b/c", Lease(10'000), 0)));
  const HoldAnswer shallow = HoldOf(Do(AcquireOf("/a", Lease(10'000), 0)));
  ReleaseToken(deep.token, "/a/b/c");
  EXPECT_FALSE(Exists("/.synod/locks/a/b"));
  EXPECT_TRUE(Exists("/.synod/locks/a"));
  ReleaseToken(shallow.token, "/a");
  EXPECT_FALSE(Exists("/.synod/locks/a"));
  EXPECT_EQ(machine().counts().locks, 0u);
}

// What became empty goes for the reason that its last contender went for.
TEST_F(LockCommandsTest, TheLocksNodesGoWithTheCauseOfTheLastOneOut) {
  const auto gone = [](const Applied& applied) {
    EXPECT_EQ(applied.revisions.size(), 1u);
    std::vector<std::pair<std::string, store::Cause>> changes;
    for (const store::Change& change : applied.revisions.at(0)->changes)
      changes.emplace_back(change.path, change.cause);
    return changes;
  };
  const auto all = [](store::Cause cause) {
    return std::vector<std::pair<std::string, store::Cause>>{
        {"/.synod/locks/a", cause},
        {"/.synod/locks/a/b", cause},
        {"/.synod/locks/a/b/@0000000001", cause}};
  };
  Do(AcquireOf("/a/b", Lease(5000), 0));
  EXPECT_EQ(gone(Pass(5000)), all(store::Cause::kExpired));
  Break(HoldOf(Do(AcquireOf("/a/b", LeaseId(), 0))).key);
  EXPECT_EQ(gone(last_applied), all(store::Cause::kClient));
  ReleaseToken(HoldOf(Do(AcquireOf("/a/b", LeaseId(), 0))).token, "/a/b");
  EXPECT_EQ(gone(last_applied), all(store::Cause::kReleased));
}

// The grant to one whom nobody will ask for is given back in the revision of the expiry.
TEST_F(LockCommandsTest, AGrantThatIsLostAfterAnExpiryIsReleased) {
  Do(AcquireOf("/l", Lease(5000), 0));
  const uint64_t lost = Wait(AcquireOf("/l", LeaseId(), 50'000));
  Pass(2000);
  Do(Disown{{NodeId(1), 77, lost}});
  const Applied applied = Pass(3000);
  ASSERT_EQ(applied.revisions.size(), 1u);
  const std::vector<store::Change>& changes = applied.revisions[0]->changes;
  ASSERT_EQ(changes.size(), 3u);
  EXPECT_EQ(changes[0].path, "/.synod/locks/l");
  EXPECT_EQ(changes[0].cause, store::Cause::kReleased);
  EXPECT_EQ(changes[1].cause, store::Cause::kExpired);
  EXPECT_EQ(changes[2].cause, store::Cause::kReleased);
}

TEST_F(LockCommandsTest, TokensGrowWhenTheLockWasGoneInBetween) {
  FenceToken last;
  for (int i = 0; i < 4; ++i) {
    const HoldAnswer hold = HoldOf(Do(AcquireOf("/l", LeaseId(), 0)));
    EXPECT_GT(hold.token, last);
    last = hold.token;
    ReleaseToken(hold.token);
    EXPECT_FALSE(Exists("/.synod/locks/l"));
  }
}

TEST_F(LockCommandsTest, AStaleTokenReleasesNothing) {
  const HoldAnswer hold = HoldOf(Do(AcquireOf("/l", Lease(10'000), 0)));
  EXPECT_EQ(CodeOf(ReleaseToken(hold.token + 1)), Errc::kLockNotHeld);
  EXPECT_EQ(CodeOf(ReleaseToken(FenceToken(0))), Errc::kLockNotHeld);
  EXPECT_EQ(CodeOf(ReleaseToken(hold.token, "/other")), Errc::kLockNotHeld);
  EXPECT_EQ(CodeOf(ReleaseToken(hold.token)), Errc::kOk);
  EXPECT_EQ(CodeOf(ReleaseToken(hold.token)), Errc::kLockNotHeld);
}

TEST_F(LockCommandsTest, AnExpiredHolderMakesWayInOneRevision) {
  const LeaseId dying = Lease(5000);
  const HoldAnswer first = HoldOf(Do(AcquireOf("/l", dying, 0)));
  PutNode("/ephemeral", "", dying);
  const uint64_t second = Wait(AcquireOf("/l", Lease(60'000), 50'000));
  const Revision before = revision();
  const Applied applied = Pass(5000);
  EXPECT_EQ(revision(), before + 1);
  EXPECT_GT(HoldOf(AnswerTo(second)).token, first.token);
  ASSERT_EQ(applied.revisions.size(), 1u);
  ASSERT_EQ(applied.revisions[0]->changes.size(), 2u);
  EXPECT_EQ(applied.revisions[0]->changes[0].cause, store::Cause::kExpired);
}

TEST_F(LockCommandsTest, WithdrawnWaiterNeverAcquires) {
  const HoldAnswer first = HoldOf(Do(AcquireOf("/l", Lease(60'000), 0)));
  const uint64_t waiter = Wait(AcquireOf("/l", Lease(60'000), 2000));
  Pass(1999);
  EXPECT_FALSE(AnswerTo(waiter).has_value());
  Pass(1);
  const auto answer = AnswerTo(waiter);
  EXPECT_EQ(CodeOf(answer), Errc::kLockUnavailable);
  EXPECT_EQ(std::get<Refusal>(answer->body).holders.size(), 1u);
  EXPECT_TRUE(Get().waiters.empty());
  ReleaseToken(first.token);
  EXPECT_EQ(machine().counts().holders, 0u);
}

TEST_F(LockCommandsTest, AReleaseAtTheWaitersDeadlineComesTooLate) {
  const HoldAnswer first = HoldOf(Do(AcquireOf("/l", Lease(60'000), 0)));
  const uint64_t waiter = Wait(AcquireOf("/l", Lease(60'000), 2000));
  now_ = now_ + 2000;
  ReleaseToken(first.token);
  EXPECT_EQ(CodeOf(AnswerTo(waiter)), Errc::kLockUnavailable);
}

// etcd granted locks to waiters whose lease had died in the queue.
TEST_F(LockCommandsTest, AWaiterWhoseLeaseExpiredIsPassedOverForTheNext) {
  const HoldAnswer first = HoldOf(Do(AcquireOf("/l", Lease(60'000), 0)));
  const uint64_t dying = Wait(AcquireOf("/l", Lease(3000), 50'000));
  const uint64_t next = Wait(AcquireOf("/l", Lease(60'000), 50'000));
  now_ = now_ + 3000;
  ReleaseToken(first.token);
  EXPECT_EQ(CodeOf(AnswerTo(dying)), Errc::kLeaseNotFound);
  EXPECT_NE(TokenOf(AnswerTo(next)), FenceToken());
}

TEST_F(LockCommandsTest, TheSameLeaseGetsTheSameHoldAgain) {
  const LeaseId lease = Lease(10'000);
  const HoldAnswer first = HoldOf(Do(AcquireOf("/l", lease, 0)));
  const Revision before = revision();
  const HoldAnswer again = HoldOf(Do(AcquireOf("/l", lease, 0)));
  EXPECT_EQ(again.token, first.token);
  EXPECT_EQ(again.key, first.key);
  EXPECT_EQ(revision(), before);
  EXPECT_EQ(CodeOf(Do(SharedOf("/l", lease, 0))), Errc::kHeldOtherwise);
  Acquire other_limit = AcquireOf("/l", lease, 0);
  other_limit.limit = 2;
  EXPECT_EQ(CodeOf(Do(other_limit)), Errc::kHeldOtherwise);
}

TEST_F(LockCommandsTest, TheSameLeaseKeepsItsPlaceAndTheNewRequestGetsTheAnswer) {
  const HoldAnswer first = HoldOf(Do(AcquireOf("/l", Lease(60'000), 0)));
  const LeaseId lease = Lease(60'000);
  const uint64_t old_request = Wait(AcquireOf("/l", lease, 2000));
  const uint64_t behind = Wait(AcquireOf("/l", Lease(60'000), 50'000));
  const uint64_t new_request = Wait(AcquireOf("/l", lease, 50'000));
  EXPECT_EQ(CodeOf(AnswerTo(old_request)), Errc::kLockUnavailable);
  Pass(2000);
  ReleaseToken(first.token);
  EXPECT_NE(TokenOf(AnswerTo(new_request)), FenceToken());
  EXPECT_FALSE(AnswerTo(behind).has_value());
}

TEST_F(LockCommandsTest, ATryOfALeaseThatWaitsEndsItsWait) {
  HoldOf(Do(AcquireOf("/l", Lease(60'000), 0)));
  const LeaseId lease = Lease(60'000);
  Wait(AcquireOf("/l", lease, 50'000));
  EXPECT_EQ(CodeOf(Do(AcquireOf("/l", lease, 0))), Errc::kLockUnavailable);
  EXPECT_TRUE(Get().waiters.empty());
  EXPECT_TRUE(machine().Read(GetLease{lease}, now()).has_value());
}

TEST_F(LockCommandsTest, LimitsAndKindsMustAgree) {
  Acquire two = AcquireOf("/s", Lease(10'000), 0);
  two.limit = 2;
  HoldOf(Do(two));
  EXPECT_EQ(CodeOf(Do(AcquireOf("/s", Lease(10'000), 0))), Errc::kLimitMismatch);
  EXPECT_EQ(CodeOf(Do(CampaignOf("/s", Lease(10'000), 0))), Errc::kWrongKind);
  EXPECT_EQ(CodeOf(Do(Release{LockKind::kElection, "/s", FenceToken(1)})), Errc::kWrongKind);
  Acquire shared_semaphore = SharedOf("/t", Lease(10'000), 0);
  shared_semaphore.limit = 2;
  EXPECT_EQ(CodeOf(Do(shared_semaphore)), Errc::kInvalidRequest);
  EXPECT_TRUE(machine().Read(GetLock{LockKind::kElection, "/s"}, now()).has_error());
}

TEST_F(LockCommandsTest, ASemaphoreHasSeveralHoldersWithTheirOwnTokens) {
  std::vector<FenceToken> tokens;
  for (int i = 0; i < 2; ++i) {
    Acquire acquire = AcquireOf("/s", LeaseId(), 0);
    acquire.limit = 2;
    tokens.push_back(HoldOf(Do(acquire)).token);
  }
  EXPECT_LT(tokens[0], tokens[1]);
  Acquire third = AcquireOf("/s", LeaseId(), 0);
  third.limit = 2;
  EXPECT_EQ(CodeOf(Do(third)), Errc::kLockUnavailable);
  EXPECT_EQ(Get("/s").limit, 2u);
  ReleaseToken(tokens[0], "/s");
  EXPECT_NE(TokenOf(Do(third)), FenceToken());
}

TEST_F(LockCommandsTest, ADeadLeaseAcquiresNothing) {
  EXPECT_EQ(CodeOf(Do(AcquireOf("/l", LeaseId(99), 1000))), Errc::kLeaseNotFound);
  EXPECT_FALSE(Exists("/.synod"));
}

// --- leases that belong to the request ---

TEST_F(LockCommandsTest, ARequestLeaseStartsAWholeTtlAtTheGrant) {
  const HoldAnswer first = HoldOf(Do(AcquireOf("/l", Lease(60'000), 0)));
  const uint64_t waiter = Wait(AcquireOf("/l", LeaseId(), 50'000));
  Pass(7000);
  ReleaseToken(first.token);
  const HoldAnswer hold = HoldOf(AnswerTo(waiter));
  EXPECT_EQ(hold.lease_deadline, now() + 10'000);
  EXPECT_TRUE(machine().Read(GetLease{hold.lease}, now()).has_value());
}

TEST_F(LockCommandsTest, ARequestLeaseIsRenewedByItsNodeWhileItWaits) {
  HoldOf(Do(AcquireOf("/l", Lease(60'000), 0)));
  user = "ann";
  const uint64_t waiter = Wait(AcquireOf("/l", LeaseId(), 50'000));
  const auto waiting = machine().WaitsOf({NodeId(1), 77});
  ASSERT_EQ(waiting.size(), 1u);
  EXPECT_EQ(waiting[0].seq, waiter);
  EXPECT_FALSE(waiting[0].disowned);
  EXPECT_TRUE(machine().WaitsOf({NodeId(1), 78}).empty());
  Pass(9000);
  user = "";
  EXPECT_EQ(CodeOf(Do(LeaseKeepAlive{{waiting[0].lease}, false})), Errc::kOk);
  Pass(9000);
  EXPECT_FALSE(AnswerTo(waiter).has_value());
  Pass(1000);
  EXPECT_EQ(CodeOf(AnswerTo(waiter)), Errc::kLeaseNotFound);
}

TEST_F(LockCommandsTest, ARefusedOrEndedRequestLeavesNoLeaseBehind) {
  const HoldAnswer first = HoldOf(Do(AcquireOf("/l", Lease(60'000), 0)));
  EXPECT_EQ(CodeOf(Do(AcquireOf("/l", LeaseId(), 0))), Errc::kLockUnavailable);
  EXPECT_EQ(machine().counts().leases, 1u);
  const uint64_t waiter = Wait(AcquireOf("/l", LeaseId(), 1000));
  EXPECT_EQ(machine().counts().leases, 2u);
  Pass(1000);
  EXPECT_EQ(CodeOf(AnswerTo(waiter)), Errc::kLockUnavailable);
  EXPECT_EQ(machine().counts().leases, 1u);
  ReleaseToken(first.token);
  EXPECT_EQ(machine().counts().leases, 1u);
}

TEST_F(LockCommandsTest, ARequestLeaseEndsWithItsLastHoldAndTakesItsNodesAlong) {
  const HoldAnswer first = HoldOf(Do(AcquireOf("/l", LeaseId(), 0)));
  const HoldAnswer second = HoldOf(Do(AcquireOf("/m", first.lease, 0)));
  PutNode("/mine", "", first.lease);
  ReleaseToken(first.token, "/l");
  EXPECT_TRUE(Exists("/mine"));
  const Revision before = revision();
  ReleaseToken(second.token, "/m");
  EXPECT_EQ(revision(), before + 1);
  EXPECT_FALSE(Exists("/mine"));
  EXPECT_EQ(machine().counts().leases, 0u);
}

TEST_F(LockCommandsTest, ATtlOutsideTheSettingsIsRefused) {
  Acquire acquire = AcquireOf("/l", LeaseId(), 0);
  acquire.ttl_ms = 499;
  EXPECT_EQ(CodeOf(Do(acquire)), Errc::kInvalidRequest);
}

// --- waits whose client or node is gone ---

TEST_F(LockCommandsTest, ADisownedWaitIsWithdrawnAfterFiveSeconds) {
  HoldOf(Do(AcquireOf("/l", Lease(60'000), 0)));
  const LeaseId lease = Lease(60'000);
  const uint64_t waiter = Wait(AcquireOf("/l", lease, 50'000));
  Do(Disown{{NodeId(1), 77, waiter}});
  EXPECT_TRUE(machine().WaitsOf({NodeId(1), 77}).at(0).disowned);
  Pass(4999);
  EXPECT_EQ(Get().waiters.size(), 1u);
  Pass(1);
  EXPECT_TRUE(Get().waiters.empty());
  EXPECT_FALSE(AnswerTo(waiter).has_value());
  EXPECT_TRUE(machine().Read(GetLease{lease}, now()).has_value());
}

TEST_F(LockCommandsTest, ARepeatWithTheSameLeaseSavesADisownedWait) {
  HoldOf(Do(AcquireOf("/l", Lease(60'000), 0)));
  const LeaseId lease = Lease(60'000);
  const uint64_t waiter = Wait(AcquireOf("/l", lease, 50'000));
  Do(Disown{{NodeId(1), 77, waiter}});
  Pass(3000);
  Wait(AcquireOf("/l", lease, 50'000));
  EXPECT_FALSE(AnswerTo(waiter).has_value());
  Pass(5000);
  EXPECT_EQ(Get().waiters.size(), 1u);
}

TEST_F(LockCommandsTest, TheWaitsOfALostProcessEndUnlessItComesBack) {
  const HoldAnswer first = HoldOf(Do(AcquireOf("/l", Lease(60'000), 0)));
  Wait(AcquireOf("/l", Lease(60'000), 50'000));
  const std::vector<Observer> processes = machine().WaitingProcesses();
  ASSERT_EQ(processes.size(), 1u);
  EXPECT_EQ(processes[0].node, NodeId(1));
  EXPECT_EQ(processes[0].boot, 77u);
  Do(NodeGone{NodeId(1), 77});
  Pass(3000);
  Do(Adopt{NodeId(1), 77});
  Pass(5000);
  EXPECT_EQ(Get().waiters.size(), 1u);
  Do(NodeGone{NodeId(1), 77});
  Pass(5000);
  EXPECT_TRUE(Get().waiters.empty());
  EXPECT_TRUE(machine().WaitingProcesses().empty());
  ReleaseToken(first.token);
}

TEST_F(LockCommandsTest, AGrantToALostRequestWithoutLeaseOrKeyGoesToTheNext) {
  const HoldAnswer first = HoldOf(Do(AcquireOf("/l", Lease(60'000), 0)));
  const uint64_t lost = Wait(AcquireOf("/l", LeaseId(), 50'000));
  const uint64_t next = Wait(AcquireOf("/l", Lease(60'000), 50'000));
  Do(Disown{{NodeId(1), 77, lost}});
  ReleaseToken(first.token);
  EXPECT_FALSE(AnswerTo(lost).has_value());
  EXPECT_NE(TokenOf(AnswerTo(next)), FenceToken());
  EXPECT_EQ(machine().counts().waiters, 0u);
}

TEST_F(LockCommandsTest, AGrantToALostRequestWithItsOwnLeaseStays) {
  const HoldAnswer first = HoldOf(Do(AcquireOf("/l", Lease(60'000), 0)));
  const LeaseId lease = Lease(60'000);
  const uint64_t lost = Wait(AcquireOf("/l", lease, 50'000));
  Do(Disown{{NodeId(1), 77, lost}});
  ReleaseToken(first.token);
  EXPECT_EQ(HoldOf(Do(AcquireOf("/l", lease, 0))).lease, lease);
}

// --- delays and breaks ---

TEST_F(LockCommandsTest, ALockDelayKeepsTheLockAfterExpiryOnly) {
  Acquire acquire = AcquireOf("/l", LeaseId(), 0);
  acquire.lock_delay_ms = 3000;
  const HoldAnswer released = HoldOf(Do(acquire));
  ReleaseToken(released.token);
  HoldOf(Do(acquire));
  Pass(10'000);  // expires
  LockResult delayed = Get();
  EXPECT_TRUE(delayed.holders.empty());
  EXPECT_EQ(delayed.delay_remaining_ms, 3000);
  const auto refused = Do(AcquireOf("/l", LeaseId(), 0));
  EXPECT_EQ(CodeOf(refused), Errc::kLockUnavailable);
  EXPECT_TRUE(std::get<Refusal>(refused->body).holders.empty());
  const uint64_t waiter = Wait(AcquireOf("/l", LeaseId(), 50'000));
  Pass(2999);
  EXPECT_FALSE(AnswerTo(waiter).has_value());
  Pass(1);
  EXPECT_NE(TokenOf(AnswerTo(waiter)), FenceToken());
  EXPECT_EQ(Get().delay_remaining_ms, std::nullopt);
}

TEST_F(LockCommandsTest, ADelayThatEndsWithNobodyThereLeavesNothing) {
  Acquire acquire = AcquireOf("/l", LeaseId(), 0);
  acquire.lock_delay_ms = 3000;
  HoldOf(Do(acquire));
  Pass(10'000);
  EXPECT_EQ(machine().NextDeadline(), now() + 3000);
  const Revision before = revision();
  Pass(3000);
  EXPECT_TRUE(machine().Read(GetLock{LockKind::kLock, "/l"}, now()).has_error());
  EXPECT_EQ(revision(), before);
  EXPECT_EQ(machine().NextDeadline(), std::nullopt);
}

TEST_F(LockCommandsTest, ABrokenHoldGoesToTheNextAndEndsItsRequestLease) {
  const HoldAnswer hold = HoldOf(Do(AcquireOf("/l", LeaseId(), 0)));
  const uint64_t next = Wait(AcquireOf("/l", LeaseId(), 50'000));
  const auto answer = Break(hold.key);
  EXPECT_EQ(std::get<DeleteAnswer>(answer->body).deleted, 1u);
  EXPECT_GT(HoldOf(AnswerTo(next)).token, hold.token);
  EXPECT_TRUE(machine().Read(GetLease{hold.lease}, now()).has_error());
  EXPECT_EQ(CodeOf(ReleaseToken(hold.token)), Errc::kLockNotHeld);
}

TEST_F(LockCommandsTest, ABrokenWaitIsToldSo) {
  HoldOf(Do(AcquireOf("/l", Lease(60'000), 0)));
  const uint64_t waiter = Wait(AcquireOf("/l", Lease(60'000), 50'000));
  EXPECT_EQ(CodeOf(Break("/.synod/locks/l/@0000000002")), Errc::kOk);
  EXPECT_EQ(CodeOf(AnswerTo(waiter)), Errc::kLockUnavailable);
}

TEST_F(LockCommandsTest, ForceIsForContendersOnly) {
  PutNode("/a", "");
  HoldOf(Do(AcquireOf("/l", Lease(60'000), 0)));
  EXPECT_EQ(CodeOf(Break("/a")), Errc::kManagedNode);
  EXPECT_EQ(CodeOf(Break("/.synod/locks/l")), Errc::kManagedNode);
  EXPECT_EQ(CodeOf(Break("/.synod/locks/l/@0000000002")), Errc::kNotFound);
  Delete guarded{"/.synod/locks/l/@0000000001",
                 false,
                 {store::Precondition::Kind::kModRevision, 99},
                 false,
                 true};
  EXPECT_EQ(CodeOf(Do(guarded)), Errc::kPreconditionFailed);
  EXPECT_EQ(machine().counts().holders, 1u);
}

TEST_F(LockCommandsTest, WritersMayNotTouchTheReservedTree) {
  HoldOf(Do(AcquireOf("/l", Lease(60'000), 0)));
  const std::string key = "/.synod/locks/l/@0000000001";
  EXPECT_EQ(CodeOf(PutNode(key, "x")), Errc::kManagedNode);
  EXPECT_EQ(CodeOf(PutNode("/.synod", "x")), Errc::kManagedNode);
  EXPECT_EQ(CodeOf(Do(CreateSequential{"/.synod/locks/l/@", "", LeaseId()})), Errc::kManagedNode);
  EXPECT_EQ(CodeOf(Do(Delete{key, false, {}, false, false})), Errc::kManagedNode);
  EXPECT_EQ(CodeOf(Do(Delete{"/.synod", true, {}, false, false})), Errc::kManagedNode);
  for (const TxnOp& op : {TxnOp(TxnPut{key, "x", {}}), TxnOp(TxnDelete{key, false}),
                          TxnOp(TxnCreate{"/.synod/x", "", {}, false})}) {
    Txn txn;
    txn.then_ops = {op};
    EXPECT_EQ(CodeOf(Do(txn)), Errc::kManagedNode);
  }
  PutNode("/a", "");
  EXPECT_EQ(CodeOf(Do(Delete{"/", true, {}, false, false})), Errc::kOk);
  EXPECT_TRUE(Exists(key));
  EXPECT_FALSE(Exists("/a"));
}

TEST_F(LockCommandsTest, AGetTellsWhoHoldsAndWhoWaitsForHowLong) {
  const LeaseId first = Lease(60'000);
  const LeaseId second = Lease(60'000);
  const HoldAnswer hold = HoldOf(Do(AcquireOf("/l", first, 0)));
  const Revision since = revision();
  Pass(1000);
  Wait(AcquireOf("/l", second, 50'000));
  Pass(500);
  const LockResult lock = Get();
  ASSERT_EQ(lock.holders.size(), 1u);
  EXPECT_EQ(lock.holders[0].token, hold.token);
  EXPECT_EQ(lock.holders[0].since_revision, since);
  EXPECT_EQ(lock.holders[0].held_ms, 1500);
  EXPECT_EQ(lock.holders[0].lease_remaining_ms, 58'500);
  ASSERT_EQ(lock.waiters.size(), 1u);
  EXPECT_EQ(lock.waiters[0].lease, second);
  EXPECT_EQ(lock.waiters[0].waiting_ms, 500);
  EXPECT_EQ(lock.waiters[0].value, "who");
}

TEST_F(LockCommandsTest, LocksAreListedInPathOrderInPages) {
  for (const char* path : {"/b", "/a/x", "/a", "/a-b"}) HoldOf(Do(AcquireOf(path, LeaseId(), 0)));
  Do(CampaignOf("/a/election", LeaseId(), 0));
  const auto paths = [](const ListLocksResult& result) {
    std::vector<std::string> all;
    for (const LockResult& lock : result.locks) all.push_back(lock.path);
    return all;
  };
  const auto first = ReadAs<ListLocksResult>(ListLocks{"/", 3, ""});
  EXPECT_EQ(paths(first), (std::vector<std::string>{"/a", "/a/x", "/a-b"}));
  EXPECT_TRUE(first.more);
  const auto second = ReadAs<ListLocksResult>(ListLocks{"/", 3, "/a-b"});
  EXPECT_EQ(paths(second), std::vector<std::string>{"/b"});
  EXPECT_FALSE(second.more);
  EXPECT_EQ(paths(ReadAs<ListLocksResult>(ListLocks{"/a", 10, ""})),
            (std::vector<std::string>{"/a", "/a/x"}));
  // A cursor of one's own may lie before all that has the prefix, or behind it.
  EXPECT_EQ(paths(ReadAs<ListLocksResult>(ListLocks{"/b", 10, "/a"})),
            std::vector<std::string>{"/b"});
  EXPECT_EQ(paths(ReadAs<ListLocksResult>(ListLocks{"/a", 10, "/a"})),
            std::vector<std::string>{"/a/x"});
  EXPECT_TRUE(paths(ReadAs<ListLocksResult>(ListLocks{"/a", 10, "/b"})).empty());
}

// --- fences ---

TEST_F(LockCommandsTest, AFencedWriteNeedsALiveHolder) {
  const LeaseId lease = Lease(5000);
  const HoldAnswer hold = HoldOf(Do(AcquireOf("/l", lease, 0)));
  const auto write = [&](FenceToken token) {
    Command command = Make(Put{"/data", "x", {}, {}, false});
    command.fences.push_back({"/l", token});
    return CodeOf(Run(command));
  };
  EXPECT_EQ(write(hold.token), Errc::kOk);
  EXPECT_EQ(write(hold.token + 1), Errc::kFenced);
  now_ = now_ + 5000;
  EXPECT_EQ(write(hold.token), Errc::kFenced);
  const HoldAnswer next = HoldOf(Do(AcquireOf("/l", LeaseId(), 0)));
  EXPECT_EQ(write(hold.token), Errc::kFenced);
  EXPECT_EQ(write(next.token), Errc::kOk);
}

TEST_F(LockCommandsTest, EveryFenceOfARequestMustHold) {
  const HoldAnswer a = HoldOf(Do(AcquireOf("/a", LeaseId(), 0)));
  const HoldAnswer b = HoldOf(Do(AcquireOf("/b", LeaseId(), 0)));
  Command command = Make(Put{"/data", "x", {}, {}, false});
  command.fences = {{"/a", a.token}, {"/b", b.token}};
  EXPECT_EQ(CodeOf(Run(command)), Errc::kOk);
  ReleaseToken(b.token, "/b");
  command.id.seq = ++last_seq;
  EXPECT_EQ(CodeOf(Run(command)), Errc::kFenced);
}

// A paused holder of a lock without fences loses updates; with them it is refused.
TEST_F(LockCommandsTest, APausedHolderCannotWriteOverItsSuccessor) {
  const HoldAnswer paused = HoldOf(Do(AcquireOf("/l", Lease(5000), 0)));
  Pass(5000);
  const HoldAnswer successor = HoldOf(Do(AcquireOf("/l", LeaseId(), 0)));
  const auto fenced_put = [&](FenceToken token, const char* value) {
    Command command = Make(Put{"/counter", value, {}, {}, false});
    command.fences.push_back({"/l", token});
    return CodeOf(Run(command));
  };
  EXPECT_EQ(fenced_put(successor.token, "2"), Errc::kOk);
  EXPECT_EQ(fenced_put(paused.token, "1"), Errc::kFenced);
  EXPECT_EQ(machine().tree().Find("/counter")->value.view(), "2");
}

TEST_F(LockCommandsTest, ADuplicateOfARequestThatWaitsDoesNotWaitTwice) {
  HoldOf(Do(AcquireOf("/l", Lease(60'000), 0)));
  Command command = Make(AcquireOf("/l", LeaseId(), 50'000));
  EXPECT_FALSE(Run(command).has_value());
  EXPECT_EQ(CodeOf(Run(command)), Errc::kInvalidRequest);
  EXPECT_EQ(Get().waiters.size(), 1u);
}

}  // namespace
}  // namespace synod::machine
