// Record: one piece of replicated state as it is kept on disk, sent in snapshots and fingerprinted.
//
// Contract      The whole replicated state is a set of records with unique keys. The first byte of
//               a key says which module owns it. Loading all records of a state into an empty
//               machine gives back that state; the digest is the sum of HashOfRecord over all
//               records whose tag is not kHistory.
#ifndef SYNOD_BASE_RECORD_H_
#define SYNOD_BASE_RECORD_H_

#include <optional>
#include <string>
#include <vector>

#include "src/base/types.h"

namespace synod {

enum class RecordTag : char {
  kMeta = 'm',         // machine: revision, cluster time, counters, last LeaderStart, settings
  kNode = 'n',         // store: one node of the tree
  kHistory = 'h',      // store: a run of past changes (not in the digest)
  kLease = 'l',        // session: one lease
  kIdempotency = 'i',  // session: one recorded answer
  kContender = 'c',    // lock: one holder or waiter
  kLock = 'k',         // lock: what a lock keeps besides its contenders (limit, delay)
  kFence = 'f',        // lock: a fence register
  kMember = 'p',       // machine: one member of the cluster
  kRole = 'r',         // machine: a role
  kUser = 'u',         // machine: a user
  kToken = 't',        // machine: a token
  kQuota = 'q',        // machine: the quota of one subtree
};

struct Record {
  Bytes key;
  std::optional<Bytes> value;  // nullopt: the record is gone
};

using Records = std::vector<Record>;

}  // namespace synod

#endif  // SYNOD_BASE_RECORD_H_
