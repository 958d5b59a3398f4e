#include "session/lease_table.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "src/base/random.h"

namespace synod::session {
namespace {

ClusterTime T(int64_t ms) { return ClusterTime(ms); }

class LeaseTest : public testing::Test {
 protected:
  LeaseId Grant(int64_t ttl_ms, int64_t at) {
    return table_.Grant(ttl_ms, "w", "u", false, T(at)).id;
  }
  bool IsLive(LeaseId id, int64_t at) { return table_.FindLive(id, T(at)) != nullptr; }
  ~LeaseTest() override { table_.CheckInvariants(); }

  LeaseTable table_;
};

TEST_F(LeaseTest, LivesAtTtlMinusOneTick) {
  const LeaseId id = Grant(1000, 5000);
  EXPECT_TRUE(IsLive(id, 5999));
  EXPECT_EQ(table_.FirstDue(T(5999)), nullptr);
}

TEST_F(LeaseTest, IsGoneAtItsDeadlineAlsoBeforeItsRemoval) {
  const LeaseId id = Grant(1000, 5000);
  EXPECT_FALSE(IsLive(id, 6000));
  EXPECT_NE(table_.Find(id), nullptr);
  ASSERT_NE(table_.FirstDue(T(6000)), nullptr);
  EXPECT_EQ(table_.FirstDue(T(6000))->id, id);
}

TEST_F(LeaseTest, RenewalCountsTheWholeTtlFromNow) {
  const LeaseId id = Grant(1000, 0);
  EXPECT_EQ(table_.Renew(id, T(900)).deadline, T(1900));
  EXPECT_TRUE(IsLive(id, 1899));
  EXPECT_EQ(table_.NextDeadline(), T(1900));
}

TEST_F(LeaseTest, NeverUsesAnIdTwice) {
  const LeaseId first = Grant(1000, 0);
  table_.End(first);
  EXPECT_GT(Grant(1000, 0), first);
}

TEST_F(LeaseTest, IsDueInOrderOfDeadlineThenId) {
  const LeaseId late = Grant(2000, 0);
  const LeaseId early = Grant(1000, 0);
  const LeaseId also_early = Grant(1000, 0);
  std::vector<LeaseId> order;
  while (const Lease* lease = table_.FirstDue(T(5000))) {
    order.push_back(lease->id);
    table_.End(lease->id);
  }
  EXPECT_EQ(order, (std::vector<LeaseId>{early, also_early, late}));
}

TEST_F(LeaseTest, TheEarliestIsKnownWhateverWasRenewedAndEnded) {
  Random random(11);
  std::map<LeaseId, ClusterTime> model;
  for (int64_t now = 0; now < 3000; ++now) {
    const int64_t ttl = random.Chance(10) ? 500 : static_cast<int64_t>(random.Between(1000, 5000));
    if (random.Chance(30))
      model[Grant(ttl, now)] = T(now + ttl);
    for (const auto& [id, deadline] : model)
      if (T(now) < deadline && random.Chance(2))
        model[id] = table_.Renew(id, T(now)).deadline;
    while (const Lease* due = table_.FirstDue(T(now))) {
      const LeaseId id = due->id;
      EXPECT_EQ(model.at(id), due->deadline);
      table_.End(id);
      model.erase(id);
    }
    std::optional<ClusterTime> earliest;
    for (const auto& [id, deadline] : model)
      earliest = std::min(earliest.value_or(deadline), deadline);
    ASSERT_EQ(table_.NextDeadline(), earliest);
    if (random.Chance(1))
      table_.CheckInvariants();
  }
}

// By the invariant on the heap of deadlines.
TEST_F(LeaseTest, WhatEndsLongBeforeItsDeadlineLeavesNothingBehind) {
  Grant(86'400'000, 0);
  for (int i = 0; i < 10'000; ++i) table_.End(Grant(86'400'000, 0));
  EXPECT_EQ(table_.NextDeadline(), T(86'400'000));
}

TEST_F(LeaseTest, KnowsTheNodesTiedToIt) {
  const LeaseId id = Grant(1000, 0);
  table_.Tie(id, "/a/b", 10);
  table_.Tie(id, "/a", 5);
  EXPECT_EQ(
      std::vector<std::string>(table_.Find(id)->paths().begin(), table_.Find(id)->paths().end()),
      (std::vector<std::string>{"/a", "/a/b"}));
  EXPECT_EQ(table_.Find(id)->tied_bytes(), 15u);
  table_.Untie(id, "/a", 5);
  EXPECT_EQ(table_.Find(id)->tied_bytes(), 10u);
  table_.Untie(id, "/a/b", 10);
  EXPECT_TRUE(table_.Find(id)->paths().empty());
}

TEST_F(LeaseTest, ListsLiveLeasesByIdAfterACursor) {
  const LeaseId a = Grant(5000, 0);
  const LeaseId dead = Grant(1000, 0);
  const LeaseId b = Grant(5000, 0);
  const auto all = table_.List(LeaseId(), 10, T(2000));
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0]->id, a);
  EXPECT_EQ(all[1]->id, b);
  EXPECT_EQ(table_.List(a, 10, T(2000)).size(), 1u);
  EXPECT_EQ(table_.List(LeaseId(), 1, T(2000)).size(), 1u);
  EXPECT_NE(table_.Find(dead), nullptr);
}

TEST_F(LeaseTest, RecordsGiveBackTheSameTable) {
  Random random(7);
  std::vector<LeaseId> ids;
  for (int i = 0; i < 200; ++i) {
    const auto now = static_cast<int64_t>(i) * 10;
    ids.push_back(Grant(static_cast<int64_t>(random.Between(5000, 9000)), now));
    if (random.Chance(30))
      table_.Renew(ids[random.Below(ids.size())], T(now));
    if (random.Chance(20) && table_.Find(ids.front()) != nullptr) {
      table_.End(ids.front());
      ids.erase(ids.begin());
    }
  }
  LeaseTable loaded;
  table_.ForEachRecord([&](std::string_view key, std::string_view value) {
    EXPECT_TRUE(loaded.LoadRecord(key, value).has_value());
  });
  loaded.set_last_id(table_.last_id());
  loaded.CheckInvariants();
  EXPECT_EQ(loaded.digest(), table_.digest());
  EXPECT_EQ(loaded.NextDeadline(), table_.NextDeadline());
  EXPECT_EQ(loaded.record_bytes(), table_.record_bytes());
}

TEST_F(LeaseTest, DirtyRecordsFollowEveryChangeOnce) {
  std::map<Bytes, Bytes> disk;
  const auto checkpoint = [&] {
    Records records;
    table_.tally().TakeDirty(&records);
    for (Record& record : records) {
      if (record.value.has_value())
        disk[record.key] = *record.value;
      else
        disk.erase(record.key);
    }
    return records.size();
  };
  const LeaseId a = Grant(1000, 0);
  Grant(1000, 0);
  table_.Renew(a, T(10));
  table_.Renew(a, T(20));
  EXPECT_EQ(checkpoint(), 2u);
  EXPECT_EQ(checkpoint(), 0u);
  table_.End(a);
  EXPECT_EQ(checkpoint(), 1u);
  EXPECT_EQ(disk.size(), 1u);
  std::map<Bytes, Bytes> state;
  table_.ForEachRecord([&](std::string_view k, std::string_view v) { state[Bytes(k)] = v; });
  EXPECT_EQ(disk, state);
}

TEST_F(LeaseTest, RefusesDamagedRecords) {
  Grant(1000, 0);
  Bytes key;
  Bytes value;
  table_.ForEachRecord([&](std::string_view k, std::string_view v) {
    key = k;
    value = v;
  });
  for (size_t cut = 0; cut < value.size(); ++cut) {
    LeaseTable loaded;
    EXPECT_TRUE(loaded.LoadRecord(key, value.substr(0, cut)).has_error());
  }
  LeaseTable loaded;
  EXPECT_TRUE(loaded.LoadRecord(key.substr(0, 5), value).has_error());
  EXPECT_TRUE(loaded.LoadRecord(key, value).has_value());
  EXPECT_TRUE(loaded.LoadRecord(key, value).has_error());
}

}  // namespace
}  // namespace synod::session
