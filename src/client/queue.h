// Queue: items in the order in which they were put, each taken by one.
//
// Contract      Take removes the oldest item and gives it; it waits while there is none. Each item
//               is given at most once: it is lost if its taker dies with it. Who cannot afford that
//               takes under a Lock, and removes when the work is done (docs/recipes.md, "Queue").
// Thread        Any; callbacks on the client's.
// Errors        kDeadlineExceeded: nothing came in time. The API's.
#ifndef SYNOD_CLIENT_QUEUE_H_
#define SYNOD_CLIENT_QUEUE_H_

#include <string>

#include "src/client/tree.h"

namespace synod::client {

class Queue {
 public:
  Queue(Client& client, std::string path) : client_(client), path_(std::move(path)) {}

  // The item's path.
  Result<std::string> Put(std::string item, const WriteOptions& options = {});
  void Put(std::string item, const WriteOptions& options, Callback<std::string> done);
  Result<std::string> Take(Milliseconds timeout);
  void Take(Milliseconds timeout, Callback<std::string> done);

 private:
  Client& client_;
  std::string path_;
};

}  // namespace synod::client

#endif  // SYNOD_CLIENT_QUEUE_H_
