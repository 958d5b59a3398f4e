// OneNode: a cluster of one in memory, without sockets, disk or clock: what a request costs a
// processor from its first byte parsed to its last one written.
//
// Contract      Ask() gives a request to the parser, the service and the engine as a server does,
//               makes what it writes durable at once, and gives the bytes of the answer.
// Thread        One.
#ifndef SYNOD_TESTS_BENCH_ONE_NODE_H_
#define SYNOD_TESTS_BENCH_ONE_NODE_H_

#include <memory>
#include <string>
#include <string_view>

namespace synod::bench {

class OneNode {
 public:
  OneNode();
  ~OneNode();

  // Until the next one. Of an answer that does not come at once: empty.
  std::string_view Ask(std::string_view request);

 private:
  class Core;
  std::unique_ptr<Core> core_;
};

// Requests as clients write them. `number` makes paths differ; the value has 256 bytes.
std::string PutRequest(uint64_t number);
std::string GetRequest(uint64_t number);
std::string RequestWithBody(std::string_view method,
                            std::string_view target,
                            std::string_view body);

}  // namespace synod::bench

#endif  // SYNOD_TESTS_BENCH_ONE_NODE_H_
