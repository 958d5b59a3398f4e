#include "src/net/peer_transport.h"

#include <algorithm>
#include <list>
#include <map>
#include <utility>

#include "src/base/check.h"
#include "src/net/frame.h"
#include "src/net/frame_channel.h"
#include "src/net/listen.h"
#include "src/net/peer_inbound.h"
#include "src/net/peer_link.h"

namespace synod::net {
namespace {

// Accepted connections that have not introduced themselves yet; the oldest makes room.
constexpr size_t kStrangersMax = 64;

}  // namespace

class PeerTransport::Core : public std::enable_shared_from_this<Core> {
 public:
  Core(asio::io_context& io, PeerHandler& handler, Hello self, const PeerOptions& options)
      : shared_(std::make_shared<PeerShared>(io, handler, std::move(self), options)),
        accept_retry_(io) {
    SYNOD_CHECK_NE(shared_->self.boot_id, 0u);
    shared_->weak_self = shared_;
  }

  Status Listen(const std::string& host, uint16_t port) {
    SYNOD_CHECK(!acceptor_);
    Result<Acceptor> listening = ListenOn(shared_->io, host, port);
    if (listening.has_error())
      return listening.error();
    acceptor_ = std::make_unique<Acceptor>(std::move(*listening));
    events_ = MakeEvents();
    Accept();
    return Done();
  }

  uint16_t port() const {
    SYNOD_CHECK(acceptor_ != nullptr);
    error_code ec;
    return acceptor_->local_endpoint(ec).port();
  }

  void SetPeers(std::vector<PeerAddress> peers) {
    std::map<NodeId, std::shared_ptr<PeerLink>> kept;
    for (PeerAddress& address : peers) {
      SYNOD_CHECK(address.id != shared_->self.from);
      const NodeId id = address.id;
      auto old = links_.extract(id);
      if (!old.empty()) {
        old.mapped()->SetAddress(address);
        kept.insert(std::move(old));
      } else if (!kept.contains(id)) {
        auto link = std::make_shared<PeerLink>(shared_, std::move(address));
        link->Start();
        kept.emplace(id, std::move(link));
      }
    }
    const auto dropped = std::exchange(links_, std::move(kept));
    for (const auto& [id, link] : dropped) {
      link->Stop(true);
      DropInbound(id);
    }
  }

  template <typename Body>
  bool Send(NodeId to, Body body, size_t size) {
    SYNOD_CHECK_LE(size, kFrameBodyMax);
    const auto found = links_.find(to);
    if (found == links_.end() || !found->second->IsUp() ||
        found->second->channel()->queued_bytes() + size > shared_->options.queue_bytes_max) {
      ++shared_->counters.frames_dropped;
      return false;
    }
    found->second->channel()->Queue(FrameType::kMessage, std::move(body));
    return true;
  }

  bool IsUp(NodeId peer) const {
    const auto found = links_.find(peer);
    return found != links_.end() && found->second->IsUp();
  }

  size_t QueuedBytes(NodeId peer) const {
    const auto found = links_.find(peer);
    return found != links_.end() && found->second->IsUp() ? found->second->channel()->queued_bytes()
                                                          : 0;
  }

  void Reintroduce() {
    const auto links = links_;
    for (const auto& [id, link] : links) link->Reintroduce();
  }

  void Close(bool with_goodbye) {
    if (std::exchange(shared_->closed, true))
      return;
    error_code ignored;
    if (acceptor_)
      acceptor_->close(ignored);
    accept_retry_.cancel();
    for (const auto& [id, link] : std::exchange(links_, {})) link->Stop(with_goodbye);
    for (const auto& inbound : std::exchange(inbound_, {})) inbound->Close(with_goodbye);
    shared_->dirty.clear();  // its entries hold what holds it
  }

  PeerShared& shared() { return *shared_; }

 private:
  std::shared_ptr<const PeerInbound::Events> MakeEvents() {
    const auto weak = weak_from_this();
    PeerInbound::Events events;
    events.on_accepted = [weak](PeerInbound& inbound, const Hello& hello) {
      if (const auto self = weak.lock())
        self->OnAccepted(inbound, hello);
    };
    events.on_goodbye = [weak](PeerInbound& inbound) {
      const auto self = weak.lock();
      if (const auto link = self ? self->LinkOf(inbound.from()) : nullptr)
        link->OnInboundGoodbye(inbound.boot_id());
    };
    events.on_end = [weak](PeerInbound& inbound) {
      if (const auto self = weak.lock())
        self->OnInboundEnd(inbound);
    };
    return std::make_shared<const PeerInbound::Events>(std::move(events));
  }

  std::shared_ptr<PeerLink> LinkOf(NodeId id) const {
    const auto found = links_.find(id);
    return found == links_.end() ? nullptr : found->second;
  }

