// WatchSockets: the WebSockets of this node, each with many watches over one connection.
//
// Contract      Takes the messages of a client (src/api/watch_socket.h), answers each, and ties its
//               watches to the streams. A watch passes the gate and begins after a quorum round, as
//               every other; each message but a cancel, which is always taken, counts as a request.
//               What cannot be done is said on its id, and the connection goes on; it ends when the
//               node stops, or when the client takes nothing (streams.h).
// Thread        The loop's thread.
#ifndef SYNOD_NODE_WATCH_SOCKETS_H_
#define SYNOD_NODE_WATCH_SOCKETS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "src/api/call.h"
#include "src/net/http_server.h"
#include "src/node/engine.h"
#include "src/node/gate.h"
#include "src/node/streams.h"

namespace synod::node {

class WatchSockets {
 public:
  // `watches_max`: of one socket. `touch`: the engine has input. All outlive this.
  WatchSockets(Engine* engine,
               Streams* streams,
               Gate* gate,
               uint64_t watches_max,
               std::function<void()> touch);
  ~WatchSockets();

  // Each watch is judged by what `who` may see.
  void Open(const std::shared_ptr<net::Exchange>& exchange,
            net::HttpResponse head,
            const auth::Principal& who);
  // A read of the engine is ready; nothing happens if it is of nobody here.
  void OnReadReady(CallId call, const Status& ready);
  // The streams have been ended: refuses the watches that had not begun, and closes all.
  void CloseAll(const Error& why);
  size_t size() const { return sockets_.size(); }

 private:
  class Socket;
  struct Pending {
    std::shared_ptr<Socket> socket;
    uint64_t id = 0;
    api::Call call;  // of a watch
    int64_t began_us = 0;
    Admission::Ticket ticket;
  };

  void OnMessage(const std::shared_ptr<Socket>& socket, const std::string& text);
  // The answer to a message that makes no sense.
  Error Judge(const Socket& socket, const Error& malformed);
  Status StartWatch(const std::shared_ptr<Socket>& socket, uint64_t id, api::Call call);
  Status Cancel(Socket* socket, uint64_t id);
  void Begin(CallId round, const Status& ready);
  void Refuse(Socket* socket, std::optional<uint64_t> id, const Error& error, WorkClass work);
  void OnGone(const std::shared_ptr<Socket>& socket);
  // A watch that nobody wants any more.
  void Drop(bool begun, uint64_t number);

  Engine* engine_;
  Streams* streams_;
  Gate* gate_;
  const uint64_t watches_max_;
  const std::function<void()> touch_;
  std::unordered_set<std::shared_ptr<Socket>> sockets_;
  std::unordered_map<CallId, std::shared_ptr<Pending>> calls_;  // by their rounds
};

}  // namespace synod::node

#endif  // SYNOD_NODE_WATCH_SOCKETS_H_
