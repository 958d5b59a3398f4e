#include "src/node/engine_snapshots.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "src/base/crc32c.h"
#include "src/node/engine_frames.h"

namespace synod::node {
namespace {

using testing::IsEmpty;
using testing::SizeIs;
using Reason = SnapshotRefusal::Reason;

constexpr Hash128 kId{1, 2};
constexpr Hash128 kOther{3, 4};
const NodeId kPeer{2};

// The one thing of a kind among the jobs or the items; fails the test if it is not there.
template <typename Job>
Job TheJob(const SnapshotActions& actions) {
  EXPECT_THAT(actions.jobs, SizeIs(1));
  const auto* job = actions.jobs.empty() ? nullptr : std::get_if<Job>(&actions.jobs[0]);
  EXPECT_NE(job, nullptr);
  return job == nullptr ? Job{} : *job;
}

template <typename Item>
Item TheItem(const SnapshotActions& actions, NodeId to = kPeer) {
  EXPECT_THAT(actions.send, SizeIs(1));
  if (actions.send.empty())
    return Item{};
  EXPECT_EQ(actions.send[0].first, to);
  const auto items = ParseFrame(actions.send[0].second);
  EXPECT_TRUE(items);
  EXPECT_TRUE(std::holds_alternative<Item>(items->at(0)));
  return std::get<Item>(items->at(0));
}

SnapshotChunk Chunk(uint64_t total, uint64_t offset, std::string_view bytes, Hash128 id = kId) {
  return {id, total, offset, Crc32c(bytes), bytes};
}

class SinkTest : public testing::Test {
 protected:
  SinkTest() { sink_.Recovered(std::nullopt); }
  SnapshotActions Tick(int64_t ms = 10, bool needed = true) {
    now_ += ms;
    SnapshotActions actions;
    sink_.Tick(now_, needed, Slot(7), candidates_, &actions);
    return actions;
  }
  SnapshotActions Give(const SnapshotChunk& chunk, NodeId from = kPeer) {
    SnapshotActions actions;
    sink_.OnChunk(from, chunk, &actions);
    return actions;
  }
  SnapshotActions Refuse(Reason reason, Hash128 id = {}, NodeId from = kPeer) {
    SnapshotActions actions;
    sink_.OnRefusal(from, {id, reason}, &actions);
    return actions;
  }
  SnapshotActions Stored(Status stored = Done()) {
    SnapshotActions actions;
    sink_.Stored(stored, &actions);
    return actions;
  }

