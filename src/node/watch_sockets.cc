#include "src/node/watch_sockets.h"

#include <boost/unordered/unordered_flat_map.hpp>
#include <utility>
#include <vector>

#include "src/api/watch_socket.h"
#include "src/net/websocket.h"
#include "src/node/access.h"
#include "src/node/sink.h"
#include "src/node/work.h"

namespace synod::node {

class WatchSockets::Socket final : public Sink, public std::enable_shared_from_this<Socket> {
 public:
  struct Watch {
    bool begun = false;
    uint64_t number = 0;  // of its stream, or of the quorum round that it waits for
  };

  Socket(WatchSockets* owner, std::shared_ptr<net::Exchange> exchange, auth::Principal principal)
      : Sink(api::StreamFormat::kNdjson),
        who(std::move(principal)),
        owner_(owner),
        exchange_(std::move(exchange)) {}

  void Send(std::string text) {
    auto bytes = std::make_shared<const std::string>(std::move(text));
    const std::string_view all = *bytes;
    exchange_->Send({}, std::move(bytes), all);
  }
  Gate::Asker asker() const { return {who, *exchange_}; }
  void Close(uint16_t code, const std::string& reason) { exchange_->CloseSocket(code, reason); }

  void Created(uint64_t tag, Revision revision, Revision) override {
    Send(api::RenderSocketCreated(tag, revision));
  }
  void Write(uint64_t tag, SharedBytes message) override {
    const std::string_view rest = api::SocketRest(*message);
    exchange_->Send(api::SocketPrefix(tag), std::move(message), rest);
  }
  void End(uint64_t tag) override { watches.erase(tag); }
  void CutOff() override {
    Close(net::kCloseTryAgainLater, "what was sent is not taken");
    owner_->OnGone(shared_from_this());
  }
  std::vector<watch::WatchId> streams() const override {
    std::vector<watch::WatchId> all;
    for (const auto& [id, watch] : watches)
      if (watch.begun)
        all.push_back(watch.number);
    return all;
  }
  size_t QueuedBytes() const override { return exchange_->QueuedBytes(); }
  void OnDrained(std::function<void()> callback) override {
    exchange_->OnDrained(std::move(callback));
  }

  const auth::Principal who;
  boost::unordered_flat_map<uint64_t, Watch> watches;  // by the client's id

