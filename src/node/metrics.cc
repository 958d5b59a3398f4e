#include "src/node/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "src/node/process.h"

namespace synod::node {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<std::pair<std::string, std::string>>;

class Families {
 public:
  void Gauge(const std::string& name,
             const std::string& help,
             double value,
             const Labels& labels = {}) {
    Metric(name, help, MetricType::Gauge, labels).gauge.value = value;
  }
  void Counter(const std::string& name,
               const std::string& help,
               double value,
               const Labels& labels = {}) {
    Metric(name, help, MetricType::Counter, labels).counter.value = value;
  }
  ClientMetric& Histogram(const std::string& name,
                          const std::string& help,
                          const Labels& labels = {}) {
    return Metric(name, help, MetricType::Histogram, labels);
  }
  std::string Text() const { return prometheus::TextSerializer().Serialize(families_); }

 private:
  ClientMetric& Metric(const std::string& name,
                       const std::string& help,
                       MetricType type,
                       const Labels& labels) {
    auto it = std::find_if(families_.begin(), families_.end(),
                           [&](const MetricFamily& f) { return f.name == name; });
    if (it == families_.end()) {
      families_.push_back({name, help, type, {}});
      it = families_.end() - 1;
    }
    ClientMetric& metric = it->metric.emplace_back();
    for (const auto& [key, value] : labels) metric.label.push_back({key, value});
    return metric;
  }

