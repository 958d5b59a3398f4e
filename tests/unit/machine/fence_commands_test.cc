// Fence registers: registers that only rise, for systems outside.
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>

#include "tests/unit/machine/machine_fixture.h"

namespace synod::machine {
namespace {

class FenceCommandsTest : public MachineTest {
 protected:
  std::optional<Answer> Raise(const std::string& path, uint64_t token) {
    return Do(RaiseFence{path, FenceToken(token)});
  }
  std::optional<Answer> Forget(const std::string& path) { return Do(ForgetFence{path}); }
  // 0: there is none.
  uint64_t Highest(const std::string& path) {
    const Result<QueryResult> read = machine().Read(GetFence{path}, now_);
    if (!read) {
      EXPECT_EQ(read.error().code, Errc::kNotFound);
      return 0;
    }
    return std::get<FenceResult>(*read).token.value;
  }
  static void ExpectToken(const std::optional<Answer>& answer, uint64_t token) {
    ASSERT_EQ(CodeOf(answer), Errc::kOk);
    EXPECT_EQ(std::get<FenceAnswer>(answer->body).token, FenceToken(token));
  }
  static void ExpectFenced(const std::optional<Answer>& answer, uint64_t highest) {
    ASSERT_EQ(CodeOf(answer), Errc::kFenced);
    const auto& refusal = std::get<Refusal>(answer->body);
    EXPECT_EQ(refusal.highest, FenceToken(highest));
    EXPECT_EQ(refusal.error.outcome, Outcome::kNotApplied);
  }
};

TEST_F(FenceCommandsTest, OnlyRises) {
  ExpectToken(Raise("/db", 5), 5);
  ExpectFenced(Raise("/db", 4), 5);
  ExpectToken(Raise("/db", 5), 5);
  ExpectToken(Raise("/db", 8), 8);
  ExpectFenced(Raise("/db", 5), 8);
  EXPECT_EQ(Highest("/db"), 8U);
}

TEST_F(FenceCommandsTest, TakesARevisionWhenItChangesAndNoneOtherwise) {
  EXPECT_EQ(Raise("/db", 5)->revision, Revision(1));
  EXPECT_EQ(Raise("/db", 5)->revision, Revision(1));
  EXPECT_EQ(Raise("/db", 4)->revision, Revision(1));
  EXPECT_EQ(Raise("/db", 6)->revision, Revision(2));
  EXPECT_EQ(Forget("/db")->revision, Revision(3));
  EXPECT_EQ(CodeOf(Forget("/db")), Errc::kNotFound);
  EXPECT_EQ(revision(), Revision(3));
  EXPECT_TRUE(last_applied.revisions.empty()) << "no node changed";
}

TEST_F(FenceCommandsTest, EachPathIsARegisterOfItsOwnAndHasNothingToDoWithLocks) {
  const FenceToken token = TokenOf(Do(AcquireOf("/db", LeaseId(), 0)));
  EXPECT_EQ(Highest("/db"), 0U);
  ExpectToken(Raise("/db/a", 7), 7);
  ExpectToken(Raise("/db", token.value), token.value);
  EXPECT_EQ(Highest("/db/a"), 7U);
  Pass(60'000);
  EXPECT_EQ(Highest("/db"), token.value) << "the hold has ended";
}

TEST_F(FenceCommandsTest, ForgettingBeginsAnew) {
  Raise("/db", 9);
  EXPECT_EQ(CodeOf(Forget("/db")), Errc::kOk);
  EXPECT_EQ(Highest("/db"), 0U);
  ExpectToken(Raise("/db", 1), 1);
}

TEST_F(FenceCommandsTest, IsGuardedLikeAnyChange) {
  Raise("/db", 5);
  Command fenced = Make(RaiseFence{"/db", FenceToken(6)});
  fenced.fences = {{"/lock", FenceToken(1)}};
  const auto refused = Run(fenced);
  ASSERT_EQ(CodeOf(refused), Errc::kFenced);
  EXPECT_EQ(std::get<Refusal>(refused->body).highest, std::nullopt) << "it was the header's";
  Command late = Make(ForgetFence{"/db"});
  late.not_after = now() + 1000;
  Pass(1001);
  EXPECT_EQ(CodeOf(Run(late)), Errc::kRequestExpired);
  EXPECT_EQ(Highest("/db"), 5U);
}

TEST_F(FenceCommandsTest, ARepeatWithItsKeyIsAnsweredAsTheFirstWas) {
  const Command first = MakeKeyed("first", RaiseFence{"/db", FenceToken(5)});
  ExpectToken(Run(first), 5);
  Raise("/db", 9);
  const Command refused = MakeKeyed("refused", RaiseFence{"/db", FenceToken(6)});
  ExpectFenced(Run(refused), 9);
  Forget("/db");
  const auto again = Run(first);
  EXPECT_TRUE(again->replayed);
  ExpectToken(again, 5);
  ExpectFenced(Run(refused), 9);
  EXPECT_EQ(Highest("/db"), 0U) << "nothing ran";
}

TEST_F(FenceCommandsTest, ARegisterCountsForTheQuotaAndRisesPastIt) {
  const uint64_t quota = 64 << 10;
  Do(ChangeSettings{{{7, quota}}});
  uint64_t made = 0;
  while (made < 10'000 && CodeOf(Raise("/r/" + std::to_string(made), 5)) == Errc::kOk) ++made;
  // Each counts for 64 bytes and its path; they go a tenth past it, as locks do.
  EXPECT_GT(made, quota / 80);
  EXPECT_LT(made, quota / 60);
  EXPECT_EQ(CodeOf(Raise("/one/more", 5)), Errc::kStorageFull);
  EXPECT_EQ(CodeOf(PutNode("/a", "x")), Errc::kStorageFull);
  ExpectToken(Raise("/r/0", 6), 6);
  ExpectFenced(Raise("/r/0", 5), 6);
  EXPECT_EQ(CodeOf(Forget("/r/0")), Errc::kOk);
  EXPECT_EQ(CodeOf(Raise("/r/0", 1)), Errc::kOk);
  EXPECT_EQ(machine().counts().fences, made);
}

TEST_F(FenceCommandsTest, IsKeptInCheckpoints) {
  const Digest empty = machine().digest();
  Raise("/gone", 4);
  machine().TakeDirty();
  Raise("/db", 5);
  Forget("/gone");
  EXPECT_NE(machine().digest(), empty);
  EXPECT_GT(machine().dirty_bytes(), 0U);
  std::map<Bytes, std::optional<Bytes>> kept;
  for (const Record& record : machine().TakeDirty()) kept[record.key] = record.value;
  EXPECT_EQ(kept.at("f/db"), Bytes("\x05"));
  EXPECT_EQ(kept.at("f/gone"), std::nullopt);
  EXPECT_FALSE(kept.contains("mfence-floor"));

  Machine loaded = Loaded(machine());
  EXPECT_EQ(std::get<FenceResult>(*loaded.Read(GetFence{"/db"}, now_)).token, FenceToken(5));
}

TEST_F(FenceCommandsTest, OnlyThePathsOfLocksDecode) {
  const auto decodes = [&](const std::string& path) {
    return DecodeCommand(Encode(Make(RaiseFence{path, FenceToken(1)}))).has_value() &&
           DecodeCommand(Encode(Make(ForgetFence{path}))).has_value();
  };
  EXPECT_TRUE(decodes("/a/b"));
  EXPECT_FALSE(decodes("/"));
  EXPECT_FALSE(decodes("a"));
  EXPECT_FALSE(decodes("/a/@1"));
  EXPECT_FALSE(decodes("/" + std::string(1000, 'a')));
}

// What builds before the registers recorded still decodes.
TEST(FenceAnswerTest, ARefusalWithoutAHighestIsWrittenAsBefore) {
  Answer answer;
  Refusal refusal;
  refusal.error.code = Errc::kFenced;
  answer.body = refusal;
  Bytes bytes = Encode(answer);
  ASSERT_EQ(bytes.back(), '\0');
  bytes.back() = '\x01';
  bytes += '\x09';
  EXPECT_EQ(std::get<Refusal>(DecodeAnswer(bytes)->body).index, 9U);
  refusal.highest = FenceToken(7);
  answer.body = refusal;
  EXPECT_EQ(std::get<Refusal>(DecodeAnswer(Encode(answer))->body).highest, FenceToken(7));
}

}  // namespace
}  // namespace synod::machine
