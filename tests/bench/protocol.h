// Protocol: what a client of the load generator says to a server, and makes of the answers; and
// Listener: the same of a connection that only watches.
//
// Contract      A client has one request outstanding. Next() writes the next one; Take() is given
//               all that has come and has not been taken, and says when the answer is whole. What
//               must be said before the first request (a handshake) is a request that does not
//               count. A Listener has one watch or several of the first key.
// Thread        One.
#ifndef SYNOD_TESTS_BENCH_PROTOCOL_H_
#define SYNOD_TESTS_BENCH_PROTOCOL_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace synod::bench {

struct Work {
  std::string operation;
  uint64_t keys = 10'000;
  uint64_t value_bytes = 256;
  uint64_t reads_percent = 90;  // of "mix"
  uint64_t clients = 64;
};

class Protocol {
 public:
  virtual ~Protocol() = default;

  struct Answer {
    size_t bytes = 0;  // of the whole answer; 0: it has not come yet
    bool ok = true;
    bool counts = true;  // a request of the work, and not one that it needs besides
  };

  // Appends the next request; nothing when the work is done (of "fill").
  virtual void Next(std::string* out) = 0;
  virtual Answer Take(std::string_view in) = 0;
  // Appends what a client says that has waited for a second.
  virtual void KeepAlive(std::string*) {}
};

class Listener {
 public:
  virtual ~Listener() = default;

  // What is said first.
  virtual std::string Start() = 0;
  // Takes what has come whole and returns its length. Appends to `events` the watch, from 0, of
  // each event, and to `out` what is to be said then.
  virtual size_t Take(std::string_view in, std::vector<size_t>* events, std::string* out) = 0;
  // Appends what is said every ten seconds.
  virtual void KeepAlive(std::string*) {}
  // How many of its watches the server has confirmed.
  size_t began() const { return began_; }

 protected:
  size_t began_ = 0;
};

// `number`: of the client, which decides what is its own (a lock, a session).
std::unique_ptr<Protocol> MakeSynodClient(const Work& work, uint64_t number);
std::unique_ptr<Protocol> MakeEtcdClient(const Work& work, uint64_t number);
std::unique_ptr<Protocol> MakeZooKeeperClient(const Work& work, uint64_t number);

// Synod: one watch is an event stream, several are a WebSocket; ZooKeeper: one.
std::unique_ptr<Listener> MakeSynodListener(size_t watches);
std::unique_ptr<Listener> MakeEtcdListener(size_t watches);
std::unique_ptr<Listener> MakeZooKeeperListener();

// The operations that a protocol knows.
const std::vector<std::string>& SynodOperations();
const std::vector<std::string>& EtcdOperations();
const std::vector<std::string>& ZooKeeperOperations();

// What the clients of all protocols draw and write alike.
class Draws {
 public:
  Draws(const Work& work, uint64_t number) : work_(work), next_(number), random_(number + 1) {}

  uint64_t Key() { return random_() % work_.keys; }
  // Each key once by one of the clients; none when that is done.
  std::optional<uint64_t> NextOfAll();
  bool Read() { return random_() % 100 < work_.reads_percent; }
  // Another one each time, so that nothing can be gained by comparing or compressing.
  std::string_view Value();

 private:
  const Work work_;
  uint64_t next_;
  std::mt19937_64 random_;
  std::string value_;
};

// `number` in eight digits behind the prefix.
std::string KeyName(std::string_view prefix, uint64_t number);

// Of an HTTP answer with a Content-Length: its status and where it ends (0: not all has come).
struct HttpAnswer {
  size_t bytes = 0;
  int status = 0;
  std::string_view head;
  std::string_view body;
};
HttpAnswer ParseHttp(std::string_view in);

}  // namespace synod::bench

#endif  // SYNOD_TESTS_BENCH_PROTOCOL_H_
