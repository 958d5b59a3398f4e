// FanOut: many watches of one key, and how long after a write they hear of it.
//
// Contract      The k-th event of a watch is held against the k-th acknowledgement of a write by
//               anybody: exact where the writes are answered in order, and with several writers off
//               by as much as their answers overtake each other. An event that comes before its
//               acknowledgement took 0 from it.
// Thread        One.
#ifndef SYNOD_TESTS_BENCH_FAN_OUT_H_
#define SYNOD_TESTS_BENCH_FAN_OUT_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/histogram.h"
#include "tests/bench/protocol.h"

namespace synod::bench {

class FanOut {
 public:
  // `server`: whose protocol. The watches are divided evenly among the connections, and these among
  // the endpoints.
  FanOut(const std::string& server,
         std::vector<std::string> endpoints,
         size_t watches,
         size_t connections);
  ~FanOut();
  FanOut(const FanOut&) = delete;
  FanOut& operator=(const FanOut&) = delete;

  // False if a connection or a watch does not begin within a minute.
  bool Begin();
  // Readable when something has come.
  int fd() const { return epoll_; }
  void Receive();
  // A write that was due at `due` is acknowledged; its events are measured or not.
  void Acknowledged(int64_t due, bool measured);
  // Acknowledged, but not heard of by a watch.
  uint64_t missing() const { return watches_ * writes_.size() - heard_; }
  bool broken() const { return broken_; }
  // As members of a JSON object. `cpu_s`: what the servers took for the events that are measured.
  void Print(double cpu_s) const;

 private:
  struct Connection {
    int fd = -1;
    std::unique_ptr<Listener> listener;
    std::string in;
    std::vector<size_t> events;  // by watch
  };
  struct Write {
    int64_t due;
    int64_t acknowledged;
    bool measured;
  };

  bool Open(Connection* c, const std::string& endpoint);
  bool Send(const Connection& c, const std::string& bytes);
  void Receive(Connection* c);
  void Heard(Connection* c, size_t watch, int64_t now);
  void Measure(const Write& write, int64_t heard);
  void KeepAlive(int64_t now);

  const std::string server_;
  const std::vector<std::string> endpoints_;
  const size_t watches_;
  const int epoll_;
  std::vector<Connection> connections_;
  std::vector<Write> writes_;
  std::map<size_t, std::vector<int64_t>> early_;  // events of writes to come
  uint64_t heard_ = 0;
  bool broken_ = false;
  int64_t keep_alive_at_ = 0;
  Histogram from_acknowledged_;
  Histogram from_due_;
};

}  // namespace synod::bench

#endif  // SYNOD_TESTS_BENCH_FAN_OUT_H_
