// Service: HTTP calls of one node, from request to answer.
//
// Contract      Parses each request (src/api), hands changes and reads to the engine, watches to
//               the streams, and answers everything else from what this node knows. Every exchange
//               is answered exactly once, also when the node stops.
// Thread        The loop's thread.
#ifndef SYNOD_NODE_SERVICE_H_
#define SYNOD_NODE_SERVICE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "src/api/call.h"
#include "src/api/render.h"
#include "src/api/watch_socket.h"
#include "src/net/http_server.h"
#include "src/node/access.h"
#include "src/node/audit.h"
#include "src/node/backup.h"
#include "src/node/engine.h"
#include "src/node/gate.h"
#include "src/node/request_log.h"
#include "src/node/request_stats.h"
#include "src/node/streams.h"
#include "src/node/watch_sockets.h"

namespace synod::node {

// What the service asks of the process around it.
struct NodeInfo {
  NodeId id;
  std::string name;
  std::string cluster_id;   // empty: none yet
  std::string waiting_for;  // while there is none: what for
  bool joins = false;       // while there is none: it enters one as a learner
  std::string refuses;      // why it takes no more work; empty: it does
};

// A turn of the core: when it began, and when it gave out what it gives out.
struct TurnTimes {
  int64_t began_us = 0;
  int64_t decided_us = 0;
};

using StateTaker = std::function<void(std::shared_ptr<storage::StateSnapshot>)>;

class Service : public net::HttpHandler {
 public:
  struct Hooks {
    std::function<void()> touch;  // the engine has input: pump it this turn
    std::function<NodeInfo()> info;
    std::function<std::string()> metrics;  // text of /metrics
    std::function<void(api::StatusView*)> storage_status;
    std::function<std::string(NodeId)> peer_address;  // of a member the log has not told of yet
    std::function<net::HttpCounters()> load;          // of the server that gives the requests
    // Hands out the state of a checkpoint at that slot or a later one, as soon as there is one.
    std::function<void(Slot at_least, StateTaker taker)> take_state;
  };
  struct Bounds {
    api::Limits request;
    uint64_t socket_watches = api::kSocketWatchesMax;
    GateLimits gate;
  };
  // A request is slow after `slow_ms`; 0: none is.
  Service(net::asio::io_context& io,
          api::HttpPolicy policy,
          AccessRules rules,
          int64_t slow_ms,
          const Bounds& bounds,
          Hooks hooks);
  ~Service() override;

  // The engine exists from the moment that the cluster is known.
  void SetEngine(Engine* engine);

  // net::HttpHandler
  void OnRequest(std::shared_ptr<net::Exchange> exchange) override;
  net::HttpResponse Refuse(Errc code, std::string detail) override;

  // What the engine gave out.
  void OnChangesDone(std::vector<ChangeDone> changes, const TurnTimes& turn);
  void OnReadsReady(std::vector<ReadReady> reads, const TurnTimes& turn);
  void OnRevisions(const std::vector<store::RevisionRef>& revisions);
  void OnStateReplaced();  // the engine's machine holds another, later state
  void Tick(int64_t now_ms);

  // Ends watches (shutting_down): this node has nothing to show any more, and why.
  void EndWatches(const Error& why);
  // The same, and answers what else waits here.
  void EndStreams();

  const RequestStats& stats() const { return stats_; }
  uint64_t slow_requests() const { return request_log_.slow(); }
  const Gate& gate() const { return gate_; }
  const Streams* streams() const { return streams_.get(); }  // null while there is no engine
  size_t watch_sockets() const { return sockets_ ? sockets_->size() : 0; }
  double uptime_seconds() const;

 private:
  struct Waiting {
    std::shared_ptr<net::Exchange> exchange;
    api::Call call;  // what to do when the engine answers
    Route route = Route::kOther;
    int64_t started_us = 0;
    size_t request_bytes = 0;
    Stages stages = {};
    int64_t decided_us = 0;  // the core gave out what it is answered with; 0: it was not asked
    auth::Principal who;
    // The engine is asked for a round because this replica does not know who asks; then the call
    // begins, with what is left of its time.
    bool at_the_door = false;
    bool audited = false;
    WorkClass work = WorkClass::kVital;
    Admission::Ticket ticket;
  };
  // A hand-over of leadership that somebody asked for.
  struct Move {
    Waiting waiting;
    NodeId to;
    int64_t give_up_ms = 0;
    int64_t deadline_ms = 0;
    int64_t asked_ms = 0;  // when last
    bool asked = false;    // the leader may have begun it
    std::string refusal;   // why it could not be asked
  };

  // `time`: as of which it is answered, if not as of now.
  api::Context MakeContext(std::optional<ClusterTime> time = std::nullopt);
  const machine::Machine* machine() const;
  ClusterTime Now() const;
  // Lets the call in, asks the others whether it may come in, or refuses it.
  void Enter(Waiting&& waiting);
  void Start(Waiting&& waiting);
  void StartChange(Waiting&& waiting);
  void StartRead(Waiting&& waiting, const api::Freshness& fresh);
  void BeginBackup(Waiting&& waiting, ClusterTime time);
  void SendBackup(std::shared_ptr<storage::StateSnapshot> state, ClusterTime time);
  void OnReadReady(Waiting&& waiting, const Result<ClusterTime>& ready);
  // Leaves `waiting` as what was moved from.
  void ServeReady(Waiting& waiting, const Result<ClusterTime>& ready);
  void BeginStream(Waiting&& waiting);
  void AnswerPlain(const Waiting& waiting, const api::Context& context);
  void BeginMove(Waiting&& waiting, const api::MoveLeaderCall& call);
  // What it ended with; nullopt: not yet.
  std::optional<net::HttpResponse> GoOn(Move* move, int64_t now_ms);
  void GoOnWithMoves(int64_t now_ms);
  void Wait(CallId id, Waiting&& waiting);
  void ServeRead(Waiting& waiting, const api::ReadCall& call, ClusterTime time);
  void Refuse(const Waiting& waiting, const Error& error);
  void Reply(const Waiting& waiting, net::HttpResponse response);
  void Note(const Waiting& waiting, int status, size_t answer_bytes = 0);
  void NoteAudit(const Waiting& waiting, int status);
  static int64_t SpentMs(const Waiting& waiting);
  std::string UserOf(const Waiting& waiting) const;
  void Measure(Waiting* waiting, const ChangeDone& done, const TurnTimes& turn) const;
  std::optional<api::StatusView::Leader> LeaderView() const;
  api::StatusView MakeStatus() const;
  std::vector<api::MemberStatus> MakeMembers() const;
  Status Ready() const;

  net::asio::io_context& io_;
  const api::Limits limits_;
  const uint64_t socket_watches_max_;
  const api::HttpPolicy policy_;
  const AccessRules rules_;
  ClusterTime told_time_;  // the latest that an answer told
  Audit audit_;
  const Hooks hooks_;
  Engine* engine_ = nullptr;
  Gate gate_;
  std::unique_ptr<Streams> streams_;
  std::unique_ptr<WatchSockets> sockets_;
  std::unordered_map<CallId, Waiting> calls_;
  std::vector<Move> moves_;
  std::unique_ptr<Backup> backup_;
  std::shared_ptr<Waiting> backup_waits_;  // for a checkpoint; one at a time
  RequestStats stats_;
  RequestLog request_log_;
  uint64_t requests_ = 0;
  int64_t started_ms_ = 0;
};

}  // namespace synod::node

#endif  // SYNOD_NODE_SERVICE_H_
