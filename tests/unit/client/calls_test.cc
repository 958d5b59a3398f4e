#include "src/client/calls.h"

#include <gtest/gtest.h>

#include <optional>
#include <set>

#include "tests/unit/client/fake_runtime.h"

namespace synod::client {
namespace {

struct JudgeCase {
  const char* name;
  int status;  // 0: no answer
  const char* code;
  Outcome outcome;
  bool change;
  bool before;  // an earlier attempt may have been applied
  bool repeat;
  bool anew;
  bool maybe_applied;
  bool replayed = false;
};

constexpr Outcome kNot = Outcome::kNotApplied;
constexpr Outcome kMaybe = Outcome::kUnknown;

const JudgeCase kJudgeCases[] = {
    // No answer: sent or not is all that is known.
    {"ReadWithoutAnswer", 0, "", kMaybe, false, false, true, false, false},
    {"ChangeNotSent", 0, "", kNot, true, false, true, false, false},
    {"ChangeSent", 0, "", kMaybe, true, false, true, false, true},
    {"ChangeNotSentAfterOneThatWas", 0, "", kNot, true, true, true, false, true},
    // The cluster's troubles.
    {"NoLeaderNotApplied", 503, "no_leader", kNot, true, false, true, false, false},
    {"NoLeaderUnknown", 503, "no_leader", kMaybe, true, false, true, false, true},
    {"NotReadyAfterUnknown", 503, "not_ready", kNot, true, true, true, false, true},
    {"ShuttingDown", 503, "shutting_down", kMaybe, true, false, true, false, true},
    {"DeadlineUnknown", 504, "deadline_exceeded", kMaybe, true, false, true, false, true},
    {"DeadlineOfARead", 504, "deadline_exceeded", kNot, false, false, true, false, false},
    {"Overloaded", 429, "overloaded", kNot, true, false, true, false, false},
    {"InternalError", 500, "internal", kMaybe, true, false, true, false, true},
    {"StorageFull", 503, "storage_full", kNot, true, false, false, false, false},
    // Decided by the state machine, whichever attempt it was.
    {"Created", 201, "", kNot, true, true, false, false, false},
    {"PreconditionFailed", 412, "precondition_failed", kNot, true, false, false, false, false},
    {"PreconditionAfterUnknown", 412, "precondition_failed", kNot, true, true, false, false, false},
    {"Fenced", 412, "fenced", kNot, true, false, false, false, false},
    {"LockUnavailable", 423, "lock_unavailable", kNot, true, false, false, false, false},
    {"LeaseGoneAfterUnknown", 404, "lease_not_found", kNot, true, true, false, false, false},
    {"NotHeldAfterUnknown", 404, "lock_not_held", kNot, true, true, false, false, false},
    {"NotEmptyAfterUnknown", 409, "not_empty", kNot, true, true, false, false, false},
    {"NotFoundReplayed", 404, "not_found", kNot, true, true, false, false, false, true},
    {"NotModified", 304, "", kNot, false, false, false, false, false},
    // Said without looking at the record.
    {"DeniedAfterUnknown", 403, "permission_denied", kNot, true, true, false, false, true},
    {"Unauthenticated", 401, "unauthenticated", kNot, true, false, false, false, false},
    {"MalformedAfterUnknown", 400, "invalid_request", kNot, true, true, false, false, true},
    {"NotFound", 404, "not_found", kNot, true, false, false, false, false},
    {"NotFoundAfterUnknown", 404, "not_found", kNot, true, true, false, false, true},
    {"NoSuchMethodAfterUnknown", 405, "method_not_allowed", kNot, true, true, false, false, true},
    {"RefusedMemberAfterUnknown", 409, "membership_refused", kNot, true, true, false, false, true},
    {"TooLarge", 413, "too_large", kNot, true, false, false, false, false},
    {"TooLargeAfterUnknown", 413, "too_large", kNot, true, true, false, false, true},
    {"HeadersAfterUnknown", 431, "request_header_fields_too_large", kNot, true, true, false, false,
     true},
    {"NotImplementedAfterUnknown", 501, "not_implemented", kNot, true, true, false, false, true},
    {"QuotaAfterUnknown", 409, "quota_exceeded", kNot, true, true, false, false, true},
    {"StorageFullAfterUnknown", 503, "storage_full", kNot, true, true, false, false, true},
    // The record of this key is there, so an earlier attempt may have made it.
    {"KeyReusedAfterUnknown", 422, "idempotency_key_reused", kNot, true, true, false, false, true},
    // Said by something on the way, which has no code.
    {"RedirectAfterUnknown", 302, "", kNot, true, true, false, false, true},
    {"NotFoundByAProxyAfterUnknown", 404, "", kNot, true, true, false, false, true},
    {"PreconditionOfAProxyAfterUnknown", 412, "", kNot, true, true, false, false, true},
    {"BadGateway", 502, "", kMaybe, true, false, true, false, true},
    // Too late: certainly not applied only if nothing else was ever sent under the key.
    {"ExpiredAtOnce", 409, "request_expired", kMaybe, true, false, true, true, false},
    {"ExpiredAfterUnknown", 409, "request_expired", kMaybe, true, true, false, false, true},
};

class JudgeTest : public testing::TestWithParam<JudgeCase> {};

TEST_P(JudgeTest, RepeatsWhatIsSafeAndTellsWhatIsKnown) {
  const JudgeCase& c = GetParam();
  const AttemptEnd end{c.status, c.code, c.outcome, c.replayed};
  const Verdict v = Judge(end, c.change, false, c.before);
  EXPECT_EQ(v.repeat, c.repeat);
  EXPECT_EQ(v.anew, c.anew);
  EXPECT_EQ(v.maybe_applied, c.maybe_applied);
}

INSTANTIATE_TEST_SUITE_P(All, JudgeTest, testing::ValuesIn(kJudgeCases), [](const auto& row) {
  return row.param.name;
});

TEST(JudgeTest, AKeyOfTheCallersIsNotReplaced) {
  EXPECT_FALSE(Judge({409, "request_expired", kMaybe}, true, true, false).repeat);
}

class CallsTest : public testing::Test {
 protected:
  Call Put() {
    Call call;
    call.method = "PUT";
    call.target = "/v1/kv/a";
    call.body = "x";
    return call;
  }
  void Start(Call call, Calls::OnData on_data = nullptr) {
    calls_.Start(
        std::move(call), [this](Result<Answer> answer) { answer_ = std::move(answer); },
        std::move(on_data));
    world_.Advance();
  }
  // A change asks for the time first.
  void GiveTime() {
    ASSERT_EQ(world_.exchange().request.target, "/v1/settings");
    world_.Reply(200, "{}");
  }

