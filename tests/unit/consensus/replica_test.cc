// Replica: electing, agreeing, surviving.
#include "consensus/replica.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/consensus/cluster.h"

namespace synod::consensus {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(ReplicaTest, ElectsOneLeaderAndAppliesWhatItProposesEverywhere) {
  for (const uint32_t size : {1u, 2u, 3u, 5u, 7u}) {
    Cluster cluster(size);
    const uint32_t leader = cluster.Elect();
    ASSERT_NE(leader, 0u) << size;
    EXPECT_TRUE(cluster.Propose(leader, "a"));
    EXPECT_TRUE(cluster.Propose(leader, "b"));
    cluster.Settle();
    for (uint32_t n = 1; n <= size; ++n)
      EXPECT_THAT(cluster.Commands(n), ElementsAre("a", "b")) << "node " << n << " of " << size;
    EXPECT_EQ(cluster.fault(), "");
  }
}

TEST(ReplicaTest, GoesOnWithAMinorityDown) {
  Cluster cluster(3);
  const uint32_t leader = cluster.Elect();
  ASSERT_NE(leader, 0u);
  cluster.Propose(leader, "a");
  cluster.Settle();
  cluster.Crash(leader);
  const uint32_t next = cluster.Elect();
  ASSERT_NE(next, 0u);
  EXPECT_NE(next, leader);
  EXPECT_TRUE(cluster.Propose(next, "b"));
  cluster.Settle();
  cluster.Restart(leader);
  cluster.Run(20);
  for (uint32_t n = 1; n <= 3; ++n) EXPECT_THAT(cluster.Commands(n), ElementsAre("a", "b"));
  EXPECT_EQ(cluster.fault(), "");
}

TEST(ReplicaTest, DoesNotChooseWithoutAMajority) {
  Cluster cluster(3);
  const uint32_t leader = cluster.Elect();
  cluster.Isolate(leader);
  cluster.Propose(leader, "lost");
  cluster.Settle();
  EXPECT_THAT(cluster.Commands(leader), IsEmpty());
}

}  // namespace
}  // namespace synod::consensus
