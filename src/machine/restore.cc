// The beginning of a new cluster over the state of a lost one: nothing that a client of the old one
// still holds (an ETag, a resume point, a lease, a token, a deadline) may be taken for one of the
// new one's, whatever the old cluster went on to do after the state was copied.
#include <algorithm>
#include <limits>

#include "src/base/check.h"
#include "src/machine/core.h"

namespace synod::machine {
namespace {

// More than any cluster does between a backup and its end: a thousand changes a second for twelve
// days, and twelve days of cluster time. Room for eight million restores below 2^53.
constexpr uint64_t kLeap = uint64_t{1} << 30;

}  // namespace

void Machine::Core::BeginNewCluster() {
  time = time + static_cast<int64_t>(kLeap);
  revision = revision + (kLeap - 1);
  leases.set_last_id(leases.last_id() + kLeap);
  locks.set_last_token(locks.last_token() + kLeap);
  EndAllLeases();
  // Every contender hung on a lease, so that no record is pending and no lock is held any more.
  while (const std::optional<std::string> path = locks.FirstDelayDue(time))
    locks.DropIfIdle(*path, time);
  idempotency.Expire(ClusterTime(std::numeric_limits<int64_t>::max()));
  ForgetMembers();
  tree.Restart(revision);
  // No token was above both, and every one that comes now is.
  fences.set_floor(std::max(locks.last_token(), FenceToken(revision.value)));
  applied = Slot(1);
  leader_start = Ballot();
  SYNOD_CHECK(locks.locks().empty());
  SYNOD_CHECK_EQ(idempotency.size(), 0U);
}

void Machine::Core::EndAllLeases() {
  const Observer nobody;
  Applied untold;
  observer_ = &nobody;
  out_ = &untold;
  Move move(this);
  // What hung on a lease leaves no trace: the history goes.
  leases.ForEach(
      [&](const session::Lease& lease) { EndLease(&move, lease.id, store::Cause::kReleased); });
  Finish(&move);
  observer_ = nullptr;
  out_ = nullptr;
}

}  // namespace synod::machine