  std::vector<MetricFamily> families_;
};

double D(uint64_t n) { return static_cast<double>(n); }

void Fill(const Durations& durations, ClientMetric* metric) {
  prometheus::ClientMetric::Histogram& h = metric->histogram;
  h.sample_sum = D(durations.sum_us) * 1e-6;
  for (size_t b = 0; b < Durations::kBoundsUs.size(); ++b) {
    h.sample_count += durations.buckets[b];
    h.bucket.push_back({h.sample_count, static_cast<double>(Durations::kBoundsUs[b]) * 1e-6});
  }
  h.sample_count += durations.buckets.back();
}

void AddRequests(const RequestStats& stats, Families* f) {
  for (size_t i = 0; i < kRouteNames.size(); ++i) {
    const RequestStats::PerRoute& route = stats.route(static_cast<Route>(i));
    uint64_t total = 0;
    for (size_t status = 0; status < route.by_status.size(); ++status) {
      if (route.by_status[status] == 0)
        continue;
      total += route.by_status[status];
      f->Counter("synod_http_requests_total", "Requests answered, by route and status.",
                 D(route.by_status[status]),
                 {{"route", std::string(kRouteNames[i])}, {"status", std::to_string(status)}});
    }
    if (total == 0)
      continue;
    Fill(route.durations, &f->Histogram("synod_http_request_duration_seconds",
                                        "From the parsed request to its answer, by route.",
                                        {{"route", std::string(kRouteNames[i])}}));
  }
  for (size_t i = 0; i < kStageNames.size(); ++i)
    Fill(stats.stage(static_cast<Stage>(i)),
         &f->Histogram("synod_request_stage_duration_seconds",
                       "Where the time of requests goes, by stage; parse of one in 64.",
                       {{"stage", std::string(kStageNames[i])}}));
}

void AddAdmission(const Service& service, Families* f) {
  const Admission& admission = service.gate().admission();
  for (size_t i = 0; i < kWorkClassNames.size(); ++i) {
    const auto work = static_cast<WorkClass>(i);
    const Labels labels = {{"class", std::string(kWorkClassNames[i])}};
    f->Gauge("synod_calls_in_flight", "Requests taken and not yet answered, by class.",
             D(admission.in_flight(work)), labels);
    f->Counter("synod_overload_refusals_total", "Requests refused for lack of room, by class.",
               D(admission.refused(work)), labels);
  }
  f->Gauge("synod_http_standing_wait_seconds",
           "What every request waits at least before it is read; 0 without a standing queue.",
           static_cast<double>(admission.standing_us(MonotonicUs())) * 1e-6);
  f->Counter("synod_http_rate_limited_total",
             "Requests refused because their client made too many.",
             D(service.gate().rate_limited()));
}

void AddWatches(const Service& service, Families* f) {
  const Streams* streams = service.streams();
  f->Gauge("synod_watches", "Watches of this node.", D(streams != nullptr ? streams->size() : 0));
  f->Gauge("synod_watch_sockets", "WebSockets of watches.", D(service.watch_sockets()));
  if (streams == nullptr)
    return;
  f->Gauge("synod_watch_bytes", "Memory that the watches take, estimated.", D(streams->bytes()));
  f->Gauge("synod_watch_limit_bytes", "Past it no watch begins.", D(Streams::kBytesMax));
  const Streams::Counters& c = streams->counters();
  f->Counter("synod_watches_started_total", "Watches begun.", D(c.started));
  f->Counter("synod_watch_messages_total", "Messages sent to watches.", D(c.messages));
  f->Counter("synod_watch_overflows_total", "Watches cut off because they were too slow.",
             D(c.overflows));
  f->Counter("synod_watch_compacted_total", "Watches whose history was gone.", D(c.compacted));
}

void AddConsensus(const Engine& engine, Families* f) {
  const consensus::Replica& replica = engine.replica();
  const EngineCounters& c = engine.counters();
  f->Gauge("synod_is_leader", "1 on the node that leads.", replica.IsLeader() ? 1 : 0);
  const std::optional<NodeId> leader = replica.leader();
  f->Gauge("synod_has_leader", "1 if this node knows a leader and is connected to it.",
           leader && engine.IsConnected(*leader) ? 1 : 0);
  f->Gauge("synod_takes_part",
           "1 if this node promises and votes; 0 while it waits for what others saw of its log, or "
           "in quarantine.",
           engine.TakesPart() ? 1 : 0);
  f->Gauge("synod_quarantined", "1 if this node must be replaced by a new member.",
           engine.quarantined() ? 1 : 0);
  f->Gauge("synod_ready", "1 if linearizable requests can be served.", engine.Ready() ? 1 : 0);
  f->Gauge("synod_ballot_round", "Round of the highest ballot promised.",
           D(replica.ballot().round));
  f->Gauge("synod_commit_slot", "Highest slot known to be chosen.", D(replica.commit().value));
  f->Gauge("synod_applied_slot", "Highest slot applied.", D(engine.machine().applied().value));
  f->Gauge("synod_first_slot", "Lowest slot kept in the log.", D(replica.first_slot().value));
  f->Gauge("synod_slots_in_flight", "Slots proposed and not yet chosen (leader).",
           D(replica.InFlight()));
  f->Counter("synod_leader_changes_total", "Leaderships that began.", D(c.leader_changes));
  f->Counter("synod_proposals_total", "Slots proposed by this node.", D(c.proposals));
  f->Counter("synod_proposed_commands_total", "Commands in them.", D(c.proposed_commands));
  f->Counter("synod_clock_ticks_total", "Slots proposed to keep cluster time going.",
             D(c.ticks_proposed));
  f->Counter("synod_entries_applied_total", "Entries applied.", D(c.entries_applied));
  f->Counter("synod_commands_applied_total", "Commands applied.", D(c.commands_applied));
  f->Counter("synod_forwarded_total", "Commands handed to the leader.", D(c.forwarded));
  f->Counter("synod_reforwarded_total", "Commands proven dropped and handed on again.",
             D(c.reforwarded));
  f->Counter("synod_forwards_rejected_total", "Forwarded commands refused here.",
             D(c.forwards_rejected));
  f->Counter("synod_reads_total", "Reads taken.", D(c.reads));
  f->Counter("synod_read_rounds_total", "Quorum rounds for them.", D(c.read_rounds));
  f->Gauge("synod_pending_calls", "Calls of this node without an answer.",
           D(engine.pending_calls()));
  f->Gauge("synod_pending_bytes", "Bytes of changes that wait here.", D(engine.pending_bytes()));
  f->Gauge("synod_pending_limit_bytes",
           "With more of its own, or (leader) of all to be proposed, changes are refused.",
           D(engine.pending_bytes_max()));
  const Membership& membership = replica.membership();
  f->Gauge("synod_membership_version", "Changes of the members so far.", D(membership.version));
  f->Gauge("synod_members", "Members, by role.", D(membership.voters.size()), {{"role", "voter"}});
  f->Gauge("synod_members", "Members, by role.", D(membership.learners.size()),
           {{"role", "learner"}});
  const uint64_t newest = engine.NewestApplied().value;
  for (const machine::MemberView& member : engine.machine().members()) {
    const Labels labels = {{"member", std::to_string(member.id.value)}};
    f->Gauge("synod_member_info", "1, with the member's name.", 1,
             {labels.front(), {"name", member.name}});
    f->Gauge("synod_member_is_voter", "1 if the member decides and may lead; 0: a learner.",
             membership.IsVoter(member.id) ? 1 : 0, labels);
    f->Gauge("synod_member_connected", "1 if this node is connected to the member.",
             engine.IsConnected(member.id) ? 1 : 0, labels);
    f->Gauge("synod_member_applied_slot", "Slot the member last said it had applied.",
             D(engine.AppliedOf(member.id).value), labels);
    f->Gauge("synod_member_lag_slots", "How far that is behind the newest that this node knows of.",
             D(newest - engine.AppliedOf(member.id).value), labels);
  }
}

void AddPeerQueues(const Engine& engine, const net::PeerTransport& peers, Families* f) {
  for (const machine::MemberView& member : engine.machine().members())
    f->Gauge("synod_peer_queued_bytes", "Bytes of frames that the member has not taken yet.",
             D(peers.QueuedBytes(member.id)), {{"member", std::to_string(member.id.value)}});
  f->Gauge("synod_peer_queued_limit_bytes", "Past it, for one member, frames are dropped.",
           D(net::PeerOptions().queue_bytes_max));
}

void AddSnapshots(const Engine& engine, Families* f) {
  const SnapshotCounters& c = engine.snapshot_counters();
  f->Gauge("synod_snapshot_received_percent",
           "How much of a snapshot is here, while one is being received; else -1.",
           engine.snapshot_percent() ? D(*engine.snapshot_percent()) : -1);
  f->Counter("synod_snapshots_made_total", "Snapshots made for other members.", D(c.made));
  f->Counter("synod_snapshots_installed_total", "Snapshots that became the state of this node.",
             D(c.installed));
  f->Counter("synod_snapshots_rejected_total", "Snapshots received that could not be used.",
             D(c.rejected));
  f->Counter("synod_snapshot_sent_bytes_total", "Bytes of snapshots sent.", D(c.bytes_sent));
  f->Counter("synod_snapshot_received_bytes_total", "Bytes of snapshots received and stored.",
             D(c.bytes_received));
}

void AddDigests(const Engine& engine, Families* f) {
  const machine::Machine& machine = engine.machine();
  const machine::DigestCheck& check = machine.digest_check();
  f->Gauge("synod_digest_checked_slot", "Slot at which the members' states were last compared.",
           D(check.slot.value));
  f->Gauge("synod_digest_agreed", "1 if a majority had the same state there.",
           check.agreed ? 1 : 0);
  f->Gauge("synod_digest_diverged_members", "Members whose state was another.",
           D(check.diverged.size()));
  f->Gauge("synod_digest_diverged",
           "1 if this node's was, or is not confirmed yet: it serves nothing.",
           engine.IsDiverged() ? 1 : 0);
  f->Gauge("synod_machine_version", "Version of the rules in force.", machine.version());
  f->Gauge("synod_machine_version_supported", "The newest that this build knows.",
           machine.supports());
}

void AddState(const Engine& engine, Families* f) {
  const machine::Machine& machine = engine.machine();
  const machine::Machine::Counts n = machine.counts();
  f->Gauge("synod_revision", "The store's revision.", D(machine.revision().value));
  f->Gauge("synod_compact_revision", "Revision up to which history is dropped.", D(n.floor.value));
  f->Gauge("synod_nodes", "Nodes in the tree.", D(n.nodes));
  f->Gauge("synod_logical_bytes", "Bytes of paths and values, as quotas count.",
           D(n.logical_bytes));
  f->Gauge("synod_quota_bytes", "The quota of them.", D(machine.settings().quota_bytes));
  f->Gauge("synod_quota_subtrees", "Subtrees with a quota of their own.", D(n.quotas));
  f->Gauge("synod_quota_subtrees_warning", "Those above a soft limit.", D(n.quotas_warning));
  f->Gauge("synod_quota_subtrees_full", "Those at a hard limit, or above.", D(n.quotas_full));
  f->Gauge("synod_history_bytes", "Bytes of kept history.", D(n.history_bytes));
  f->Gauge("synod_history_limit_bytes", "Past it the oldest goes.",
           D(machine.settings().history_keep_bytes));
  f->Gauge("synod_leases", "Leases.", D(n.leases));
  f->Gauge("synod_locks", "Locks and elections with a holder or waiter.", D(n.locks));
  f->Gauge("synod_lock_holders", "Holds.", D(n.holders));
  f->Gauge("synod_lock_waiters", "Waiters.", D(n.waiters));
  f->Gauge("synod_fence_registers", "Fence registers.", D(n.fences));
  f->Gauge("synod_idempotency_records", "Recorded answers.", D(n.idempotency_records));
  f->Gauge("synod_idempotency_bytes", "Bytes of recorded answers.", D(n.idempotency_bytes));
  f->Gauge("synod_idempotency_limit_bytes", "Past it new keys are refused.",
           D(machine.settings().idempotency_bytes_max));
  f->Gauge("synod_cluster_time_seconds", "Cluster time.",
           static_cast<double>(machine.time().value) * 1e-3);
  f->Gauge("synod_cluster_time_lag_seconds",
           "How far the clock in the log is behind this node's own.",
           static_cast<double>(engine.Now().value - machine.time().value) * 1e-3);
}

void AddDisk(const DiskThreads::Stats& disk, Families* f) {
  ClientMetric& h =
      f->Histogram("synod_log_append_duration_seconds", "One write and sync of the acceptor log.");
  h.histogram.sample_count = disk.appends;
  h.histogram.sample_sum = D(disk.append_micros) * 1e-6;
  uint64_t cumulative = 0;
  for (size_t b = 0; b < DiskThreads::AppendBounds().size(); ++b) {
    cumulative += disk.append_buckets[b];
    h.histogram.bucket.push_back({cumulative, DiskThreads::AppendBounds()[b]});
  }
  f->Gauge("synod_log_bytes", "Bytes of the acceptor log on disk.", D(disk.log.bytes_on_disk));
  f->Counter("synod_log_appended_bytes_total", "Bytes appended to it.", D(disk.log.appended_bytes));
  f->Gauge("synod_log_generation", "Synced records of this identity.", D(disk.log.gen));
  f->Gauge("synod_state_bytes", "Bytes of the state on disk, about.", D(disk.state_bytes));
  f->Counter("synod_checkpoints_total", "Checkpoints written.", D(disk.checkpoints));
  f->Counter("synod_checkpoint_seconds_total", "Time spent writing them.",
             D(disk.checkpoint_micros) * 1e-6);
}

void AddSpace(const Metrics::Sources& sources, Families* f) {
  const DiskGuard::View& view = sources.guard->view();
  f->Gauge("synod_disk_free_bytes", "Bytes free where the data directory is.", D(view.space.free));
  f->Gauge("synod_disk_bytes", "Size of that file system.", D(view.space.total));
  const std::string name = "synod_disk_limit_bytes";
  const std::string help =
      "Free bytes below which the node saves space (soft), stands aside (hard).";
  f->Gauge(name, help, D(view.soft), {{"limit", "soft"}});
  f->Gauge(name, help, D(view.hard), {{"limit", "hard"}});
  f->Gauge("synod_disk_level", "0: there is room, 1: below the soft limit, 2: below the hard one.",
           static_cast<double>(sources.disk_level));
  f->Gauge("synod_disk_reserve", "1 if the reserve for a start on a full disk is there.",
           view.has_reserve ? 1 : 0);
  const bool no_segment = sources.disk != nullptr && sources.disk->stats().log.storage_full;
  const bool refuses = sources.engine != nullptr && !sources.engine->MayGrow();
  f->Gauge("synod_storage_full",
           "1 while changes that grow the state are refused, or the log finds no room for its next "
           "segment.",
           refuses || no_segment ? 1 : 0);
}

void AddScrub(const ScrubReport& scrub, Families* f) {
  f->Counter("synod_scrubs_total", "Times that log and state were read again as a whole.",
             D(scrub.runs));
  f->Gauge("synod_scrub_bytes", "Bytes read the last time.", D(scrub.bytes));
  const std::string name = "synod_scrub_damage";
  const std::string help = "Damaged parts found the last time.";
  f->Gauge(name, help, D(scrub.log_damage.size()), {{"part", "log"}});
  f->Gauge(name, help, D(scrub.state_damage.size()), {{"part", "state"}});
}

void AddSockets(const net::HttpCounters& http, const net::PeerCounters& peers, Families* f) {
  f->Gauge("synod_http_connections", "Client connections open.", D(http.connections));
  f->Gauge("synod_http_connections_limit", "Past it connections are refused.",
           D(http.connections_max));
  f->Counter("synod_http_connections_total", "Client connections accepted.", D(http.accepted));
  f->Counter("synod_http_connections_rejected_total", "Client connections over the limit.",
             D(http.rejected));
  f->Counter("synod_http_refusals_total", "Requests refused before they were understood.",
             D(http.refusals));
  f->Counter("synod_http_received_bytes_total", "Bytes from clients.", D(http.received_bytes));
  f->Counter("synod_http_sent_bytes_total", "Bytes to clients.", D(http.sent_bytes));
  f->Gauge("synod_http_queued_bytes", "Bytes of requests and answers held.",
           D(http.request_bytes + http.output_bytes));
  f->Gauge("synod_http_queued_limit_bytes", "Past it requests are refused.",
           D(net::HttpOptions().memory_bytes_max));
  f->Counter("synod_peer_frames_sent_total", "Frames to peers.", D(peers.frames_sent));
  f->Counter("synod_peer_frames_received_total", "Frames from peers.", D(peers.frames_received));
  f->Counter("synod_peer_sent_bytes_total", "Bytes to peers.", D(peers.bytes_sent));
  f->Counter("synod_peer_received_bytes_total", "Bytes from peers.", D(peers.bytes_received));
  f->Counter("synod_peer_frames_dropped_total", "Frames to peers that were down or full.",
             D(peers.frames_dropped));
  f->Counter("synod_peer_connects_total", "Connections to peers that came up.", D(peers.connects));
  f->Counter("synod_peer_bad_connections_total", "Peer connections ended for invalid bytes.",
             D(peers.bad_connections));
}

}  // namespace