 private:
  WatchSockets* owner_;
  std::shared_ptr<net::Exchange> exchange_;
};

WatchSockets::WatchSockets(
    Engine* engine, Streams* streams, Gate* gate, uint64_t watches_max, std::function<void()> touch)
    : engine_(engine),
      streams_(streams),
      gate_(gate),
      watches_max_(watches_max),
      touch_(std::move(touch)) {}
WatchSockets::~WatchSockets() = default;

void WatchSockets::Open(const std::shared_ptr<net::Exchange>& exchange,
                        net::HttpResponse head,
                        const auth::Principal& who) {
  const auto socket = std::make_shared<Socket>(this, exchange, who);
  sockets_.insert(socket);
  const auto with_socket = [weak = std::weak_ptr<Socket>(socket)](const auto& act) {
    if (const auto found = weak.lock())
      act(found);
  };
  exchange->OnGone([this, with_socket] { with_socket([&](const auto& s) { OnGone(s); }); });
  exchange->StartSocket(std::move(head), [this, with_socket](const std::string& text) {
    with_socket([&](const auto& s) { OnMessage(s, text); });
  });
}

void WatchSockets::OnMessage(const std::shared_ptr<Socket>& socket, const std::string& text) {
  std::optional<uint64_t> id;
  Result<api::SocketRequest> request = api::ParseSocketRequest(text, &id);
  WorkClass work = WorkClass::kVital;
  Status done = Done();
  if (!request) {
    done = Judge(*socket, request.error());
  } else if (!request->watch) {
    done = Cancel(socket.get(), request->id);
  } else {
    api::Call call = *std::move(request->watch);
    work = WorkOf(call);
    done = StartWatch(socket, request->id, std::move(call));
  }
  if (!done)
    Refuse(socket.get(), id, done.error(), work);
}

Error WatchSockets::Judge(const Socket& socket, const Error& malformed) {
  const Status may = gate_->Count(socket.asker(), gate_->now_us());
  return may ? malformed : may.error();
}

Status WatchSockets::StartWatch(const std::shared_ptr<Socket>& socket,
                                uint64_t id,
                                api::Call call) {
  const int64_t now_us = gate_->now_us();
  Result<Admission::Ticket> ticket = gate_->Admit(call, socket->asker(), now_us);
  if (!ticket)
    return ticket.error();
  if (socket->watches.contains(id))
    return Error{Errc::kInvalidRequest, Outcome::kNotApplied,
                 "id " + std::to_string(id) + " is that of another watch of this connection"};
  if (socket->watches.size() >= watches_max_)
    return Error{Errc::kTooLarge, Outcome::kNotApplied,
                 "a WebSocket has at most " + std::to_string(watches_max_) + " watches"};
  ReadRequest read;
  read.timeout_ms = TimeoutOf(call);
  const CallId round = engine_->Read(read);
  socket->watches[id].number = round;
  calls_.emplace(round, std::make_shared<Pending>(
                            Pending{socket, id, std::move(call), now_us, *std::move(ticket)}));
  touch_();
  return Done();
}

Status WatchSockets::Cancel(Socket* socket, uint64_t id) {
  const auto it = socket->watches.find(id);
  if (it == socket->watches.end())
    return Error{Errc::kNotFound, Outcome::kNotApplied,
                 "no watch of this connection has id " + std::to_string(id)};
  Drop(it->second.begun, it->second.number);
  socket->watches.erase(it);
  socket->Send(api::RenderSocketCanceled(id));
  return Done();
}

void WatchSockets::Refuse(Socket* socket,
                          std::optional<uint64_t> id,
                          const Error& error,
                          WorkClass work) {
  gate_->CountRefusal(error, work);
  socket->Send(api::RenderSocketError(id, error, streams_->compact_revision(), watches_max_));
}

void WatchSockets::OnReadReady(CallId call, const Status& ready) {
  const auto it = calls_.find(call);
  if (it == calls_.end())
    return;
  const std::shared_ptr<Pending> pending = it->second;
  if (!ready || WorkOf(pending->call) != WorkClass::kCatchUp) {
    Begin(call, ready);
    return;
  }
  gate_->Queue(pending->call, pending->began_us,
               [this, call, pending](const Status& may) { Begin(call, may); });
}

// Nobody may want it any more, since it waited for its turn.
void WatchSockets::Begin(CallId round, const Status& ready) {
  const auto node = calls_.extract(round);
  if (node.empty())
    return;
  const Pending& pending = *node.mapped();
  const auto& call = std::get<api::WatchCall>(pending.call);
  Socket::Watch& watch = pending.socket->watches.at(pending.id);
  watch.begun = true;
  const auth::Principal& who = pending.socket->who;
  Status begun = ready;
  if (begun)
    begun = engine_->machine().Permits(who, NeedOfWatch(call.spec), engine_->Now());
  if (begun)
    begun = streams_->Begin(pending.socket, pending.id, call, who, gate_->now_us() / 1000,
                            &watch.number);
  if (begun)
    return;
  pending.socket->watches.erase(pending.id);
  Refuse(pending.socket.get(), pending.id, begun.error(), WorkOf(pending.call));
}

void WatchSockets::OnGone(const std::shared_ptr<Socket>& socket) {
  for (const auto& [id, watch] : std::exchange(socket->watches, {}))
    Drop(watch.begun, watch.number);
  sockets_.erase(socket);
}

void WatchSockets::Drop(bool begun, uint64_t number) {
  if (begun) {
    streams_->Forget(number);
    return;
  }
  engine_->Cancel(number);
  calls_.erase(number);
}

void WatchSockets::CloseAll(const Error& why) {
  for (const auto& [call, pending] : std::exchange(calls_, {})) {
    engine_->Cancel(call);
    Refuse(pending->socket.get(), pending->id, why, WorkOf(pending->call));
  }
  for (const auto& socket : std::exchange(sockets_, {}))
    socket->Close(net::kCloseGoingAway, "this node has nothing more to show");
}

}  // namespace synod::node
