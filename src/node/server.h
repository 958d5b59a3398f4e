// Server: one node as a process: sockets, disks and clock around the engine.
//
// Contract      Start() opens the data directory, loads the state, listens and joins or founds the
//               cluster; then everything happens on the loop's thread until Stop() has run its
//               course: stop accepting, hand leadership over, answer waits, end streams, flush.
// Members       Dialed are the members of the membership in force, at the addresses of the member
//               table (server_members.cc). A node that was removed says so, does no more work and
//               never votes or campaigns again.
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
#include "src/node/disk_guard.h"
#include "src/node/disk_threads.h"
#include "src/node/engine.h"
#include "src/node/founding.h"
#include "src/node/joining.h"
#include "src/node/metrics.h"
#include "src/node/scrub.h"
#include "src/node/service.h"
#include "src/storage/data_dir.h"

namespace synod::node {

// Why a node ends by itself: to run on would be wrong, and so would every further start (its
// identity is another's); or its disk refuses a write, and a further start finds out what is on it.
enum class Ending : uint8_t { kMustNotRun, kDiskError };

class Server : public net::PeerHandler {
 public:
  using Fatal = std::function<void(Ending ending, const std::string& why)>;
  // `fatal` is called when the node must end by itself.
  Server(net::asio::io_context& io, NodeConfig config, Fatal fatal);
  ~Server() override;

  Status Start();
  // Ends in order, then calls `done`.
  void Stop(std::function<void()> done);

  // net::PeerHandler
  Bytes HelloPayload(NodeId to) override;
  net::HelloVerdict OnHello(const net::Hello& hello, bool answer) override;
  void OnBadPeer(const std::string& why) override;
  void OnHelloRefused(NodeId peer, const std::string& reason, const net::Hello& theirs) override;
  void OnPeerUp(NodeId peer, const net::Hello& theirs) override;
  void OnPeerDown(NodeId peer, bool process_gone) override;
  void OnFrame(NodeId from, std::string_view body) override;

 private:
  Status OpenData();
  Status OpenState();
  Status ChooseMembers();
  Status ChooseFounders();
  Result<machine::Machine> LoadState(storage::StateStore* state);
  Status StartPeers();
  void BeginCluster();  // the cluster is known: start the engine
  void OpenDisk();
  void OnStateBuilt(const Result<std::shared_ptr<BuiltState>>& built);
  std::string NameOrDefault() const;
  net::Hello MakeHello() const;
  // server_members.cc
  void StartFounding();
  void StartJoining();
  void OnJoined(Joining::Joined joined);
  void SaveIdentity();
  storage::Identity::Advertised Advertised() const;
  void FollowMembers(int64_t now_ms);
  void FollowAddresses(const Membership& membership, int64_t now_ms);
  void KeepMembership();
  void AnnounceSelf(int64_t now_ms);
  void PromoteSelf(int64_t now_ms);
  void SetUpAuth(int64_t now_ms);
  void FollowRemoval(const Membership& membership, int64_t now_ms);
  void FollowMove(const net::Hello& hello);
  void DialMembers();
  // server_tls.cc
  Status LoadTls();
  void RefreshTls(int64_t now_ms);
  // server_members.cc
  void BecomeRemoved();
  std::string HowToComeBack(const net::Hello& theirs) const;

  void ScheduleTick();
  void Touch();  // run Pump() once at the end of this turn of the loop
  void Pump(int64_t now_us);
  void Quarantine(const std::string& why);
  void ForgetUnconfirmed();
  void ScrubIfDue(int64_t now_ms);
  void OnDiskSpace(const DiskSpace& space);
  void LogEvents(const std::vector<consensus::Event>& events);
  void LogCrossings(const std::vector<machine::QuotaCrossing>& crossings);
  void HandOver();
  void FinishStop();
  void TakeState(Slot at_least, StateTaker taker);
  void GiveStates(Slot slot);
  NodeInfo Info() const;
  std::string MetricsText();

  net::asio::io_context& io_;
  const NodeConfig config_;
  const Fatal fatal_;
  const uint64_t boot_;
  std::unique_ptr<storage::DataDir> data_dir_;
  std::unique_ptr<Founding> founding_;
  std::string founds_;  // the cluster that its flags would found
  std::unique_ptr<Joining> joining_;
  NodeId self_;                           // 0 while it joins
  std::string name_;                      // as the cluster knows it
  Membership membership_;                 // what the directory remembers of it
  std::map<NodeId, HostPort> addresses_;  // peer addresses of all members, its own among them
  // Removed members that are still connected, so that they learn of it: until when.
  struct Leaving {
    HostPort address;
    int64_t until_ms = 0;
  };
  std::map<NodeId, Leaving> leaving_;
  // Where members say they are, those that are new to this node among them, until the member table
  // says so.
  std::map<NodeId, HostPort> moved_;
  std::vector<net::PeerAddress> dialed_;
  int64_t followed_ms_ = 0;
  uint64_t followed_version_ = 0;
  bool announced_ = true;                  // what the flags say is what the member table says
  int64_t announced_ms_ = 0;               // when that was last asked for
  int64_t auth_asked_ms_ = 0;              // when the first administrator was last asked for
  int64_t promotion_asked_ms_ = 0;         // when this learner last asked to be a voter
  int64_t lease_over_ms_ = 0;              // of earlier processes; 0: nobody counts yet
  int64_t removed_since_ms_ = 0;           // 0: it is a member
  bool removed_ = false;                   // and does no more work
  std::map<NodeId, std::string> refused_;  // why, as last logged

  // Opened at start, handed on when the cluster is known.
  std::unique_ptr<storage::AcceptorLog> log_;
  std::unique_ptr<storage::StateStore> state_;
  std::unique_ptr<storage::SnapshotStore> snapshots_;
  consensus::Recovered recovered_;
  std::optional<machine::Machine> machine_;

  std::unique_ptr<Engine> engine_;
  std::unique_ptr<DiskThreads> disk_;
  std::unique_ptr<DiskGuard> guard_;
  ScrubSchedule scrub_schedule_;
  ScrubReport scrub_;  // the last one that came to its end
  DiskLevel disk_level_ = DiskLevel::kOk;
  std::shared_ptr<net::Tls> client_tls_;
  std::shared_ptr<net::Tls> peer_tls_;
  int64_t tls_refreshed_ms_ = 0;
  std::map<std::string, std::string> tls_trouble_;  // of a port, as last logged
  std::string bad_peer_;
  std::unique_ptr<net::PeerTransport> peers_;
  Service service_;
  std::unique_ptr<net::HttpServer> http_;
  Metrics metrics_;
  Durations turns_;
  std::vector<std::pair<Slot, StateTaker>> state_takers_;  // wait for a checkpoint of that slot
  std::map<NodeId, net::Hello> up_;                        // peers that frames go to

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
