#include "lock/lock_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "src/base/random.h"

namespace synod::lock {
namespace {

// Contenders are named by their lease; each asks for the lock "/l" unless told otherwise.
class LockTest : public testing::Test {
 protected:
  ~LockTest() override { table_.CheckInvariants(); }

  LeaseId Lease(int64_t ttl_ms = 1'000'000) {
    return leases_.Grant(ttl_ms, "", "", false, now_).id;
  }
  Place Ask(LeaseId lease,
            LockMode mode = LockMode::kExclusive,
            uint32_t limit = 1,
            int64_t wait_ms = 1'000'000) {
    Contender contender;
    contender.lease = lease;
    contender.mode = mode;
    contender.since = now_;
    contender.wait_deadline = now_ + wait_ms;
    contender.owner = {NodeId(1), 5, ++seq_};
    const Place place{"/l", ++number_};
    table_.Enter(place, LockKind::kLock, limit, std::move(contender));
    Settle();
    return place;
  }
  LeaseId AskShared() {
    const LeaseId lease = Lease();
    Ask(lease, LockMode::kShared);
    return lease;
  }
  LeaseId AskExclusive() {
    const LeaseId lease = Lease();
    Ask(lease);
    return lease;
  }
  void Leave(LeaseId lease) {
    table_.Remove(*table_.FindByLease("/l", lease));
    Settle();
  }
  void Settle() {
    while (const auto place = table_.NextGrant("/l", now_, leases_)) {
      ++revision_;
      tokens_.push_back(table_.Grant(*place, revision_, now_).token);
    }
    table_.DropIfIdle("/l", now_);
    table_.CheckInvariants();
  }
  bool Holds(LeaseId lease) {
    const auto place = table_.FindByLease("/l", lease);
    return place.has_value() && table_.Find(*place)->holds();
  }

