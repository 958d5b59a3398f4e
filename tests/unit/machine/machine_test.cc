#include <gtest/gtest.h>

#include "src/base/path.h"
#include "tests/unit/machine/machine_fixture.h"

namespace synod::machine {
namespace {

TEST_F(MachineTest, APutTakesTheNextRevisionAndIsAnswered) {
  const auto answer = PutNode("/a/b", "x");
  ASSERT_TRUE(answer.has_value());
  const auto& put = std::get<PutAnswer>(answer->body);
  EXPECT_EQ(answer->revision, Revision(1));
  EXPECT_TRUE(put.created);
  EXPECT_EQ(put.node.path, "/a/b");
  EXPECT_EQ(put.node.node->mod_revision, Revision(1));
  ASSERT_EQ(last_applied.revisions.size(), 1u);
  EXPECT_EQ(last_applied.revisions[0]->changes.size(), 2u);
}

TEST_F(MachineTest, LocksPassFromHolderToWaiter) {
  const LeaseId first = Lease(10'000);
  const LeaseId second = Lease(10'000);
  const FenceToken token = TokenOf(Do(AcquireOf("/l", first, 0)));
  EXPECT_NE(token, FenceToken());
  EXPECT_FALSE(Do(AcquireOf("/l", second, 5000)).has_value());
  const uint64_t waiting = last_seq;
  EXPECT_EQ(last_applied.waiting, std::vector<uint64_t>{waiting});
  EXPECT_EQ(CodeOf(Do(Release{LockKind::kLock, "/l", token})), Errc::kOk);
  EXPECT_GT(TokenOf(AnswerTo(waiting)), token);
}

}  // namespace
}  // namespace synod::machine
