#include "session/idempotency.h"

#include <limits>

#include "src/base/check.h"
#include "src/base/codec.h"

namespace synod::session {
namespace {

constexpr ClusterTime kNever{std::numeric_limits<int64_t>::max()};

// Covers what the tables spend on a record besides its strings.
constexpr uint64_t kFlatCost = 160;

uint64_t CostOf(std::string_view request_key, const IdempotencyRecord& record) {
  return kFlatCost + 2 * request_key.size() + record.contender.size() + record.answer.size();
}

ClusterTime PlaceOf(const IdempotencyRecord& record) {
  return record.pending ? kNever : record.expires;
}

Bytes ValueOf(const IdempotencyRecord& record) {
  Bytes out;
  Writer w(&out);
  w.Fixed64(record.fingerprint.hi);
  w.Fixed64(record.fingerprint.lo);
  w.Number(record.not_after);
  w.Bool(record.pending);
  if (record.pending) {
    w.String(record.contender);
  } else {
    w.Number(record.expires);
    w.String(record.answer);
  }
  return out;
}

}  // namespace

Bytes RequestKey(std::string_view user, std::string_view idempotency_key) {
  Bytes out;
  Writer w(&out);
  w.String(user);
  w.Append(idempotency_key);
  return out;
}

const IdempotencyRecord* IdempotencyTable::Find(std::string_view request_key,
                                                ClusterTime now) const {
  const auto it = records_.find(Bytes(request_key));
  if (it == records_.end() || PlaceOf(it->second) < now)
    return nullptr;
  return &it->second;
}

void IdempotencyTable::Wait(std::string_view request_key,
                            const Hash128& fingerprint,
                            ClusterTime not_after,
                            std::string_view contender) {
  IdempotencyRecord record;
  record.fingerprint = fingerprint;
  record.not_after = not_after;
  record.pending = true;
  record.contender = contender;
  Insert(request_key, std::move(record));
}

void IdempotencyTable::Keep(std::string_view request_key,
                            const Hash128& fingerprint,
                            ClusterTime not_after,
                            ClusterTime expires,
                            Bytes answer) {
  IdempotencyRecord record;
  record.fingerprint = fingerprint;
  record.not_after = not_after;
  record.expires = expires;
  record.answer = std::move(answer);
  Insert(request_key, std::move(record));
}

void IdempotencyTable::Forget(std::string_view request_key) {
  const auto it = records_.find(Bytes(request_key));
  SYNOD_CHECK(it != records_.end());
  SYNOD_CHECK(it->second.pending);
  Erase(Bytes(request_key));
}

void IdempotencyTable::Expire(ClusterTime now) {
  while (!order_.empty() && order_.begin()->first < now) Erase(Bytes(order_.begin()->second));
}

std::optional<ClusterTime> IdempotencyTable::NextDeadline() const {
  if (order_.empty() || order_.begin()->first == kNever)
    return std::nullopt;
  return order_.begin()->first + 1;
}

void IdempotencyTable::Insert(std::string_view request_key, IdempotencyRecord record) {
  Bytes name(request_key);
  const auto it = records_.find(name);
  if (it != records_.end()) {
    order_.erase({PlaceOf(it->second), name});
    bytes_ -= CostOf(name, it->second);
    record.hash = it->second.hash;
  }
  bytes_ += CostOf(name, record);
  order_.emplace(PlaceOf(record), name);
  tally_.Set(RecordKey(RecordTag::kIdempotency, name), ValueOf(record), &record.hash);
  records_.insert_or_assign(std::move(name), std::move(record));
}

void IdempotencyTable::Erase(const Bytes& request_key) {
  const auto it = records_.find(request_key);
  SYNOD_CHECK(it != records_.end());
  order_.erase({PlaceOf(it->second), request_key});
  bytes_ -= CostOf(request_key, it->second);
  tally_.Remove(RecordKey(RecordTag::kIdempotency, request_key), it->second.hash);
  records_.erase(it);
}

void IdempotencyTable::ForEachRecord(
    const std::function<void(std::string_view key, std::string_view value)>& each) const {
  for (const auto& [place, name] : order_)
    each(RecordKey(RecordTag::kIdempotency, name), ValueOf(records_.find(name)->second));
}

Status IdempotencyTable::LoadRecord(std::string_view key, std::string_view value) {
  const auto damaged = [](const char* what) {
    return Error{Errc::kInternal, Outcome::kNotApplied, what};
  };
  Bytes name(key.substr(1));
  Reader r(value);
  IdempotencyRecord record;
  record.fingerprint.hi = r.Fixed64();
  record.fingerprint.lo = r.Fixed64();
  record.not_after = r.Number<ClusterTime>();
  record.pending = r.Bool();
  if (record.pending) {
    record.contender = r.String();
  } else {
    record.expires = r.Number<ClusterTime>();
    record.answer = r.String();
  }
  if (!r.Complete() || name.empty())
    return damaged("idempotency record: malformed");
  if (records_.contains(name))
    return damaged("idempotency record: twice");
  tally_.Loaded(key, value, &record.hash);
  bytes_ += CostOf(name, record);
  order_.emplace(PlaceOf(record), name);
  records_.emplace(std::move(name), std::move(record));
  return Done();
}

void IdempotencyTable::CheckInvariants() const {
  SYNOD_CHECK_EQ(records_.size(), order_.size());
  Digest sum;
  uint64_t bytes = 0;
  for (const auto& [place, name] : order_) {
    const auto it = records_.find(name);
    SYNOD_CHECK(it != records_.end());
    const IdempotencyRecord& record = it->second;
    SYNOD_CHECK(place == PlaceOf(record));
    SYNOD_CHECK_EQ(record.pending, !record.contender.empty());
    SYNOD_CHECK(record.hash ==
                HashOfRecord(RecordKey(RecordTag::kIdempotency, name), ValueOf(record)));
    sum.Add(record.hash);
    bytes += CostOf(name, record);
  }
  SYNOD_CHECK(sum == tally_.digest());
  SYNOD_CHECK_EQ(bytes, bytes_);
}

}  // namespace synod::session
