// WebSocket: the server's end of RFC 6455 on a connection whose bytes somebody else moves.
//
// Contract      Start() answers the handshake. From then on Feed() takes what the peer sent, and
//               the owner gets whole text messages, the bytes that have to go out (pongs, the
//               closing handshake), and the end. A frame of another kind, a message over the
//               limit or one that is not UTF-8 is answered with the close code that RFC 6455,
//               section 7.4.1, has for it.
// Sending       Messages do not pass through here: they are shared by many listeners, and a
//               server's frame is a head and the bytes. Whoever sends asks may_send() first: after
//               the close frame nothing may follow.
// Bounds        One message of at most `message_bytes_max`, and what was fed and not taken yet.
// Thread        The loop's. Of the owner's functions only OnSocketRoom() is called from within
//               Feed(), and OnSocketBytes() from within Start(), Ping() and Close().
// Not here      The rules of the handshake's headers (src/api), time limits (http_connection.cc).
//               Beast stays inside websocket.cc.
#ifndef SYNOD_NET_WEBSOCKET_H_
#define SYNOD_NET_WEBSOCKET_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "src/base/error.h"
#include "src/net/asio.h"
#include "src/net/http_types.h"

namespace synod::net {

// Close codes of RFC 6455, section 7.4.1.
inline constexpr uint16_t kCloseGoingAway = 1001;
inline constexpr uint16_t kCloseUnsupportedData = 1003;
inline constexpr uint16_t kCloseTryAgainLater = 1013;

// What precedes the `size` bytes of a whole text message of a server.
std::string TextFrameHead(size_t size);

class WebSocket : public std::enable_shared_from_this<WebSocket> {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void OnSocketBytes(std::string_view bytes) = 0;
    virtual void OnSocketMessage(std::string text) = 0;
    virtual void OnSocketRoom() = 0;  // all that was fed has been taken
    // The closing handshake is over, or the peer broke the protocol: end the connection.
    virtual void OnSocketClosed() = 0;
  };

  // `owner` outlives this, or calls Detach().
  WebSocket(Executor executor, Owner* owner, size_t message_bytes_max);
  ~WebSocket();
  WebSocket(const WebSocket&) = delete;
  WebSocket& operator=(const WebSocket&) = delete;

  // Answers 101 with the fields of `head` besides the protocol's own.
  Status Start(const HttpRequest& request, const HttpResponse& head, std::string_view date);
  void Feed(std::string_view bytes);
  void Ping();
  // Begins the closing handshake; nothing if it has begun.
  void Close(uint16_t code, const std::string& reason);
  // The owner hears nothing more.
  void Detach();

  bool may_send() const;
  // Bytes of memory: what was fed and is not yet part of a message that was given out.
  size_t held() const;
  // Of them those that wait to be looked at. The rest is a message still in the making, which only
  // more input can complete; its size is bounded by `message_bytes_max`.
  size_t waiting() const;

 private:
  struct Core;
  void Read();
  void OnRead(const error_code& ec);

  std::unique_ptr<Core> core_;
};

}  // namespace synod::net

#endif  // SYNOD_NET_WEBSOCKET_H_
