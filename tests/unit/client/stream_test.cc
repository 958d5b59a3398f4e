#include "src/client/stream.h"

#include <gtest/gtest.h>

#include <optional>

#include "src/client/json.h"
#include "tests/unit/client/fake_runtime.h"

namespace synod::client {
namespace {

class StreamTest : public testing::Test {
 protected:
  void Open(uint64_t from = 0) {
    Stream::Handlers handlers;
    // With a state of its own, which must last from change to change.
    handlers.on_change = [this, calls = 0](const boost::json::object& change,
                                           std::string_view) mutable {
      seen_.push_back(NumberOf(change, "revision"));
      calls_seen_ = ++calls;
    };
    handlers.on_end = [this](const Error& error) { ended_ = error; };
    stream_ = std::make_shared<Stream>(world_, calls_, "/v1/watch/a?scope=node", from,
                                       std::move(handlers));
    stream_->Open();
    world_.Advance();
  }
  static std::string Change(uint64_t revision) {
    return R"({"type":"change","revision":)" + std::to_string(revision) +
           R"(,"events":[]})"
           "\n";
  }
  void AwaitOpen() {
    for (int i = 0; i < 5000 && world_.open() == 0; ++i) world_.Advance(Milliseconds(1));
    ASSERT_EQ(world_.open(), 1U);
  }
  std::string ResumePoint() { return HeaderOf(world_.exchange().request, "Last-Event-ID"); }