  SnapshotCounters counters_;
  SnapshotSink sink_{&counters_};
  std::vector<SnapshotSink::Candidate> candidates_ = {{kPeer, Slot(90)}, {NodeId(3), Slot(80)}};
  int64_t now_ = 1000;
};

TEST_F(SinkTest, AsksStoresAndAsksForTheNextPieceUntilItIsWhole) {
  auto request = TheItem<SnapshotRequest>(Tick());
  EXPECT_EQ(request.id, Hash128{});
  EXPECT_EQ(request.above, Slot(7));
  auto store = TheJob<StoreSnapshotPart>(Give(Chunk(5, 0, "abc")));
  EXPECT_EQ(store.bytes, "abc");
  EXPECT_THAT(Tick().send, IsEmpty());  // not before it is stored
  EXPECT_THAT(Stored().jobs, IsEmpty());
  request = TheItem<SnapshotRequest>(Tick());
  EXPECT_EQ(request.id, kId);
  EXPECT_EQ(request.offset, 3u);
  EXPECT_EQ(sink_.Percent(), 60u);
  Give(Chunk(5, 3, "de"));
  TheJob<BuildSnapshot>(Stored());
  EXPECT_EQ(counters_.bytes_received, 5u);
  SnapshotActions actions;
  sink_.Finished(false, &actions);
  TheJob<DropSnapshotPart>(actions);
  EXPECT_THAT(Tick(10, false).send, IsEmpty());
}

// Row 48: a chunk that is late, repeated, damaged, of another snapshot or of a stranger.
TEST_F(SinkTest, DeclinesWhatDoesNotAnswerTheOpenQuestion) {
  EXPECT_THAT(Give(Chunk(5, 0, "abc")).jobs, IsEmpty());
  Tick();
  EXPECT_THAT(Give(Chunk(5, 1, "abc")).jobs, IsEmpty());
  EXPECT_THAT(Give(Chunk(5, 0, "abc"), NodeId(3)).jobs, IsEmpty());
  EXPECT_THAT(Give(Chunk(2, 0, "abc")).jobs, IsEmpty());
  EXPECT_THAT(Give(Chunk(5, 0, "")).jobs, IsEmpty());
  SnapshotChunk damaged = Chunk(5, 0, "abc");
  damaged.crc ^= 1;
  EXPECT_THAT(Give(damaged).jobs, IsEmpty());
  Give(Chunk(5, 0, "abc"));
  EXPECT_THAT(Give(Chunk(5, 0, "abc")).jobs, IsEmpty());
  Stored();
  Tick();
  EXPECT_THAT(Give(Chunk(5, 3, "de", kOther)).jobs, IsEmpty());
  EXPECT_THAT(Give(Chunk(6, 3, "de")).jobs, IsEmpty());
  EXPECT_THAT(Give(Chunk(5, UINT64_MAX, "de")).jobs, IsEmpty());
  EXPECT_EQ(counters_.declined, 10u);
  TheJob<StoreSnapshotPart>(Give(Chunk(5, 3, "de")));
}

TEST_F(SinkTest, GoesOnWhereAnEarlierProcessWas) {
  SnapshotSink sink(&counters_);
  SnapshotActions actions;
  sink.Tick(now_, true, Slot(7), candidates_, &actions);
  EXPECT_THAT(actions.send, IsEmpty()) << "what it has is not known yet";
  sink.Recovered(SnapshotPart{kId, 100, 40});
  sink.Tick(now_, true, Slot(7), candidates_, &actions);
  const auto request = TheItem<SnapshotRequest>(actions);
  EXPECT_EQ(request.id, kId);
  EXPECT_EQ(request.offset, 40u);
}

TEST_F(SinkTest, BuildsAtOnceWhatAnEarlierProcessReceivedWhole) {
  SnapshotSink sink(&counters_);
  sink.Recovered(SnapshotPart{kId, 100, 100});
  SnapshotActions actions;
  sink.Tick(now_, true, Slot(7), candidates_, &actions);
  TheJob<BuildSnapshot>(actions);
}

TEST_F(SinkTest, BeginsAnewWhenTheSnapshotIsGone) {
  Tick();
  Give(Chunk(5, 0, "abc"));
  Stored();
  Tick();
  EXPECT_THAT(Refuse(Reason::kGone, kOther).jobs, IsEmpty());
  TheJob<DropSnapshotPart>(Refuse(Reason::kGone, kId));
  EXPECT_EQ(TheItem<SnapshotRequest>(Tick()).id, Hash128{});
}

TEST_F(SinkTest, WaitsWhileOneIsMadeAndAsksAnotherThatMayHaveMore) {
  Tick();
  Refuse(Reason::kPatience);
  EXPECT_THAT(Tick(100).send, IsEmpty());
  TheItem<SnapshotRequest>(Tick(100));
  Refuse(Reason::kNothing);
  TheItem<SnapshotRequest>(Tick(500), NodeId(3));
}

TEST_F(SinkTest, AsksAnotherWhenThereIsNoAnswerOrTheSourceIsGone) {
  Tick();
  EXPECT_THAT(Tick(1990).send, IsEmpty());
  TheItem<SnapshotRequest>(Tick(10), NodeId(3));
  candidates_.pop_back();
  TheItem<SnapshotRequest>(Tick(10), kPeer);
}

TEST_F(SinkTest, ADiskWithoutRoomPausesItAndABadSnapshotIsAskedForElsewhere) {
  Tick();
  Give(Chunk(3, 0, "abc"));
  TheJob<DropSnapshotPart>(Stored(Error{Errc::kStorageFull}));
  EXPECT_THAT(Tick(4'000).send, IsEmpty());
  TheItem<SnapshotRequest>(Tick(1'000));
  Give(Chunk(3, 0, "abc"));
  Stored();
  SnapshotActions actions;
  sink_.Finished(true, &actions);
  EXPECT_EQ(counters_.rejected, 1u);
  TheItem<SnapshotRequest>(Tick(5'000), NodeId(3));
}

TEST_F(SinkTest, ForgetsAPartThatIsNotNeededForAMinute) {
  Tick();
  Give(Chunk(5, 0, "abc"));
  Stored();
  EXPECT_THAT(Tick(59'000, false).jobs, IsEmpty());
  TheJob<DropSnapshotPart>(Tick(2'000, false));
}

class SourceTest : public testing::Test {
 protected:
  static SnapshotLimits MakeLimits() {
    SnapshotLimits limits;
    limits.bytes_per_second = 1000;
    limits.chunk_bytes = 100;
    limits.unused_ms = 10'000;
    return limits;
  }
  SnapshotActions Tick(int64_t ms = 10) {
    now_ += ms;
    SnapshotActions actions;
    source_.Tick(now_, Slot(500), Slot(300), &actions);
    return actions;
  }
  SnapshotActions Ask(const SnapshotRequest& request, NodeId from = kPeer) {
    source_.OnRequest(from, request);
    return Tick();
  }
  void Have(uint64_t slot, Hash128 id = kId, uint64_t bytes = 1000) {
    SnapshotActions actions;
    source_.Made(SnapshotFile{id, Slot(slot), bytes}, now_, &actions);
  }
  SnapshotCounters counters_;
  SnapshotSource source_{MakeLimits(), &counters_};
  int64_t now_ = 100'000;
};

TEST_F(SourceTest, HasOneMadeAndSendsItPieceByPiece) {
  SnapshotActions actions = Ask({{}, 0, Slot(7)});
  TheJob<MakeSnapshot>(actions);
  EXPECT_EQ(TheItem<SnapshotRefusal>(actions).reason, Reason::kPatience);
  actions = Ask({{}, 0, Slot(7)});
  EXPECT_THAT(actions.jobs, IsEmpty()) << "one is being made";
  Have(400);
  const auto read = TheJob<ReadSnapshot>(Ask({{}, 0, Slot(7)}));
  EXPECT_EQ(read.id, kId);
  EXPECT_EQ(read.offset, 0u);
  EXPECT_EQ(read.bytes, 100u);
  EXPECT_EQ(source_.KeepLogAbove(), Slot(400));
  SnapshotActions answer;
  source_.ReadDone(read, Bytes(100, 'x'), &answer);
  ASSERT_THAT(answer.send, SizeIs(1));
  const auto items = ParseFrame(answer.send[0].second);
  const auto& chunk = std::get<SnapshotChunk>(items->at(0));
  EXPECT_EQ(chunk.total, 1000u);
  EXPECT_EQ(chunk.crc, Crc32c(chunk.bytes));
  EXPECT_EQ(TheJob<ReadSnapshot>(Ask({kId, 950, Slot(7)})).bytes, 50u);
}

TEST_F(SourceTest, GivesOneThatItHasOnlyWhileTheLogGoesOnFromThere) {
  Have(298);
  Tick(2000);
  TheJob<MakeSnapshot>(Ask({{}, 0, Slot(7)}));
  Have(299, kOther);
  EXPECT_EQ(TheJob<ReadSnapshot>(Ask({{}, 0, Slot(7)})).id, kOther);
  Have(450, kId);
  EXPECT_EQ(TheJob<ReadSnapshot>(Ask({{}, 0, Slot(7)})).id, kId) << "the newest";
}

TEST_F(SourceTest, SaysThatItIsGoneOrThatItHasNothing) {
  Have(400);
  EXPECT_EQ(TheItem<SnapshotRefusal>(Ask({kOther, 10, Slot(7)})).reason, Reason::kGone);
  EXPECT_EQ(TheItem<SnapshotRefusal>(Ask({kId, 1000, Slot(7)})).reason, Reason::kGone);
  EXPECT_EQ(TheItem<SnapshotRefusal>(Ask({{}, 0, Slot(500)})).reason, Reason::kNothing);
  const auto read = TheJob<ReadSnapshot>(Ask({kId, 0, Slot(7)}));
  SnapshotActions answer;
  source_.ReadDone(read, Error{Errc::kNotFound}, &answer);
  EXPECT_EQ(TheItem<SnapshotRefusal>(answer).reason, Reason::kGone);
  EXPECT_EQ(TheItem<SnapshotRefusal>(Ask({kId, 0, Slot(7)})).reason, Reason::kGone);
}

TEST_F(SourceTest, WhoAsksIsSentElsewhereWhileNoneCanBeMade) {
  TheJob<MakeSnapshot>(Ask({{}, 0, Slot(7)}));
  SnapshotActions none;
  source_.Made(Error{Errc::kStorageFull}, now_, &none);
  const SnapshotActions actions = Ask({{}, 0, Slot(7)});
  EXPECT_EQ(TheItem<SnapshotRefusal>(actions).reason, Reason::kNothing);
  EXPECT_THAT(actions.jobs, IsEmpty());
  Tick(5000);
  TheJob<MakeSnapshot>(Ask({{}, 0, Slot(7)}));
}

TEST_F(SourceTest, SpendsItsBytesOnAllAskersTogetherAndAnswersAllInTheEnd) {
  Have(400, kId, 100'000);
  Tick(5'000);
  size_t pieces = 0;
  for (int i = 0; i < 1000; ++i) {  // ten seconds
    source_.OnRequest(kPeer, {kId, 0, Slot(7)});
    source_.OnRequest(NodeId(3), {kId, 0, Slot(7)});
    pieces += Tick(10).jobs.size();
  }
  EXPECT_GE(pieces, 98u);
  EXPECT_LE(pieces, 104u);
}

TEST_F(SourceTest, AFileThatIsNotUsedIsRemovedAndTheLogIsLetGo) {
  Have(400);
  Ask({kId, 0, Slot(7)});
  EXPECT_THAT(Tick(9'900).jobs, IsEmpty());
  EXPECT_EQ(TheJob<RemoveSnapshot>(Tick(200)).id, kId);
  EXPECT_EQ(source_.KeepLogAbove(), std::nullopt);
}

TEST_F(SourceTest, OneThatARestartFoundIsGivenAgain) {
  source_.Recovered({{kId, Slot(400), 1000}}, now_);
  EXPECT_EQ(source_.KeepLogAbove(), std::nullopt);
  EXPECT_EQ(TheJob<ReadSnapshot>(Ask({kId, 300, Slot(7)})).offset, 300u);
}

}  // namespace
}  // namespace synod::node
