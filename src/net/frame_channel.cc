#include "src/net/frame_channel.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "src/base/check.h"

namespace synod::net {
namespace {

constexpr size_t kScratchBytes = size_t{256} << 10;
constexpr int kReadsPerTurn = 4;
// What is read and dropped before a close, so that the close does not become a reset that could
// overtake the Goodbye.
constexpr size_t kDropBeforeClose = size_t{4} << 20;

}  // namespace

PeerShared::PeerShared(asio::io_context& context,
                       PeerHandler& the_handler,
                       Hello me,
                       const PeerOptions& o)
    : io(context),
      handler(the_handler),
      self(std::move(me)),
      options(o),
      random(o.seed),
      scratch(kScratchBytes) {}

void PeerShared::MarkDirty(std::shared_ptr<FrameChannel> channel) {
  thread.Check();
  dirty.push_back(std::move(channel));
  if (std::exchange(flush_posted, true))
    return;
  asio::post(io, [weak = weak_self] {
    if (const auto shared = weak.lock()) {
      shared->flush_posted = false;
      shared->FlushDirty();
    }
  });
}

void PeerShared::FlushDirty() {
  const auto batch = std::exchange(dirty, {});
  for (const auto& channel : batch) channel->Flush();
}

void PrepareSocket(Socket& socket, const PeerOptions& options) {
  error_code ignored;
  socket.set_option(Tcp::no_delay(true), ignored);
  socket.non_blocking(true, ignored);
  const int stall_ms = static_cast<int>(options.stall_timeout.count());
  ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_USER_TIMEOUT, &stall_ms, sizeof stall_ms);
}

FrameChannel::FrameChannel(std::shared_ptr<PeerShared> shared,
                           Wire wire,
                           std::weak_ptr<ChannelOwner> owner)
    : shared_(std::move(shared)), wire_(std::move(wire)), owner_(std::move(owner)) {}

void FrameChannel::Start() { ArmRead(); }

void FrameChannel::Queue(FrameType type, Bytes body) {
  if (!open_)
    return;
  std::string* tail = output_.Tail();
  const size_t size = tail->size();
  AppendFrameHeader(type, body, tail);
  output_.Appended(size);
  output_.Append(std::move(body));
  AfterQueue();
}

void FrameChannel::Queue(FrameType type, SharedBytes body) {
  if (!open_)
    return;
  std::string* tail = output_.Tail();
  const size_t size = tail->size();
  AppendFrameHeader(type, *body, tail);
  output_.Appended(size);
  output_.Append(std::move(body));
  AfterQueue();
}

void FrameChannel::AfterQueue() {
  ++shared_->counters.frames_sent;
  if (!std::exchange(dirty_, true))
    shared_->MarkDirty(shared_from_this());
}

void FrameChannel::Flush() {
  dirty_ = false;
  if (!open_ || write_armed_ || output_.empty())
    return;
  switch (wire_.Write(&output_, &shared_->counters.bytes_sent)) {
    case OutputQueue::Written::kAll:
      return;
    case OutputQueue::Written::kBlocked:
      if (!wire_.WritesAfterRead())
        ArmWrite();
      return;
    case OutputQueue::Written::kFailed:
      // Not from within a call of the owner's.
      asio::post(shared_->io, [self = shared_from_this()] { self->End(); });
      return;
  }
}

void FrameChannel::ArmRead() {
  wire_.socket().async_wait(Socket::wait_read, [self = shared_from_this()](error_code ec) {
    if (self->open_ && ec != asio::error::operation_aborted)
      self->OnReadable();
  });
}

void FrameChannel::ArmWrite() {
  write_armed_ = true;
  wire_.socket().async_wait(Socket::wait_write, [self = shared_from_this()](error_code ec) {
    self->write_armed_ = false;
    if (ec != asio::error::operation_aborted)
      self->Flush();
  });
}

void FrameChannel::OnReadable() {
  shared_->thread.Enter();
  const auto owner = owner_.lock();
  if (!owner)
    return;
  std::vector<char>& scratch = shared_->scratch;
  bool allowed = true;
  const auto on_frame = [&](FrameType type, std::string_view body) {
    ++shared_->counters.frames_received;
    allowed = owner->OnChannelFrame(type, body);
    return allowed && open_;
  };
  for (int round = 0; round < kReadsPerTurn; ++round) {
    size_t n = 0;
    const Wire::Got got = wire_.Read(scratch.data(), scratch.size(), &n);
    if (got == Wire::Got::kBlocked)
      break;
    if (got != Wire::Got::kBytes) {
      if (!wire_.error().empty())
        shared_->handler.OnBadPeer(wire_.error());
      End();
      return;
    }
    shared_->counters.bytes_received += n;
    const char* wrong = reader_.Feed({scratch.data(), n}, on_frame);
    if (!open_)
      return;
    if (wrong != nullptr || !allowed) {
      ++shared_->counters.bad_connections;
      End();
      return;
    }
    if (n < scratch.size() && wire_.ShortReadIsAll())
      break;
  }
  if (wire_.WritesAfterRead())
    Flush();
  ArmRead();
}

void FrameChannel::End() {
  if (!open_)
    return;
  const auto self = shared_from_this();
  Close();
  if (const auto owner = owner_.lock())
    owner->OnChannelEnd();
}

void FrameChannel::Close() {
  open_ = false;
  output_ = OutputQueue{};
  wire_.Close();
}

void FrameChannel::CloseWithGoodbye() {
  if (!open_)
    return;
  Queue(FrameType::kGoodbye, Bytes());
  (void)wire_.Write(&output_, &shared_->counters.bytes_sent);
  std::vector<char> dropped(size_t{64} << 10);
  for (size_t total = 0, n = 0; total < kDropBeforeClose; total += n)
    if (wire_.Read(dropped.data(), dropped.size(), &n) != Wire::Got::kBytes)
      break;
  Close();
}

}  // namespace synod::net
