#include <gtest/gtest.h>

#include "tests/unit/machine/machine_fixture.h"

namespace synod::machine {
namespace {

using Kind = LogEntry::Kind;
using store::Precondition;

class NodesTest : public MachineTest {
 protected:
  static Refusal RefusalOf(const std::optional<Answer>& answer) {
    return std::get<Refusal>(answer->body);
  }
};

TEST_F(NodesTest, APutTakesTheNextRevisionAndIsAnswered) {
  const auto answer = PutNode("/a/b", "x");
  const auto& put = std::get<PutAnswer>(answer->body);
  EXPECT_EQ(answer->revision, Revision(1));
  EXPECT_EQ(answer->time, now());
  EXPECT_TRUE(put.created);
  EXPECT_EQ(put.node.path, "/a/b");
  EXPECT_EQ(put.node.node->mod_revision, Revision(1));
  ASSERT_EQ(last_applied.revisions.size(), 1u);
  EXPECT_EQ(last_applied.revisions[0]->changes.size(), 2u);
  EXPECT_EQ(last_applied.commands, 1u);
}

TEST_F(NodesTest, ARefusedCommandTakesNoRevisionAndShowsTheCurrentNode) {
  PutNode("/a", "x");
  const auto answer = Do(Put{"/a", "y", {}, {Precondition::Kind::kModRevision, 9}, false});
  EXPECT_EQ(CodeOf(answer), Errc::kPreconditionFailed);
  EXPECT_EQ(answer->revision, Revision(1));
  EXPECT_EQ(RefusalOf(answer).current->node->mod_revision, Revision(1));
  EXPECT_TRUE(last_applied.revisions.empty());
  EXPECT_EQ(machine().tree().Find("/a")->value.view(), "x");
}

TEST_F(NodesTest, APutTellsThePreviousNodeIfAsked) {
  const auto first = Do(Put{"/a", "x", {}, {}, true});
  EXPECT_TRUE(std::get<PutAnswer>(first->body).with_prev);
  EXPECT_FALSE(std::get<PutAnswer>(first->body).prev.has_value());
  const auto second = Do(Put{"/a", "y", {}, {}, true});
  EXPECT_EQ(std::get<PutAnswer>(second->body).prev->node->value.view(), "x");
}

TEST_F(NodesTest, SequentialChildrenAreNumbered) {
  const auto first = Do(CreateSequential{"/q/job-", "x", LeaseId()});
  const auto second = Do(CreateSequential{"/q/job-", "y", LeaseId()});
  EXPECT_EQ(std::get<PutAnswer>(first->body).node.path, "/q/job-0000000001");
  EXPECT_EQ(std::get<PutAnswer>(second->body).node.path, "/q/job-0000000002");
  EXPECT_EQ(std::get<PutAnswer>(second->body).node.node->value.view(), "y");
}

TEST_F(NodesTest, ADeleteIsAnsweredWithWhatWasThere) {
  PutNode("/a/b", "1");
  PutNode("/a/c", "2");
  EXPECT_EQ(CodeOf(Do(Delete{"/a", false, {}, false, false})), Errc::kNotEmpty);
  const auto answer = Do(Delete{"/a", true, {}, true, false});
  const auto& deleted = std::get<DeleteAnswer>(answer->body);
  EXPECT_EQ(deleted.deleted, 3u);
  ASSERT_EQ(deleted.prev.size(), 3u);
  EXPECT_EQ(deleted.prev[2].path, "/a/c");
  EXPECT_EQ(CodeOf(Do(Delete{"/a", true, {}, false, false})), Errc::kNotFound);
}

TEST_F(NodesTest, EmptyingAnEmptyTreeTakesNoRevision) {
  const auto answer = Do(Delete{"/", true, {}, false, false});
  EXPECT_EQ(std::get<DeleteAnswer>(answer->body).deleted, 0u);
  EXPECT_EQ(revision(), Revision(0));
  EXPECT_EQ(CodeOf(Do(Delete{"/", false, {}, false, false})), Errc::kNotEmpty);
}

TEST_F(NodesTest, AValueOverTheLimitIsRefusedWithTheLimit) {
  const auto answer = PutNode("/a", std::string((1 << 20) + 1, 'x'));
  EXPECT_EQ(CodeOf(answer), Errc::kTooLarge);
  EXPECT_EQ(RefusalOf(answer).limit, uint64_t{1} << 20);
  EXPECT_EQ(CodeOf(PutNode("/a", std::string(1 << 20, 'x'))), Errc::kOk);
}

TEST_F(NodesTest, ALargeRecursiveDeleteIsRefusedWhole) {
  for (int part = 0; part < 11; ++part) {
    std::vector<Command> puts;
    for (int i = 0; i < 1000; ++i)
      puts.push_back(Make(Put{"/big/" + std::to_string(part * 1000 + i), "", {}, {}, false}));
    Entry(puts);
  }
  EXPECT_EQ(CodeOf(Do(Delete{"/big", true, {}, false, false})), Errc::kTooLarge);
  EXPECT_EQ(machine().counts().nodes, 11'002u);
}

TEST_F(NodesTest, OnlyTheObserversAnswersAreHandedOut) {
  Command other = Make(Put{"/a", "", {}, {}, false});
  other.id.node = NodeId(2);
  Command earlier_process = Make(Put{"/b", "", {}, {}, false});
  earlier_process.id.boot = 76;
  const Applied applied = Entry({other, earlier_process});
  EXPECT_TRUE(applied.completions.empty());
  EXPECT_EQ(applied.revisions.size(), 2u);
}

TEST_F(NodesTest, CompactionDropsHistoryAndTakesNoRevision) {
  PutNode("/a", "1");
  PutNode("/a", "2");
  PutNode("/a", "3");
  EXPECT_EQ(CodeOf(Do(Compact{Revision(4)})), Errc::kInvalidRequest);
  EXPECT_EQ(CodeOf(Do(Compact{Revision(2)})), Errc::kOk);
  EXPECT_EQ(revision(), Revision(3));
  EXPECT_EQ(machine().Read(GetNode{"/a", Revision(1)}, now()).error().code, Errc::kCompacted);
  EXPECT_EQ(ReadAs<NodeResult>(GetNode{"/a", Revision(2)}).node.node->value.view(), "2");
}

TEST_F(NodesTest, HistoryEndsWithItsRetention) {
  PutNode("/a", "1");
  PutNode("/a", "2");
  Pass(601'000);
  PutNode("/a", "3");
  EXPECT_EQ(machine().counts().floor, Revision(2));
}

TEST_F(NodesTest, ReadsReportWhatIsNotThere) {
  EXPECT_EQ(machine().Read(GetNode{"/a", Revision()}, now()).error().code, Errc::kNotFound);
  EXPECT_EQ(machine().Read(ListNodes{"/a", {}, 10, "", Revision()}, now()).error().code,
            Errc::kNotFound);
  EXPECT_EQ(machine().Read(GetLease{LeaseId(1)}, now()).error().code, Errc::kLeaseNotFound);
  EXPECT_EQ(machine().Read(GetLock{LockKind::kLock, "/l"}, now()).error().code, Errc::kNotFound);
}

// --- quota ---

class QuotaTest : public MachineTest {
 protected:
  static auth::Settings Small() {
    auth::Settings settings;
    settings.quota_bytes = 1000;
    return settings;
  }
  QuotaTest() : MachineTest(Small()) {}
};

TEST_F(QuotaTest, WritesThatGrowStopAtTheQuotaAndDeletesGoOn) {
  EXPECT_EQ(CodeOf(PutNode("/a", std::string(900, 'x'))), Errc::kOk);
  EXPECT_EQ(CodeOf(PutNode("/b", std::string(200, 'x'))), Errc::kStorageFull);
  EXPECT_EQ(CodeOf(PutNode("/a", std::string(1100, 'x'))), Errc::kStorageFull);
  EXPECT_EQ(CodeOf(PutNode("/a", std::string(800, 'x'))), Errc::kOk);
  Txn txn;
  txn.then_ops.emplace_back(TxnPut{"/c", std::string(150, 'x'), {}});
  txn.then_ops.emplace_back(TxnPut{"/d", std::string(150, 'x'), {}});
  const auto refused = Do(txn);
  EXPECT_EQ(CodeOf(refused), Errc::kStorageFull);
  EXPECT_FALSE(std::get<Refusal>(refused->body).index.has_value());
  EXPECT_EQ(CodeOf(Do(Delete{"/a", false, {}, false, false})), Errc::kOk);
  EXPECT_EQ(CodeOf(Do(txn)), Errc::kOk);
}

TEST_F(QuotaTest, ATransactionMakesRoomForItselfInWhateverOrder) {
  const TxnOp erase = TxnDelete{"/a", true};
  const auto put = [](const char* path, size_t bytes) {
    return TxnOp(TxnPut{path, std::string(bytes, 'x'), {}});
  };
  PutNode("/a/b", std::string(400, 'x'));
  PutNode("/c", std::string(500, 'x'));
  EXPECT_EQ(CodeOf(Do(Txn{{}, {erase, put("/d", 600)}, {}})), Errc::kStorageFull);
  EXPECT_EQ(CodeOf(Do(Txn{{}, {erase, put("/a/b", 300), put("/d", 300)}, {}})), Errc::kStorageFull);
  EXPECT_EQ(CodeOf(Do(Txn{{}, {erase, erase, put("/d", 600)}, {}})), Errc::kStorageFull);
  EXPECT_EQ(CodeOf(Do(Txn{{}, {put("/d", 490), erase}, {}})), Errc::kOk);
  EXPECT_EQ(CodeOf(Do(Txn{{}, {TxnDelete{"/d", false}, put("/a", 490)}, {}})), Errc::kOk);
  EXPECT_EQ(machine().counts().logical_bytes, 995u);
}

TEST_F(QuotaTest, LeasesAndLocksGoUpToATenthPastIt) {
  PutNode("/a", std::string(990, 'x'));
  EXPECT_EQ(CodeOf(PutNode("/b", std::string(20, 'x'))), Errc::kStorageFull);
  EXPECT_EQ(CodeOf(Do(LeaseGrant{5000, std::string(20, 'n')})), Errc::kOk);
  EXPECT_EQ(CodeOf(Do(LeaseGrant{5000, std::string(60, 'n')})), Errc::kStorageFull);
  Acquire acquire = AcquireOf("/l", LeaseId(), 0);
  acquire.value = std::string(100, 'v');
  EXPECT_EQ(CodeOf(Do(acquire)), Errc::kStorageFull);
}

// --- transactions ---

class TxnTest : public MachineTest {
 protected:
  static Comparison If(const char* path,
                       Comparison::Target target,
                       Comparison::Op op,
                       uint64_t number,
                       Bytes value = {}) {
    return {path, target, op, number, std::move(value)};
  }
  bool Succeeds(const Comparison& condition) {
    Txn txn;
    txn.conditions.push_back(condition);
    return std::get<TxnAnswer>(Do(txn)->body).succeeded;
  }
};

TEST_F(TxnTest, ComparesWhatANodeIs) {
  using T = Comparison::Target;
  using O = Comparison::Op;
  const LeaseId lease = Lease(60'000);
  PutNode("/a/child", "v1", lease);
  PutNode("/a/child", "v2");
  const FenceToken token = TokenOf(Do(AcquireOf("/l", LeaseId(), 0)));
  struct Case {
    Comparison condition;
    bool holds;
  };
  const std::vector<Case> cases = {
      {If("/a/child", T::kExists, O::kEqual, 1), true},
      {If("/a/child", T::kExists, O::kNotEqual, 1), false},
      {If("/a/child", T::kVersion, O::kEqual, 2), true},
      {If("/a/child", T::kVersion, O::kGreater, 2), false},
      {If("/a/child", T::kModRevision, O::kEqual, 3), true},
      {If("/a/child", T::kCreateRevision, O::kLess, 3), true},
      {If("/a", T::kNumChildren, O::kEqual, 1), true},
      {If("/a/child", T::kLease, O::kEqual, lease.value), true},
      {If("/a/child", T::kValue, O::kEqual, 0, "v2"), true},
      {If("/a/child", T::kValue, O::kLess, 0, "v3"), true},
      {If("/a/child", T::kValue, O::kGreater, 0, "v3"), false},
      {If("/l", T::kFence, O::kEqual, token.value), true},
      {If("/l", T::kFence, O::kEqual, token.value + 1), false},
      {If("/l", T::kFence, O::kNotEqual, token.value + 1), true},
      // What is absent counts as 0, and its value is nothing that could be compared.
      {If("/none", T::kExists, O::kEqual, 0), true},
      {If("/none", T::kModRevision, O::kEqual, 0), true},
      {If("/none", T::kVersion, O::kLess, 1), true},
      {If("/none", T::kValue, O::kEqual, 0, ""), false},
      {If("/none", T::kValue, O::kNotEqual, 0, "x"), false},
  };
  for (size_t i = 0; i < cases.size(); ++i)
    EXPECT_EQ(Succeeds(cases[i].condition), cases[i].holds) << "case " << i;
}

TEST_F(TxnTest, TakesTheElseBranchWhenOneConditionFails) {
  Txn txn;
  txn.conditions = {If("/", Comparison::Target::kExists, Comparison::Op::kEqual, 1),
                    If("/a", Comparison::Target::kExists, Comparison::Op::kEqual, 1)};
  txn.then_ops.emplace_back(TxnPut{"/then", "", {}});
  txn.else_ops.emplace_back(TxnPut{"/else", "", {}});
  EXPECT_FALSE(std::get<TxnAnswer>(Do(txn)->body).succeeded);
  EXPECT_TRUE(Exists("/else"));
  EXPECT_FALSE(Exists("/then"));
}

TEST_F(TxnTest, LaterOperationsSeeEarlierOnesAndAllShareOneRevision) {
  PutNode("/b", "old");
  Txn txn;
  txn.then_ops.emplace_back(TxnPut{"/a/x", "1", {}});
  txn.then_ops.emplace_back(TxnPut{"/a/x", "2", {}});
  txn.then_ops.emplace_back(TxnCreate{"/a/s-", "3", {}, true});
  txn.then_ops.emplace_back(TxnDelete{"/b", false});
  txn.then_ops.emplace_back(TxnDelete{"/b", false});
  txn.then_ops.emplace_back(TxnGet{"/b"});
  txn.then_ops.emplace_back(TxnGet{"/a/x"});
  txn.then_ops.emplace_back(TxnList{"/a", store::ListScope::kChildren, 1, true});
  const auto answer = Do(txn);
  const auto& results = std::get<TxnAnswer>(answer->body).results;
  ASSERT_EQ(results.size(), 8u);
  EXPECT_EQ(std::get<TxnPutAnswer>(results[1]).node.node->version, 2u);
  EXPECT_EQ(std::get<TxnCreateAnswer>(results[2]).node.path, "/a/s-0000000001");
  EXPECT_EQ(std::get<TxnDeleteAnswer>(results[3]).deleted, 1u);
  EXPECT_EQ(std::get<TxnDeleteAnswer>(results[4]).deleted, 0u);
  EXPECT_FALSE(std::get<TxnGetAnswer>(results[5]).node.has_value());
  EXPECT_EQ(std::get<TxnGetAnswer>(results[6]).node->node->value.view(), "2");
  const auto& list = std::get<TxnListAnswer>(results[7]);
  EXPECT_EQ(list.nodes.size(), 1u);
  EXPECT_TRUE(list.more);
  EXPECT_EQ(answer->revision, Revision(2));
  ASSERT_EQ(last_applied.revisions.size(), 1u);
  EXPECT_EQ(last_applied.revisions[0]->changes.size(), 4u);
}

TEST_F(TxnTest, AFailingOperationUndoesAllAndIsNamed) {
  PutNode("/b/child", "");
  struct Case {
    TxnOp op;
    Errc code;
  };
  const std::vector<Case> cases = {
      {TxnDelete{"/b", false}, Errc::kNotEmpty},
      {TxnCreate{"/b", "", {}, false}, Errc::kPreconditionFailed},
      {TxnPut{"/c", "", LeaseId(9)}, Errc::kLeaseNotFound},
      {TxnPut{"/c", std::string((1 << 20) + 1, 'x'), {}}, Errc::kTooLarge},
  };
  for (const Case& c : cases) {
    Txn txn;
    txn.then_ops = {TxnPut{"/first", "", {}}, c.op};
    const auto answer = Do(txn);
    EXPECT_EQ(CodeOf(answer), c.code);
    EXPECT_EQ(std::get<Refusal>(answer->body).index, 1u);
    EXPECT_FALSE(Exists("/first"));
    EXPECT_EQ(revision(), Revision(1));
  }
}

TEST_F(TxnTest, OneThatOnlyReadsTakesNoRevision) {
  PutNode("/a", "x");
  Txn txn;
  txn.then_ops = {TxnGet{"/a"}, TxnDelete{"/none", true},
                  TxnList{"/none", store::ListScope::kSubtree, 10, false}};
  const auto answer = Do(txn);
  EXPECT_EQ(answer->revision, Revision(1));
  EXPECT_EQ(revision(), Revision(1));
  EXPECT_TRUE(std::get<TxnListAnswer>(std::get<TxnAnswer>(answer->body).results[2]).nodes.empty());
}

TEST_F(TxnTest, OneThatReadsTooMuchIsRefused) {
  for (int i = 0; i < 4; ++i) PutNode("/d/" + std::to_string(i), std::string(1 << 20, 'x'));
  Txn txn;
  for (int i = 0; i < 6; ++i)
    txn.then_ops.emplace_back(TxnList{"/d", store::ListScope::kChildren, 10, false});
  EXPECT_EQ(CodeOf(Do(txn)), Errc::kTooLarge);
}

// --- the log ---

TEST_F(MachineTest, ACommandOfADeposedLeaderIsANoOp) {
  const Ballot old = ballot_;
  ballot_ = {2, NodeId(2)};
  log_.Apply(Kind::kLeaderStart, ballot_);
  const Digest before = machine().digest();
  const Bytes payload =
      EncodeBatch(now() + 5000, std::vector<Bytes>{Encode(Make(Put{"/late", "", {}, {}, false}))});
  const Applied applied = log_.Apply(Kind::kCommand, old, payload);
  EXPECT_FALSE(applied.effective);
  EXPECT_EQ(applied.commands, 0u);
  EXPECT_FALSE(Exists("/late"));
  EXPECT_EQ(machine().time(), ClusterTime(0));
  EXPECT_NE(machine().digest(), before);  // the slot counts
  PutNode("/new", "");
  EXPECT_TRUE(Exists("/new"));
}

TEST_F(MachineTest, ALeaderStartCountsOnlyAboveAllBeforeIt) {
  const Ballot newer{5, NodeId(2)};
  EXPECT_TRUE(log_.Apply(Kind::kLeaderStart, newer).effective);
  EXPECT_FALSE(log_.Apply(Kind::kLeaderStart, Ballot{4, NodeId(3)}).effective);
  EXPECT_FALSE(log_.Apply(Kind::kLeaderStart, newer).effective);
  EXPECT_EQ(machine().leader_start(), newer);
  ballot_ = {4, NodeId(3)};
  Entry({Make(Put{"/a", "", {}, {}, false})});
  EXPECT_FALSE(Exists("/a"));
  ballot_ = newer;
  Entry({Make(Put{"/b", "", {}, {}, false})});
  EXPECT_TRUE(Exists("/b"));
}

TEST_F(MachineTest, ANoOpOnlyMovesTheSlot) {
  PutNode("/a", "");
  const Slot applied = machine().applied();
  const ClusterTime time = machine().time();
  log_.Apply(Kind::kNoop, Ballot());
  EXPECT_EQ(machine().applied(), applied + 1);
  EXPECT_EQ(machine().time(), time);
}

TEST_F(MachineTest, ClusterTimeNeverGoesBack) {
  Pass(1000);
  now_ = now_ - 500;
  Entry({});
  EXPECT_EQ(machine().time(), now() + 500);
}

TEST_F(MachineTest, NoDeadlineWhenNothingEndsByItself) {
  PutNode("/a", "");
  EXPECT_EQ(machine().NextDeadline(), std::nullopt);
  Lease(5000);
  EXPECT_EQ(machine().NextDeadline(), now() + 5000);
  Do(AcquireOf("/l", LeaseId(1), 0));
  Lease(9000);
  Do(AcquireOf("/l", LeaseId(2), 700));
  EXPECT_EQ(machine().NextDeadline(), now() + 700);
  Run(MakeKeyed("k", Put{"/b", "", {}, {}, false}));
  Pass(700);
  EXPECT_EQ(machine().NextDeadline(), now() + 4300);
}

TEST_F(MachineTest, MembersAreKeptById) {
  Do(SetMember{NodeId(2), "uuid-2", "b", "host:2", "http://b"});
  Do(SetMember{NodeId(1), "uuid-1", "a", "host:1", "http://a"});
  Do(SetMember{NodeId(2), "uuid-2", "b", "host:22", "http://b", 4});
  const auto members = machine().members();
  ASSERT_EQ(members.size(), 2u);
  EXPECT_EQ(members[0].uuid, "uuid-1");
  // What is bound changes by UpdateMember; only the process knows what it supports.
  EXPECT_EQ(members[1].peer_address, "host:2");
  EXPECT_EQ(members[1].machine_version, 4U);
  EXPECT_EQ(revision(), Revision(0));
}

// The root's record has the shortest key of all: its tag alone.
TEST_F(MachineTest, TheRootComesBackFromItsRecord) {
  PutNode("/", "the root's value");
  const Machine loaded = Loaded(machine());
  EXPECT_EQ(loaded.tree().Find("/")->value.view(), "the root's value");
}

TEST_F(MachineTest, AMalformedEntryStopsTheProcess) {
  EXPECT_DEATH(log_.Apply(Kind::kCommand, ballot_, "junk"), "batch");
  EXPECT_DEATH(log_.Apply(Kind::kCommand, ballot_, EncodeBatch(now(), std::vector<Bytes>{"junk"})),
               "command");
}

}  // namespace
}  // namespace synod::machine
