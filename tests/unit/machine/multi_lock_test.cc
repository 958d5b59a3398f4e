#include <gtest/gtest.h>

#include "src/base/path.h"
#include "tests/unit/machine/machine_fixture.h"

namespace synod::machine {
namespace {

class MultiLockTest : public MachineTest {
 protected:
  using Wants = std::vector<AcquireAll::Lock>;

  static AcquireAll All(Wants wants, LeaseId lease, int64_t wait_ms) {
    return {std::move(wants), lease, lease.value == 0 ? 10'000 : 0, wait_ms};
  }
  static AcquireAll AandB(LeaseId lease, int64_t wait_ms) {
    return All({{"/a"}, {"/b"}}, lease, wait_ms);
  }
  uint64_t Wait(const Operation& operation) {
    EXPECT_FALSE(Do(operation).has_value());
    EXPECT_EQ(last_applied.waiting, std::vector<uint64_t>{last_seq});
    return last_seq;
  }
  bool IsWaiting(uint64_t request) const { return !AnswerTo(request).has_value(); }
  HoldsAnswer HoldsOf(const std::optional<Answer>& answer) {
    EXPECT_TRUE(answer.has_value() && std::holds_alternative<HoldsAnswer>(answer->body));
    return answer.has_value() ? std::get<HoldsAnswer>(answer->body) : HoldsAnswer();
  }
  FenceToken Take(const std::string& path, LockMode mode = LockMode::kExclusive) {
    Acquire acquire = AcquireOf(path, Lease(600'000), 0);
    acquire.mode = mode;
    return TokenOf(Do(acquire));
  }
  void ReleaseToken(const std::string& path, FenceToken token) {
    EXPECT_EQ(CodeOf(Do(Release{LockKind::kLock, path, token})), Errc::kOk);
  }
  LockResult Get(const std::string& path) {
    return ReadAs<LockResult>(GetLock{LockKind::kLock, path});
  }
};

TEST_F(MultiLockTest, FreeLocksAreHeldAtOnceInTheOrderAskedForWithTokensOfTheirOwn) {
  const LeaseId lease = Lease(10'000);
  const auto answer = Do(All({{"/z"}, {"/a", LockMode::kShared}}, lease, 0));
  const HoldsAnswer holds = HoldsOf(answer);
  ASSERT_EQ(holds.holds.size(), 2u);
  EXPECT_EQ(holds.holds[0].path, "/z");
  EXPECT_EQ(holds.holds[0].mode, LockMode::kExclusive);
  EXPECT_EQ(holds.holds[0].key, "/.synod/locks/z/@0000000001");
  EXPECT_EQ(holds.holds[1].path, "/a");
  EXPECT_EQ(holds.holds[1].mode, LockMode::kShared);
  EXPECT_EQ(holds.holds[0].token, FenceToken(revision().value));
  EXPECT_EQ(holds.holds[1].token, FenceToken(revision().value + 1));
  EXPECT_EQ(holds.lease, lease);
  EXPECT_EQ(holds.lease_deadline, now() + 10'000);
  EXPECT_EQ(answer->revision, revision());
  EXPECT_EQ(last_applied.revisions.size(), 1u);
}

TEST_F(MultiLockTest, OneThatIsTakenMeansNoneAndTheAnswerNamesItsHolder) {
  const FenceToken token = Take("/b");
  const Revision before = revision();
  const auto answer = Do(AandB(LeaseId(), 0));
  EXPECT_EQ(CodeOf(answer), Errc::kLockUnavailable);
  const auto& holders = std::get<Refusal>(answer->body).holders;
  ASSERT_EQ(holders.size(), 1u);
  EXPECT_EQ(holders[0].lock, "/b");
  EXPECT_EQ(holders[0].token, token);
  EXPECT_EQ(revision(), before);
  EXPECT_EQ(machine().counts().holders, 1u);
}

TEST_F(MultiLockTest, AllAreGrantedInTheStepThatFreesTheLast) {
  const FenceToken a = Take("/a");
  const FenceToken b = Take("/b");
  const uint64_t waiter = Wait(AandB(LeaseId(), 50'000));
  ReleaseToken("/a", a);
  EXPECT_TRUE(IsWaiting(waiter));
  EXPECT_TRUE(Get("/a").holders.empty());
  ReleaseToken("/b", b);
  const HoldsAnswer holds = HoldsOf(AnswerTo(waiter));
  ASSERT_EQ(holds.holds.size(), 2u);
  EXPECT_GT(holds.holds[0].token, b);
  EXPECT_EQ(AnswerTo(waiter)->revision, revision());
  EXPECT_EQ(machine().counts().waiters, 0u);
}

TEST_F(MultiLockTest, NobodyOvertakesOneThatWaitsInAQueueForTheOthers) {
  const FenceToken b = Take("/b");
  const uint64_t both = Wait(AandB(LeaseId(), 50'000));
  const uint64_t behind = Wait(AcquireOf("/a", LeaseId(), 50'000));
  EXPECT_EQ(CodeOf(Do(AcquireOf("/a", LeaseId(), 0))), Errc::kLockUnavailable);
  ReleaseToken("/b", b);
  const HoldsAnswer holds = HoldsOf(AnswerTo(both));
  EXPECT_TRUE(IsWaiting(behind));
  ReleaseToken("/a", holds.holds[0].token);
  EXPECT_NE(TokenOf(AnswerTo(behind)), FenceToken());
}

TEST_F(MultiLockTest, SharedOnesPassASharedOneThatWaitsElsewhereAndExclusiveOnesDoNot) {
  const FenceToken b = Take("/b");
  const uint64_t both = Wait(All({{"/a", LockMode::kShared}, {"/b"}}, LeaseId(), 50'000));
  const FenceToken reader = TokenOf(Do(SharedOf("/a", LeaseId(), 0)));
  EXPECT_NE(reader, FenceToken());
  const uint64_t writer = Wait(AcquireOf("/a", LeaseId(), 50'000));
  EXPECT_EQ(CodeOf(Do(SharedOf("/a", LeaseId(), 0))), Errc::kLockUnavailable);
  ReleaseToken("/a", reader);
  EXPECT_TRUE(IsWaiting(writer));
  ReleaseToken("/b", b);
  ReleaseToken("/a", HoldsOf(AnswerTo(both)).holds[0].token);
  EXPECT_NE(TokenOf(AnswerTo(writer)), FenceToken());
}

TEST_F(MultiLockTest, RequestsThatNameTheLocksInOtherOrdersDoNotWaitForEachOther) {
  const HoldsAnswer first = HoldsOf(Do(AandB(LeaseId(), 0)));
  const uint64_t second = Wait(All({{"/b"}, {"/a"}}, LeaseId(), 50'000));
  const uint64_t third = Wait(AandB(LeaseId(), 50'000));
  for (const auto& hold : first.holds) ReleaseToken(hold.path, hold.token);
  const HoldsAnswer next = HoldsOf(AnswerTo(second));
  EXPECT_EQ(next.holds[0].path, "/b");
  for (const auto& hold : next.holds) ReleaseToken(hold.path, hold.token);
  EXPECT_EQ(HoldsOf(AnswerTo(third)).holds[0].path, "/a");
}

TEST_F(MultiLockTest, TheEndOfTheWaitWithdrawsItFromEveryQueue) {
  const FenceToken b = Take("/b");
  const uint64_t both = Wait(AandB(LeaseId(), 2000));
  const uint64_t behind = Wait(AcquireOf("/a", LeaseId(), 50'000));
  Pass(2000);
  const auto answer = AnswerTo(both);
  EXPECT_EQ(CodeOf(answer), Errc::kLockUnavailable);
  EXPECT_EQ(std::get<Refusal>(answer->body).holders.at(0).lock, "/b");
  EXPECT_NE(TokenOf(AnswerTo(behind)), FenceToken());
  ReleaseToken("/b", b);
  EXPECT_EQ(machine().counts().leases, 2u);
  EXPECT_FALSE(Exists("/.synod/locks/b"));
}

TEST_F(MultiLockTest, AnExpiredLeaseWithdrawsTheWholeWait) {
  Take("/b");
  const uint64_t both = Wait(AandB(Lease(3000), 50'000));
  const uint64_t behind = Wait(AcquireOf("/a", Lease(600'000), 50'000));
  Pass(3000);
  EXPECT_EQ(CodeOf(AnswerTo(both)), Errc::kLeaseNotFound);
  EXPECT_NE(TokenOf(AnswerTo(behind)), FenceToken());
  EXPECT_TRUE(Get("/b").waiters.empty());
}

TEST_F(MultiLockTest, ABrokenWaitEndsInEveryQueue) {
  Take("/b");
  const uint64_t both = Wait(AandB(LeaseId(), 50'000));
  EXPECT_EQ(CodeOf(Do(Delete{"/.synod/locks/b/@0000000002", false, {}, false, true})), Errc::kOk);
  EXPECT_EQ(CodeOf(AnswerTo(both)), Errc::kLockUnavailable);
  EXPECT_FALSE(Exists("/.synod/locks/a"));
  EXPECT_EQ(machine().counts().waiters, 0u);
  EXPECT_EQ(machine().counts().leases, 1u);
}

TEST_F(MultiLockTest, ALostRequestIsWithdrawnAndItsGrantGoesToTheNext) {
  const FenceToken b = Take("/b");
  const uint64_t lost = Wait(AandB(LeaseId(), 50'000));
  const uint64_t next = Wait(AandB(LeaseId(), 50'000));
  Do(Disown{{NodeId(1), 77, lost}});
  ReleaseToken("/b", b);
  EXPECT_TRUE(IsWaiting(lost));
  EXPECT_EQ(HoldsOf(AnswerTo(next)).holds.size(), 2u);
  EXPECT_EQ(machine().counts().waiters, 0u);

  const LeaseId lease = Lease(600'000);
  const uint64_t gone = Wait(AandB(lease, 50'000));
  Do(Disown{{NodeId(1), 77, gone}});
  Pass(5000);
  EXPECT_EQ(machine().counts().waiters, 0u);
}

TEST_F(MultiLockTest, TheSameLeaseGetsTheSameHoldsAgain) {
  const LeaseId lease = Lease(10'000);
  const HoldsAnswer first = HoldsOf(Do(AandB(lease, 0)));
  const Revision before = revision();
  const HoldsAnswer again = HoldsOf(Do(All({{"/b"}, {"/a"}}, lease, 0)));
  EXPECT_EQ(again.holds[0].token, first.holds[1].token);
  EXPECT_EQ(again.holds[1].token, first.holds[0].token);
  EXPECT_EQ(TokenOf(Do(AcquireOf("/a", lease, 0))), first.holds[0].token);
  EXPECT_EQ(revision(), before);
  EXPECT_EQ(CodeOf(Do(All({{"/a", LockMode::kShared}, {"/b"}}, lease, 0))), Errc::kHeldOtherwise);
  EXPECT_EQ(CodeOf(Do(All({{"/a"}, {"/b"}, {"/c"}}, lease, 0))), Errc::kHeldOtherwise);
}

TEST_F(MultiLockTest, TheSameLeaseKeepsItsPlacesAndOtherRequestsOfItAreRefused) {
  const FenceToken b = Take("/b");
  const LeaseId lease = Lease(600'000);
  const uint64_t old_request = Wait(AandB(lease, 2000));
  EXPECT_EQ(CodeOf(Do(AcquireOf("/a", lease, 1000))), Errc::kHeldOtherwise);
  EXPECT_EQ(CodeOf(Do(All({{"/a"}}, lease, 1000))), Errc::kHeldOtherwise);
  EXPECT_EQ(CodeOf(Do(All({{"/a"}, {"/c"}}, lease, 1000))), Errc::kHeldOtherwise);
  const uint64_t behind = Wait(AandB(LeaseId(), 50'000));
  const uint64_t new_request = Wait(All({{"/b"}, {"/a"}}, lease, 50'000));
  EXPECT_EQ(CodeOf(AnswerTo(old_request)), Errc::kLockUnavailable);
  Pass(2000);
  ReleaseToken("/b", b);
  EXPECT_EQ(HoldsOf(AnswerTo(new_request)).holds.size(), 2u);
  EXPECT_TRUE(IsWaiting(behind));
}

TEST_F(MultiLockTest, ATryOfALeaseThatWaitsEndsItsWaitEverywhere) {
  Take("/b");
  const LeaseId lease = Lease(600'000);
  Wait(AandB(lease, 50'000));
  EXPECT_EQ(CodeOf(Do(AandB(lease, 0))), Errc::kLockUnavailable);
  EXPECT_EQ(machine().counts().waiters, 0u);
  EXPECT_TRUE(machine().Read(GetLease{lease}, now()).has_value());
}

TEST_F(MultiLockTest, AKeyedWaitIsJoinedByItsRepeat) {
  const FenceToken b = Take("/b");
  Run(MakeKeyed("k", AandB(LeaseId(), 50'000)));
  const uint64_t first = last_seq;
  Run(MakeKeyed("k", AandB(LeaseId(), 50'000)));
  const uint64_t repeat = last_seq;
  EXPECT_EQ(machine().counts().waiters, 2u);
  ReleaseToken("/b", b);
  EXPECT_TRUE(IsWaiting(first));
  const HoldsAnswer holds = HoldsOf(AnswerTo(repeat));
  const HoldsAnswer replayed = HoldsOf(Run(MakeKeyed("k", AandB(LeaseId(), 50'000))));
  EXPECT_EQ(replayed.holds[0].token, holds.holds[0].token);
}

TEST_F(MultiLockTest, AReplayHasNothingLeftOnceOneOfItsHoldsIsGone) {
  const LeaseId lease = Lease(600'000);
  const HoldsAnswer holds = HoldsOf(Run(MakeKeyed("k", AandB(lease, 0))));
  EXPECT_EQ(HoldsOf(Run(MakeKeyed("k", AandB(lease, 0)))).lease_deadline, now() + 600'000);
  ReleaseToken("/b", holds.holds[1].token);
  const HoldsAnswer replayed = HoldsOf(Run(MakeKeyed("k", AandB(lease, 0))));
  EXPECT_EQ(replayed.lease_deadline, now());
  EXPECT_EQ(replayed.holds[0].token, holds.holds[0].token);
}

TEST_F(MultiLockTest, ElectionsAndSemaphoresAreNotForIt) {
  Do(CampaignOf("/e", LeaseId(), 0));
  EXPECT_EQ(CodeOf(Do(All({{"/a"}, {"/e"}}, LeaseId(), 0))), Errc::kWrongKind);
  Acquire semaphore = AcquireOf("/s", LeaseId(), 0);
  semaphore.limit = 2;
  Do(semaphore);
  EXPECT_EQ(CodeOf(Do(All({{"/a"}, {"/s"}}, LeaseId(), 0))), Errc::kLimitMismatch);
  Take("/b");
  Wait(AandB(LeaseId(), 50'000));
  Acquire other = AcquireOf("/a", LeaseId(), 0);
  other.limit = 2;
  EXPECT_EQ(CodeOf(Do(other)), Errc::kLimitMismatch);
  EXPECT_EQ(CodeOf(Do(AandB(LeaseId(99), 0))), Errc::kLeaseNotFound);
}

TEST_F(MultiLockTest, ADelayOfOneHoldsAllBack) {
  Acquire delayed = AcquireOf("/b", LeaseId(), 0);
  delayed.lock_delay_ms = 3000;
  Do(delayed);
  Pass(10'000);
  const uint64_t both = Wait(AandB(LeaseId(), 50'000));
  Pass(2999);
  EXPECT_TRUE(IsWaiting(both));
  Pass(1);
  EXPECT_EQ(HoldsOf(AnswerTo(both)).holds.size(), 2u);
}

TEST_F(MultiLockTest, AnAnswerThatCouldNotBeRecordedIsRefusedBeforeAnythingHappens) {
  Wants wants;
  for (int i = 10; i < 90; ++i)
    wants.push_back(
        {"/" + std::string(200, 'x') + "/" + std::string(250, 'y') + std::to_string(i)});
  const Revision before = revision();
  EXPECT_EQ(CodeOf(Run(MakeKeyed("k", All(wants, LeaseId(), 0)))), Errc::kTooLarge);
  EXPECT_EQ(revision(), before);
  wants.resize(40);
  EXPECT_EQ(HoldsOf(Run(MakeKeyed("j", All(wants, LeaseId(), 0)))).holds.size(), 40u);
}

}  // namespace
}  // namespace synod::machine
