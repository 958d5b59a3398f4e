// Metrics: everything that the node counts, as Prometheus text.
//
// Contract      The parts keep plain numbers; they become metric families only when somebody
//               scrapes.
//               Names follow the Prometheus conventions; docs/operations.md explains each.
// Thread        The loop's thread.
#ifndef SYNOD_NODE_METRICS_H_
#define SYNOD_NODE_METRICS_H_

#include <string>

#include "src/net/http_server.h"
#include "src/net/peer_transport.h"
#include "src/node/disk_guard.h"
#include "src/node/disk_threads.h"
#include "src/node/engine.h"
#include "src/node/request_stats.h"
#include "src/node/scrub.h"
#include "src/node/service.h"

namespace synod::node {

class Metrics {
 public:
  struct Sources {
    const Engine* engine = nullptr;     // null: no cluster yet
    const DiskThreads* disk = nullptr;  // likewise
    const DiskGuard* guard = nullptr;
    DiskLevel disk_level = DiskLevel::kOk;
    ScrubReport scrub;
    const Service* service = nullptr;
    const net::HttpServer* http = nullptr;
    const net::PeerTransport* peers = nullptr;
    Durations turns;
    double uptime_seconds = 0;
  };
  std::string Render(const Sources& sources) const;
};

}  // namespace synod::node

#endif  // SYNOD_NODE_METRICS_H_
