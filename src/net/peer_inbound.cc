#include "src/net/peer_inbound.h"

#include <utility>

namespace synod::net {

PeerInbound::PeerInbound(std::shared_ptr<PeerShared> shared, std::shared_ptr<const Events> events)
    : shared_(std::move(shared)), events_(std::move(events)), hello_timer_(shared_->io) {}

void PeerInbound::Start(Socket socket) {
  PrepareSocket(socket, shared_->options);
  channel_ = std::make_shared<FrameChannel>(
      shared_, Wire(std::move(socket), shared_->options.tls.get()), weak_from_this());
  channel_->Start();
  hello_timer_.expires_after(shared_->options.hello_timeout);
  hello_timer_.async_wait([weak = weak_from_this()](error_code ec) {
    const auto self = weak.lock();
    if (ec || !self || self->accepted() || !self->channel_->open())
      return;
    ++self->shared_->counters.bad_connections;
    self->channel_->Close();
    self->OnChannelEnd();
  });
}

void PeerInbound::Close(bool with_goodbye) {
  hello_timer_.cancel();
  if (with_goodbye) {
    channel_->CloseWithGoodbye();
  } else {
    channel_->Close();
  }
}

bool PeerInbound::OnChannelFrame(FrameType type, std::string_view body) {
  switch (type) {
    case FrameType::kHello:
      return OnHello(body);
    case FrameType::kMessage:
      if (!accepted())
        return false;
      shared_->handler.OnFrame(from_, body);
      return true;
    case FrameType::kGoodbye:
      said_goodbye_ = true;
      if (accepted())
        events_->on_goodbye(*this);
      return true;
    case FrameType::kHelloAck:
      return false;
  }
  return false;
}

bool PeerInbound::OnHello(std::string_view body) {
  const auto self = shared_from_this();
  const std::optional<Hello> hello = DecodeHello(body);
  // Who introduces itself twice must stay the same.
  if (!hello || (accepted() && (hello->from != from_ || hello->boot_id != boot_id_)))
    return false;
  const HelloVerdict verdict = shared_->handler.OnHello(*hello, false);
  if (!channel_->open())
    return true;
  HelloAck ack{verdict.accept, verdict.reason, shared_->self};
  ack.hello.to = hello->from;
  ack.hello.payload = shared_->handler.HelloPayload(hello->from);
  channel_->Queue(FrameType::kHelloAck, EncodeHelloAck(ack));
  channel_->Flush();
  if (!channel_->open())
    return true;
  if (!verdict.accept) {
    hello_timer_.cancel();
    channel_->CloseWithGoodbye();
    OnChannelEnd();
    return true;
  }
  from_ = hello->from;
  boot_id_ = hello->boot_id;
  hello_timer_.cancel();
  channel_->set_body_max(kFrameBodyMax);
  events_->on_accepted(*this, *hello);
  return true;
}

void PeerInbound::OnChannelEnd() {
  const auto self = shared_from_this();
  hello_timer_.cancel();
  events_->on_end(*this);
}

}  // namespace synod::net
