// ClientPort: how clients reach nodes: over connections that delay, lose and break.
//
// Contract      Every call ends exactly once, with what a client really knows: an answer, an error
//               of the node, a refused connection (nothing happened), or nothing at all (the
//               connection was lost, or the client's patience ended, after the timeout or at any
//               moment: it closes the connection, and the node cancels the call).
// Thread        One.
#ifndef SYNOD_TESTS_SIM_CLIENT_PORT_H_
#define SYNOD_TESTS_SIM_CLIENT_PORT_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "tests/sim/node_host.h"

namespace synod::sim {

struct Reply {
  enum class Kind : uint8_t {
    kAnswer,   // of the state machine, or what was read
    kError,    // of the node
    kRefused,  // no connection: certainly nothing happened
    kLost,     // no answer
  };
  Kind kind = Kind::kLost;
  NodeId node = {};
  Error error = {};
  machine::Answer answer = {};                  // of a change
  Result<machine::QueryResult> read = Error{};  // of a read
  Revision revision = {};
  Time served_at = 0;  // of a read
  ClusterTime time = {};
};

class ClientPort {
 public:
  using Done = std::function<void(const Reply&)>;

  ClientPort(World* world, Random random);

  // `patience`: what the client has, if it is not as usual. Its connection breaks by itself if what
  // it carried is lost.
  void Change(NodeId node,
              machine::Command command,
              int64_t timeout_ms,
              Done done,
              std::optional<Time> patience = {});
  void Read(NodeId node,
            const node::ReadRequest& request,
            machine::Query query,
            Done done,
            const auth::Principal& who = auth::OfNode());

  // Requests to and answers of this node are lost while it is cut.
  void SetCut(NodeId node, bool cut) { cut_[node.value] = cut; }
  void OnProcessEnded(NodeId node);

  uint64_t open_calls() const { return open_.size(); }

 private:
  struct Attempt {
    uint64_t id = 0;
    NodeId node;
    Done done;
    bool breaks = false;   // if something is lost
    bool arrived = false;  // the node has the request
    uint64_t boot = 0;
    node::CallId call = 0;
  };
  using AttemptRef = std::shared_ptr<Attempt>;

  AttemptRef Begin(NodeId node, int64_t timeout_ms, Done done, std::optional<Time> patience = {});
  // Runs `arrive` in the node's process when the request gets there.
  void Deliver(const AttemptRef& attempt, std::function<void(NodeHost&)> arrive);
  void Answer(const AttemptRef& attempt, Reply reply);
  void End(const AttemptRef& attempt, Reply reply);
  void GiveUp(const AttemptRef& attempt);
  void Lose(const AttemptRef& attempt);
  Time Latency();

  World* world_;
  Random random_;
  std::vector<bool> cut_;
  std::map<uint64_t, AttemptRef> open_;
  uint64_t next_ = 0;
};

}  // namespace synod::sim

#endif  // SYNOD_TESTS_SIM_CLIENT_PORT_H_
