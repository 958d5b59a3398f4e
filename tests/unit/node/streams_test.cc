// Streams over sinks whose client takes as much as the test says.
#include "src/node/streams.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/unit/machine/machine_fixture.h"

namespace synod::node {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A client with many streams that takes nothing by itself.
class FakeSink final : public Sink {
 public:
  FakeSink() : Sink(api::StreamFormat::kNdjson) {}

  void Created(uint64_t tag, Revision revision, Revision) override {
    said[tag].push_back("created " + std::to_string(revision.value));
  }
  void Write(uint64_t tag, SharedBytes message) override {
    queued += message->size();
    said[tag].push_back(*message);
    order.push_back(tag);
    shared.push_back(std::move(message));
  }
  void End(uint64_t tag) override {
    ids.erase(tag);
    ended.push_back(tag);
  }
  void CutOff() override { ++cut_off; }
  std::vector<watch::WatchId> streams() const override {
    std::vector<watch::WatchId> all;
    for (const auto& [tag, id] : ids) all.push_back(id);
    return all;
  }
  size_t QueuedBytes() const override { return queued; }
  void OnDrained(std::function<void()> callback) override { on_drained = std::move(callback); }

  void Take() {
    queued = 0;
    if (const auto callback = std::exchange(on_drained, nullptr))
      callback();
  }
  std::string Last(uint64_t tag) { return said[tag].back(); }

  size_t queued = 0;
  std::map<uint64_t, watch::WatchId> ids;
  std::map<uint64_t, std::vector<std::string>> said;
  std::vector<uint64_t> order;
  std::vector<SharedBytes> shared;
  std::vector<uint64_t> ended;
  int cut_off = 0;
  std::function<void()> on_drained;
};

class StreamsTest : public machine::MachineTest {
 protected:
  StreamsTest() {
    streams_ = std::make_unique<Streams>(&machine(), [] { return api::Context(); });
  }

  Status Watch(const std::shared_ptr<FakeSink>& sink,
               uint64_t tag,
               const std::string& path,
               uint64_t from = 0) {
    api::WatchCall call;
    call.spec.path = path;
    call.spec.scope = watch::Scope::kSubtree;
    call.from_revision = Revision(from);
    call.format = api::StreamFormat::kNdjson;
    return streams_->Begin(sink, tag, call, who_, now_ms_, &sink->ids[tag]);
  }
  // A put, told to the streams; its revision.
  uint64_t Put(const std::string& path, const std::string& value = "x") {
    PutNode(path, value);
    streams_->Publish(last_applied.revisions);
    return revision().value;
  }
  void Tick(int64_t ms) { streams_->Tick(now_ms_ += ms); }

