// RequestStats: how many requests of which kind were answered how, and how fast.
//
// Contract      Plain counters per route and status, and histograms of seconds per route and per
//               stage: array increments, made into metrics only when somebody scrapes.
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

// Where the time of a request goes. A change: queue, replication (of which sync, on the leader),
// wait, apply, reply. A read: round, reply.
enum class Stage : uint8_t {
  kParse,        // its form, and who asks; one request in kParseSampling is measured
  kQueue,        // until it is proposed, or handed to the leader
  kReplication,  // until a majority has it and this node knows
  kSync,         // ... of this until it is in this node's own log
  kWait,         // for others, as it asked for: the queue of a lock
  kRound,        // of a read: until its quorum round is over and this replica reflects it
  kApply,        // the turn of the core in which it was applied
  kReply,        // until its answer is rendered, behind the others of that turn
};

inline constexpr std::array<std::string_view, 8> kStageNames = {
    "parse", "queue", "replication", "sync", "wait", "round", "apply", "reply"};
inline constexpr std::array<std::string_view, 8> kStageFields = {
    "parse_ms", "queue_ms", "replication_ms", "sync_ms",
    "wait_ms",  "round_ms", "apply_ms",       "reply_ms"};

// Of one request, in microseconds; -1: not known, or there was none.
class Stages {
 public:
  Stages() { us_.fill(-1); }
  void Set(Stage stage, int64_t from_us, int64_t to_us) {
    us_[static_cast<size_t>(stage)] = std::max<int64_t>(to_us - from_us, 0);
  }
  int64_t Of(Stage stage) const { return us_[static_cast<size_t>(stage)]; }

 private:
  std::array<int64_t, kStageNames.size()> us_;
};

class RequestStats {
 public:
  static constexpr size_t kStatuses = 600;
  static constexpr uint64_t kParseSampling = 64;

  struct PerRoute {
    std::array<uint64_t, kStatuses> by_status{};
    Durations durations;
  };

  void Count(Route route, int status, int64_t micros) {
    PerRoute& r = routes_[static_cast<size_t>(route)];
    ++r.by_status[static_cast<size_t>(std::clamp(status, 0, static_cast<int>(kStatuses) - 1))];
    r.durations.Add(micros);
  }
  void Count(Stage stage, int64_t micros) { stages_[static_cast<size_t>(stage)].Add(micros); }
  void Count(const Stages& stages) {
    for (size_t i = 0; i < kStageNames.size(); ++i)
      if (const int64_t micros = stages.Of(static_cast<Stage>(i)); micros >= 0)
        stages_[i].Add(micros);
  }
  const Durations& stage(Stage s) const { return stages_[static_cast<size_t>(s)]; }
  const PerRoute& route(Route r) const { return routes_[static_cast<size_t>(r)]; }

 private:
  std::array<PerRoute, kRouteNames.size()> routes_{};
  std::array<Durations, kStageNames.size()> stages_{};
};

}  // namespace synod::node

#endif  // SYNOD_NODE_REQUEST_STATS_H_