  void Accept() {
    if (shared_->closed)
      return;
    acceptor_->async_accept([weak = weak_from_this()](error_code ec, Socket socket) {
      const auto self = weak.lock();
      if (!self || self->shared_->closed || ec == asio::error::operation_aborted)
        return;
      if (ec && ec != asio::error::connection_aborted) {
        // Out of descriptors: the listener stays readable, so asking at once would spin.
        self->accept_retry_.expires_after(std::chrono::milliseconds(100));
        self->accept_retry_.async_wait([weak](error_code) {
          if (const auto again = weak.lock())
            again->Accept();
        });
        return;
      }
      if (!ec)
        self->Adopt(std::move(socket));
      self->Accept();
    });
  }

  void Adopt(Socket socket) {
    const auto stranger = [](const auto& inbound) { return !inbound->accepted(); };
    const auto strangers = std::count_if(inbound_.begin(), inbound_.end(), stranger);
    if (static_cast<size_t>(strangers) >= kStrangersMax) {
      const auto oldest = std::find_if(inbound_.begin(), inbound_.end(), stranger);
      ++shared_->counters.bad_connections;
      (*oldest)->Close(false);
      inbound_.erase(oldest);
    }
    auto inbound = std::make_shared<PeerInbound>(shared_, events_);
    inbound_.push_back(inbound);
    inbound->Start(std::move(socket));
  }

  void OnAccepted(PeerInbound& accepted, const Hello& hello) {
    // A peer has one connection to us: this one. Closing the ones before it says nothing about it.
    for (auto it = inbound_.begin(); it != inbound_.end();) {
      const auto other = *it;
      if (other.get() != &accepted && other->accepted() && other->from() == accepted.from()) {
        it = inbound_.erase(it);
        other->Close(other->boot_id() == accepted.boot_id());
      } else {
        ++it;
      }
    }
    if (const auto link = LinkOf(hello.from))
      link->OnInboundHello(hello);
  }

  // Who is let go has to introduce itself anew, and is judged anew.
  void DropInbound(NodeId from) {
    for (auto it = inbound_.begin(); it != inbound_.end();) {
      const auto inbound = *it;
      if (inbound->accepted() && inbound->from() == from) {
        it = inbound_.erase(it);
        inbound->Close(true);
      } else {
        ++it;
      }
    }
  }

  void OnInboundEnd(PeerInbound& ended) {
    const auto at = std::find_if(inbound_.begin(), inbound_.end(),
                                 [&](const auto& inbound) { return inbound.get() == &ended; });
    if (at == inbound_.end())
      return;
    const auto kept_alive = *at;
    inbound_.erase(at);
    const auto link = LinkOf(ended.from());
    if (ended.accepted() && !ended.said_goodbye() && link)
      link->OnInboundLost(ended.boot_id());
  }

  std::shared_ptr<PeerShared> shared_;
  std::unique_ptr<Acceptor> acceptor_;
  SteadyTimer accept_retry_;
  std::shared_ptr<const PeerInbound::Events> events_;
  std::map<NodeId, std::shared_ptr<PeerLink>> links_;
  std::list<std::shared_ptr<PeerInbound>> inbound_;
};

PeerTransport::PeerTransport(asio::io_context& io,
                             PeerHandler& handler,
                             Hello self,
                             PeerOptions options)
    : core_(std::make_shared<Core>(io, handler, std::move(self), options)) {}

PeerTransport::~PeerTransport() { core_->Close(false); }

Status PeerTransport::Listen(const std::string& host, uint16_t port) {
  return core_->Listen(host, port);
}
uint16_t PeerTransport::port() const { return core_->port(); }
void PeerTransport::SetSelf(Hello self) { core_->shared().self = std::move(self); }
void PeerTransport::Reintroduce() { core_->Reintroduce(); }
void PeerTransport::SetPeers(std::vector<PeerAddress> peers) { core_->SetPeers(std::move(peers)); }

bool PeerTransport::Send(NodeId to, Bytes body) {
  const size_t size = body.size();
  return core_->Send(to, std::move(body), size);
}
bool PeerTransport::Send(NodeId to, SharedBytes body) {
  const size_t size = body->size();
  return core_->Send(to, std::move(body), size);
}
void PeerTransport::Flush() { core_->shared().FlushDirty(); }
bool PeerTransport::IsUp(NodeId peer) const { return core_->IsUp(peer); }
size_t PeerTransport::QueuedBytes(NodeId peer) const { return core_->QueuedBytes(peer); }
void PeerTransport::Goodbye() { core_->Close(true); }
void PeerTransport::Abort() { core_->Close(false); }
const PeerCounters& PeerTransport::counters() const { return core_->shared().counters; }

}  // namespace synod::net
