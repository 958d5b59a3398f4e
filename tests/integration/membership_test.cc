// Clusters that grow, shrink, move and lose members, as real processes: nothing acknowledged is
// lost, nobody votes who must not, and every refusal says why.
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <map>
#include <random>
#include <set>

#include "tests/integration/cluster_test_base.h"
#include "tests/integration/writers.h"

namespace synod::integration {
namespace {

namespace json = boost::json;

constexpr Milliseconds kSoon(20'000);
const std::string kMembers = "/v1/cluster/members";

class MembershipTest : public testing::Test {
 protected:
  void Found(int size) {
    cluster_ = std::make_unique<Cluster>(size);
    cluster_->Start();
  }
  void TearDown() override {
    if (HasFailure() && cluster_)
      PrintLogs(*cluster_);
  }

  Cluster& cluster() { return *cluster_; }
  Node& node(int n) { return cluster_->node(n); }
  uint16_t port(int n) { return cluster_->port(n); }

  // As the operator of a new machine would: it enters itself at node `by`.
  Node& StartJoiner(int n, int by = 1) {
    node(n).Start({"--name", "n" + std::to_string(n), "--join", node(by).url()});
    return node(n);
  }
  // A new node that is a learner, or more, when this returns.
  void Join(int by = 1) {
    cluster_->Add();
    StartJoiner(cluster_->size(), by).AwaitReady();
  }

  // The members as node `at` knows them, by number; empty if it does not answer.
  std::map<int64_t, json::object> Members(int at) {
    std::map<int64_t, json::object> members;
    const auto answer = TryHttp(port(at), "GET", "/v1/cluster");
    if (!answer || answer->status != 200)
      return members;
    const json::value cluster = answer->Json();
    for (const json::value& m : cluster.at("members").as_array())
      members[m.at("id").to_number<int64_t>()] = m.as_object();
    return members;
  }
  std::set<int64_t> Ids(int at, bool voters) {
    std::set<int64_t> ids;
    for (const auto& [id, m] : Members(at))
      if (m.at("voter").as_bool() == voters)
        ids.insert(id);
    return ids;
  }
  bool AwaitVoters(int at, const std::set<int64_t>& voters) {
    return Eventually(kSoon, [&] { return Ids(at, true) == voters; });
  }
  // The member number that node `n` has.
  int64_t NumberOf(int n) { return node(n).Status()->at("node").at("id").to_number<int64_t>(); }

  // A change that is refused for now (a learner that lags, another change) is asked for again.
  Answer Change(int at,
                const std::string& method,
                const std::string& target,
                std::string body = "") {
    std::optional<Answer> answer;
    Eventually(kSoon, [&] {
      answer = TryHttp(port(at), method, target, {.body = body});
      return answer && answer->status < 300;
    });
    if (!answer)
      throw std::runtime_error(method + " " + target + ": no answer");
    EXPECT_LT(answer->status, 300) << answer->body;
    return *answer;
  }
  Answer Promote(int at, std::vector<int64_t> ids) {
    json::array list(ids.begin(), ids.end());
    return Change(at, "POST", kMembers + "/promote",
                  json::serialize(json::object{{"ids", std::move(list)}}));
  }
  void ExpectRemoved(int n) {
    EXPECT_TRUE(Eventually(kSoon,
                           [&] {
                             const auto ready = TryHttp(port(n), "GET", "/readyz");
                             return ready && ready->status == 503 &&
                                    ready->body.find("was removed") != std::string::npos;
                           }))
        << "node " << n << " does not say that it was removed";
    const auto status = node(n).Status();
    ASSERT_TRUE(status);
    EXPECT_EQ(status->at("role").as_string(), "learner");
    EXPECT_TRUE(status->contains("removed"));
    const Answer put = Http(port(n), "PUT", "/v1/kv/x", {.body = "x"});
    EXPECT_EQ(put.Code(), "not_ready") << put.body;
    EXPECT_NE(put.Text("detail").find("was removed"), std::string::npos) << put.body;
    EXPECT_EQ(put.Text("outcome"), "not_applied");
    EXPECT_NE(node(n).Log().find("was removed from the cluster"), std::string::npos);
  }

  std::unique_ptr<Cluster> cluster_;
};

TEST_F(MembershipTest, GrowsFromOneToFiveAndShrinksToThreeUnderLoadWithoutLosingAWrite) {
  Found(1);
  for (int n = 0; n < 4; ++n) cluster().Add();
  Writers writers(cluster(), 2);
  const auto progress = [&] {
    const size_t before = writers.acknowledged();
    return Eventually(kSoon, [&] { return writers.acknowledged() >= before + 20; });
  };
  ASSERT_TRUE(progress());
  for (const int n : {2, 3}) StartJoiner(n).AwaitReady();
  EXPECT_EQ(Ids(1, true), std::set<int64_t>{1});
  Promote(1, {2, 3});
  ASSERT_TRUE(AwaitVoters(3, {1, 2, 3}));
  ASSERT_TRUE(progress());
  for (const int n : {4, 5}) StartJoiner(n, 2).AwaitReady();
  Promote(4, {4, 5});
  ASSERT_TRUE(AwaitVoters(5, {1, 2, 3, 4, 5}));
  ASSERT_TRUE(progress());
  // Two of five may go at once now.
  node(1).Kill();
  node(2).Kill();
  ASSERT_TRUE(progress());
  Change(4, "DELETE", kMembers + "/1");
  Change(4, "DELETE", kMembers + "/2");
  ASSERT_TRUE(AwaitVoters(5, {3, 4, 5}));
  node(3).Kill();
  ASSERT_TRUE(progress());
  node(3).StartAgain();
  node(3).AwaitReady();
  writers.Stop();
  for (const int n : {3, 4, 5}) {
    const std::set<std::string> found = AllPaths(port(n));
    for (const std::string& path : writers.paths())
      ASSERT_TRUE(found.contains(path)) << path << " was acknowledged and is gone from node " << n;
  }
  // Who was away when it was removed learns it from its old peers.
  node(1).StartAgain();
  ExpectRemoved(1);
}

TEST_F(MembershipTest, AVoterThatLostItsDiskIsReplacedByANewMember) {
  Found(3);
  ASSERT_EQ(Http(port(1), "PUT", "/v1/kv/a", {.body = "kept"}).status, 201);
  const int victim = cluster().Other(cluster().Leader());
  const int other = cluster().Leader();
  node(victim).Kill();
  node(victim).Wipe();
  // With its old flags it may not even start, and says what to do instead.
  node(victim).StartAgain();
  EXPECT_EQ(node(victim).AwaitExit(kSoon), 3);
  const std::string log = node(victim).Log();
  EXPECT_NE(log.find("--join http://127.0.0.1:"), std::string::npos) << log;
  EXPECT_NE(log.find("member replace " + std::to_string(victim) + " --with"), std::string::npos);

  StartJoiner(victim, other).AwaitReady();
  EXPECT_EQ(NumberOf(victim), 4);
  EXPECT_EQ(node(victim).Status()->at("role").as_string(), "learner");
  const std::string target = kMembers + "/" + std::to_string(victim) + "/replace";
  Change(other, "POST", target, R"({"with":4})");
  std::set<int64_t> voters = {1, 2, 3, 4};
  voters.erase(victim);
  ASSERT_TRUE(AwaitVoters(victim, voters));
  EXPECT_EQ(Http(port(victim), "GET", "/v1/kv/a").Text("value"), "kept");
  // It counts now: with the third one down there is still a majority.
  const int third = 6 - victim - other;
  node(third).Kill();
  EXPECT_EQ(PutUntilDone(cluster(), "/v1/kv/b", "new").status, 201);
}

TEST_F(MembershipTest, AMemberThatKnowsNobodyWhoIsLeftComesBack) {
  Found(3);
  // One that has seen no membership at all knows of no numbers but the founders'.
  ASSERT_TRUE(Eventually(
      kSoon, [&] { return node(3).Log().find("the members are version=1") != std::string::npos; }));
  EXPECT_EQ(node(3).Stop(), 0);
  Join(1);
  Join(1);
  Change(1, "POST", kMembers + "/1/replace", R"({"with":4})");
  Change(4, "POST", kMembers + "/2/replace", R"({"with":5})");
  ASSERT_TRUE(AwaitVoters(5, {3, 4, 5}));
  node(1).Kill();
  node(2).Kill();
  EXPECT_EQ(PutUntilDone(cluster(), "/v1/kv/a", "by strangers").status, 201);
  node(3).StartAgain();
  node(3).AwaitReady();
  EXPECT_EQ(Http(port(3), "GET", "/v1/kv/a").Text("value"), "by strangers");
  ASSERT_TRUE(AwaitVoters(3, {3, 4, 5}));
  // It counts.
  node(4).Kill();
  EXPECT_EQ(PutUntilDone(cluster(), "/v1/kv/b", "x").status, 201);
}

TEST_F(MembershipTest, ALeaderThatIsRemovedHandsOverAndSaysThatItIsGone) {
  Found(3);
  const int leader = cluster().Leader();
  const Answer removed = Change(leader, "DELETE", kMembers + "/" + std::to_string(leader));
  EXPECT_EQ(removed.Json().at("voters").as_array().size(), 2U);
  ExpectRemoved(leader);
  const int other = cluster().Other(leader);
  EXPECT_EQ(Http(port(other), "PUT", "/v1/kv/a", {.body = "x"}).status, 201);
  const Answer gone = Http(port(other), "DELETE", kMembers + "/" + std::to_string(leader));
  EXPECT_EQ(gone.Code(), "not_found") << gone.body;
  // The same after a restart; and nobody is disturbed by it.
  EXPECT_EQ(node(leader).Stop(), 0);
  const json::value ballot = node(other).Status()->at("ballot");
  node(leader).StartAgain();
  ExpectRemoved(leader);
  EXPECT_EQ(node(other).Status()->at("ballot"), ballot);
}

TEST_F(MembershipTest, WhatWouldLoseTheQuorumIsRefusedWithTheReason) {
  Found(3);
  const int leader = cluster().Leader();
  const int dead = cluster().Other(leader);
  const int third = 6 - leader - dead;
  Join(leader);
  node(4).Kill();
  node(dead).Kill();
  // Until the leader sees it, nobody can tell.
  ASSERT_TRUE(Eventually(kSoon, [&] {
    const auto members = Members(leader);
    return members.contains(4) && !members.at(4).at("healthy").as_bool() &&
           !members.at(dead).at("healthy").as_bool();
  }));
  const auto refused = [&](const std::string& method, const std::string& target,
                           const std::string& body) {
    Answer answer;
    // What is dead is known to be after a moment.
    EXPECT_TRUE(Eventually(kSoon,
                           [&] {
                             answer = Http(port(leader), method, kMembers + target, {.body = body});
                             return answer.status == 409;
                           }))
        << method << " " << target << ": " << answer.status << " " << answer.body;
    EXPECT_EQ(answer.Code(), "membership_refused") << answer.body;
    EXPECT_EQ(answer.Text("outcome"), "not_applied");
    EXPECT_GT(answer.Text("detail").size(), 10U) << answer.body;
  };
  refused("POST", "/4/promote", "");
  refused("POST", "/" + std::to_string(dead) + "/replace", R"({"with":4})");
  refused("DELETE", "/" + std::to_string(third), "");
  EXPECT_EQ(Ids(leader, true), (std::set<int64_t>{1, 2, 3}));
  EXPECT_EQ(Http(port(leader), "PUT", "/v1/kv/a", {.body = "x"}).status, 201);
  // The dead one may go: the two that are left are a majority of two.
  Change(leader, "DELETE", kMembers + "/" + std::to_string(dead));
  EXPECT_TRUE(AwaitVoters(third, {leader, third}));
}

TEST_F(MembershipTest, BadRequestsAndUnknownMembersAreToldApart) {
  Found(1);
  struct Case {
    std::string method, target, body, code, word;
  };
  const Case cases[] = {
      {"POST", "", "{}", "invalid_request", "peer_url"},
      {"POST", "", R"({"peer_url":"nowhere","client_url":"http://a:1"})", "invalid_request",
       "peer_url"},
      {"POST", "", R"({"peer_url":"a:1","client_url":"a:1"})", "invalid_request", "client_url"},
      {"POST", "/promote", R"({"ids":[]})", "invalid_request", "ids"},
      {"POST", "/promote", R"({"ids":[9]})", "not_found", "9"},
      {"POST", "/9/promote", "", "not_found", "9"},
      {"POST", "/1/promote", "", "membership_refused", "voter"},
      {"POST", "/1/replace", R"({"with":9})", "not_found", "9"},
      {"POST", "/1/replace", "{}", "invalid_request", "with"},
      {"PATCH", "/9", R"({"name":"x"})", "not_found", "9"},
      {"PATCH", "/1", R"({"name":"a\nb"})", "invalid_request", "name"},
      {"DELETE", "/9", "", "not_found", "9"},
      {"DELETE", "/1", "", "membership_refused", "voter"},
  };
  for (const Case& c : cases) {
    const Answer answer = Http(port(1), c.method, kMembers + c.target, {.body = c.body});
    EXPECT_EQ(answer.Code(), c.code) << c.method << " " << c.target << ": " << answer.body;
    EXPECT_NE(answer.Text("detail").find(c.word), std::string::npos) << answer.body;
    EXPECT_EQ(answer.Text("outcome"), "not_applied") << answer.body;
  }
}

TEST_F(MembershipTest, AnAdditionRepeatedUnderItsKeyAddsOnce) {
  Found(1);
  Call call{.body = R"({"name":"two","peer_url":"127.0.0.1:1","client_url":"http://a:1"})"};
  Answer first;
  // The cluster may still be entering its founder; a refusal is recorded as well.
  int key = 0;
  ASSERT_TRUE(Eventually(kSoon, [&] {
    call.headers = {{"Idempotency-Key", std::to_string(++key)}};
    first = Http(port(1), "POST", kMembers, call);
    return first.status == 201;
  })) << first.body;
  EXPECT_EQ(first.Number("id"), 2);
  const Answer again = Http(port(1), "POST", kMembers, call);
  EXPECT_EQ(again.body, first.body);
  EXPECT_EQ(again.Header("synod-replayed"), "true");
  EXPECT_EQ(Ids(1, false), std::set<int64_t>{2});
}

TEST_F(MembershipTest, AMemberThatMovesIsFoundAtItsNewAddress) {
  Found(3);
  EXPECT_EQ(node(3).Stop(), 0);
  node(3).Move();
  node(3).Start(cluster().InitialArguments());
  node(3).AwaitReady();
  for (const int n : {1, 2, 3})
    EXPECT_TRUE(Eventually(kSoon,
                           [&] {
                             const auto members = Members(n);
                             return members.contains(3) &&
                                    members.at(3).at("peer_url").as_string() ==
                                        node(3).peer_address() &&
                                    members.at(3).at("client_url").as_string() == node(3).url() &&
                                    members.at(3).at("healthy").as_bool();
                           }))
        << "node " << n;
  // Dialed there by the others: with node 1 gone the two are a majority.
  node(1).Kill();
  EXPECT_EQ(PutUntilDone(cluster(), "/v1/kv/a", "x").status, 201);
  // What PATCH says outlives a restart with the same flags.
  Change(3, "PATCH", kMembers + "/3", R"({"name":"three"})");
  node(3).Kill();
  node(3).StartAgain();
  node(3).AwaitReady();
  EXPECT_TRUE(Eventually(kSoon, [&] {
    const auto status = node(3).Status();
    return status && status->at("node").at("name").as_string() == "three";
  }));
}

TEST_F(MembershipTest, AJoinerKilledAtAnyMomentEntersOnce) {
  Found(1);
  cluster().Add();
  std::mt19937 random(7);
  for (int round = 0; round < 8; ++round) {
    StartJoiner(2);
    // Not a wait for anything: the moment is the point.
    node(2).AwaitExit(Milliseconds(random() % 300));
    node(2).Kill();
  }
  StartJoiner(2).AwaitReady();
  EXPECT_EQ(NumberOf(2), 2);
  EXPECT_EQ(Ids(1, true), std::set<int64_t>{1});
  EXPECT_EQ(Ids(1, false), std::set<int64_t>{2});
  EXPECT_EQ(node(2).Status()->at("role").as_string(), "learner");
  // Again, while there is nobody to ask: still a learner, and no leader of its own.
  node(2).Kill();
  node(1).Pause();
  node(2).StartAgain();
  ASSERT_TRUE(Eventually(kSoon, [&] { return node(2).Status().has_value(); }));
  EXPECT_EQ(node(2).Status()->at("role").as_string(), "learner");
  EXPECT_FALSE(node(2).Ready());
  EXPECT_NE(node(2).Log().find("--join is ignored"), std::string::npos);
  node(1).Resume();
  node(2).AwaitReady();
}

TEST_F(MembershipTest, AJoinerWaitsForItsClusterAndSaysSo) {
  Found(1);
  EXPECT_EQ(node(1).Stop(), 0);
  cluster().Add();
  StartJoiner(2);
  ASSERT_TRUE(Eventually(
      kSoon, [&] { return node(2).Log().find("not in the cluster yet") != std::string::npos; }));
  const Answer ready = Http(port(2), "GET", "/readyz");
  EXPECT_EQ(ready.status, 503);
  EXPECT_NE(ready.body.find("entering the cluster of " + node(1).url()), std::string::npos)
      << ready.body;
  EXPECT_EQ(Http(port(2), "GET", "/livez").status, 200);
  EXPECT_EQ(Http(port(2), "GET", "/v1/kv/a").Code(), "not_ready");
  node(1).StartAgain();
  node(2).AwaitReady();
  // It may also be told to go while it waits.
  node(1).Kill();
  node(2).Kill();
  node(2).Wipe();
  StartJoiner(2);
  ASSERT_TRUE(Eventually(kSoon, [&] { return node(2).Status().has_value(); }));
  EXPECT_EQ(node(2).Stop(), 0);
}

// As a StatefulSet starts them: all with the same arguments but their number.
TEST_F(MembershipTest, NodesWithOneCommandLineFoundJoinAndBecomeVotersByThemselves) {
  cluster_ = std::make_unique<Cluster>(3);
  const std::string founders = cluster().InitialCluster();
  const std::string urls = cluster().Endpoints();
  for (int n = 4; n <= 5; ++n) cluster().Add();
  const auto start = [&](int n) {
    node(n).Start({"--initial-cluster", founders, "--join", urls, "--join-as", "voter"});
  };
  for (int n = 1; n <= 3; ++n) start(n);
  for (int n = 1; n <= 3; ++n) node(n).AwaitReady();
  EXPECT_EQ(Ids(1, true), (std::set<int64_t>{1, 2, 3}));
  for (int n = 4; n <= 5; ++n) start(n);
  EXPECT_TRUE(AwaitVoters(1, {1, 2, 3, 4, 5}));
  for (int n = 1; n <= 5; ++n) node(n).AwaitReady();
  // A restart changes nothing.
  const auto version = [&] {
    const std::string metrics = Http(port(1), "GET", "/metrics").body;
    const size_t at = metrics.find("\nsynod_membership_version ");
    return at == std::string::npos ? "" : metrics.substr(at, metrics.find('\n', at + 1) - at);
  };
  const std::string before = version();
  EXPECT_NE(before, "");
  for (const int n : {2, 5}) {
    EXPECT_EQ(node(n).Stop(), 0);
    node(n).StartAgain();
    node(n).AwaitReady();
  }
  EXPECT_EQ(version(), before);
}

TEST_F(MembershipTest, TheCommandLineWalksThroughTheLifeOfAMember) {
  Found(1);
  Node& two = cluster().Add();
  const auto run = [&](const Arguments& arguments, int code) {
    const Finished done = cluster().Synod(arguments);
    EXPECT_EQ(done.exit_code, code) << done.out << done.err;
    return done.out + done.err;
  };
  EXPECT_NE(run({"member", "--help"}, 0).find("synod member replace 3 --with 4"),
            std::string::npos);
  EXPECT_NE(run({"member", "promote", "2"}, 3).find("not_found"), std::string::npos);
  EXPECT_NE(run({"member", "remove", "1"}, 4).find("membership_refused"), std::string::npos);
  run({"member", "add", "--name", "two"}, 2);
  run({"member", "add", "--peer-url", "x", "--client-url", "y"}, 2);
  run({"member", "promote", "x"}, 2);
  // Entered by the operator first; the node then takes that place.
  EXPECT_NE(run({"member", "add", "--name", "n2", "--peer-url", two.peer_address(), "--client-url",
                 two.url()},
                0)
                .find("member 2"),
            std::string::npos);
  StartJoiner(2).AwaitReady();
  EXPECT_EQ(NumberOf(2), 2);
  const std::string list = run({"member", "list"}, 0);
  EXPECT_NE(list.find("n2"), std::string::npos) << list;
  EXPECT_NE(list.find("false"), std::string::npos) << list;
  ASSERT_TRUE(Eventually(kSoon, [&] {
    return cluster().Synod({"member", "promote", "2"}).exit_code == 0;
  }));
  EXPECT_NE(run({"member", "update", "2", "--name", "second"}, 0).find("1,2"), std::string::npos);
  const json::value members = json::parse(run({"-o", "json", "member", "list"}, 0));
  EXPECT_EQ(members.at("members").as_array().size(), 2U);
  EXPECT_EQ(members.at("members").as_array()[1].at("name").as_string(), "second");
  EXPECT_NE(run({"member", "remove", "2"}, 0).find("1"), std::string::npos);
  ExpectRemoved(2);
}

}  // namespace
}  // namespace synod::integration
