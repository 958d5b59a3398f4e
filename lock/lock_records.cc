// The records of locks and contenders: what of them is kept, and how it is put together again.
#include <algorithm>

#include "lock/lock_table.h"
#include "src/base/check.h"
#include "src/base/codec.h"

namespace synod::lock {
namespace {

Error Damaged(const char* what) { return {Errc::kInternal, Outcome::kNotApplied, what}; }

bool ReadContender(std::string_view value, Contender* c) {
  Reader r(value);
  c->lease = r.Number<LeaseId>();
  c->lease_of_request = r.Bool();
  c->mode = r.Bool() ? LockMode::kShared : LockMode::kExclusive;
  c->lock_delay_ms = r.Signed();
  c->value_bytes = r.Varint();
  c->since = r.Number<ClusterTime>();
  c->token = r.Number<FenceToken>();
  if (c->holds()) {
    c->since_revision = r.Number<Revision>();
  } else {
    c->wait_deadline = r.Number<ClusterTime>();
    c->owner = r.ReadRequestId();
    if (r.Bool())
      c->orphan_deadline = r.Number<ClusterTime>();
    c->request_key = r.String();
    if (!r.AtEnd()) {
      c->group = r.Varint();
      const uint64_t rank = r.Varint();
      if (c->group == 0 || rank > UINT32_MAX)
        r.Fail();
      c->rank = static_cast<uint32_t>(rank);
    }
  }
  return r.Complete() && c->lease.value != 0;
}

}  // namespace

Bytes LockRecordKey(std::string_view path) { return session::RecordKey(RecordTag::kLock, path); }

Bytes LockRecordValue(const Lock& lock) {
  Bytes out;
  Writer w(&out);
  w.U8(static_cast<uint8_t>(lock.kind));
  w.Varint(lock.limit);
  w.Number(lock.delay_until);
  return out;
}

Bytes ContenderRecordKey(const Place& place) {
  return session::RecordKey(RecordTag::kContender, session::BigEndian(place.number) + place.path);
}

Bytes ContenderRecordValue(const Contender& c) {
  Bytes out;
  Writer w(&out);
  w.Number(c.lease);
  w.Bool(c.lease_of_request);
  w.Bool(c.mode == LockMode::kShared);
  w.Signed(c.lock_delay_ms);
  w.Varint(c.value_bytes);
  w.Number(c.since);
  w.Number(c.token);
  if (c.holds()) {
    w.Number(c.since_revision);
  } else {
    w.Number(c.wait_deadline);
    w.Write(c.owner);
    w.Bool(c.orphan_deadline.has_value());
    if (c.orphan_deadline.has_value())
      w.Number(*c.orphan_deadline);
    w.String(c.request_key);
    if (c.group != 0) {
      w.Varint(c.group);
      w.Varint(c.rank);
    }
  }
  return out;
}

void LockTable::ForEachRecord(
    const std::function<void(std::string_view key, std::string_view value)>& each) const {
  for (const auto& [path, lock] : locks_) {
    each(LockRecordKey(path), LockRecordValue(lock));
    for (const auto* queue : {&lock.holders, &lock.waiters}) {
      for (const auto& [number, contender] : *queue)
        each(ContenderRecordKey({path, number}), ContenderRecordValue(contender));
    }
  }
}

Status LockTable::LoadRecord(std::string_view key, std::string_view value) {
  if (key[0] == static_cast<char>(RecordTag::kLock)) {
    Reader r(value);
    const uint8_t kind = r.U8();
    const uint64_t limit = r.Varint();
    const ClusterTime delay_until = r.Number<ClusterTime>();
    const bool in_range = kind <= 1 && limit >= 1 && limit <= UINT32_MAX;
    if (!r.Complete() || !in_range)
      return Damaged("lock record: malformed");
    const std::string path(key.substr(1));
    Lock& lock = locks_[path];
    if (lock.hash != Hash128())
      return Damaged("lock record: twice");
    lock.kind = static_cast<LockKind>(kind);
    lock.limit = static_cast<uint32_t>(limit);
    lock.delay_until = delay_until;
    if (delay_until.value != 0)
      delays_.emplace(delay_until, path);
    tally_.Loaded(key, value, &lock.hash);
    return Done();
  }
  if (key.size() <= 9)
    return Damaged("contender record: bad key");
  const Place place{std::string(key.substr(9)), *session::FromBigEndian(key.substr(1, 8))};
  Contender contender;
  if (!ReadContender(value, &contender))
    return Damaged("contender record: malformed");
  if (Find(place) != nullptr || FindByLease(place.path, contender.lease).has_value() ||
      (!contender.holds() && FindOwner(contender.owner).has_value()))
    return Damaged("contender record: twice");
  if (const auto group = groups_.find(contender.group);
      group != groups_.end() && group->second.contains(contender.rank))
    return Damaged("contender record: its rank is taken");
  Lock& lock = locks_[place.path];
  auto& queue = contender.holds() ? lock.holders : lock.waiters;
  Contender& loaded = queue.emplace(place.number, std::move(contender)).first->second;
  tally_.Loaded(key, value, &loaded.hash);
  Index(place, loaded);
  return Done();
}

Status LockTable::FinishLoad() const {
  for (const auto& [path, lock] : locks_) {
    if (lock.hash == Hash128())
      return Damaged("contenders without their lock record");
    if (lock.idle() && lock.delay_until.value == 0)
      return Damaged("lock record without a contender or a delay");
  }
  for (const auto& [number, group] : groups_) {
    const LeaseId lease = Find(group.begin()->second)->lease;
    const bool whole = group.rbegin()->first + 1 == group.size();
    if (!whole ||
        std::ranges::any_of(group, [&](const auto& m) { return Find(m.second)->lease != lease; }))
      return Damaged("contender records of a group that do not fit together");
  }
  return Done();
}

}  // namespace synod::lock
