// Claim: how every lock and election is asked for: a lease, a place in the queue, and the grant.
//
// Contract      Makes a lease, then asks on it until it is granted, refused, or the wait is over.
//               Asking again with the same lease keeps the place, so an answer that is lost, a node
//               that dies or one that hangs costs nothing: each asking waits kStep at most, less
//               than the 5 s after which a place without a client is withdrawn. What may pass
//               (calls.h) is asked again after a pause, all else ends the wait. When asking ends
//               without a grant the lease is revoked, so that none can come later.
// Thread        The loop's.
#ifndef SYNOD_CLIENT_CLAIM_H_
#define SYNOD_CLIENT_CLAIM_H_

#include <boost/json/object.hpp>
#include <memory>
#include <optional>
#include <string>

#include "src/client/calls.h"
#include "src/client/hold.h"

namespace synod::client {

struct ClaimRequest {
  std::string target;        // "/v1/locks/a/acquire"
  std::string path;          // of the lock; of several, they are in the answer
  boost::json::object body;  // without lease and wait
  HoldOptions options;
  Milliseconds wait{0};
};

class ClaimState : public std::enable_shared_from_this<ClaimState> {
 public:
  static constexpr Milliseconds kStep{3000};

  static Waiting Start(Client& client, ClaimRequest request, Callback<Hold> done);
  static Result<Hold> Run(Client& client, ClaimRequest request);

  ClaimState(Client& client, ClaimRequest request, Callback<Hold> done)
      : client_(client), request_(std::move(request)), done_(std::move(done)) {}
  // In the loop.
  void Begin();
  void Cancel();

 private:
  void Stop();
  void OnLease(Result<Lease> lease);
  void OnLeaseLost();
  void Ask();
  void OnAnswer(const Result<Answer>& answer);
  void Granted(const Answer& answer);
  void Finish(Result<Hold> result);

  Client& client_;
  ClaimRequest request_;
  Callback<Hold> done_;  // null: finished
  Clock::time_point give_up_;
  std::optional<Lease> lease_;
  std::optional<Calls::Id> call_;
  std::optional<Runtime::TimerId> timer_;  // of asking again
  bool granted_ = false;
};

}  // namespace synod::client

#endif  // SYNOD_CLIENT_CLAIM_H_
