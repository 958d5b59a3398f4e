#include "src/net/http_connection.h"

#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <exception>
#include <utility>

#include "src/base/check.h"

namespace synod::net {
namespace {

constexpr size_t kScratchBytes = size_t{64} << 10;
constexpr size_t kReadAheadBytes = size_t{64} << 10;
// Reads of one connection before the others have their turn.
constexpr int kReadsPerTurn = 4;

RequestLimits LimitsOf(const HttpOptions& options) {
  return {options.body_bytes_max, options.header_bytes_max, options.target_bytes_max};
}

}  // namespace

int64_t SteadyUs() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

HttpShared::HttpShared(asio::io_context& context,
                       HttpHandler& the_handler,
                       const HttpOptions& the_options)
    : io(context), handler(the_handler), options(the_options), scratch(kScratchBytes) {}

void HttpShared::MarkDirty(const std::shared_ptr<HttpConnection>& connection) {
  thread.Check();
  dirty.push_back(connection);
  if (std::exchange(flush_posted, true))
    return;
  // Behind whatever else is ready now: all answers of this turn leave together.
  asio::post(io, [weak = self] {
    if (const auto shared = weak.lock())
      shared->FlushDirty();
  });
}

void HttpShared::FlushDirty() {
  flush_posted = false;
  const auto batch = std::exchange(dirty, {});
  for (const auto& connection : batch) connection->Flush();
}

void HttpShared::StandInLine(const std::shared_ptr<HttpConnection>& connection) {
  line_.push_back({connection, SteadyUs()});
  counters.in_line = line_.size();
  PostTurns();
}

void HttpShared::Drop() {
  dirty.clear();
  line_.clear();
  counters.in_line = 0;
}

void HttpShared::PostTurns() {
  if (std::exchange(turns_posted_, true))
    return;
  asio::post(io, [weak = self] {
    if (const auto shared = weak.lock())
      shared->TakeTurns();
  });
}

void HttpShared::TakeTurns() {
  turns_posted_ = false;
  const int64_t begin_us = SteadyUs();
  for (int64_t now_us = begin_us; !line_.empty(); now_us = SteadyUs()) {
    if (now_us - begin_us >= options.turn_max.count() && now_us != begin_us)
      break;
    const InLine place = std::move(line_.front());
    line_.pop_front();
    counters.in_line = line_.size();
    place.connection->TakeTurn(now_us - place.since_us);
  }
  if (!line_.empty())
    PostTurns();
}

HttpConnection::HttpConnection(std::shared_ptr<HttpShared> shared, Wire wire, Tcp::endpoint remote)
    : shared_(std::move(shared)),
      wire_(std::move(wire)),
      remote_(std::move(remote)),
      parser_(LimitsOf(shared_->options)),
      active_ms_(shared_->StampMs()) {}

HttpConnection::~HttpConnection() = default;

void HttpConnection::Start(std::list<std::shared_ptr<HttpConnection>>::iterator place) {
  place_ = place;
  ArmRead();
}

// --- input ---

bool HttpConnection::MayTakeRequest() const {
  return phase_ == Phase::kOpen && !last_request_taken_ && !abandoned_ &&
         slots_.size() < shared_->options.pipeline_max &&
         output_.bytes() < shared_->options.output_high_water &&
         (slots_.empty() || !(serial_ || WaitsForTurn()));
}

// RFC 9112, 9.3.2: only requests with safe methods run side by side. Whoever pipelines a change and
// a read behind it expects to read the change.
bool HttpConnection::WaitsForTurn() const {
  return parser_.state() == RequestParser::State::kDone && !parser_.safe();
}

bool HttpConnection::WantsInput() const {
  if (phase_ == Phase::kClosed || input_ended_)
    return false;
  // A peer that takes nothing is not listened to: what it asks for would only pile up.
  if (websocket_ != nullptr)
    return websocket_->waiting() < kReadAheadBytes &&
           output_.bytes() < shared_->options.output_high_water;
  if (phase_ == Phase::kLingering || last_request_taken_)
    return dropped_bytes_ <= shared_->options.drain_bytes_max;
  // A little is read ahead of its turn: only so is it seen that the client has gone.
  return MayTakeRequest() || unparsed_.size() < kReadAheadBytes;
}

void HttpConnection::ArmRead() {
  if (read_armed_ || !WantsInput())
    return;
  read_armed_ = true;
  wire_.socket().async_wait(Socket::wait_read, [self = shared_from_this()](error_code ec) {
    self->OnReady(ec, &self->read_ready_);
  });
}

void HttpConnection::OnReady(error_code ec, bool* ready) {
  shared_->thread.Enter();
  if (phase_ == Phase::kClosed || ec == asio::error::operation_aborted)
    return;
  *ready = true;
  if (!std::exchange(in_line_, true))
    shared_->StandInLine(shared_from_this());
}

void HttpConnection::TakeTurn(int64_t waited_us) {
  const auto self = shared_from_this();
  in_line_ = false;
  waited_us_ = waited_us;
  if (std::exchange(write_ready_, false)) {
    write_armed_ = false;
    Flush();
  }
  if (std::exchange(read_ready_, false)) {
    read_armed_ = false;
    ReadSome();
  }
  waited_us_.reset();
}

void HttpConnection::ReadSome() {
  if (phase_ == Phase::kClosed)
    return;
  processing_ = true;
  std::vector<char>& scratch = shared_->scratch;
  for (int round = 0; round < kReadsPerTurn && WantsInput(); ++round) {
    size_t n = 0;
    const Wire::Got got = wire_.Read(scratch.data(), scratch.size(), &n);
    if (got == Wire::Got::kBlocked)
      break;
    if (got == Wire::Got::kFailed) {
      Close();
      return;
    }
    if (got == Wire::Got::kEnd) {
      OnInputEnd();
      break;
    }
    active_ms_ = shared_->StampMs();
    shared_->counters.received_bytes += n;
    OnInput({scratch.data(), n});
    if (n < scratch.size() && wire_.ShortReadIsAll())
      break;
  }
  processing_ = false;
  Flush();
}

void HttpConnection::OnInput(std::string_view in) {
  if (websocket_ != nullptr) {
    heard_ms_ = shared_->StampMs();
    websocket_->Feed(in);
    AccountInput();
    return;
  }
  if (phase_ != Phase::kOpen || last_request_taken_) {
    dropped_bytes_ += in.size();
    return;
  }
  if (!unparsed_.empty()) {
    unparsed_.Append(in);
    ParseUnparsed();
    return;
  }
  const size_t used = Parse(in);
  if (last_request_taken_) {
    dropped_bytes_ += in.size() - used;
  } else if (used < in.size() && phase_ != Phase::kClosed) {
    unparsed_.Append(in.substr(used));
    AccountInput();
  }
}

void HttpConnection::ParseUnparsed() {
  unparsed_.Use(Parse(unparsed_.view()));
  if (last_request_taken_) {
    dropped_bytes_ += unparsed_.size();
    unparsed_.Clear();
  }
  if (phase_ != Phase::kClosed)
    AccountInput();
}

// Takes requests from `in` while there are any and there is room; returns how much it used.
size_t HttpConnection::Parse(std::string_view in) {
  using State = RequestParser::State;
  size_t used = 0;
  while (MayTakeRequest()) {
    if (parser_.state() == State::kDone) {
      Dispatch();
      continue;
    }
    if (used == in.size())
      break;
    const State before = parser_.state();
    used += parser_.Feed(in.substr(used));
    AccountInput();
    const State state = parser_.state();
    if (state != before && (state == State::kHead || state == State::kBody))
      request_ms_ = shared_->StampMs();
    if (state == State::kRefused) {
      Refuse(parser_.refusal().code, parser_.refusal().detail, parser_.head());
      return used;
    }
    if (shared_->MemoryUsed() > shared_->options.memory_bytes_max) {
      Refuse(Errc::kOverloaded, "too much memory is held by requests and answers", parser_.head());
      return used;
    }
    if (state != State::kDone) {
      ContinueIfNeeded();
      return used;
    }
  }
  parse_blocked_ = used < in.size() || parser_.state() == State::kDone;
  return used;
}

void HttpConnection::AccountInput() {
  const size_t held =
      parser_.held() + unparsed_.held() + (websocket_ != nullptr ? websocket_->held() : 0);
  shared_->counters.request_bytes += held - input_held_;
  input_held_ = held;
}

void HttpConnection::ContinueIfNeeded() {
  if (parser_.state() != RequestParser::State::kBody || !parser_.expects_continue() ||
      std::exchange(continue_sent_, true))
    return;
  // In a slot of its own, since answers to earlier requests come first.
  const uint64_t sequence = first_sequence_ + slots_.size();
  slots_.emplace_back();
  OutputQueue& out = OutputOf(sequence);
  const size_t before = out.bytes();
  out.Append(std::string_view("HTTP/1.1 100 Continue\r\n\r\n"));
  AccountOutput(before, out.bytes());
  CompleteSlot(sequence);
}

void HttpConnection::Dispatch() {
  const bool keep_alive = parser_.keep_alive();
  const size_t held = parser_.held();
  // The exchange counts these bytes from here on.
  input_held_ -= held;
  continue_sent_ = false;
  serial_ = parser_.http_1_0() || !parser_.safe();
  if (!keep_alive)
    last_request_taken_ = true;
  ++shared_->counters.requests;
  const uint64_t sequence = first_sequence_ + slots_.size();
  HttpRequest request = parser_.Take();
  request.waited_us = waited_us_;
  // The handshake is over, and there is no other on this connection.
  if (!certified_name_)
    certified_name_ = wire_.CertifiedName();
  request.certified_name = *certified_name_;
  auto exchange =
      std::make_shared<HttpExchange>(shared_from_this(), std::move(request), sequence, held);
  // Its client may have gone while it stood behind a change: nothing more is read that could tell.
  exchange->gone_ = input_ended_;
  slots_.push_back({exchange.get(), {}, false});
  try {
    shared_->handler.OnRequest(std::move(exchange));
  } catch (const std::exception&) {
    // The exchange went with the exception: if it was not answered the connection ends (Abandon).
    ++shared_->counters.exceptions;
  }
}

void HttpConnection::OnInputEnd() {
  input_ended_ = true;
  // A WebSocket ends by its handshake: whoever goes without one is gone.
  if (phase_ == Phase::kLingering || websocket_ != nullptr) {
    Close();
    return;
  }
  NotifyGone();
}

void HttpConnection::Refuse(Errc code, std::string detail, bool head) {
  ++shared_->counters.refusals;
  last_request_taken_ = true;
  parser_.Drop();
  AccountInput();
  const HttpResponse response = shared_->handler.Refuse(code, std::move(detail));
  const uint64_t sequence = first_sequence_ + slots_.size();
  slots_.emplace_back();
  OutputQueue& out = OutputOf(sequence);
  const size_t before = out.bytes();
  std::string* tail = out.Tail();
  const size_t size = tail->size();
  AppendHead(response, Framing::kLength, AfterAnswer::kClose, shared_->date, tail);
  if (!head)
    tail->append(response.body);
  out.Appended(size);
  AccountOutput(before, out.bytes());
  CompleteSlot(sequence);
  MarkDirty();
}

// --- output ---

HttpConnection::Slot& HttpConnection::SlotOf(uint64_t sequence) {
  SYNOD_CHECK_GE(sequence, first_sequence_);
  SYNOD_CHECK_LT(sequence, first_sequence_ + slots_.size());
  return slots_[sequence - first_sequence_];
}

OutputQueue& HttpConnection::OutputOf(uint64_t sequence) {
  Slot& slot = SlotOf(sequence);
  return IsFirst(sequence) ? output_ : slot.output;
}

void HttpConnection::AccountOutput(size_t before, size_t after) {
  output_held_ += after - before;
  shared_->counters.output_bytes += after - before;
}

void HttpConnection::CompleteSlot(uint64_t sequence) {
  Slot& slot = SlotOf(sequence);
  SYNOD_CHECK(!slot.complete);
  slot.complete = true;
  slot.exchange = nullptr;
  if (IsFirst(sequence))
    PopComplete();
}

void HttpConnection::PopComplete() {
  while (!slots_.empty() && slots_.front().complete) {
    slots_.pop_front();
    ++first_sequence_;
    if (!slots_.empty())
      output_.Splice(std::move(slots_.front().output));
  }
}

void HttpConnection::MarkDirty() {
  if (processing_ || dirty_ || phase_ == Phase::kClosed)
    return;
  dirty_ = true;
  shared_->MarkDirty(shared_from_this());
}

void HttpConnection::Flush() {
  dirty_ = false;
  while (phase_ != Phase::kClosed) {
    if (!write_armed_ && !output_.empty()) {
      const size_t before = output_.bytes();
      const auto written = wire_.Write(&output_, &shared_->counters.sent_bytes);
      AccountOutput(before, output_.bytes());
      if (output_.bytes() != before)
        active_ms_ = shared_->StampMs();
      if (written == OutputQueue::Written::kFailed || abandoned_) {
        Close();
        return;
      }
      if (written == OutputQueue::Written::kBlocked && !wire_.WritesAfterRead())
        ArmWrite();
    } else if (abandoned_) {
      Close();
      return;
    }
    OnDrainedCheck();
    if (!parse_blocked_ || !MayTakeRequest())
      break;
    parse_blocked_ = false;
    processing_ = true;
    ParseUnparsed();
    processing_ = false;
  }
  if (phase_ == Phase::kClosed)
    return;
  if (phase_ == Phase::kOpen && slots_.empty() && output_.empty() &&
      (last_request_taken_ || input_ended_))
    Linger();
  if (phase_ == Phase::kLingering && dropped_bytes_ > shared_->options.drain_bytes_max)
    Close();
  ArmRead();
}

void HttpConnection::ArmWrite() {
  write_armed_ = true;
  wire_.socket().async_wait(Socket::wait_write, [self = shared_from_this()](error_code ec) {
    self->OnReady(ec, &self->write_ready_);
  });
}

void HttpConnection::OnDrainedCheck() {
  std::vector<std::function<void()>> callbacks;
  for (Slot& slot : slots_) {
    if (slot.exchange != nullptr && slot.exchange->on_drained_ &&
        slot.exchange->QueuedBytes() < shared_->options.stream_low_water)
      callbacks.push_back(std::exchange(slot.exchange->on_drained_, nullptr));
  }
  for (const auto& callback : callbacks) callback();
}

// All that was owed is out. Closing now, with input unread, would make the kernel send a reset,
// which can overtake the answer: first say that nothing more comes, then wait for the client to
// finish.
void HttpConnection::Linger() {
  if (input_ended_) {
    Close();
    return;
  }
  phase_ = Phase::kLingering;
  linger_ms_ = shared_->StampMs();
  wire_.EndOutput();
}

void HttpConnection::NotifyGone() {
  std::vector<std::function<void()>> callbacks;
  for (Slot& slot : slots_) {
    if (slot.exchange == nullptr)
      continue;
    slot.exchange->gone_ = true;
    if (slot.exchange->on_gone_)
      callbacks.push_back(std::exchange(slot.exchange->on_gone_, nullptr));
  }
  for (const auto& callback : callbacks) callback();
}

void HttpConnection::Abandon(uint64_t sequence) {
  if (phase_ == Phase::kClosed)
    return;
  SlotOf(sequence).exchange = nullptr;
  abandoned_ = true;
  MarkDirty();
}

void HttpConnection::CloseWhenIdle() {
  last_request_taken_ = true;
  parse_blocked_ = false;
  MarkDirty();
}

void HttpConnection::Close() {
  if (phase_ == Phase::kClosed)
    return;
  const auto self = shared_from_this();
  phase_ = Phase::kClosed;
  wire_.Close();
  HttpCounters& counters = shared_->counters;
  counters.output_bytes -= std::exchange(output_held_, 0);
  counters.request_bytes -= std::exchange(input_held_, 0);
  --counters.connections;
  DropSocket();
  shared_->connections.erase(place_);
  output_ = OutputQueue{};
  // Exchanges look at the phase before they look for their slot.
  NotifyGone();
  slots_.clear();
}

bool HttpConnection::SweepRequest() {
  const HttpOptions& options = shared_->options;
  if (phase_ != Phase::kOpen || last_request_taken_ || parse_blocked_)
    return false;
  const auto state = parser_.state();
  if (state == RequestParser::State::kHead && IsOver(request_ms_, options.header_timeout)) {
    Refuse(Errc::kRequestTimeout, "the request's header took too long", parser_.head());
    return true;
  }
  if (state == RequestParser::State::kBody && IsOver(request_ms_, options.body_timeout)) {
    Refuse(Errc::kRequestTimeout, "the request's body took too long", parser_.head());
    return true;
  }
  return false;
}

void HttpConnection::Sweep() {
  const HttpOptions& options = shared_->options;
  if (phase_ == Phase::kLingering) {
    if (IsOver(linger_ms_, options.drain_timeout))
      Close();
    return;
  }
  if (SweepRequest())
    return;
  // A request that waits, or a stream with nothing to send, may be silent for as long as it likes.
  const bool owes_bytes = !output_.empty();
  if ((slots_.empty() || owes_bytes) && IsOver(active_ms_, options.idle_timeout))
    Close();
  else if (websocket_ != nullptr)
    SweepSocket();
}

}  // namespace synod::net
