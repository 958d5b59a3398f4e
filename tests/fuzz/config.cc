// The file of settings: what an operator, a template or a half-written disk made of it.
#include "src/node/config.h"

#include <cstdint>
#include <string>

#include "src/base/check.h"

namespace synod::node {
namespace {

void CheckFinished(const NodeConfig& c) {
  SYNOD_CHECK(!c.data_dir.empty());
  SYNOD_CHECK(c.insecure_open || c.auth_required || IsLoopback(c.client.host));
  SYNOD_CHECK(c.insecure_open || !c.peer_tls.cert_file.empty() || IsLoopback(c.peer.host));
  SYNOD_CHECK_EQ(c.client_tls.cert_file.empty(), c.peer_tls.cert_file.empty());
  SYNOD_CHECK_LE(4 * c.heartbeat_ms, c.election_timeout_ms);
  SYNOD_CHECK(c.initial_cluster.empty() || c.join.empty());
  SYNOD_CHECK(c.initial_cluster.empty() || c.initial_cluster.contains(c.id));
  SYNOD_CHECK(ParseHostPort(c.advertise_peer).has_value());
  SYNOD_CHECK(ValidateUrl(c.advertise_client).has_value());
}

void Load(const std::string& text) {
  static const std::string kFile = "synod.yaml";
  NodeConfig config;
  if (const Status s = LoadConfigText(text, kFile, &config); !s) {
    SYNOD_CHECK(s.error().detail.starts_with(kFile + ":"));
    return;
  }
  if (!FinishConfig(&config))
    return;
  CheckFinished(config);
  // What followed from the rest does not contradict it.
  SYNOD_CHECK(FinishConfig(&config).has_value());
  CheckFinished(config);
}

}  // namespace
}  // namespace synod::node

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  synod::node::Load(std::string(reinterpret_cast<const char*>(data), size));
  return 0;
}
