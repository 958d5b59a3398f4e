#include <gtest/gtest.h>

#include <functional>

#include "tests/unit/machine/machine_fixture.h"

namespace synod::machine {
namespace {

class ExactlyOnceTest : public MachineTest {
 protected:
  ExactlyOnceTest() = default;
  explicit ExactlyOnceTest(const auth::Settings& settings) : MachineTest(settings) {}

  Put PutOf(const std::string& path, const std::string& value = "x") {
    return Put{path, value, {}, {}, false};
  }
  // The same request again, as another attempt.
  Command Again(Command command) {
    command.id.seq = ++last_seq;
    return command;
  }
  static Refusal RefusalOf(const std::optional<Answer>& answer) {
    return std::get<Refusal>(answer->body);
  }
  static int64_t RemainingOf(const std::optional<Answer>& hold) {
    return std::get<HoldAnswer>(hold->body).lease_deadline.value - hold->time.value;
  }
};

TEST_F(ExactlyOnceTest, ARepeatGetsTheFirstAnswerAndRunsNothing) {
  const Command command = MakeKeyed("k", PutOf("/a"));
  const auto first = Run(command);
  PutNode("/b", "");
  Pass(1000);
  const auto again = Run(Again(command));
  EXPECT_FALSE(first->replayed);
  EXPECT_TRUE(again->replayed);
  EXPECT_EQ(again->revision, first->revision);
  EXPECT_EQ(again->time, now());
  EXPECT_EQ(std::get<PutAnswer>(again->body).node.node->version, 1u);
  EXPECT_EQ(machine().tree().Find("/a")->version, 1u);
  EXPECT_EQ(revision(), Revision(2));
}

TEST_F(ExactlyOnceTest, ARepeatThroughAnotherNodeIsAnsweredThere) {
  Command command = MakeKeyed("k", PutOf("/a"));
  command.id.node = NodeId(2);
  EXPECT_FALSE(Run(command).has_value());
  command.id = {NodeId(1), 77, ++last_seq};
  EXPECT_TRUE(Run(command)->replayed);
}

TEST_F(ExactlyOnceTest, ARefusalIsRecordedToo) {
  const Command command =
      MakeKeyed("k", Put{"/a", "x", {}, {store::Precondition::Kind::kExists, 0}, false});
  EXPECT_EQ(CodeOf(Run(command)), Errc::kPreconditionFailed);
  PutNode("/a", "");
  const auto again = Run(Again(command));
  EXPECT_EQ(CodeOf(again), Errc::kPreconditionFailed);
  EXPECT_TRUE(again->replayed);
  EXPECT_EQ(again->revision, Revision(0));
}

TEST_F(ExactlyOnceTest, AnotherRequestUnderTheKeyIsRefused) {
  Run(MakeKeyed("k", PutOf("/a"), 1));
  EXPECT_EQ(CodeOf(Run(MakeKeyed("k", PutOf("/b"), 2))), Errc::kIdempotencyKeyReused);
  EXPECT_FALSE(Exists("/b"));
}

TEST_F(ExactlyOnceTest, KeysBelongToTheirUser) {
  user = "ann";
  Run(MakeKeyed("k", PutOf("/a"), 1));
  user = "bob";
  const auto answer = Run(MakeKeyed("k", PutOf("/b"), 2));
  EXPECT_EQ(CodeOf(answer), Errc::kOk);
  EXPECT_FALSE(answer->replayed);
}

TEST_F(ExactlyOnceTest, ARecordLivesForTheRetention) {
  const Command command = MakeKeyed("k", PutOf("/a"));
  Run(command);
  Pass(600'000);
  EXPECT_TRUE(Run(Again(command))->replayed);
  Pass(1);
  EXPECT_EQ(machine().counts().idempotency_records, 0u);
  EXPECT_FALSE(Run(Again(command))->replayed);
}

TEST_F(ExactlyOnceTest, ARecordLivesUntilItsNotAfterAndThenNothingRuns) {
  Command command = MakeKeyed("k", PutOf("/a"));
  command.not_after = now() + 1000;
  Run(command);
  Pass(1000);
  EXPECT_TRUE(Run(Again(command))->replayed);
  Pass(1);
  const auto late = Run(Again(command));
  EXPECT_EQ(CodeOf(late), Errc::kRequestExpired);
  EXPECT_EQ(RefusalOf(late).error.outcome, Outcome::kUnknown);
  EXPECT_EQ(machine().tree().Find("/a")->version, 1u);
}

TEST_F(ExactlyOnceTest, WithoutAKeyAnExpiredRequestIsKnownNotToHaveRun) {
  Command command = Make(PutOf("/a"));
  command.not_after = now() + 10;
  now_ = now_ + 11;
  const auto answer = Run(command);
  EXPECT_EQ(CodeOf(answer), Errc::kRequestExpired);
  EXPECT_EQ(RefusalOf(answer).error.outcome, Outcome::kNotApplied);
  EXPECT_FALSE(Exists("/a"));
}

TEST_F(ExactlyOnceTest, ARequestRunsUpToItsNotAfter) {
  Command command = Make(PutOf("/a"));
  command.not_after = now() + 10;
  now_ = now_ + 10;
  EXPECT_EQ(CodeOf(Run(command)), Errc::kOk);
}

TEST_F(ExactlyOnceTest, ANotAfterBeyondTheRetentionIsRefused) {
  for (const bool keyed : {false, true}) {
    Command command = keyed ? MakeKeyed("k", PutOf("/a")) : Make(PutOf("/a"));
    command.not_after = now() + 600'001;
    EXPECT_EQ(CodeOf(Run(command)), Errc::kInvalidRequest);
    command.not_after = now() + 600'000;
    EXPECT_EQ(CodeOf(Run(Again(command))), Errc::kOk);
  }
}

TEST_F(ExactlyOnceTest, AFenceIsJudgedAfterTheRecord) {
  const FenceToken token = TokenOf(Do(AcquireOf("/l", LeaseId(), 0)));
  Command command = MakeKeyed("k", PutOf("/a"));
  command.fences.push_back({"/l", token});
  Run(command);
  Do(Release{LockKind::kLock, "/l", token});
  EXPECT_TRUE(Run(Again(command))->replayed);
  Command other = MakeKeyed("k2", PutOf("/b"));
  other.fences.push_back({"/l", token});
  EXPECT_EQ(CodeOf(Run(other)), Errc::kFenced);
  EXPECT_TRUE(Run(Again(other))->replayed);
}

TEST_F(ExactlyOnceTest, AnAnswerTooLargeToRecordIsNotApplied) {
  PutNode("/a", std::string(70'000, 'x'));
  Put put{"/a", "small", {}, {}, true};
  const Command command = MakeKeyed("k", put);
  const auto answer = Run(command);
  EXPECT_EQ(CodeOf(answer), Errc::kTooLarge);
  EXPECT_EQ(RefusalOf(answer).limit, 65'536u);
  EXPECT_EQ(machine().tree().Find("/a")->value.size(), 70'000u);
  EXPECT_EQ(revision(), Revision(1));
  EXPECT_TRUE(Run(Again(command))->replayed);
  EXPECT_EQ(CodeOf(Do(put)), Errc::kOk);
}

TEST_F(ExactlyOnceTest, AReadTooLargeToRecordIsRefused) {
  PutNode("/a", std::string(70'000, 'x'));
  Txn txn;
  txn.then_ops.emplace_back(TxnGet{"/a"});
  EXPECT_EQ(CodeOf(Run(MakeKeyed("k", txn))), Errc::kTooLarge);
  EXPECT_EQ(CodeOf(Do(txn)), Errc::kOk);
}

TEST_F(ExactlyOnceTest, AReplayedGrantTellsWhatItsLeaseHasLeftNow) {
  const Command command = MakeKeyed("k", LeaseGrant{5000, "w"});
  const auto first = Run(command);
  const LeaseId id = std::get<LeaseAnswer>(first->body).lease.id;
  Pass(3000);
  const auto again = Run(Again(command));
  const ClusterTime deadline = std::get<LeaseAnswer>(again->body).lease.deadline;
  EXPECT_EQ(deadline.value - again->time.value, 2000);
  Do(LeaseRevoke{id});
  const auto gone = Run(Again(command));
  EXPECT_EQ(std::get<LeaseAnswer>(gone->body).lease.deadline, gone->time);
  EXPECT_EQ(std::get<LeaseAnswer>(gone->body).lease.id, id);
}

// A hold is gone before its lease is, and somebody else may have the lock by then.
TEST_F(ExactlyOnceTest, AReplayedHoldHasNothingLeftOnceItIsGone) {
  const LeaseId lease = Lease(600'000);
  const LeaseId other = Lease(600'000);
  struct Case {
    const char* name;
    Acquire acquire;
    std::function<Operation(FenceToken)> end;
  };
  const std::string key = "/.synod/locks/broken/@0000000001";
  const Case cases[] = {{"released", AcquireOf("/released", lease, 0),
                         [](FenceToken token) {
                           return Release{LockKind::kLock, "/released", token};
                         }},
                        {"broken", AcquireOf("/broken", lease, 0),
                         [&](FenceToken) {
                           return Delete{key, false, {}, false, true};
                         }},
                        {"resigned", CampaignOf("/resigned", lease, 0), [](FenceToken token) {
                           return Release{LockKind::kElection, "/resigned", token};
                         }}};
  for (const Case& c : cases) {
    const Command command = MakeKeyed(c.name, c.acquire);
    const FenceToken token = TokenOf(Run(command));
    EXPECT_EQ(RemainingOf(Run(Again(command))), 600'000) << c.name;
    EXPECT_EQ(CodeOf(Do(c.end(token))), Errc::kOk) << c.name;
    Acquire next = c.acquire;
    next.lease = other;
    EXPECT_GT(TokenOf(Do(next)), token) << c.name;
    const auto replayed = Run(Again(command));
    EXPECT_EQ(TokenOf(replayed), token) << c.name;
    EXPECT_EQ(RemainingOf(replayed), 0) << c.name;
  }
}

// --- waits ---

TEST_F(ExactlyOnceTest, ARepeatJoinsTheWaitAndGetsItsAnswer) {
  const FenceToken held = TokenOf(Do(AcquireOf("/l", LeaseId(), 0)));
  const Command command = MakeKeyed("k", AcquireOf("/l", LeaseId(), 8000));
  EXPECT_FALSE(Run(command).has_value());
  Do(Disown{command.id});
  Pass(2000);
  const Command repeat = Again(command);
  EXPECT_FALSE(Run(repeat).has_value());
  EXPECT_EQ(last_applied.waiting, std::vector<uint64_t>{repeat.id.seq});
  EXPECT_EQ(machine().counts().waiters, 1u);
  Do(Release{LockKind::kLock, "/l", held});
  EXPECT_FALSE(AnswerTo(command.id.seq).has_value());
  const auto granted = AnswerTo(repeat.id.seq);
  EXPECT_NE(TokenOf(granted), FenceToken());
  EXPECT_FALSE(granted->replayed);
  const auto later = Run(Again(command));
  EXPECT_TRUE(later->replayed);
  EXPECT_EQ(TokenOf(later), TokenOf(granted));
  EXPECT_EQ(machine().counts().holders, 1u);
}

TEST_F(ExactlyOnceTest, ARepeatDoesNotLengthenTheWait) {
  Do(AcquireOf("/l", LeaseId(), 0));
  const Command command = MakeKeyed("k", AcquireOf("/l", LeaseId(), 3000));
  Run(command);
  Pass(2000);
  const Command repeat = Again(command);
  Run(repeat);
  Pass(1000);
  EXPECT_EQ(CodeOf(AnswerTo(repeat.id.seq)), Errc::kLockUnavailable);
  EXPECT_TRUE(Run(Again(command))->replayed);
}

TEST_F(ExactlyOnceTest, AGrantToALostClientWithAKeyStaysForItsRepeat) {
  const FenceToken held = TokenOf(Do(AcquireOf("/l", LeaseId(), 0)));
  const Command command = MakeKeyed("k", AcquireOf("/l", LeaseId(), 8000));
  Run(command);
  Do(Disown{command.id});
  Do(Release{LockKind::kLock, "/l", held});
  EXPECT_EQ(machine().counts().holders, 1u);
  const auto repeat = Run(Again(command));
  EXPECT_TRUE(repeat->replayed);
  EXPECT_GT(TokenOf(repeat), held);
}

TEST_F(ExactlyOnceTest, TheWithdrawalOfALostWaitIsNotRecorded) {
  Do(AcquireOf("/l", LeaseId(), 0));
  const Command command = MakeKeyed("k", AcquireOf("/l", LeaseId(), 60'000));
  Run(command);
  EXPECT_EQ(machine().counts().idempotency_records, 1u);
  Do(Disown{command.id});
  Pass(5000);
  EXPECT_EQ(machine().counts().idempotency_records, 0u);
  const Command repeat = Again(command);
  EXPECT_FALSE(Run(repeat).has_value());
  EXPECT_EQ(last_applied.waiting, std::vector<uint64_t>{repeat.id.seq});
}

TEST_F(ExactlyOnceTest, ARepeatAfterTheNotAfterStillJoinsTheWait) {
  const FenceToken held = TokenOf(Do(AcquireOf("/l", LeaseId(), 0)));
  const LeaseId lease = Lease(60'000);
  Command command = MakeKeyed("k", AcquireOf("/l", lease, 60'000));
  command.not_after = now() + 1000;
  Run(command);
  Pass(5000);
  const Command repeat = Again(command);
  EXPECT_FALSE(Run(repeat).has_value());
  Do(Release{LockKind::kLock, "/l", held});
  EXPECT_NE(TokenOf(AnswerTo(repeat.id.seq)), FenceToken());
  EXPECT_TRUE(Run(Again(command))->replayed);
}

// What a sender is told whose place a repeat took.
class JoinedTest : public ExactlyOnceTest {
 protected:
  using State = Machine::Joined::State;
  void SetUp() override {
    held_ = TokenOf(Do(AcquireOf("/l", LeaseId(), 0)));
    first_ = MakeKeyed("k", AcquireOf("/l", LeaseId(), 60'000));
    repeat_ = Again(first_);
    Run(first_);
    Run(repeat_);
  }
  State StateOf(const Command& command) { return machine().JoinedOf(command).state; }

  FenceToken held_;
  Command first_;
  Command repeat_;
};

TEST_F(JoinedTest, WaitsWithTheRepeatUntilItsClientHasGone) {
  EXPECT_EQ(StateOf(first_), State::kWaits);
  Do(Disown{repeat_.id});
  EXPECT_EQ(StateOf(first_), State::kDisowned);
  Run(Again(first_));
  EXPECT_EQ(StateOf(first_), State::kWaits);
}

TEST_F(JoinedTest, IsGoneWithThePlace) {
  Do(Disown{repeat_.id});
  Pass(4999);
  EXPECT_EQ(StateOf(first_), State::kDisowned);
  Pass(1);
  EXPECT_EQ(StateOf(first_), State::kGone);
}

TEST_F(JoinedTest, IsToldTheRecordedAnswer) {
  Do(Release{LockKind::kLock, "/l", held_});
  const Machine::Joined joined = machine().JoinedOf(first_);
  ASSERT_EQ(joined.state, State::kAnswered);
  EXPECT_TRUE(joined.answer.replayed);
  EXPECT_EQ(TokenOf(joined.answer), TokenOf(AnswerTo(repeat_.id.seq)));
  EXPECT_GT(TokenOf(joined.answer), held_);
}

TEST_F(JoinedTest, KnowsNothingOfAnotherKeyOrAnotherRequestUnderTheKey) {
  Command other_key = first_;
  other_key.idempotency_key = "other";
  Command other_request = first_;
  other_request.fingerprint = {2, 2};
  for (const Command& command : {other_key, other_request}) {
    EXPECT_EQ(StateOf(command), State::kGone);
  }
  Do(Release{LockKind::kLock, "/l", held_});
  EXPECT_EQ(StateOf(first_), State::kAnswered);
  for (const Command& command : {other_key, other_request}) {
    EXPECT_EQ(StateOf(command), State::kGone);
  }
}

TEST_F(ExactlyOnceTest, ATakenOverWaitWithAKeyOfItsOwnIsRecordedAsRefused) {
  Do(AcquireOf("/l", LeaseId(), 0));
  const LeaseId lease = Lease(60'000);
  const Command first = MakeKeyed("k1", AcquireOf("/l", lease, 60'000));
  const Command second = MakeKeyed("k2", AcquireOf("/l", lease, 60'000));
  Run(first);
  Run(second);
  EXPECT_EQ(CodeOf(AnswerTo(first.id.seq)), Errc::kLockUnavailable);
  EXPECT_TRUE(Run(Again(first))->replayed);
  EXPECT_EQ(machine().counts().waiters, 1u);
}

TEST_F(ExactlyOnceTest, AHoldAtOnceIsRecorded) {
  const Command command = MakeKeyed("k", AcquireOf("/l", LeaseId(), 0));
  const auto first = Run(command);
  Pass(4000);
  const auto again = Run(Again(command));
  EXPECT_TRUE(again->replayed);
  EXPECT_EQ(TokenOf(again), TokenOf(first));
  EXPECT_EQ(RemainingOf(again), 6000);
}

TEST_F(ExactlyOnceTest, AKeyedCampaignWithALargeValueIsRefusedBeforeItWaits) {
  Acquire campaign = CampaignOf("/e", LeaseId(), 1000);
  campaign.value = std::string(65'536, 'v');
  EXPECT_EQ(CodeOf(Run(MakeKeyed("k", campaign))), Errc::kTooLarge);
  EXPECT_NE(TokenOf(Do(campaign)), FenceToken());
}

// The holders of a 423 are shown, not owed: a record of it stays small.
TEST_F(ExactlyOnceTest, ATimedOutWaitBehindALargeValueIsStillRecorded) {
  Acquire large = AcquireOf("/l", Lease(60'000), 0);
  large.value = std::string(100'000, 'v');
  Do(large);
  const Command command = MakeKeyed("k", AcquireOf("/l", LeaseId(), 1000));
  Run(command);
  Pass(1000);
  EXPECT_EQ(CodeOf(AnswerTo(command.id.seq)), Errc::kLockUnavailable);
  EXPECT_TRUE(Run(Again(command))->replayed);
}

// --- a full table ---

class FullTableTest : public ExactlyOnceTest {
 protected:
  static auth::Settings Small() {
    auth::Settings settings;
    settings.idempotency_bytes_max = 2000;
    return settings;
  }
  FullTableTest() : ExactlyOnceTest(Small()) {}
};

TEST_F(FullTableTest, RefusesNewKeysBeforeAnythingHappensAndServesOldOnes) {
  const Command first = MakeKeyed("k0", PutOf("/n0"));
  Run(first);
  int made = 1;
  while (machine().counts().idempotency_bytes < 2000)
    Run(MakeKeyed("k" + std::to_string(made++), PutOf("/n")));
  const Command refused = MakeKeyed("new", PutOf("/new"));
  EXPECT_EQ(CodeOf(Run(refused)), Errc::kOverloaded);
  EXPECT_FALSE(Exists("/new"));
  EXPECT_TRUE(Run(Again(first))->replayed);
  EXPECT_EQ(CodeOf(PutNode("/unkeyed", "")), Errc::kOk);
  Pass(600'001);
  const auto answer = Run(Again(refused));
  EXPECT_EQ(CodeOf(answer), Errc::kOk);
  EXPECT_FALSE(answer->replayed);
}

}  // namespace
}  // namespace synod::machine
