// Lease: a promise to the cluster to be alive, renewed in the background while its object lives.
//
// Contract      Alive() is true only while the cluster cannot have ended the lease: it turns false
//               before that, also after the process was stopped or the machine slept. `on_lost`
//               runs once, as soon as that is so or the cluster says that the lease is gone, and
//               never after Revoke has returned. What hangs on the lease (nodes, holds) goes with
//               it.
// Thread        Any. `on_lost` runs on the client's. The destructor revokes and waits up to a TTL
//               for it; on the client's thread it does not wait.
// Errors        Of a grant: the API's. kLeaseNotFound if its answer came too late to be believed.
#ifndef SYNOD_CLIENT_LEASE_H_
#define SYNOD_CLIENT_LEASE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "src/client/client.h"

namespace synod::client {

class LeaseBelief;

struct LeaseOptions {
  Milliseconds ttl{10'000};
  std::string name;  // for people
  std::function<void()> on_lost;
};

class Lease {
 public:
  static Result<Lease> Grant(Client& client, LeaseOptions options = {});
  static void Grant(Client& client, LeaseOptions options, Callback<Lease> done);

  Lease(Lease&&) noexcept = default;
  Lease& operator=(Lease&& other) noexcept;
  ~Lease();

  uint64_t id() const;
  bool Alive() const;
  // Until when it may be believed, as known now.
  Clock::time_point safe_until() const;

  // Ends it, with all that hangs on it. It counts as ended here whatever comes back.
  Status Revoke();
  void Revoke(Callback<Unit> done);

 private:
  Lease(Client& client, std::shared_ptr<LeaseBelief> belief)
      : client_(&client), belief_(std::move(belief)) {}
  void End();

  Client* client_;
  std::shared_ptr<LeaseBelief> belief_;  // null: moved from
};

}  // namespace synod::client

#endif  // SYNOD_CLIENT_LEASE_H_
