// ResetProxy: a TCP relay that can reset everything that runs through it.
//
// Contract      Relays bytes as they are until it is told to reset; loopback only.
#ifndef SYNOD_TESTS_UNIT_NET_RESET_PROXY_H_
#define SYNOD_TESTS_UNIT_NET_RESET_PROXY_H_

#include <memory>
#include <vector>

#include "src/net/asio.h"

namespace synod::net {

class ResetProxy {
 public:
  explicit ResetProxy(asio::io_context& io);
  ~ResetProxy();

  uint16_t port() const;
  void set_target(uint16_t port) { target_ = port; }
  // Takes connections but passes nothing on, as a network that lost the other side.
  void set_mute(bool mute) { mute_ = mute; }
  // Resets both ends of every connection; returns how many there were.
  size_t ResetAll();
  size_t open() const;

 private:
  struct Pair;
  void Accept();

  asio::io_context& io_;
  Acceptor acceptor_;
  uint16_t target_ = 0;
  bool mute_ = false;
  std::vector<std::shared_ptr<Pair>> pairs_;
};

}  // namespace synod::net

#endif  // SYNOD_TESTS_UNIT_NET_RESET_PROXY_H_
