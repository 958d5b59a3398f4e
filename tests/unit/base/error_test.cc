#include "src/base/error.h"

#include <gtest/gtest.h>

#include <cctype>
#include <set>

namespace synod {
namespace {

TEST(ErrorTest, EveryCodeHasANameOfItsOwnInSnakeCase) {
  std::set<std::string_view> names;
  for (int i = 0; i < kErrcCount; ++i) {
    const std::string_view name = Name(static_cast<Errc>(i));
    EXPECT_TRUE(names.insert(name).second) << name;
    EXPECT_FALSE(name.empty());
    for (const char c : name)
      EXPECT_TRUE(std::islower(static_cast<unsigned char>(c)) || c == '_') << name;
  }
}

// Names and numbers that clients and recorded answers rely on: the first, the last and one of each
// status, so that an insertion in the middle of either list is seen.
TEST(ErrorTest, KeepsNamesAndNumbersTogether) {
  struct Case {
    Errc code;
    int number;
    std::string_view name;
  };
  constexpr Case kCases[] = {
      {Errc::kOk, 0, "ok"},
      {Errc::kInvalidRequest, 1, "invalid_request"},
      {Errc::kUnauthenticated, 4, "unauthenticated"},
      {Errc::kNotFound, 6, "not_found"},
      {Errc::kMethodNotAllowed, 9, "method_not_allowed"},
      {Errc::kNotAcceptable, 10, "not_acceptable"},
      {Errc::kHttpVersionNotSupported, 18, "http_version_not_supported"},
      {Errc::kNotEmpty, 19, "not_empty"},
      {Errc::kMembershipRefused, 27, "membership_refused"},
      {Errc::kCompacted, 28, "compacted"},
      {Errc::kPreconditionFailed, 29, "precondition_failed"},
      {Errc::kTooLarge, 31, "too_large"},
      {Errc::kIdempotencyKeyReused, 32, "idempotency_key_reused"},
      {Errc::kLockUnavailable, 33, "lock_unavailable"},
      {Errc::kOverloaded, 34, "overloaded"},
      {Errc::kNoLeader, 36, "no_leader"},
      {Errc::kDeadlineExceeded, 41, "deadline_exceeded"},
      {Errc::kInternal, 42, "internal"},
  };
  for (const Case& c : kCases) {
    EXPECT_EQ(static_cast<int>(c.code), c.number);
    EXPECT_EQ(Name(c.code), c.name);
  }
}

TEST(ErrorTest, ResultHoldsAValueOrAnError) {
  const Result<int> good = 5;
  const Result<int> bad = Error{Errc::kNotFound, Outcome::kNotApplied, "no such node"};
  ASSERT_TRUE(good.has_value());
  EXPECT_EQ(*good, 5);
  ASSERT_FALSE(bad.has_value());
  EXPECT_EQ(bad.error().code, Errc::kNotFound);
  EXPECT_EQ(bad.error().detail, "no such node");
  EXPECT_TRUE(Done().has_value());
}

TEST(ErrorTest, AnErrorPromisesNothingAppliedUnlessToldOtherwise) {
  EXPECT_EQ(Error{Errc::kTooLarge}.outcome, Outcome::kNotApplied);
}

TEST(ErrorDeathTest, TheValueOfAnErrorIsABug) {
  const Result<int> bad = Error{Errc::kNotFound, Outcome::kNotApplied, "/app"};
  EXPECT_DEATH(static_cast<void>(bad.value()), "holds an error: not_found: /app");
}

}  // namespace
}  // namespace synod
