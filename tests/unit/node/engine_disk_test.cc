// What a cluster takes and who leads it while disks fill up.
#include <gtest/gtest.h>

#include "tests/unit/node/engine_cluster.h"

namespace synod::node {
namespace {

class EngineDiskTest : public testing::Test {
 protected:
  void SetUp() override {
    leader_ = cluster_.Elect();
    ASSERT_NE(leader_, 0u);
  }
  Errc Try(uint32_t node, machine::Operation operation) {
    machine::Command command;
    command.operation = std::move(operation);
    const Result<CallId> call = cluster_.node(node).Change(std::move(command), 5000);
    if (!call) {
      EXPECT_EQ(call.error().outcome, Outcome::kNotApplied);
      return call.error().code;
    }
    cluster_.Run(300);
    const auto answer = cluster_.Answer(node, *call);
    return answer && *answer ? Errc() : Errc::kInternal;
  }
  machine::Put Put() {
    machine::Put put;
    put.path = "/a";
    put.value = "x";
    return put;
  }
  machine::Delete Delete() {
    machine::Delete d;
    d.path = "/a";
    return d;
  }
  uint32_t Follower(uint32_t n) const { return (leader_ + n - 1) % 3 + 1; }

  EngineCluster cluster_{3};
  uint32_t leader_ = 0;
};

TEST_F(EngineDiskTest, OneFullerDiskOfThreeDoesNotStopWrites) {
  cluster_.node(leader_).SetDisk(DiskLevel::kLow);
  cluster_.Run(100);
  EXPECT_EQ(Try(leader_, Put()), Errc());
  EXPECT_EQ(cluster_.node(leader_).replica().leader(), NodeId(leader_));
}

TEST_F(EngineDiskTest, WithoutRoomOnAMajorityOnlyGrowthIsRefusedOnEveryNode) {
  ASSERT_EQ(Try(leader_, Put()), Errc());
  cluster_.node(Follower(1)).SetDisk(DiskLevel::kLow);
  cluster_.node(Follower(2)).SetDisk(DiskLevel::kLow);
  cluster_.Run(100);
  for (uint32_t n = 1; n <= 3; ++n) {
    EXPECT_EQ(Try(n, Put()), Errc::kStorageFull);
    EXPECT_EQ(Try(n, machine::Txn{{}, {machine::TxnPut{"/a", "x", {}}}, {}}), Errc::kStorageFull);
    EXPECT_EQ(Try(n, machine::Txn{{}, {machine::TxnGet{"/a"}}, {}}), Errc());
    EXPECT_EQ(Try(n, machine::LeaseGrant{5000, "l"}), Errc());
  }
  EXPECT_EQ(Try(leader_, Delete()), Errc());
  // It ends by itself.
  cluster_.node(Follower(1)).SetDisk(DiskLevel::kOk);
  cluster_.Run(100);
  for (uint32_t n = 1; n <= 3; ++n) EXPECT_EQ(Try(n, Put()), Errc());
}

TEST_F(EngineDiskTest, ALeaderWithAFullDiskHandsOverAndStandsAside) {
  cluster_.node(leader_).SetDisk(DiskLevel::kFull);
  cluster_.Run(2000);
  EXPECT_FALSE(cluster_.node(leader_).TakesPart());
  EXPECT_EQ(cluster_.node(leader_).Ready().error().code, Errc::kNotReady);
  const Slot before = cluster_.node(leader_).replica().learned();
  EXPECT_EQ(Try(Follower(1), Put()), Errc());
  EXPECT_EQ(cluster_.node(leader_).replica().learned(), before);
  // When there is room again it catches up.
  cluster_.node(leader_).SetDisk(DiskLevel::kOk);
  cluster_.Run(2000);
  EXPECT_TRUE(cluster_.node(leader_).Ready());
  EXPECT_GT(cluster_.node(leader_).replica().learned(), before);
}

// Its file would take what is left, and so would the checkpoint that each try asks for.
TEST_F(EngineDiskTest, ANodeWithAFullDiskMakesNoSnapshots) {
  const uint32_t asker = Follower(1);
  cluster_.Kill(Follower(2));
  cluster_.node(leader_).SetDisk(DiskLevel::kFull);
  cluster_.Restart(asker, machine::kMachineVersion, {.discard = true});
  cluster_.Run(6000);
  EXPECT_TRUE(cluster_.node(leader_).TakesPart()) << "the other is no majority";
  EXPECT_TRUE(cluster_.node(asker).replica().AwaitsState());
  cluster_.node(leader_).SetDisk(DiskLevel::kOk);
  cluster_.Run(6000);
  EXPECT_FALSE(cluster_.node(asker).replica().AwaitsState());
}

TEST_F(EngineDiskTest, WhoWaitsWhereTheDiskIsFullIsSentElsewhere) {
  machine::Command command;
  machine::Acquire acquire;
  acquire.path = "/l";
  acquire.ttl_ms = 60'000;
  acquire.wait_ms = 3'600'000;
  command.operation = acquire;
  const uint32_t full = Follower(1);
  ASSERT_TRUE(cluster_.node(leader_).Change(command, 3'605'000));
  cluster_.Settle();
  const CallId waits = cluster_.node(full).Change(command, 3'605'000).value();
  ReadRequest later;
  later.consistency = Consistency::kSequential;
  later.min_revision = Revision(1000);
  later.timeout_ms = 60'000;
  const CallId read = cluster_.node(full).Read(later);
  cluster_.Settle();
  ASSERT_EQ(cluster_.node(leader_).machine().counts().waiters, 1u);
  cluster_.node(full).SetDisk(DiskLevel::kFull);
  cluster_.Run(1000);
  const auto answer = cluster_.Answer(full, waits);
  ASSERT_TRUE(answer && !*answer);
  EXPECT_EQ(answer->error().code, Errc::kNotReady);
  EXPECT_EQ(answer->error().outcome, Outcome::kUnknown);
  EXPECT_TRUE(cluster_.ReadAnswer(full, read));
  EXPECT_EQ(Try(full, Put()), Errc::kNotReady);
  // What nobody stands behind any more is withdrawn when the node takes part again.
  cluster_.node(full).SetDisk(DiskLevel::kOk);
  cluster_.Run(6000);
  EXPECT_EQ(cluster_.node(leader_).machine().counts().waiters, 0u);
}

// Two of three must vote: a node that may still find room is better than none.
TEST_F(EngineDiskTest, AFullDiskVotesWhileTheOthersAreNoMajority) {
  const uint32_t full = Follower(1);
  const uint32_t dies = Follower(2);
  cluster_.node(full).SetDisk(DiskLevel::kFull);
  cluster_.Run(500);
  ASSERT_FALSE(cluster_.node(full).TakesPart());
  cluster_.Kill(dies);
  cluster_.Run(3000);
  EXPECT_TRUE(cluster_.node(full).TakesPart());
  EXPECT_EQ(Try(leader_, Put()), Errc::kStorageFull);
  EXPECT_EQ(Try(leader_, machine::LeaseGrant{5000, "l"}), Errc());
}

TEST(EngineDiskAloneTest, AClusterOfOneServesDeletesOnAFullDisk) {
  EngineCluster cluster(1);
  ASSERT_EQ(cluster.Elect(), 1u);
  cluster.node(1).SetDisk(DiskLevel::kFull);
  cluster.Run(1000);
  EXPECT_TRUE(cluster.node(1).Ready());
  EXPECT_FALSE(cluster.node(1).MayGrow());
  machine::Command command;
  command.operation = machine::Delete{};
  EXPECT_TRUE(cluster.node(1).Change(command, 1000));
}

}  // namespace
}  // namespace synod::node
