// Render: answers, read results and watch messages as HTTP responses and stream text.
//
// Contract      Pure functions. Values that are valid UTF-8 travel as "value", others (or all, with
//               RenderOptions::base64) as "value_base64". Field names and order are those of
//               docs/api.md. A response has all its headers but Content-Type and Content-Length.
// Sharing       RenderChange() keeps the text of a watch message in the message, so that it is made
//               once for all listeners of a stream: core thread only. All else: any thread.
// Errors        None.
#ifndef SYNOD_API_RENDER_H_
#define SYNOD_API_RENDER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/api/context.h"
#include "src/api/problem.h"
#include "src/base/hash.h"
#include "src/base/types.h"
#include "src/machine/answer.h"
#include "src/machine/machine.h"
#include "src/machine/query.h"
#include "src/net/http_types.h"
#include "watch/hub.h"

namespace synod::api {

// --- Changes and reads ---------------------------------------------------------------------------
// Synod-Revision and Synod-Time are the answer's own; node and leader are the context's.
net::HttpResponse RenderAnswer(const RenderOptions& options,
                               const Context& context,
                               const machine::Answer& answer);
net::HttpResponse RenderQuery(const RenderOptions& options,
                              const Context& context,
                              const machine::QueryResult& result);

// --- Streams -------------------------------------------------------------------------------------
// The head of a stream (kSse, kNdjson): status 200, type and headers, no body.
net::HttpResponse RenderStreamHead(const RenderOptions& options,
                                   const Context& context,
                                   StreamFormat format);
// `position`: everything up to here needs no delivery, so that a resume at position + 1 loses
// nothing. It becomes the SSE id.
std::string RenderCreated(StreamFormat format, Revision revision, Revision position);
std::string RenderProgress(StreamFormat format, Revision position);
SharedBytes RenderChange(StreamFormat format, bool base64, const watch::Message& message);
// Last messages of a stream.
std::string RenderOverflow(StreamFormat format, Revision resume_from);
std::string RenderCompacted(StreamFormat format, Revision compact_revision);
std::string RenderDenied(StreamFormat format);
std::string RenderShuttingDown(StreamFormat format, Revision resume_from);
// What keeps an idle SSE connection alive; empty for NDJSON.
std::string_view Heartbeat(StreamFormat format);

// One message of an observed election; no holder: nobody leads.
std::string RenderLeader(StreamFormat format,
                         bool base64,
                         Revision revision,
                         const std::optional<machine::Holder>& leader);

// The answer of a long poll, gathered message by message.
class LongPoll {
 public:
  explicit LongPoll(bool base64) : base64_(base64) {}
  // False: it does not fit the 4 MiB of a page any more and was left out; resume at its revision.
  [[nodiscard]] bool Add(const watch::Message& message);
  bool empty() const { return events_.empty(); }
  net::HttpResponse Render(const RenderOptions& options,
                           const Context& context,
                           Revision revision,
                           Revision next_revision) const;

 private:
  bool base64_;
  std::string events_;  // JSON objects joined by commas
};

// --- Plain calls ---------------------------------------------------------------------------------
struct StatusView {
  NodeId id;
  std::string name;
  std::string role;     // "leader", "follower", "candidate", "learner"
  std::string removed;  // why it is no member any more; empty: it is one
  struct Leader {
    NodeId id;
    std::string name;
    std::string client_url;
  };
  std::optional<Leader> leader;
  Ballot ballot;
  Revision revision;
  Slot commit_slot;
  Slot applied_slot;
  Slot first_slot;
  Digest digest;
  machine::DigestCheck digest_check;
  uint32_t machine_version = 1;
  std::string cluster_id;
  std::string version;
  int64_t uptime_ms = 0;
  uint64_t log_bytes = 0;
  uint64_t state_bytes = 0;
  uint64_t quota_bytes = 0;
  std::vector<std::string> damage;  // that the last scrub found
};
net::HttpResponse RenderStatus(const RenderOptions& options,
                               const Context& context,
                               const StatusView& status);

struct MemberStatus {
  NodeId id;
  std::string name;
  std::string peer_url;
  std::string client_url;
  bool voter = true;
  bool healthy = false;
  Slot applied_slot;
  uint64_t lag = 0;  // slots behind the leader
};
net::HttpResponse RenderCluster(const RenderOptions& options,
                                const Context& context,
                                std::string_view cluster_id,
                                const std::vector<MemberStatus>& members);
net::HttpResponse RenderLeaderMoved(const RenderOptions& options,
                                    const Context& context,
                                    const StatusView::Leader& leader);
// The head of a backup of the context's revision: no body, which is streamed.
net::HttpResponse RenderSnapshotHead(const RenderOptions& options, const Context& context);
net::HttpResponse RenderVersion(const RenderOptions& options,
                                const Context& context,
                                std::string_view version);
// /livez, /readyz, /healthz: 200 or 503 and one line that says why.
net::HttpResponse RenderHealth(const RenderOptions& options,
                               const Context& context,
                               bool ok,
                               std::string_view line);
// `text` is in the Prometheus text format.
net::HttpResponse RenderMetrics(const RenderOptions& options,
                                const Context& context,
                                std::string text);

}  // namespace synod::api

#endif  // SYNOD_API_RENDER_H_
