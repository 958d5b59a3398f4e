// Real processes with a state that is not that of the others: it is found, and taken anew on the
// operator's word.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <filesystem>
#include <fstream>
#include <functional>

#include "src/machine/machine.h"
#include "src/storage/state_dirs.h"
#include "src/storage/state_store.h"
#include "tests/integration/cluster_test_base.h"
#include "tests/support/websocket_client.h"

namespace synod::integration {
namespace {

using testing::HasSubstr;

constexpr Milliseconds kFound{30'000};

class HealingTest : public testing::Test {
 protected:
  void SetUp() override {
    cluster_.Start();
    leader_ = cluster_.Leader();
    victim_ = cluster_.Other(leader_);
    for (int i = 0; i < 20; ++i)
      PutUntilDone(cluster_, "/v1/kv/k" + std::to_string(i), std::to_string(i));
    // A state to be spoiled, all of it behind the beginning of the leader's ballot: the first of
    // two checkpoints may have been on its way before.
    for (int i = 0; i < 2; ++i) {
      const uint64_t before = Checkpoints();
      PutUntilDone(cluster_, "/v1/kv/k0", "0");
      ASSERT_TRUE(Eventually(kFound, [&] { return Checkpoints() > before; }));
    }
  }
  void TearDown() override {
    if (HasFailure())
      PrintLogs(cluster_);
  }

  uint64_t Checkpoints() {
    const std::string metrics = Metrics();
    static const std::string kName = "\nsynod_checkpoints_total ";
    const size_t at = metrics.find(kName);
    return at == std::string::npos ? 0 : std::stoull(metrics.substr(at + kName.size()));
  }
  Node& victim() { return cluster_.node(victim_); }

  // The checkpoint of the stopped victim becomes that of another history; `sound`: with its digest.
  void Spoil(bool sound) {
    storage::FileSystem& fs = storage::PosixFileSystem();
    storage::StateDirs dirs(fs, victim().data_dir());
    ASSERT_TRUE(dirs.Open());
    auto store = storage::StateStore::Open(fs, dirs.current());
    ASSERT_TRUE(store);
    machine::Machine machine{auth::Settings()};
    ASSERT_TRUE((*store)->Load([&](std::string_view key, std::string_view value) {
      return machine.LoadRecord(key, value);
    }));
    ASSERT_TRUE(machine.FinishLoad());
    machine::Command wrong;
    wrong.operation = machine::Put{"/wrong", "x", std::nullopt, {}, false};
    machine::Applied applied;
    machine.Apply({machine.applied() + 1, machine::LogEntry::Kind::kCommand, machine.leader_start(),
                   machine::EncodeBatch(machine.time(), std::vector{machine::Encode(wrong)})},
                  {}, &applied);
    storage::Checkpoint checkpoint;
    checkpoint.slot = machine.applied();
    checkpoint.digest = machine.digest();
    if (!sound)
      ++checkpoint.digest.sum.lo;
    checkpoint.records = machine.TakeDirty();
    checkpoint.log_gen = (*store)->log_gen();
    checkpoint.witness = (*store)->witness();
    checkpoint.revision = machine.revision();
    checkpoint.time = machine.time();
    ASSERT_TRUE((*store)->Write(checkpoint));
  }
  void StartAnew() {
    Arguments arguments = cluster_.InitialArguments();
    arguments.push_back("--discard-state");
    victim().Start(arguments);
  }
  std::string Ready() {
    const auto answer = TryHttp(victim().port(), "GET", "/readyz");
    return answer ? answer->body : "";
  }
  std::string Metrics() { return Http(victim().port(), "GET", "/metrics").body; }
  // Whom this node takes for diverged.
  size_t DivergedAt(int id) {
    const auto status = cluster_.node(id).Status();
    return status ? status->at("digest_check").at("diverged").as_array().size() : SIZE_MAX;
  }
  void ExpectHealed() {
    victim().AwaitReady();
    EXPECT_THAT(Metrics(), HasSubstr("\nsynod_digest_diverged 0\n"));
    EXPECT_TRUE(Eventually(
        kFound, [&] { return DivergedAt(1) == 0 && DivergedAt(2) == 0 && DivergedAt(3) == 0; }));
    for (int i = 0; i < 20; ++i)
      EXPECT_EQ(Http(victim().port(), "GET", "/v1/kv/k" + std::to_string(i)).Text("value"),
                std::to_string(i));
    EXPECT_EQ(Http(victim().port(), "GET", "/v1/kv/wrong?consistency=sequential").status, 404);
    EXPECT_EQ(Http(victim().port(), "PUT", "/v1/kv/healed", {.body = "x"}).status / 100, 2);
    EXPECT_TRUE(Eventually(kFound, [&] {
      const auto one = victim().Status();
      const auto other = cluster_.node(leader_).Status();
      return one && other && one->at("applied_slot") == other->at("applied_slot") &&
             one->at("digest") == other->at("digest");
    }));
  }

  Cluster cluster_{3};
  int leader_ = 0;
  int victim_ = 0;
};

TEST_F(HealingTest, ADivergedNodeStopsServingAndIsHealedOnTheOperatorsWord) {
  ASSERT_EQ(victim().Stop(), 0);
  Spoil(true);
  PutUntilDone(cluster_, "/v1/kv/more", "x");
  victim().StartAgain();
  EXPECT_TRUE(Eventually(kFound, [&] {
    return Ready().find("start it once with --discard-state") != std::string::npos;
  }));
  EXPECT_THAT(Metrics(), HasSubstr("\nsynod_digest_diverged 1\n"));
  EXPECT_THAT(victim().Log(), HasSubstr("state_diverged"));
  EXPECT_EQ(DivergedAt(victim_), 1U);
  EXPECT_EQ(DivergedAt(leader_), 1U);
  EXPECT_EQ(Http(victim().port(), "GET", "/v1/kv/k1?consistency=sequential").status, 503);

  ASSERT_EQ(victim().Stop(), 0);
  StartAnew();
  ExpectHealed();
  EXPECT_THAT(victim().Log(), HasSubstr("state_confirmed"));
  // What was taken is what the next start finds.
  ASSERT_EQ(victim().Stop(), 0);
  victim().Start(cluster_.InitialArguments());
  ExpectHealed();
}

// A watch of /k0 at the victim until it ends: where to go on.
uint64_t FollowToTheEnd(const std::function<std::optional<std::string>()>& next) {
  std::string last;
  for (auto message = next(); message; message = next()) last = *message;
  const boost::json::value json = boost::json::parse(last);
  EXPECT_EQ(json.at("type"), "shutting_down") << last;
  return json.at("resume_from").to_number<uint64_t>();
}

TEST_F(HealingTest, StreamsOfANodeThatIsFoundOutEndWithWhereToGoOn) {
  ASSERT_EQ(victim().Stop(), 0);
  Spoil(true);
  PutUntilDone(cluster_, "/v1/kv/more", "x");  // the slot that it has something else for
  // Of two that differ nobody knows which one is right: it serves until the third is back.
  Node& third = cluster_.node(6 - leader_ - victim_);
  third.Pause();
  victim().StartAgain();
  victim().AwaitReady();
  Stream sse(victim().port(), "/v1/watch/k0", {{"Accept", "text/event-stream"}});
  Stream ndjson(victim().port(), "/v1/watch/k0", {{"Accept", "application/x-ndjson"}});
  WebSocketClient socket(victim().port(), "/v1/watch");
  socket.Send(R"({"op":"watch","id":1,"path":"/k0"})");
  ASSERT_EQ(sse.head().status, 200);
  ASSERT_EQ(ndjson.head().status, 200);
  for (Stream* stream : {&sse, &ndjson}) ASSERT_TRUE(stream->Next());
  ASSERT_THAT(socket.Next().value_or(""), HasSubstr("created"));
  const uint16_t leader = cluster_.port(leader_);
  ASSERT_EQ(Http(leader, "PUT", "/v1/kv/k0", {.body = "seen"}).status, 200);
  for (Stream* stream : {&sse, &ndjson}) EXPECT_THAT(stream->Next()->data, HasSubstr("seen"));
  EXPECT_THAT(socket.Next().value_or(""), HasSubstr("seen"));

  third.Resume();
  const auto of = [](Stream& stream) {
    return [&stream]() -> std::optional<std::string> {
      const auto message = stream.Next(kFound);
      return message ? std::optional(message->data) : std::nullopt;
    };
  };
  const uint64_t resume_from = FollowToTheEnd(of(sse));
  EXPECT_EQ(FollowToTheEnd(of(ndjson)), resume_from);
  EXPECT_EQ(FollowToTheEnd([&] { return socket.Next(kFound); }), resume_from);
  EXPECT_EQ(socket.close_code(), 1001);
  // Revisions of a history of its own may be some behind those of the others' or ahead of them.
  for (int i = 0; i < 3; ++i) PutUntilDone(cluster_, "/v1/kv/k1", std::to_string(i));
  PutUntilDone(cluster_, "/v1/kv/k0", "after");
  Stream elsewhere(leader, "/v1/watch/k0?from_revision=" + std::to_string(resume_from),
                   {{"Accept", "application/x-ndjson"}});
  ASSERT_TRUE(elsewhere.Next());
  EXPECT_THAT(elsewhere.Next()->data, HasSubstr("after"));
}

TEST_F(HealingTest, AStateThatNobodyConfirmedIsWaitedForOverARestart) {
  const std::string mark = victim().data_dir() + "/unconfirmed";
  ASSERT_EQ(victim().Stop(), 0);
  Node& third = cluster_.node(6 - leader_ - victim_);
  third.Pause();
  StartAnew();
  ASSERT_TRUE(Eventually(
      kFound, [&] { return victim().Log().find("snapshot installed") != std::string::npos; }));
  EXPECT_TRUE(std::filesystem::exists(mark));
  ASSERT_EQ(victim().Stop(), 0);
  victim().Start(cluster_.InitialArguments());
  EXPECT_TRUE(Eventually(
      kFound, [&] { return Ready().find("is not confirmed yet") != std::string::npos; }));
  third.Resume();
  ExpectHealed();
  EXPECT_TRUE(Eventually(kFound, [&] { return !std::filesystem::exists(mark); }));
}

TEST_F(HealingTest, AStateThatCannotBeReadIsTakenAnew) {
  ASSERT_EQ(victim().Stop(), 0);
  Spoil(false);
  victim().StartAgain();
  ASSERT_EQ(victim().AwaitExit(kFound), 1);
  EXPECT_THAT(victim().Log(), HasSubstr("Start this node once with --discard-state"));
  StartAnew();
  ExpectHealed();

  ASSERT_EQ(victim().Stop(), 0);
  storage::StateDirs dirs(storage::PosixFileSystem(), victim().data_dir());
  ASSERT_TRUE(dirs.Open());
  std::ofstream(dirs.current() + "/CURRENT") << "nonsense";
  victim().Start(cluster_.InitialArguments());
  ASSERT_EQ(victim().AwaitExit(kFound), 1);
  EXPECT_THAT(victim().Log(), HasSubstr("Start this node once with --discard-state"));
  StartAnew();
  ExpectHealed();
}

TEST(HealingAloneTest, AClusterOfOneHasNobodyToTakeAStateFrom) {
  Cluster cluster(1);
  cluster.node(1).Start({"--discard-state"});
  EXPECT_EQ(cluster.node(1).AwaitExit(kFound), 1);
  EXPECT_THAT(cluster.node(1).Log(), HasSubstr("and there is none"));
}

}  // namespace
}  // namespace synod::integration
