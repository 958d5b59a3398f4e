// The server's certificates: read at the start, taken up anew when they change.
#include "src/node/log.h"
#include "src/node/server.h"

namespace synod::node {
namespace {

constexpr int64_t kRefreshEveryMs = 5'000;

}  // namespace

Status Server::LoadTls() {
  for (const auto& [files, tls] :
       {std::pair(&config_.client_tls, &client_tls_), std::pair(&config_.peer_tls, &peer_tls_)}) {
    if (files->cert_file.empty())
      continue;
    Result<std::shared_ptr<net::Tls>> loaded = net::Tls::Load(*files);
    if (!loaded)
      return loaded.error();
    *tls = *std::move(loaded);
  }
  return Done();
}

void Server::RefreshTls(int64_t now_ms) {
  if (now_ms - tls_refreshed_ms_ < kRefreshEveryMs)
    return;
  tls_refreshed_ms_ = now_ms;
  for (const auto& [port, tls] :
       {std::pair("client", client_tls_.get()), std::pair("peer", peer_tls_.get())}) {
    if (tls == nullptr)
      continue;
    const Result<bool> refreshed = tls->Refresh();
    const std::string wrong = refreshed ? "" : refreshed.error().detail;
    if (refreshed && *refreshed)
      LogInfo("certificates have changed; new connections use them", {{"port", port}});
    if (std::exchange(tls_trouble_[port], wrong) != wrong && !wrong.empty())
      LogError("certificates have changed and cannot be used; those from before stay in use",
               {{"port", port}, {"error", wrong}});
  }
}

// Said once for each reason, and anew when another came in between.
void Server::OnBadPeer(const std::string& why) {
  if (std::exchange(bad_peer_, why) != why)
    LogWarn("a connection between nodes was refused by TLS", {{"error", why}});
}

}  // namespace synod::node
