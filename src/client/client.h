// Client: a cluster, as a program sees it: calls that survive the loss of nodes, leases kept alive.
//
// Contract      One Client a process is enough. Every operation of this library has a blocking form
//               and one that takes a callback; the blocking one waits for the other. A call goes to
//               the endpoint that worked last, and on to the next when that fails (call.h says what
//               is repeated). A Client outlives all that was made with it; when it goes, callbacks
//               that have not been called never are. Deadlines hold while an endpoint's name is
//               looked up, but the destructor waits for the system's resolver to give up.
// Thread        Blocking forms: any but the client's own, which they would wait for (checked).
//               Callbacks run on the client's thread, one at a time; keep them short, or all leases
//               of the client wait.
// Errors        Those of the API by `code`, with `outcome` and `detail`; kDeadlineExceeded or
//               kInternal if nobody answered.
#ifndef SYNOD_CLIENT_CLIENT_H_
#define SYNOD_CLIENT_CLIENT_H_

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "src/client/call.h"

namespace synod::client {

class Client {
 public:
  class Core;  // the library's own

  // Files that cannot be used make every https request fail: CheckCredentials() says why.
  explicit Client(std::vector<Endpoint> endpoints, Credentials credentials = {});
  explicit Client(std::unique_ptr<Core> core);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Any request of the API. A refusal is an Answer, too.
  Result<Answer> Send(Call call);
  void Send(Call call, Callback<Answer> done);
  // The body of a 200 goes to `on_data` in pieces, on the client's thread; the next piece is read
  // when it has returned. Repeated only before the first.
  Result<Answer> Stream(Call call, std::function<void(std::string_view)> on_data);

  Core& core() { return *core_; }
  // It is going, and with it what it still had under way: nobody waits for its thread any more.
  bool closing() const { return closing_; }

 private:
  bool closing_ = false;
  std::unique_ptr<Core> core_;
};

}  // namespace synod::client

#endif  // SYNOD_CLIENT_CLIENT_H_
