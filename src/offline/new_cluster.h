// New clusters over old state: from a backup, or from what one surviving node still has.
//
// Contract      Both write a data directory that did not exist or was empty, and leave what they
//               read as it is. The new node belongs to a new cluster, whose id no node of the old
//               one has, and begins at slot 1 with the state (Machine::BeginNewCluster).
// Atomic        The identity is written last. A directory with a state and without an identity is
//               refused by every start, so whatever a crash leaves does not start.
// Errors        kInvalidRequest: a directory that is not empty. Else what could not be read or
//               written.
// Thread        Any.
// Source        docs/operations.md, "Backups" and "The quorum is gone"; docs/formats.md, "New
//               clusters".
#ifndef SYNOD_OFFLINE_NEW_CLUSTER_H_
#define SYNOD_OFFLINE_NEW_CLUSTER_H_

#include <map>
#include <string>

#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/base/types.h"
#include "src/offline/snapshot.h"
#include "src/storage/acceptor_log.h"
#include "src/storage/file_system.h"

namespace synod::offline {

struct NewNode {
  Hash128 cluster_id;
  NodeId member;
  Digest digest;  // of the state it begins with: the same on every node of the new cluster
  Revision revision;
  ClusterTime time;
};

struct RestoreOptions {
  std::string snapshot;
  std::string data_dir;
  NodeId member;
  std::map<NodeId, std::string> members;  // peer addresses of all, this one's included
  std::string cluster_token;
  Hash128 entropy;  // becomes the node's uuid
  uint64_t segment_bytes = storage::AcceptorLogOptions().segment_bytes;
};

// One node of the cluster that begins with this backup. Every node that is given the same file,
// members and token belongs to the same one.
Result<NewNode> Restore(const RestoreOptions& options,
                        const Progress& progress,
                        storage::FileSystem& fs = storage::PosixFileSystem());

struct RecoverOptions {
  std::string data_dir;      // of the survivor
  std::string new_data_dir;  // of the cluster of one that begins with what it has
  Hash128 cluster_id;        // random: two survivors must never take each other for one cluster
  Hash128 entropy;
  uint64_t segment_bytes = storage::AcceptorLogOptions().segment_bytes;
};

struct Recovered {
  NewNode node;
  NodeId survivor;
  std::string peer_address;
  Slot state_slot;            // of the checkpoint
  Slot learned;               // what the survivor knew to be chosen
  Slot last;                  // what it had voted for besides
  uint64_t entries = 0;       // run from the log
  std::vector<NodeId> ended;  // members of the old cluster
};

// Takes what the survivor knows to be chosen and, as a leader that takes over would, what it voted
// for above: an acknowledged write whose commit it had not heard of is among that.
Result<Recovered> RecoverAlone(const RecoverOptions& options,
                               const Progress& progress,
                               storage::FileSystem& fs = storage::PosixFileSystem());

}  // namespace synod::offline

#endif  // SYNOD_OFFLINE_NEW_CLUSTER_H_
