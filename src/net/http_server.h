// HttpServer: HTTP/1.1 with pipelining and streamed answers, on one event loop.
//
// Contract      A handler sees requests that are complete, within the limits and syntactically
//               sound; whatever else arrives is refused here, in the words of HttpHandler::Refuse.
//               Answers leave in the order of the requests, whenever each is given; all answers of
//               one turn of the loop leave in one system call. While a request waits the connection
//               is watched: a client that goes is reported (Exchange::OnGone).
// Turns         What connections bring waits in line and is taken in turns of `turn_max`, between
//               which the loop sees to all else that is ready: other ports, timers, what is posted.
//               So however many clients there are, nobody else on the loop waits for all of them.
// Bounds        Of a connection: `pipeline_max` unanswered requests, one more being read, unsent
//               answers (reading stops above `output_high_water`). Of the server: connections, and
//               `memory_bytes_max` of requests and unsent answers (above it requests get 429).
// Refusals      The answer says `Connection: close`; then up to `drain_bytes_max` are read and
//               dropped, so that the client sees the answer rather than a reset.
// Thread        All of it, callbacks included, on the thread that runs the io_context.
// Errors        Listen says why it could not. A broken connection is no error: it is closed, and
//               what its exchanges are given afterwards is dropped.
// Not here      What a request means, the rules for Host and Origin (src/api).
#ifndef SYNOD_NET_HTTP_SERVER_H_
#define SYNOD_NET_HTTP_SERVER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "src/base/error.h"
#include "src/base/types.h"
#include "src/net/asio.h"
#include "src/net/http_types.h"
#include "src/net/tls.h"

namespace synod::net {

// One request being answered: by Reply, or by StartStream or StartSocket and what follows, at any
// later time. One that is dropped unanswered ends its connection.
class Exchange {
 public:
  virtual ~Exchange() = default;

  // Mutable so that the body can be moved out.
  virtual HttpRequest& request() = 0;
  // "address:port" of the client.
  virtual std::string remote() const = 0;

  virtual void Reply(HttpResponse response) = 0;

  // Begins a chunked answer; `head.body`, if any, is its first chunk. The head goes out at once. To
  // HEAD it is the whole answer: what is written is dropped, and OnGone is called.
  virtual void StartStream(HttpResponse head) = 0;
  virtual void Write(SharedBytes chunk) = 0;
  virtual void EndStream() = 0;

  // Answers 101 to a request whose headers ask for a WebSocket as RFC 6455 has it: the connection
  // is one from here on. `head` has the fields besides the protocol's own; `on_message` gets every
  // text message, in order. A peer that is silent is asked for a sign of life, and closed without.
  virtual void StartSocket(HttpResponse head, std::function<void(std::string)> on_message) = 0;
  // One text message: `prefix`, and then `part`, which lies within `bytes`.
  virtual void Send(std::string_view prefix, SharedBytes bytes, std::string_view part) = 0;
  // Begins the closing handshake, after what was sent.
  virtual void CloseSocket(uint16_t code, const std::string& reason) = 0;

  // Bytes of this answer (and of answers before it) that the kernel has not taken.
  virtual size_t QueuedBytes() const = 0;
  // Calls back once, as soon as QueuedBytes() is below the low-water mark.
  virtual void OnDrained(std::function<void()> callback) = 0;

  // Calls back once if the client goes (its end of the connection closed or failed) before the
  // answer is complete. Answering is still allowed: a client may have closed its sending half only.
  // A WebSocket that its client closes has gone, too.
  virtual void OnGone(std::function<void()> callback) = 0;
  virtual bool gone() const = 0;
};

class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  virtual void OnRequest(std::shared_ptr<Exchange> exchange) = 0;
  // Renders a refusal of the transport: a code of 400, 408, 413, 414, 417, 429, 431, 501, 505.
  virtual HttpResponse Refuse(Errc code, std::string detail) = 0;
};

struct HttpOptions {
  size_t body_bytes_max = size_t{2} << 20;
  size_t header_bytes_max = size_t{16} << 10;  // all fields together, without the request line
  size_t target_bytes_max = size_t{8} << 10;
  size_t drain_bytes_max = size_t{4} << 20;
  size_t pipeline_max = 64;
  size_t output_high_water = size_t{256} << 10;  // of a connection: above it no request is taken
  size_t stream_low_water = size_t{64} << 10;
  size_t socket_message_bytes_max = size_t{64} << 10;  // that a WebSocket takes
  size_t memory_bytes_max = size_t{256} << 20;
  std::chrono::microseconds turn_max{2000};
  uint32_t connections_max = 0;  // 0: 20 000; and no more than the descriptor limit less 1000
  std::chrono::milliseconds header_timeout{10'000};
  std::chrono::milliseconds body_timeout{60'000};
  std::chrono::milliseconds idle_timeout{
      300'000};  // also for a client that does not take its answer
  std::chrono::milliseconds drain_timeout{5'000};
  std::chrono::milliseconds socket_ping_after{10'000};  // of silence of a WebSocket's peer
  std::chrono::milliseconds socket_silence_max{30'000};
  std::shared_ptr<const Tls> tls;  // null: in the clear
  bool own_clock = true;           // false: only the caller's Sweep() moves time (tests)
};

// Plain numbers, for metrics.
struct HttpCounters {
  uint64_t connections = 0;  // open now
  uint64_t websockets = 0;   // of these
  uint64_t accepted = 0;
  uint64_t connections_max = 0;
  uint64_t rejected = 0;    // over that limit
  uint64_t requests = 0;    // given to the handler
  uint64_t refusals = 0;    // refused by the transport
  uint64_t exceptions = 0;  // thrown by the handler; each ended its connection
  uint64_t received_bytes = 0;
  uint64_t sent_bytes = 0;
  uint64_t request_bytes = 0;  // held now: requests that are being read or answered
  uint64_t output_bytes = 0;   // held now: answers and streams not yet taken by the kernel
  uint64_t in_line = 0;        // connections that wait for their turn
};

class HttpServer {
 public:
  // `handler` outlives the server.
  HttpServer(asio::io_context& io, HttpHandler& handler, HttpOptions options = {});
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // A numeric address or a name; port 0 lets the kernel choose. May be called for several
  // addresses.
  Status Listen(const std::string& host, uint16_t port);
  uint16_t port() const;  // of the first address

  void StopAccepting();
  // Closes what waits for nothing now, and the others after the answer they wait for.
  void CloseIdle();
  // Closes everything now.
  void Close();

  // Enforces the time limits as of `now_ms` (any monotonic clock). Runs once a second by itself
  // unless options say otherwise.
  void Sweep(int64_t now_ms);

  const HttpCounters& counters() const;

 private:
  class Core;
  std::shared_ptr<Core> core_;
};

}  // namespace synod::net

#endif  // SYNOD_NET_HTTP_SERVER_H_
