// Changes of the membership through engines: what the leader admits, what it refuses and why, and
// when the answer comes.
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "tests/unit/node/engine_cluster.h"

namespace synod::node {
namespace {

using Kind = machine::ChangeMembers::Kind;

constexpr NodeId N(uint32_t n) { return NodeId(n); }

machine::Command CommandOf(machine::ChangeMembers change) {
  machine::Command command;
  command.operation = std::move(change);
  return command;
}
machine::Command Add(const std::string& address) {
  return CommandOf({Kind::kAdd, {}, {}, "new", address, "http://" + address, {}});
}
machine::Command Promote(uint32_t id) {
  return CommandOf({Kind::kPromote, {N(id)}, {}, {}, {}, {}, {}});
}
machine::Command Replace(uint32_t gone, uint32_t with) {
  return CommandOf({Kind::kReplace, {N(gone)}, N(with), {}, {}, {}, {}});
}
machine::Command Remove(uint32_t id) {
  return CommandOf({Kind::kRemove, {N(id)}, {}, {}, {}, {}, {}});
}

class EngineMembersTest : public testing::Test {
 protected:
  EngineMembersTest() : cluster_(3), leader_(cluster_.Elect()) {}

  uint32_t Follower() const { return leader_ % 3 + 1; }
  uint32_t Third() const { return 6 - leader_ - Follower(); }

  // The answer of the node that was asked, within two seconds.
  std::optional<machine::Answer> Ask(uint32_t node, const machine::Command& command) {
    const Result<CallId> call = cluster_.node(node).Change(command, 5000);
    for (int i = 0; i < 200; ++i) {
      cluster_.Run(10);
      if (const auto answer = cluster_.Answer(node, *call); answer && *answer)
        return **answer;
    }
    return std::nullopt;
  }
  std::string WhyRefused(uint32_t node, const machine::Command& command) {
    const auto answer = Ask(node, command);
    if (!answer || !std::holds_alternative<machine::Refusal>(answer->body))
      return "not refused";
    const Error& error = std::get<machine::Refusal>(answer->body).error;
    EXPECT_EQ(error.code, Errc::kMembershipRefused);
    return error.detail;
  }
  const Membership& Now(uint32_t node) { return cluster_.node(node).machine().membership(); }
  void AddLearner() {
    ASSERT_TRUE(Ask(leader_, Add("d:1")) && Now(leader_).IsLearner(N(4)));
    cluster_.Join(4, Now(leader_));
    cluster_.Run(500);
    ASSERT_EQ(cluster_.node(4).machine().applied(), cluster_.node(leader_).machine().applied());
  }

