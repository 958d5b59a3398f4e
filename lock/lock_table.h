// LockTable: who holds and who waits for each lock and election, in order of arrival.
//
// Contract      One queue a path. A contender enters as a waiter and is granted when NextGrant()
//               names it: if it fits beside the holders and is in conflict with no live waiter
//               before it. So nobody overtakes: two are in conflict unless both are shared.
// Groups        Contenders that one request entered together, one in each of several queues, are
//               granted together, when each is first in conflict in its queue; then they are holds
//               like all others. Every queue has two groups in the order of their requests, so that
//               they cannot wait for each other. The wait itself (deadline, owner, key) is that of
//               the group's first, of rank 0.
// Invariants    (1) an exclusive holder of a limit 1 is alone; (2) holders <= limit unless shared;
//               shared ones only hold beside shared ones; (3) tokens are unique and rise with every
//               grant over the life of the cluster; (4) a lease has at most one contender in a
//               queue; (5) a lock is in the table while it has a contender or a delay; (6) every
//               index and the digest agree with the contenders; (7) the members of a group wait on
//               one lease, with ranks from 0 on.
// Time          Cluster time. A waiter is dead once now >= its wait deadline, or its lease is gone;
//               dead waiters are passed over, and stay until their own end is due.
// Source        docs/api.md, sections "Locks" and "Elections".
// Thread        Core thread only.   Errors: none.
// Not here      The contenders' nodes and values (store), the leases (session), who is told
//               (src/machine).
#ifndef SYNOD_LOCK_LOCK_TABLE_H_
#define SYNOD_LOCK_LOCK_TABLE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "lock/types.h"
#include "session/lease_table.h"
#include "session/record_tally.h"
#include "src/base/error.h"
#include "src/base/types.h"

namespace synod::lock {

// The place of a contender: its lock's path and its number in the order of arrival there.
struct Place {
  std::string path;
  uint64_t number = 0;
  auto operator<=>(const Place&) const = default;
};

struct Contender {
  LeaseId lease;
  bool lease_of_request = false;
  LockMode mode = LockMode::kExclusive;
  int64_t lock_delay_ms = 0;
  uint64_t value_bytes = 0;
  ClusterTime since;  // of the arrival; of the grant once it holds

  // While it holds.
  FenceToken token;  // 0: it waits
  Revision since_revision;

  // While it waits.
  ClusterTime wait_deadline;
  RequestId owner;                             // whose answer it will be
  std::optional<ClusterTime> orphan_deadline;  // the owner is gone: withdrawn then
  Bytes request_key;                           // of its idempotency record; empty: none
  uint64_t group = 0;                          // the same number in all of a group; 0: alone
  uint32_t rank = 0;                           // in the group

  Hash128 hash;
  bool holds() const { return token.value != 0; }
};

struct Lock {
  LockKind kind = LockKind::kLock;
  uint32_t limit = 1;
  ClusterTime delay_until;  // 0: none
  std::map<uint64_t, Contender> holders;
  std::map<uint64_t, Contender> waiters;
  Hash128 hash;
  bool idle() const { return holders.empty() && waiters.empty(); }
};

// The number of a contender's node under its lock, or nullopt if `name` is not "@" and ten digits.
std::optional<uint64_t> NumberOf(std::string_view name);
// The path of a contender's node.
std::string KeyOf(const Place& place);
// The place that the node `path` belongs to, or nullopt if it is no contender's.
std::optional<Place> PlaceOf(std::string_view node_path);

class LockTable {
 public:
  const Lock* Find(std::string_view path) const;
  const Contender* Find(const Place& place) const;
  // The contender of this lease in that queue.
  std::optional<Place> FindByLease(std::string_view path, LeaseId lease) const;
  // Every place that hangs on the lease, by path.
  std::vector<Place> PlacesOf(LeaseId lease) const;
  std::optional<Place> FindHolder(std::string_view path, FenceToken token) const;
  // Where the wait of this request is kept.
  std::optional<Place> FindOwner(const RequestId& owner) const;
  // What is granted and withdrawn with this contender, itself included, by rank.
  std::vector<Place> GroupOf(const Place& place) const;

