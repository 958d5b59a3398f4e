// Commands on leases, locks and elections.
#include <algorithm>
#include <memory>
#include <utility>

#include "src/base/check.h"
#include "src/base/path.h"
#include "src/machine/core.h"

namespace synod::machine {
namespace {

constexpr store::Precondition kAny;
// Leases and locks are granted up to this much past the storage quota, so that a full store can
// still be worked on in an orderly way.
constexpr uint64_t kQuotaReserve = 10;

constexpr uint64_t kLeaseNameBytesMax = 1024;

uint64_t WithReserve(uint64_t quota) { return quota + quota / kQuotaReserve; }

Refusal Full() { return Refuse(Errc::kStorageFull, "the storage quota is used up"); }

}  // namespace

LeaseView ViewOf(const session::Lease& lease) {
  return {lease.id, lease.ttl_ms, lease.deadline, lease.name};
}

bool Machine::Core::MayUse(const session::Lease& lease, const Call& call) const {
  return lease.user == call.command->user;
}

// --- leases ---

AnswerBody Machine::Core::Run(Call* call, LeaseGrant* op) {
  if (op->ttl_ms < settings.lease_ttl_ms_min || op->ttl_ms > settings.lease_ttl_ms_max)
    return Refuse(Errc::kInvalidRequest, "ttl_ms is out of range");
  if (op->name.size() > kLeaseNameBytesMax)
    return TooLarge(kLeaseNameBytesMax, "the lease's name is too long");
  if (UsedBytes() + op->name.size() > WithReserve(settings.quota_bytes))
    return Full();
  Move move(this);
  const session::Lease& lease =
      leases.Grant(op->ttl_ms, op->name, call->command->user, false, time);
  return Commit(call, &move, LeaseAnswer{ViewOf(lease), true});
}

AnswerBody Machine::Core::Run(Call* call, LeaseKeepAlive* op) {
  const auto renew = [&](LeaseId id) -> Result<LeaseView> {
    const session::Lease* lease = leases.FindLive(id, time);
    if (lease == nullptr)
      return Error{Errc::kLeaseNotFound};
    // While a request waits, its lease is renewed by the node that serves it.
    const auto is_waiting_here = [&](const lock::Place& place) {
      const lock::Contender* waiter = locks.Find(place);
      return !waiter->holds() && waiter->owner.node == call->command->id.node &&
             waiter->owner.boot == call->command->id.boot;
    };
    if (!MayUse(*lease, *call) && !std::ranges::any_of(locks.PlacesOf(id), is_waiting_here))
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
  Move move(this);
  EndLease(&move, op->id, store::Cause::kReleased);
  return Commit(call, &move, RevokeAnswer{});
}

// --- acquire and campaign ---

std::optional<Refusal> Machine::Core::CheckAcquire(const Call& call, const Acquire& op) const {
  const bool has_mode = op.limit == 1 || op.mode == LockMode::kExclusive;
  const bool is_plain = op.limit == 1 && op.mode == LockMode::kExclusive && op.lock_delay_ms == 0;
  if (!has_mode || (op.kind == LockKind::kElection && !is_plain))
    return Refuse(Errc::kInvalidRequest, "mode and limit do not go together");
  if (op.value.size() > settings.value_bytes_max)
    return TooLarge(settings.value_bytes_max, "the value is too large");
  // The answer to a campaign carries the value.
  if (call.keyed() && op.kind == LockKind::kElection &&
      op.value.size() + 2 * op.path.size() + 256 > kRecordedAnswerMax)
    return TooLarge(kRecordedAnswerMax, "the answer is too large to be recorded");
  const lock::Lock* lock = locks.Find(op.path);
  if (lock != nullptr && lock->kind != op.kind)
    return Refuse(Errc::kWrongKind);
  if (op.lease.value != 0)
    return CheckLeaseOf(call, op.lease);
  if (op.ttl_ms < settings.lease_ttl_ms_min || op.ttl_ms > settings.lease_ttl_ms_max)
    return Refuse(Errc::kInvalidRequest, "ttl_ms is out of range");
  return std::nullopt;
}

AnswerBody Machine::Core::Run(Call* call, Acquire* op) {
  if (std::optional<Refusal> refused = CheckAcquire(*call, *op))
    return std::move(*refused);
  if (locks.FindOwner(call->command->id).has_value())
    return Refuse(Errc::kInvalidRequest, "the request id waits already");
  if (op->lease.value != 0) {
    if (const std::optional<lock::Place> place = locks.FindByLease(op->path, op->lease))
      return AcquireAgain(call, *op, *place);
  }
  const lock::Lock* lock = locks.Find(op->path);
  if (lock != nullptr && !lock->idle() && lock->limit != op->limit)
    return Refuse(Errc::kLimitMismatch);
  const bool free = locks.IsFree(op->path, op->mode, time, leases);
  if (!free && op->wait_ms == 0) {
    const auto find = [this](std::string_view path) { return tree.Find(path); };
    return Unavailable(op->path, find, "held by others");
  }
  if (UsedBytes() + op->path.size() + op->value.size() > WithReserve(settings.quota_bytes))
    return Full();
  return EnterQueue(call, *op, free);
}

// A lease asks for what it holds or waits for already.
AnswerBody Machine::Core::AcquireAgain(Call* call, const Acquire& op, const lock::Place& place) {
  const lock::Lock& lock = *locks.Find(op.path);
  const lock::Contender contender = *locks.Find(place);
  if (contender.mode != op.mode || lock.limit != op.limit)
    return Refuse(Errc::kHeldOtherwise);
  if (contender.holds())
    return HoldOf(place, tree.Find(lock::KeyOf(place)));
  // The earlier request loses its place to this one. If its client is gone, a repeat of it may
  // still come and ask again; else it is told, and so will be its repeats.
  if (!contender.orphan_deadline.has_value()) {
    const auto find = [this](std::string_view path) { return tree.Find(path); };
    if (Wanted(contender))
      CompleteWait(contender, revision,
                   Unavailable(op.path, find, "a later request of the lease took the place"));
  } else if (!contender.request_key.empty()) {
    idempotency.Forget(contender.request_key);
  }
  if (op.wait_ms == 0) {
    Move move(this);
    RemoveContender(&move, place, store::Cause::kReleased);
    const auto find = [&](std::string_view path) { return move.edit.Find(path); };
    Refusal refused = Unavailable(op.path, find, "held by others");
    Finish(&move);
    return refused;
  }
  locks.TakeOver(place, call->command->id, time + op.wait_ms, call->request_key);
  if (call->keyed()) {
    idempotency.Wait(call->request_key, call->command->fingerprint, call->command->not_after,
                     lock::KeyOf(place));
  }
  call->answered = true;
  NoteWaiting(*call);
  return NodeAnswer{};
}

AnswerBody Machine::Core::EnterQueue(Call* call, const Acquire& op, bool free) {
  const Command& command = *call->command;
  Move move(this);
  const bool of_request = op.lease.value == 0;
  const LeaseId lease = of_request ? leases.last_id() + 1 : op.lease;
  const Result<std::string> key = move.edit.CreateSequential(
      std::string(kLocksRoot) + op.path + "/@", store::Value(op.value), lease);
  if (key.has_error())
    return FromTree(key.error(), nullptr, op.path);
  Move::Ties& ties = move.ties[lease];
  ++ties.nodes;
  ties.bytes += static_cast<int64_t>(key->size() + op.value.size());
  if (std::optional<Refusal> refused = CheckTies(move, lease))
    return std::move(*refused);
  const std::optional<lock::Place> place = lock::PlaceOf(*key);
  SYNOD_CHECK(place.has_value());

  // From here on nothing is refused any more.
  if (of_request)
    leases.Grant(op.ttl_ms, {}, command.user, true, time);
  lock::Contender contender;
  contender.lease = lease;
  contender.lease_of_request = of_request;
  contender.mode = op.mode;
  contender.lock_delay_ms = op.lock_delay_ms;
  contender.value_bytes = op.value.size();
  contender.since = time;
  // One that is granted in this step does not wait, but must not count as past its deadline either.
  contender.wait_deadline = time + (free ? std::max<int64_t>(op.wait_ms, 1) : op.wait_ms);
  contender.owner = command.id;
  contender.request_key = call->request_key;
  locks.Enter(*place, op.kind, op.limit, std::move(contender));
  if (call->keyed())
    idempotency.Wait(call->request_key, command.fingerprint, command.not_after, *key);
  move.touched.insert(op.path);
  call->answered = true;
  Finish(&move);
  const bool waits = locks.FindOwner(command.id).has_value();
  SYNOD_CHECK_EQ(waits, !free);
  if (waits)
    NoteWaiting(*call);
  return NodeAnswer{};
}

void Machine::Core::NoteWaiting(const Call& call) {
  if (call.tell)
    out_->waiting.push_back(call.command->id.seq);
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

Refusal Machine::Core::Unavailable(std::string_view path,
                                   const NodeFinder& find,
                                   std::string detail) const {
  Refusal refusal = Refuse(Errc::kLockUnavailable, std::move(detail));
  refusal.holders = HoldersOf(path, time, find);
  return refusal;
}

AnswerBody Machine::Core::Run(Call* call, Release* op) {
  const Result<lock::Place> place = FindUsableHolder(*call, op->kind, op->path, op->token);
  if (place.has_error())
    return Refuse(place.error());
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
  if (UsedBytes() + value_bytes > WithReserve(settings.quota_bytes))
    return Full();
  Move move(this);
  const std::string key = lock::KeyOf(*place);
  const int64_t before = static_cast<int64_t>(locks.Find(*place)->value_bytes);
  const Result<store::PutResult> put =
      move.edit.Put(key, store::Value(op->value), std::nullopt, kAny);
  SYNOD_CHECK(put.has_value());
  const LeaseId lease = locks.Find(*place)->lease;
  move.ties[lease].bytes += static_cast<int64_t>(value_bytes) - before;
  if (std::optional<Refusal> refused = CheckTies(move, lease))
    return std::move(*refused);
  locks.SetValueBytes(*place, value_bytes);
  move.touched.insert(op->path);
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
  Move move(this);
  RemoveContender(&move, *from, store::Cause::kReleased);
  Grant(&move, *to);
  return Commit(call, &move, ReleaseAnswer{});
}

}  // namespace synod::machine
