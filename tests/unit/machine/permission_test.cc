// Permissions, as the state machine judges them: by the users, roles and tokens of the slot.
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>

#include "tests/unit/machine/machine_fixture.h"

namespace synod::machine {
namespace {

using auth::Verb;

Bytes HashNamed(char c) { return Bytes(auth::kTokenHashBytes, c); }

// root administers; ann reads, writes and locks /app, and reads /pub; rick only reads /app.
class PermissionTest : public MachineTest {
 protected:
  void SetUp() override {
    PutNode("/app/x", "1");
    PutNode("/other/x", "secret");
    PutNode("/pub/x", "open");
    Do(SetUpAuth{HashNamed('r')});
    ASSERT_EQ(machine().settings().auth_enabled, 1U);
    As('r');
    Role("app", {{"/app", 7}, {"/pub", 1}});
    Role("reader", {{"/app", 1}});
    User("ann", {"app"}, 'a');
    User("rick", {"reader"}, 'k');
  }
  // From here on commands come with the token whose hash is made of this letter; 0: with none.
  void As(char token) { token_ = token; }
  std::optional<Answer> Try(Operation operation) {
    Command command = Make(std::move(operation));
    command.principal.token_hash = token_ == 0 ? Bytes() : HashNamed(token_);
    return Run(command);
  }
  Errc Code(Operation operation) { return CodeOf(Try(std::move(operation))); }
  // Refused, and nothing at all happened.
  void ExpectDenied(Operation operation) {
    const Revision before = revision();
    const uint64_t nodes = machine().counts().nodes;
    const auto answer = Try(std::move(operation));
    ASSERT_EQ(CodeOf(answer), Errc::kPermissionDenied);
    const auto& refusal = std::get<Refusal>(answer->body);
    EXPECT_EQ(refusal.error.outcome, Outcome::kNotApplied);
    EXPECT_FALSE(refusal.current.has_value());
    EXPECT_EQ(refusal.error.detail.find("secret"), std::string::npos);
    EXPECT_EQ(revision(), before);
    EXPECT_EQ(machine().counts().nodes, nodes);
  }
  void Role(const std::string& name, std::vector<auth::Permission> permissions) {
    ASSERT_EQ(Code(SetRole{{name, std::move(permissions)}}), Errc::kOk);
  }
  void User(const std::string& name, std::vector<std::string> roles, char token) {
    ASSERT_EQ(Code(SetUser{{name, std::move(roles)}}), Errc::kOk);
    ASSERT_EQ(Code(MakeToken{name, "", HashNamed(token), 0}), Errc::kOk);
  }
  static Put PutOf(const std::string& path) { return {path, "v", std::nullopt, {}, false}; }
  static Delete DeleteOf(const std::string& path) { return {path, true, {}, false, false}; }
  Errc Read(const Query& query) {
    const auth::Principal who{{}, token_ == 0 ? Bytes() : HashNamed(token_), false};
    const Result<QueryResult> result = machine().ReadFor(who, query, now_);
    return result ? Errc::kOk : result.error().code;
  }
  LeaseId LeaseOf(int64_t ttl_ms) {
    return std::get<LeaseAnswer>(Try(LeaseGrant{ttl_ms, ""})->body).lease.id;
  }

