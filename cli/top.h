// Top: the state of a cluster on one screen, computed from what its nodes told at two moments.
//
// Contract      Pure: no socket, clock or terminal. A node that did not answer is shown as such,
//               with what the others know of it; rates need two samples, and are 0 without.
//               Everything that a node told is made printable.
// Thread        Plain values.   Errors: none.
// Not here      Asking the nodes and drawing (top_command.cc), the screen (screen.h).
#ifndef SYNOD_CLI_TOP_H_
#define SYNOD_CLI_TOP_H_

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "cli/metrics_text.h"

namespace synod::cli {

// What one member told when it was asked, and before that the others of it.
struct NodeSample {
  int64_t id = 0;  // 0: a node that was asked by its address and is not known as a member
  std::string name;
  std::string url;
  bool voter = true;
  std::string error;  // why there is no status; empty: there is
  boost::json::object status;
  MetricsText metrics;
  std::string metrics_error;  // why there are no metrics beside the status
};

struct ClusterSample {
  double at_seconds = 0;  // of any clock that does not go back
  std::vector<NodeSample> nodes;
};

struct NodeRow {
  int64_t id = 0;
  std::string name;
  std::string url;
  std::string role;   // leader, follower, candidate, learner; down
  std::string error;  // of one that is down
  int64_t lag = 0;    // slots behind the furthest
  int64_t revision = 0;
  double requests_per_second = 0;
  double p50_ms = 0;
  double p99_ms = 0;
  double sync_p99_ms = 0;
  double cpu = 0;  // of one processor
  double memory_bytes = 0;
  double disk_free_bytes = 0;
  int64_t connections = 0;
  int64_t watches = 0;
  int64_t uptime_ms = 0;
};

struct TopView {
  std::string cluster_id;
  std::string leader;  // "2 (node-2)"; empty: none is known
  int64_t revision = 0;
  size_t up = 0;
  double requests_per_second = 0;
  double failures_per_second = 0;  // answers of 429 and 5xx, but for health
  double changes_per_second = 0;   // commands applied
  double p50_ms = 0;
  double p99_ms = 0;
  double quota_used_bytes = 0;
  double quota_bytes = 0;
  double history_bytes = 0;
  double history_limit_bytes = 0;
  int64_t nodes = 0;
  int64_t leases = 0;
  int64_t locks = 0;
  int64_t lock_waiters = 0;
  int64_t watches = 0;
  std::vector<NodeRow> rows;
  std::vector<std::string> warnings;  // the worst first
};

TopView ViewOf(const ClusterSample& before, const ClusterSample& now);

struct TopLine {
  enum class Style : uint8_t { kPlain, kTitle, kHeader, kWarning };
  Style style = Style::kPlain;
  std::string text;
};
// As many columns and lines as there are; 0: as many as it takes.
std::vector<TopLine> RenderTop(const TopView& view, size_t columns, size_t lines);

boost::json::object ToJson(const TopView& view);

}  // namespace synod::cli

#endif  // SYNOD_CLI_TOP_H_
