// A raw TCP client and a loop that is pumped by the test itself: no threads, no sleeps.
//
// Contract      PumpUntil runs the loop until a condition holds, waiting in the kernel, and fails
//               the test after ten seconds of nothing.
#ifndef SYNOD_TESTS_UNIT_NET_SOCKET_FIXTURE_H_
#define SYNOD_TESTS_UNIT_NET_SOCKET_FIXTURE_H_

#include <functional>
#include <string>
#include <string_view>

#include "src/net/asio.h"

namespace synod::net {

// Runs `io` until `done()`; false (and a test failure) if that takes more than ten seconds.
bool PumpUntil(asio::io_context& io, const std::function<bool()>& done);

// One end of a TCP connection, non-blocking, without any protocol.
class RawClient {
 public:
  explicit RawClient(uint16_t port, int receive_buffer = 0);
  ~RawClient();
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  // What the kernel takes at once; returns how much that was.
  size_t Send(std::string_view bytes);
  // Takes what has come into received(); true while the connection is open.
  bool Receive(size_t at_most = size_t{1} << 30);
  void FinishSending();
  void Close();
  // Closes with a reset instead of an orderly end.
  void Reset();

  const std::string& received() const { return received_; }
  std::string TakeReceived() { return std::exchange(received_, {}); }
  bool ended() const { return ended_; }
  bool was_reset() const { return reset_; }

 private:
  int fd_ = -1;
  std::string received_;
  bool ended_ = false;
  bool reset_ = false;
};

}  // namespace synod::net

#endif  // SYNOD_TESTS_UNIT_NET_SOCKET_FIXTURE_H_
