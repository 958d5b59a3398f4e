// FrameChannel: a connected socket between two nodes, as frames in and out.
//
// Contract      Frames given to Queue leave in order, at the end of the turn or at Flush. The owner
//               hears of each whole frame and, once, of the end; after Close() of nothing more.
// Thread        The loop's.   Errors: any of the socket's or of the format ends the channel.
// Not here      Who may say what and when (peer_link.h, peer_inbound.h).
#ifndef SYNOD_NET_FRAME_CHANNEL_H_
#define SYNOD_NET_FRAME_CHANNEL_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/random.h"
#include "src/net/asio.h"
#include "src/net/frame.h"
#include "src/net/loop.h"
#include "src/net/output_queue.h"
#include "src/net/peer_transport.h"
#include "src/net/wire.h"

namespace synod::net {

class FrameChannel;

// What all connections of a transport share.
struct PeerShared {
  PeerShared(asio::io_context& context, PeerHandler& the_handler, Hello me, const PeerOptions& o);

  // The channel has output: it is flushed at the end of the turn.
  void MarkDirty(std::shared_ptr<FrameChannel> channel);
  void FlushDirty();

  LoopThread thread;
  asio::io_context& io;
  PeerHandler& handler;
  Hello self;
  const PeerOptions options;
  PeerCounters counters;
  Random random;
  bool closed = false;
  std::vector<char> scratch;
  std::vector<std::shared_ptr<FrameChannel>> dirty;
  bool flush_posted = false;
  std::weak_ptr<PeerShared> weak_self;
};

class ChannelOwner {
 public:
  virtual ~ChannelOwner() = default;
  // False: the frame should not have come; the channel ends.
  virtual bool OnChannelFrame(FrameType type, std::string_view body) = 0;
  virtual void OnChannelEnd() = 0;
};

class FrameChannel : public std::enable_shared_from_this<FrameChannel> {
 public:
  FrameChannel(std::shared_ptr<PeerShared> shared, Wire wire, std::weak_ptr<ChannelOwner> owner);

  void Start();
  void Queue(FrameType type, Bytes body);
  void Queue(FrameType type, SharedBytes body);
  void Flush();
  // Silently: the owner is not told.
  void Close();
  // Says Goodbye first, as far as the kernel takes it at once.
  void CloseWithGoodbye();

  bool open() const { return open_; }
  size_t queued_bytes() const { return output_.bytes(); }
  void set_body_max(size_t bytes) { reader_.set_body_max(bytes); }

 private:
  void ArmRead();
  void ArmWrite();
  void OnReadable();
  void AfterQueue();
  void End();

  std::shared_ptr<PeerShared> shared_;
  Wire wire_;
  std::weak_ptr<ChannelOwner> owner_;
  FrameReader reader_;
  OutputQueue output_;
  bool open_ = true;
  bool write_armed_ = false;
  bool dirty_ = false;
};

// Options of every connection between nodes; also makes it non-blocking.
void PrepareSocket(Socket& socket, const PeerOptions& options);

}  // namespace synod::net

#endif  // SYNOD_NET_FRAME_CHANNEL_H_
