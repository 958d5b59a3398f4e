#include "lock/lock_table.h"

#include <algorithm>
#include <array>

#include "src/base/check.h"
#include "src/base/path.h"

namespace synod::lock {
namespace {

constexpr size_t kDigits = 10;

// One who comes with `mode` fits beside the holders.
bool Fits(const Lock& lock, LockMode mode) {
  if (lock.holders.empty())
    return true;
  if (mode == LockMode::kShared)
    return lock.holders.begin()->second.mode == LockMode::kShared;
  return lock.holders.begin()->second.mode == LockMode::kExclusive &&
         lock.holders.size() < lock.limit;
}

bool InConflict(LockMode a, LockMode b) {
  return a == LockMode::kExclusive || b == LockMode::kExclusive;
}

uint64_t SizeOf(const Place& place, const Contender& contender) {
  return 160 + 2 * place.path.size() + contender.value_bytes;
}

}  // namespace

std::optional<uint64_t> NumberOf(std::string_view name) {
  if (name.size() != kDigits + 1 || name[0] != '@')
    return std::nullopt;
  uint64_t number = 0;
  for (const char c : name.substr(1)) {
    if (c < '0' || c > '9')
      return std::nullopt;
    number = number * 10 + static_cast<uint64_t>(c - '0');
  }
  return number;
}

std::string KeyOf(const Place& place) {
  std::array<char, kDigits> digits{};
  uint64_t rest = place.number;
  for (size_t i = kDigits; i-- > 0; rest /= 10) digits[i] = static_cast<char>('0' + rest % 10);
  std::string key(kLocksRoot);
  key.append(place.path).append("/@").append(digits.data(), digits.size());
  return key;
}

std::optional<Place> PlaceOf(std::string_view node_path) {
  const std::optional<uint64_t> number = NumberOf(NameOf(node_path));
  const std::string_view parent = ParentOf(node_path);
  if (!number.has_value() || !IsWithin(parent, kLocksRoot) || parent == kLocksRoot)
    return std::nullopt;
  return Place{std::string(parent.substr(kLocksRoot.size())), *number};
}

const Lock* LockTable::Find(std::string_view path) const {
  const auto it = locks_.find(path);
  return it == locks_.end() ? nullptr : &it->second;
}

const Contender* LockTable::Find(const Place& place) const {
  const Lock* lock = Find(place.path);
  if (lock == nullptr)
    return nullptr;
  for (const auto* queue : {&lock->holders, &lock->waiters}) {
    const auto it = queue->find(place.number);
    if (it != queue->end())
      return &it->second;
  }
  return nullptr;
}

std::optional<Place> LockTable::FindByLease(std::string_view path, LeaseId lease) const {
  const auto it = by_lease_.find({lease, std::string(path)});
  if (it == by_lease_.end())
    return std::nullopt;
  return Place{std::string(path), it->second};
}

std::vector<Place> LockTable::PlacesOf(LeaseId lease) const {
  std::vector<Place> places;
  for (auto it = by_lease_.lower_bound({lease, std::string()});
       it != by_lease_.end() && it->first.first == lease; ++it)
    places.push_back({it->first.second, it->second});
  return places;
}

std::optional<Place> LockTable::FindHolder(std::string_view path, FenceToken token) const {
  const Lock* lock = Find(path);
  if (lock == nullptr || token.value == 0)
    return std::nullopt;
  for (const auto& [number, holder] : lock->holders) {
    if (holder.token == token)
      return Place{std::string(path), number};
  }
  return std::nullopt;
}

std::optional<Place> LockTable::FindOwner(const RequestId& owner) const {
  const auto it = owners_.find(owner);
  if (it == owners_.end())
    return std::nullopt;
  return it->second;
}

std::vector<Place> LockTable::GroupOf(const Place& place) const {
  const Contender* contender = Find(place);
  SYNOD_CHECK(contender != nullptr);
  if (contender->group == 0)
    return {place};
  std::vector<Place> places;
  for (const auto& [rank, member] : groups_.at(contender->group)) places.push_back(member);
  return places;
}

Lock& LockTable::Get(std::string_view path) {
  const auto it = locks_.find(path);
  SYNOD_CHECK(it != locks_.end());
  return it->second;
}

Contender& LockTable::GetWaiter(const Place& place) {
  Lock& lock = Get(place.path);
  const auto it = lock.waiters.find(place.number);
  SYNOD_CHECK(it != lock.waiters.end());
  return it->second;
}

void LockTable::SaveLock(std::string_view path, Lock* lock) {
  tally_.Set(LockRecordKey(path), LockRecordValue(*lock), &lock->hash);
}

void LockTable::Save(const Place& place, Contender* contender) {
  tally_.Set(ContenderRecordKey(place), ContenderRecordValue(*contender), &contender->hash);
}

void LockTable::Index(const Place& place, const Contender& contender) {
  by_lease_.emplace(std::pair(contender.lease, place.path), place.number);
  record_bytes_ += SizeOf(place, contender);
  if (contender.holds()) {
    ++holder_count_;
    return;
  }
  ++waiter_count_;
  if (contender.group != 0)
    groups_[contender.group].emplace(contender.rank, place);
  if (contender.rank != 0)
    return;
  const bool added = owners_.emplace(contender.owner, place).second;
  SYNOD_CHECK(added);
  wait_deadlines_.emplace(contender.wait_deadline, place);
  if (contender.orphan_deadline.has_value())
    orphan_deadlines_.emplace(*contender.orphan_deadline, place);
}

void LockTable::Unindex(const Place& place, const Contender& contender) {
  by_lease_.erase({contender.lease, place.path});
  record_bytes_ -= SizeOf(place, contender);
  if (contender.holds()) {
    --holder_count_;
    return;
  }
  --waiter_count_;
  if (const auto group = groups_.find(contender.group); group != groups_.end()) {
    group->second.erase(contender.rank);
    if (group->second.empty())
      groups_.erase(group);
  }
  if (contender.rank != 0)
    return;
  owners_.erase(contender.owner);
  wait_deadlines_.erase({contender.wait_deadline, place});
  if (contender.orphan_deadline.has_value())
    orphan_deadlines_.erase({*contender.orphan_deadline, place});
}

void LockTable::Enter(const Place& place, LockKind kind, uint32_t limit, Contender contender) {
  SYNOD_CHECK(!contender.holds());
  SYNOD_CHECK(!FindByLease(place.path, contender.lease).has_value());
  const auto [it, created] = locks_.try_emplace(place.path);
  Lock& lock = it->second;
  if (created)
    lock.kind = kind;
  SYNOD_CHECK(lock.kind == kind);
  if (created || (lock.idle() && lock.limit != limit)) {
    lock.limit = limit;
    SaveLock(place.path, &lock);
  }
  SYNOD_CHECK_EQ(lock.limit, limit);
  const auto [waiter, added] = lock.waiters.emplace(place.number, std::move(contender));
  SYNOD_CHECK(added);
  Index(place, waiter->second);
  Save(place, &waiter->second);
}

bool LockTable::IsFree(std::string_view path,
                       LockMode mode,
                       ClusterTime now,
                       const session::LeaseTable& leases) const {
  const Lock* lock = Find(path);
  if (lock == nullptr)
    return true;
  if (now < lock->delay_until || !Fits(*lock, mode))
    return false;
  return std::ranges::none_of(lock->waiters, [&](const auto& w) {
    return InConflict(w.second.mode, mode) && IsAlive(w.second, now, leases);
  });
}

bool LockTable::IsAlive(const Contender& waiter,
                        ClusterTime now,
                        const session::LeaseTable& leases) const {
  const Contender& first =
      waiter.rank == 0 ? waiter : *Find(groups_.at(waiter.group).begin()->second);
  return now < first.wait_deadline && leases.FindLive(waiter.lease, now) != nullptr;
}

bool LockTable::IsFirst(const Place& place,
                        ClusterTime now,
                        const session::LeaseTable& leases) const {
  const Lock& lock = *Find(place.path);
  const LockMode mode = lock.waiters.at(place.number).mode;
  if (now < lock.delay_until || !Fits(lock, mode))
    return false;
  const auto is_before = [&](const auto& w) {
    return InConflict(w.second.mode, mode) && IsAlive(w.second, now, leases);
  };
  return std::none_of(lock.waiters.begin(), lock.waiters.find(place.number), is_before);
}

std::optional<Place> LockTable::NextGrant(std::string_view path,
                                          ClusterTime now,
                                          const session::LeaseTable& leases) const {
  const Lock* lock = Find(path);
  if (lock == nullptr || now < lock->delay_until)
    return std::nullopt;
  // Only shared ones can come behind the first that must wait, and only beside shared holders.
  bool behind = false;
  for (const auto& [number, waiter] : lock->waiters) {
    if (!IsAlive(waiter, now, leases))
      continue;
    if (!Fits(*lock, waiter.mode) || (behind && waiter.mode == LockMode::kExclusive))
      return std::nullopt;
    const Place place{std::string(path), number};
    const std::vector<Place> group = GroupOf(place);
    if (std::ranges::all_of(group, [&](const Place& member) {
          return member == place || IsFirst(member, now, leases);
        }))
      return place;
    if (waiter.mode == LockMode::kExclusive)
      return std::nullopt;
    behind = true;
  }
  return std::nullopt;
}

const Contender& LockTable::Grant(const Place& place, Revision revision, ClusterTime now) {
  Lock& lock = Get(place.path);
  SYNOD_CHECK(Fits(lock, GetWaiter(place).mode));
  auto node = lock.waiters.extract(place.number);
  Unindex(place, node.mapped());
  Contender& contender = node.mapped();
  last_token_ = FenceToken(std::max(last_token_.value + 1, revision.value));
  contender.token = last_token_;
  contender.since_revision = revision;
  contender.since = now;
  contender.wait_deadline = ClusterTime();
  contender.owner = RequestId();
  contender.orphan_deadline.reset();
  contender.request_key.clear();
  contender.group = 0;
  contender.rank = 0;
  const auto inserted = lock.holders.insert(std::move(node));
  SYNOD_CHECK(inserted.inserted);
  Index(place, inserted.position->second);
  Save(place, &inserted.position->second);
  return inserted.position->second;
}

Contender LockTable::Remove(const Place& place) {
  Lock& lock = Get(place.path);
  auto node = lock.holders.extract(place.number);
  if (node.empty())
    node = lock.waiters.extract(place.number);
  SYNOD_CHECK(!node.empty());
  Unindex(place, node.mapped());
  tally_.Remove(ContenderRecordKey(place), node.mapped().hash);
  return std::move(node.mapped());
}

void LockTable::SetValueBytes(const Place& place, uint64_t value_bytes) {
  Lock& lock = Get(place.path);
  const auto holder = lock.holders.find(place.number);
  const auto waiter = lock.waiters.find(place.number);
  SYNOD_CHECK(holder != lock.holders.end() || waiter != lock.waiters.end());
  Contender& contender = holder != lock.holders.end() ? holder->second : waiter->second;
  record_bytes_ += value_bytes - contender.value_bytes;
  contender.value_bytes = value_bytes;
  Save(place, &contender);
}

void LockTable::SetDelay(std::string_view path, ClusterTime until) {
  Lock& lock = Get(path);
  if (until <= lock.delay_until)
    return;
  delays_.erase({lock.delay_until, std::string(path)});
  lock.delay_until = until;
  delays_.emplace(until, path);
  SaveLock(path, &lock);
}

void LockTable::DropIfIdle(std::string_view path, ClusterTime now) {
  Lock& lock = Get(path);
  if (lock.delay_until.value != 0 && lock.delay_until <= now) {
    delays_.erase({lock.delay_until, std::string(path)});
    lock.delay_until = ClusterTime();
    SaveLock(path, &lock);
  }
  if (!lock.idle() || lock.delay_until.value != 0)
    return;
  tally_.Remove(LockRecordKey(path), lock.hash);
  locks_.erase(locks_.find(path));
}

void LockTable::TakeOver(const Place& place,
                         const RequestId& owner,
                         ClusterTime deadline,
                         Bytes request_key) {
  Contender& waiter = GetWaiter(place);
  Unindex(place, waiter);
  waiter.owner = owner;
  waiter.wait_deadline = deadline;
  waiter.orphan_deadline.reset();
  waiter.request_key = std::move(request_key);
  Index(place, waiter);
  Save(place, &waiter);
}

void LockTable::Disown(const Place& place, ClusterTime orphan_deadline) {
  Contender& waiter = GetWaiter(place);
  if (waiter.orphan_deadline.has_value())
    return;
  waiter.orphan_deadline = orphan_deadline;
  orphan_deadlines_.emplace(orphan_deadline, place);
  Save(place, &waiter);
}

void LockTable::DisownProcess(NodeId node, uint64_t boot, ClusterTime orphan_deadline) {
  for (auto it = owners_.lower_bound({node, boot, 0});
       it != owners_.end() && it->first.node == node && it->first.boot == boot; ++it)
    Disown(it->second, orphan_deadline);
}

void LockTable::AdoptProcess(NodeId node, uint64_t boot) {
  for (auto it = owners_.lower_bound({node, boot, 0});
       it != owners_.end() && it->first.node == node && it->first.boot == boot; ++it) {
    Contender& waiter = GetWaiter(it->second);
    if (!waiter.orphan_deadline.has_value())
      continue;
    orphan_deadlines_.erase({*waiter.orphan_deadline, it->second});
    waiter.orphan_deadline.reset();
    Save(it->second, &waiter);
  }
}

std::optional<Place> LockTable::FirstWaitDue(ClusterTime now) const {
  if (wait_deadlines_.empty() || now < wait_deadlines_.begin()->first)
    return std::nullopt;
  return wait_deadlines_.begin()->second;
}

std::optional<Place> LockTable::FirstOrphanDue(ClusterTime now) const {
  if (orphan_deadlines_.empty() || now < orphan_deadlines_.begin()->first)
    return std::nullopt;
  return orphan_deadlines_.begin()->second;
}

std::optional<std::string> LockTable::FirstDelayDue(ClusterTime now) const {
  if (delays_.empty() || now < delays_.begin()->first)
    return std::nullopt;
  return delays_.begin()->second;
}

std::optional<ClusterTime> LockTable::NextDeadline() const {
  std::optional<ClusterTime> next;
  const auto consider = [&next](ClusterTime t) {
    next = next.has_value() ? std::min(*next, t) : t;
  };
  if (!wait_deadlines_.empty())
    consider(wait_deadlines_.begin()->first);
  if (!orphan_deadlines_.empty())
    consider(orphan_deadlines_.begin()->first);
  if (!delays_.empty())
    consider(delays_.begin()->first);
  return next;
}

void LockTable::CheckInvariants() const {
  uint64_t holders = 0;
  uint64_t waiters = 0;
  Digest sum;
  for (const auto& [path, lock] : locks_) {
    CheckLock(path, lock);
    sum.Add(lock.hash);
    for (const auto* queue : {&lock.holders, &lock.waiters}) {
      for (const auto& [number, contender] : *queue) sum.Add(contender.hash);
    }
    holders += lock.holders.size();
    waiters += lock.waiters.size();
  }
  SYNOD_CHECK(sum == tally_.digest());
  SYNOD_CHECK_EQ(holders, holder_count_);
  SYNOD_CHECK_EQ(waiters, waiter_count_);
  SYNOD_CHECK_EQ(owners_.size(), wait_deadlines_.size());
  SYNOD_CHECK_EQ(holders + waiters, by_lease_.size());
}

void LockTable::CheckLock(const std::string& path, const Lock& lock) const {
  SYNOD_CHECK(!lock.idle() || lock.delay_until.value != 0);
  SYNOD_CHECK_EQ(delays_.contains({lock.delay_until, path}), lock.delay_until.value != 0);
  SYNOD_CHECK(lock.hash == HashOfRecord(LockRecordKey(path), LockRecordValue(lock)));
  std::set<FenceToken> tokens;
  for (const auto& [number, holder] : lock.holders) {
    SYNOD_CHECK(holder.holds());
    SYNOD_CHECK_LE(holder.token, last_token_);
    SYNOD_CHECK(tokens.insert(holder.token).second);
    SYNOD_CHECK(holder.mode == lock.holders.begin()->second.mode);
    SYNOD_CHECK(FindByLease(path, holder.lease) == (Place{path, number}));
  }
  if (!lock.holders.empty() && lock.holders.begin()->second.mode == LockMode::kExclusive)
    SYNOD_CHECK_LE(lock.holders.size(), lock.limit);
  for (const auto& [number, waiter] : lock.waiters) {
    SYNOD_CHECK(!lock.holders.contains(number));
    CheckWaiter({path, number}, waiter);
  }
}

void LockTable::CheckWaiter(const Place& place, const Contender& waiter) const {
  SYNOD_CHECK(!waiter.holds());
  SYNOD_CHECK(FindByLease(place.path, waiter.lease) == place);
  SYNOD_CHECK(waiter.hash == HashOfRecord(ContenderRecordKey(place), ContenderRecordValue(waiter)));
  if (waiter.group != 0) {
    const auto& group = groups_.at(waiter.group);
    SYNOD_CHECK(group.at(waiter.rank) == place);
    SYNOD_CHECK_EQ(group.rbegin()->first + 1, group.size());
    SYNOD_CHECK(Find(group.begin()->second)->lease == waiter.lease);
  }
  if (waiter.rank != 0)
    return;
  SYNOD_CHECK(FindOwner(waiter.owner) == place);
  SYNOD_CHECK(wait_deadlines_.contains({waiter.wait_deadline, place}));
  if (waiter.orphan_deadline.has_value())
    SYNOD_CHECK(orphan_deadlines_.contains({*waiter.orphan_deadline, place}));
}

}  // namespace synod::lock
