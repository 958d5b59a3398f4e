// Order against a std::set, at sizes where blocks split, merge and go.
#include "src/store/order.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <set>
#include <string>
#include <vector>

#include "src/base/path.h"
#include "src/base/random.h"

namespace synod::store {
namespace {

class OrderTest : public testing::Test {
 protected:
  struct Less {
    bool operator()(const Entry* a, const Entry* b) const {
      return ComparePaths(a->path(), b->path()) < 0;
    }
  };

  OrderTest() {
    for (unsigned i = 0; i < 3000; ++i) {
      char path[32];
      const int n = std::snprintf(path, sizeof path, "/%c/%u", 'a' + i % 7, i);
      entries_.push_back(Entry::Make(std::string_view(path, static_cast<size_t>(n))));
    }
  }
  ~OrderTest() override {
    for (Entry* entry : entries_) Entry::Free(entry);
  }

  void Compare() {
    order_.CheckInvariants();
    ASSERT_EQ(order_.size(), expected_.size());
    auto it = order_.begin();
    for (Entry* entry : expected_) {
      ASSERT_FALSE(it == order_.end());
      EXPECT_EQ(*it, entry);
      ++it;
    }
    EXPECT_TRUE(it == order_.end());
  }
  void CompareSeek(Entry* wanted) {
    const auto lower = expected_.lower_bound(wanted);
    const auto upper = expected_.upper_bound(wanted);
    const auto at_lower = order_.LowerBound(wanted->path());
    const auto at_upper = order_.UpperBound(wanted->path());
    EXPECT_EQ(at_lower == order_.end() ? nullptr : *at_lower,
              lower == expected_.end() ? nullptr : *lower);
    EXPECT_EQ(at_upper == order_.end() ? nullptr : *at_upper,
              upper == expected_.end() ? nullptr : *upper);
  }

  std::vector<Entry*> entries_;
  std::set<Entry*, Less> expected_;
  Order order_;
};

TEST_F(OrderTest, IsASortedSetWhileItGrowsAndShrinks) {
  Random random(1);
  for (const double insert : {90.0, 50.0, 20.0, 70.0, 5.0}) {
    for (int i = 0; i < 6000; ++i) {
      Entry* entry = entries_[random.Below(entries_.size())];
      if (random.Chance(insert)) {
        if (expected_.insert(entry).second)
          order_.Insert(entry);
      } else {
        expected_.erase(entry);
        order_.Erase(entry);
      }
      CompareSeek(entries_[random.Below(entries_.size())]);
    }
    Compare();
  }
  for (Entry* entry : entries_) {
    expected_.erase(entry);
    order_.Erase(entry);
  }
  Compare();
}

TEST_F(OrderTest, TakesEntriesInRisingAndInFallingOrder) {
  for (Entry* entry : entries_) expected_.insert(entry);
  for (Entry* entry : expected_) order_.Insert(entry);
  Compare();
  Order falling;
  for (auto it = expected_.rbegin(); it != expected_.rend(); ++it) falling.Insert(*it);
  falling.CheckInvariants();
  EXPECT_EQ(falling.size(), expected_.size());
}

}  // namespace
}  // namespace synod::store
