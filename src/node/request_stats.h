// RequestStats: how many requests of which kind were answered how, and how fast.
//
// Contract      Plain counters per route and status, and a histogram of seconds per route: an array
//               increment per request, made into metrics only when somebody scrapes.
// Thread        The loop's thread.
#ifndef SYNOD_NODE_REQUEST_STATS_H_
#define SYNOD_NODE_REQUEST_STATS_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

namespace synod::node {

enum class Route : uint8_t {
  kGet,
  kList,
  kPut,
  kCreate,
  kDelete,
  kTxn,
  kWatch,
  kLease,
  kLock,
  kElection,
  kFence,
  kAuth,
  kStatus,
  kHealth,
  kMetrics,
  kOther,
};

inline constexpr std::array<std::string_view, 16> kRouteNames = {
    "get",  "list",     "put",   "create", "delete", "txn",    "watch",   "lease",
    "lock", "election", "fence", "auth",   "status", "health", "metrics", "other"};

// How often something took how long.
struct Durations {
  static constexpr std::array<int64_t, 14> kBoundsUs = {100,    200,    500,     1000,   2000,
                                                        5000,   10000,  20000,   50000,  100000,
                                                        200000, 500000, 1000000, 5000000};

  void Add(int64_t micros) {
    const auto bucket = std::lower_bound(kBoundsUs.begin(), kBoundsUs.end(), micros);
    ++buckets[static_cast<size_t>(bucket - kBoundsUs.begin())];
    sum_us += static_cast<uint64_t>(std::max<int64_t>(micros, 0));
  }

  std::array<uint64_t, kBoundsUs.size() + 1> buckets{};  // up to each bound; the last: above all
  uint64_t sum_us = 0;
};

class RequestStats {
 public:
  static constexpr size_t kStatuses = 600;

  struct PerRoute {
    std::array<uint64_t, kStatuses> by_status{};
    Durations durations;
  };

  void Count(Route route, int status, int64_t micros) {
    PerRoute& r = routes_[static_cast<size_t>(route)];
    ++r.by_status[static_cast<size_t>(std::clamp(status, 0, static_cast<int>(kStatuses) - 1))];
    r.durations.Add(micros);
  }
  const PerRoute& route(Route r) const { return routes_[static_cast<size_t>(r)]; }

 private:
  std::array<PerRoute, kRouteNames.size()> routes_{};
};

}  // namespace synod::node

#endif  // SYNOD_NODE_REQUEST_STATS_H_