  session::LeaseTable leases_;
  LockTable table_;
  ClusterTime now_{1000};
  Revision revision_{10};
  std::vector<FenceToken> tokens_;
  uint64_t seq_ = 0;
  uint64_t number_ = 0;
};

TEST_F(LockTest, AnExclusiveHolderIsAlone) {
  const LeaseId a = AskExclusive();
  const LeaseId b = AskExclusive();
  EXPECT_TRUE(Holds(a));
  EXPECT_FALSE(Holds(b));
  Leave(a);
  EXPECT_TRUE(Holds(b));
}

TEST_F(LockTest, SharedOnesHoldTogether) {
  const LeaseId a = AskShared();
  const LeaseId b = AskShared();
  EXPECT_TRUE(Holds(a));
  EXPECT_TRUE(Holds(b));
}

TEST_F(LockTest, SharedDoesNotOvertakeAWaitingExclusive) {
  const LeaseId reader = AskShared();
  const LeaseId writer = AskExclusive();
  const LeaseId late_reader = AskShared();
  EXPECT_FALSE(Holds(writer));
  EXPECT_FALSE(Holds(late_reader));
  Leave(reader);
  EXPECT_TRUE(Holds(writer));
  EXPECT_FALSE(Holds(late_reader));
  Leave(writer);
  EXPECT_TRUE(Holds(late_reader));
}

TEST_F(LockTest, ASemaphoreAdmitsItsLimitInOrder) {
  std::vector<LeaseId> all;
  for (int i = 0; i < 5; ++i) {
    all.push_back(Lease());
    Ask(all.back(), LockMode::kExclusive, 3);
  }
  EXPECT_TRUE(Holds(all[0]) && Holds(all[1]) && Holds(all[2]));
  EXPECT_FALSE(Holds(all[3]) || Holds(all[4]));
  Leave(all[1]);
  EXPECT_TRUE(Holds(all[3]));
  EXPECT_FALSE(Holds(all[4]));
}

TEST_F(LockTest, TokenGrowsAcrossDeleteAndRecreate) {
  for (int i = 0; i < 3; ++i) {
    const LeaseId a = AskExclusive();
    Leave(a);
    EXPECT_EQ(table_.Find("/l"), nullptr);
  }
  EXPECT_TRUE(std::ranges::is_sorted(tokens_));
  EXPECT_EQ(std::ranges::adjacent_find(tokens_), tokens_.end());
}

TEST_F(LockTest, TokenIsTheRevisionOfTheGrantUnlessThatIsTaken) {
  AskShared();
  EXPECT_EQ(tokens_.back(), FenceToken(revision_.value));
  table_.set_last_token(FenceToken(500));
  AskShared();
  EXPECT_EQ(tokens_.back(), FenceToken(501));
}

TEST_F(LockTest, AWaiterWhoseLeaseIsGoneIsPassedOver) {
  const LeaseId holder = AskExclusive();
  const LeaseId dying = Lease(100);
  Ask(dying);
  const LeaseId next = AskExclusive();
  now_ = now_ + 100;
  Leave(holder);
  EXPECT_FALSE(Holds(dying));
  EXPECT_TRUE(Holds(next));
}

TEST_F(LockTest, AWaiterPastItsDeadlineNeverAcquires) {
  const LeaseId holder = AskExclusive();
  const LeaseId impatient = Lease();
  Ask(impatient, LockMode::kExclusive, 1, 50);
  now_ = now_ + 49;
  EXPECT_EQ(table_.FirstWaitDue(now_), std::nullopt);
  now_ = now_ + 1;
  EXPECT_TRUE(table_.FirstWaitDue(now_).has_value());
  Leave(holder);
  EXPECT_FALSE(Holds(impatient));
}

TEST_F(LockTest, ADelayKeepsTheLockFromEverybody) {
  const LeaseId holder = AskExclusive();
  const LeaseId next = AskExclusive();
  table_.SetDelay("/l", now_ + 500);
  Leave(holder);
  EXPECT_FALSE(Holds(next));
  EXPECT_FALSE(table_.IsFree("/l", LockMode::kExclusive, now_, leases_));
  EXPECT_EQ(table_.FirstDelayDue(now_ + 499), std::nullopt);
  now_ = now_ + 500;
  EXPECT_EQ(table_.FirstDelayDue(now_), "/l");
  Settle();
  EXPECT_TRUE(Holds(next));
  EXPECT_EQ(table_.FirstDelayDue(now_), std::nullopt);
}

TEST_F(LockTest, ADelayOutlivesTheLastContender) {
  const LeaseId holder = AskExclusive();
  table_.SetDelay("/l", now_ + 500);
  Leave(holder);
  ASSERT_NE(table_.Find("/l"), nullptr);
  now_ = now_ + 500;
  Settle();
  EXPECT_EQ(table_.Find("/l"), nullptr);
}

TEST_F(LockTest, ATakenOverWaitKeepsItsPlaceAndHasTheNewOwner) {
  AskExclusive();
  const Place place = Ask(Lease());
  const RequestId old_owner = table_.Find(place)->owner;
  const RequestId new_owner{NodeId(2), 9, 1};
  table_.Disown(place, now_ + 5000);
  table_.TakeOver(place, new_owner, now_ + 70, "key");
  EXPECT_EQ(table_.FindOwner(old_owner), std::nullopt);
  EXPECT_EQ(table_.FindOwner(new_owner), place);
  EXPECT_EQ(table_.Find(place)->orphan_deadline, std::nullopt);
  EXPECT_EQ(table_.FirstOrphanDue(now_ + 5000), std::nullopt);
  EXPECT_EQ(table_.NextDeadline(), now_ + 70);
}

TEST_F(LockTest, TheWaitsOfAProcessAreDisownedAndAdoptedTogether) {
  AskExclusive();
  const Place first = Ask(Lease());
  const Place second = Ask(Lease());
  table_.DisownProcess(NodeId(1), 4, now_ + 1);
  EXPECT_EQ(table_.FirstOrphanDue(now_ + 1), std::nullopt);
  table_.DisownProcess(NodeId(1), 5, now_ + 5000);
  EXPECT_EQ(table_.FirstOrphanDue(now_ + 5000), first);
  EXPECT_TRUE(table_.Find(second)->orphan_deadline.has_value());
  table_.AdoptProcess(NodeId(1), 5);
  EXPECT_EQ(table_.FirstOrphanDue(now_ + 5000), std::nullopt);
}

TEST_F(LockTest, KeysAndPlacesAreTheSameThing) {
  const Place place{"/a/b", 42};
  EXPECT_EQ(KeyOf(place), "/.synod/locks/a/b/@0000000042");
  EXPECT_EQ(PlaceOf(KeyOf(place)), place);
  for (const char* other : {"/.synod/locks/@0000000042", "/.synod/locks/a/b", "/.synod/locks/a/@42",
                            "/.synod/locks/a/@000000004x", "/a/b/@0000000042", "/"})
    EXPECT_EQ(PlaceOf(other), std::nullopt) << other;
}

TEST_F(LockTest, RefusesDamagedRecords) {
  AskExclusive();
  Ask(Lease());
  std::vector<std::pair<Bytes, Bytes>> records;
  table_.ForEachRecord([&](std::string_view k, std::string_view v) { records.emplace_back(k, v); });
  ASSERT_EQ(records.size(), 3u);
  for (const auto& [key, value] : records) {
    for (size_t cut = 0; cut < value.size(); ++cut) {
      LockTable loaded;
      EXPECT_TRUE(loaded.LoadRecord(key, value.substr(0, cut)).has_error());
    }
    LockTable loaded;
    EXPECT_TRUE(loaded.LoadRecord(key, value).has_value());
    EXPECT_TRUE(loaded.LoadRecord(key, value).has_error());
  }
  LockTable alone;
  EXPECT_TRUE(alone.LoadRecord(records[0].first, records[0].second).has_value());
  EXPECT_TRUE(alone.FinishLoad().has_error());
  LockTable orphans;
  EXPECT_TRUE(orphans.LoadRecord(records[1].first, records[1].second).has_value());
  EXPECT_TRUE(orphans.FinishLoad().has_error());
}

// The rule, as plainly as it can be said: a list in order of arrival, and from its head on everyone
// holds who fits.
struct ModelContender {
  LeaseId lease;
  LockMode mode;
  bool holds = false;
};

void SettleModel(std::vector<ModelContender>* queue, uint32_t limit) {
  for (ModelContender& c : *queue) {
    if (c.holds)
      continue;
    const auto holders = std::ranges::count_if(*queue, [](const auto& x) { return x.holds; });
    const bool shared_only = std::ranges::all_of(
        *queue, [](const auto& x) { return !x.holds || x.mode == LockMode::kShared; });
    const bool exclusive_only = std::ranges::all_of(
        *queue, [](const auto& x) { return !x.holds || x.mode == LockMode::kExclusive; });
    const bool fits =
        c.mode == LockMode::kShared ? shared_only : exclusive_only && holders < int64_t{limit};
    if (!fits)
      return;
    c.holds = true;
  }
}

TEST_F(LockTest, AgreesWithAListInOrderOfArrival) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    Random random(seed);
    const auto limit = static_cast<uint32_t>(seed % 3 == 0 ? random.Between(2, 4) : 1);
    std::vector<ModelContender> model;
    for (int step = 0; step < 150; ++step) {
      if (model.empty() || random.Chance(55)) {
        const bool shared = limit == 1 && random.Chance(50);
        const LockMode mode = shared ? LockMode::kShared : LockMode::kExclusive;
        const LeaseId lease = Lease();
        model.push_back({lease, mode});
        Ask(lease, mode, limit);
      } else {
        const auto victim = static_cast<std::ptrdiff_t>(random.Below(model.size()));
        Leave(model[static_cast<size_t>(victim)].lease);
        model.erase(model.begin() + victim);
      }
      SettleModel(&model, limit);
      for (const ModelContender& c : model)
        ASSERT_EQ(Holds(c.lease), c.holds) << "seed " << seed << " step " << step;
    }
    for (const ModelContender& c : model) Leave(c.lease);
  }
  EXPECT_TRUE(std::ranges::is_sorted(tokens_));
  EXPECT_EQ(std::ranges::adjacent_find(tokens_), tokens_.end());
}

TEST_F(LockTest, RecordsGiveBackTheSameTable) {
  Random random(3);
  for (int i = 0; i < 30; ++i) {
    Ask(Lease(), random.Chance(50) ? LockMode::kShared : LockMode::kExclusive);
    if (random.Chance(20))
      table_.DisownProcess(NodeId(1), 5, now_ + i);
  }
  table_.SetDelay("/l", now_ + 100);
  LockTable loaded;
  table_.ForEachRecord([&](std::string_view key, std::string_view value) {
    EXPECT_TRUE(loaded.LoadRecord(key, value).has_value());
  });
  loaded.set_last_token(table_.last_token());
  EXPECT_TRUE(loaded.FinishLoad().has_value());
  loaded.CheckInvariants();
  EXPECT_EQ(loaded.digest(), table_.digest());
  EXPECT_EQ(loaded.record_bytes(), table_.record_bytes());
  EXPECT_EQ(loaded.NextDeadline(), table_.NextDeadline());
  EXPECT_EQ(loaded.owners(), table_.owners());
}

}  // namespace
}  // namespace synod::lock
