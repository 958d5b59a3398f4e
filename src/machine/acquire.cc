// Acquire and campaign: how a contender enters its queue, or several enter together.
#include <algorithm>
#include <utility>

#include "src/base/check.h"
#include "src/base/path.h"
#include "src/machine/core.h"

namespace synod::machine {

std::optional<Refusal> Machine::Core::CheckContender(const Call& call,
                                                     LeaseId lease,
                                                     int64_t ttl_ms) const {
  if (locks.FindOwner(call.command->id).has_value())
    return Refuse(Errc::kInvalidRequest, "the request id waits already");
  if (lease.value != 0)
    return CheckLeaseOf(call, lease);
  if (ttl_ms < settings.lease_ttl_ms_min || ttl_ms > settings.lease_ttl_ms_max)
    return Refuse(Errc::kInvalidRequest, "ttl_ms is out of range");
  return std::nullopt;
}

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
  return CheckContender(call, op.lease, op.ttl_ms);
}

AnswerBody Machine::Core::Run(Call* call, Acquire* op) {
  if (std::optional<Refusal> refused = CheckAcquire(*call, *op))
    return std::move(*refused);
  if (op->lease.value != 0) {
    if (const std::optional<lock::Place> place = locks.FindByLease(op->path, op->lease)) {
      const lock::Contender& contender = *locks.Find(*place);
      if (contender.group != 0 || contender.mode != op->mode ||
          locks.Find(op->path)->limit != op->limit)
        return Refuse(Errc::kHeldOtherwise);
      if (contender.holds())
        return HoldOf(*place, tree.Find(lock::KeyOf(*place)));
      return WaitAgain(call, *place, op->wait_ms);
    }
  }
  Entry entry;
  entry.locks = {{op->path, op->mode}};
  entry.kind = op->kind;
  entry.lease = op->lease;
  entry.ttl_ms = op->ttl_ms;
  entry.limit = op->limit;
  entry.wait_ms = op->wait_ms;
  entry.lock_delay_ms = op->lock_delay_ms;
  entry.value = op->value;
  return EnterIfPossible(call, entry);
}

// --- several at once ---

std::optional<Refusal> Machine::Core::CheckAcquireAll(const Call& call,
                                                      const AcquireAll& op) const {
  uint64_t answer_bytes = 64;
  for (const AcquireAll::Lock& want : op.locks) {
    answer_bytes += 2 * want.path.size() + 64;
    const lock::Lock* lock = locks.Find(want.path);
    if (lock != nullptr && lock->kind != LockKind::kLock)
      return Refuse(Errc::kWrongKind, want.path + " is an election");
  }
  if (call.keyed() && answer_bytes > kRecordedAnswerMax)
    return TooLarge(kRecordedAnswerMax, "the answer is too large to be recorded");
  return CheckContender(call, op.lease, op.ttl_ms);
}

AnswerBody Machine::Core::Run(Call* call, AcquireAll* op) {
  if (std::optional<Refusal> refused = CheckAcquireAll(*call, *op))
    return std::move(*refused);
  if (op->lease.value != 0) {
    std::vector<lock::Place> places;
    for (const AcquireAll::Lock& want : op->locks)
      if (const std::optional<lock::Place> place = locks.FindByLease(want.path, op->lease))
        places.push_back(*place);
    if (!places.empty())
      return AcquireAllAgain(call, *op, places);
  }
  Entry entry;
  entry.locks = op->locks;
  entry.lease = op->lease;
  entry.ttl_ms = op->ttl_ms;
  entry.wait_ms = op->wait_ms;
  entry.grouped = true;
  return EnterIfPossible(call, entry);
}

// The lease is in some of the queues already, at `places`.
AnswerBody Machine::Core::AcquireAllAgain(Call* call,
                                          const AcquireAll& op,
                                          const std::vector<lock::Place>& places) {
  if (places.size() != op.locks.size())
    return Refuse(Errc::kHeldOtherwise, "the lease has some of the locks, but not all");
  const lock::Contender& first = *locks.Find(places[0]);
  for (size_t i = 0; i < places.size(); ++i) {
    const lock::Contender& contender = *locks.Find(places[i]);
    const bool alike = contender.holds() == first.holds() && contender.group == first.group &&
                       contender.mode == op.locks[i].mode && locks.Find(places[i].path)->limit == 1;
    if (!alike)
      return Refuse(Errc::kHeldOtherwise);
  }
  if (first.holds())
    return HoldsOf(places);
  const std::vector<lock::Place> group = locks.GroupOf(places[0]);
  if (first.group == 0 || group.size() != places.size())
    return Refuse(Errc::kHeldOtherwise, "the lease waits for other locks together with these");
  return WaitAgain(call, group[0], op.wait_ms);
}

