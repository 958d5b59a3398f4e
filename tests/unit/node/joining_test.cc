#include "src/node/joining.h"

#include <gtest/gtest.h>

namespace synod::node {
namespace {

const std::string kClusterId = "00000000000000030000000000000004";

TEST(JoiningTest, UnderstandsTheListOfMembers) {
  const Result<ClusterView> view =
      ParseClusterView(R"({"cluster_id":")" + kClusterId + R"(","members":[
        {"id":1,"name":"node-1","peer_url":"10.0.0.1:7302","client_url":"http://10.0.0.1:7301",
         "voter":true,"healthy":true,"applied_slot":9,"lag":0},
        {"id":4,"name":"four","peer_url":"[::1]:7302","client_url":"http://[::1]:7301",
         "voter":false,"healthy":false,"applied_slot":0,"lag":9}],"later":1})");
  ASSERT_TRUE(view) << view.error().detail;
  EXPECT_EQ(view->cluster_id, kClusterId);
  ASSERT_EQ(view->members.size(), 2U);
  EXPECT_EQ(view->members.at(NodeId(1)).peer, (HostPort{"10.0.0.1", 7302}));
  EXPECT_TRUE(view->members.at(NodeId(1)).voter);
  EXPECT_EQ(view->members.at(NodeId(4)).name, "four");
  EXPECT_FALSE(view->members.at(NodeId(4)).voter);
}

TEST(JoiningTest, RefusesAListThatItCannotUse) {
  const std::string head = R"({"cluster_id":")" + kClusterId + R"(","members":)";
  for (const std::string& bad :
       {std::string("<html>"), std::string("[]"), std::string("{}"),
        std::string(R"({"cluster_id":"x","members":[]})"), head + "{}}", head + "[1]}",
        head + R"([{"id":0,"peer_url":"a:1"}]})", head + R"([{"id":1}]})",
        head + R"([{"id":1,"peer_url":"a"}]})", head + R"([{"id":-1,"peer_url":"a:1"}]})"})
    EXPECT_FALSE(ParseClusterView(bad)) << bad;
}

TEST(JoiningTest, UnderstandsItsNumberAndTheMembershipWithIt) {
  const Result<Entered> entered =
      ParseEntered(R"({"id":4,"version":7,"voters":[1,2],"learners":[4,6]})");
  ASSERT_TRUE(entered) << entered.error().detail;
  EXPECT_EQ(entered->id, NodeId(4));
  EXPECT_EQ(entered->membership,
            (Membership{7, {NodeId(1), NodeId(2)}, {NodeId(4), NodeId(6)}, NodeId(7)}));
}

TEST(JoiningTest, RefusesToBeAnythingButALearner) {
  for (const char* bad :
       {"", "{}", R"({"id":4,"version":7,"voters":[1,4],"learners":[]})",
        R"({"id":4,"version":7,"voters":[1],"learners":[5]})",
        R"({"id":4,"version":7,"voters":[],"learners":[4]})",
        R"({"id":4,"version":7,"voters":[2,1],"learners":[4]})",
        R"({"id":4,"voters":[1],"learners":[4]})", R"({"id":4,"version":7,"voters":[1]})",
        R"({"version":7,"voters":[1],"learners":[4]})"})
    EXPECT_FALSE(ParseEntered(bad)) << bad;
}

// Nobody listens: it goes on asking, says why, and goes when it is told to.
TEST(JoiningTest, SaysWhyItIsNotInYet) {
  net::asio::io_context io;
  Joining joining(io, {"http://127.0.0.1:1"}, {},
                  {"uuid", "four", "127.0.0.1:2", "http://127.0.0.1:3"},
                  [](const Joining::Joined&) { ADD_FAILURE() << "joined"; });
  EXPECT_NE(joining.progress().find("http://127.0.0.1:1"), std::string::npos);
}

}  // namespace
}  // namespace synod::node
