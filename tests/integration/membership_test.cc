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

}  // namespace
}  // namespace synod::integration
