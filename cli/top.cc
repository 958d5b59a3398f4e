#include "cli/top.h"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>

#include "cli/session.h"

namespace synod::cli {
namespace {

namespace json = boost::json;

constexpr int64_t kLagWarned = 10'000;
constexpr double kPartWarned = 0.8;

std::string Format(const char* form, double value) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), form, value);
  return text.data();
}

std::string Bytes(double n) {
  constexpr std::array<const char*, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  size_t unit = 0;
  for (; n >= 1024 && unit + 1 < kUnits.size(); ++unit) n /= 1024;
  return Format(unit == 0 || n >= 100 ? "%.0f " : "%.1f ", n) + kUnits[unit];
}

std::string Span(int64_t ms) {
  const int64_t s = ms / 1000;
  if (s < 60)
    return std::to_string(s) + "s";
  if (s < 3600)
    return std::to_string(s / 60) + "m";
  if (s < 2 * 86'400)
    return std::to_string(s / 3600) + "h";
  return std::to_string(s / 86'400) + "d";
}

std::string Percent(double part, double whole) {
  return whole <= 0 ? "-" : Format("%.0f %%", 100 * part / whole);
}

json::object Inner(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_object() ? value->get_object() : json::object();
}

// What people ask for, so that those who look do not change what they see.
bool IsService(std::string_view route) {
  return route != "health" && route != "metrics" && route != "status";
}

double Requests(const MetricsText& metrics) {
  double sum = 0;
  for (const auto& [labels, value] : metrics.All("synod_http_requests_total"))
    if (const auto route = labels.find("route"); route != labels.end() && IsService(route->second))
      sum += value;
  return sum;
}

double Failures(const MetricsText& metrics) {
  double sum = 0;
  for (const auto& [labels, value] : metrics.All("synod_http_requests_total")) {
    const auto route = labels.find("route");
    const auto status = labels.find("status");
    if (route == labels.end() || status == labels.end() || !IsService(route->second))
      continue;
    if (status->second == "429" || status->second.starts_with('5'))
      sum += value;
  }
  return sum;
}

Buckets BucketsOf(const MetricsText& metrics, const std::string& name) {
  Buckets buckets;
  for (const auto& [labels, value] : metrics.All(name + "_bucket")) {
    const auto route = labels.find("route");
    const auto le = labels.find("le");
    if (le == labels.end() || (route != labels.end() && !IsService(route->second)))
      continue;
    double bound = std::numeric_limits<double>::infinity();
    if (le->second != "+Inf")
      std::from_chars(le->second.data(), le->second.data() + le->second.size(), bound);
    buckets.Add(bound, value);
  }
  return buckets;
}

constexpr const char* kDurations = "synod_http_request_duration_seconds";
constexpr const char* kSyncs = "synod_log_append_duration_seconds";

const NodeSample* Find(const ClusterSample& sample, const NodeSample& like) {
  for (const NodeSample& node : sample.nodes)
    if (node.id == like.id && node.url == like.url)
      return &node;
  return nullptr;
}

// What a counter grew by; one that fell belongs to another process.
double Grown(double before, double now) { return now >= before ? now - before : now; }

// Two samples of one node: the metrics of both, if both are there.
class Between {
 public:
  Between(const NodeSample* before, const NodeSample& now, double seconds)
      : before_(before != nullptr && before->metrics.Has("synod_uptime_seconds") ? &before->metrics
                                                                                 : nullptr),
        now_(now.metrics),
        seconds_(seconds) {}

  template <typename F>
  double RateOf(F counter) const {
    return before_ == nullptr || seconds_ <= 0 ? 0
                                               : Grown(counter(*before_), counter(now_)) / seconds_;
  }
  double Rate(std::string_view name) const {
    return RateOf([&](const MetricsText& m) { return m.Value(name); });
  }
  Buckets Grew(const std::string& histogram) const {
    return before_ == nullptr ? Buckets()
                              : BucketsOf(now_, histogram).Since(BucketsOf(*before_, histogram));
  }

 private:
  const MetricsText* before_;
  const MetricsText& now_;
  double seconds_;
};

NodeRow RowOf(const NodeSample& node, const Between& between) {
  NodeRow row;
  row.id = node.id;
  row.name = Printable(node.name);
  row.url = Printable(node.url);
  row.error = Printable(node.error);
  row.role = node.error.empty() ? Text(node.status, "role") : "down";
  if (!node.error.empty())
    return row;
  row.revision = Number(node.status, "revision");
  row.uptime_ms = Number(node.status, "uptime_ms");
  row.requests_per_second = between.RateOf(Requests);
  row.p50_ms = between.Grew(kDurations).Quantile(0.5) * 1e3;
  row.p99_ms = between.Grew(kDurations).Quantile(0.99) * 1e3;
  row.sync_p99_ms = between.Grew(kSyncs).Quantile(0.99) * 1e3;
  row.cpu = between.Rate("process_cpu_seconds_total");
  row.memory_bytes = node.metrics.Value("process_resident_memory_bytes");
  row.disk_free_bytes = node.metrics.Value("synod_disk_free_bytes");
  row.connections = static_cast<int64_t>(node.metrics.Value("synod_http_connections"));
  row.watches = static_cast<int64_t>(node.metrics.Value("synod_watches"));
  return row;
}

// Of the cluster's own numbers every node has its copy: that of the furthest counts.
void FillState(const NodeSample& furthest, TopView* view) {
  const MetricsText& m = furthest.metrics;
  view->cluster_id = Text(furthest.status, "cluster_id");
  view->revision = Number(furthest.status, "revision");
  const json::object leader = Inner(furthest.status, "leader");
  if (!leader.empty())
    view->leader = Text(leader, "id") + " (" + Text(leader, "name") + ")";
  view->quota_used_bytes = m.Value("synod_logical_bytes");
  view->quota_bytes = m.Value("synod_quota_bytes");
  view->history_bytes = m.Value("synod_history_bytes");
  view->history_limit_bytes = m.Value("synod_history_limit_bytes");
  view->nodes = static_cast<int64_t>(m.Value("synod_nodes"));
  view->leases = static_cast<int64_t>(m.Value("synod_leases"));
  view->locks = static_cast<int64_t>(m.Value("synod_locks"));
  view->lock_waiters = static_cast<int64_t>(m.Value("synod_lock_waiters"));
}

class Warnings {
 public:
  Warnings(const ClusterSample& before, const ClusterSample& now, TopView* view)
      : before_(before), now_(now), view_(*view) {}

  void Find() {
    OfCluster();
    for (size_t i = 0; i < now_.nodes.size(); ++i) OfNode(now_.nodes[i], view_.rows[i]);
    OfLimits();
  }

 private:
  void Say(const std::string& what) { view_.warnings.push_back(what); }

  void OfCluster() {
    if (view_.up == 0) {
      Say("no node answers");
      return;
    }
    if (view_.leader.empty())
      Say("no leader is known");
    size_t voters = 0;
    size_t voters_up = 0;
    for (const NodeSample& node : now_.nodes) {
      voters += node.voter ? 1 : 0;
      voters_up += node.voter && node.error.empty() ? 1 : 0;
    }
    const size_t majority = voters / 2 + 1;
    if (voters_up < majority)
      Say("a majority does not answer: " + std::to_string(voters_up) + " of " +
          std::to_string(voters) + " voters do");
    else if (voters > 2 && voters_up == majority)
      Say("one more voter down stops the cluster");
    if (view_.failures_per_second > 0)
      Say(Format("%.1f requests a second are refused as overloaded or fail",
                 view_.failures_per_second));
  }

  void OfNode(const NodeSample& node, const NodeRow& row) {
    const std::string who = "member " + std::to_string(row.id) + " (" + row.name + ") ";
    if (!node.error.empty()) {
      Say(who + "does not answer: " + row.error);
      return;
    }
    if (!Text(node.status, "removed").empty())
      Say(who + "was removed and takes no part");
    if (!node.metrics_error.empty()) {
      Say(who + "tells no metrics: " + Printable(node.metrics_error));
      return;
    }
    const MetricsText& m = node.metrics;
    if (m.Value("synod_quarantined") > 0)
      Say(who + "is quarantined: replace it");
    else if (m.Value("synod_digest_diverged") > 0)
      Say(who + "has another state than the majority");
    else if (m.Value("synod_ready") < 1)
      Say(who + "is not ready");
    if (row.lag > kLagWarned)
      Say(who + "is " + std::to_string(row.lag) + " slots behind");
    if (m.Value("synod_disk_level") > 0)
      Say(who + "has " + Bytes(row.disk_free_bytes) + " of disk left");
    if (const json::value* damage = Inner(node.status, "storage").if_contains("damage");
        damage != nullptr)
      Say(who + "has found damage on its disk");
    OfPart(who + "has used", " of its connections", static_cast<double>(row.connections),
           m.Value("synod_http_connections_limit"));
    OfPart(who + "has used", " of its descriptors", m.Value("process_open_fds"),
           m.Value("process_max_fds"));
    OfPart(who + "has used", " of the memory for watches", m.Value("synod_watch_bytes"),
           m.Value("synod_watch_limit_bytes"));
    const NodeSample* then = cli::Find(before_, node);
    const double cut = then == nullptr || !then->metrics.Has("synod_watch_overflows_total")
                           ? 0
                           : Grown(then->metrics.Value("synod_watch_overflows_total"),
                                   m.Value("synod_watch_overflows_total"));
    if (cut > 0)
      Say(who + "cuts off watches that are too slow");
  }

  void OfLimits() {
    OfPart("the quota is used by", "", view_.quota_used_bytes, view_.quota_bytes);
    for (const NodeSample& node : now_.nodes) {
      if (!node.error.empty() || node.metrics.Value("synod_storage_full") < 1)
        continue;
      Say("changes that grow the state are refused: storage_full");
      return;
    }
  }

  void OfPart(const std::string& who, const std::string& what, double part, double whole) {
    if (whole > 0 && part > kPartWarned * whole)
      Say(who + " " + Percent(part, whole) + what);
  }

  const ClusterSample& before_;
  const ClusterSample& now_;
  TopView& view_;
};

void FillRates(const ClusterSample& before, const ClusterSample& now, TopView* view) {
  Buckets durations;
  const double seconds = now.at_seconds - before.at_seconds;
  for (const NodeSample& node : now.nodes) {
    const Between between(cli::Find(before, node), node, seconds);
    view->failures_per_second += between.RateOf(Failures);
    // Every node applies them all.
    view->changes_per_second =
        std::max(view->changes_per_second, between.Rate("synod_commands_applied_total"));
    durations.Add(between.Grew(kDurations));
  }
  view->p50_ms = durations.Quantile(0.5) * 1e3;
  view->p99_ms = durations.Quantile(0.99) * 1e3;
}

using Cells = std::vector<std::string>;

Cells CellsOf(const NodeRow& row) {
  if (row.role == "down")
    return {std::to_string(row.id),
            row.name,
            row.role,
            "-",
            "-",
            "-",
            "-",
            "-",
            "-",
            "-",
            "-",
            "-",
            "-",
            "-",
            "-"};
  return {std::to_string(row.id),
          row.name,
          row.role,
          std::to_string(row.lag),
          std::to_string(row.revision),
          Format("%.0f", row.requests_per_second),
          Format("%.1f", row.p50_ms),
          Format("%.1f", row.p99_ms),
          Format("%.1f", row.sync_p99_ms),
          Format("%.0f%%", row.cpu * 100),
          Bytes(row.memory_bytes),
          Bytes(row.disk_free_bytes),
          std::to_string(row.connections),
          std::to_string(row.watches),
          Span(row.uptime_ms)};
}

// Characters and not bytes, as far as a name may hold them.
size_t Width(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

std::string Clip(const std::string& text, size_t columns) {
  if (columns == 0 || Width(text) <= columns)
    return text;
  size_t end = 0;
  for (size_t shown = 0; end < text.size(); ++end) {
    const bool begins = (static_cast<unsigned char>(text[end]) & 0xC0) != 0x80;
    if (begins && ++shown > columns)
      break;
  }
  return text.substr(0, end);
}

std::vector<std::string> Aligned(const std::vector<Cells>& table) {
  constexpr size_t kLeft = 3;  // id, name and role; the rest are numbers
  std::vector<size_t> widths(table.front().size());
  for (const Cells& cells : table)
    for (size_t i = 0; i < cells.size(); ++i) widths[i] = std::max(widths[i], Width(cells[i]));
  std::vector<std::string> lines;
  for (const Cells& cells : table) {
    std::string& line = lines.emplace_back();
    for (size_t i = 0; i < cells.size(); ++i) {
      const std::string pad(widths[i] - Width(cells[i]), ' ');
      line += (i == 0 ? "" : "  ") + (i < kLeft ? cells[i] + pad : pad + cells[i]);
    }
  }
  return lines;
}

std::vector<std::string> Summary(const TopView& v) {
  return {"synod top  cluster " + (v.cluster_id.empty() ? "-" : v.cluster_id.substr(0, 8)) +
              "  leader " + (v.leader.empty() ? "-" : v.leader) + "  revision " +
              std::to_string(v.revision) + "  " + std::to_string(v.up) + " of " +
              std::to_string(v.rows.size()) + " nodes answer",
          "requests " + Format("%.0f/s", v.requests_per_second) + "  failed " +
              Format("%.1f/s", v.failures_per_second) + "  p50 " + Format("%.1f ms", v.p50_ms) +
              "  p99 " + Format("%.1f ms", v.p99_ms) + "  applied " +
              Format("%.0f/s", v.changes_per_second),
          "storage " + Bytes(v.quota_used_bytes) + " of " + Bytes(v.quota_bytes) + " (" +
              Percent(v.quota_used_bytes, v.quota_bytes) + ")  history " + Bytes(v.history_bytes) +
              " of " + Bytes(v.history_limit_bytes) + "  nodes " + std::to_string(v.nodes) +
              "  leases " + std::to_string(v.leases) + "  locks " + std::to_string(v.locks) + " (" +
              std::to_string(v.lock_waiters) + " waiting)  watches " + std::to_string(v.watches)};
}

}  // namespace

TopView ViewOf(const ClusterSample& before, const ClusterSample& now) {
  TopView view;
  const double seconds = now.at_seconds - before.at_seconds;
  const NodeSample* furthest = nullptr;
  int64_t newest = 0;
  for (const NodeSample& node : now.nodes) {
    view.rows.push_back(RowOf(node, Between(Find(before, node), node, seconds)));
    view.requests_per_second += view.rows.back().requests_per_second;
    view.watches += view.rows.back().watches;
    if (!node.error.empty())
      continue;
    ++view.up;
    const int64_t applied = Number(node.status, "applied_slot");
    newest = std::max(newest, applied);
    if (furthest == nullptr || applied > Number(furthest->status, "applied_slot"))
      furthest = &node;
  }
  for (size_t i = 0; i < now.nodes.size(); ++i)
    if (now.nodes[i].error.empty())
      view.rows[i].lag = newest - Number(now.nodes[i].status, "applied_slot");
  if (furthest != nullptr)
    FillState(*furthest, &view);
  FillRates(before, now, &view);
  Warnings(before, now, &view).Find();
  return view;
}

std::vector<TopLine> RenderTop(const TopView& view, size_t columns, size_t lines) {
  using Style = TopLine::Style;
  std::vector<TopLine> frame;
  for (const std::string& line : Summary(view))
    frame.push_back({frame.empty() ? Style::kTitle : Style::kPlain, line});
  frame.push_back({Style::kPlain, ""});
  std::vector<Cells> table = {{"ID", "NAME", "ROLE", "LAG", "REVISION", "REQ/S", "P50", "P99",
                               "SYNC P99", "CPU", "MEMORY", "DISK FREE", "CONNS", "WATCHES", "UP"}};
  for (const NodeRow& row : view.rows) table.push_back(CellsOf(row));
  const std::vector<std::string> aligned = Aligned(table);
  for (size_t i = 0; i < aligned.size(); ++i) {
    const bool down = i > 0 && view.rows[i - 1].role == "down";
    frame.push_back({i == 0 ? Style::kHeader : down ? Style::kWarning : Style::kPlain, aligned[i]});
  }
  if (!view.warnings.empty())
    frame.push_back({Style::kPlain, ""});
  for (const std::string& warning : view.warnings)
    frame.push_back({Style::kWarning, "! " + warning});
  if (lines != 0 && frame.size() > lines)
    frame.resize(lines);
  for (TopLine& line : frame) line.text = Clip(line.text, columns);
  return frame;
}

json::object ToJson(const TopView& v) {
  json::array members;
  for (const NodeRow& row : v.rows) {
    json::object member{{"id", row.id}, {"name", row.name}, {"url", row.url}, {"role", row.role}};
    if (row.role == "down")
      member["error"] = row.error;
    else
      member.insert({{"lag", row.lag},
                     {"revision", row.revision},
                     {"requests_per_second", row.requests_per_second},
                     {"p50_ms", row.p50_ms},
                     {"p99_ms", row.p99_ms},
                     {"sync_p99_ms", row.sync_p99_ms},
                     {"cpu", row.cpu},
                     {"memory_bytes", row.memory_bytes},
                     {"disk_free_bytes", row.disk_free_bytes},
                     {"connections", row.connections},
                     {"watches", row.watches},
                     {"uptime_ms", row.uptime_ms}});
    members.emplace_back(std::move(member));
  }
  return {{"cluster_id", v.cluster_id},
          {"leader", v.leader},
          {"revision", v.revision},
          {"requests_per_second", v.requests_per_second},
          {"failures_per_second", v.failures_per_second},
          {"changes_per_second", v.changes_per_second},
          {"p50_ms", v.p50_ms},
          {"p99_ms", v.p99_ms},
          {"quota_used_bytes", v.quota_used_bytes},
          {"quota_bytes", v.quota_bytes},
          {"history_bytes", v.history_bytes},
          {"history_limit_bytes", v.history_limit_bytes},
          {"nodes", v.nodes},
          {"leases", v.leases},
          {"locks", v.locks},
          {"lock_waiters", v.lock_waiters},
          {"watches", v.watches},
          {"members", std::move(members)},
          {"warnings", json::array(v.warnings.begin(), v.warnings.end())}};
}

}  // namespace synod::cli
