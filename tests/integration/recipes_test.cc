// The client library against real nodes: what its holders may believe, and its recipes.
#include <gmock/gmock.h>

#include <csignal>
#include <future>
#include <mutex>
#include <thread>

#include "src/client/barrier.h"
#include "src/client/cache.h"
#include "src/client/counter.h"
#include "src/client/election.h"
#include "src/client/group.h"
#include "src/client/lock.h"
#include "src/client/queue.h"
#include "tests/integration/cluster_test_base.h"

namespace synod::integration {
namespace {

using client::Client;
using client::Hold;
using client::HoldOptions;
using std::chrono::seconds;

class RecipesTest : public ClusterTest<3> {
 protected:
  static std::unique_ptr<Client> Connect() {
    return std::make_unique<Client>(client::ParseEndpoints(cluster().Endpoints()).value());
  }
};

TEST_F(RecipesTest, AHolderThatWasStoppedLongerThanItsTtlClaimsNothingAfterwards) {
  TempDir dir;
  ProcessOptions options;
  options.output_file = dir.path() + "/out";
  Process holder({Program("lock_holder"), cluster().Endpoints(), "/stopped", "2000"}, options);
  const auto out = [&] { return ReadFile(options.output_file); };
  ASSERT_TRUE(Eventually(seconds(30), [&] { return out().starts_with("held "); }));
  const uint64_t token = std::stoull(out().substr(5));

  holder.Signal(SIGSTOP);
  const auto other = Connect();
  Result<Hold> second = client::Lock(*other, "/stopped").Acquire(seconds(60));
  ASSERT_TRUE(second) << second.error().detail;
  EXPECT_GT(second->token(), token);

  holder.Signal(SIGCONT);
  // It doubts and it is told, each once; which is first is chance.
  const std::string held = "held " + std::to_string(token) + "\n";
  ASSERT_TRUE(Eventually(seconds(30), [&] { return out().size() >= held.size() + 12; })) << out();
  EXPECT_THAT(out(), testing::AnyOf(held + "doubts\nlost\n", held + "lost\ndoubts\n"));
  // What the first one still sends is refused.
  client::WriteOptions late;
  late.fences = {{"/stopped", token}};
  const Result<client::Node> written = client::Tree(*other).Put("/stopped-data", "x", late);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, Errc::kFenced);
  EXPECT_TRUE(second->Held());
}

// Two processes add to a list under a lock; the first is stopped between reading and writing. A
// file takes whatever comes, also from who has lost the lock meanwhile.
TEST_F(RecipesTest, AHolderThatWasStoppedOverwritesAFileAndNothingUnderItsFence) {
  TempDir dir;
  const std::string file = dir.path() + "/list";
  const auto gate = [&](const std::string& name) { return dir.path() + "/gate-" + name; };
  const auto out = [&](const std::string& name) { return ReadFile(dir.path() + "/" + name); };
  const auto start = [&](const std::string& name) {
    ProcessOptions options;
    options.output_file = dir.path() + "/" + name;
    return std::make_unique<Process>(Arguments{Program("list_updater"), cluster().Endpoints(),
                                               "/shared-list", name, file, "2000", gate(name)},
                                     options);
  };
  const auto first = start("a");
  ASSERT_TRUE(Eventually(seconds(30), [&] { return out("a") == "read a-1\n"; })) << out("a");
  first->Signal(SIGSTOP);

  WriteFile(gate("b"), "");
  const auto second = start("b");
  ASSERT_EQ(second->Wait(seconds(60)), 0) << out("b");
  EXPECT_EQ(out("b"), "read b-1\nfile b-1\ncluster b-1\n");
  EXPECT_EQ(ReadFile(file), "b-1\n");

  WriteFile(gate("a"), "");
  first->Signal(SIGCONT);
  ASSERT_EQ(first->Wait(seconds(60)), 0) << out("a");
  EXPECT_EQ(out("a"), "read a-1\nfile a-1\nfenced a-1\n");
  EXPECT_EQ(ReadFile(file), "a-1\n");  // the second one's is lost
  EXPECT_EQ(Http(port(1), "GET", "/v1/kv/shared-list?raw=true").body, "b-1\n");
}

TEST_F(RecipesTest, AHoldOutlivesTheLeader) {
  const auto mine = Connect();
  std::atomic<int> losses = 0;
  HoldOptions options;
  options.ttl = Milliseconds(5000);
  options.on_lost = [&] { ++losses; };
  Result<Hold> hold = client::Lock(*mine, "/failover", options).Acquire(seconds(30));
  ASSERT_TRUE(hold) << hold.error().detail;
  const auto before = hold->safe_until();

  const int leader = cluster().Leader();
  cluster().node(leader).Kill();
  // Renewed by the next leader, more than a TTL after the last renewal by this one.
  ASSERT_TRUE(Eventually(
      seconds(60), [&] { return losses > 0 || hold->safe_until() > before + Milliseconds(5000); }));
  EXPECT_EQ(losses, 0);
  EXPECT_TRUE(hold->Held());
  client::WriteOptions fenced;
  fenced.fences = {hold->fence()};
  EXPECT_TRUE(client::Tree(*mine).Put("/failover-data", "x", fenced));
  const auto other = Connect();
  EXPECT_FALSE(client::Lock(*other, "/failover").Acquire(seconds(0)));
  EXPECT_TRUE(hold->Release());
  EXPECT_TRUE(client::Lock(*other, "/failover").Acquire(seconds(0)));
  cluster().node(leader).StartAgain();
  cluster().node(leader).AwaitReady();
}

TEST_F(RecipesTest, AWaiterKeepsItsPlaceWhenItsNodeDies) {
  const auto mine = Connect();
  Result<Hold> first = client::Lock(*mine, "/queue-of-two").Acquire(seconds(30));
  ASSERT_TRUE(first) << first.error().detail;
  // It asks node 1 first, which dies while it waits.
  Client second(
      client::ParseEndpoints(cluster().node(1).url() + "," + cluster().node(2).url()).value());
  std::promise<Result<Hold>> got;
  client::Lock lock(second, "/queue-of-two");
  const client::Waiting waiting =
      lock.Acquire(seconds(120), [&](Result<Hold> hold) { got.set_value(std::move(hold)); });
  const auto waiters = [&] {
    const auto answer = TryHttp(port(1), "GET", "/v1/locks/queue-of-two");
    return answer && answer->status == 200 ? answer->Json().at("waiters").as_array().size() : 0;
  };
  ASSERT_TRUE(Eventually(seconds(30), [&] { return waiters() == 1; }));
  cluster().node(1).Kill();
  // Behind it.
  client::Lock behind(*mine, "/queue-of-two");
  std::atomic<bool> overtaken = false;
  const client::Waiting third =
      behind.Acquire(seconds(120), [&](const Result<Hold>& hold) { overtaken = hold.has_value(); });
  ASSERT_TRUE(Eventually(seconds(30), [&] { return waiters() == 2; }));
  EXPECT_TRUE(first->Release());
  const Result<Hold> hold = got.get_future().get();
  ASSERT_TRUE(hold) << hold.error().detail;
  EXPECT_FALSE(overtaken);
  cluster().node(1).StartAgain();
  cluster().node(1).AwaitReady();
}

TEST_F(RecipesTest, LeadersFollowEachOtherAndAreSeenByAll) {
  const auto a = Connect();
  const auto b = Connect();
  std::mutex mutex;
  std::vector<std::string> seen;
  const auto sees = [&](const std::vector<std::string>& expected) {
    return Eventually(seconds(30), [&] {
      const std::lock_guard lock(mutex);
      return seen == expected;
    });
  };
  const auto observation = client::Election(*b, "/leader")
                               .Observe(
                                   [&](const std::optional<client::Leader>& leader) {
                                     const std::lock_guard lock(mutex);
                                     seen.push_back(leader ? leader->value : "");
                                   },
                                   [](const Error& error) { ADD_FAILURE() << error.detail; });
  ASSERT_TRUE(sees({""}));
  HoldOptions first;
  first.value = "a";
  client::Election election(*a, "/leader", first);
  Result<Hold> leadership = election.Campaign(seconds(30));
  ASSERT_TRUE(leadership) << leadership.error().detail;
  EXPECT_TRUE(election.Proclaim(*leadership, "a again"));
  HoldOptions second;
  second.value = "b";
  std::promise<Result<Hold>> got;
  client::Election candidate(*b, "/leader", second);
  const client::Waiting waiting =
      candidate.Campaign(seconds(60), [&](Result<Hold> hold) { got.set_value(std::move(hold)); });
  ASSERT_TRUE(Eventually(seconds(30), [&] {
    return Http(port(), "GET", "/v1/elections/leader").Json().at("candidates").as_array().size() ==
           1;
  }));
  EXPECT_TRUE(leadership->Release());
  const Result<Hold> next = got.get_future().get();
  ASSERT_TRUE(next) << next.error().detail;
  EXPECT_TRUE(sees({"", "a", "a again", "b"}));
  const Result<std::optional<client::Leader>> now = election.Current();
  ASSERT_TRUE(now && *now);
  EXPECT_EQ((*now)->token, next->token());
}

TEST_F(RecipesTest, AMultiLockWaitsForAllOfItsParts) {
  const auto mine = Connect();
  const auto other = Connect();
  Result<Hold> part = client::Lock(*other, "/multi/b").Acquire(seconds(30));
  ASSERT_TRUE(part) << part.error().detail;
  client::MultiLock both(*mine, {{"/multi/a"}, {"/multi/b"}});
  const Result<Hold> refused = both.Acquire(seconds(0));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kLockUnavailable) << refused.error().detail;
  // None of them was taken.
  EXPECT_TRUE(client::Lock(*other, "/multi/a").Acquire(seconds(0)));
  EXPECT_TRUE(part->Release());
  const Result<Hold> all = both.Acquire(seconds(30));
  ASSERT_TRUE(all) << all.error().detail;
  EXPECT_EQ(all->fences().size(), 2U);
}

