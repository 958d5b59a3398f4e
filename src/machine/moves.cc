// Moves: how one revision ends, and what follows from the end of leases, waits, holds and delays.
#include <algorithm>
#include <utility>

#include "src/base/check.h"
#include "src/base/path.h"
#include "src/machine/core.h"

namespace synod::machine {
namespace {

constexpr store::Precondition kAny;

std::string NodeOfLock(std::string_view path) {
  std::string node(kLocksRoot);
  node.append(path);
  return node;
}

uint64_t SizeOf(std::string_view path, const store::NodeState& node) {
  return path.size() + node.value.size();
}

// What the node of an election says while somebody leads it, for those who watch it.
std::string LeaderText(const lock::Place& place, const lock::Contender& leader) {
  std::string text = "{\"token\":" + std::to_string(leader.token.value);
  text += ",\"lease\":" + std::to_string(leader.lease.value);
  text += ",\"since_revision\":" + std::to_string(leader.since_revision.value);
  text += ",\"key\":\"";
  text += NameOf(lock::KeyOf(place));
  return text + "\"}";
}

}  // namespace

Machine::Core::Move::Move(Core* core)
    : revision(core->revision + 1),
      used_before(core->UsedBytes()),
      edit(core->tree.Begin(revision,
                            {core->settings.change_nodes_max, core->settings.change_bytes_max})) {}

// Commits unless the answer must be recorded and is too large for that.
AnswerBody Machine::Core::Commit(Call* call, Move* move, AnswerBody body) {
  if (call->keyed()) {
    machine::Answer answer{move->revision, time, false, std::move(body)};
    call->encoded = Encode(answer);
    if (call->encoded.size() > kRecordedAnswerMax) {
      call->encoded.clear();
      return TooLarge(kRecordedAnswerMax, "the answer is too large to be recorded");
    }
    body = std::move(answer.body);
  }
  Finish(move);
  return body;
}

void Machine::Core::Finish(Move* move) {
  Settle(move);
  NoteUsage(*move);
  store::RevisionRef changes = move->edit.Commit(time);
  revision = move->revision;
  for (const store::Change& change : changes->changes) {
    if (change.prev != nullptr && change.prev->lease.value != 0)
      leases.Untie(change.prev->lease, change.path, SizeOf(change.path, *change.prev));
    if (change.node != nullptr && change.node->lease.value != 0)
      leases.Tie(change.node->lease, change.path, SizeOf(change.path, *change.node));
  }
  for (const LeaseId id : move->ended) leases.End(id);
  if (!changes->changes.empty())
    out_->revisions.push_back(std::move(changes));
}

// --- what is due ---

void Machine::Core::EndWhatIsDue() {
  EndDueLeases();
  EndDueWaits();
  EndDueDelays();
  DropExpiredTokens();
  idempotency.Expire(time);
  Retain();
}

void Machine::Core::Retain() {
  tree.Retain(time, settings.history_keep_ms, settings.history_keep_bytes);
}

// One revision a lease. The bounds keep an entry short however many leases are due; those left over
// are gone for every use all the same.
void Machine::Core::EndDueLeases() {
  uint64_t ended = 0;
  uint64_t nodes = 0;
  while (const session::Lease* lease = leases.FirstDue(time)) {
    nodes += lease->paths().size();
    if (ended == kLeasesEndedMax || (ended > 0 && nodes > kNodesEndedMax))
      return;
    ++ended;
    Move move(this);
    EndLease(&move, lease->id, store::Cause::kExpired);
    Finish(&move);
  }
}

void Machine::Core::EndDueWaits() {
  for (uint64_t n = 0; n < kLeasesEndedMax; ++n) {
    const std::optional<lock::Place> place = locks.FirstWaitDue(time);
    if (!place.has_value())
      break;
    Move move(this);
    const std::vector<std::string> paths = PathsOf(*place);
    const lock::Contender waiter = RemoveContender(&move, *place, store::Cause::kReleased);
    if (Wanted(waiter)) {
      const auto find = [&](std::string_view path) { return move.edit.Find(path); };
      CompleteWait(waiter, move.revision, Unavailable(paths, find, "wait_ms ran out"));
    }
    Finish(&move);
  }
  for (uint64_t n = 0; n < kLeasesEndedMax; ++n) {
    const std::optional<lock::Place> place = locks.FirstOrphanDue(time);
    if (!place.has_value())
      break;
    Move move(this);
    const lock::Contender waiter = RemoveContender(&move, *place, store::Cause::kReleased);
    if (!waiter.request_key.empty())
      idempotency.Forget(waiter.request_key);
    Finish(&move);
  }
}

void Machine::Core::EndDueDelays() {
  for (uint64_t n = 0; n < kLeasesEndedMax; ++n) {
    const std::optional<std::string> path = locks.FirstDelayDue(time);
    if (!path.has_value())
      return;
    locks.DropIfIdle(*path, time);
    if (!locks.NextGrant(*path, time, leases).has_value())
      continue;
    Move move(this);
    move.Touch(*path, store::Cause::kExpired);
    Finish(&move);
  }
}

std::optional<ClusterTime> Machine::Core::NextDeadline() const {
  std::optional<ClusterTime> next;
  for (const std::optional<ClusterTime>& t : {leases.NextDeadline(), locks.NextDeadline(),
                                              idempotency.NextDeadline(), directory.NextExpiry()}) {
    if (t.has_value() && (!next.has_value() || *t < *next))
      next = t;
  }
  return next;
}

// --- ends ---

void Machine::Core::EndLease(Move* move, LeaseId id, store::Cause cause) {
  const session::Lease* lease = leases.Find(id);
  SYNOD_CHECK(lease != nullptr);
  // What hangs on a lease fits into one revision; the parents that become empty come on top.
  move->edit.LiftLimits();
  move->ended.push_back(id);
  for (const lock::Place& place : locks.PlacesOf(id)) {
    const lock::Contender contender = locks.Remove(place);
    move->Touch(place.path, cause);
    if (!contender.holds())
      CompleteWait(contender, move->revision, Refuse(Errc::kLeaseNotFound, "the lease ended"));
    else if (cause == store::Cause::kExpired && contender.lock_delay_ms > 0)
      locks.SetDelay(place.path, time + contender.lock_delay_ms);
  }
  move->edit.SetCause(cause);
  for (const std::string& path : lease->paths()) {
    // Gone already: the contender whose end is the reason for this one.
    if (move->edit.Find(path) == nullptr)
      continue;
    const auto deleted = move->edit.Delete(path, false, kAny, false);
    SYNOD_CHECK(deleted.has_value());
  }
}

// Takes a contender and its node away, with all that waits in its group, and its lease too if that
// was made for the request and nothing else holds or waits on it. Gives the first of the group.
lock::Contender Machine::Core::RemoveContender(Move* move,
                                               const lock::Place& place,
                                               store::Cause cause) {
  move->edit.LiftLimits();
  std::optional<lock::Contender> first;
  for (const lock::Place& member : locks.GroupOf(place)) {
    lock::Contender contender = locks.Remove(member);
    if (!first.has_value())
      first = std::move(contender);
    move->Touch(member.path, cause);
    const std::string key = lock::KeyOf(member);
    if (move->edit.Find(key) == nullptr)
      continue;
    move->edit.SetCause(cause);
    const auto deleted = move->edit.Delete(key, false, kAny, false);
    SYNOD_CHECK(deleted.has_value());
  }
  const session::Lease* lease = leases.Find(first->lease);
  SYNOD_CHECK(lease != nullptr);
  if (lease->of_request && locks.PlacesOf(lease->id).empty())
    EndLease(move, lease->id, store::Cause::kReleased);
  return std::move(*first);
}

// Grants what became free, and clears what became empty, until nothing more follows.
void Machine::Core::Settle(Move* move) {
  while (!move->touched.empty()) {
    const std::string path = move->touched.begin()->first;
    GrantAll(move, path);
    // One that was let go as soon as it was granted is the last who left.
    const store::Cause cause = move->touched.at(path);
    move->touched.erase(path);
    const lock::Lock* lock = locks.Find(path);
    if (lock == nullptr)
      continue;
    if (lock->kind == LockKind::kElection)
      Announce(move, path);
    locks.DropIfIdle(path, time);
    RemoveEmptyParents(move, path, cause);
  }
}

void Machine::Core::GrantAll(Move* move, const std::string& path) {
  while (const std::optional<lock::Place> place = locks.NextGrant(path, time, leases)) {
    const std::vector<lock::Place> group = locks.GroupOf(*place);
    // Released as soon as it is granted.
    if (IsLost(*locks.Find(group[0])))
      RemoveContender(move, *place, store::Cause::kReleased);
    else
      Grant(move, group);
  }
}

void Machine::Core::Grant(Move* move, const std::vector<lock::Place>& group) {
  const lock::Contender first = *locks.Find(group[0]);
  if (first.lease_of_request)
    leases.Renew(first.lease, time);
  for (const lock::Place& place : group) locks.Grant(place, move->revision, time);
  if (!Wanted(first))
    return;
  if (first.group == 0)
    CompleteWait(first, move->revision, HoldOf(group[0], move->edit.Find(lock::KeyOf(group[0]))));
  else
    CompleteWait(first, move->revision, HoldsOf(group));
}

// Keeps the election's own node telling who leads: its history is that of the leadership.
void Machine::Core::Announce(Move* move, const std::string& path) {
  const lock::Lock& lock = *locks.Find(path);
  const std::string node_path = NodeOfLock(path);
  const store::NodeRef node = move->edit.Find(node_path);
  if (node == nullptr)
    return;
  std::string text;
  if (!lock.holders.empty()) {
    const auto& [number, leader] = *lock.holders.begin();
    text = LeaderText({path, number}, leader);
  }
  if (node->value.view() == text && !move->announced.contains(path))
    return;
  move->edit.SetCause(store::Cause::kClient);
  const auto put = move->edit.Put(node_path, store::Value(text), std::nullopt, kAny);
  SYNOD_CHECK(put.has_value());
}

void Machine::Core::RemoveEmptyParents(Move* move, std::string_view path, store::Cause cause) {
  if (const lock::Lock* lock = locks.Find(path); lock != nullptr && !lock->idle())
    return;
  move->edit.SetCause(cause);
  for (std::string node_path = NodeOfLock(path); node_path != kLocksRoot;
       node_path = std::string(ParentOf(node_path))) {
    const store::NodeRef node = move->edit.Find(node_path);
    if (node == nullptr)
      continue;
    if (node->num_children != 0)
      return;
    const auto deleted = move->edit.Delete(node_path, false, kAny, false);
    SYNOD_CHECK(deleted.has_value());
  }
}

bool Machine::Core::Wanted(const lock::Contender& waiter) const {
  return !waiter.request_key.empty() || IsObserver(waiter.owner);
}

void Machine::Core::CompleteWait(const lock::Contender& waiter, Revision at, AnswerBody body) {
  if (!Wanted(waiter))
    return;
  machine::Answer answer{at, time, false, std::move(body)};
  if (!waiter.request_key.empty()) {
    const session::IdempotencyRecord* record = idempotency.Find(waiter.request_key, time);
    SYNOD_CHECK(record != nullptr);
    SYNOD_CHECK(record->pending);
    Bytes encoded = Encode(answer);
    if (encoded.size() > kRecordedAnswerMax) {
      // Only the holders of a 423 can be that much, and they are not the answer.
      std::get<Refusal>(answer.body).holders.clear();
      encoded = Encode(answer);
    }
    // The record is replaced by the call: no reference into it may go along.
    const Hash128 fingerprint = record->fingerprint;
    const ClusterTime not_after = record->not_after;
    Keep(waiter.request_key, fingerprint, not_after, std::move(encoded));
  }
  if (IsObserver(waiter.owner))
    out_->completions.push_back({waiter.owner.seq, std::move(answer)});
}

}  // namespace synod::machine
