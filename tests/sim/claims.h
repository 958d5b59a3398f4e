// Claims: leases and locks as their holders were told, against the log and against true time.
//
// Contract      Watches the observer's machine after every slot. Throws Violation: (1) a lease that
//               ends before its deadline in cluster time, or before its TTL has passed in true time
//               since its last acknowledged renewal was sent (clocks run at their own rates: a
//               leader's fast clock may shorten it by that much); (2) two holders of a lock in the
//               log; (3) a token that does not rise; (4) two clients that both have reason to
//               believe they hold one lock; (5) a fenced write, or a leader's proclamation, that
//               stands in the log outside the hold of its token; (6) a read that names another
//               leader than the log. An election is a lock whose holder leads.
// Thread        One.
#ifndef SYNOD_TESTS_SIM_CLAIMS_H_
#define SYNOD_TESTS_SIM_CLAIMS_H_

#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/sim/node_host.h"

namespace synod::sim {

class Claims {
 public:
  explicit Claims(World* world) : world_(world) {}

  void WatchLock(const std::string& path, machine::LockKind kind) { locks_[path].kind = kind; }
  // After every slot of the observer's machine.
  void OnSlot(Slot slot, const machine::Applied& applied);

  // A grant or keepalive that was sent at `sent` has been acknowledged.
  void LeaseAcknowledged(LeaseId lease, int64_t ttl_ms, Time sent);
  // Its owner is about to end it, or anything on which it hangs.
  void LeaseMayEnd(LeaseId lease);

  // A client was told that it holds the lock, by an answer to what it sent at `sent`; it believes
  // so until its lease may be over. False if that moment has passed already.
  void Believe(const std::string& lock, FenceToken token, uint32_t client, Time until);
  void BelieveNoMore(const std::string& lock, FenceToken token);

  struct Hold {
    std::string lock;
    FenceToken token;
    std::string key;
  };
  void AddHold(Hold hold) { holds_.push_back(std::move(hold)); }
  struct FencedWrite {
    std::string lock;
    FenceToken token;
    Revision revision;
    bool applied = false;  // false: refused as fenced, judged at `revision`
  };
  void AddFencedWrite(FencedWrite write) { writes_.push_back(std::move(write)); }
  // A linearizable read of `revision` named this token as the leader's.
  struct Leader {
    std::string election;
    FenceToken token;
    Revision revision;
  };
  void AddLeader(Leader leader) { leaders_.push_back(std::move(leader)); }
  // At the end, with every revision that changed a node.
  void Check(const std::vector<store::RevisionRef>& log) const;

  // How long a lease of `ttl_ms` lasts at least, whatever the clocks.
  Time ShortestLife(int64_t ttl_ms) const;
  uint64_t ended() const { return ended_; }

 private:
  struct Lease {
    Time lives_until = 0;  // true time
    ClusterTime deadline;  // as of the last slot
    bool may_end = false;
  };
  struct Lock {
    machine::LockKind kind = machine::LockKind::kLock;
    std::map<FenceToken, Revision> holders;  // as of the last slot, with since_revision
    FenceToken last_token;
    // Who held from a revision on, as of whole slots: what reads can see. Elections only.
    std::map<Revision, FenceToken> leaders;
  };
  struct Belief {
    FenceToken token;
    uint32_t client = 0;
    Time until = 0;
  };
  void CheckLeases(Slot slot);
  void CheckLocks(Slot slot);
  void CheckLeaders() const;

  World* world_;
  Revision last_revision_;
  uint64_t last_leases_ = 0;
  std::map<LeaseId, Lease> leases_;
  std::map<std::string, Lock> locks_;
  std::map<FenceToken, Revision> since_;  // of every hold ever seen in the log
  std::map<std::string, Belief> beliefs_;
  std::vector<Hold> holds_;
  std::vector<FencedWrite> writes_;
  std::vector<Leader> leaders_;
  uint64_t ended_ = 0;
};

}  // namespace synod::sim

#endif  // SYNOD_TESTS_SIM_CLAIMS_H_