  char token_ = 0;
};

TEST_F(PermissionTest, NobodyGetsInWithoutAValidToken) {
  for (const char token : {'\0', 'z'}) {
    As(token);
    EXPECT_EQ(Code(PutOf("/app/x")), Errc::kUnauthenticated);
    EXPECT_EQ(Code(LeaseGrant{10'000, ""}), Errc::kUnauthenticated);
    EXPECT_EQ(Code(SetUser{{"me", {"root"}}}), Errc::kUnauthenticated);
    EXPECT_EQ(Read(GetNode{"/app/x", {}}), Errc::kUnauthenticated);
    EXPECT_EQ(Read(GetSettings{}), Errc::kUnauthenticated);
    EXPECT_EQ(Read(ListLeases{}), Errc::kUnauthenticated);
  }
}

TEST_F(PermissionTest, EachKindOfChangeIsJudgedByItsPaths) {
  As('a');
  EXPECT_EQ(Code(PutOf("/app/y")), Errc::kOk);
  EXPECT_EQ(Code(CreateSequential{"/app/q-", "", {}}), Errc::kOk);
  EXPECT_EQ(Code(DeleteOf("/app/y")), Errc::kOk);
  ExpectDenied(PutOf("/other/x"));
  ExpectDenied(PutOf("/pub/x"));
  ExpectDenied(PutOf("/apple"));
  ExpectDenied(CreateSequential{"/app", "", {}});
  ExpectDenied(CreateSequential{"/other/q-", "", {}});
  ExpectDenied(DeleteOf("/other"));
  ExpectDenied(DeleteOf("/"));
  ExpectDenied(AcquireOf("/other/l", {}, 0));
  ExpectDenied(CampaignOf("/pub/l", {}, 0));
  ExpectDenied(AcquireAll{{{"/app/l"}, {"/other/l"}}, {}, 10'000, 0});
  ExpectDenied(RaiseFence{"/other/f", FenceToken(5)});
  ExpectDenied(ForgetFence{"/app/f"});
  ExpectDenied(Compact{Revision(1)});
  ExpectDenied(ChangeSettings{{{10, 0}}});
  ExpectDenied(ChangeMembers{ChangeMembers::Kind::kRemove, {NodeId(2)}, {}, "", "", "", ""});
  ExpectDenied(UpdateMember{NodeId(1), "n", "", ""});
  ExpectDenied(SetRole{{"app", {{"/", 15}}}});
  ExpectDenied(DropUser{"rick"});
  ExpectDenied(MakeToken{"root", "", HashNamed('q'), 0});
  ExpectDenied(RevokeToken{auth::TokenId(1)});
}

TEST_F(PermissionTest, ATransactionIsRefusedForOneForbiddenPart) {
  As('a');
  const Comparison inside{"/app/x", Comparison::Target::kExists, Comparison::Op::kEqual, 1, ""};
  Comparison outside = inside;
  outside.path = "/other/x";
  const TxnOp put = TxnPut{"/app/x", "2", std::nullopt};
  EXPECT_EQ(Code(Txn{{inside}, {put}, {}}), Errc::kOk);
  ExpectDenied(Txn{{outside}, {put}, {}});
  ExpectDenied(Txn{{inside}, {put, TxnPut{"/other/x", "", std::nullopt}}, {}});
  ExpectDenied(Txn{{inside}, {put}, {TxnDelete{"/other/x", false}}});
  ExpectDenied(Txn{{}, {put, TxnGet{"/other/x"}}, {}});
  ExpectDenied(Txn{{}, {put, TxnList{"/", store::ListScope::kSubtree, 10, false}}, {}});
  ExpectDenied(Txn{{}, {put, TxnCreate{"/other/n", "", std::nullopt, true}}, {}});
  Comparison fence = outside;
  fence.target = Comparison::Target::kFence;
  ExpectDenied(Txn{{fence}, {put}, {}});
  EXPECT_EQ(Code(Txn{{}, {put, TxnGet{"/pub/x"}}, {}}), Errc::kOk);
}

TEST_F(PermissionTest, AFenceOutsideIsNotJudged) {
  As('a');
  Command command = Make(PutOf("/app/x"));
  command.principal.token_hash = HashNamed('a');
  command.fences = {{"/other/l", FenceToken(1)}};
  EXPECT_EQ(CodeOf(Run(command)), Errc::kPermissionDenied);
  command = Make(PutOf("/app/x"));
  command.principal.token_hash = HashNamed('a');
  command.fences = {{"/app/l", FenceToken(1)}};
  EXPECT_EQ(CodeOf(Run(command)), Errc::kFenced);
}

TEST_F(PermissionTest, MissingParentsOutsideAreNotMade) {
  As('r');
  Role("deep", {{"/a/b/c", 7}, {"/l/m", 7}});
  User("dan", {"deep"}, 'd');
  const LeaseId lease = LeaseOf(60'000);
  As('d');
  ExpectDenied(PutOf("/a/b/c"));
  ExpectDenied(PutOf("/a/b/c/d"));
  ExpectDenied(CreateSequential{"/a/b/c/d-", "", {}});
  ExpectDenied(Txn{{}, {TxnPut{"/a/b/c/d", "", std::nullopt}}, {}});
  ExpectDenied(Txn{{}, {TxnCreate{"/a/b/c/d", "", std::nullopt, true}}, {}});
  As('r');
  EXPECT_EQ(Code(PutOf("/a/b")), Errc::kOk);
  Put leased = PutOf("/l");
  leased.lease = lease;
  EXPECT_EQ(Code(leased), Errc::kOk);
  As('d');
  ExpectDenied(PutOf("/l/m"));
  EXPECT_EQ(Code(PutOf("/a/b/c/d/e")), Errc::kOk);
  EXPECT_EQ(Code(CreateSequential{"/a/b/c/d-", "", {}}), Errc::kOk);
}

TEST_F(PermissionTest, AWriterWhoMayNotReadIsShownNothing) {
  As('r');
  Role("drop", {{"/app", 2}});
  User("wil", {"drop"}, 'w');
  As('w');
  Put put = PutOf("/app/x");
  put.precondition = {store::Precondition::Kind::kAbsent, 0};
  const auto answer = Try(put);
  ASSERT_EQ(CodeOf(answer), Errc::kPreconditionFailed);
  EXPECT_FALSE(std::get<Refusal>(answer->body).current.has_value());
  As('a');
  const auto shown = Try(put);
  EXPECT_TRUE(std::get<Refusal>(shown->body).current.has_value());
  As('w');
  put.precondition = {};
  put.want_prev = true;
  ExpectDenied(put);
  Delete with_prev = DeleteOf("/app/x");
  with_prev.want_prev = true;
  ExpectDenied(with_prev);
  EXPECT_EQ(Code(DeleteOf("/app/x")), Errc::kOk);
}

TEST_F(PermissionTest, ReadsAreJudgedByTheirPaths) {
  As('a');
  EXPECT_EQ(Read(GetNode{"/app/x", {}}), Errc::kOk);
  EXPECT_EQ(Read(GetNode{"/pub/x", {}}), Errc::kOk);
  EXPECT_EQ(Read(GetNode{"/other/x", {}}), Errc::kPermissionDenied);
  EXPECT_EQ(Read(GetNode{"/other/absent", {}}), Errc::kPermissionDenied);
  EXPECT_EQ(Read(ListNodes{"/app", store::ListScope::kSubtree, 10, "", {}}), Errc::kOk);
  EXPECT_EQ(Read(ListNodes{"/", store::ListScope::kSubtree, 10, "", {}}), Errc::kPermissionDenied);
  EXPECT_EQ(Read(GetLock{LockKind::kLock, "/app/l"}), Errc::kNotFound);
  EXPECT_EQ(Read(GetLock{LockKind::kLock, "/pub/l"}), Errc::kPermissionDenied);
  EXPECT_EQ(Read(GetNode{"/.synod/locks/pub/l", {}}), Errc::kPermissionDenied);
  EXPECT_EQ(Read(GetNode{"/.synod/locks/app/l", {}}), Errc::kNotFound);
  EXPECT_EQ(Read(ListLocks{"/", 10, ""}), Errc::kPermissionDenied);
  EXPECT_EQ(Read(ListLocks{"/app", 10, ""}), Errc::kOk);
  EXPECT_EQ(Read(GetFence{"/other"}), Errc::kPermissionDenied);
  EXPECT_EQ(Read(GetUsers{}), Errc::kPermissionDenied);
  EXPECT_EQ(Read(GetRoles{"app"}), Errc::kPermissionDenied);
  EXPECT_EQ(Read(GetTokens{}), Errc::kPermissionDenied);
  EXPECT_EQ(Read(GetSettings{}), Errc::kOk);
}

TEST_F(PermissionTest, LeasesBelongToWhoeverMadeThem) {
  As('r');
  const LeaseId roots = LeaseOf(60'000);
  As('a');
  const LeaseId anns = LeaseOf(60'000);
  ExpectDenied(LeaseKeepAlive{{roots}, false});
  ExpectDenied(LeaseRevoke{roots});
  Put tied = PutOf("/app/t");
  tied.lease = roots;
  ExpectDenied(tied);
  EXPECT_EQ(Read(GetLease{roots}), Errc::kPermissionDenied);
  EXPECT_EQ(Read(GetLease{anns}), Errc::kOk);
  const auto listed = machine().ReadFor({{}, HashNamed('a'), false}, ListLeases{}, now_);
  EXPECT_EQ(std::get<ListLeasesResult>(*listed).leases.size(), 1U);
  As('r');
  EXPECT_EQ(Code(LeaseKeepAlive{{anns}, false}), Errc::kOk) << "an administrator may";
  const auto all = machine().ReadFor({{}, HashNamed('r'), false}, ListLeases{}, now_);
  EXPECT_EQ(std::get<ListLeasesResult>(*all).leases.size(), 2U);
}

TEST_F(PermissionTest, WhatHangsOutsideOnALeaseKeepsItFromBeingEnded) {
  As('a');
  const LeaseId lease = LeaseOf(60'000);
  Put tied = PutOf("/app/t");
  tied.lease = lease;
  EXPECT_EQ(Code(tied), Errc::kOk);
  const auto hold = Try(AcquireOf("/app/l", {}, 0));
  tied.path = "/app/u";
  tied.lease = std::get<HoldAnswer>(hold->body).lease;
  EXPECT_EQ(Code(tied), Errc::kOk);
  As('r');
  Role("app", {{"/app/l", 4}});
  As('a');
  ExpectDenied(LeaseRevoke{lease});
  ExpectDenied(Release{LockKind::kLock, "/app/l", TokenOf(hold)});
  EXPECT_EQ(Code(LeaseKeepAlive{{lease}, false}), Errc::kOk);
}

TEST_F(PermissionTest, AWithdrawnRoleCountsFromItsSlotOn) {
  As('a');
  const Command before = [&] {
    Command c = Make(PutOf("/app/1"));
    c.principal.token_hash = HashNamed('a');
    return c;
  }();
  Command withdraw = Make(SetUser{{"ann", {}}});
  withdraw.principal.token_hash = HashNamed('r');
  Command after = Make(PutOf("/app/2"));
  after.principal.token_hash = HashNamed('a');
  Entry({before, withdraw, after});
  EXPECT_EQ(CodeOf(AnswerTo(before.id.seq)), Errc::kOk);
  EXPECT_EQ(CodeOf(AnswerTo(withdraw.id.seq)), Errc::kOk);
  EXPECT_EQ(CodeOf(AnswerTo(after.id.seq)), Errc::kPermissionDenied);
  EXPECT_TRUE(Exists("/app/1"));
  EXPECT_FALSE(Exists("/app/2"));
}

TEST_F(PermissionTest, AWaitEndsWithThePermissionForIt) {
  As('r');
  const auto held = Try(AcquireOf("/app/l", {}, 0));
  As('a');
  Command wait = Make(AcquireOf("/app/l", {}, 60'000));
  wait.principal.token_hash = HashNamed('a');
  wait.idempotency_key = "key";
  ASSERT_EQ(Run(wait), std::nullopt);
  As('r');
  EXPECT_EQ(Code(SetUser{{"ann", {}}}), Errc::kOk);
  EXPECT_EQ(CodeOf(AnswerTo(wait.id.seq)), Errc::kPermissionDenied);
  EXPECT_EQ(machine().counts().waiters, 0U);
  EXPECT_EQ(machine().counts().idempotency_records, 0U) << "a withdrawn wait is not recorded";
  EXPECT_EQ(Code(SetUser{{"ann", {"app"}}}), Errc::kOk);
  EXPECT_EQ(Code(Release{LockKind::kLock, "/app/l", TokenOf(held)}), Errc::kOk);
  EXPECT_EQ(machine().counts().holders, 0U);
}

// A lease that was made while authentication was off names no user whose permissions could be asked
// for.
TEST_F(PermissionTest, AWaitOnALeaseOfNobodyEndsWhenAuthenticationBeginsAndNotLater) {
  As('r');
  const auto held = Try(AcquireOf("/app/l", {}, 0));
  EXPECT_EQ(Code(ChangeSettings{{{10, 0}}}), Errc::kOk);
  As(0);
  const LeaseId lease = LeaseOf(60'000);
  const Command unknown = Make(AcquireOf("/app/l", lease, 60'000));
  ASSERT_EQ(Run(unknown), std::nullopt);
  EXPECT_EQ(Code(ChangeSettings{{{10, 1}}}), Errc::kOk);
  EXPECT_EQ(CodeOf(AnswerTo(unknown.id.seq)), Errc::kPermissionDenied) << "who said who he is?";

  Command wait = Make(AcquireOf("/app/l", lease, 60'000));
  wait.principal.token_hash = HashNamed('a');
  ASSERT_EQ(Run(wait), std::nullopt);
  As('r');
  EXPECT_EQ(Code(SetUser{{"rick", {}}}), Errc::kOk);
  EXPECT_EQ(AnswerTo(wait.id.seq), std::nullopt);
  EXPECT_EQ(machine().counts().waiters, 1U);
  EXPECT_EQ(Code(Release{LockKind::kLock, "/app/l", TokenOf(held)}), Errc::kOk);
  EXPECT_NE(TokenOf(AnswerTo(wait.id.seq)), FenceToken());
}

TEST_F(PermissionTest, AWaitOfNobodyEndsWhenTheFirstAdministratorIsMade) {
  As('r');
  EXPECT_EQ(Code(ChangeSettings{{{10, 0}}}), Errc::kOk);
  As(0);
  for (const char* name : {"ann", "rick", "root"}) EXPECT_EQ(Code(DropUser{name}), Errc::kOk);
  for (const char* name : {"app", "reader", "root"}) EXPECT_EQ(Code(DropRole{name}), Errc::kOk);
  Try(AcquireOf("/app/l", {}, 0));
  const Command wait = Make(AcquireOf("/app/l", {}, 60'000));
  ASSERT_EQ(Run(wait), std::nullopt);
  Do(SetUpAuth{HashNamed('n')});
  ASSERT_EQ(machine().settings().auth_enabled, 1U);
  EXPECT_EQ(CodeOf(AnswerTo(wait.id.seq)), Errc::kPermissionDenied);
}

TEST_F(PermissionTest, ATokenEndsAtItsExpiryAndWithItsUser) {
  As('r');
  EXPECT_EQ(Code(MakeToken{"ann", "short", HashNamed('s'), 5000}), Errc::kOk);
  EXPECT_EQ(machine().NextDeadline(), now() + 5000);
  Pass(4999);
  As('s');
  EXPECT_EQ(Code(PutOf("/app/x")), Errc::kOk);
  const uint64_t changes = machine().permission_changes();
  Pass(1);
  EXPECT_EQ(Code(PutOf("/app/x")), Errc::kUnauthenticated);
  EXPECT_NE(machine().permission_changes(), changes) << "watches are judged again";
  As('r');
  EXPECT_EQ(Code(DropUser{"ann"}), Errc::kOk);
  As('a');
  EXPECT_EQ(Code(PutOf("/app/x")), Errc::kUnauthenticated);
}

TEST_F(PermissionTest, TheLastAdministratorCannotGo) {
  As('r');
  const auth::TokenId id = machine().directory().FindToken(HashNamed('r'))->id;
  EXPECT_EQ(Code(RevokeToken{id}), Errc::kInvalidRequest);
  EXPECT_EQ(Code(DropUser{"root"}), Errc::kInvalidRequest);
  EXPECT_EQ(Code(DropRole{"root"}), Errc::kInvalidRequest);
  EXPECT_EQ(Code(SetRole{{"root", {{"/app", 15}}}}), Errc::kInvalidRequest);
  EXPECT_EQ(Code(MakeToken{"root", "", HashNamed('e'), 1000}), Errc::kOk);
  EXPECT_EQ(Code(RevokeToken{id}), Errc::kInvalidRequest) << "the other one expires";
  EXPECT_EQ(Code(MakeToken{"root", "", HashNamed('n'), 0}), Errc::kOk);
  EXPECT_EQ(Code(RevokeToken{id}), Errc::kOk);
  EXPECT_EQ(Code(PutOf("/app/x")), Errc::kUnauthenticated);
}

TEST_F(PermissionTest, SwitchingItOffOpensAllAndOnAgainNeedsAnAdministrator) {
  As('r');
  const LeaseId lease = LeaseOf(60'000);
  EXPECT_EQ(Code(ChangeSettings{{{10, 0}}}), Errc::kOk);
  As(0);
  EXPECT_EQ(Code(PutOf("/other/x")), Errc::kOk);
  EXPECT_EQ(Code(LeaseKeepAlive{{lease}, false}), Errc::kOk) << "all are the same";
  EXPECT_EQ(Code(DropUser{"root"}), Errc::kOk);
  EXPECT_EQ(Code(ChangeSettings{{{10, 1}}}), Errc::kInvalidRequest);
  Do(SetUpAuth{HashNamed('x')});
  EXPECT_EQ(machine().settings().auth_enabled, 0U) << "only where nobody is known";
}

TEST_F(PermissionTest, KeysAreEachUsersOwnAndARefusalIsNotRecorded) {
  Command put = MakeKeyed("k", PutOf("/app/x"));
  put.principal.token_hash = HashNamed('k');
  EXPECT_EQ(CodeOf(Run(put)), Errc::kPermissionDenied);
  put.id.seq = ++last_seq;
  put.principal.token_hash = HashNamed('a');
  EXPECT_FALSE(Run(put)->replayed);
  As('r');
  EXPECT_EQ(Code(SetUser{{"rick", {"app"}}}), Errc::kOk);
  put.id.seq = ++last_seq;
  put.principal.token_hash = HashNamed('k');
  const auto again = Run(put);
  EXPECT_EQ(CodeOf(again), Errc::kOk);
  EXPECT_FALSE(again->replayed);
  EXPECT_EQ(Code(SetUser{{"ann", {}}}), Errc::kOk);
  put.id.seq = ++last_seq;
  put.principal.token_hash = HashNamed('a');
  EXPECT_EQ(CodeOf(Run(put)), Errc::kPermissionDenied) << "before the record";
}

TEST_F(PermissionTest, WhoLostHisPermissionIsToldNothingOfARepeat) {
  using State = Machine::Joined::State;
  Command acquire = MakeKeyed("k", AcquireOf("/app/l", {}, 0));
  acquire.principal.token_hash = HashNamed('a');
  EXPECT_EQ(CodeOf(Run(acquire)), Errc::kOk);
  EXPECT_EQ(machine().JoinedOf(acquire).state, State::kAnswered);
  Command other_user = acquire;
  other_user.principal.token_hash = HashNamed('r');
  EXPECT_EQ(machine().JoinedOf(other_user).state, State::kGone) << "a key of his own";
  As('r');
  EXPECT_EQ(Code(SetUser{{"ann", {"reader"}}}), Errc::kOk);
  const Machine::Joined joined = machine().JoinedOf(acquire);
  EXPECT_EQ(joined.state, State::kGone);
  EXPECT_EQ(TokenOf(joined.answer), FenceToken());
}

TEST_F(PermissionTest, ANodeRenewsForWhoWaitsAndAnotherUserDoesNot) {
  As('r');
  Try(AcquireOf("/app/l", {}, 0));
  Command wait = Make(AcquireOf("/app/l", {}, 60'000));
  wait.principal.token_hash = HashNamed('a');
  ASSERT_EQ(Run(wait), std::nullopt);
  const LeaseId lease = machine().WaitsOf({NodeId(1), 77}).at(0).lease;
  As('k');
  ExpectDenied(LeaseKeepAlive{{lease}, false});
  Command renew = Make(LeaseKeepAlive{{lease}, false});
  renew.principal = auth::OfNode();
  EXPECT_EQ(CodeOf(Run(renew)), Errc::kOk);
}

TEST_F(PermissionTest, IsKeptInCheckpointsAndCountsInTheDigest) {
  As('r');
  EXPECT_EQ(Code(MakeToken{"ann", "short", HashNamed('s'), 5000}), Errc::kOk);
  Records records = machine().TakeDirty();
  EXPECT_EQ(machine().dirty_bytes(), 0U);
  const Digest before = machine().digest();
  EXPECT_EQ(Code(DropRole{"reader"}), Errc::kOk);
  EXPECT_NE(machine().digest(), before);
  std::map<Bytes, std::optional<Bytes>> kept;
  for (const Record& record : machine().TakeDirty()) kept[record.key] = record.value;
  EXPECT_EQ(kept.at("rreader"), std::nullopt);
  EXPECT_TRUE(kept.contains("urick"));
  EXPECT_FALSE(kept.contains("uann"));

  Machine loaded = Loaded(machine());
  EXPECT_TRUE(loaded.Knows({{}, HashNamed('a'), false}, now_));
  EXPECT_FALSE(loaded.Knows({{}, HashNamed('z'), false}, now_));
}

// What builds without users wrote is read, and counts, as it did.
TEST(StatesWithoutUsersTest, HaveNoTraceOfThem) {
  Machine machine{auth::Settings()};
  machine.ForEachRecord([](std::string_view key, std::string_view) {
    EXPECT_EQ(std::string_view("rut").find(key[0]), std::string_view::npos) << key;
  });
  EXPECT_EQ(machine.NextDeadline(), std::nullopt);
}

}  // namespace
}  // namespace synod::machine
