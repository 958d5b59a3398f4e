// Election: one of those who stand leads, with a token; all can see who.
//
// Contract      As Curator's LeaderLatch and etcd's Election. Campaign gives leadership as a Hold:
//               releasing it resigns, and the next in the queue leads in the same revision. What
//               the leader writes carries hold.fence(). Observe tells who leads now, then every
//               change, each once and in order, across leader changes of the cluster as well.
// Thread        Any; functions given run on the client's, not after their object is gone.
// Errors        Campaign: hold.h. Proclaim, Transfer: kFenced when no longer leader; Transfer:
//               kLeaseNotFound if `to` is no candidate.
#ifndef SYNOD_CLIENT_ELECTION_H_
#define SYNOD_CLIENT_ELECTION_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/client/hold.h"

namespace synod::client {

class Stream;

struct Leader {
  uint64_t token = 0;
  uint64_t lease = 0;
  std::string value;
  uint64_t since_revision = 0;
};

class Election {
 public:
  Election(Client& client, std::string path, HoldOptions options = {})
      : client_(client), path_(std::move(path)), options_(std::move(options)) {}

  Result<Hold> Campaign(Milliseconds wait);
  Waiting Campaign(Milliseconds wait, Callback<Hold> done);
  // The leader tells a new value.
  Status Proclaim(const Hold& leadership, const std::string& value);
  void Proclaim(const Hold& leadership, const std::string& value, Callback<Unit> done);
  // The candidate with that lease leads next; `leadership` is over.
  Status Transfer(const Hold& leadership, uint64_t to_lease);
  void Transfer(const Hold& leadership, uint64_t to_lease, Callback<Unit> done);
  // Who leads now; nothing if nobody does.
  Result<std::optional<Leader>> Current();
  void Current(Callback<std::optional<Leader>> done);

  class Observation {
   public:
    ~Observation();

   private:
    friend class Election;
    Observation(Client& client, std::shared_ptr<Stream> stream)
        : client_(client), stream_(std::move(stream)) {}
    Client& client_;
    std::shared_ptr<Stream> stream_;
  };
  std::unique_ptr<Observation> Observe(std::function<void(const std::optional<Leader>&)> on_leader,
                                       std::function<void(const Error&)> on_end);

 private:
  struct ClaimRequest Request(Milliseconds wait) const;
  std::string Target(const char* action) const;

  Client& client_;
  std::string path_;
  HoldOptions options_;
};

}  // namespace synod::client

#endif  // SYNOD_CLIENT_ELECTION_H_