  FakeRuntime world_;
  Calls calls_{world_, 3};
  std::shared_ptr<Stream> stream_;
  std::vector<uint64_t> seen_;
  int calls_seen_ = 0;
  std::optional<Error> ended_;
};

TEST_F(StreamTest, BeginsWithTheNextChangeUnlessToldOtherwise) {
  Open();
  EXPECT_EQ(ResumePoint(), "");
  stream_->Close();
  Open(5);
  EXPECT_EQ(ResumePoint(), "4");
}

TEST_F(StreamTest, ResumesBehindTheLastChangeAtTheNextNode) {
  Open();
  world_.Data(R"({"type":"created","revision":40})"
              "\n" +
              Change(41) + Change(43));
  world_.Fail(Outcome::kUnknown);
  AwaitOpen();
  EXPECT_EQ(ResumePoint(), "43");
  EXPECT_EQ(world_.exchange().endpoint, 1U);
  world_.Data(R"({"type":"created","revision":50})"
              "\n" +
              Change(44));
  EXPECT_EQ(seen_, (std::vector<uint64_t>{41, 43, 44}));
  EXPECT_EQ(calls_seen_, 3);
}

TEST_F(StreamTest, ResumesAfterItWasCreatedAlthoughNothingChanged) {
  Open();
  world_.Data(R"({"type":"created","revision":40})"
              "\n");
  world_.Fail(Outcome::kUnknown);
  AwaitOpen();
  EXPECT_EQ(ResumePoint(), "40");
}

TEST_F(StreamTest, ProgressMovesTheResumePoint) {
  Open();
  world_.Data(R"({"type":"created","revision":40})"
              "\n"
              R"({"type":"progress","revision":90})"
              "\n");
  world_.Reply(200, "");
  AwaitOpen();
  EXPECT_EQ(ResumePoint(), "90");
}

// As of an observed election; an idle one may have nothing else for days.
TEST_F(StreamTest, ProgressMovesTheResumePointBehindAChangeAndIsNone) {
  Open();
  world_.Data(Change(41) + R"({"type":"progress","revision":90})"
                           "\n");
  world_.Fail(Outcome::kUnknown);
  AwaitOpen();
  EXPECT_EQ(ResumePoint(), "90");
  EXPECT_EQ(seen_, (std::vector<uint64_t>{41}));
}

// An election that is observed before anything was written.
TEST_F(StreamTest, RevisionNoughtIsToldOnce) {
  Open();
  world_.Data(Change(0) + Change(0) +
              R"({"type":"shutting_down","resume_from":1})"
              "\n");
  world_.Reply(200, "");
  AwaitOpen();
  EXPECT_EQ(ResumePoint(), "0");
  EXPECT_EQ(seen_, (std::vector<uint64_t>{0}));
}

TEST_F(StreamTest, OverflowGoesOnWhereItSays) {
  Open();
  world_.Data(Change(41) + R"({"type":"overflow","resume_from":42})"
                           "\n");
  world_.Reply(200, "");
  AwaitOpen();
  EXPECT_EQ(ResumePoint(), "41");
  EXPECT_FALSE(ended_);
}

TEST_F(StreamTest, ANodeThatShutsDownIsLeft) {
  Open();
  world_.Data(Change(41) + R"({"type":"shutting_down"})"
                           "\n");
  world_.Reply(200, "");
  AwaitOpen();
  EXPECT_EQ(ResumePoint(), "41");
}

TEST_F(StreamTest, AMessageInPiecesIsOne) {
  Open();
  const std::string text = Change(41) + Change(42);
  for (const char c : text) world_.Data(std::string_view(&c, 1));
  EXPECT_EQ(seen_, (std::vector<uint64_t>{41, 42}));
}

TEST_F(StreamTest, WhatWasBrokenOffInTheMiddleComesWholeAfterTheResume) {
  Open();
  world_.Data(Change(41) + R"({"type":"change","revi)");
  world_.Fail(Outcome::kUnknown);
  AwaitOpen();
  world_.Data(Change(42));
  EXPECT_EQ(seen_, (std::vector<uint64_t>{41, 42}));
}

TEST_F(StreamTest, ARevisionIsNotDeliveredTwice) {
  Open();
  world_.Data(Change(41) + Change(41) + Change(40) + Change(42));
  EXPECT_EQ(seen_, (std::vector<uint64_t>{41, 42}));
}

TEST_F(StreamTest, CompactedHistoryEndsItBeforeAndWithin) {
  Open(5);
  world_.Reply(410, R"({"code":"compacted","detail":"gone","compact_revision":30})");
  ASSERT_TRUE(ended_);
  EXPECT_EQ(ended_->code, Errc::kCompacted);
  ended_.reset();
  Open(5);
  world_.Data(R"({"type":"compacted","compact_revision":30})"
              "\n");
  world_.Reply(200, "");
  ASSERT_TRUE(ended_);
  EXPECT_EQ(ended_->code, Errc::kCompacted);
  world_.Advance(Milliseconds(60'000));
  EXPECT_EQ(world_.open(), 0U);
}

TEST_F(StreamTest, ARefusalEndsItAndTroubleDoesNot) {
  Open();
  for (int i = 0; i < 30; ++i) {
    AwaitOpen();
    world_.Reply(503, R"({"code":"no_leader"})");
  }
  EXPECT_FALSE(ended_);
  AwaitOpen();
  world_.Reply(403, R"({"code":"permission_denied","detail":"no"})");
  ASSERT_TRUE(ended_);
  EXPECT_EQ(ended_->code, Errc::kPermissionDenied);
}

TEST_F(StreamTest, AServerThatKnowsNoWatchesEndsItAtOnce) {
  Open();
  world_.Reply(501, R"({"code":"not_implemented","detail":"no"})");
  ASSERT_TRUE(ended_);
  EXPECT_EQ(ended_->code, Errc::kNotImplemented);
}

TEST_F(StreamTest, ComesBackWhenANodeSaysThatItMay) {
  Open();
  world_.Reply(429, R"({"code":"rate_limited"})", {{"retry-after", "20"}});
  world_.Advance(Milliseconds(19'999));
  EXPECT_EQ(world_.open(), 0U);
  world_.Advance(Milliseconds(1));
  EXPECT_EQ(world_.open(), 1U);
  EXPECT_FALSE(ended_);
}

TEST_F(StreamTest, NothingIsCalledAfterItIsClosed) {
  Open();
  world_.Data(Change(41));
  stream_->Close();
  EXPECT_EQ(world_.open(), 0U);
  world_.Advance(Milliseconds(60'000));
  EXPECT_EQ(seen_.size(), 1U);
  EXPECT_FALSE(ended_);
}

}  // namespace
}  // namespace synod::client
