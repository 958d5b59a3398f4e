// Group: who is there.
//
// Contract      A member's node exists while its process lives: it is tied to a lease and goes when
//               that does. Joining under a name that is there takes it over: its lease is then the
//               new one's. A Cache of the group's path tells who comes and goes.
// Thread        Any; `on_lost` on the client's.   Errors: the API's.
#ifndef SYNOD_CLIENT_GROUP_H_
#define SYNOD_CLIENT_GROUP_H_

#include <string>

#include "src/client/lease.h"
#include "src/client/tree.h"

namespace synod::client {

class Group {
 public:
  struct Member {
    std::string name;
    std::string value;
  };

  Group(Client& client, std::string path) : client_(client), path_(std::move(path)) {}

  // Membership lasts as long as the lease.
  Result<Lease> Join(const std::string& name, std::string value, LeaseOptions lease = {});
  void Join(const std::string& name, std::string value, LeaseOptions lease, Callback<Lease> done);
  Result<std::vector<Member>> Members();
  void Members(Callback<std::vector<Member>> done);

 private:
  Client& client_;
  std::string path_;
};

}  // namespace synod::client

#endif  // SYNOD_CLIENT_GROUP_H_
