// The door: who gets as far as the log, or this node's own state.
#include "src/node/access.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "src/node/credentials.h"
#include "tests/unit/machine/machine_fixture.h"

namespace synod::node {
namespace {

using Kind = api::PlainCall::Kind;

api::Call Plain(Kind kind) {
  api::PlainCall call;
  call.kind = kind;
  return call;
}

class AccessTest : public machine::MachineTest {
 protected:
  void SwitchOn() { Do(machine::SetUpAuth{HashOfToken("root-token")}); }
  static auth::Principal With(const std::string& token) { return {{}, HashOfToken(token), false}; }
  void AsRoot(machine::Operation operation) {
    machine::Command command = Make(std::move(operation));
    command.principal = With("root-token");
    EXPECT_EQ(CodeOf(Run(command)), Errc::kOk);
  }
  // "open", "ask" or the code of the refusal.
  std::string At(const api::Call& call, const auth::Principal& who, AccessRules rules = {}) {
    const Result<Entrance> entrance = JudgeEntrance(rules, &machine(), call, who, now_);
    if (!entrance)
      return std::string(Name(entrance.error().code));
    return *entrance == Entrance::kOpen ? "open" : "ask";
  }
};

TEST_F(AccessTest, WhileItIsOffEverybodyIsLetInUnlessItIsRequired) {
  EXPECT_EQ(At(api::ReadCall(), {}), "open");
  EXPECT_EQ(At(api::ReadCall(), With("any")), "open");
  EXPECT_EQ(At(api::ReadCall(), {}, {.required = true}), "not_ready");
  EXPECT_EQ(At(Plain(Kind::kStatus), {}, {.required = true}), "not_ready");
  EXPECT_EQ(At(Plain(Kind::kLivez), {}, {.required = true}), "open");
  const Result<Entrance> unfounded =
      JudgeEntrance({.required = true}, nullptr, api::ReadCall(), {}, now_);
  EXPECT_TRUE(unfounded.has_error());
}

TEST_F(AccessTest, WhereItIsRequiredItIsNotSwitchedOffButOn) {
  const auto patch = [](std::vector<std::string> names, uint64_t value, bool quota = false) {
    auth::SettingValues values;
    for (uint32_t i = 0; i < auth::SettingFields().size(); ++i)
      if (std::ranges::count(names, auth::SettingFields()[i].name) != 0)
        values.emplace_back(i, value);
    api::ChangeCall call;
    call.command.operation =
        machine::ChangeOf(values, std::vector<auth::QuotaChange>(quota ? 1 : 0));
    return api::Call(call);
  };
  const AccessRules required{.required = true};
  const std::string off = "invalid_request";
  EXPECT_EQ(At(patch({"auth.enabled"}, 1), {}, required), "open");
  EXPECT_EQ(At(patch({"auth.enabled", "history.keep_ms"}, 1), {}, required), "not_ready");
  EXPECT_EQ(At(patch({"auth.enabled"}, 1, true), {}, required), "not_ready");
  EXPECT_EQ(At(patch({"auth.enabled"}, 0), {}, required), "not_ready");
  EXPECT_EQ(At(patch({"history.keep_ms"}, 1000), {}, required), "not_ready");
  SwitchOn();
  const auth::Principal root = With("root-token");
  EXPECT_EQ(At(patch({"auth.enabled"}, 0), root, required), off);
  EXPECT_EQ(At(patch({"auth.enabled"}, 0, true), root, required), off);
  EXPECT_EQ(At(patch({"auth.enabled"}, 0), {}, required), "unauthenticated");
  AsRoot(machine::SetUser{{"ann", {}}});
  AsRoot(machine::MakeToken{"ann", "", HashOfToken("ann-token"), 0});
  EXPECT_EQ(At(patch({"auth.enabled"}, 0), With("ann-token"), required), "open")
      << "the machine refuses it";
  EXPECT_EQ(At(patch({"auth.enabled"}, 0), root), "open") << "no node has to require it";
  EXPECT_EQ(At(patch({"auth.enabled"}, 1), root, required), "open");
  EXPECT_EQ(At(patch({"history.keep_ms"}, 1000), root, required), "open");
}

TEST_F(AccessTest, WhileItIsOnATokenIsNeededAndAnUnknownOneAskedFor) {
  SwitchOn();
  for (const api::Call& call :
       {api::Call(api::ReadCall()), api::Call(api::ChangeCall()), api::Call(api::WatchCall()),
        Plain(Kind::kStatus), Plain(Kind::kMetrics), Plain(Kind::kVersion)}) {
    EXPECT_EQ(At(call, {}), "unauthenticated");
    EXPECT_EQ(At(call, With("root-token")), "open");
    EXPECT_EQ(At(call, With("new-or-wrong")), "ask") << "this replica may be behind";
  }
  for (const Kind kind : {Kind::kLivez, Kind::kReadyz, Kind::kHealthz})
    EXPECT_EQ(At(Plain(kind), {}), "open");
  EXPECT_EQ(At(Plain(Kind::kMetrics), {}, {.metrics_open = true}), "open");
}

TEST_F(AccessTest, WhatNoEntryCarriesIsJudgedHere) {
  EXPECT_EQ(NeedHere(api::SnapshotCall()), (auth::Need{auth::Verb::kAdmin, "/"}));
  EXPECT_EQ(NeedHere(api::MoveLeaderCall()), (auth::Need{auth::Verb::kAdmin, "/"}));
  api::WatchCall watch;
  watch.spec.path = "/a";
  EXPECT_EQ(NeedHere(watch), (auth::Need{auth::Verb::kRead, "/a"}));
  api::ObserveCall observe;
  observe.path = "/e";
  EXPECT_EQ(NeedHere(observe), (auth::Need{auth::Verb::kLock, "/e"}));
  EXPECT_EQ(NeedHere(api::ReadCall()), std::nullopt) << "the machine judges";
}

TEST(CredentialsTest, TokensAreLongRandomAndKnownByTheirHash) {
  const std::string token = NewToken();
  EXPECT_NE(token, NewToken());
  EXPECT_GE(token.size(), 40U);
  EXPECT_EQ(HashOfToken(token).size(), auth::kTokenHashBytes);
  EXPECT_EQ(HashOfToken("abc").substr(0, 4), "\xba\x78\x16\xbf") << "SHA-256";
}

TEST(AuditTest, WhatAnAdministratorDoesIsAudited) {
  const auto audited = [](machine::Operation operation) {
    api::ChangeCall call;
    call.command.operation = std::move(operation);
    return IsAudited(call);
  };
  EXPECT_TRUE(audited(machine::Compact{Revision(1)}));
  EXPECT_TRUE(audited(machine::ChangeSettings{}));
  EXPECT_TRUE(audited(machine::UpdateMember{}));
  EXPECT_TRUE(audited(machine::ForgetFence{"/f"}));
  EXPECT_TRUE(audited(machine::SetRole{}));
  EXPECT_TRUE(audited(machine::RevokeToken{}));
  machine::Delete broken;
  broken.path = "/.synod/locks/l/@1";
  EXPECT_FALSE(audited(broken));
  broken.force = true;
  EXPECT_TRUE(audited(broken)) << "a lock that is broken";
  EXPECT_FALSE(audited(machine::Put{}));
  EXPECT_FALSE(audited(machine::RaiseFence{"/f", FenceToken(1)}));
  EXPECT_FALSE(IsAudited(api::ReadCall()));
  EXPECT_TRUE(IsAudited(api::MoveLeaderCall()));
}

TEST(CredentialsTest, OnlyABearerTokenIsTaken) {
  const auto hash = [](const std::string& value) {
    net::HttpRequest request;
    request.headers = {{"authorization", value}};
    return PrincipalOf(request).token_hash;
  };
  EXPECT_EQ(hash("Bearer abc"), HashOfToken("abc"));
  EXPECT_EQ(hash("bearer  abc "), HashOfToken("abc"));
  for (const char* other : {"Basic abc", "Bearer", "Bearer ", "abc", ""})
    EXPECT_EQ(hash(other), Bytes()) << other;
  EXPECT_TRUE(PrincipalOf(net::HttpRequest()).nobody());
}

}  // namespace
}  // namespace synod::node
