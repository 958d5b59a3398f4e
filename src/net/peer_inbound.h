// PeerInbound: a connection that somebody dialed to this node.
//
// Contract      The first frame must be an acceptable Hello, soon; from then on it carries the
//               peer's
//               messages. A later Hello on it is judged and answered like the first.
// Thread        The loop's.   Errors: whatever is not as it should be ends the connection.
#ifndef SYNOD_NET_PEER_INBOUND_H_
#define SYNOD_NET_PEER_INBOUND_H_

#include <functional>
#include <list>
#include <memory>

#include "src/net/asio.h"
#include "src/net/frame_channel.h"
#include "src/net/peer_transport.h"

namespace synod::net {

class PeerInbound : public ChannelOwner, public std::enable_shared_from_this<PeerInbound> {
 public:
  // What the transport makes of it.
  struct Events {
    std::function<void(PeerInbound&, const Hello&)> on_accepted;
    std::function<void(PeerInbound&)> on_goodbye;
    std::function<void(PeerInbound&)> on_end;  // once; it is to be forgotten
  };

  PeerInbound(std::shared_ptr<PeerShared> shared, std::shared_ptr<const Events> events);

  void Start(Socket socket);
  // Silently: on_end is not called.
  void Close(bool with_goodbye);

  bool accepted() const { return boot_id_ != 0; }
  NodeId from() const { return from_; }
  uint64_t boot_id() const { return boot_id_; }
  bool said_goodbye() const { return said_goodbye_; }

  bool OnChannelFrame(FrameType type, std::string_view body) override;
  void OnChannelEnd() override;

 private:
  bool OnHello(std::string_view body);

  std::shared_ptr<PeerShared> shared_;
  std::shared_ptr<const Events> events_;
  std::shared_ptr<FrameChannel> channel_;
  SteadyTimer hello_timer_;
  NodeId from_;
  uint64_t boot_id_ = 0;
  bool said_goodbye_ = false;
};

}  // namespace synod::net

#endif  // SYNOD_NET_PEER_INBOUND_H_
