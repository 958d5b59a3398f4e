#include "session/lease_table.h"

#include <algorithm>
#include <functional>

#include "src/base/check.h"
#include "src/base/codec.h"

namespace synod::session {
namespace {

Bytes KeyOf(LeaseId id) { return RecordKey(RecordTag::kLease, BigEndian(id.value)); }

Bytes ValueOf(const Lease& lease) {
  Bytes out;
  Writer w(&out);
  w.Signed(lease.ttl_ms);
  w.Number(lease.deadline);
  w.Bool(lease.of_request);
  w.String(lease.name);
  w.String(lease.user);
  return out;
}

// What a lease counts for in quotas: its strings and a flat sum for the rest.
uint64_t SizeOf(const Lease& lease) { return 64 + lease.name.size() + lease.user.size(); }

// Of a few leases no heap is rebuilt.
constexpr size_t kHeapSlack = 64;

}  // namespace

const PathSet& Lease::paths() const {
  static const PathSet kNone;
  return tied == nullptr ? kNone : tied->paths;
}

void LeaseTable::Expect(const Lease& lease) {
  deadlines_.emplace_back(lease.deadline, lease.id);
  std::push_heap(deadlines_.begin(), deadlines_.end(), std::greater<>());
}

// Deadlines only move on, so that an entry on top that is right is the earliest of all.
const Lease* LeaseTable::First() const {
  while (!deadlines_.empty()) {
    const auto [deadline, id] = deadlines_.front();
    const Lease* lease = Find(id);
    if (lease != nullptr && lease->deadline == deadline)
      return lease;
    std::pop_heap(deadlines_.begin(), deadlines_.end(), std::greater<>());
    if (lease == nullptr) {
      deadlines_.pop_back();
    } else {
      deadlines_.back().first = lease->deadline;
      std::push_heap(deadlines_.begin(), deadlines_.end(), std::greater<>());
    }
  }
  return nullptr;
}

void LeaseTable::Save(Lease* lease) { tally_.Set(KeyOf(lease->id), ValueOf(*lease), &lease->hash); }

const Lease& LeaseTable::Grant(int64_t ttl_ms,
                               std::string_view name,
                               std::string_view user,
                               bool of_request,
                               ClusterTime now) {
  ++last_id_;
  Lease& lease = leases_[last_id_];
  lease.id = last_id_;
  lease.ttl_ms = ttl_ms;
  lease.deadline = now + ttl_ms;
  lease.of_request = of_request;
  lease.name = name;
  lease.user = user;
  Expect(lease);
  record_bytes_ += SizeOf(lease);
  Save(&lease);
  return lease;
}

const Lease* LeaseTable::Find(LeaseId id) const {
  const auto it = leases_.find(id);
  return it == leases_.end() ? nullptr : &it->second;
}

const Lease* LeaseTable::FindLive(LeaseId id, ClusterTime now) const {
  const Lease* lease = Find(id);
  return lease != nullptr && now < lease->deadline ? lease : nullptr;
}

const Lease& LeaseTable::Renew(LeaseId id, ClusterTime now) {
  const auto it = leases_.find(id);
  SYNOD_CHECK(it != leases_.end());
  Lease& lease = it->second;
  SYNOD_CHECK_LT(now, lease.deadline);
  const ClusterTime deadline = now + lease.ttl_ms;
  // Several renewals in one entry change nothing after the first.
  if (deadline != lease.deadline) {
    lease.deadline = deadline;
    Save(&lease);
  }
  return lease;
}

void LeaseTable::End(LeaseId id) {
  const auto it = leases_.find(id);
  SYNOD_CHECK(it != leases_.end());
  SYNOD_CHECK(it->second.tied == nullptr);
  record_bytes_ -= SizeOf(it->second);
  tally_.Remove(KeyOf(id), it->second.hash);
  leases_.erase(it);
  if (deadlines_.size() <= 2 * leases_.size() + kHeapSlack)
    return;
  // Leases that end long before their deadlines must not leave entries behind until then.
  std::erase_if(deadlines_, [&](const Deadline& entry) { return Find(entry.second) == nullptr; });
  std::make_heap(deadlines_.begin(), deadlines_.end(), std::greater<>());
}

void LeaseTable::Tie(LeaseId id, std::string_view path, uint64_t bytes) {
  const auto it = leases_.find(id);
  if (it == leases_.end())
    return;
  if (it->second.tied == nullptr)
    it->second.tied = std::make_unique<Lease::Tied>();
  const bool added = it->second.tied->paths.emplace(path).second;
  SYNOD_CHECK(added);
  it->second.tied->bytes += bytes;
}

void LeaseTable::Untie(LeaseId id, std::string_view path, uint64_t bytes) {
  const auto it = leases_.find(id);
  if (it == leases_.end())
    return;
  std::unique_ptr<Lease::Tied>& tied = it->second.tied;
  SYNOD_CHECK(tied != nullptr);
  const auto node = tied->paths.find(path);
  SYNOD_CHECK(node != tied->paths.end());
  SYNOD_CHECK_LE(bytes, tied->bytes);
  tied->paths.erase(node);
  tied->bytes -= bytes;
  if (tied->paths.empty())
    tied.reset();
}

const Lease* LeaseTable::FirstDue(ClusterTime now) const {
  const Lease* first = First();
  return first == nullptr || now < first->deadline ? nullptr : first;
}

std::optional<ClusterTime> LeaseTable::NextDeadline() const {
  const Lease* first = First();
  return first == nullptr ? std::nullopt : std::optional(first->deadline);
}

std::vector<const Lease*> LeaseTable::List(LeaseId after, size_t limit, ClusterTime now) const {
  std::vector<const Lease*> found;
  for (auto it = leases_.upper_bound(after); it != leases_.end() && found.size() < limit; ++it) {
    if (now < it->second.deadline)
      found.push_back(&it->second);
  }
  return found;
}

void LeaseTable::ForEach(const std::function<void(const Lease&)>& each) const {
  for (const auto& [id, lease] : leases_) each(lease);
}

void LeaseTable::ForEachRecord(
    const std::function<void(std::string_view key, std::string_view value)>& each) const {
  for (const auto& [id, lease] : leases_) each(KeyOf(id), ValueOf(lease));
}

Status LeaseTable::LoadRecord(std::string_view key, std::string_view value) {
  const auto damaged = [](const char* what) {
    return Error{Errc::kInternal, Outcome::kNotApplied, what};
  };
  const std::optional<uint64_t> id = FromBigEndian(key.substr(1));
  if (!id.has_value() || *id == 0)
    return damaged("lease record: bad key");
  Reader r(value);
  Lease lease;
  lease.id = LeaseId(*id);
  lease.ttl_ms = r.Signed();
  lease.deadline = r.Number<ClusterTime>();
  lease.of_request = r.Bool();
  lease.name = r.String();
  lease.user = r.String();
  if (!r.Complete() || lease.ttl_ms <= 0)
    return damaged("lease record: bad value");
  const auto [it, added] = leases_.emplace(lease.id, std::move(lease));
  if (!added)
    return damaged("lease record: twice");
  Lease& loaded = it->second;
  Expect(loaded);
  record_bytes_ += SizeOf(loaded);
  tally_.Loaded(key, value, &loaded.hash);
  return Done();
}

void LeaseTable::CheckInvariants() const {
  SYNOD_CHECK_LE(deadlines_.size(), 2 * leases_.size() + kHeapSlack);
  SYNOD_CHECK(std::is_heap(deadlines_.begin(), deadlines_.end(), std::greater<>()));
  std::map<LeaseId, ClusterTime> expected;
  for (const auto& [deadline, id] : deadlines_) SYNOD_CHECK(expected.emplace(id, deadline).second);
  Digest sum;
  uint64_t bytes = 0;
  for (const auto& [id, lease] : leases_) {
    SYNOD_CHECK(id == lease.id);
    SYNOD_CHECK_LE(id, last_id_);
    SYNOD_CHECK(expected.contains(id));
    SYNOD_CHECK_LE(expected.at(id), lease.deadline);
    SYNOD_CHECK_LE(lease.paths().size(), kLeaseNodesMax);
    SYNOD_CHECK(lease.tied == nullptr || !lease.tied->paths.empty());
    SYNOD_CHECK(lease.hash == HashOfRecord(KeyOf(id), ValueOf(lease)));
    sum.Add(lease.hash);
    bytes += SizeOf(lease);
  }
  SYNOD_CHECK(sum == tally_.digest());
  SYNOD_CHECK_EQ(bytes, record_bytes_);
}

}  // namespace synod::session
