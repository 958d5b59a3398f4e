// LeaseTable: the leases of the cluster, as replicated state.
//
// Contract      A live lease is renewed, a gone one never revived. What hangs on a lease is known
//               here, so that its end is one walk over it. There may be a million: a lease with
//               nothing on it and a short name takes about 190 bytes.
// Invariants    (1) an id is used once in the life of the cluster; (2) a lease is live (now <
//               deadline) or gone; gone may await its removal; (3) paths(id) holds exactly the
//               nodes whose lease is id, bytes(id) their path and value bytes; (4) the digest is
//               the sum over the lease records; (5) the heap of deadlines has an entry for every
//               lease at its deadline or earlier, and at most twice as many as there are leases.
// Time          Cluster time only, as stamped into the committed entry. Which leases an entry
//               expires is a function of the entry and this table.
// Thread        Core thread only.
// Errors        None: a lease that is not there is a null pointer.
// Not here      What hangs on a lease besides nodes (lock/lock_table.h); when to remove it
//               (src/machine).
#ifndef SYNOD_SESSION_LEASE_TABLE_H_
#define SYNOD_SESSION_LEASE_TABLE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "session/record_tally.h"
#include "src/base/error.h"
#include "src/base/path.h"
#include "src/base/types.h"

namespace synod::session {

// What may hang on one lease: no more than one revision may change.
inline constexpr uint64_t kLeaseNodesMax = 10'000;
inline constexpr uint64_t kLeaseBytesMax = uint64_t{16} << 20;

using synod::PathLess;
using PathSet = std::set<std::string, PathLess>;

struct Lease {
  // What hangs on it: derived from the tree.
  struct Tied {
    PathSet paths;
    uint64_t bytes = 0;
  };
  const PathSet& paths() const;
  uint64_t tied_bytes() const { return tied == nullptr ? 0 : tied->bytes; }

  LeaseId id;
  int64_t ttl_ms = 0;
  ClusterTime deadline;
  std::string name;
  std::string user;            // who made it
  std::unique_ptr<Tied> tied;  // null: nothing, as with most of many
  Hash128 hash;                // of its record
  bool of_request = false;     // made by an acquire that named none: ends with the last hold on it
};

class LeaseTable {
 public:
  const Lease& Grant(int64_t ttl_ms,
                     std::string_view name,
                     std::string_view user,
                     bool of_request,
                     ClusterTime now);
  // Also one that is past its deadline.
  const Lease* Find(LeaseId id) const;
  const Lease* FindLive(LeaseId id, ClusterTime now) const;
  // A whole TTL ahead again. The lease must be live: an expired one is never revived.
  const Lease& Renew(LeaseId id, ClusterTime now);
  // Nothing may hang on it any more.
  void End(LeaseId id);

  // A node with this lease came, went, or has another size. A lease that is gone is passed over.
  void Tie(LeaseId id, std::string_view path, uint64_t bytes);
  void Untie(LeaseId id, std::string_view path, uint64_t bytes);

  // Of those past their deadline the first by (deadline, id), or null.
  const Lease* FirstDue(ClusterTime now) const;
  std::optional<ClusterTime> NextDeadline() const;
  // By id, after `after`, at most `limit` that are live.
  std::vector<const Lease*> List(LeaseId after, size_t limit, ClusterTime now) const;

  // By id.
  void ForEach(const std::function<void(const Lease&)>& each) const;

  size_t size() const { return leases_.size(); }
  uint64_t record_bytes() const { return record_bytes_; }
  LeaseId last_id() const { return last_id_; }
  void set_last_id(LeaseId id) { last_id_ = id; }

  const Digest& digest() const { return tally_.digest(); }
  RecordTally& tally() { return tally_; }
  const RecordTally& tally() const { return tally_; }
  void ForEachRecord(
      const std::function<void(std::string_view key, std::string_view value)>& each) const;
  Status LoadRecord(std::string_view key, std::string_view value);
  void CheckInvariants() const;

 private:
  using Deadline = std::pair<ClusterTime, LeaseId>;

  void Save(Lease* lease);
  void Expect(const Lease& lease);
  const Lease* First() const;

  std::map<LeaseId, Lease> leases_;
  // A heap, the earliest on top. A renewal does not touch it: an entry of a lease that was renewed
  // or ended meanwhile is put right when it comes to the top.
  mutable std::vector<Deadline> deadlines_;
  LeaseId last_id_;
  uint64_t record_bytes_ = 0;
  RecordTally tally_;
};

}  // namespace synod::session

#endif  // SYNOD_SESSION_LEASE_TABLE_H_
