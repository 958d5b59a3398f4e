#include "src/node/engine_frames.h"

#include <gtest/gtest.h>

#include "src/base/codec.h"
#include "src/base/random.h"

namespace synod::node {
namespace {

Bytes SampleFrame() {
  Bytes frame;
  AppendItem(consensus::Message(consensus::TimeoutNow{}), &frame);
  Forward forward{{7, NodeId(2)}, 99, 1, {{1, "first"}, {2, "second"}}};
  AppendItem(forward, &frame);
  AppendItem(Reject{{7, NodeId(2)}, 99, Reject::Reason::kOverloaded, {4, 5}}, &frame);
  AppendItem(Report{Slot(12), {{Slot(10), {{5, 6}}}}, Slot(11)}, &frame);
  AppendItem(MoveLeader{NodeId(3)}, &frame);
  return frame;
}

TEST(EngineFramesTest, AFrameGivesBackWhatWasPutIntoIt) {
  const Bytes frame = SampleFrame();
  const auto items = ParseFrame(frame);
  ASSERT_TRUE(items);
  ASSERT_EQ(items->size(), 5U);
  const auto& forward = std::get<Forward>((*items)[1]);
  EXPECT_EQ(forward.ballot, (Ballot{7, NodeId(2)}));
  EXPECT_EQ(forward.boot, 99U);
  ASSERT_EQ(forward.items.size(), 2U);
  EXPECT_EQ(forward.items[1].number, 2U);
  EXPECT_EQ(forward.items[1].command, "second");
  const auto& reject = std::get<Reject>((*items)[2]);
  EXPECT_EQ(reject.reason, Reject::Reason::kOverloaded);
  EXPECT_EQ(reject.numbers, (std::vector<uint64_t>{4, 5}));
  const auto& report = std::get<Report>((*items)[3]);
  EXPECT_EQ(report.applied, Slot(12));
  EXPECT_EQ(report.durable, Slot(11));
  ASSERT_EQ(report.digests.size(), 1U);
  EXPECT_EQ(report.digests[0].slot, Slot(10));
  EXPECT_EQ(report.digests[0].digest, (Digest{{5, 6}}));
  EXPECT_EQ(std::get<MoveLeader>((*items)[4]).to, NodeId(3));
}

TEST(EngineFramesTest, ItemsOfANewerNodeAreSkipped) {
  Bytes frame;
  Writer w(&frame);
  w.U8(200);
  w.String("from the future");
  frame += SampleFrame();
  const auto items = ParseFrame(frame);
  ASSERT_TRUE(items);
  EXPECT_EQ(items->size(), 5U);
}

TEST(EngineFramesTest, DamagedFramesAreRefusedOrParsedButNeverTrusted) {
  const Bytes good = SampleFrame();
  for (size_t cut = 1; cut < good.size(); ++cut) {
    const auto items = ParseFrame(good.substr(0, cut));
    EXPECT_TRUE(!items || items->size() < 5U) << cut;
  }
  Random random(1);
  for (int i = 0; i < 20'000; ++i) {
    Bytes bad = good;
    for (uint64_t n = random.Between(1, 4); n > 0; --n)
      bad[random.Below(bad.size())] = static_cast<char>(random.Next());
    const auto items = ParseFrame(bad);
    EXPECT_TRUE(!items || items->size() <= bad.size());
  }
}

}  // namespace
}  // namespace synod::node
