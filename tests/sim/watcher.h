// Watcher: follows a part of the tree from node to node and must miss and repeat nothing.
//
// Contract      Watches on some node's hub, reads on at its own pace, and goes on at another node
//               from the revision after the last one that it has seen, when its node ends or it
//               feels like it. Check() compares what it got with the log. A history that no longer
//               reaches back ends a stretch; the next one begins anew.
// Thread        One.
#ifndef SYNOD_TESTS_SIM_WATCHER_H_
#define SYNOD_TESTS_SIM_WATCHER_H_

#include <optional>
#include <string>
#include <vector>

#include "src/base/random.h"
#include "tests/sim/node_host.h"
#include "watch/hub.h"

namespace synod::sim {

class Watcher {
 public:
  Watcher(World* world, uint32_t number, Random random);

  void Start() { AttachSoon(); }
  // The hub of `node` has marked this watch as ready.
  void OnReady(NodeId node, watch::WatchId id);
  void OnProcessEnded(NodeId node);
  // Stays where it is from now on, so that it can be compared.
  void StopMoving() { moving_ = false; }
  // Reads on; true if everything up to `revision` has been delivered.
  bool HasReached(Revision revision);
  // Throws Violation. `log` is every revision that changed a node.
  void Check(const std::vector<store::RevisionRef>& log) const;

  uint64_t delivered() const { return delivered_; }
  uint64_t moves() const { return moves_; }

 private:
  struct Seen {
    Revision revision;
    std::vector<store::Change> changes;
  };
  struct Stretch {
    Revision from;      // first revision of interest
    Revision position;  // everything up to here has been delivered
    std::vector<Seen> seen;
  };

  void AttachSoon();
  void Attach();
  void Detach();
  void Drain();
  bool Matches(const store::Change& change) const;
  NodeHost& HostOf(NodeId node) { return *world_->hosts[node]; }

  World* world_;
  uint32_t number_;
  Random random_;
  watch::Spec spec_;
  bool moving_ = true;
  bool attaching_ = false;
  std::optional<NodeId> node_;
  uint64_t boot_ = 0;
  watch::WatchId watch_ = 0;
  uint64_t generation_ = 0;  // rises with every attach and detach
  std::vector<Stretch> stretches_;
  uint64_t delivered_ = 0;
  uint64_t moves_ = 0;
};

}  // namespace synod::sim

#endif  // SYNOD_TESTS_SIM_WATCHER_H_
