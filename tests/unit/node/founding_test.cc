#include "src/node/founding.h"

#include <gtest/gtest.h>

namespace synod::node {
namespace {

Founding::Self EmptyNode() {
  Founding::Self self;
  self.id = NodeId(1);
  self.uuid = "u1";
  self.founds = "cluster-a";
  self.members = {NodeId(1), NodeId(2), NodeId(3)};
  return self;
}

Introduction From(uint32_t id, std::string cluster_id = "") {
  return {NodeId(id), NodeId(1), "u" + std::to_string(id), std::move(cluster_id), "cluster-a"};
}

TEST(FoundingTest, FoundsWhenAMajorityOfEmptyNodesHasMet) {
  Founding founding(EmptyNode());
  EXPECT_FALSE(founding.decided());
  EXPECT_EQ(founding.Judge(From(2)), std::nullopt);
  EXPECT_TRUE(founding.Met(From(2)));
  EXPECT_EQ(founding.cluster_id(), "cluster-a");
}

TEST(FoundingTest, TheSamePeerTwiceIsNoMajority) {
  Founding::Self self = EmptyNode();
  self.members = {NodeId(1), NodeId(2), NodeId(3), NodeId(4), NodeId(5)};
  Founding founding(self);
  EXPECT_FALSE(founding.Met(From(2)));
  EXPECT_FALSE(founding.Met(From(2)));
  EXPECT_TRUE(founding.Met(From(3)));
}

TEST(FoundingTest, JoinsTheClusterThatAPeerBelongsTo) {
  Founding founding(EmptyNode());
  EXPECT_TRUE(founding.Met(From(2, "cluster-a")));
  EXPECT_EQ(founding.cluster_id(), "cluster-a");
}

TEST(FoundingTest, RefusesAPeerOfAnotherCluster) {
  Founding founding(EmptyNode());
  const auto reason = founding.Judge(From(2, "cluster-b"));
  ASSERT_TRUE(reason);
  EXPECT_NE(reason->find("another cluster"), std::string::npos);
}

TEST(FoundingTest, RefusesAPeerThatWasStartedWithOtherFlags) {
  Founding founding(EmptyNode());
  Introduction peer = From(2);
  peer.founds = "cluster-b";
  EXPECT_TRUE(founding.Judge(peer));
}

TEST(FoundingTest, RefusesAnotherDirectoryUnderABoundNumber) {
  Founding founding(EmptyNode());
  EXPECT_TRUE(founding.Met(From(2)));
  Introduction wiped = From(2);
  wiped.uuid = "new-disk";
  const auto reason = founding.Judge(wiped);
  ASSERT_TRUE(reason);
  EXPECT_TRUE(reason->starts_with(Founding::kBoundElsewhere)) << *reason;
}

Founding Decided() {
  Founding founding(EmptyNode());
  EXPECT_TRUE(founding.Met(From(2, "cluster-a")));
  return founding;
}

// A node that was killed before it had seen the first membership knows of no newer ones.
TEST(FoundingTest, LetsMembersInThatItDoesNotKnowYet) {
  Founding founding = Decided();
  EXPECT_EQ(founding.Judge(From(4, "cluster-a")), std::nullopt);
  const auto empty = founding.Judge(From(4));
  ASSERT_TRUE(empty);
  EXPECT_NE(empty->find("is no member"), std::string::npos) << *empty;
  founding.SetMembers({NodeId(1), NodeId(2), NodeId(3), NodeId(4)}, NodeId(5));
  EXPECT_EQ(founding.Judge(From(4)), std::nullopt);
}

// While the others may not know it yet it can be the one that proves the change.
TEST(FoundingTest, LetsARemovedMemberInUntilItMayBeToldSo) {
  Founding founding = Decided();
  founding.SetMembers({NodeId(1), NodeId(2)}, NodeId());
  EXPECT_EQ(founding.Judge(From(3, "cluster-a")), std::nullopt);
  founding.SetMembers({NodeId(1), NodeId(2)}, NodeId(4));
  EXPECT_TRUE(founding.Judge(From(3, "cluster-a")));
}

TEST(FoundingTest, TellsARemovedMemberThatItWasRemoved) {
  Founding founding = Decided();
  founding.SetMembers({NodeId(1), NodeId(2)}, NodeId(5));
  for (const uint32_t id : {3U, 4U}) {
    const auto reason = founding.Judge(From(id, "cluster-a"));
    ASSERT_TRUE(reason);
    EXPECT_TRUE(reason->starts_with(Founding::kRemoved)) << *reason;
  }
  // A number that was not given out yet, as far as this node knows, is that of a newer member.
  EXPECT_EQ(founding.Judge(From(5, "cluster-a")), std::nullopt);
  EXPECT_TRUE(founding.Judge(From(5))) << "one of no cluster";
  // Nor does this cluster know who was removed from another.
  const auto foreign = founding.Judge(From(3, "cluster-b"));
  ASSERT_TRUE(foreign);
  EXPECT_TRUE(foreign->starts_with("another cluster")) << *foreign;
}

TEST(FoundingTest, ForgetsTheBindingOfARemovedMember) {
  Founding founding = Decided();
  ASSERT_TRUE(founding.bound().contains(NodeId(2)));
  founding.SetMembers({NodeId(1), NodeId(3)}, NodeId(4));
  EXPECT_FALSE(founding.bound().contains(NodeId(2)));
}

TEST(FoundingTest, RefusesStrangersAndMisdirectedHellos) {
  Founding founding(EmptyNode());
  EXPECT_TRUE(founding.Judge(From(9)));
  EXPECT_TRUE(founding.Judge(From(1)));
  Introduction misdirected = From(2);
  misdirected.to = NodeId(3);
  EXPECT_TRUE(founding.Judge(misdirected));
}

TEST(FoundingTest, AClusterOfOneFoundsItself) {
  Founding::Self self = EmptyNode();
  self.members = {NodeId(1)};
  Founding founding(self);
  EXPECT_TRUE(founding.FoundAlone());
  EXPECT_FALSE(founding.FoundAlone());
}

TEST(FoundingTest, TheIdOfAClusterFollowsFromTokenAndMembers) {
  const std::map<uint32_t, HostPort> two = {{1, {"a", 1}}, {2, {"b", 2}}};
  const std::map<uint32_t, HostPort> other = {{1, {"a", 1}}, {2, {"b", 3}}};
  EXPECT_EQ(ClusterIdOf("t", two), ClusterIdOf("t", two));
  EXPECT_NE(ClusterIdOf("t", two), ClusterIdOf("t", other));
  EXPECT_NE(ClusterIdOf("t", two), ClusterIdOf("u", two));
}

}  // namespace
}  // namespace synod::node
