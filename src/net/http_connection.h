// HttpConnection: one client's connection, as a state machine over readiness events.
//
// Contract      Reads when the socket has something and there is room for more requests, parses,
//               gives requests to the handler, and writes the answers in the order of the requests.
//               Output of one turn is written once, by Flush.
// States        kOpen; kLingering: the last answer is out or on its way, input is read and dropped
//               so that it is not lost to a reset; kClosed: only exchanges still refer to it. With
//               websocket_ what is read goes there and no request follows; its slot is the only
//               one, and complete when the closing handshake is.
// Invariants    slots_ holds the unanswered requests in order; only the first one's output goes to
//               output_, the others' waits in their slot.
// Thread        The loop's. Nothing here calls the handler from within a call of the handler's.
// Not here      Accepting, the list of connections, time (http_server.cc).
#ifndef SYNOD_NET_HTTP_CONNECTION_H_
#define SYNOD_NET_HTTP_CONNECTION_H_

#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/net/asio.h"
#include "src/net/http_server.h"
#include "src/net/http_writer.h"
#include "src/net/loop.h"
#include "src/net/output_queue.h"
#include "src/net/read_ahead.h"
#include "src/net/request_parser.h"
#include "src/net/websocket.h"
#include "src/net/wire.h"

namespace synod::net {

class HttpConnection;
class HttpExchange;

// A clock that never goes back, of the server and its connections.
int64_t SteadyUs();

// What the connections of a server share.
struct HttpShared {
  HttpShared(asio::io_context& context, HttpHandler& the_handler, const HttpOptions& the_options);

  // Called by a connection: it has output, or room again; it is to be flushed this turn.
  void MarkDirty(const std::shared_ptr<HttpConnection>& connection);
  // Called by a connection whose socket is ready: it is to have a turn, behind those before it.
  void StandInLine(const std::shared_ptr<HttpConnection>& connection);
  // Forgets who is dirty or in line: they hold what holds them.
  void Drop();
  // Of what happens now and starts a limit: never before it, so that no limit is over too soon.
  int64_t StampMs() const { return options.own_clock ? (SteadyUs() + 999) / 1000 : now_ms; }
  uint64_t MemoryUsed() const { return counters.request_bytes + counters.output_bytes; }

  LoopThread thread;
  asio::io_context& io;
  HttpHandler& handler;
  const HttpOptions options;
  HttpCounters counters;
  int64_t now_ms = 0;  // as of the last sweep, which is when limits are looked at
  std::string date;
  std::vector<char> scratch;  // what a read brings, before it is parsed or put aside
  std::list<std::shared_ptr<HttpConnection>> connections;
  std::vector<std::shared_ptr<HttpConnection>> dirty;
  bool flush_posted = false;
  std::weak_ptr<HttpShared> self;  // for what is posted

 private:
  struct InLine {
    std::shared_ptr<HttpConnection> connection;
    int64_t since_us;
  };

  void FlushDirty();
  void PostTurns();
  void TakeTurns();

