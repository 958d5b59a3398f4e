// Witness: what the members know of each other's logs, and whether this node's own can be trusted.
//
// Why           A log may have been cut short without a trace: an old copy of the disk put back, a
//               lost last record that looks torn, a disk that lied about a sync. Its own bytes
//               cannot tell; others can. Each vote and promise carries `gen`, the count of the
//               sender's synced records, and everybody remembers the highest.
// Contract      A process takes part (promises, votes, campaigns) once enough members to be a
//               majority with itself have told what they saw, and none saw more than its log has.
//               They answer also while they wait themselves, so that all can start at once. If
//               one saw more, this identity may have forgotten a promise: it is lost, for ever.
// Limits        What was told to nobody that answers is not missed: a leader's own votes since its
//               last Accept, or those of a member that only a dead leader had heard of.
// Thread        Core thread only.   Errors: none.
// Source        docs/decisions/0002-acceptor-log.md; docs/operations.md, "Quarantine".
#ifndef SYNOD_NODE_ENGINE_WITNESS_H_
#define SYNOD_NODE_ENGINE_WITNESS_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/message.h"
#include "src/base/codec.h"
#include "src/base/types.h"

namespace synod::node {

class Witness {
 public:
  // What a member says when asked: the records that it saw of the one who asks, and who votes now
  // as far as it knows.
  struct Statement {
    bool asks = false;  // the sender wants one too
    uint64_t gen = 0;
    uint64_t config_version = 0;
    std::vector<NodeId> voters;
  };

  // `gen` is what the own log has. `lost` not empty: this identity was found lost before.
  Witness(NodeId self, uint64_t gen, std::string lost);

  // -- of the others
  void Saw(NodeId member, uint64_t gen);
  uint64_t GenOf(NodeId member) const;
  std::vector<consensus::MemberGen> Table() const;  // with this node's own
  // The table as kept with a checkpoint, and back; a table of another cluster is ignored.
  Bytes Encode(std::string_view cluster) const;
  void Remember(std::string_view cluster, std::string_view bytes);

  // -- of this node
  void Appended(uint64_t gen);  // the log has so many records now
  uint64_t gen() const { return gen_; }
  // A member saw so many records of this node.
  void SawMe(NodeId member, uint64_t gen);
  void Told(NodeId member, const Statement& statement);
  // Takes the verdict if enough have answered. `version` and `voters` as this node knows them; what
  // was told may be newer.
  void Judge(uint64_t version, const std::vector<NodeId>& voters);

  bool trusted() const { return trusted_ && lost_.empty(); }
  const std::string& lost() const { return lost_; }  // why; empty: it is not
  size_t answers() const { return answered_.size(); }

 private:
  NodeId self_;
  const uint64_t gen_at_start_;
  uint64_t gen_;
  std::string lost_;
  bool trusted_ = false;
  std::map<NodeId, uint64_t> seen_;  // of the others
  std::set<NodeId> answered_;
  uint64_t told_version_ = 0;
  std::vector<NodeId> told_voters_;
};

}  // namespace synod::node

#endif  // SYNOD_NODE_ENGINE_WITNESS_H_
