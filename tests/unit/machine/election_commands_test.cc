#include <gtest/gtest.h>

#include "tests/unit/machine/machine_fixture.h"

namespace synod::machine {
namespace {

class ElectionTest : public MachineTest {
 protected:
  uint64_t Wait(LeaseId lease) {
    EXPECT_FALSE(Do(CampaignOf("/e", lease, 50'000)).has_value());
    return last_seq;
  }
  HoldAnswer Lead(LeaseId lease) {
    return std::get<HoldAnswer>(Do(CampaignOf("/e", lease, 0))->body);
  }
  std::optional<Answer> Resign(FenceToken token) {
    return Do(Release{LockKind::kElection, "/e", token});
  }
  LockResult Get() { return ReadAs<LockResult>(GetLock{LockKind::kElection, "/e"}); }
  // What the election's own node says, which is what observers follow.
  std::string Announced() {
    const store::NodeRef node = machine().tree().Find("/.synod/locks/e");
    return node == nullptr ? "(none)" : std::string(node->value.view());
  }
  static std::string TextOf(const HoldAnswer& leader, Revision since) {
    return "{\"token\":" + std::to_string(leader.token.value) +
           ",\"lease\":" + std::to_string(leader.lease.value) +
           ",\"since_revision\":" + std::to_string(since.value) + ",\"key\":\"" +
           leader.key.substr(leader.key.rfind('/') + 1) + "\"}";
  }
  // The paths that the last entry's only revision changed.
  std::vector<std::string> ChangedPaths() {
    std::vector<std::string> paths;
    EXPECT_EQ(last_applied.revisions.size(), 1u);
    if (last_applied.revisions.empty())
      return paths;
    for (const store::Change& change : last_applied.revisions[0]->changes)
      paths.push_back(change.path);
    return paths;
  }
};

TEST_F(ElectionTest, TheFirstCandidateLeads) {
  const LeaseId lease = Lease(10'000);
  const HoldAnswer leader = Lead(lease);
  EXPECT_EQ(leader.kind, LockKind::kElection);
  EXPECT_EQ(leader.path, "/e");
  EXPECT_EQ(leader.value, "who");
  EXPECT_EQ(leader.lease, lease);
  EXPECT_EQ(Announced(), TextOf(leader, revision()));
}

TEST_F(ElectionTest, TheHistoryTellsWhoLed) {
  const Revision before = revision();
  const HoldAnswer leader = Lead(Lease(10'000));
  const Revision since = revision();
  const auto led = [&](Revision at) {
    const std::optional<Holder> holder = *machine().LeaderAt("/e", at);
    return holder ? holder->token : FenceToken();
  };
  EXPECT_EQ(led(Revision()), FenceToken()) << "before the first revision nobody led";
  EXPECT_EQ(led(before), FenceToken());
  Resign(leader.token);
  EXPECT_EQ(led(since), leader.token);
  EXPECT_EQ(led(revision()), FenceToken());
}

TEST_F(ElectionTest, NobodyLeadsWhatNobodyCampaignedFor) {
  const LockResult election = Get();
  EXPECT_TRUE(election.holders.empty());
  EXPECT_TRUE(election.waiters.empty());
  EXPECT_EQ(election.kind, LockKind::kElection);
}

TEST_F(ElectionTest, ResigningMakesTheNextCandidateLeadInTheSameRevision) {
  const HoldAnswer first = Lead(Lease(60'000));
  const uint64_t second = Wait(Lease(60'000));
  const auto resigned = Resign(first.token);
  const auto elected = AnswerTo(second);
  EXPECT_EQ(elected->revision, resigned->revision);
  EXPECT_GT(TokenOf(elected), first.token);
  EXPECT_EQ(ChangedPaths(), (std::vector<std::string>{"/.synod/locks/e", first.key}));
  EXPECT_EQ(Announced(), TextOf(std::get<HoldAnswer>(elected->body), revision()));
}

TEST_F(ElectionTest, TheLeaderProclaimsANewValue) {
  const HoldAnswer leader = Lead(Lease(60'000));
  const std::string announced = Announced();
  const auto answer = Do(Proclaim{"/e", leader.token, "term two"});
  EXPECT_EQ(CodeOf(answer), Errc::kOk);
  EXPECT_EQ(answer->revision, revision());
  EXPECT_EQ(ChangedPaths(), (std::vector<std::string>{"/.synod/locks/e", leader.key}));
  EXPECT_EQ(Announced(), announced);
  EXPECT_EQ(Get().holders[0].value, "term two");
  EXPECT_EQ(Get().holders[0].token, leader.token);
}

TEST_F(ElectionTest, AProclaimedValueCountsForTheLease) {
  const LeaseId lease = Lease(60'000);
  const HoldAnswer leader = Lead(lease);
  for (int i = 0; i < 15; ++i) PutNode("/n" + std::to_string(i), std::string(1 << 20, 'x'), lease);
  EXPECT_EQ(CodeOf(Do(Proclaim{"/e", leader.token, std::string(1 << 20, 'y')})), Errc::kTooLarge);
  EXPECT_EQ(Get().holders[0].value, "who");
  EXPECT_EQ(CodeOf(Do(Proclaim{"/e", leader.token, std::string((1 << 20) + 1, 'y')})),
            Errc::kTooLarge);
}

TEST_F(ElectionTest, ANamedCandidateLeadsNext) {
  const HoldAnswer first = Lead(Lease(60'000));
  const uint64_t second = Wait(Lease(60'000));
  const LeaseId chosen = Lease(60'000);
  const uint64_t third = Wait(chosen);
  const auto transferred = Do(Transfer{"/e", first.token, chosen});
  EXPECT_EQ(CodeOf(transferred), Errc::kOk);
  EXPECT_FALSE(AnswerTo(second).has_value());
  const auto elected = AnswerTo(third);
  ASSERT_TRUE(elected.has_value());
  EXPECT_EQ(elected->revision, transferred->revision);
  EXPECT_EQ(Get().holders[0].lease, chosen);
  EXPECT_EQ(Get().waiters.size(), 1u);
  Resign(TokenOf(elected));
  EXPECT_GT(TokenOf(AnswerTo(second)), TokenOf(elected));
}

TEST_F(ElectionTest, OnlyACandidateCanBeNamed) {
  const LeaseId own = Lease(60'000);
  const HoldAnswer leader = Lead(own);
  EXPECT_EQ(CodeOf(Do(Transfer{"/e", leader.token, Lease(60'000)})), Errc::kLeaseNotFound);
  EXPECT_EQ(CodeOf(Do(Transfer{"/e", leader.token, LeaseId(999)})), Errc::kLeaseNotFound);
  EXPECT_EQ(CodeOf(Do(Transfer{"/e", leader.token, own})), Errc::kLeaseNotFound);
  EXPECT_EQ(Get().holders[0].token, leader.token);
}

TEST_F(ElectionTest, ACandidateThatIsPastItsTimeCannotBeNamed) {
  const HoldAnswer leader = Lead(Lease(60'000));
  const LeaseId dying = Lease(3000);
  Wait(dying);
  now_ = now_ + 3000;
  EXPECT_EQ(CodeOf(Do(Transfer{"/e", leader.token, dying})), Errc::kLeaseNotFound);
}

TEST_F(ElectionTest, AStaleTokenIsFenced) {
  const HoldAnswer first = Lead(Lease(60'000));
  const LeaseId second = Lease(60'000);
  Wait(second);
  Resign(first.token);
  EXPECT_EQ(CodeOf(Resign(first.token)), Errc::kFenced);
  EXPECT_EQ(CodeOf(Do(Proclaim{"/e", first.token, ""})), Errc::kFenced);
  EXPECT_EQ(CodeOf(Do(Transfer{"/e", first.token, second})), Errc::kFenced);
  EXPECT_EQ(CodeOf(Do(Proclaim{"/none", first.token, ""})), Errc::kFenced);
  EXPECT_EQ(CodeOf(Do(AcquireOf("/e", LeaseId(), 0))), Errc::kWrongKind);
  EXPECT_EQ(CodeOf(Do(Release{LockKind::kLock, "/e", first.token})), Errc::kWrongKind);
}

TEST_F(ElectionTest, AnExpiredLeaderIsFencedAtItsDeadline) {
  const HoldAnswer leader = Lead(Lease(3000));
  now_ = now_ + 3000;
  EXPECT_EQ(CodeOf(Do(Proclaim{"/e", leader.token, "late"})), Errc::kFenced);
  EXPECT_EQ(Announced(), "(none)");
}

TEST_F(ElectionTest, ItsNodeTellsOfNobodyWhileOthersLieBelow) {
  const HoldAnswer leader = Lead(Lease(60'000));
  Do(AcquireOf("/e/inner", LeaseId(), 0));
  Resign(leader.token);
  EXPECT_EQ(Announced(), "");
  EXPECT_EQ(machine().counts().locks, 1u);
}

TEST_F(ElectionTest, ACampaignHasNeitherModeNorDelay) {
  Acquire shared = CampaignOf("/e", LeaseId(), 0);
  shared.mode = LockMode::kShared;
  EXPECT_EQ(CodeOf(Do(shared)), Errc::kInvalidRequest);
  Acquire several = CampaignOf("/e", LeaseId(), 0);
  several.limit = 2;
  EXPECT_EQ(CodeOf(Do(several)), Errc::kInvalidRequest);
  Acquire delayed = CampaignOf("/e", LeaseId(), 0);
  delayed.lock_delay_ms = 10;
  EXPECT_EQ(CodeOf(Do(delayed)), Errc::kInvalidRequest);
}

TEST_F(ElectionTest, ARequestLeaseEndsWithTheResignation) {
  const HoldAnswer leader = Lead(LeaseId());
  EXPECT_EQ(machine().counts().leases, 1u);
  Resign(leader.token);
  EXPECT_EQ(machine().counts().leases, 0u);
  EXPECT_EQ(Announced(), "(none)");
}

}  // namespace
}  // namespace synod::machine