  int64_t now_ms_ = 1'000'000;
  std::unique_ptr<Streams> streams_;
  auth::Principal who_;
  std::shared_ptr<FakeSink> sink_ = std::make_shared<FakeSink>();
};

TEST_F(StreamsTest, StreamsOfOneSinkGetTheirOwnMessagesAndShareTheText) {
  ASSERT_TRUE(Watch(sink_, 1, "/a"));
  ASSERT_TRUE(Watch(sink_, 2, "/a"));
  ASSERT_TRUE(Watch(sink_, 3, "/b"));
  Put("/a/x");
  EXPECT_THAT(sink_->said[1], SizeIs(2));
  EXPECT_THAT(sink_->said[3], SizeIs(1));
  ASSERT_THAT(sink_->shared, SizeIs(2));
  EXPECT_EQ(sink_->shared[0], sink_->shared[1]);
  streams_->Forget(sink_->ids[1]);
  Put("/a/x");
  EXPECT_THAT(sink_->said[1], SizeIs(2));
  EXPECT_THAT(sink_->said[2], SizeIs(3));
}

TEST_F(StreamsTest, CompactedHistoryBeginsNothing) {
  Put("/a");
  Put("/a");
  Do(machine::Compact{revision()});
  const Status begun = Watch(sink_, 1, "/a", 1);
  ASSERT_FALSE(begun);
  EXPECT_EQ(begun.error().code, Errc::kCompacted);
  EXPECT_THAT(sink_->said, IsEmpty());
  EXPECT_EQ(streams_->size(), 0u);
  EXPECT_EQ(streams_->bytes(), 0u);
}

TEST_F(StreamsTest, AFullSinkIsWrittenToInTurnsOnceItHasDrained) {
  ASSERT_TRUE(Watch(sink_, 1, "/a"));
  ASSERT_TRUE(Watch(sink_, 2, "/a"));
  const std::string large(100'000, 'v');
  for (int i = 0; i < 10; ++i) Put("/a", large);
  const size_t before = sink_->order.size();
  EXPECT_LT(before, 5u);
  Tick(100);
  EXPECT_EQ(sink_->order.size(), before);
  for (int i = 0; i < 20; ++i) sink_->Take();
  EXPECT_THAT(sink_->said[1], SizeIs(11));
  EXPECT_THAT(sink_->said[2], SizeIs(11));
  EXPECT_EQ(sink_->said[1][10], sink_->said[2][10]);
  // Neither was served to its end before the other had its turn.
  const auto first_done = std::find(sink_->order.rbegin(), sink_->order.rend(), 1);
  EXPECT_NE(std::find(sink_->order.begin(), first_done.base(), 2), first_done.base());
  Tick(60'000);
  EXPECT_EQ(sink_->cut_off, 0);
}

TEST_F(StreamsTest, AClientThatTakesNothingIsCutOffWithAResumePointForEachStream) {
  ASSERT_TRUE(Watch(sink_, 1, "/a"));
  ASSERT_TRUE(Watch(sink_, 2, "/b"));
  const auto other = std::make_shared<FakeSink>();
  ASSERT_TRUE(Watch(other, 9, "/a"));
  const uint64_t begun = revision().value;
  uint64_t last = 0;
  while (sink_->queued <= size_t{256} << 10) {
    last = Put("/a", std::string(50'000, 'v'));
    other->Take();
  }
  const uint64_t missed = Put("/a");
  Tick(14'999);
  EXPECT_EQ(sink_->cut_off, 0);
  Tick(1);
  EXPECT_EQ(sink_->cut_off, 1);
  EXPECT_THAT(sink_->ended, ElementsAre(1, 2));
  EXPECT_EQ(missed, last + 1);
  EXPECT_EQ(sink_->Last(1),
            R"({"type":"overflow","resume_from":)" + std::to_string(last + 1) + "}\n");
  EXPECT_EQ(sink_->Last(2),
            R"({"type":"overflow","resume_from":)" + std::to_string(begun + 1) + "}\n");
  EXPECT_EQ(streams_->counters().overflows, 2u);
  EXPECT_EQ(streams_->size(), 1u);
  EXPECT_THAT(other->Last(9), HasSubstr("\"revision\":" + std::to_string(missed)));
  // Who resumes misses nothing.
  sink_->queued = 0;
  ASSERT_TRUE(Watch(sink_, 1, "/a", last + 1));
  EXPECT_THAT(sink_->Last(1), HasSubstr("\"revision\":" + std::to_string(missed)));
}

TEST_F(StreamsTest, IdleStreamsGetAProgressMarkAfterTenSecondsIfThereIsSomethingNew) {
  ASSERT_TRUE(Watch(sink_, 1, "/a"));
  Tick(20'000);
  EXPECT_THAT(sink_->said[1], SizeIs(1));  // nothing happened
  const uint64_t elsewhere = Put("/b");
  Tick(10'250);
  EXPECT_EQ(sink_->Last(1),
            R"({"type":"progress","revision":)" + std::to_string(elsewhere) + "}\n");
  const size_t said = sink_->said[1].size();
  Tick(5'000);
  Put("/a");
  Put("/b");
  Tick(9'000);
  EXPECT_EQ(sink_->said[1].size(), said + 1);  // it was written to nine seconds ago
  Tick(1'250);
  EXPECT_EQ(sink_->said[1].size(), said + 2);
}

TEST_F(StreamsTest, ManyThatBeganTogetherAreNotAllLookedAtInOneTick) {
  for (uint64_t tag = 0; tag < 1000; ++tag) ASSERT_TRUE(Watch(sink_, tag, "/a"));
  Put("/b");
  Tick(10'250);
  const size_t first = sink_->order.size();
  EXPECT_GT(first, 0u);
  EXPECT_LT(first, 500u);
  for (int i = 0; i < 5; ++i) Tick(10);
  EXPECT_EQ(sink_->order.size(), 1000u);
}

TEST_F(StreamsTest, TheEndOfTheNodeTellsEveryStreamWhereToGoOn) {
  ASSERT_TRUE(Watch(sink_, 1, "/a"));
  ASSERT_TRUE(Watch(sink_, 2, "/b"));
  const uint64_t put = Put("/a");
  streams_->EndAll(std::nullopt);
  EXPECT_EQ(sink_->Last(1),
            R"({"type":"shutting_down","resume_from":)" + std::to_string(put + 1) + "}\n");
  EXPECT_EQ(sink_->Last(2),
            R"({"type":"shutting_down","resume_from":)" + std::to_string(put) + "}\n");
  EXPECT_THAT(sink_->ended, ElementsAre(1, 2));
  EXPECT_EQ(streams_->size(), 0u);
  EXPECT_EQ(streams_->bytes(), 0u);
}

// Authentication is on; ann reads /a.
class GuardedStreamsTest : public StreamsTest {
 protected:
  GuardedStreamsTest() {
    who_.token_hash = Bytes(auth::kTokenHashBytes, 'a');
    AsNode(machine::SetUpAuth{Bytes(auth::kTokenHashBytes, 'r')});
    AsNode(machine::SetRole{{"reader", {{"/a", 1}}}});
    AsNode(machine::SetUser{{"ann", {"reader"}}});
    AsNode(machine::MakeToken{"ann", "", who_.token_hash, 0});
  }
  void AsNode(machine::Operation operation) {
    machine::Command command = Make(std::move(operation));
    command.principal = auth::OfNode();
    ASSERT_EQ(CodeOf(Run(command)), Errc::kOk);
  }
  void PutAsNode(const std::string& path) {
    AsNode(machine::Put{path, "x", std::nullopt, {}, false});
  }
};

TEST_F(GuardedStreamsTest, AWithdrawnPermissionEndsThemBeforeAnythingLaterIsShown) {
  ASSERT_TRUE(Watch(sink_, 1, "/a"));
  PutAsNode("/a/1");
  streams_->Publish(last_applied.revisions);
  EXPECT_NE(sink_->Last(1).find("/a/1"), std::string::npos);
  AsNode(machine::SetUser{{"ann", {}}});
  PutAsNode("/a/2");
  streams_->Publish(last_applied.revisions);
  EXPECT_EQ(sink_->Last(1), "{\"type\":\"denied\"}\n");
  EXPECT_THAT(sink_->ended, ElementsAre(1));
  EXPECT_EQ(streams_->size(), 0u);
  EXPECT_EQ(streams_->counters().denied, 1u);
}

TEST_F(GuardedStreamsTest, WhoStillMaySeesOn) {
  ASSERT_TRUE(Watch(sink_, 1, "/a"));
  AsNode(machine::SetRole{{"reader", {{"/a", 3}, {"/b", 1}}}});
  PutAsNode("/a/1");
  streams_->Publish(last_applied.revisions);
  EXPECT_NE(sink_->Last(1).find("/a/1"), std::string::npos);
}

TEST_F(GuardedStreamsTest, OneThatIsBehindIsNotReadOnFromTheHistory) {
  ASSERT_TRUE(Watch(sink_, 1, "/a"));
  sink_->queued = size_t{1} << 20;  // the client takes nothing
  PutAsNode("/a/1");
  streams_->Publish(last_applied.revisions);
  AsNode(machine::SetUser{{"ann", {}}});
  sink_->Take();
  EXPECT_EQ(sink_->Last(1), "{\"type\":\"denied\"}\n");
}

TEST_F(StreamsTest, WhoShowedNoTokenIsDeniedOnceItIsNeeded) {
  ASSERT_TRUE(Watch(sink_, 1, "/a"));
  Do(machine::SetUpAuth{Bytes(auth::kTokenHashBytes, 'r')});
  streams_->JudgeAgain();
  EXPECT_EQ(sink_->Last(1), "{\"type\":\"denied\"}\n");
}

}  // namespace
}  // namespace synod::node
