#include <array>
#include <charconv>
#include <utility>

#include "src/base/check.h"
#include "src/net/http_connection.h"

namespace synod::net {

HttpExchange::HttpExchange(std::shared_ptr<HttpConnection> connection,
                           HttpRequest request,
                           uint64_t sequence,
                           size_t held)
    : connection_(std::move(connection)),
      request_(std::move(request)),
      sequence_(sequence),
      held_(held) {}

HttpExchange::~HttpExchange() {
  connection_->shared_->counters.request_bytes -= held_;
  if (state_ != State::kComplete)
    connection_->Abandon(sequence_);
}

std::string HttpExchange::remote() const {
  const Tcp::endpoint& end = connection_->remote();
  const std::string address = end.address().to_string();
  return (end.address().is_v6() ? "[" + address + "]" : address) + ":" + std::to_string(end.port());
}

AfterAnswer HttpExchange::After() {
  if (connection_->IsLastAnswer(sequence_))
    return AfterAnswer::kClose;
  return request_.http_1_0 ? AfterAnswer::kKeepExplicit : AfterAnswer::kKeep;
}

void HttpExchange::Release() {
  state_ = State::kComplete;
  on_gone_ = nullptr;
  on_drained_ = nullptr;
}

void HttpExchange::Leave() {
  gone_ = true;
  const auto on_gone = std::exchange(on_gone_, nullptr);
  Release();
  if (on_gone)
    on_gone();
}

void HttpExchange::Complete() {
  Release();
  connection_->CompleteSlot(sequence_);
  connection_->MarkDirty();
}

void HttpExchange::Reply(HttpResponse response) {
  SYNOD_CHECK(state_ == State::kWaiting);
  SYNOD_CHECK(request_.head || !response.no_length);
  if (connection_->closed()) {
    state_ = State::kComplete;
    return;
  }
  OutputQueue& out = connection_->OutputOf(sequence_);
  const size_t before = out.bytes();
  std::string* tail = out.Tail();
  const size_t size = tail->size();
  // RFC 9110, section 8.6: a length is that of the body that GET would have sent.
  const Framing framing = response.no_length ? Framing::kUntold : Framing::kLength;
  AppendHead(response, framing, After(), connection_->shared_->date, tail);
  out.Appended(size);
  if (!request_.head && !NeverHasBody(response.status))
    out.Append(std::move(response.body));
  connection_->AccountOutput(before, out.bytes());
  Complete();
}

void HttpExchange::StartStream(HttpResponse head) {
  SYNOD_CHECK(state_ == State::kWaiting);
  if (connection_->closed()) {
    state_ = State::kComplete;
    return;
  }
  state_ = State::kStreaming;
  if (request_.http_1_0)
    connection_->last_request_taken_ = true;  // only the connection's end can end the body
  std::string body = std::exchange(head.body, {});
  OutputQueue& out = connection_->OutputOf(sequence_);
  const size_t before = out.bytes();
  std::string* tail = out.Tail();
  const size_t size = tail->size();
  const Framing framing = request_.http_1_0 ? Framing::kToClose : Framing::kChunked;
  AppendHead(head, framing, After(), connection_->shared_->date, tail);
  out.Appended(size);
  connection_->AccountOutput(before, out.bytes());
  if (request_.head) {
    // Nothing follows: the owner of the stream hears that nobody listens.
    auto on_gone = std::exchange(on_gone_, nullptr);
    Complete();
    if (on_gone)
      asio::post(connection_->shared_->io, std::move(on_gone));
    return;
  }
  if (!body.empty())
    AppendChunk(std::make_shared<const std::string>(std::move(body)));
  connection_->MarkDirty();
}

void HttpExchange::AppendChunk(SharedBytes chunk) {
  OutputQueue& out = connection_->OutputOf(sequence_);
  const size_t before = out.bytes();
  if (request_.http_1_0) {
    out.Append(std::move(chunk));
  } else {
    std::array<char, 20> line;
    char* end = std::to_chars(line.data(), line.data() + 16, chunk->size(), 16).ptr;
    *end++ = '\r';
    *end++ = '\n';
    out.Append(std::string_view(line.data(), static_cast<size_t>(end - line.data())));
    out.Append(std::move(chunk));
    out.Append(std::string_view("\r\n"));
  }
  connection_->AccountOutput(before, out.bytes());
}

void HttpExchange::Write(SharedBytes chunk) {
  SYNOD_CHECK(state_ != State::kWaiting);
  if (state_ != State::kStreaming || connection_->closed() || chunk->empty())
    return;
  AppendChunk(std::move(chunk));
  connection_->MarkDirty();
}

void HttpExchange::EndStream() {
  SYNOD_CHECK(state_ != State::kWaiting);
  if (state_ != State::kStreaming)
    return;
  if (connection_->closed()) {
    state_ = State::kComplete;
    return;
  }
  if (!request_.http_1_0) {
    OutputQueue& out = connection_->OutputOf(sequence_);
    const size_t before = out.bytes();
    out.Append(std::string_view("0\r\n\r\n"));
    connection_->AccountOutput(before, out.bytes());
  }
  Complete();
}

void HttpExchange::StartSocket(HttpResponse head, std::function<void(std::string)> on_message) {
  SYNOD_CHECK(state_ == State::kWaiting);
  if (connection_->closed()) {
    state_ = State::kComplete;
    return;
  }
  state_ = State::kSocket;
  // The form of the request was judged before, so that this does not fail for any reason of ours.
  if (connection_->Upgrade(request_, head, std::move(on_message)))
    return;
  connection_->Abandon(sequence_);
  Leave();
}

void HttpExchange::Send(std::string_view prefix, SharedBytes bytes, std::string_view part) {
  SYNOD_CHECK(state_ == State::kSocket || state_ == State::kComplete);
  if (state_ != State::kSocket || connection_->closed() || !connection_->websocket_->may_send())
    return;
  OutputQueue& out = connection_->OutputOf(sequence_);
  const size_t before = out.bytes();
  out.Append(TextFrameHead(prefix.size() + part.size()));
  out.Append(prefix);
  out.Append(std::move(bytes), part);
  connection_->AccountOutput(before, out.bytes());
  connection_->MarkDirty();
}

void HttpExchange::CloseSocket(uint16_t code, const std::string& reason) {
  SYNOD_CHECK(state_ == State::kSocket || state_ == State::kComplete);
  if (state_ != State::kSocket)
    return;
  Release();
  if (!connection_->closed())
    connection_->CloseSocket(code, reason);
}

size_t HttpExchange::QueuedBytes() const {
  if (state_ == State::kComplete || connection_->closed())
    return 0;
  return connection_->OutputOf(sequence_).bytes();
}

void HttpExchange::OnDrained(std::function<void()> callback) {
  if (state_ == State::kComplete || connection_->closed())
    return;
  on_drained_ = std::move(callback);
  connection_->MarkDirty();
}

void HttpExchange::OnGone(std::function<void()> callback) {
  if (state_ == State::kComplete)
    return;
  if (!gone()) {
    on_gone_ = std::move(callback);
    return;
  }
  asio::post(connection_->shared_->io, std::move(callback));
}

}  // namespace synod::net