  EngineCluster cluster_;
  uint32_t leader_;
};

TEST_F(EngineMembersTest, TheFoundersAreTheFirstEntryAfterTheLeaderStart) {
  for (uint32_t n = 1; n <= 3; ++n)
    EXPECT_EQ(Now(n), (Membership{1, {N(1), N(2), N(3)}, {}, N(4)})) << n;
}

TEST_F(EngineMembersTest, AnAdditionIsAnsweredWithTheNewId) {
  const auto answer = Ask(Follower(), Add("d:1"));
  ASSERT_TRUE(answer.has_value());
  const auto& body = std::get<machine::MembersAnswer>(answer->body);
  EXPECT_EQ(body.ids, std::vector{N(4)});
  EXPECT_EQ(body.membership.learners, std::vector{N(4)});
  // The same wish again, while that node was never met, is the same learner.
  const auto again = Ask(leader_, Add("d:1"));
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(std::get<machine::MembersAnswer>(again->body).ids, std::vector{N(4)});
  EXPECT_EQ(Now(leader_).version, 2U);
}

TEST_F(EngineMembersTest, TheAddressOfAMemberIsFreeOnceItIsGone) {
  AddLearner();
  EXPECT_EQ(WhyRefused(leader_, Add("d:1")),
            "member 4, which is connected, has the peer address d:1");
  cluster_.node(leader_).PeerDown(N(4), true);
  const auto answer = Ask(leader_, Add("d:1"));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(std::get<machine::MembersAnswer>(answer->body).ids, std::vector{N(5)});
}

TEST_F(EngineMembersTest, AMemberWhoseConnectionEndedIsNotCountedOn) {
  AddLearner();
  cluster_.node(leader_).PeerDown(N(4), true);
  EXPECT_EQ(WhyRefused(leader_, Promote(4)), "member 4 does not answer");
}

TEST_F(EngineMembersTest, ALearnerThatKeepsUpIsPromotedAndOthersAreNot) {
  ASSERT_TRUE(Ask(leader_, Add("d:1")));
  EXPECT_EQ(WhyRefused(leader_, Promote(4)), "member 4 does not answer");
  cluster_.Join(4, Now(leader_));
  cluster_.Run(500);
  const auto answer = Ask(Follower(), Promote(4));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(std::get<machine::MembersAnswer>(answer->body).membership.voters.size(), 4U);
  EXPECT_TRUE(cluster_.node(4).replica().membership().IsVoter(N(4)));
  EXPECT_EQ(WhyRefused(leader_, Promote(4)), "member 4 is a voter already");
}

TEST_F(EngineMembersTest, TheLearnersIdentityIsBoundAtFirstContact) {
  AddLearner();
  cluster_.Run(1000);
  const auto members = cluster_.node(leader_).machine().members();
  ASSERT_EQ(members.size(), 4U);
  EXPECT_EQ(members[3].uuid, "uuid-4");
}

TEST_F(EngineMembersTest, WhatWouldLoseTheQuorumIsRefused) {
  cluster_.Isolate(Third());
  cluster_.Run(600);
  EXPECT_EQ(WhyRefused(leader_, Remove(Follower())),
            "only 1 of the 2 voters that would be left answer, and 2 are needed");
  EXPECT_EQ(Now(leader_).version, 1U);
  // The one that is away may go.
  const auto answer = Ask(leader_, Remove(Third()));
  ASSERT_TRUE(answer.has_value());
  EXPECT_TRUE(answer->ok());
}

TEST_F(EngineMembersTest, AChangeWaitsForTheOneBeforeIt) {
  const Result<CallId> first = cluster_.node(leader_).Change(Add("d:1"), 5000);
  cluster_.Settle();
  ASSERT_TRUE(cluster_.node(leader_).replica().MembershipChanging());
  const auto second = Ask(Follower(), Add("e:1"));
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(std::get<machine::MembersAnswer>(second->body).ids, std::vector{N(5)});
  const auto answer = cluster_.Answer(leader_, *first);
  ASSERT_TRUE(answer && *answer);
  EXPECT_EQ(std::get<machine::MembersAnswer>((*answer)->body).ids, std::vector{N(4)});
}

// The founders are an entry of the same kind, which nobody asked for.
TEST(EngineMembersFirstTest, AChangeWaitsForTheFounders) {
  EngineCluster cluster(3);
  uint32_t leader = 0;
  while (leader == 0) {
    cluster.Run(10);
    for (uint32_t id = 1; id <= 3; ++id)
      if (cluster.node(id).replica().IsLeader())
        leader = id;
  }
  ASSERT_EQ(cluster.node(leader).machine().membership().version, 0U);
  machine::Command command = Add("d:1");
  command.idempotency_key = "k";
  const Result<CallId> call = cluster.node(leader).Change(command, 5000);
  cluster.Run(1000);
  const auto answer = cluster.Answer(leader, *call);
  ASSERT_TRUE(answer && *answer);
  ASSERT_TRUE((*answer)->ok());
  EXPECT_EQ(std::get<machine::MembersAnswer>((*answer)->body).membership.version, 2U);
}

TEST_F(EngineMembersTest, TheAnswerWaitsForAnEntryAboveTheChange) {
  const Result<CallId> call = cluster_.node(leader_).Change(Add("d:1"), 5000);
  cluster_.Settle();
  // Chosen and applied, and the new voters have not said yet that they hold it.
  ASSERT_EQ(Now(leader_).version, 2U);
  EXPECT_FALSE(cluster_.Answer(leader_, *call));
  cluster_.Run(300);
  EXPECT_TRUE(cluster_.Answer(leader_, *call));
}

TEST_F(EngineMembersTest, ADeadVoterIsReplacedInOneStep) {
  AddLearner();
  const uint32_t dead = Third();
  cluster_.Kill(dead);
  const auto answer = Ask(Follower(), Replace(dead, 4));
  ASSERT_TRUE(answer.has_value());
  const auto& body = std::get<machine::MembersAnswer>(answer->body);
  EXPECT_FALSE(body.membership.IsMember(N(dead)));
  EXPECT_TRUE(body.membership.IsVoter(N(4)));
  EXPECT_TRUE(cluster_.node(leader_).machine().WasRemoved("uuid-" + std::to_string(dead)));
  cluster_.Run(1000);  // nobody announces it again
  EXPECT_EQ(cluster_.node(leader_).machine().members().size(), 3U);
}

TEST_F(EngineMembersTest, ALeaderIsRemovedAndAnswersThatItself) {
  const auto answer = Ask(leader_, Remove(leader_));
  ASSERT_TRUE(answer.has_value());
  EXPECT_TRUE(answer->ok());
  const uint32_t heir = cluster_.Elect();
  EXPECT_NE(heir, leader_);
  EXPECT_EQ(Now(heir).voters.size(), 2U);
  EXPECT_FALSE(cluster_.node(leader_).Ready());
}

// The one who is removed learns that the change is chosen before the new voters hold it, and the
// leader may die then.
TEST_F(EngineMembersTest, ARemovedNodeAnswersOnceAMajorityOfTheNewVotersHoldsTheChange) {
  AddLearner();
  const uint32_t gone = Follower();
  for (const uint32_t voter : {Third(), 4U}) {
    cluster_.Cut(gone, voter);
    cluster_.CutOneWay(voter, leader_);
  }
  const Result<CallId> call = cluster_.node(gone).Change(Replace(gone, 4), 60'000);
  // The old majority is the leader and the one that goes; the new one would need another.
  for (int i = 0; i < 50 && Now(gone).IsMember(N(gone)); ++i) cluster_.Run(10);
  ASSERT_FALSE(Now(gone).IsMember(N(gone)));
  cluster_.Run(200);
  EXPECT_FALSE(cluster_.Answer(gone, *call));
  EXPECT_FALSE(cluster_.node(gone).MembershipSettled());
  cluster_.Heal();
  cluster_.Run(2000);
  const auto answer = cluster_.Answer(gone, *call);
  ASSERT_TRUE(answer && *answer);
  EXPECT_TRUE((*answer)->ok());
  EXPECT_TRUE(cluster_.node(gone).MembershipSettled());
}

TEST_F(EngineMembersTest, ARepeatedChangeIsTheSameChange) {
  machine::Command command = Add("d:1");
  command.idempotency_key = "k";
  command.fingerprint = {1, 2};
  const auto first = Ask(leader_, command);
  ASSERT_TRUE(first.has_value());
  const auto again = Ask(Follower(), command);
  ASSERT_TRUE(again.has_value());
  EXPECT_TRUE(again->replayed);
  EXPECT_EQ(std::get<machine::MembersAnswer>(again->body).ids, std::vector{N(4)});
  EXPECT_EQ(Now(leader_).version, 2U);
}

TEST_F(EngineMembersTest, CommandsOfTheSameTimeAreNotLost) {
  const Result<CallId> change = cluster_.node(leader_).Change(Add("d:1"), 5000);
  std::vector<CallId> puts;
  for (int i = 0; i < 20; ++i) {
    puts.push_back(*cluster_.node(i % 2 == 0 ? leader_ : Follower())
                        .Change(EngineCluster::PutCommand("/" + std::to_string(i), "x"), 5000));
    cluster_.Turn();
  }
  cluster_.Run(1000);
  EXPECT_TRUE(cluster_.Answer(leader_, *change));
  for (int i = 0; i < 20; ++i)
    EXPECT_TRUE(cluster_.Answer(i % 2 == 0 ? leader_ : Follower(), puts[static_cast<size_t>(i)]));
}

// What a node's file says is the beginning of a new cluster, and of no other.
TEST(EngineFoundingTest, TheFirstLeaderSeedsTheSettingsOnce) {
  EngineCluster cluster(3, {.first_settings = {{3, 5000}, {7, 1 << 20}},
                            .first_quotas = {{"/a", {std::nullopt, 9}}}});
  cluster.Elect();
  cluster.Run(2000);
  auth::Settings expected;
  expected.history_keep_ms = 5000;
  expected.quota_bytes = 1 << 20;
  for (uint32_t id = 1; id <= 3; ++id) {
    EXPECT_EQ(cluster.node(id).machine().settings(), expected);
    EXPECT_EQ(cluster.node(id).machine().quotas().at(0).quota, (auth::Quota{0, 9, 0, 0}));
    EXPECT_EQ(cluster.node(id).machine().revision(), Revision(1));
  }
  cluster.Restart(cluster.Elect());
  const uint32_t next = cluster.Elect();
  cluster.Run(2000);
  EXPECT_EQ(cluster.node(next).machine().revision(), Revision(1));
}

}  // namespace
}  // namespace synod::node
