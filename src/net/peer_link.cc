#include "src/net/peer_link.h"

#include <algorithm>
#include <utility>

#include "src/base/check.h"

namespace synod::net {
namespace {

// Two dials are at least this far apart. Without it two live processes with the same id would take
// each other's place as fast as the machine allows.
constexpr std::chrono::milliseconds kDialSpacing{10};

}  // namespace

PeerLink::PeerLink(std::shared_ptr<PeerShared> shared, PeerAddress address)
    : shared_(std::move(shared)),
      address_(std::move(address)),
      resolver_(shared_->io),
      connecting_(shared_->io),
      timer_(shared_->io),
      backoff_(shared_->options.backoff_min),
      verdict_timer_(shared_->io) {}

void PeerLink::Stop(bool with_goodbye) {
  state_ = State::kStopped;
  DropChannel(with_goodbye);
  error_code ignored;
  connecting_.close(ignored);
  resolver_.cancel();
  ++attempt_;
  ++timer_use_;
  timer_.cancel();
  verdict_timer_.cancel();
}

void PeerLink::SetAddress(const PeerAddress& address) {
  SYNOD_CHECK(address.id == address_.id);
  if (address == address_)
    return;
  address_ = address;
  endpoints_.clear();
  if (state_ == State::kUp)
    return;  // the peer is met where it was; the new address counts when that ends
  backoff_ = shared_->options.backoff_min;
  DropChannel(false);
  Dial();
}

void PeerLink::Reintroduce() {
  if (state_ == State::kUp)
    Greet();
}

// --- dialing ---

void PeerLink::SetTimer(std::chrono::milliseconds after, void (PeerLink::*action)()) {
  timer_.expires_after(after);
  timer_.async_wait([weak = weak_from_this(), use = ++timer_use_, action](error_code ec) {
    const auto self = weak.lock();
    if (!ec && self && self->timer_use_ == use && self->state_ != State::kStopped)
      ((*self).*action)();
  });
}

void PeerLink::DropChannel(bool with_goodbye) {
  const auto channel = std::exchange(channel_, nullptr);
  if (!channel)
    return;
  if (with_goodbye) {
    channel->CloseWithGoodbye();
  } else {
    channel->Close();
  }
}

void PeerLink::WaitAndDial() {
  state_ = State::kWaiting;
  // Half of it is jitter, so that nodes that lost each other together do not stay in step.
  const auto half = static_cast<uint64_t>(backoff_.count()) / 2;
  const std::chrono::milliseconds wait(half + shared_->random.Below(half + 1));
  backoff_ = std::min(backoff_ * 2, shared_->options.backoff_max);
  SetTimer(wait, &PeerLink::Dial);
}

// At once, unless the last dial was just now.
void PeerLink::DialSoon() {
  const auto since = std::chrono::steady_clock::now() - dialed_at_;
  if (since >= kDialSpacing) {
    Dial();
    return;
  }
  state_ = State::kWaiting;
  SetTimer(kDialSpacing, &PeerLink::Dial);
}

void PeerLink::Dial() {
  ++attempt_;
  ++shared_->counters.dials;
  dialed_at_ = std::chrono::steady_clock::now();
  next_endpoint_ = 0;
  SetTimer(shared_->options.connect_timeout, &PeerLink::OnAttemptTimeout);
  // A suspect is asked where it was met; a name may lead to its successor elsewhere.
  if (suspected_) {
    endpoints_ = {was_up_at_};
    ConnectNext();
    return;
  }
  error_code ec;
  const auto numeric = asio::ip::make_address(address_.host, ec);
  if (!ec) {
    endpoints_ = {Tcp::endpoint(numeric, address_.port)};
    ConnectNext();
    return;
  }
  Resolve();
}

void PeerLink::Resolve() {
  state_ = State::kResolving;
  resolver_.async_resolve(
      address_.host, std::to_string(address_.port),
      [weak = weak_from_this(), attempt = attempt_](error_code ec, const auto& found) {
        const auto self = weak.lock();
        if (!self || self->attempt_ != attempt)
          return;
        self->endpoints_.clear();
        for (const auto& entry : found) self->endpoints_.push_back(entry.endpoint());
        if (ec || self->endpoints_.empty()) {
          self->AttemptFailed(false);
        } else {
          self->ConnectNext();
        }
      });
}

void PeerLink::ConnectNext() {
  state_ = State::kConnecting;
  dialed_ = endpoints_[next_endpoint_++];
  error_code ec;
  connecting_.close(ec);
  connecting_.open(dialed_.protocol(), ec);
  if (ec) {
    AttemptFailed(false);
    return;
  }
  PrepareSocket(connecting_, shared_->options);
  connecting_.async_connect(dialed_,
                            [weak = weak_from_this(), attempt = attempt_](error_code result) {
                              const auto self = weak.lock();
                              if (self && self->attempt_ == attempt)
                                self->OnConnected(result);
                            });
}

void PeerLink::OnConnected(error_code ec) {
  if (ec) {
    if (next_endpoint_ < endpoints_.size()) {
      ConnectNext();
    } else {
      AttemptFailed(ec == asio::error::connection_refused && dialed_ == was_up_at_);
    }
    return;
  }
  state_ = State::kGreeting;
  SetTimer(shared_->options.hello_timeout, &PeerLink::OnAttemptTimeout);
  channel_ = std::make_shared<FrameChannel>(
      shared_, Wire(std::move(connecting_), shared_->options.tls.get(), address_.host),
      weak_from_this());
  channel_->Start();
  Greet();
}

void PeerLink::Greet() {
  Hello hello = shared_->self;
  hello.to = address_.id;
  hello.payload = shared_->handler.HelloPayload(address_.id);
  if (!channel_)
    return;
  channel_->Queue(FrameType::kHello, EncodeHello(hello));
  channel_->Flush();
}

void PeerLink::AttemptFailed(bool refused) {
  ++attempt_;
  error_code ignored;
  connecting_.close(ignored);
  DropChannel(false);
  WaitAndDial();
  // Nobody listens where that process did.
  if (refused && boot_id_ != 0 && !said_goodbye_) {
    EndSuspicion();
    boot_id_ = 0;
    ReportDown(true);
  }
}

// --- the conversation ---

bool PeerLink::OnChannelFrame(FrameType type, std::string_view body) {
  switch (type) {
    case FrameType::kHelloAck:
      return OnHelloAck(body);
    case FrameType::kGoodbye:
      said_goodbye_ = true;
      return true;
    case FrameType::kHello:
    case FrameType::kMessage:
      return false;
  }
  return false;
}

bool PeerLink::OnHelloAck(std::string_view body) {
  const std::optional<HelloAck> ack = DecodeHelloAck(body);
  if (!ack || (state_ != State::kGreeting && state_ != State::kUp))
    return false;
  const auto self = shared_from_this();
  Judge(*ack);
  return true;
}

void PeerLink::Judge(const HelloAck& ack) {
  const auto refuse = [&](const std::string& reason, bool tell) {
    DropChannel(true);
    WaitAndDial();
    EndSuspicion();
    if (reported_up_)
      ReportDown(false);
    if (tell)
      shared_->handler.OnHelloRefused(address_.id, reason, ack.hello);
  };
  if (ack.hello.from != address_.id) {
    refuse("node " + std::to_string(ack.hello.from.value) + " answers at this address", true);
    return;
  }
  LearnBoot(ack.hello.boot_id);
  if (state_ == State::kStopped)
    return;
  EndSuspicion();
  if (!ack.accepted) {
    refuse(ack.reason, true);
    return;
  }
  const HelloVerdict verdict = shared_->handler.OnHello(ack.hello, true);
  if (state_ == State::kStopped || !channel_)
    return;
  if (!verdict.accept) {
    refuse(verdict.reason, false);
    return;
  }
  if (state_ == State::kGreeting) {
    state_ = State::kUp;
    ++shared_->counters.connects;
    was_up_at_ = dialed_;
    backoff_ = shared_->options.backoff_min;
    ++timer_use_;
    timer_.cancel();
  }
  if (!std::exchange(reported_up_, true))
    shared_->handler.OnPeerUp(address_.id, ack.hello);
}

void PeerLink::OnChannelEnd() {
  const auto self = shared_from_this();
  const bool was_up = state_ == State::kUp;
  channel_.reset();
  if (!was_up) {
    AttemptFailed(false);
    return;
  }
  if (said_goodbye_) {
    WaitAndDial();
    ReportDown(false);
    return;
  }
  Suspect();
  DialSoon();
}

// --- the process behind it ---

// Another boot_id at a peer's place proves that the process before it is gone.
void PeerLink::LearnBoot(uint64_t boot_id) {
  const uint64_t before = std::exchange(boot_id_, boot_id);
  said_goodbye_ = false;
  if (before == 0 || before == boot_id)
    return;
  EndSuspicion();
  ReportDown(true);
}

void PeerLink::Suspect() {
  if (!reported_up_ || std::exchange(suspected_, true))
    return;
  verdict_timer_.expires_after(shared_->options.verdict_timeout);
  verdict_timer_.async_wait([weak = weak_from_this()](error_code ec) {
    const auto self = weak.lock();
    if (!ec && self && self->suspected_ && self->state_ != State::kStopped)
      self->OnVerdictTimeout();
  });
}

void PeerLink::EndSuspicion() {
  if (std::exchange(suspected_, false))
    verdict_timer_.cancel();
}

void PeerLink::OnVerdictTimeout() {
  suspected_ = false;
  // Its connection to us ended and it does not answer on ours: start anew.
  if (state_ == State::kUp) {
    DropChannel(true);
    WaitAndDial();
  }
  ReportDown(false);
}

void PeerLink::ReportDown(bool process_gone) {
  if (process_gone)
    said_goodbye_ = false;
  if (reported_up_ || process_gone) {
    reported_up_ = false;
    shared_->handler.OnPeerDown(address_.id, process_gone);
  }
}

void PeerLink::OnInboundHello(const Hello& hello) {
  const auto self = shared_from_this();
  const bool successor = boot_id_ != 0 && boot_id_ != hello.boot_id;
  LearnBoot(hello.boot_id);
  if (state_ == State::kStopped)
    return;
  if (successor && state_ == State::kUp) {
    // Our connection leads to the process before it.
    DropChannel(false);
    backoff_ = shared_->options.backoff_min;
    DialSoon();
  } else if (state_ == State::kWaiting) {
    // It lives: no need to wait any longer.
    DialSoon();
  }
}

void PeerLink::OnInboundGoodbye(uint64_t boot_id) {
  if (boot_id == boot_id_)
    said_goodbye_ = true;
}

void PeerLink::OnInboundLost(uint64_t boot_id) {
  if (boot_id != boot_id_ || said_goodbye_ || state_ != State::kUp || suspected_)
    return;
  // Ask on the connection that is left: if the process is gone, that one ends too.
  Suspect();
  Greet();
}

}  // namespace synod::net
