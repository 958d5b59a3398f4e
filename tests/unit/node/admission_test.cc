#include "src/node/admission.h"

#include <gtest/gtest.h>

#include <vector>

namespace synod::node {
namespace {

constexpr int64_t kSecond = 1'000'000;

class AdmissionTest : public ::testing::Test {
 protected:
  // Which classes are taken now.
  std::vector<bool> Taken(uint64_t held_bytes = 0) {
    std::vector<bool> taken;
    for (const WorkClass work :
         {WorkClass::kVital, WorkClass::kChange, WorkClass::kRead, WorkClass::kCatchUp})
      taken.push_back(admission.Take(work, now, held_bytes).has_value());
    return taken;
  }
  // Requests for a while, each of which has waited so long.
  void Waiting(int64_t waited_us, int64_t for_us) {
    for (const int64_t end = now + for_us; now < end; now += 10'000)
      admission.Waited(now, waited_us);
  }

  int64_t now = 1000 * kSecond;
  Admission admission{{.delay_us = 100'000, .calls_max = 3, .memory_bytes_max = 800}};
};

using Verdicts = std::vector<bool>;

TEST_F(AdmissionTest, TakesAllWithoutAQueue) {
  Waiting(99'999, 3 * kSecond);
  EXPECT_EQ(Taken(), (Verdicts{true, true, true, true}));
}

TEST_F(AdmissionTest, AStandingQueueKeepsOutTheLowerClassesFirst) {
  Waiting(100'000, 3 * kSecond);
  EXPECT_EQ(Taken(), (Verdicts{true, true, true, false}));
  Waiting(199'999, 3 * kSecond);
  EXPECT_EQ(Taken(), (Verdicts{true, true, true, false}));
  Waiting(200'000, 3 * kSecond);
  EXPECT_EQ(Taken(), (Verdicts{true, true, false, false}));
  Waiting(399'999, 3 * kSecond);
  EXPECT_EQ(Taken(), (Verdicts{true, true, false, false}));
  Waiting(400'000, 3 * kSecond);
  EXPECT_EQ(Taken(), (Verdicts{true, false, false, false}));
}

TEST_F(AdmissionTest, AHiccupIsNoOverload) {
  Waiting(0, kSecond);
  Waiting(300'000, 400'000);  // everything that came during it
  EXPECT_EQ(Taken(), (Verdicts{true, true, true, true}));
}

TEST_F(AdmissionTest, TheFirstRequestThatDidNotWaitEndsIt) {
  Waiting(500'000, 3 * kSecond);
  ASSERT_EQ(Taken(), (Verdicts{true, false, false, false}));
  admission.Waited(now, 50);
  EXPECT_EQ(Taken(), (Verdicts{true, true, true, true}));
}

TEST_F(AdmissionTest, SilenceEndsIt) {
  Waiting(500'000, 3 * kSecond);
  now += 2 * Admission::kStandingUs;
  EXPECT_EQ(Taken(), (Verdicts{true, true, true, true}));
}

TEST_F(AdmissionTest, MemoryIsKeptForTheHigherClasses) {
  EXPECT_EQ(Taken(400), (Verdicts{true, true, true, true}));
  EXPECT_EQ(Taken(401), (Verdicts{true, true, true, false}));
  EXPECT_EQ(Taken(600), (Verdicts{true, true, true, false}));
  EXPECT_EQ(Taken(601), (Verdicts{true, true, false, false}));
  EXPECT_EQ(Taken(700), (Verdicts{true, true, false, false}));
  EXPECT_EQ(Taken(701), (Verdicts{true, false, false, false}));
}

TEST_F(AdmissionTest, AsManyReadsAsTheLimitAndOneMoreOnceOneHasGone) {
  std::vector<Admission::Ticket> tickets;
  for (int i = 0; i < 3; ++i) tickets.push_back(*admission.Take(WorkClass::kRead, now, 0));
  EXPECT_EQ(admission.in_flight(WorkClass::kRead), 3U);
  const Result<Admission::Ticket> refused = admission.Take(WorkClass::kRead, now, 0);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Errc::kOverloaded);
  EXPECT_EQ(refused.error().outcome, Outcome::kNotApplied);
  // The others are not touched by it.
  EXPECT_EQ(Taken(), (Verdicts{true, true, false, true}));
  tickets.pop_back();
  EXPECT_EQ(Taken(), (Verdicts{true, true, true, true}));
}

TEST_F(AdmissionTest, ATicketThatMovesCountsOnce) {
  Admission::Ticket first = *admission.Take(WorkClass::kRead, now, 0);
  {
    Admission::Ticket second = std::move(first);
    EXPECT_EQ(admission.in_flight(WorkClass::kRead), 1U);
  }
  EXPECT_EQ(admission.in_flight(WorkClass::kRead), 0U);
}

TEST_F(AdmissionTest, TakesNoMoreCatchUpsThanItServesInASecond) {
  Admission wide({.delay_us = 100'000, .calls_max = 1000, .memory_bytes_max = 800});
  for (int i = 0; i < 200; ++i) wide.Served(20'000);
  std::vector<Admission::Ticket> tickets;
  for (;;) {
    Result<Admission::Ticket> ticket = wide.Take(WorkClass::kCatchUp, now, 0);
    if (!ticket)
      break;
    tickets.push_back(*std::move(ticket));
  }
  EXPECT_EQ(tickets.size(), 51U);  // of 20 ms each: the one that passes the second is the last
}

TEST_F(AdmissionTest, WhatWaitedTooLongForItsTurnIsRefused) {
  const int64_t limit = 2 * Admission::kBacklogUs;
  EXPECT_TRUE(admission.MayAnswer(WorkClass::kCatchUp, limit, 400).has_value());
  EXPECT_FALSE(admission.MayAnswer(WorkClass::kCatchUp, limit + 1, 400).has_value());
  EXPECT_FALSE(admission.MayAnswer(WorkClass::kCatchUp, 0, 401).has_value());
}

}  // namespace
}  // namespace synod::node
