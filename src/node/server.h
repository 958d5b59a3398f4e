// Server: one node as a process: sockets, disks and clock around the engine.
//
// Contract      Start() opens the data directory, loads the state, listens and joins or founds the
//               cluster; then everything happens on the loop's thread until Stop() has run its
//               course: stop accepting, hand leadership over, answer waits, end streams, flush.
// Errors        Start says what is wrong and what to do. A disk error later ends the process.
// Thread        All methods on the thread that runs the io_context.
#ifndef SYNOD_NODE_SERVER_H_
#define SYNOD_NODE_SERVER_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "src/base/error.h"
#include "src/net/asio.h"
#include "src/net/http_server.h"
#include "src/net/peer_transport.h"
#include "src/node/config.h"
#include "src/node/disk_threads.h"
#include "src/node/engine.h"
#include "src/node/founding.h"
#include "src/node/metrics.h"
#include "src/node/service.h"
#include "src/storage/data_dir.h"

namespace synod::node {

class Server : public net::PeerHandler {
 public:
  // `fatal` is called when the node must end by itself (its identity is another's): with why.
  Server(net::asio::io_context& io, NodeConfig config, std::function<void(std::string)> fatal);
  ~Server() override;

  Status Start();
  // Ends in order, then calls `done`.
  void Stop(std::function<void()> done);

  // net::PeerHandler
  Bytes HelloPayload(NodeId to) override;
  net::HelloVerdict OnHello(const net::Hello& hello, bool answer) override;
  void OnHelloRefused(NodeId peer, const std::string& reason, const net::Hello& theirs) override;
  void OnPeerUp(NodeId peer, const net::Hello& theirs) override;
  void OnPeerDown(NodeId peer, bool process_gone) override;
  void OnFrame(NodeId from, std::string_view body) override;

 private:
  Status OpenData();
  Status ChooseMembers();
  Result<machine::Machine> LoadState(storage::StateStore* state);
  Status StartPeers();
  void BeginCluster();  // the cluster is known: start the engine
  void SaveIdentity();
  net::Hello MakeHello() const;
  void ScheduleTick();
  void Touch();  // run Pump() once at the end of this turn of the loop
  void Pump();
  void Quarantine(const std::string& why);
  void LogEvents(const std::vector<consensus::Event>& events);
  void LearnMembers();
  void HandOver();
  void FinishStop();
  NodeInfo Info() const;
  std::string MetricsText();

  net::asio::io_context& io_;
  const NodeConfig config_;
  const std::function<void(std::string)> fatal_;
  const uint64_t boot_;
  std::unique_ptr<storage::DataDir> data_dir_;
  std::unique_ptr<Founding> founding_;
  NodeId self_;
  std::map<uint32_t, HostPort> addresses_;  // peer addresses of all members

  // Opened at start, handed on when the cluster is known.
  std::unique_ptr<storage::AcceptorLog> log_;
  std::unique_ptr<storage::StateStore> state_;
  consensus::Recovered recovered_;
  std::optional<machine::Machine> machine_;

  std::unique_ptr<Engine> engine_;
  std::unique_ptr<DiskThreads> disk_;
  std::unique_ptr<net::PeerTransport> peers_;
  Service service_;
  std::unique_ptr<net::HttpServer> http_;
  Metrics metrics_;
  std::map<NodeId, net::Hello> up_;  // peers that frames go to

  net::asio::steady_timer tick_timer_;
  bool pump_posted_ = false;
  bool stopping_ = false;
  bool handed_over_ = false;
  std::function<void()> stopped_;
  std::unique_ptr<net::asio::steady_timer> stop_timer_;
  std::unique_ptr<net::asio::steady_timer> hand_over_timer_;
};

}  // namespace synod::node

#endif  // SYNOD_NODE_SERVER_H_