std::string Metrics::Render(const Sources& sources) const {
  Families f;
  f.Gauge("synod_build_info", "1, with the version.", 1, {{"version", std::string(kVersion)}});
  f.Gauge("synod_uptime_seconds", "Since the process began.", sources.uptime_seconds);
  AddRequests(sources.service->stats(), &f);
  f.Counter("synod_slow_requests_total", "Requests that took longer than log.slow_request_ms.",
            D(sources.service->slow_requests()));
  AddAdmission(*sources.service, &f);
  AddWatches(*sources.service, &f);
  if (sources.http != nullptr && sources.peers != nullptr)
    AddSockets(sources.http->counters(), sources.peers->counters(), &f);
  if (sources.engine != nullptr) {
    AddConsensus(*sources.engine, &f);
    if (sources.peers != nullptr)
      AddPeerQueues(*sources.engine, *sources.peers, &f);
    AddSnapshots(*sources.engine, &f);
    AddState(*sources.engine, &f);
    AddDigests(*sources.engine, &f);
  }
  Fill(sources.turns, &f.Histogram("synod_turn_duration_seconds",
                                   "One turn of the core: to decide, apply and answer what came."));
  if (sources.disk != nullptr)
    AddDisk(sources.disk->stats(), &f);
  AddScrub(sources.scrub, &f);
  if (sources.guard != nullptr)
    AddSpace(sources, &f);
  const ProcessUsage usage = ReadProcessUsage();
  f.Counter("process_cpu_seconds_total", "CPU time used by the process.", usage.cpu_seconds);
  f.Gauge("process_resident_memory_bytes", "Resident memory.", D(usage.resident_bytes));
  f.Gauge("process_open_fds", "Open file descriptors.", D(usage.open_descriptors));
  f.Gauge("process_max_fds", "As many may be open.", D(usage.descriptors_max));
  return f.Text();
}

}  // namespace synod::node
