// Commands on leases, and those of the holders of locks and elections.
#include <algorithm>
#include <memory>
#include <utility>

#include "src/base/check.h"
#include "src/base/path.h"
#include "src/machine/core.h"

namespace synod::machine {
namespace {

constexpr store::Precondition kAny;
// Leases and locks are granted up to this part of the quota past it, so that a full store can still
// be worked on in an orderly way.
constexpr uint64_t kQuotaReserve = 10;

constexpr uint64_t kLeaseNameBytesMax = 1024;

}  // namespace

LeaseView ViewOf(const session::Lease& lease) {
  return {lease.id, lease.ttl_ms, lease.deadline, lease.name};
}

std::optional<Refusal> Machine::Core::CheckReserve(uint64_t more_bytes) const {
  if (UsedBytes() + more_bytes > settings.quota_bytes + settings.quota_bytes / kQuotaReserve)
    return Refuse(Errc::kStorageFull, "the storage quota is used up");
  return std::nullopt;
}

// --- leases ---

AnswerBody Machine::Core::Run(Call* call, LeaseGrant* op) {
  if (op->ttl_ms < settings.lease_ttl_ms_min || op->ttl_ms > settings.lease_ttl_ms_max)
    return Refuse(Errc::kInvalidRequest, "ttl_ms is out of range");
  if (op->name.size() > kLeaseNameBytesMax)
    return TooLarge(kLeaseNameBytesMax, "the lease's name is too long");
  if (std::optional<Refusal> full = CheckReserve(op->name.size()))
    return std::move(*full);
  Move move(this);
  const session::Lease& lease = leases.Grant(op->ttl_ms, op->name, call->user, false, time);
  return Commit(call, &move, LeaseAnswer{ViewOf(lease), true});
}

AnswerBody Machine::Core::Run(Call* call, LeaseKeepAlive* op) {
  const auto renew = [&](LeaseId id) -> Result<LeaseView> {
    const session::Lease* lease = leases.FindLive(id, time);
    if (lease == nullptr)
      return Error{Errc::kLeaseNotFound};
    if (!MayUse(*lease, *call))
      return Error{Errc::kPermissionDenied, Outcome::kNotApplied, "another user's lease"};
    return ViewOf(leases.Renew(id, time));
  };
  if (!op->bulk) {
    const Result<LeaseView> lease = renew(op->ids.front());
    if (lease.has_error())
      return Refuse(lease.error());
    return LeaseAnswer{*lease, false};
  }
  // The answer's size is bounded before anything is renewed: no record may be larger.
  uint64_t answer_bytes = 64;
  for (const LeaseId id : op->ids) {
    const session::Lease* lease = leases.Find(id);
    answer_bytes += 48 + (lease == nullptr ? 0 : lease->name.size());
  }
  if (call->keyed() && answer_bytes > kRecordedAnswerMax)
    return TooLarge(kRecordedAnswerMax, "the answer is too large to be recorded");
  KeepAliveAnswer answer;
  for (const LeaseId id : op->ids) {
    Result<LeaseView> lease = renew(id);
    if (lease.has_value())
      answer.leases.push_back(std::move(*lease));
    else
      answer.not_found.push_back(id);
  }
  return answer;
}

AnswerBody Machine::Core::Run(Call* call, LeaseRevoke* op) {
  if (std::optional<Refusal> refused = CheckLeaseOf(*call, op->id))
    return std::move(*refused);
  if (op->id.value == 0)
    return Refuse(Errc::kLeaseNotFound);
  if (std::optional<Refusal> refused = CheckEnd(*call, *leases.Find(op->id)))
    return std::move(*refused);
  Move move(this);
  EndLease(&move, op->id, store::Cause::kReleased);
  return Commit(call, &move, RevokeAnswer{});
}

// --- holders ---

bool Machine::Core::IsCurrentHolder(std::string_view path, FenceToken token) const {
  const std::optional<lock::Place> place = locks.FindHolder(path, token);
  return place.has_value() && leases.FindLive(locks.Find(*place)->lease, time) != nullptr;
}

Result<lock::Place> Machine::Core::FindUsableHolder(const Call& call,
                                                    LockKind kind,
                                                    std::string_view path,
                                                    FenceToken token) const {
  const lock::Lock* lock = locks.Find(path);
  if (lock != nullptr && lock->kind != kind)
    return Error{Errc::kWrongKind};
  const std::optional<lock::Place> place = locks.FindHolder(path, token);
  const session::Lease* lease =
      place.has_value() ? leases.FindLive(locks.Find(*place)->lease, time) : nullptr;
  if (lease == nullptr) {
    const Errc stale = kind == LockKind::kLock ? Errc::kLockNotHeld : Errc::kFenced;
    return Error{stale, Outcome::kNotApplied, "the token is not a current holder's"};
  }
  if (!MayUse(*lease, call))
    return Error{Errc::kPermissionDenied, Outcome::kNotApplied, "held by another user"};
  return *place;
}

HoldAnswer Machine::Core::HoldOf(const lock::Place& place, const store::NodeRef& node) const {
  const lock::Contender& holder = *locks.Find(place);
  const LockKind kind = locks.Find(place.path)->kind;
  HoldAnswer answer;
  answer.kind = kind;
  answer.path = place.path;
  answer.token = holder.token;
  answer.lease = holder.lease;
  answer.mode = holder.mode;
  answer.key = lock::KeyOf(place);
  // A lock's answer does not show it, and a recorded one has to stay small.
  if (kind == LockKind::kElection)
    answer.value = node->value.view();
  answer.lease_deadline = leases.Find(holder.lease)->deadline;
  return answer;
}

std::vector<Holder> Machine::Core::HoldersOf(std::string_view path,
                                             ClusterTime now,
                                             const NodeFinder& find) const {
  std::vector<Holder> holders;
  const lock::Lock* lock = locks.Find(path);
  if (lock == nullptr)
    return holders;
  for (const auto& [number, contender] : lock->holders) {
    const store::NodeRef node = find(lock::KeyOf({std::string(path), number}));
    const session::Lease* lease = leases.Find(contender.lease);
    Holder& holder = holders.emplace_back();
    holder.token = contender.token;
    holder.lease = contender.lease;
    holder.mode = contender.mode;
    holder.value = node == nullptr ? std::string_view() : node->value.view();
    holder.since_revision = contender.since_revision;
    holder.held_ms = now.value - contender.since.value;
    holder.lease_remaining_ms = std::max<int64_t>(0, lease->deadline.value - now.value);
  }
  return holders;
}

HoldsAnswer Machine::Core::HoldsOf(const std::vector<lock::Place>& places) const {
  HoldsAnswer answer;
  for (const lock::Place& place : places) {
    const lock::Contender& holder = *locks.Find(place);
    answer.holds.push_back({place.path, holder.token, holder.mode, lock::KeyOf(place)});
    answer.lease = holder.lease;
  }
  answer.lease_deadline = leases.Find(answer.lease)->deadline;
  return answer;
}

Refusal Machine::Core::Unavailable(const std::vector<std::string>& paths,
                                   const NodeFinder& find,
                                   std::string detail) const {
  Refusal refusal = Refuse(Errc::kLockUnavailable, std::move(detail));
  for (const std::string& path : paths) {
    for (Holder& holder : HoldersOf(path, time, find)) {
      if (paths.size() > 1)
        holder.lock = path;
      refusal.holders.push_back(std::move(holder));
    }
  }
  return refusal;
}

std::vector<std::string> Machine::Core::PathsOf(const lock::Place& place) const {
  std::vector<std::string> paths;
  for (const lock::Place& member : locks.GroupOf(place)) paths.push_back(member.path);
  return paths;
}

AnswerBody Machine::Core::Run(Call* call, Release* op) {
  const Result<lock::Place> place = FindUsableHolder(*call, op->kind, op->path, op->token);
  if (place.has_error())
    return Refuse(place.error());
  if (std::optional<Refusal> refused = CheckEndWith(*call, *place))
    return std::move(*refused);
  Move move(this);
  RemoveContender(&move, *place, store::Cause::kReleased);
  return Commit(call, &move, ReleaseAnswer{});
}

AnswerBody Machine::Core::Run(Call* call, Proclaim* op) {
  const Result<lock::Place> place =
      FindUsableHolder(*call, LockKind::kElection, op->path, op->token);
  if (place.has_error())
    return Refuse(place.error());
  if (op->value.size() > settings.value_bytes_max)
    return TooLarge(settings.value_bytes_max, "the value is too large");
  const uint64_t value_bytes = op->value.size();
  if (std::optional<Refusal> full = CheckReserve(value_bytes))
    return std::move(*full);
  Move move(this);
  const std::string key = lock::KeyOf(*place);
  const int64_t before = static_cast<int64_t>(locks.Find(*place)->value_bytes);
  const Result<store::PutResult> put =
      move.edit.Put(key, store::Value(op->value), std::nullopt, kAny);
  SYNOD_CHECK(put.has_value());
  const LeaseId lease = locks.Find(*place)->lease;
  move.ties[lease].bytes += static_cast<int64_t>(value_bytes) - before;
  if (std::optional<Refusal> refused = CheckTies(move))
    return std::move(*refused);
  locks.SetValueBytes(*place, value_bytes);
  move.Touch(op->path, store::Cause::kClient);
  move.announced.insert(op->path);
  return Commit(call, &move, ReleaseAnswer{});
}

AnswerBody Machine::Core::Run(Call* call, Transfer* op) {
  const Result<lock::Place> from =
      FindUsableHolder(*call, LockKind::kElection, op->path, op->token);
  if (from.has_error())
    return Refuse(from.error());
  const std::optional<lock::Place> to = locks.FindByLease(op->path, op->to);
  const lock::Contender* candidate = to.has_value() ? locks.Find(*to) : nullptr;
  if (candidate == nullptr || candidate->holds() || !locks.IsAlive(*candidate, time, leases) ||
      IsLost(*candidate))
    return Refuse(Errc::kLeaseNotFound, "no candidate on this lease");
  if (std::optional<Refusal> refused = CheckEndWith(*call, *from))
    return std::move(*refused);
  Move move(this);
  RemoveContender(&move, *from, store::Cause::kReleased);
  Grant(&move, {*to});
  return Commit(call, &move, ReleaseAnswer{});
}

}  // namespace synod::machine
