// PeerTransport: frames between the nodes of a cluster, over TCP.
//
// Contract      Every node dials every other one and sends on the connection it dialed; a
//               connection it accepted only carries HelloAck back. Frames of one connection arrive
//               in order, whole and checksummed, or not at all; any may be lost when a connection
//               is, so whoever sends repeats what matters. No frame passes before both sides have
//               accepted the other's Hello.
// Failure       A live process says Goodbye before it drops a connection. If one ends without, the
//               peer is asked again at once: a refused connection, or another boot_id, proves that
//               the process is gone (OnPeerDown with process_gone); the same boot_id means a mere
//               reconnect, of which nobody is told; silence for `verdict_timeout` proves nothing
//               (OnPeerDown without).
// Bounds        Per peer `queue_bytes_max` of unsent frames: Send refuses what exceeds it. Received
//               frames grow with the bytes that came, never with a length that was claimed; a
//               stranger may send one small frame, soon.
// Thread        All of it, callbacks included, on the thread that runs the io_context.
// Errors        Listen says why it could not; all else is retried for ever, from 20 ms to 500 ms.
// Tls           Both sides show a certificate of the cluster's authority, or the connection ends
//               before a frame.
// Not here      What frames mean (src/node), the byte layout (docs/formats.md,
//               src/net/frame.h).
#ifndef SYNOD_NET_PEER_TRANSPORT_H_
#define SYNOD_NET_PEER_TRANSPORT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/error.h"
#include "src/base/types.h"
#include "src/net/asio.h"
#include "src/net/tls.h"

namespace synod::net {

struct PeerAddress {
  NodeId id;
  std::string host;
  uint16_t port = 0;
  bool operator==(const PeerAddress&) const = default;
};

// How a process introduces itself.
struct Hello {
  Bytes cluster_id;  // empty: belongs to no cluster yet
  bool founded = false;
  NodeId from;
  Bytes uuid;            // of the data directory
  NodeId to;             // whom the sender believes to talk to; filled in by the transport
  uint64_t boot_id = 0;  // differs at every start of a process; never 0
  std::string name;
  std::string peer_address;
  std::string client_url;
  uint64_t features = 0;
  Bytes payload;                 // the driver's own, see PeerHandler::HelloPayload
  uint32_t machine_version = 1;  // the newest rules of the state machine that it knows
};

struct HelloVerdict {
  bool accept = true;
  std::string reason;  // sent to the refused
};

class PeerHandler {
 public:
  virtual ~PeerHandler() = default;
  // What goes into the payload of the next Hello or HelloAck to `to`.
  virtual Bytes HelloPayload(NodeId to) = 0;
  // A peer dialed us (`answer` false) or answered our dialing (`answer` true). Its `from` was
  // checked against nothing but, in an answer, the address book.
  virtual HelloVerdict OnHello(const Hello& hello, bool answer) = 0;
  // `peer` does not want us; it is asked again later.
  virtual void OnHelloRefused(NodeId peer, const std::string& reason, const Hello& theirs) = 0;
  // Frames to `peer` are sent from now on.
  virtual void OnPeerUp(NodeId peer, const Hello& theirs) = 0;
  // With `process_gone` also after a Down without, when the proof came later.
  virtual void OnPeerDown(NodeId peer, bool process_gone) = 0;
  virtual void OnFrame(NodeId from, std::string_view body) = 0;
  // Somebody could not prove by TLS to be a peer, or did not believe that we are.
  virtual void OnBadPeer(const std::string& why) = 0;
};

struct PeerOptions {
  size_t queue_bytes_max = size_t{64} << 20;
  uint64_t seed = 0;  // of the jitter
  std::chrono::milliseconds backoff_min{20};
  std::chrono::milliseconds backoff_max{500};
  std::chrono::milliseconds verdict_timeout{50};
  std::chrono::milliseconds connect_timeout{1000};
  std::chrono::milliseconds hello_timeout{1000};
  // Unacknowledged bytes for so long end a connection, so that the end of a partition is not
  // followed by TCP's own minutes of silence.
  std::chrono::milliseconds stall_timeout{2000};
  std::shared_ptr<const Tls> tls;  // null: in the clear
};

struct PeerCounters {
  uint64_t frames_sent = 0;
  uint64_t frames_received = 0;
  uint64_t bytes_sent = 0;
  uint64_t bytes_received = 0;
  uint64_t frames_dropped = 0;   // peer down, or its queue full
  uint64_t dials = 0;            // attempts to connect
  uint64_t connects = 0;         // dialed connections that came up
  uint64_t bad_connections = 0;  // ended for bytes that were no valid frames
};

class PeerTransport {
 public:
  // `handler` outlives the transport.
  PeerTransport(asio::io_context& io, PeerHandler& handler, Hello self, PeerOptions options = {});
  ~PeerTransport();
  PeerTransport(const PeerTransport&) = delete;
  PeerTransport& operator=(const PeerTransport&) = delete;

  Status Listen(const std::string& host, uint16_t port);
  uint16_t port() const;

  // What later Hellos say.
  void SetSelf(Hello self);
  // Says Hello anew on every connection that is up (after SetSelf: the cluster was founded).
  void Reintroduce();
  // The peers to be dialed: those no longer listed are let go with a Goodbye on both connections.
  void SetPeers(std::vector<PeerAddress> peers);

  // False if the frame was dropped: the peer is not up, or its queue is full. Bodies are at most
  // kFrameBodyMax. Frames leave at the end of the loop's turn, or at Flush.
  bool Send(NodeId to, Bytes body);
  bool Send(NodeId to, SharedBytes body);
  void Flush();

  bool IsUp(NodeId peer) const;
  size_t QueuedBytes(NodeId peer) const;

  // Sends Goodbye everywhere and closes. Nothing is called back afterwards.
  void Goodbye();
  // Closes without Goodbye, as a crash would.
  void Abort();

  const PeerCounters& counters() const;

 private:
  class Core;
  std::shared_ptr<Core> core_;
};

}  // namespace synod::net

#endif  // SYNOD_NET_PEER_TRANSPORT_H_
