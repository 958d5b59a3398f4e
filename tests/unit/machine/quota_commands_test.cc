// Quotas of subtrees: what they forbid, whom they warn, and that they count right whatever happens.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "tests/unit/machine/machine_fixture.h"

namespace synod::machine {
namespace {

constexpr std::optional<uint64_t> kAsItIs;

class QuotaCommandsTest : public MachineTest {
 protected:
  static auth::QuotaChange Nodes(const std::string& path, uint64_t soft, uint64_t hard) {
    return {path, {soft, hard, kAsItIs, kAsItIs}};
  }
  static auth::QuotaChange Bytes(const std::string& path, uint64_t soft, uint64_t hard) {
    return {path, {kAsItIs, kAsItIs, soft, hard}};
  }
  static auth::QuotaChange None(const std::string& path) { return {path, {}}; }
  std::optional<Answer> Set(std::vector<auth::QuotaChange> changes) {
    return Do(ChangeQuotas{std::move(changes)});
  }
  // The fixture checks the counts against a walk after every entry.
  store::Usage UsageOf(const std::string& path) {
    for (const QuotaView& view : machine().quotas())
      if (view.path == path)
        return view.usage;
    ADD_FAILURE() << path;
    return {};
  }
  static std::string DetailOf(const std::optional<Answer>& answer) {
    return answer.has_value() && !answer->ok() ? std::get<Refusal>(answer->body).error.detail : "";
  }
  // "/a nodes over 3 (2)": what is used and the soft limit.
  std::vector<std::string> Crossings() const {
    std::vector<std::string> lines;
    for (const QuotaCrossing& c : last_applied.crossings)
      lines.push_back(c.path + " " + std::string(c.kind) + (c.over ? " over " : " within ") +
                      std::to_string(c.used) + " (" + std::to_string(c.soft) + ")");
    return lines;
  }
  static machine::Delete DeleteOf(const std::string& path) {
    return {path, true, {}, false, false};
  }
};

// --- what is set ---

TEST_F(QuotaCommandsTest, AChangeTakesARevisionAndTellsWhatIsUsed) {
  PutNode("/a/b", "123");
  const auto answer = Set({Nodes("/a", 0, 5), Bytes("/none", 0, 100)});
  const auto& quotas = std::get<QuotasAnswer>(answer->body).quotas;
  ASSERT_EQ(quotas.size(), 2U);
  EXPECT_EQ(quotas[0].path, "/a");
  EXPECT_EQ(quotas[0].quota, (auth::Quota{0, 5, 0, 0}));
  EXPECT_EQ(quotas[0].usage, (store::Usage{2, 2 + 4 + 3}));
  EXPECT_EQ(quotas[1].usage, store::Usage());
  EXPECT_EQ(answer->revision, Revision(2));
  const auto read = ReadAs<SettingsResult>(GetSettings{});
  ASSERT_EQ(read.quotas.size(), 2U);
  EXPECT_EQ(read.quotas[0].usage, quotas[0].usage);
}

TEST_F(QuotaCommandsTest, WhatIsNotNamedStaysAndWhatChangesNothingTakesNoRevision) {
  Set({Nodes("/a", 3, 5)});
  Set({Bytes("/a", 0, 100)});
  ASSERT_EQ(machine().quotas().size(), 1U);
  EXPECT_EQ(machine().quotas()[0].quota, (auth::Quota{3, 5, 0, 100}));
  const Revision before = revision();
  EXPECT_EQ(CodeOf(Set({Bytes("/a", 0, 100)})), Errc::kOk);
  EXPECT_EQ(CodeOf(Set({None("/b")})), Errc::kOk);
  EXPECT_EQ(CodeOf(Set({Nodes("/b", 0, 0)})), Errc::kOk) << "none is none";
  EXPECT_EQ(revision(), before);
}

TEST_F(QuotaCommandsTest, AQuotaWithoutLimitsIsGoneAsOneThatIsRemoved) {
  const Digest empty = machine().digest();
  Set({Nodes("/a", 0, 1), Nodes("/b", 0, 1)});
  EXPECT_NE(machine().digest(), empty);
  Set({Nodes("/a", 0, 0), None("/b")});
  EXPECT_TRUE(machine().quotas().empty());
  EXPECT_EQ(CodeOf(PutNode("/a/b", "")), Errc::kOk);
}

TEST_F(QuotaCommandsTest, ContradictionsAndTooManyAreRefusedWhole) {
  const auto refused = Set({Nodes("/a", 0, 1), Nodes("/b", 2, 1)});
  EXPECT_EQ(CodeOf(refused), Errc::kInvalidRequest);
  EXPECT_EQ(DetailOf(refused), "quota of /b: nodes_soft must not be above nodes_hard");
  EXPECT_TRUE(machine().quotas().empty());
  Set({Bytes("/a", 5, 9)});
  EXPECT_EQ(CodeOf(Set({Bytes("/a", 10, 9)})), Errc::kInvalidRequest);
  for (size_t i = 1; i < auth::kQuotasMax; ++i)
    ASSERT_EQ(CodeOf(Set({Nodes("/q" + std::to_string(i), 0, 9)})), Errc::kOk) << i;
  const auto many = Set({Nodes("/one/more", 0, 9)});
  EXPECT_EQ(CodeOf(many), Errc::kTooLarge);
  EXPECT_EQ(std::get<Refusal>(many->body).limit, auth::kQuotasMax);
  EXPECT_EQ(CodeOf(Set({None("/a"), Nodes("/one/more", 0, 9)})), Errc::kOk);
}

TEST_F(QuotaCommandsTest, SettingsAndQuotasChangeTogether) {
  EXPECT_EQ(CodeOf(Do(ChangeQuotas{{Nodes("/a", 0, 1)}, {{7, 1}}})), Errc::kInvalidRequest);
  EXPECT_TRUE(machine().quotas().empty());
  EXPECT_EQ(CodeOf(Do(ChangeQuotas{{Nodes("/a", 0, 1)}, {{7, 1 << 20}}})), Errc::kOk);
  EXPECT_EQ(machine().quotas().size(), 1U);
  EXPECT_EQ(machine().settings().quota_bytes, 1U << 20);
}

TEST_F(QuotaCommandsTest, AnAnswerTooLargeToBeRecordedIsRefusedBeforeAnythingChanges) {
  std::vector<auth::QuotaChange> changes;
  std::string path;
  while (path.size() < 800) path += "/" + std::string(200, 'x');
  for (int i = 10; i < 10 + static_cast<int>(auth::kQuotaChangesMax); ++i)
    changes.push_back(Nodes(path + "/" + std::string(217, 'y') + std::to_string(i), 0, 1));
  const Command command = MakeKeyed("k", ChangeQuotas{changes});
  ASSERT_TRUE(DecodeCommand(Encode(command)).has_value());
  EXPECT_EQ(CodeOf(Run(command)), Errc::kTooLarge);
  EXPECT_TRUE(machine().quotas().empty());
  EXPECT_EQ(CodeOf(Set(changes)), Errc::kOk);
}

TEST_F(QuotaCommandsTest, OnlyOneSpellingDecodes) {
  const auto decodes = [&](const std::vector<auth::QuotaChange>& changes) {
    return DecodeCommand(Encode(Make(ChangeQuotas{changes}))).has_value();
  };
  EXPECT_TRUE(decodes({Nodes("/a", 0, 1), None("/b")}));
  EXPECT_FALSE(decodes({}));
  EXPECT_FALSE(decodes({None("/b"), None("/a")}));
  EXPECT_FALSE(decodes({None("/a"), None("/a")}));
  EXPECT_FALSE(decodes({None("a")}));
  EXPECT_FALSE(decodes({None("/.synod")}));
  EXPECT_FALSE(decodes({Nodes("/a", 0, auth::kQuotaLimitMax + 1)}));
  EXPECT_FALSE(decodes(std::vector<auth::QuotaChange>(auth::kQuotaChangesMax + 1, None("/a"))));
}

// --- what is refused ---

TEST_F(QuotaCommandsTest, AChangeThatWouldPassAHardLimitIsRefused) {
  Set({Nodes("/a", 0, 3), Bytes("/b", 0, 10)});
  EXPECT_EQ(CodeOf(PutNode("/a/1", "")), Errc::kOk);
  EXPECT_EQ(CodeOf(PutNode("/a/2", "")), Errc::kOk);
  const Revision before = revision();
  const auto nodes = PutNode("/a/3", "");
  EXPECT_EQ(CodeOf(nodes), Errc::kQuotaExceeded);
  EXPECT_EQ(DetailOf(nodes), "the quota of /a is 3 nodes: 3 are used, and this needs more");
  EXPECT_EQ(CodeOf(Do(CreateSequential{"/a/s-", "", LeaseId()})), Errc::kQuotaExceeded);
  EXPECT_EQ(CodeOf(PutNode("/a/1", "as long as you like")), Errc::kOk);
  EXPECT_EQ(CodeOf(PutNode("/b", "12345678")), Errc::kOk) << "10 bytes with the path";
  const auto bytes = PutNode("/b", "123456789");
  EXPECT_EQ(DetailOf(bytes), "the quota of /b is 10 bytes: 10 are used, and this needs more");
  EXPECT_EQ(CodeOf(PutNode("/b", "1")), Errc::kOk);
  EXPECT_EQ(CodeOf(PutNode("/c/d/e", "elsewhere")), Errc::kOk);
  EXPECT_EQ(revision(), before + 4) << "the refused took none";
}

TEST_F(QuotaCommandsTest, ParentsMadeOnTheWayCount) {
  Set({Nodes("/a", 0, 2)});
  EXPECT_EQ(CodeOf(PutNode("/a/b/c", "")), Errc::kQuotaExceeded);
  EXPECT_FALSE(Exists("/a"));
  EXPECT_EQ(CodeOf(PutNode("/a/b", "")), Errc::kOk);
}

TEST_F(QuotaCommandsTest, AllThatLieAroundAreJudgedAndTheInnermostIsNamed) {
  Set({Nodes("/", 0, 4), Nodes("/a", 0, 3), Nodes("/a/b", 0, 2)});
  EXPECT_EQ(CodeOf(PutNode("/a/b/c", "")), Errc::kOk);
  EXPECT_EQ(DetailOf(PutNode("/a/b/d", "")),
            "the quota of /a/b is 2 nodes: 2 are used, and this needs more");
  EXPECT_EQ(DetailOf(PutNode("/a/d", "")),
            "the quota of /a is 3 nodes: 3 are used, and this needs more");
  EXPECT_EQ(DetailOf(PutNode("/d", "")),
            "the quota of / is 4 nodes: 4 are used, and this needs more");
}

TEST_F(QuotaCommandsTest, AboveItsLimitASubtreeShrinksAndChangesButDoesNotGrow) {
  for (int i = 0; i < 9; ++i) PutNode("/a/" + std::to_string(i), "12345");
  Set({{"/a", {kAsItIs, 5, kAsItIs, 20}}});
  EXPECT_EQ(CodeOf(PutNode("/a/1", "54321")), Errc::kOk);
  EXPECT_EQ(CodeOf(PutNode("/a/1", "1")), Errc::kOk);
  EXPECT_EQ(CodeOf(PutNode("/a/1", "12")), Errc::kQuotaExceeded);
  EXPECT_EQ(CodeOf(PutNode("/a/x", "")), Errc::kQuotaExceeded);
  EXPECT_EQ(CodeOf(Do(DeleteOf("/a/2"))), Errc::kOk);
  EXPECT_EQ(CodeOf(Do(DeleteOf("/a"))), Errc::kOk);
  EXPECT_EQ(CodeOf(PutNode("/a", "")), Errc::kOk) << "it outlives its node";
  EXPECT_EQ(CodeOf(PutNode("/a", std::string(30, 'x'))), Errc::kQuotaExceeded);
}

TEST_F(QuotaCommandsTest, OfATransactionTheNetEffectCounts) {
  Set({Nodes("/a", 0, 3)});
  PutNode("/a/1", "");
  PutNode("/a/2", "");
  Txn moves;
  moves.then_ops.emplace_back(TxnPut{"/a/3", "", {}});
  moves.then_ops.emplace_back(TxnCreate{"/a/4", "", {}, false});
  moves.then_ops.emplace_back(TxnDelete{"/a/1", false});
  moves.then_ops.emplace_back(TxnDelete{"/a/2", false});
  EXPECT_EQ(CodeOf(Do(moves)), Errc::kOk);
  EXPECT_EQ(UsageOf("/a").nodes, 3U);
  Txn grows;
  grows.then_ops.emplace_back(TxnDelete{"/a/3", false});
  grows.then_ops.emplace_back(TxnPut{"/a/5/6", "", {}});
  const auto refused = Do(grows);
  EXPECT_EQ(CodeOf(refused), Errc::kQuotaExceeded);
  EXPECT_EQ(std::get<Refusal>(refused->body).index, std::nullopt) << "it is not one operation's";
  EXPECT_TRUE(Exists("/a/3"));
}

TEST_F(QuotaCommandsTest, ARefusalIsNotRecordedSoThatARepeatFindsTheRoom) {
  Set({Nodes("/a", 0, 1)});
  const Command command = MakeKeyed("k", Put{"/a/b", "", {}, {}, false});
  EXPECT_EQ(CodeOf(Run(command)), Errc::kQuotaExceeded);
  Set({Nodes("/a", 0, 2)});
  const auto again = Run(command);
  EXPECT_EQ(CodeOf(again), Errc::kOk);
  EXPECT_FALSE(again->replayed);
}

// --- what counts ---

TEST_F(QuotaCommandsTest, WhatEndsWithALeaseIsFreeAgain) {
  Set({Nodes("/a", 0, 3)});
  const LeaseId lease = Lease(1000);
  PutNode("/a/1", "", lease);
  EXPECT_EQ(CodeOf(Do(CreateSequential{"/a/s-", "", lease})), Errc::kOk);
  EXPECT_EQ(CodeOf(PutNode("/a/2", "")), Errc::kQuotaExceeded);
  Pass(1000);
  EXPECT_EQ(UsageOf("/a").nodes, 1U);
  EXPECT_EQ(CodeOf(PutNode("/a/2", "")), Errc::kOk);
}

TEST_F(QuotaCommandsTest, LocksCountForNobody) {
  PutNode("/a", "");
  Set({Nodes("/", 0, 2)});
  EXPECT_EQ(CodeOf(Do(AcquireOf("/a/lock", LeaseId(), 0))), Errc::kOk);
  EXPECT_EQ(CodeOf(Do(CampaignOf("/b/leader", LeaseId(), 0))), Errc::kOk);
  EXPECT_EQ(UsageOf("/").nodes, 2U);
  EXPECT_EQ(CodeOf(PutNode("/b", "")), Errc::kQuotaExceeded);
}

TEST_F(QuotaCommandsTest, TheyAreKeptInCheckpointsBackupsAndNewClusters) {
  const LeaseId lease = Lease(60'000);
  PutNode("/a/1", "1", lease);
  PutNode("/a/2", "2");
  machine().TakeDirty();
  Set({Nodes("/a", 2, 9), Bytes("/b", 0, 7)});
  EXPECT_GT(machine().dirty_bytes(), 0U);
  std::map<std::string, bool> kept;
  for (const Record& record : machine().TakeDirty()) kept[record.key] = record.value.has_value();
  EXPECT_TRUE(kept.at("q/a"));
  EXPECT_TRUE(kept.at("q/b"));
  Set({None("/b")});
  for (const Record& record : machine().TakeDirty()) kept[record.key] = record.value.has_value();
  EXPECT_FALSE(kept.at("q/b"));

  Machine loaded = Loaded(machine());
  ASSERT_EQ(loaded.quotas().size(), 1U);
  EXPECT_EQ(loaded.quotas()[0].quota, (auth::Quota{2, 9, 0, 0}));
  EXPECT_EQ(loaded.quotas()[0].usage.nodes, 3U);
  loaded.BeginNewCluster();
  loaded.CheckInvariants();
  EXPECT_EQ(loaded.quotas()[0].usage.nodes, 2U) << "what hung on the lease is gone";
}

TEST(QuotaRecordTest, WhatIsMalformedIsRefused) {
  const auto load = [](const std::string& key, const std::string& value) {
    Machine machine{auth::Settings()};
    return machine.LoadRecord(key, value).has_value();
  };
  EXPECT_TRUE(load("q/a", std::string("\1\2\0\0", 4)));
  EXPECT_FALSE(load("q/a", std::string("\1\2\0", 3)));
  EXPECT_FALSE(load("q/a", std::string("\2\1\0\0", 4)));
  EXPECT_FALSE(load("q/a", std::string("\0\0\0\0", 4)));
  EXPECT_FALSE(load("qa", std::string("\1\2\0\0", 4)));
  EXPECT_FALSE(load("q/.synod", std::string("\1\2\0\0", 4)));
  Machine machine{auth::Settings()};
  EXPECT_TRUE(machine.LoadRecord("q/a", std::string("\1\2\0\0", 4)));
  EXPECT_FALSE(machine.LoadRecord("q/a", std::string("\1\2\0\0", 4)));
}

// --- who is warned ---

TEST_F(QuotaCommandsTest, PassingASoftLimitIsToldOnceEachWay) {
  Set({{"/a", {2, 0, 8, 0}}});
  PutNode("/a/1", "");
  EXPECT_TRUE(Crossings().empty());
  PutNode("/a/2", "");
  EXPECT_THAT(Crossings(), testing::ElementsAre("/a nodes over 3 (2)", "/a bytes over 10 (8)"));
  EXPECT_EQ(machine().counts().quotas_warning, 1U);
  PutNode("/a/3", "");
  EXPECT_TRUE(Crossings().empty()) << "still above";
  Do(DeleteOf("/a"));
  EXPECT_THAT(Crossings(), testing::ElementsAre("/a nodes within 0 (2)", "/a bytes within 0 (8)"));
  EXPECT_EQ(machine().counts().quotas_warning, 0U);
}

TEST_F(QuotaCommandsTest, ALimitThatMovesIsACrossingAsWell) {
  PutNode("/a/1", "");
  Set({Nodes("/a", 1, 2)});
  EXPECT_THAT(Crossings(), testing::ElementsAre("/a nodes over 2 (1)"));
  EXPECT_EQ(machine().counts().quotas_full, 1U);
  Set({Nodes("/a", 2, 3)});
  EXPECT_THAT(Crossings(), testing::ElementsAre("/a nodes within 2 (2)"));
  EXPECT_EQ(machine().counts().quotas_full, 0U);
  Set({Nodes("/a", 1, 3)});
  Set({None("/a")});
  EXPECT_THAT(Crossings(), testing::ElementsAre("/a nodes within 2 (0)"));
}

// --- who may know ---

TEST_F(QuotaCommandsTest, WhoMayNotReadASubtreeLearnsNothingOfItsQuota) {
  const auto hash = [](char c) { return synod::Bytes(auth::kTokenHashBytes, c); };
  const auto as = [&](char c, Operation operation) {
    Command command = Make(std::move(operation));
    command.principal.token_hash = hash(c);
    return Run(command);
  };
  const auto shown = [&](char c) {
    const auto result = machine().ReadFor({{}, hash(c), false}, GetSettings{}, now());
    std::vector<std::string> paths;
    for (const QuotaView& view : std::get<SettingsResult>(*result).quotas)
      paths.push_back(view.path);
    return paths;
  };
  PutNode("/app/ann/x", "");
  Set({Nodes("/app", 0, 3), Nodes("/app/ann", 0, 9), Nodes("/other", 0, 1)});
  Do(SetUpAuth{hash('r')});
  as('r', SetRole{{"ann", {{"/app/ann", 3}}}});
  as('r', SetUser{{"ann", {"ann"}}});
  as('r', MakeToken{"ann", "", hash('a'), 0});
  EXPECT_EQ(CodeOf(as('a', ChangeQuotas{{None("/app/ann")}})), Errc::kPermissionDenied);
  const auto refused = as('a', Put{"/app/ann/y", "", {}, {}, false});
  EXPECT_EQ(CodeOf(refused), Errc::kQuotaExceeded);
  EXPECT_EQ(DetailOf(refused), "the quota of a subtree above does not allow it");
  EXPECT_EQ(DetailOf(as('r', Put{"/app/ann/y", "", {}, {}, false})),
            "the quota of /app is 3 nodes: 3 are used, and this needs more");
  EXPECT_THAT(shown('a'), testing::ElementsAre("/app/ann"));
  EXPECT_THAT(shown('r'), testing::ElementsAre("/app", "/app/ann", "/other"));
  EXPECT_EQ(CodeOf(as('r', ChangeQuotas{{Nodes("/app/ann", 0, 3)}})), Errc::kOk);
}

}  // namespace
}  // namespace synod::machine
