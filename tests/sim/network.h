// SimNetwork: what carries frames between nodes, badly.
//
// Contract      Between two processes there is at most one connection. It comes up by itself when
//               both processes run and both directions are open; each end is told (PeerUp), and
//               told when it is gone (PeerDown, with process_gone only if the other process really
//               is). A process that dies with its machine alive is noticed at once by whoever it
//               can still reach; after a power cut only silence tells.
// Modes         Connections: frames arrive in order, none is lost before the connection breaks; a
//               closed direction holds them back until it opens or the connection breaks of
//               silence. Datagrams: frames may be lost, doubled and overtaken; the consensus must
//               not care.
// Thread        One.
#ifndef SYNOD_TESTS_SIM_NETWORK_H_
#define SYNOD_TESTS_SIM_NETWORK_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "src/base/random.h"
#include "src/base/types.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/swarm.h"

namespace synod::sim {

// A node as the network sees it.
class Endpoint {
 public:
  virtual ~Endpoint() = default;
  virtual void OnPeerUp(NodeId peer, uint64_t boot) = 0;
  virtual void OnPeerDown(NodeId peer, bool process_gone) = 0;
  virtual void OnFrame(NodeId from, const std::string& frame) = 0;
  // Removed members are refused, and told so.
  virtual bool Refuses(NodeId peer) const = 0;
  virtual void OnToldRemoved() = 0;
};

class SimNetwork {
 public:
  SimNetwork(Scheduler* scheduler, Random random, const Swarm& swarm);

  // Nodes are numbered from 1. The endpoint must outlive the network's events.
  void Register(NodeId node, Endpoint* endpoint);

  void ProcessStarted(NodeId node, uint64_t boot);
  enum class End : uint8_t { kKilled, kPowerCut, kGoodbye };
  void ProcessEnded(NodeId node, End how);

  void Send(NodeId from, NodeId to, const std::string& frame);

  void Block(NodeId from, NodeId to);
  void Unblock(NodeId from, NodeId to);
  void SetExtraDelay(NodeId a, NodeId b, Time extra);  // both directions
  void Reset(NodeId a, NodeId b);                      // breaks the connection, if there is one
  void Heal();  // opens everything; nothing is lost from now on

  struct Stats {
    uint64_t frames = 0, lost = 0, duplicated = 0, resets = 0;
  };
  const Stats& stats() const { return stats_; }

 private:
  struct Process {
    Endpoint* endpoint = nullptr;
    bool running = false;
    uint64_t boot = 0;
  };
  // One direction between two nodes, and what its sender believes of the connection.
  struct Direction {
    bool blocked = false;
    Time extra = 0;
    Time last_arrival = 0;
    bool up = false;          // the sender was told that the connection is up
    uint64_t connection = 0;  // the one it was told of
    uint64_t peer_boot = 0;
    std::vector<std::shared_ptr<const std::string>> held;  // by a closed direction
    bool breaking = false;                                 // a break of silence is under way
  };

  size_t Index(NodeId from, NodeId to) const { return from.value * kNodesMax + to.value; }
  Direction& Dir(NodeId from, NodeId to) { return directions_[Index(from, to)]; }
  uint64_t& Live(NodeId a, NodeId b) { return live_[Index(std::min(a, b), std::max(a, b))]; }
  Time Delay(const Direction& d);
  // Runs `what` at `to` after the messages of that direction that are on their way.
  void InOrder(NodeId from, NodeId to, Time delay, std::function<void()> what);
  void Carry(NodeId from, NodeId to, std::shared_ptr<const std::string> frame);
  void Arrive(NodeId from, NodeId to, uint64_t connection, const std::string& frame);
  void HoldBack(NodeId from, NodeId to, std::shared_ptr<const std::string> frame);
  void Break(NodeId a, NodeId b, Time notice_max);
  void TellDown(NodeId end, NodeId peer, uint64_t connection, bool gone);
  void TellUp(NodeId end, NodeId peer, uint64_t connection, uint64_t boot);
  void ConnectSoon(NodeId a, NodeId b, Time delay);
  void TryConnect(NodeId a, NodeId b);
  // False: `end` refuses `peer`.
  bool Admits(NodeId end, NodeId peer);

  static constexpr size_t kHeldMax = 2'000;

  Scheduler* scheduler_;
  Random random_;
  const Swarm& swarm_;
  bool healed_ = false;
  std::vector<Process> processes_;
  std::vector<Direction> directions_;
  std::vector<uint64_t> live_;    // of a pair: the connection that exists, 0: none
  std::vector<bool> connecting_;  // of a pair: an attempt is scheduled
  uint64_t next_connection_ = 0;
  Stats stats_;
};

}  // namespace synod::sim

#endif  // SYNOD_TESTS_SIM_NETWORK_H_