// --- waiting ---

// A lease asks for what it waits for already.
AnswerBody Machine::Core::WaitAgain(Call* call, const lock::Place& place, int64_t wait_ms) {
  const lock::Contender contender = *locks.Find(place);
  const std::vector<std::string> paths = PathsOf(place);
  // The earlier request loses its place to this one. If its client is gone, a repeat of it may
  // still come and ask again; else it is told, and so will be its repeats.
  if (!contender.orphan_deadline.has_value()) {
    const auto find = [this](std::string_view path) { return tree.Find(path); };
    if (Wanted(contender))
      CompleteWait(contender, revision,
                   Unavailable(paths, find, "a later request of the lease took the place"));
  } else if (!contender.request_key.empty()) {
    idempotency.Forget(contender.request_key);
  }
  if (wait_ms == 0) {
    Move move(this);
    RemoveContender(&move, place, store::Cause::kReleased);
    const auto find = [&](std::string_view path) { return move.edit.Find(path); };
    Refusal refused = Unavailable(paths, find, "held by others");
    Finish(&move);
    return refused;
  }
  locks.TakeOver(place, call->command->id, time + wait_ms, call->request_key);
  if (call->keyed()) {
    idempotency.Wait(call->request_key, call->command->fingerprint, call->command->not_after,
                     lock::KeyOf(place));
  }
  call->answered = true;
  NoteWaiting(*call);
  return NodeAnswer{};
}

AnswerBody Machine::Core::EnterIfPossible(Call* call, const Entry& entry) {
  bool free = true;
  uint64_t bytes = entry.value.size();
  std::vector<std::string> paths;
  for (const AcquireAll::Lock& want : entry.locks) {
    const lock::Lock* lock = locks.Find(want.path);
    if (lock != nullptr && !lock->idle() && lock->limit != entry.limit)
      return Refuse(Errc::kLimitMismatch);
    free = free && locks.IsFree(want.path, want.mode, time, leases);
    bytes += want.path.size();
    paths.push_back(want.path);
  }
  if (!free && entry.wait_ms == 0) {
    const auto find = [this](std::string_view path) { return tree.Find(path); };
    return Unavailable(paths, find, "held by others");
  }
  if (std::optional<Refusal> full = CheckReserve(bytes))
    return std::move(*full);
  return EnterQueues(call, entry, free);
}

AnswerBody Machine::Core::EnterQueues(Call* call, const Entry& entry, bool free) {
  const Command& command = *call->command;
  Move move(this);
  const bool of_request = entry.lease.value == 0;
  const LeaseId lease = of_request ? leases.last_id() + 1 : entry.lease;
  Move::Ties& ties = move.ties[lease];
  std::vector<lock::Place> places;
  for (const AcquireAll::Lock& want : entry.locks) {
    const Result<std::string> key = move.edit.CreateSequential(
        std::string(kLocksRoot) + want.path + "/@", store::Value(entry.value), lease);
    if (key.has_error())
      return FromTree(key.error(), move.edit, nullptr, want.path);
    ++ties.nodes;
    ties.bytes += static_cast<int64_t>(key->size() + entry.value.size());
    const std::optional<lock::Place> place = lock::PlaceOf(*key);
    SYNOD_CHECK(place.has_value());
    places.push_back(*place);
  }
  if (std::optional<Refusal> refused = CheckTies(move))
    return std::move(*refused);

  // From here on nothing is refused any more.
  if (of_request)
    leases.Grant(entry.ttl_ms, {}, call->user, true, time);
  for (size_t i = 0; i < places.size(); ++i) {
    lock::Contender contender;
    contender.lease = lease;
    contender.lease_of_request = of_request;
    contender.mode = entry.locks[i].mode;
    contender.lock_delay_ms = entry.lock_delay_ms;
    contender.value_bytes = entry.value.size();
    contender.since = time;
    if (entry.grouped) {
      contender.group = move.revision.value;
      contender.rank = static_cast<uint32_t>(i);
    }
    if (i == 0) {
      // One that is granted in this step does not wait, but must not count as past its deadline
      // either.
      contender.wait_deadline = time + (free ? std::max<int64_t>(entry.wait_ms, 1) : entry.wait_ms);
      contender.owner = command.id;
      contender.request_key = call->request_key;
    }
    locks.Enter(places[i], entry.kind, entry.limit, std::move(contender));
    move.Touch(places[i].path, store::Cause::kClient);
  }
  if (call->keyed())
    idempotency.Wait(call->request_key, command.fingerprint, command.not_after,
                     lock::KeyOf(places[0]));
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

}  // namespace synod::machine
