// Cluster: replicas with disks and a network, all in memory and moved by hand, for tests.
//
// Contract      Nothing happens by itself: tests tick, deliver, persist and crash. Every message
//               goes through its bytes. A message leaves a node when what it waits for is on its
//               disk.
// Checks        All the time: one value per slot over all nodes, as handed out and as recomputed
//               from the votes on disk; no read index below what was known chosen when the read
//               began.
#ifndef SYNOD_TESTS_UNIT_CONSENSUS_CLUSTER_H_
#define SYNOD_TESTS_UNIT_CONSENSUS_CLUSTER_H_

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "consensus/replica.h"

namespace synod::consensus {

struct Packet {
  uint64_t number = 0;  // from 1, in the order of sending
  NodeId from;
  NodeId to;
  Message message;
};

class Cluster {
 public:
  // Nodes 1 to `size`, all voters, version 0. `adjust` may change each node's configuration.
  explicit Cluster(uint32_t size,
                   uint64_t seed = 1,
                   const std::function<void(Config*)>& adjust = {});

  // -- inputs; each pumps the node's output
  void Tick(uint32_t node);
  void TickAll();
  // The node's clock runs on by a tick, and nothing else: its process is paused.
  void PassTime(uint32_t node);
  // Of the node's clock, in thousandths of real time.
  void SetClockRate(uint32_t node, uint32_t rate) { At(node).clock_rate = rate; }
  // Makes the oldest `count` unsynced requests of the node durable (all of them: no count).
  void Persist(uint32_t node, size_t count = SIZE_MAX);
  void Crash(uint32_t node);  // unsynced requests are lost
  void Restart(uint32_t node);
  bool Propose(uint32_t node, const std::string& payload);
  // A membership entry; false if the node would not take it now.
  bool ProposeMembership(uint32_t node, const Membership& membership);
  // A node more, empty, that was told the leader's membership and may be a learner in it. Returns
  // its number.
  uint32_t AddNode(const Membership& told);
  void Read(uint32_t node, uint64_t id);
  void PeerGone(uint32_t node, uint32_t peer);
  Status Transfer(uint32_t node, uint32_t to);
  void Give(uint32_t from, uint32_t to, const Message& message);  // a packet of the test's making
  void Pump(uint32_t node);

  // -- the network
  void DeliverAt(size_t index);
  void DropAt(size_t index);
  void DuplicateAt(size_t index);
  // Delivers in order until nothing is under way; packets for which `drop` is true vanish.
  void DeliverAll(const std::function<bool(const Packet&)>& drop = {});
  // Messages between the two are dropped when they are sent and when they arrive.
  void Cut(uint32_t a, uint32_t b) { cuts_.insert({a, b}); }
  void CutOneWay(uint32_t from, uint32_t to) { one_way_.insert({from, to}); }
  void Isolate(uint32_t node);
  void Heal();
  bool IsCut(NodeId from, NodeId to) const;

  // -- moving on
  // Persists and delivers everything until nothing is left to do, without ticks.
  void Settle();
  // Ticks all and settles, `ticks` times.
  void Run(uint32_t ticks);
  // Runs until `done`; false if it took more than `ticks`.
  bool RunUntil(const std::function<bool()>& done, uint32_t ticks = 1000);
  // Runs until somebody leads and all who are up follow it. Returns the leader, 0 if there is none.
  uint32_t Elect(uint32_t ticks = 1000);

  // -- looking
  bool IsUp(uint32_t node) const { return At(node).replica.has_value(); }
  Replica& replica(uint32_t node) { return *At(node).replica; }
  uint32_t Leader() const;                                 // with the highest ballot; 0: none
  std::vector<std::string> Commands(uint32_t node) const;  // payloads of kCommand, in order
  const std::vector<Chosen>& Applied(uint32_t node) const { return At(node).applied; }
  const HardState& Disk(uint32_t node) const { return At(node).disk; }
  const std::map<Slot, AcceptedEntry>& DiskVotes(uint32_t node) const { return At(node).votes; }
  size_t Unsynced(uint32_t node) const { return At(node).unsynced.size(); }
  const std::deque<PersistRequest>& UnsyncedRequests(uint32_t node) const {
    return At(node).unsynced;
  }
  size_t Held(uint32_t node) const { return At(node).held.size(); }
  uint64_t PersistCount(uint32_t node) const { return At(node).persist_count; }
  std::deque<Packet>& packets() { return packets_; }
  std::vector<ReadGrant> TakeGrants(uint32_t node);
  std::vector<uint64_t> TakeFailedReads(uint32_t node);
  std::vector<std::string> TakeEvents(uint32_t node);
  size_t CountEvents(const std::string& what) const;
  // Of the newest slot known chosen without a gap.
  const Membership& CurrentMembership() const { return memberships_.rbegin()->second; }
  uint32_t size() const { return static_cast<uint32_t>(nodes_.size()); }
  // First broken promise of the group, empty if none.
  const std::string& fault() const { return fault_; }

 private:
  struct Node {
    Config config;
    std::optional<Replica> replica;
    HardState disk;
    std::map<Slot, AcceptedEntry> votes;
    std::deque<PersistRequest> unsynced;
    std::vector<Send> held;
    PersistId durable;
    Slot applied_before_restart;
    std::vector<Chosen> applied;
    std::vector<ReadGrant> grants;
    std::vector<uint64_t> failed_reads;
    std::vector<std::string> events;
    std::map<uint64_t, Slot> read_floor;
    uint64_t boots = 0;
    uint64_t persist_count = 0;
    int64_t clock_us = 0;
    uint32_t clock_rate = 1000;
  };

  Node& At(uint32_t node) { return nodes_.at(node - 1); }
  const Node& At(uint32_t node) const { return nodes_.at(node - 1); }
  void Emit(NodeId from, const Send& send);
  void Release(uint32_t node);
  void TakeCommitted(uint32_t node, const std::vector<Chosen>& committed);
  void CountDurableVotes(uint32_t node, const PersistRequest& request);
  void CheckChosen(Slot slot, const Entry& entry, const std::string& who);
  void ServeLoads(uint32_t node, const std::vector<LoadRequest>& loads);
  void Fault(const std::string& what);

  std::vector<Node> nodes_;
  std::deque<Packet> packets_;
  uint64_t next_packet_ = 1;
  std::set<std::pair<uint32_t, uint32_t>> cuts_;
  std::set<std::pair<uint32_t, uint32_t>> one_way_;
  std::map<Slot, Entry> chosen_;
  struct Votes {
    Entry entry;
    std::set<uint32_t> voters;
  };
  void CountVotes();
  std::map<std::pair<Slot, Ballot>, Votes> durable_votes_;
  std::set<std::pair<Slot, Ballot>> uncounted_;
  Slot all_chosen_;                         // every slot up to it is known chosen
  std::map<Slot, Membership> memberships_;  // by the first slot that they govern
  std::function<void(Config*)> adjust_;
  uint64_t seed_ = 0;
  Slot acknowledged_;
  std::map<std::string, size_t> event_counts_;
  std::string fault_;
};

SharedBytes Payload(const std::string& text);
// The payload of a membership entry, as far as consensus reads it.
SharedBytes Payload(const Membership& membership);

}  // namespace synod::consensus

#endif  // SYNOD_TESTS_UNIT_CONSENSUS_CLUSTER_H_