  FakeRuntime world_;
  Calls calls_{world_, 3};
  std::optional<Result<Answer>> answer_;
};

constexpr const char* kNoLeader = R"({"code":"no_leader","outcome":"not_applied"})";

TEST_F(CallsTest, AChangeCarriesAKeyAndATimeAfterWhichItIsNotApplied) {
  Start(Put());
  GiveTime();
  world_.Sleep(Milliseconds(0));
  const HttpRequest request = world_.exchange().request;
  EXPECT_EQ(HeaderOf(request, "Idempotency-Key").size(), 32U);
  EXPECT_EQ(HeaderOf(request, "Synod-Not-After"), "16000");
  world_.Reply(201, "{}");
  ASSERT_TRUE(answer_ && *answer_);
  // The next knows the time, and that it goes on.
  world_.Sleep(Milliseconds(2000));
  Start(Put());
  EXPECT_EQ(HeaderOf(world_.exchange().request, "Synod-Not-After"), "18000");
  EXPECT_NE(HeaderOf(world_.exchange().request, "Idempotency-Key"),
            HeaderOf(request, "Idempotency-Key"));
}

TEST_F(CallsTest, AnOldTimeIsAskedForAnew) {
  Start(Put());
  GiveTime();
  world_.Reply(201, "{}");
  world_.Sleep(Milliseconds(61'000));
  Start(Put());
  EXPECT_EQ(world_.exchange().request.target, "/v1/settings");
}

TEST_F(CallsTest, ReadsAndMembershipChangesAndRenewalsHaveNoNotAfter) {
  Call read;
  read.target = "/v1/kv/a";
  Start(read);
  EXPECT_EQ(HeaderOf(world_.exchange(0).request, "Idempotency-Key"), "");
  Call member = Put();
  member.method = "POST";
  member.target = "/v1/cluster/members";
  Start(member);
  EXPECT_NE(HeaderOf(world_.exchange(1).request, "Idempotency-Key"), "");
  EXPECT_EQ(HeaderOf(world_.exchange(1).request, "Synod-Not-After"), "");
  Call renewal = Put();
  renewal.repeatable = true;
  Start(renewal);
  EXPECT_TRUE(world_.exchange(2).request.headers.empty());
}

TEST_F(CallsTest, ARepeatIsTheSameRequestAtTheNextEndpoint) {
  Start(Put());
  GiveTime();
  const HttpRequest first = world_.exchange().request;
  EXPECT_EQ(world_.exchange().endpoint, 0U);
  world_.Fail(Outcome::kUnknown);
  world_.Advance(Milliseconds(1000));
  ASSERT_EQ(world_.open(), 1U);
  EXPECT_EQ(world_.exchange().endpoint, 1U);
  EXPECT_EQ(world_.exchange().request.headers, first.headers);
  EXPECT_EQ(world_.exchange().request.body, first.body);
  world_.Reply(201, "{}");
  ASSERT_TRUE(answer_ && *answer_);
  EXPECT_EQ((*answer_)->outcome, Outcome::kNotApplied);
  // The endpoint that worked is the first choice now.
  Start(Put());
  EXPECT_EQ(world_.exchange().endpoint, 1U);
}

TEST_F(CallsTest, AHangingNodeIsLeftAfterTheAttemptsTime) {
  Call call;
  call.target = "/v1/kv/a";
  call.attempt_timeout = Milliseconds(700);
  Start(call);
  world_.Advance(Milliseconds(700));
  world_.Advance(Milliseconds(100));
  ASSERT_EQ(world_.open(), 1U);
  EXPECT_EQ(world_.exchange().endpoint, 1U);
}

TEST_F(CallsTest, PausesDoubleUpToASecond) {
  Call call;
  call.target = "/v1/kv/a";
  call.timeout = Milliseconds(60'000);
  Start(call);
  std::vector<int64_t> pauses;
  for (int i = 0; i < 8; ++i) {
    world_.Reply(503, kNoLeader);
    const auto before = world_.Now();
    while (world_.open() == 0) world_.Advance(Milliseconds(1));
    pauses.push_back(std::chrono::duration_cast<Milliseconds>(world_.Now() - before).count());
  }
  EXPECT_EQ(pauses, (std::vector<int64_t>{40, 80, 160, 320, 640, 1000, 1000, 1000}));
}

TEST_F(CallsTest, RetryAfterOfAnOverloadedNodeIsHeeded) {
  Call call;
  call.target = "/v1/kv/a";
  Start(call);
  world_.Reply(429, R"({"code":"overloaded"})", {{"retry-after", "2"}});
  world_.Advance(Milliseconds(1999));
  EXPECT_EQ(world_.open(), 0U);
  world_.Advance(Milliseconds(1));
  EXPECT_EQ(world_.open(), 1U);
}

TEST_F(CallsTest, AnExpiredFirstAttemptIsSentAnewUnderAnotherKey) {
  Start(Put());
  GiveTime();
  const std::string key = HeaderOf(world_.exchange().request, "Idempotency-Key");
  world_.Reply(409, R"({"code":"request_expired","outcome":"unknown"})");
  world_.Advance(Milliseconds(1000));
  ASSERT_EQ(world_.open(), 1U);
  EXPECT_NE(HeaderOf(world_.exchange().request, "Idempotency-Key"), key);
}

TEST_F(CallsTest, AnExpiredRepeatOfALostAttemptIsUnknown) {
  Start(Put());
  GiveTime();
  world_.Fail(Outcome::kUnknown);
  world_.Advance(Milliseconds(1000));
  world_.Reply(409, R"({"code":"request_expired","outcome":"unknown"})");
  ASSERT_TRUE(answer_ && *answer_);
  EXPECT_EQ((*answer_)->outcome, Outcome::kUnknown);
  EXPECT_EQ((*answer_)->ToError().code, Errc::kRequestExpired);
}

// Limits are each node's own, and an ingress knows none of our paths.
TEST_F(CallsTest, ARefusalByWhoLooksForNoRecordLeavesALostAttemptUnknown) {
  const std::pair<int, const char*> refusals[] = {
      {413, R"({"code":"too_large","outcome":"not_applied"})"}, {404, "<html>"}, {302, ""}};
  for (const auto& [status, body] : refusals) {
    Start(Put());
    if (world_.exchange().request.target == "/v1/settings")
      GiveTime();
    world_.Fail(Outcome::kUnknown);
    world_.Advance(Milliseconds(1000));
    world_.Reply(status, body);
    ASSERT_TRUE(answer_ && *answer_);
    EXPECT_EQ((*answer_)->ToError().outcome, Outcome::kUnknown) << status;
    answer_.reset();
  }
}

TEST_F(CallsTest, AReplayedRefusalIsThatOfTheLostAttempt) {
  Start(Put());
  GiveTime();
  world_.Fail(Outcome::kUnknown);
  world_.Advance(Milliseconds(1000));
  world_.Reply(404, R"({"code":"not_found","outcome":"not_applied"})",
               {{"synod-replayed", "true"}});
  ASSERT_TRUE(answer_ && *answer_);
  EXPECT_EQ((*answer_)->outcome, Outcome::kNotApplied);
}

TEST_F(CallsTest, AtTheDeadlineALostChangeIsUnknownAndAReadIsNot) {
  for (const bool change : {true, false}) {
    Call call = Put();
    call.method = change ? "PUT" : "GET";
    call.timeout = Milliseconds(5000);
    Start(call);
    if (change)
      GiveTime();
    world_.Advance(Milliseconds(6000));
    ASSERT_TRUE(answer_);
    ASSERT_FALSE(*answer_);
    EXPECT_EQ(answer_->error().outcome, change ? Outcome::kUnknown : Outcome::kNotApplied);
    EXPECT_EQ(world_.open(), 0U);
    answer_.reset();
  }
}

// The last attempt is cut short by the deadline, and "too late" is all that it can tell.
TEST_F(CallsTest, AtTheDeadlineTheReasonIsTold) {
  Call call;
  call.target = "/v1/kv/a";
  call.timeout = Milliseconds(500);
  Start(call);
  world_.Fail(Outcome::kNotApplied);
  world_.Advance(Milliseconds(1000));
  ASSERT_TRUE(answer_);
  ASSERT_FALSE(*answer_);
  EXPECT_EQ(answer_->error().code, Errc::kDeadlineExceeded);
  EXPECT_EQ(answer_->error().detail, "it broke");
}

TEST_F(CallsTest, NobodyThereIsNotApplied) {
  Call call = Put();
  call.timeout = Milliseconds(500);
  Start(call);
  while (!answer_) {
    if (world_.open() > 0)
      world_.Fail(Outcome::kNotApplied);
    world_.Advance(Milliseconds(1));
  }
  ASSERT_FALSE(*answer_);
  EXPECT_EQ(answer_->error().outcome, Outcome::kNotApplied);
}

TEST_F(CallsTest, AReplayedAnswerCountsFromTheFirstSending) {
  Start(Put());
  GiveTime();
  const auto first = world_.Now();
  world_.Fail(Outcome::kUnknown);
  world_.Advance(Milliseconds(1000));
  world_.Reply(201, "{}", {{"synod-replayed", "true"}});
  ASSERT_TRUE(answer_ && *answer_);
  EXPECT_EQ((*answer_)->sent_at, first);
}

TEST_F(CallsTest, AnAnswerThatRanCountsFromItsOwnSending) {
  Start(Put());
  GiveTime();
  world_.Reply(503, kNoLeader);
  world_.Advance(Milliseconds(40));
  const auto second = world_.Now();
  world_.Advance(Milliseconds(300));
  world_.Reply(201, "{}");
  ASSERT_TRUE(answer_ && *answer_);
  EXPECT_EQ((*answer_)->sent_at, second);
}

TEST_F(CallsTest, AStreamIsRepeatedUntilItsFirstByteAndNotAfterwards) {
  std::string got;
  Call call;
  call.target = "/v1/snapshot";
  Start(call, [&](std::string_view bytes) { got += bytes; });
  world_.Reply(503, kNoLeader);
  world_.Advance(Milliseconds(40));
  world_.Data("abc");
  world_.Fail(Outcome::kUnknown);
  EXPECT_EQ(got, "abc");
  ASSERT_TRUE(answer_);
  EXPECT_FALSE(*answer_);
  world_.Advance(Milliseconds(5000));
  EXPECT_EQ(world_.open(), 0U);
}

TEST_F(CallsTest, ACancelledCallIsNeverAnswered) {
  Call call;
  call.target = "/v1/kv/a";
  const Calls::Id id =
      calls_.Start(call, [this](Result<Answer> answer) { answer_ = std::move(answer); });
  world_.Advance();
  ASSERT_EQ(world_.open(), 1U);
  calls_.Cancel(id);
  world_.Advance(Milliseconds(60'000));
  EXPECT_EQ(world_.open(), 0U);
  EXPECT_FALSE(answer_);
}

}  // namespace
}  // namespace synod::client
