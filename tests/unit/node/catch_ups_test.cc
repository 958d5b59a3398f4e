#include "src/node/catch_ups.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace synod::node {
namespace {

class CatchUpsTest : public ::testing::Test {
 protected:
  // Some work that takes so long on the test's clock.
  void Add(int name, int64_t takes_us) {
    catch_ups.Add([this, name, takes_us] {
      done.push_back(name);
      now_us += takes_us;
    });
  }
  void Poll() {
    io.restart();
    io.poll_one();
  }

  net::asio::io_context io{1};
  int64_t now_us = 1'000'000;
  bool others_wait = false;
  std::vector<int> done;
  CatchUps catch_ups{io, [this] { return now_us; }, [this] { return others_wait; }};
};

TEST_F(CatchUpsTest, RunsATurnOfWorkInAnEventOfItsOwn) {
  for (int i = 1; i <= 4; ++i) Add(i, 500);
  EXPECT_TRUE(done.empty());
  Poll();
  EXPECT_EQ(done, (std::vector<int>{1, 2}));
  Poll();
  EXPECT_EQ(done, (std::vector<int>{1, 2, 3, 4}));
  EXPECT_EQ(catch_ups.size(), 0U);
  Poll();  // nothing is posted any more
  EXPECT_EQ(done.size(), 4U);
}

TEST_F(CatchUpsTest, GetsAQuarterOfTheTimeWhileOthersWait) {
  others_wait = true;
  Add(1, 20'000);
  Add(2, 20'000);
  Poll();
  ASSERT_EQ(done, (std::vector<int>{1}));
  now_us += 59'999;
  Poll();
  EXPECT_EQ(done, (std::vector<int>{1}));
  now_us += 1;
  Poll();
  EXPECT_EQ(done, (std::vector<int>{1, 2}));
}

TEST_F(CatchUpsTest, DoesNotRestOnceTheOthersAreServed) {
  others_wait = true;
  Add(1, 20'000);
  Add(2, 20'000);
  Poll();
  others_wait = false;
  Poll();
  EXPECT_EQ(done, (std::vector<int>{1, 2}));
}

TEST_F(CatchUpsTest, RunsEverythingWhenTold) {
  others_wait = true;
  for (int i = 1; i <= 3; ++i) Add(i, 5'000);
  catch_ups.Flush();
  EXPECT_EQ(done, (std::vector<int>{1, 2, 3}));
}

TEST_F(CatchUpsTest, NothingRunsOnceItIsGone) {
  auto gone = std::make_unique<CatchUps>(
      io, [this] { return now_us; }, [this] { return others_wait; });
  gone->Add([this] { done.push_back(1); });
  gone.reset();
  Poll();
  EXPECT_TRUE(done.empty());
}

}  // namespace
}  // namespace synod::node
