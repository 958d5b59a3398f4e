// Joining: how an empty node enters a cluster that exists (--join).
//
// Contract      Asks the given members over the public API until it is entered: GET /v1/cluster,
//               POST /v1/cluster/members, and GET again until the list names it. Repeats with
//               back-off for ever; the same directory is entered once, however often it asks and
//               crashes (the key of the request is the directory's uuid). `done` is called once;
//               nothing is called after the object has gone.
// Thread        A thread of its own does the asking; callbacks come on the loop's thread.
// Errors        Logged, and told in progress().
// Not here      Writing the identity, and all that follows (server.h).
#ifndef SYNOD_NODE_JOINING_H_
#define SYNOD_NODE_JOINING_H_

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "src/base/address.h"
#include "src/base/error.h"
#include "src/base/membership.h"
#include "src/base/types.h"
#include "src/client/client.h"
#include "src/net/asio.h"

namespace synod::node {

// What GET /v1/cluster tells of a cluster.
struct ClusterView {
  struct Member {
    std::string name;
    HostPort peer;
    bool voter = false;
  };
  std::string cluster_id;  // 32 hex digits
  std::map<NodeId, Member> members;
};
// kInternal with a detail if the document is not what this version understands.
Result<ClusterView> ParseClusterView(std::string_view json);
// What POST /v1/cluster/members answers: the number that was given out, and the membership with it.
struct Entered {
  NodeId id;
  Membership membership;
};
Result<Entered> ParseEntered(std::string_view json);

class Joining {
 public:
  struct Self {
    std::string uuid;
    std::string name;  // empty: the cluster names it
    std::string peer_address;
    std::string client_url;
  };
  struct Joined {
    NodeId id;
    Membership membership;  // in which it is a learner
    ClusterView cluster;    // with this node in it
  };
  // `urls` are valid endpoints, at least one.
  Joining(net::asio::io_context& io,
          const std::vector<std::string>& urls,
          client::Credentials credentials,
          Self self,
          std::function<void(Joined)> done);
  // Gives up; waits for a request under way, at most kRequestTimeout.
  ~Joining();
  Joining(const Joining&) = delete;
  Joining& operator=(const Joining&) = delete;

  // One line for people: whom it asks, and why it is not in yet.
  std::string progress() const;

 private:
  void Run();
  Result<Joined> Attempt();
  Result<Entered> Enter();
  Result<ClusterView> Ask();
  // False when the object goes.
  bool Pause(std::chrono::milliseconds time);
  void Note(const std::string& problem);

  net::asio::io_context& io_;
  const std::string asked_;
  const Self self_;
  const std::function<void(Joined)> done_;
  client::Client client_;  // the thread's
  uint32_t refusals_ =
      0;  // the thread's: an answer is recorded under its key, so ask under another
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool stop_ = false;
  std::string problem_;
  // The loop's handler finds the object gone.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::thread thread_;
};

}  // namespace synod::node

#endif  // SYNOD_NODE_JOINING_H_
