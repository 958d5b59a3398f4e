#include "src/base/membership.h"

#include <gtest/gtest.h>

#include "src/base/codec.h"

namespace synod {
namespace {

constexpr NodeId N(uint32_t n) { return NodeId(n); }

TEST(MembershipTest, ComesBackFromItsBytes) {
  const Membership membership{3, {N(1), N(2), N(5)}, {N(7)}, N(9)};
  const auto decoded = Membership::Decode(membership.Encode());
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(*decoded, membership);
  EXPECT_TRUE(decoded->IsVoter(N(5)));
  EXPECT_FALSE(decoded->IsVoter(N(7)));
  EXPECT_TRUE(decoded->IsLearner(N(7)));
  EXPECT_TRUE(decoded->IsMember(N(7)));
  EXPECT_FALSE(decoded->IsMember(N(8)));
  EXPECT_EQ(decoded->Majority(), 2u);
}

TEST(MembershipTest, AnOlderReaderSkipsWhatANewerWriterAdds) {
  const Membership membership{3, {N(1)}, {}, N(2)};
  const auto decoded = Membership::Decode(membership.Encode() + "more");
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(*decoded, membership);
}

TEST(MembershipTest, RefusesWhatDoesNotFitTogether) {
  const Membership malformed[] = {
      {1, {}, {}, N(1)},                // no voters
      {1, {N(0)}, {}, N(1)},            // nobody
      {1, {N(2), N(1)}, {}, N(3)},      // not ascending
      {1, {N(2), N(2)}, {}, N(3)},      // twice
      {1, {N(1), N(2)}, {N(2)}, N(3)},  // votes and learns
      {1, {N(1), N(2)}, {}, N(2)},      // an id that is taken comes next
      {1, {N(1)}, {N(4)}, N(4)},
      {1, {N(1)}, {}, N(0)},
  };
  for (const Membership& m : malformed)
    EXPECT_FALSE(Membership::Decode(m.Encode()).has_value()) << &m - malformed;
  EXPECT_FALSE(Membership::Decode("\x01").has_value());
  EXPECT_TRUE(Membership::Decode(Membership{0, {N(1)}, {}, N(0)}.Encode()).has_value());
}

TEST(MembershipTest, AnEntryBeginsWithItLengthDelimited) {
  const Membership membership{3, {N(1)}, {N(2)}, N(3)};
  Bytes payload;
  Writer w(&payload);
  w.String(membership.Encode());
  w.String("the state machine's");
  const auto decoded = Membership::OfEntry(payload);
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(*decoded, membership);
  EXPECT_FALSE(Membership::OfEntry(payload.substr(0, 3)).has_value());
  EXPECT_FALSE(Membership::OfEntry("").has_value());
}

}  // namespace
}  // namespace synod
