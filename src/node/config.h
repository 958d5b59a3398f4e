// NodeConfig: the settings of one node, from file, environment and flags.
//
// Contract      Later wins: file, environment (SYNOD_...), flags. Every setting has one name in the
//               file (`http.allowed_hosts`), from which the environment's follows
//               (SYNOD_HTTP_ALLOWED_HOSTS). An unknown key, a repeated one, a value of the wrong
//               type or out of range is an error that names file, line and key.
// Replicated    What the state machine consults (src/auth/settings.h) is here only for a cluster
//               that is founded; afterwards the cluster's own settings count.
#ifndef SYNOD_NODE_CONFIG_H_
#define SYNOD_NODE_CONFIG_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "src/auth/quota.h"
#include "src/auth/settings.h"
#include "src/base/address.h"
#include "src/base/error.h"
#include "src/base/path.h"
#include "src/base/types.h"
#include "src/machine/command.h"
#include "src/net/tls.h"
#include "src/node/disk_limits.h"
#include "src/node/log.h"

namespace synod::node {

struct NodeConfig {
  std::string data_dir;
  uint32_t id = 1;
  std::string name;  // empty: node-<member number>
  HostPort client{"127.0.0.1", 7301};
  HostPort peer{"127.0.0.1", 7302};
  std::string advertise_client;  // URL; empty: http(s)://<client>
  std::string advertise_peer;    // empty: <peer>
  std::map<uint32_t, HostPort> initial_cluster;
  std::vector<std::string> join;  // client URLs of the cluster that an empty node enters
  bool joins_as_voter = false;    // a learner asks for its promotion once it has caught up
  std::string cluster_token = "synod";
  bool insecure_open = false;
  bool auth_required = false;       // serves only while authentication is on
  std::string auth_bootstrap_file;  // the first administrator's token; implies auth_required
  std::string auth_join_file;       // the token shown to the cluster that this node joins
  std::string auth_bootstrap;       // what the files hold, from ReadTokenFiles() on
  std::string auth_join;
  bool metrics_open = false;  // /metrics needs no credentials
  net::TlsFiles client_tls;   // no cert_file: in the clear, on both ports
  net::TlsFiles peer_tls;
  bool accept_data_loss = false;
  bool discard_state = false;
  uint32_t machine_version = machine::kMachineVersion;  // not a setting: what this build knows
  int64_t heartbeat_ms = 50;
  int64_t election_timeout_ms = 500;  // up to twice that, drawn anew each time
  uint64_t leader_lease_ms = 0;       // 0: every linearizable read asks a majority
  std::vector<std::string> allowed_hosts;
  std::vector<std::string> allowed_origins;
  uint32_t connections_max = 0;  // 0: as many as the descriptor limit allows, at most 20 000
  uint64_t body_bytes_max = uint64_t{2} << 20;
  uint64_t header_bytes_max = uint64_t{16} << 10;
  int64_t header_timeout_ms = 10'000;
  int64_t body_timeout_ms = 60'000;
  int64_t idle_timeout_ms = 300'000;
  uint64_t memory_bytes_max = uint64_t{256} << 20;  // of requests and answers
  uint32_t rate_per_second = 0;                     // requests of one client; 0: no limit
  uint32_t rate_burst = 0;                          // 0: what comes in a second
  uint64_t overload_calls_max = 10'000;             // that wait at this node, of each class
  int64_t overload_delay_ms = 100;
  uint64_t txn_comparisons_max = 128;
  uint64_t txn_operations_max = 128;
  uint64_t list_nodes_max = 10'000;
  uint64_t socket_watches_max = 10'000;
  uint64_t acceptor_log_keep_bytes = uint64_t{1} << 30;
  uint64_t acceptor_log_segment_bytes = uint64_t{64} << 20;
  DiskLimits disk;
  int64_t scrub_interval_ms = int64_t{24} * 3600 * 1000;  // 0: never
  bool debug_no_checkpoints = false;                      // to measure what they cost
  int64_t debug_clock_permille = 1000;                    // to test with clocks that are slow
  auth::Settings first_settings;                          // what a new cluster begins with
  std::map<std::string, auth::QuotaChange, PathLess> first_quotas;  // by path, as the former
  LogLevel log_level = LogLevel::kInfo;
  LogFormat log_format = LogFormat::kText;
  int64_t slow_request_ms = 1000;  // 0: no request is called slow
};

// Sets one setting by its name in the file. kInvalidRequest with a reason.
Status SetOption(NodeConfig* config, const std::string& key, const std::string& value);
// Names of all settings, sorted.
std::vector<std::string> OptionNames();

Status LoadConfigFile(const std::string& path, NodeConfig* config);
// The text of a file; `file` is its name in errors.
Status LoadConfigText(const std::string& text, const std::string& file, NodeConfig* config);
// Variables that begin with SYNOD_ and name no setting are refused, but for those of other programs
// and of Kubernetes.
Status LoadEnvironment(const std::map<std::string, std::string>& environment, NodeConfig* config);
// Fills in what follows from the rest and checks what belongs together.
Status FinishConfig(NodeConfig* config);
// The tokens, once the rest is as it should be: kInvalidRequest, what is wrong with their files.
Status ReadTokenFiles(NodeConfig* config);

}  // namespace synod::node

#endif  // SYNOD_NODE_CONFIG_H_
