#include "src/node/engine.h"

#include <gtest/gtest.h>

#include "src/node/engine_frames.h"
#include "tests/unit/node/engine_cluster.h"

namespace synod::node {
namespace {

using machine::Answer;

uint32_t OtherThan(uint32_t leader) { return leader == 1 ? 2 : 1; }

std::string ValueAt(Engine& engine, const std::string& path) {
  const store::NodeRef node = engine.machine().tree().Find(path);
  return node ? std::string(node->value.view()) : "(absent)";
}

machine::Command AcquireCommand(const std::string& path) {
  machine::Acquire acquire;
  acquire.path = path;
  acquire.ttl_ms = 60'000;
  acquire.wait_ms = 50'000;
  machine::Command command;
  command.operation = acquire;
  return command;
}

size_t WaitersOf(Engine& engine, const std::string& path) {
  const auto found =
      engine.machine().Read(machine::GetLock{machine::LockKind::kLock, path}, engine.Now());
  return found ? std::get<machine::LockResult>(*found).waiters.size() : 0;
}

TEST(EngineTest, AClusterOfOneAnswersAChange) {
  EngineCluster cluster(1);
  ASSERT_EQ(cluster.Elect(), 1U);
  const Result<CallId> call = cluster.node(1).Change(EngineCluster::PutCommand("/a", "x"), 5000);
  ASSERT_TRUE(call);
  cluster.Settle();
  const auto answer = cluster.Answer(1, *call);
  ASSERT_TRUE(answer && *answer);
  EXPECT_TRUE((*answer)->ok());
  EXPECT_EQ(ValueAt(cluster.node(1), "/a"), "x");
}

TEST(EngineTest, TellsTheTurnsInWhichALeadersChangeWentOn) {
  EngineCluster cluster(3);
  const uint32_t leader = cluster.Elect();
  cluster.Settle();
  const int64_t before = cluster.turn();
  const Result<CallId> call =
      cluster.node(leader).Change(EngineCluster::PutCommand("/a", "x"), 5000);
  ASSERT_TRUE(call);
  cluster.Settle();
  const ChangeTimes times = cluster.TimesOf(leader, *call);
  EXPECT_EQ(times.sent_us, before + 1);
  EXPECT_EQ(times.proposed_us, before + 1);
  EXPECT_EQ(times.synced_us, before + 2);
  EXPECT_EQ(times.waits_us, 0);
}

// After how many turns an entry is proposed behind another that is on its way, and how many
// changes of the turns until then it carries.
std::pair<int64_t, int64_t> NextEntry(int64_t sync_turns) {
  EngineCluster cluster(3, {.sync_turns = sync_turns});
  const uint32_t leader = cluster.Elect();
  const auto change = [&] {
    return *cluster.node(leader).Change(EngineCluster::PutCommand("/a", "x"), 5000);
  };
  for (int i = 0; i < 20; ++i) {
    change();
    cluster.Settle();
  }
  std::vector<CallId> calls;
  for (int i = 0; i < 8; ++i) {
    calls.push_back(change());
    cluster.Turn();
  }
  cluster.Settle();
  const int64_t first = cluster.TimesOf(leader, calls[0]).proposed_us;
  const int64_t next = cluster.TimesOf(leader, calls[1]).proposed_us;
  return {next - first, std::count_if(calls.begin(), calls.end(), [&](CallId call) {
            return cluster.TimesOf(leader, call).proposed_us == next;
          })};
}

TEST(EngineTest, WhereTheOthersAreFarTheNextEntryWaitsForTheDiskAlone) {
  // In the log after one turn, chosen after three.
  EXPECT_EQ(NextEntry(0), std::pair(int64_t{1}, int64_t{1}));
}

TEST(EngineTest, WhereTheOthersAreAboutAsNearAsTheDiskItWaitsUntilTheLastIsChosen) {
  // In the log after three turns, chosen after five.
  EXPECT_EQ(NextEntry(2), std::pair(int64_t{5}, int64_t{5}));
}

TEST(EngineTest, NodesTakeTheirCheckpointsOneAfterTheOther) {
  EngineCluster cluster(3);
  const uint32_t leader = cluster.Elect();
  // The first of all after a pause is taken everywhere at once; it is small.
  cluster.Run(3000);
  ASSERT_TRUE(cluster.node(leader).Change(EngineCluster::PutCommand("/a", "x"), 5000));
  cluster.Settle();
  std::map<uint32_t, std::vector<int>> taken;  // behind which of the changes
  std::map<uint32_t, Slot> last;
  for (uint32_t id = 1; id <= 3; ++id) last[id] = cluster.CheckpointOf(id);
  for (int i = 0; i < 150; ++i) {
    const std::string value(50'000, static_cast<char>('a' + i % 26));
    ASSERT_TRUE(cluster.node(leader).Change(EngineCluster::PutCommand("/a", value), 5000));
    cluster.Settle();
    for (auto& [id, slot] : last)
      if (std::exchange(slot, cluster.CheckpointOf(id)) != cluster.CheckpointOf(id))
        taken[id].push_back(i);
  }
  for (const auto& [id, changes] : taken) {
    ASSERT_GE(changes.size(), 2U) << id;
    for (const auto& [other, others] : taken)
      EXPECT_TRUE(other == id || std::find_first_of(changes.begin(), changes.end(), others.begin(),
                                                    others.end()) == changes.end())
          << id << " and " << other << ": " << testing::PrintToString(taken);
  }
  EXPECT_EQ(taken.size(), 3U);
}

TEST(EngineTest, OfAChangeThatItForwardedANodeTellsWhenItDid) {
  EngineCluster cluster(3);
  const uint32_t follower = OtherThan(cluster.Elect());
  cluster.Settle();
  const int64_t before = cluster.turn();
  const Result<CallId> call =
      cluster.node(follower).Change(EngineCluster::PutCommand("/a", "x"), 5000);
  ASSERT_TRUE(call);
  cluster.Settle();
  const ChangeTimes times = cluster.TimesOf(follower, *call);
  EXPECT_EQ(times.sent_us, before + 1);
  EXPECT_EQ(times.proposed_us, 0);
  EXPECT_EQ(times.synced_us, 0);
}

TEST(EngineTest, TellsSinceWhenAChangeWaitsInTheQueueOfALock) {
  EngineCluster cluster(1);
  ASSERT_EQ(cluster.Elect(), 1U);
  const auto acquire = [&](int64_t wait_ms) {
    machine::Command command;
    machine::Acquire operation;
    operation.path = "/l";
    operation.ttl_ms = 60'000;
    operation.wait_ms = wait_ms;
    command.operation = std::move(operation);
    const CallId call = cluster.node(1).Change(std::move(command), 60'000).value();
    cluster.Settle();
    return call;
  };
  acquire(0);
  const CallId waits = acquire(1000);
  EXPECT_FALSE(cluster.Answer(1, waits)) << "held";
  const int64_t asked = cluster.turn();
  cluster.Run(3000);
  ASSERT_TRUE(cluster.Answer(1, waits));
  const ChangeTimes times = cluster.TimesOf(1, waits);
  EXPECT_GT(times.waits_us, times.sent_us);
  EXPECT_LT(times.waits_us, asked);
}

TEST(EngineTest, WhatAnEarlierProcessLeasedEndsAlsoWhereLeasesAreOff) {
  EngineCluster::Options options;
  options.lease_before_ms = 3000;
  EngineCluster cluster(3, options);
  cluster.Run(2900);
  for (const uint32_t id : {1, 2, 3}) EXPECT_FALSE(cluster.node(id).replica().IsLeader()) << id;
  EXPECT_NE(cluster.Elect(), 0U);
}

TEST(EngineTest, ALeaderServesAloneWhileItsLeaseLasts) {
  for (const uint64_t lease_ms : {0, 1000}) {
    EngineCluster::Options options;
    options.lease_ms = lease_ms;
    EngineCluster cluster(3, options);
    const uint32_t leader = cluster.Elect();
    ASSERT_NE(leader, 0U);
    cluster.Run(200);
    cluster.Isolate(leader);
    const CallId read = cluster.node(leader).Read({});
    cluster.Run(20);
    const auto answer = cluster.ReadAnswer(leader, read);
    EXPECT_EQ(answer.has_value() && answer->has_value(), lease_ms > 0);
  }
}

TEST(EngineTest, ACheckpointThatIsAskedForComesBeforeItIsDue) {
  EngineCluster cluster(1);
  ASSERT_EQ(cluster.Elect(), 1U);
  ASSERT_TRUE(cluster.node(1).Change(EngineCluster::PutCommand("/a", "x"), 5000));
  cluster.Settle();
  const Slot applied = cluster.node(1).machine().applied();
  ASSERT_LT(cluster.CheckpointOf(1), applied);
  cluster.node(1).AskCheckpoint();
  cluster.Settle();
  EXPECT_EQ(cluster.CheckpointOf(1), applied);
}

TEST(EngineTest, ACompactionReachesTheDiskAlsoIfNothingElseChanges) {
  EngineCluster cluster(1);
  ASSERT_EQ(cluster.Elect(), 1U);
  ASSERT_TRUE(cluster.node(1).Change(EngineCluster::PutCommand("/a", "x"), 5000));
  cluster.Run(3000);
  const Slot before = cluster.CheckpointOf(1);
  machine::Command compact;
  compact.operation = machine::Compact{cluster.node(1).machine().revision()};
  ASSERT_TRUE(cluster.node(1).Change(compact, 5000));
  cluster.Run(3000);
  ASSERT_GT(cluster.node(1).machine().tree().floor(), Revision());
  EXPECT_GT(cluster.CheckpointOf(1), before);
}

TEST(EngineTest, AFollowerHandsAChangeToTheLeaderAndAnswersIt) {
  EngineCluster cluster(3);
  const uint32_t leader = cluster.Elect();
  const uint32_t follower = OtherThan(leader);
  const Result<CallId> call =
      cluster.node(follower).Change(EngineCluster::PutCommand("/a", "x"), 5000);
  ASSERT_TRUE(call);
  cluster.Settle();
  const auto answer = cluster.Answer(follower, *call);
  ASSERT_TRUE(answer && *answer);
  for (uint32_t id = 1; id <= 3; ++id) EXPECT_EQ(ValueAt(cluster.node(id), "/a"), "x") << id;
  EXPECT_EQ(cluster.node(1).machine().digest(), cluster.node(2).machine().digest());
}

TEST(EngineTest, ACommandSentTwiceOverANewConnectionIsAppliedOnce) {
  EngineCluster cluster(3);
  const uint32_t leader = cluster.Elect();
  const uint32_t follower = OtherThan(leader);
  machine::Command create;
  create.operation = machine::CreateSequential{"/q/job-", "x", LeaseId()};
  const Result<CallId> call = cluster.node(follower).Change(create, 5000);
  ASSERT_TRUE(call);
  cluster.Turn();                       // the command is on its way, and arrives
  cluster.Reconnect(follower, leader);  // sends it again
  cluster.Settle();
  ASSERT_TRUE(cluster.Answer(follower, *call));
  EXPECT_EQ(ValueAt(cluster.node(leader), "/q/job-0000000001"), "x");
  EXPECT_EQ(ValueAt(cluster.node(leader), "/q/job-0000000002"), "(absent)");
}

TEST(EngineTest, ACommandLostWithItsConnectionIsSentAgain) {
  EngineCluster cluster(3);
  const uint32_t leader = cluster.Elect();
  const uint32_t follower = OtherThan(leader);
  cluster.Cut(follower, leader);
  const Result<CallId> call =
      cluster.node(follower).Change(EngineCluster::PutCommand("/a", "x"), 5000);
  ASSERT_TRUE(call);
  cluster.Turn();
  cluster.Heal();
  cluster.Reconnect(follower, leader);
  cluster.Settle();
  const auto answer = cluster.Answer(follower, *call);
  ASSERT_TRUE(answer && *answer);
  EXPECT_EQ(ValueAt(cluster.node(leader), "/a"), "x");
}

TEST(EngineTest, ACommandWhoseFrameWasDroppedIsSentAgain) {
  EngineCluster cluster(3);
  const uint32_t leader = cluster.Elect();
  const uint32_t follower = OtherThan(leader);
  cluster.Cut(follower, leader);
  const Result<CallId> lost =
      cluster.node(follower).Change(EngineCluster::PutCommand("/lost", "x"), 5000);
  ASSERT_TRUE(lost);
  cluster.Turn();
  cluster.Heal();
  // A later one arrives first: that must not make the leader take the other for a repetition.
  const Result<CallId> later =
      cluster.node(follower).Change(EngineCluster::PutCommand("/later", "x"), 5000);
  ASSERT_TRUE(later);
  cluster.Settle();
  EXPECT_TRUE(cluster.Answer(follower, *later));
  EXPECT_FALSE(cluster.Answer(follower, *lost));
  cluster.Run(1200);
  const auto answer = cluster.Answer(follower, *lost);
  ASSERT_TRUE(answer && *answer);
  EXPECT_EQ(cluster.node(leader).machine().tree().Find("/lost")->version, 1U);
}

TEST(EngineTest, AnyNodeMovesLeadershipToAnyVoter) {
  EngineCluster cluster(3);
  const uint32_t first = cluster.Elect();
  const uint32_t asked = OtherThan(first);
  const uint32_t target = 6 - first - asked;
  ASSERT_TRUE(cluster.node(asked).AskToLead(NodeId(target)));
  cluster.Run(50);
  for (uint32_t id = 1; id <= 3; ++id)
    EXPECT_EQ(cluster.node(id).LeaderBegun(), NodeId(target)) << id;
  // Nothing happens if it leads already.
  const Ballot ballot = cluster.node(target).replica().ballot();
  ASSERT_TRUE(cluster.node(asked).AskToLead(NodeId(target)));
  ASSERT_TRUE(cluster.node(target).AskToLead(NodeId(target)));
  cluster.Run(100);
  EXPECT_EQ(cluster.node(target).replica().ballot(), ballot);
  EXPECT_EQ(cluster.node(target).LeaderBegun(), NodeId(target));
}

TEST(EngineTest, LeadershipIsNotGivenToAVoterThatCannotTakeIt) {
  EngineCluster cluster(3);
  const uint32_t leader = cluster.Elect();
  const uint32_t away = OtherThan(leader);
  cluster.Kill(away);
  const Status refused = cluster.node(leader).AskToLead(NodeId(away));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kNotReady);
  EXPECT_TRUE(cluster.node(leader).replica().CanPropose());
  const Status stranger = cluster.node(leader).AskToLead(NodeId(9));
  ASSERT_FALSE(stranger);
  EXPECT_TRUE(cluster.node(leader).replica().CanPropose());
}

// Asked again and again, as the API does, a hand-over that cannot succeed still ends, and with it
// the time in which nothing is proposed.
TEST(EngineTest, AskingAgainDoesNotPutOffTheEndOfAFailedHandOver) {
  EngineCluster cluster(3);
  const uint32_t leader = cluster.Elect();
  const uint32_t target = OtherThan(leader);
  cluster.Cut(leader, target);
  const Result<CallId> call =
      cluster.node(leader).Change(EngineCluster::PutCommand("/a", "x"), 5000);
  ASSERT_TRUE(call);
  cluster.Settle();  // the target has not got this one
  ASSERT_TRUE(cluster.node(leader).AskToLead(NodeId(target)));
  EXPECT_FALSE(cluster.node(leader).replica().CanPropose());
  for (int i = 0; i < 9; ++i) {
    cluster.Run(100);
    EXPECT_EQ(cluster.node(leader).AskToLead(NodeId(target)).error().code, Errc::kNotReady);
  }
  cluster.Run(110);
  EXPECT_TRUE(cluster.node(leader).replica().CanPropose());
}

TEST(EngineTest, ALeaderThatStopsHandsOverToTheVoterThatIsFurthest) {
  EngineCluster cluster(3);
  const uint32_t leader = cluster.Elect();
  const uint32_t behind = OtherThan(leader);
  cluster.Cut(leader, behind);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(cluster.node(leader).Change(EngineCluster::PutCommand("/a", "x"), 5000));
    cluster.Run(600);  // reports go round
  }
  ASSERT_TRUE(cluster.node(leader).HandOver());
  cluster.Run(50);
  EXPECT_EQ(cluster.node(leader).LeaderBegun(), NodeId(6 - leader - behind));
}

TEST(EngineTest, AChangeInFlightIsSettledByTheNextLeader) {
  EngineCluster cluster(3);
  const uint32_t leader = cluster.Elect();
  const uint32_t follower = OtherThan(leader);
  // The leader gets the command but can tell nobody.
  cluster.Isolate(leader);
  const Result<CallId> call =
      cluster.node(follower).Change(EngineCluster::PutCommand("/a", "x"), 5000);
  ASSERT_TRUE(call);
  cluster.Turn();
  cluster.Kill(leader);
  ASSERT_NE(cluster.Elect(), 0U);
  cluster.Run(100);
  const auto answer = cluster.Answer(follower, *call);
  ASSERT_TRUE(answer);
  ASSERT_TRUE(*answer) << answer->error().detail;
  EXPECT_EQ(ValueAt(cluster.node(follower), "/a"), "x");
}

TEST(EngineTest, AChangeChosenUnderTheOldLeaderIsNotSentToTheNext) {
  EngineCluster cluster(3);
  const uint32_t leader = cluster.Elect();
  const uint32_t follower = OtherThan(leader);
  // The command reaches the leader and is chosen with the third node; the follower hears of it
  // only from the next leader.
  cluster.CutOneWay(leader, follower);
  machine::Command create;
  create.operation = machine::CreateSequential{"/q/job-", "x", LeaseId()};
  const Result<CallId> call = cluster.node(follower).Change(create, 5000);
  ASSERT_TRUE(call);
  cluster.Settle();
  ASSERT_FALSE(cluster.Answer(follower, *call));
  cluster.Heal();
  cluster.frozen_.insert(NodeId(follower));  // so that the third node leads
  cluster.Kill(leader);
  ASSERT_EQ(cluster.Elect(), 6 - leader - follower);
  cluster.Run(200);
  ASSERT_TRUE(cluster.Answer(follower, *call));
  EXPECT_EQ(cluster.node(follower).counters().reforwarded, 0U);
  EXPECT_EQ(ValueAt(cluster.node(follower), "/q/job-0000000001"), "x");
  EXPECT_EQ(ValueAt(cluster.node(follower), "/q/job-0000000002"), "(absent)");
}

TEST(EngineTest, AChangeAppliedInOneTurnWithTheNextLeaderStartIsAppliedOnce) {
  EngineCluster cluster(5);
  const uint32_t leader = cluster.Elect();
  const uint32_t follower = OtherThan(leader);
  ASSERT_TRUE(cluster.node(leader).Change(AcquireCommand("/l"), 60'000));
  cluster.Settle();
  machine::Command create;
  create.operation = machine::CreateSequential{"/q/job-", "x", LeaseId()};
  const Result<CallId> call = cluster.node(follower).Change(create, 60'000);
  ASSERT_TRUE(call);
  const Result<CallId> wait = cluster.node(follower).Change(AcquireCommand("/l"), 60'000);
  ASSERT_TRUE(wait);
  cluster.Turn();  // the commands are with the leader
  cluster.Isolate(follower);
  cluster.Settle();
  ASSERT_EQ(ValueAt(cluster.node(leader), "/q/job-0000000001"), "x");
  ASSERT_EQ(ValueAt(cluster.node(follower), "/q/job-0000000001"), "(absent)");
  cluster.Kill(leader);
  ASSERT_NE(cluster.Elect(), 0U);
  // What the follower lacks comes in one answer: the entry and, behind it, the LeaderStart that
  // would prove both commands dropped had they not been applied.
  cluster.Heal();
  cluster.Run(3000);
  const auto answer = cluster.Answer(follower, *call);
  ASSERT_TRUE(answer && *answer);
  EXPECT_GE(cluster.largest_apply(follower), 2U);
  EXPECT_EQ(cluster.node(follower).counters().reforwarded, 0U);
  EXPECT_EQ(ValueAt(cluster.node(follower), "/q/job-0000000002"), "(absent)");
  EXPECT_FALSE(cluster.Answer(follower, *wait));
  EXPECT_EQ(WaitersOf(cluster.node(follower), "/l"), 1U);
}

// Its former process may have proposed the command: "no room", as of something never seen, would be
// a false promise that it is not applied.
TEST(EngineTest, ARestartedLeaderDoesNotJudgeWhatItsFormerProcessTook) {
  EngineConfig config;
  config.self.id = NodeId(1);
  config.boot = 2;
  config.pending_bytes_max = 0;
  config.consensus.self = NodeId(1);
  config.consensus.membership.version = 1;
  config.consensus.membership.voters = {NodeId(1), NodeId(2), NodeId(3)};
  consensus::Recovered disk;
  disk.hard_state.promised = {1, NodeId(1)};
  Engine engine(config, machine::Machine(auth::Settings()), std::move(disk), 1000);
  const Bytes command = machine::Encode(EngineCluster::PutCommand("/a", "x"));
  const Forward repeated{{1, NodeId(1)}, 77, 1, {{1, command}}};
  Bytes frame;
  AppendItem(repeated, &frame);
  engine.Receive(NodeId(2), frame);
  const EngineOutput out = engine.Take();
  ASSERT_EQ(out.frames.size(), 1U);
  const auto items = ParseFrame(out.frames[0].body);
  ASSERT_TRUE(items && items->size() == 1);
  const auto* reject = std::get_if<Reject>(&items->front());
  ASSERT_TRUE(reject != nullptr);
  EXPECT_EQ(reject->reason, Reject::Reason::kNotLeader);
}

TEST(EngineTest, WithoutALeaderAChangeFailsAsNotAppliedWhenItsTimeIsUp) {
  EngineCluster cluster(3);
  cluster.Isolate(1);
  cluster.Cut(2, 3);
  const Result<CallId> call = cluster.node(1).Change(EngineCluster::PutCommand("/a", "x"), 2000);
  ASSERT_TRUE(call);
  cluster.Run(1900);
  EXPECT_FALSE(cluster.Answer(1, *call));
  cluster.Run(200);
  const auto answer = cluster.Answer(1, *call);
  ASSERT_TRUE(answer);
  ASSERT_FALSE(*answer);
  EXPECT_EQ(answer->error().code, Errc::kNoLeader);
  EXPECT_EQ(answer->error().outcome, Outcome::kNotApplied);
}

TEST(EngineTest, AChangeThatALeaderMayHaveLoggedFailsAsUnknown) {
  EngineCluster cluster(3);
  const uint32_t leader = cluster.Elect();
  cluster.Isolate(leader);
  const Result<CallId> call =
      cluster.node(leader).Change(EngineCluster::PutCommand("/a", "x"), 100);
  ASSERT_TRUE(call);
  cluster.Run(200);
  const auto answer = cluster.Answer(leader, *call);
  ASSERT_TRUE(answer);
  ASSERT_FALSE(*answer);
  EXPECT_EQ(answer->error().code, Errc::kDeadlineExceeded);
  EXPECT_EQ(answer->error().outcome, Outcome::kUnknown);
}

TEST(EngineTest, ADeposedLeaderAppliesNothingOfWhatItAloneHadLogged) {
  EngineCluster cluster(3);
  const uint32_t old_leader = cluster.Elect();
  cluster.Isolate(old_leader);
  const Result<CallId> lost =
      cluster.node(old_leader).Change(EngineCluster::PutCommand("/lost", "x"), 60'000);
  ASSERT_TRUE(lost);
  cluster.Run(3000);
  cluster.Heal();
  cluster.Run(3000);
  // Proven dropped, it went to the new leader and was applied once, under the new ballot.
  const auto answer = cluster.Answer(old_leader, *lost);
  ASSERT_TRUE(answer);
  ASSERT_TRUE(*answer) << answer->error().detail;
  EXPECT_GE(cluster.node(old_leader).counters().reforwarded, 1U);
  for (uint32_t id = 1; id <= 3; ++id) {
    const store::NodeRef node = cluster.node(id).machine().tree().Find("/lost");
    ASSERT_TRUE(node) << id;
    EXPECT_EQ(node->version, 1U);
  }
}

TEST(EngineTest, ALinearizableReadOfAFollowerSeesTheLastAcknowledgedWrite) {
  EngineCluster cluster(3);
  const uint32_t leader = cluster.Elect();
  const uint32_t follower = OtherThan(leader);
  const Result<CallId> call =
      cluster.node(leader).Change(EngineCluster::PutCommand("/a", "1"), 5000);
  ASSERT_TRUE(call);
  cluster.Settle();
  const CallId read = cluster.node(follower).Read({});
  cluster.Settle();
  const auto ready = cluster.ReadAnswer(follower, read);
  ASSERT_TRUE(ready && *ready);
  EXPECT_EQ(ValueAt(cluster.node(follower), "/a"), "1");
}

TEST(EngineTest, ACutOffNodeAnswersALinearizableReadWithNoLeader) {
  EngineCluster cluster(3);
  const uint32_t leader = cluster.Elect();
  cluster.Isolate(leader);
  const CallId read = cluster.node(leader).Read({});
  cluster.Run(4000);
  const auto ready = cluster.ReadAnswer(leader, read);
  ASSERT_TRUE(ready);
  ASSERT_FALSE(*ready);
  EXPECT_EQ(ready->error().code, Errc::kNoLeader);
}

TEST(EngineTest, ASequentialReadWaitsForItsRevisionOrItsTime) {
  EngineCluster cluster(3);
  const uint32_t leader = cluster.Elect();
  const uint32_t follower = OtherThan(leader);
  ReadRequest request;
  request.consistency = Consistency::kSequential;
  request.min_revision = cluster.node(leader).machine().revision() + 1;
  request.timeout_ms = 500;
  const CallId served = cluster.node(follower).Read(request);
  cluster.Settle();
  EXPECT_FALSE(cluster.ReadAnswer(follower, served));
  ASSERT_TRUE(cluster.node(leader).Change(EngineCluster::PutCommand("/a", "1"), 5000));
  cluster.Settle();
  ASSERT_TRUE(cluster.ReadAnswer(follower, served));
  EXPECT_TRUE(*cluster.ReadAnswer(follower, served));
  request.min_revision = request.min_revision + 1000;
  const CallId late = cluster.node(follower).Read(request);
  cluster.Run(600);
  ASSERT_TRUE(cluster.ReadAnswer(follower, late));
  EXPECT_EQ(cluster.ReadAnswer(follower, late)->error().code, Errc::kDeadlineExceeded);
}

TEST(EngineTest, AReadOfABoundedAgeIsNotServedOnAnOlderProof) {
  EngineCluster cluster(3);
  const uint32_t leader = cluster.Elect();
  const uint32_t follower = OtherThan(leader);
  ReadRequest request;
  request.consistency = Consistency::kSequential;
  request.max_age_ms = 100;
  request.min_revision = cluster.node(leader).machine().revision() + 1;
  const CallId read = cluster.node(follower).Read(request);
  cluster.Settle();  // proven fresh, and waits for the revision
  EXPECT_FALSE(cluster.ReadAnswer(follower, read));
  cluster.Run(200);
  const auto answer = cluster.ReadAnswer(follower, read);
  ASSERT_TRUE(answer);
  ASSERT_FALSE(*answer);
  EXPECT_EQ(answer->error().code, Errc::kNotReady);
}

TEST(EngineTest, ClusterTimeStandsStillWhileTheLeaderIsCutOff) {
  EngineCluster cluster(3);
  const uint32_t leader = cluster.Elect();
  cluster.Run(2000);
  cluster.Isolate(leader);
  cluster.Run(1000);
  const ClusterTime before = cluster.node(leader).Now();
  cluster.Run(5000);
  EXPECT_EQ(cluster.node(leader).Now(), before);
}

TEST(EngineTest, AnIdleClusterKeepsTheClockOfALeaseInTheLog) {
  EngineCluster cluster(3);
  const uint32_t leader = cluster.Elect();
  cluster.Run(1500);
  machine::Command grant;
  grant.operation = machine::LeaseGrant{60'000, "idle"};
  ASSERT_TRUE(cluster.node(leader).Change(grant, 5000));
  cluster.Settle();
  cluster.Run(30'000);
  const uint32_t follower = OtherThan(leader);
  const int64_t behind =
      cluster.node(leader).Now().value - cluster.node(follower).machine().time().value;
  EXPECT_LE(behind, 600);
  EXPECT_GE(cluster.node(follower).machine().time().value, 29'000);
}

TEST(EngineTest, ALeaseExpiresWithinASecondOfItsTtl) {
  EngineCluster cluster(3);
  const uint32_t leader = cluster.Elect();
  cluster.Run(1500);
  machine::Command grant;
  grant.operation = machine::LeaseGrant{2000, "short"};
  ASSERT_TRUE(cluster.node(leader).Change(grant, 5000));
  cluster.Settle();
  cluster.Run(1900);
  EXPECT_EQ(cluster.node(leader).machine().counts().leases, 1U);
  cluster.Run(1000);
  EXPECT_EQ(cluster.node(leader).machine().counts().leases, 0U);
}

TEST(EngineTest, MembersBecomeKnownToAll) {
  EngineCluster cluster(3);
  ASSERT_NE(cluster.Elect(), 0U);
  cluster.Run(6000);
  const std::vector<machine::MemberView> members = cluster.node(2).machine().members();
  ASSERT_EQ(members.size(), 3U);
  EXPECT_EQ(members[2].uuid, "uuid-3");
}

TEST(EngineTest, WhatTheMemberTableWasToldStandsOverWhatMembersAnnounce) {
  EngineCluster cluster(3);
  const uint32_t leader = cluster.Elect();
  cluster.Run(6000);
  machine::Command update;
  update.operation = machine::UpdateMember{NodeId(3), "three", "new:1", ""};
  ASSERT_TRUE(cluster.node(leader).Change(update, 5000));
  cluster.Run(6000);
  const machine::MemberView row = cluster.node(leader).machine().members()[2];
  EXPECT_EQ(row.name, "three");
  EXPECT_EQ(row.peer_address, "new:1");
  EXPECT_EQ(row.uuid, "uuid-3");
}

TEST(EngineTest, ShutdownAnswersEveryCall) {
  EngineCluster cluster(3);
  const uint32_t leader = cluster.Elect();
  const uint32_t follower = OtherThan(leader);
  cluster.Isolate(follower);
  const Result<CallId> call =
      cluster.node(follower).Change(EngineCluster::PutCommand("/a", "x"), 5000);
  const CallId read = cluster.node(follower).Read({});
  ASSERT_TRUE(call);
  cluster.node(follower).Shutdown();
  cluster.Turn();
  ASSERT_TRUE(cluster.Answer(follower, *call));
  EXPECT_EQ(cluster.Answer(follower, *call)->error().code, Errc::kShuttingDown);
  ASSERT_TRUE(cluster.ReadAnswer(follower, read));
  EXPECT_EQ(cluster.ReadAnswer(follower, read)->error().code, Errc::kShuttingDown);
  EXPECT_FALSE(cluster.node(follower).Change(EngineCluster::PutCommand("/b", "x"), 5000));
}

}  // namespace
}  // namespace synod::node
