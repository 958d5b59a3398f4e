// Counter: a number that many change.
//
// Contract      Add is a read and a write that holds only if nobody wrote in between, until it
//               does; each Add counts once, however often its requests had to be sent. Absent is 0.
// Thread        Any; callbacks on the client's.
// Errors        kPreconditionFailed if the node holds no number; the API's.
#ifndef SYNOD_CLIENT_COUNTER_H_
#define SYNOD_CLIENT_COUNTER_H_

#include <string>

#include "src/client/tree.h"

namespace synod::client {

class Counter {
 public:
  Counter(Client& client, std::string path) : client_(client), path_(std::move(path)) {}

  Result<int64_t> Get();
  void Get(Callback<int64_t> done);
  // The value after it.
  Result<int64_t> Add(int64_t delta, const std::vector<Fence>& fences = {});
  void Add(int64_t delta, const std::vector<Fence>& fences, Callback<int64_t> done);

 private:
  Client& client_;
  std::string path_;
};

}  // namespace synod::client

#endif  // SYNOD_CLIENT_COUNTER_H_