TEST_F(RecipesTest, ACacheCatchesUpWithWhatItsNodeMissed) {
  const auto mine = Connect();
  client::Tree tree(*mine);
  ASSERT_TRUE(tree.Put("/cached/a", "1"));
  client::Cache cache(*mine, "/cached");
  ASSERT_TRUE(cache.Ready(seconds(30)));
  EXPECT_EQ(cache.Get("/cached/a")->value, "1");
  // The node that serves its watch goes, and what it misses is compacted before it is back.
  const int served = 1;
  cluster().node(served).Pause();
  uint64_t last = 0;
  for (int i = 0; i < 20; ++i)
    last = client::Tree(*mine).Put("/cached/b", std::to_string(i)).value().mod_revision;
  ASSERT_TRUE(tree.Delete("/cached/a"));
  const Answer compacted = PutUntilDone(cluster(), "/v1/kv/uncached", "x");
  const int asked = cluster().Other(served);
  EXPECT_EQ(Http(port(asked - 1), "POST", "/v1/compact",
                 {.body = "{\"revision\":" + std::to_string(compacted.Revision()) + "}"})
                .status,
            200);
  cluster().node(served).Resume();
  ASSERT_TRUE(cache.Reach(last, seconds(60)));
  ASSERT_TRUE(Eventually(seconds(30), [&] { return !cache.Get("/cached/a"); }));
  EXPECT_EQ(cache.Get("/cached/b")->value, "19");
}

TEST_F(RecipesTest, AParticipantThatGoesWithoutLeavingHoldsNobodyUp) {
  const auto mine = Connect();
  auto dying = Connect();
  client::DoubleBarrier here(*mine, "/double", 2);
  {
    std::promise<Status> entered;
    auto there = std::make_unique<client::DoubleBarrier>(
        *dying, "/double", 2, client::LeaseOptions{Milliseconds(1000), "", {}});
    there->Enter(seconds(30), [&](Status status) { entered.set_value(std::move(status)); });
    const Status in = here.Enter(seconds(30));
    ASSERT_TRUE(in) << in.error().detail;
    const Status both = entered.get_future().get();
    ASSERT_TRUE(both) << both.error().detail;
  }
  const Status left = here.Leave(seconds(30));
  EXPECT_TRUE(left) << left.error().detail;
  // And it can be used again, from the beginning: one alone does not get in.
  EXPECT_FALSE(here.Enter(Milliseconds(500)));
}

}  // namespace
}  // namespace synod::integration
