#include "src/base/types.h"

#include <gtest/gtest.h>

#include <type_traits>
#include <unordered_set>

namespace synod {
namespace {

static_assert(!std::is_convertible_v<uint64_t, Slot>, "a number does not become a slot by itself");
static_assert(!std::is_convertible_v<Slot, Revision>, "a slot is no revision");
static_assert(!std::is_assignable_v<LeaseId&, FenceToken>, "a token is no lease");

TEST(TypesTest, StrongNumbersCountAndCompare) {
  Slot slot(4);
  ++slot;
  EXPECT_EQ(slot, Slot(5));
  EXPECT_EQ(slot + 2, Slot(7));
  EXPECT_EQ(slot - 1, Slot(4));
  EXPECT_LT(slot, Slot(6));
  EXPECT_EQ(ClusterTime(3) - 5, ClusterTime(-2));
}

TEST(TypesTest, BallotsAreOrderedByRoundThenByNode) {
  EXPECT_LT((Ballot{1, NodeId(7)}), (Ballot{2, NodeId(1)}));
  EXPECT_LT((Ballot{2, NodeId(1)}), (Ballot{2, NodeId(2)}));
  EXPECT_EQ((Ballot{2, NodeId(2)}), (Ballot{2, NodeId(2)}));
  EXPECT_TRUE(Ballot{}.IsZero());
  EXPECT_FALSE((Ballot{1, NodeId(1)}.IsZero()));
}

TEST(TypesTest, RequestIdsDifferByNodeProcessAndNumber) {
  const RequestId id{NodeId(1), 2, 3};
  EXPECT_NE(id, (RequestId{NodeId(2), 2, 3}));
  EXPECT_NE(id, (RequestId{NodeId(1), 3, 3}));
  EXPECT_NE(id, (RequestId{NodeId(1), 2, 4}));
  EXPECT_EQ(id, (RequestId{NodeId(1), 2, 3}));
}

TEST(TypesTest, StrongNumbersAreHashed) {
  const std::unordered_set<LeaseId> ids = {LeaseId(1), LeaseId(2), LeaseId(1)};
  EXPECT_EQ(ids.size(), 2U);
}

}  // namespace
}  // namespace synod
