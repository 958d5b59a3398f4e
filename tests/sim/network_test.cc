#include "tests/sim/network.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace synod::sim {
namespace {

class Recorder final : public Endpoint {
 public:
  void OnPeerUp(NodeId peer, uint64_t boot) override {
    heard.push_back("up " + std::to_string(peer.value) + " boot " + std::to_string(boot));
  }
  void OnPeerDown(NodeId peer, bool gone) override {
    heard.push_back("down " + std::to_string(peer.value) + (gone ? " gone" : ""));
  }
  void OnFrame(NodeId from, const std::string& frame) override {
    heard.push_back(std::to_string(from.value) + ": " + frame);
  }
  bool Refuses(NodeId) const override { return refuses; }
  void OnToldRemoved() override { heard.push_back("removed"); }
  std::vector<std::string> Take() { return std::exchange(heard, {}); }
  std::vector<std::string> heard;
  bool refuses = false;
};

class SimNetworkTest : public testing::Test {
 protected:
  SimNetworkTest() {
    swarm_.nodes = 2;
    swarm_.latency_min = 100;
    swarm_.latency_max = 5'000;
    swarm_.silence_max = kSecond;
    network_ = std::make_unique<SimNetwork>(&scheduler_, Random(1), swarm_);
    network_->Register(NodeId(1), &one_);
    network_->Register(NodeId(2), &two_);
  }
  void Pass(Time time) {
    const Time until = scheduler_.now() + time;
    while (scheduler_.Step(until)) {
    }
  }
  void Connect() {
    network_->ProcessStarted(NodeId(1), 11);
    network_->ProcessStarted(NodeId(2), 22);
    Pass(kSecond);
    EXPECT_EQ(one_.Take(), std::vector<std::string>{"up 2 boot 22"});
    EXPECT_EQ(two_.Take(), std::vector<std::string>{"up 1 boot 11"});
  }
  void SendNumbers(int first, int last) {
    for (int i = first; i <= last; ++i) network_->Send(NodeId(1), NodeId(2), std::to_string(i));
  }

  Swarm swarm_;
  Scheduler scheduler_;
  Recorder one_, two_;
  std::unique_ptr<SimNetwork> network_;
};

TEST_F(SimNetworkTest, KeepsTheOrderOfFramesOnAConnection) {
  Connect();
  SendNumbers(1, 5);
  Pass(kSecond);
  EXPECT_EQ(two_.Take(), (std::vector<std::string>{"1: 1", "1: 2", "1: 3", "1: 4", "1: 5"}));
}

TEST_F(SimNetworkTest, HoldsFramesBackWhileADirectionIsClosed) {
  Connect();
  network_->Block(NodeId(1), NodeId(2));
  SendNumbers(1, 2);
  network_->Send(NodeId(2), NodeId(1), "back");
  Pass(500 * kMillisecond);
  EXPECT_TRUE(two_.Take().empty());
  EXPECT_EQ(one_.Take(), std::vector<std::string>{"2: back"});
  network_->Unblock(NodeId(1), NodeId(2));
  Pass(kSecond);
  EXPECT_EQ(two_.Take(), (std::vector<std::string>{"1: 1", "1: 2"}));
}

TEST_F(SimNetworkTest, BreaksASilentConnectionAndConnectsAgainWhenBothWaysAreOpen) {
  Connect();
  network_->Block(NodeId(1), NodeId(2));
  SendNumbers(1, 1);
  Pass(3 * kSecond);
  EXPECT_EQ(one_.Take(), std::vector<std::string>{"down 2"});
  EXPECT_EQ(two_.Take(), std::vector<std::string>{"down 1"});
  network_->Unblock(NodeId(1), NodeId(2));
  Pass(kSecond);
  EXPECT_EQ(two_.Take(), std::vector<std::string>{"up 1 boot 11"});
}

TEST_F(SimNetworkTest, SaysThatAKilledProcessIsGone) {
  Connect();
  network_->ProcessEnded(NodeId(1), SimNetwork::End::kKilled);
  Pass(100 * kMillisecond);
  EXPECT_EQ(two_.Take(), std::vector<std::string>{"down 1 gone"});
}

TEST_F(SimNetworkTest, SaysOfALiveProcessThatItsConnectionBrokeAndNoMore) {
  Connect();
  network_->Reset(NodeId(1), NodeId(2));
  Pass(kSecond);
  EXPECT_EQ(two_.Take(), (std::vector<std::string>{"down 1", "up 1 boot 11"}));
}

TEST_F(SimNetworkTest, HearsOfAPowerCutFromTheNextProcess) {
  Connect();
  network_->ProcessEnded(NodeId(1), SimNetwork::End::kPowerCut);
  Pass(200 * kMillisecond);
  EXPECT_TRUE(two_.Take().empty());
  network_->ProcessStarted(NodeId(1), 12);
  Pass(kSecond);
  EXPECT_EQ(two_.Take(), (std::vector<std::string>{"down 1 gone", "up 1 boot 12"}));
}

TEST_F(SimNetworkTest, LosesDoublesAndReordersDatagrams) {
  swarm_.datagrams = true;
  swarm_.loss_percent = 20;
  swarm_.duplicate_percent = 20;
  Connect();
  SendNumbers(1, 200);
  Pass(kSecond);
  std::vector<std::string> sorted = two_.heard;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_NE(sorted, two_.heard);
  EXPECT_NE(std::adjacent_find(sorted.begin(), sorted.end()), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  EXPECT_LT(sorted.size(), 190u);
  EXPECT_GT(sorted.size(), 130u);
}

TEST_F(SimNetworkTest, ARemovedPeerIsToldSoAndConnectsToNobodyWhoKnows) {
  one_.refuses = true;
  network_->ProcessStarted(NodeId(1), 11);
  network_->ProcessStarted(NodeId(2), 22);
  Pass(kSecond);
  EXPECT_TRUE(one_.heard.empty());
  ASSERT_FALSE(two_.heard.empty());
  EXPECT_EQ(two_.heard.front(), "removed");
  EXPECT_EQ(two_.heard.back(), "removed");
}

TEST(SimClockTest, RunsAtItsRateAndStandsStillWhileStopped) {
  SimClock clock(1'000, 1'100'000);
  EXPECT_EQ(clock.NowMs(0), 1'000);
  for (Time t = 0; t <= kSecond; t += 7) clock.NowMs(t);
  EXPECT_EQ(clock.NowMs(kSecond), 2'100);
  clock.Stop(kSecond);
  EXPECT_EQ(clock.NowMs(2 * kSecond), 2'100);
  clock.Go(2 * kSecond);
  EXPECT_EQ(clock.NowMs(3 * kSecond), 3'200);
}

TEST(SchedulerTest, RunsEventsInOrderOfTimeAndThenOfScheduling) {
  Scheduler scheduler;
  std::string order;
  scheduler.At(20, [&] { order += "c"; });
  scheduler.At(10, [&] { order += "a"; });
  scheduler.At(10, [&] {
    order += "b";
    scheduler.After(5, [&] { order += "x"; });
  });
  while (scheduler.Step(19)) {
  }
  EXPECT_EQ(order, "abx");
  EXPECT_EQ(scheduler.now(), 19);
  EXPECT_TRUE(scheduler.Step(20));
  EXPECT_EQ(order, "abxc");
}

}  // namespace
}  // namespace synod::sim
