// PeerLink: the connection that this node dials to one peer, and what it knows of that peer's
// process.
//
// Contract      Dials for ever. Up once both sides accepted the other's Hello. Keeps the verdict on
//               the process as peer_transport.h says: alive, unreachable, or gone.
// States        kWaiting -> kResolving -> kConnecting -> kGreeting -> kUp, and back to kWaiting.
// Suspicion     Begins when a connection of a process that was up ends without Goodbye; ends with
//               the
//               first of: HelloAck (same boot: forgotten; another: gone), a refused connection at
//               the
//               address where it was up (gone), the timeout (unreachable).
// Thread        The loop's.   Errors: none; retried.
#ifndef SYNOD_NET_PEER_LINK_H_
#define SYNOD_NET_PEER_LINK_H_

#include <memory>
#include <string>
#include <vector>

#include "src/net/asio.h"
#include "src/net/frame_channel.h"
#include "src/net/peer_transport.h"

namespace synod::net {

class PeerLink : public ChannelOwner, public std::enable_shared_from_this<PeerLink> {
 public:
  PeerLink(std::shared_ptr<PeerShared> shared, PeerAddress address);

  void Start() { Dial(); }
  // Lets the peer go. Nothing is called back afterwards.
  void Stop(bool with_goodbye);
  // Moves to another address of the same peer.
  void SetAddress(const PeerAddress& address);
  void Reintroduce();

  // What the peer's own connection to us tells.
  void OnInboundHello(const Hello& hello);
  void OnInboundGoodbye(uint64_t boot_id);
  void OnInboundLost(uint64_t boot_id);

  bool IsUp() const { return state_ == State::kUp && reported_up_; }
  FrameChannel* channel() { return channel_.get(); }
  const PeerAddress& address() const { return address_; }

  bool OnChannelFrame(FrameType type, std::string_view body) override;
  void OnChannelEnd() override;

 private:
  enum class State { kWaiting, kResolving, kConnecting, kGreeting, kUp, kStopped };

  void Dial();
  void DialSoon();
  void Resolve();
  void ConnectNext();
  void OnConnected(error_code ec);
  void Greet();
  void AttemptFailed(bool refused);
  void DropChannel(bool with_goodbye);
  void WaitAndDial();
  void SetTimer(std::chrono::milliseconds after, void (PeerLink::*action)());
  void OnAttemptTimeout() { AttemptFailed(false); }

  bool OnHelloAck(std::string_view body);
  void Judge(const HelloAck& ack);
  void LearnBoot(uint64_t boot_id);
  void Suspect();
  void EndSuspicion();
  void OnVerdictTimeout();
  void ReportDown(bool process_gone);

  std::shared_ptr<PeerShared> shared_;
  PeerAddress address_;
  State state_ = State::kWaiting;
  std::shared_ptr<FrameChannel> channel_;
  asio::ip::basic_resolver<Tcp, Executor> resolver_;
  Socket connecting_;
  std::vector<Tcp::endpoint> endpoints_;
  size_t next_endpoint_ = 0;
  Tcp::endpoint dialed_;
  Tcp::endpoint was_up_at_;
  uint64_t attempt_ = 0;  // handlers of earlier attempts find another number here
  SteadyTimer timer_;
  uint64_t timer_use_ = 0;
  std::chrono::milliseconds backoff_;
  std::chrono::steady_clock::time_point dialed_at_;

  uint64_t boot_id_ = 0;  // of the process last met and not known to be gone
  bool reported_up_ = false;
  bool suspected_ = false;
  bool said_goodbye_ = false;
  SteadyTimer verdict_timer_;
};

}  // namespace synod::net

#endif  // SYNOD_NET_PEER_LINK_H_