  std::deque<InLine> line_;
  bool turns_posted_ = false;
};

class HttpConnection : public std::enable_shared_from_this<HttpConnection>,
                       private WebSocket::Owner {
 public:
  HttpConnection(std::shared_ptr<HttpShared> shared, Wire wire, Tcp::endpoint remote);
  ~HttpConnection() override;

  void Start(std::list<std::shared_ptr<HttpConnection>>::iterator place);
  void Flush();
  // What its socket is ready for, after it has waited for so long.
  void TakeTurn(int64_t waited_us);
  void Sweep();
  // Ends the connection once what it owes is answered; at once if it owes nothing.
  void CloseWhenIdle();
  // Refuses whatever comes: there are too many connections.
  void RefuseAll(Errc code, std::string detail) { Refuse(code, std::move(detail), false); }
  void Close();

  bool closed() const { return phase_ == Phase::kClosed; }
  const Tcp::endpoint& remote() const { return remote_; }

 private:
  friend class HttpExchange;

  enum class Phase { kOpen, kLingering, kClosed };

  // An answer's place in the order of the requests.
  struct Slot {
    HttpExchange* exchange = nullptr;  // null once answered, or when there never was one
    OutputQueue output;                // while it is not the first
    bool complete = false;
  };

  // Input.
  void ArmRead();
  void OnReady(error_code ec, bool* ready);
  void ReadSome();
  void OnInput(std::string_view in);
  size_t Parse(std::string_view in);
  void Dispatch();
  void OnInputEnd();
  // Ends the connection if its client has been too slow; true if it did.
  bool SweepRequest();
  bool MayTakeRequest() const;
  bool WaitsForTurn() const;
  bool WantsInput() const;
  void ParseUnparsed();
  void ContinueIfNeeded();
  void AccountInput();
  void Refuse(Errc code, std::string detail, bool head);

  // As a WebSocket.
  Status Upgrade(const HttpRequest& request,
                 const HttpResponse& head,
                 std::function<void(std::string)> on_message);
  void CloseSocket(uint16_t code, const std::string& reason);
  void DropSocket();
  void SweepSocket();
  void OnSocketBytes(std::string_view bytes) override;
  void OnSocketMessage(std::string text) override;
  void OnSocketRoom() override;
  void OnSocketClosed() override;

  // Output.
  Slot& SlotOf(uint64_t sequence);
  OutputQueue& OutputOf(uint64_t sequence);
  bool IsFirst(uint64_t sequence) const { return sequence == first_sequence_; }
  bool IsLastAnswer(uint64_t sequence) const {
    return last_request_taken_ && sequence + 1 == first_sequence_ + slots_.size();
  }
  void AccountOutput(size_t before, size_t after);
  bool IsOver(int64_t since_ms, std::chrono::milliseconds limit) const {
    return shared_->now_ms - since_ms >= limit.count();
  }
  void CompleteSlot(uint64_t sequence);
  void PopComplete();
  void ArmWrite();
  void OnDrainedCheck();
  void Linger();
  void NotifyGone();
  void Abandon(uint64_t sequence);
  void MarkDirty();

  std::shared_ptr<HttpShared> shared_;
  Wire wire_;
  const Tcp::endpoint remote_;
  std::list<std::shared_ptr<HttpConnection>>::iterator place_;
  Phase phase_ = Phase::kOpen;

  std::optional<std::string> certified_name_;  // of its client; known with the first request
  RequestParser parser_;
  ReadAhead unparsed_;     // read, and kept for when there is more of it or room for it
  size_t input_held_ = 0;  // bytes of the parser and of unparsed_, as accounted
  size_t dropped_bytes_ = 0;
  bool read_armed_ = false;
  bool read_ready_ = false;  // armed no more, and waits for its turn
  bool input_ended_ = false;
  bool discard_input_ = false;       // after a refusal
  bool last_request_taken_ = false;  // nothing after it is a request
  bool serial_ = false;              // the last request was a change or HTTP/1.0: no pipelining
  bool parse_blocked_ = false;       // unparsed_ waits for room, not for more bytes
  bool continue_sent_ = false;
  bool processing_ = false;

  std::deque<Slot> slots_;
  uint64_t first_sequence_ = 0;
  OutputQueue output_;
  size_t output_held_ = 0;
  bool write_armed_ = false;
  bool write_ready_ = false;
  bool in_line_ = false;
  std::optional<int64_t> waited_us_;  // for the present turn, while it lasts
  bool dirty_ = false;
  bool abandoned_ = false;

  std::shared_ptr<WebSocket> websocket_;
  std::function<void(std::string)> on_message_;
  int64_t heard_ms_ = 0;   // last byte of the WebSocket's peer
  int64_t pinged_ms_ = 0;  // when it was last asked for one

  int64_t active_ms_;       // last byte in either direction
  int64_t request_ms_ = 0;  // first byte of the request that is being read
  int64_t linger_ms_ = 0;

  friend struct HttpShared;
};

// The Exchange of one request on one connection.
class HttpExchange final : public Exchange {
 public:
  HttpExchange(std::shared_ptr<HttpConnection> connection,
               HttpRequest request,
               uint64_t sequence,
               size_t held);
  ~HttpExchange() override;
  HttpExchange(const HttpExchange&) = delete;
  HttpExchange& operator=(const HttpExchange&) = delete;

  HttpRequest& request() override { return request_; }
  std::string remote() const override;
  void Reply(HttpResponse response) override;
  void StartStream(HttpResponse head) override;
  void Write(SharedBytes chunk) override;
  void EndStream() override;
  void StartSocket(HttpResponse head, std::function<void(std::string)> on_message) override;
  void Send(std::string_view prefix, SharedBytes bytes, std::string_view part) override;
  void CloseSocket(uint16_t code, const std::string& reason) override;
  size_t QueuedBytes() const override;
  void OnDrained(std::function<void()> callback) override;
  void OnGone(std::function<void()> callback) override;
  bool gone() const override { return gone_ || connection_->closed(); }

 private:
  friend class HttpConnection;

  enum class State { kWaiting, kStreaming, kSocket, kComplete };

  AfterAnswer After();
  void AppendChunk(SharedBytes chunk);
  void Complete();
  // The answer is complete, or the connection sees to its end by itself.
  void Release();
  // The client of a WebSocket has ended it.
  void Leave();

  std::shared_ptr<HttpConnection> connection_;
  HttpRequest request_;
  const uint64_t sequence_;
  const size_t held_;
  State state_ = State::kWaiting;
  bool gone_ = false;
  std::function<void()> on_gone_;
  std::function<void()> on_drained_;
};

}  // namespace synod::net

#endif  // SYNOD_NET_HTTP_CONNECTION_H_
