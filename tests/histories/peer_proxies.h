// PeerProxies: the network between the nodes, which can hold back what one sends to another.
//
// Contract      Each node is reached by the others at a port of this process, which passes bytes
//               on. The dialer is known by its Hello. While from -> to is held, nothing that `from`
//               sends reaches `to`, on connections dialed by either, and none is made between them;
//               what was on its way comes when it is released, as with lost and repeated packets.
// Bounds        64 KiB a connection and direction; beyond that the sender is not read.
// Thread        One of its own moves the bytes; the calls are for any.
// Errors        std::runtime_error if it cannot listen. A refusing node is a closed connection
//               here, so nobody takes a held node for a dead one.
#ifndef SYNOD_TESTS_HISTORIES_PEER_PROXIES_H_
#define SYNOD_TESTS_HISTORIES_PEER_PROXIES_H_

#include <atomic>
#include <cstdint>
#include <list>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

struct pollfd;

namespace synod::histories {

class PeerProxies {
 public:
  PeerProxies();
  ~PeerProxies();
  PeerProxies(const PeerProxies&) = delete;
  PeerProxies& operator=(const PeerProxies&) = delete;

  // The port where the others reach node `id`, which itself listens at `peer`.
  uint16_t Add(int id, uint16_t peer);
  void Hold(int from, int to);
  // Breaks what connections they have.
  void Cut(int a, int b);
  void ReleaseAll();
  uint64_t connections() const { return connected_; }

 private:
  struct Listener {
    int fd = -1;
    uint16_t port = 0;
    uint16_t peer = 0;
  };
  struct Link {
    int to = 0;
    int from = 0;  // 0: has not said Hello
    int dialer = -1;
    int node = -1;  // -1: not dialed yet
    bool dead = false;
    std::string up;                     // from the dialer to the node
    std::string down;                   // and back
    size_t dialer_at = 0, node_at = 0;  // their places in polled_
  };

  void Work();
  void Poll();
  void Accept(int to, const Listener& listener);
  void Serve(Link* link);
  void ReadHello(Link* link) const;
  void Dial(Link* link);
  static void Move(int in, int out, short events, std::string* buffer, Link* link);
  bool IsHeld(int from, int to) const { return held_.contains({from, to}); }
  size_t Watch(int fd, bool read, bool write);

  std::mutex mutex_;  // of what follows
  std::map<int, Listener> listeners_;
  std::set<std::pair<int, int>> held_;
  std::list<Link> links_;
  std::vector<pollfd> polled_;
  std::atomic<uint64_t> connected_{0};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace synod::histories

#endif  // SYNOD_TESTS_HISTORIES_PEER_PROXIES_H_
