// WebSocketClient: a blocking client of RFC 6455 for tests and measurements.
//
// Contract      Beast's client over a socket of its own; every wait has a deadline. What cannot be
//               done is thrown as std::runtime_error.
// Thread        One.
#ifndef SYNOD_TESTS_SUPPORT_WEBSOCKET_CLIENT_H_
#define SYNOD_TESTS_SUPPORT_WEBSOCKET_CLIENT_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace synod {

class WebSocketClient {
 public:
  using Milliseconds = std::chrono::milliseconds;
  struct Options {
    int receive_buffer = 0;  // of the kernel; 0: as it comes
    std::vector<std::pair<std::string, std::string>> headers = {};
  };

  // Connects to 127.0.0.1 and upgrades; throws with the answer if it is not 101.
  WebSocketClient(uint16_t port, const std::string& target, const Options& options);
  WebSocketClient(uint16_t port, const std::string& target)
      : WebSocketClient(port, target, Options{}) {}
  ~WebSocketClient();
  WebSocketClient(const WebSocketClient&) = delete;
  WebSocketClient& operator=(const WebSocketClient&) = delete;

  // Of the 101; empty if absent.
  std::string Header(const std::string& name) const;

  void Send(const std::string& text) { Write(text, true); }
  void SendBinary(const std::string& bytes) { Write(bytes, false); }
  // The next message; nothing once the connection has ended. Throws at the deadline.
  std::optional<std::string> Next(Milliseconds timeout = Milliseconds(15'000));
  // What the server gave as the reason of the end; 0: it gave none.
  uint16_t close_code() const;
  uint64_t pings() const;
  // The closing handshake.
  void Close();

 private:
  struct Core;
  void Write(const std::string& bytes, bool text);

  std::unique_ptr<Core> core_;
};

}  // namespace synod

#endif  // SYNOD_TESTS_SUPPORT_WEBSOCKET_CLIENT_H_
