// DataDir: the directory of one node: who it is, that nobody else uses it, where log and state are.
//
// Contract      At most one process has a data directory open. It is complete once its identity
//               file exists: the log is made before it, so an identity without a log means that the
//               log was lost, and with it promises: refused. A node never invents a new identity
//               over old data.
// Format        docs/formats.md, "Data directory": a file of text that is replaced as a whole.
// Errors        kNotReady: in use. Everything else that is not as it must be: kInternal with what
//               to do.
// Thread        One at a time.
#ifndef SYNOD_STORAGE_DATA_DIR_H_
#define SYNOD_STORAGE_DATA_DIR_H_

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/base/membership.h"
#include "src/base/types.h"
#include "src/storage/acceptor_log.h"
#include "src/storage/file_system.h"
#include "src/storage/state_dirs.h"

namespace synod::storage {

struct Identity {
  Hash128 cluster_id;                     // zero until the cluster is founded or joined
  Hash128 node_uuid;                      // of this directory, for ever
  NodeId member_id;                       // 0 until it has one
  std::map<NodeId, std::string> members;  // peer addresses of the cluster, once it has one
  std::map<NodeId, Hash128> peers;        // the uuid that each member had when it was first met
  // As last known to be final: what a state that knows a newer one overrules. Without voters until
  // there is a cluster.
  Membership membership;
  // What the node's flags said of itself at its last start; empty until it has a cluster.
  struct Advertised {
    std::string peer;
    std::string client;
    std::string name;  // empty: none was given
    bool operator==(const Advertised&) const = default;
  } advertised;
  // No process of this node has given leader leases longer than this (consensus/lease.h), or they
  // are over.
  uint64_t lease_ms = 0;
  bool operator==(const Identity&) const = default;

  bool HasCluster() const { return cluster_id != Hash128{}; }
  std::string Encode() const;
  static Result<Identity> Decode(std::string_view text);
};

class DataDir {
 public:
  // `entropy` becomes the uuid of a new node. Of `log` the size of segments, the seed and
  // accept_data_loss count: with it, a lost log is replaced by an empty one.
  static Result<std::unique_ptr<DataDir>> Open(FileSystem& fs,
                                               const std::string& path,
                                               const Hash128& entropy,
                                               const AcceptorLogOptions& log = {});

  // A directory that does not exist or is empty, for whoever puts a state and then a log of its own
  // making there. It is no node's until Save(): a state without an identity is refused by Open().
  // kInvalidRequest: it is not empty.
  static Result<std::unique_ptr<DataDir>> OpenEmpty(FileSystem& fs,
                                                    const std::string& path,
                                                    const Hash128& uuid);

  const Identity& identity() const { return identity_; }
  // Replaces the identity, durably. The uuid never changes, nor a cluster id or member id once set.
  Status Save(const Identity& identity);

  // Why the node of this directory must not vote any more; empty: it may.
  const std::string& quarantine() const { return quarantine_; }
  // Makes that durable, for ever.
  Status Quarantine(const std::string& why);

  // The state was taken from another member in the place of one that was discarded, and no majority
  // has confirmed it yet.
  bool unconfirmed() const { return unconfirmed_; }
  // Durable on return.
  Status SetUnconfirmed(bool unconfirmed);

  std::string log_dir() const { return path_ + "/log"; }
  std::string snapshot_dir() const { return path_ + "/snapshots"; }
  StateDirs& states() { return states_; }

 private:
  DataDir(FileSystem& fs, std::string path)
      : fs_(fs), path_(std::move(path)), states_(fs_, path_) {}

  Status TakeLock();
  Status Load(const AcceptorLogOptions& log);
  Status Create(const Hash128& entropy, const AcceptorLogOptions& log);
  Status WriteIdentity(const Identity& identity);
  Status ReadQuarantine();
  std::string identity_path() const { return path_ + "/identity"; }
  std::string quarantine_path() const { return path_ + "/quarantine"; }
  std::string unconfirmed_path() const { return path_ + "/unconfirmed"; }

  FileSystem& fs_;
  const std::string path_;
  StateDirs states_;
  std::unique_ptr<File> lock_;
  Identity identity_;
  std::string quarantine_;
  bool unconfirmed_ = false;
};

}  // namespace synod::storage

#endif  // SYNOD_STORAGE_DATA_DIR_H_
