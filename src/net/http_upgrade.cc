// A connection that has become a WebSocket.
#include <algorithm>
#include <exception>
#include <utility>

#include "src/base/check.h"
#include "src/net/http_connection.h"

namespace synod::net {

// The request ran alone (RequestParser::safe), so that nothing is before or behind its answer.
Status HttpConnection::Upgrade(const HttpRequest& request,
                               const HttpResponse& head,
                               std::function<void(std::string)> on_message) {
  SYNOD_CHECK_EQ(slots_.size(), 1u);
  last_request_taken_ = true;
  parse_blocked_ = false;
  on_message_ = std::move(on_message);
  heard_ms_ = pinged_ms_ = shared_->StampMs();
  websocket_ =
      std::make_shared<WebSocket>(shared_->io.get_executor(), static_cast<WebSocket::Owner*>(this),
                                  shared_->options.socket_message_bytes_max);
  ++shared_->counters.websockets;
  Status started = websocket_->Start(request, head, shared_->date);
  if (!unparsed_.empty())
    websocket_->Feed(unparsed_.view());
  unparsed_.Clear();
  AccountInput();
  MarkDirty();
  return started;
}

void HttpConnection::CloseSocket(uint16_t code, const std::string& reason) {
  slots_.front().exchange = nullptr;
  on_message_ = nullptr;
  websocket_->Close(code, reason);
  MarkDirty();
}

void HttpConnection::DropSocket() {
  if (websocket_ == nullptr)
    return;
  websocket_->Detach();
  websocket_ = nullptr;
  --shared_->counters.websockets;
}

void HttpConnection::OnSocketBytes(std::string_view bytes) {
  const size_t before = output_.bytes();
  output_.Append(bytes);
  AccountOutput(before, output_.bytes());
  MarkDirty();
}

void HttpConnection::OnSocketMessage(std::string text) {
  AccountInput();
  if (!on_message_)
    return;
  // It may end the socket, and itself with it.
  const auto on_message = on_message_;
  try {
    on_message(std::move(text));
  } catch (const std::exception&) {
    ++shared_->counters.exceptions;
    Close();
  }
}

void HttpConnection::OnSocketRoom() { MarkDirty(); }

void HttpConnection::OnSocketClosed() {
  const auto self = shared_from_this();
  DropSocket();
  AccountInput();
  if (slots_.front().exchange != nullptr)
    slots_.front().exchange->Leave();
  CompleteSlot(first_sequence_);
  MarkDirty();
}

void HttpConnection::SweepSocket() {
  const HttpOptions& options = shared_->options;
  if (!websocket_->may_send()) {
    // The peer owes its half of the closing handshake since the last byte of ours was out.
    if (output_.empty() && IsOver(active_ms_, options.drain_timeout))
      Close();
    return;
  }
  // While it is not listened to its silence says nothing: whoever writes sees that it is stuck.
  if (!WantsInput())
    return;
  if (IsOver(heard_ms_, options.socket_silence_max)) {
    Close();
  } else if (IsOver(std::max(heard_ms_, pinged_ms_), options.socket_ping_after)) {
    pinged_ms_ = shared_->now_ms;
    websocket_->Ping();
  }
}

}  // namespace synod::net