  // A waiter at the end of the queue; makes the lock if there is none. `limit` counts only when
  // nobody is there yet.
  void Enter(const Place& place, LockKind kind, uint32_t limit, Contender contender);
  // True if one who comes now would hold at once.
  bool IsFree(std::string_view path,
              LockMode mode,
              ClusterTime now,
              const session::LeaseTable& leases) const;
  // A waiter that could be granted now, were it its turn.
  bool IsAlive(const Contender& waiter, ClusterTime now, const session::LeaseTable& leases) const;
  // The waiter to be granted next, if any; with all of its group.
  std::optional<Place> NextGrant(std::string_view path,
                                 ClusterTime now,
                                 const session::LeaseTable& leases) const;
  // Makes a waiter a holder, with the next token: max(last + 1, revision).
  const Contender& Grant(const Place& place, Revision revision, ClusterTime now);
  // Takes a contender out of its queue. The lock stays until DropIfIdle().
  Contender Remove(const Place& place);
  // The value of the contender's node has another size now.
  void SetValueBytes(const Place& place, uint64_t value_bytes);
  void SetDelay(std::string_view path, ClusterTime until);
  // Forgets the lock if nobody holds or waits and no delay runs at `now`.
  void DropIfIdle(std::string_view path, ClusterTime now);

  // A later request takes a wait over: the answer goes there. `place` is that of the wait, here and
  // below.
  void TakeOver(const Place& place,
                const RequestId& owner,
                ClusterTime deadline,
                Bytes request_key);
  void Disown(const Place& place, ClusterTime orphan_deadline);
  void DisownProcess(NodeId node, uint64_t boot, ClusterTime orphan_deadline);
  void AdoptProcess(NodeId node, uint64_t boot);

  // What is due, first by (time, path, number).
  std::optional<Place> FirstWaitDue(ClusterTime now) const;
  std::optional<Place> FirstOrphanDue(ClusterTime now) const;
  std::optional<std::string> FirstDelayDue(ClusterTime now) const;
  std::optional<ClusterTime> NextDeadline() const;

  using Map = std::map<std::string, Lock, session::PathLess>;
  const Map& locks() const { return locks_; }
  // Waits by their owner, ascending.
  const std::map<RequestId, Place>& owners() const { return owners_; }
  uint64_t holder_count() const { return holder_count_; }
  uint64_t waiter_count() const { return waiter_count_; }
  uint64_t record_bytes() const { return record_bytes_; }
  FenceToken last_token() const { return last_token_; }
  void set_last_token(FenceToken token) { last_token_ = token; }

  const Digest& digest() const { return tally_.digest(); }
  session::RecordTally& tally() { return tally_; }
  const session::RecordTally& tally() const { return tally_; }
  void ForEachRecord(
      const std::function<void(std::string_view key, std::string_view value)>& each) const;
  // kLock and kContender records, in any order; FinishLoad() checks that they fit together.
  Status LoadRecord(std::string_view key, std::string_view value);
  Status FinishLoad() const;
  void CheckInvariants() const;

 private:
  Lock& Get(std::string_view path);
  Contender& GetWaiter(const Place& place);
  void SaveLock(std::string_view path, Lock* lock);
  void Save(const Place& place, Contender* contender);
  void Index(const Place& place, const Contender& contender);
  void Unindex(const Place& place, const Contender& contender);
  // Nothing in its own queue forbids to grant this waiter.
  bool IsFirst(const Place& place, ClusterTime now, const session::LeaseTable& leases) const;
  void CheckLock(const std::string& path, const Lock& lock) const;
  void CheckWaiter(const Place& place, const Contender& waiter) const;

  Map locks_;
  std::map<std::pair<LeaseId, std::string>, uint64_t> by_lease_;
  std::map<RequestId, Place> owners_;
  std::map<uint64_t, std::map<uint32_t, Place>> groups_;
  std::set<std::pair<ClusterTime, Place>> wait_deadlines_;
  std::set<std::pair<ClusterTime, Place>> orphan_deadlines_;
  std::set<std::pair<ClusterTime, std::string>> delays_;
  FenceToken last_token_;
  uint64_t holder_count_ = 0;
  uint64_t waiter_count_ = 0;
  uint64_t record_bytes_ = 0;
  session::RecordTally tally_;
};

// The bytes of lock records (lock/lock_records.cc).
Bytes LockRecordKey(std::string_view path);
Bytes LockRecordValue(const Lock& lock);
Bytes ContenderRecordKey(const Place& place);
Bytes ContenderRecordValue(const Contender& contender);

}  // namespace synod::lock

#endif  // SYNOD_LOCK_LOCK_TABLE_H_
