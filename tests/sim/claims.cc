#include "tests/sim/claims.h"

#include <algorithm>

namespace synod::sim {
namespace {

constexpr Time kRounding = 2 * kMillisecond;  // clocks tell whole milliseconds

std::string Text(LeaseId lease) { return "lease " + std::to_string(lease.value); }
std::string Text(FenceToken token) { return "token " + std::to_string(token.value); }

}  // namespace

Time Claims::ShortestLife(int64_t ttl_ms) const {
  const int64_t fastest_ppm = 1'000'000 + world_->swarm.clock_spread_ppm;
  return ttl_ms * kMillisecond * 1'000'000 / fastest_ppm - kRounding;
}

void Claims::OnSlot(Slot slot, const machine::Applied&) {
  const machine::Machine& machine = world_->observer.machine();
  CheckLeases(slot);
  if (machine.revision() == last_revision_)
    return;
  last_revision_ = machine.revision();
  CheckLocks(slot);
}

void Claims::CheckLeases(Slot slot) {
  const machine::Machine& machine = world_->observer.machine();
  for (auto it = leases_.begin(); it != leases_.end();) {
    Lease& lease = it->second;
    const auto found = machine.Read(machine::GetLease{it->first}, machine.time());
    if (found) {
      const ClusterTime deadline = std::get<machine::LeaseResult>(*found).lease.deadline;
      SIM_REQUIRE(deadline >= lease.deadline, Text(it->first) + ": its deadline fell");
      lease.deadline = deadline;
      ++it;
      continue;
    }
    const std::string where = Text(it->first) + " ended at slot " + std::to_string(slot.value);
    if (!lease.may_end) {
      SIM_REQUIRE(machine.time() >= lease.deadline, where + " before its deadline: cluster time " +
                                                        std::to_string(machine.time().value) +
                                                        ", deadline " +
                                                        std::to_string(lease.deadline.value));
      SIM_REQUIRE(world_->scheduler.now() >= lease.lives_until,
                  where + ", " +
                      std::to_string((lease.lives_until - world_->scheduler.now()) / 1000) +
                      " ms before its TTL had passed");
    }
    ++ended_;
    it = leases_.erase(it);
  }
}

void Claims::CheckLocks(Slot slot) {
  const machine::Machine& machine = world_->observer.machine();
  for (auto& [path, lock] : locks_) {
    const auto found = machine.Read(machine::GetLock{lock.kind, path}, machine.time());
    std::map<FenceToken, Revision> holders;
    if (found)
      for (const machine::Holder& h : std::get<machine::LockResult>(*found).holders)
        holders[h.token] = h.since_revision;
    SIM_REQUIRE(holders.size() <= 1, path + ": two holders at slot " + std::to_string(slot.value));
    for (const auto& [token, since] : holders) {
      if (lock.holders.contains(token))
        continue;
      SIM_REQUIRE(token > lock.last_token,
                  path + ": " + Text(token) + " after " + Text(lock.last_token));
      SIM_REQUIRE(since_.emplace(token, since).second, path + ": " + Text(token) + " given twice");
      lock.last_token = token;
    }
    lock.holders = std::move(holders);
    if (lock.kind == machine::LockKind::kElection)
      lock.leaders[machine.revision()] =
          lock.holders.empty() ? FenceToken() : lock.holders.begin()->first;
  }
}

void Claims::LeaseAcknowledged(LeaseId lease, int64_t ttl_ms, Time sent) {
  const machine::Machine& machine = world_->observer.machine();
  const auto it = leases_.find(lease);
  if (it == leases_.end() && !machine.Read(machine::GetLease{lease}, machine.time()))
    return;  // over before its owner heard of it
  Lease& l = leases_[lease];
  l.lives_until = std::max(l.lives_until, sent + ShortestLife(ttl_ms));
}

void Claims::LeaseMayEnd(LeaseId lease) {
  if (const auto it = leases_.find(lease); it != leases_.end())
    it->second.may_end = true;
}

void Claims::Believe(const std::string& lock, FenceToken token, uint32_t client, Time until) {
  const Time now = world_->scheduler.now();
  if (until <= now)
    return;
  Belief& belief = beliefs_[lock];
  SIM_REQUIRE(belief.token == token || belief.until <= now,
              lock + ": client " + std::to_string(client) + " holds it with " + Text(token) +
                  " while client " + std::to_string(belief.client) + " rightly believes in " +
                  Text(belief.token));
  if (belief.token == token && belief.client == client)
    belief.until = std::max(belief.until, until);
  else
    belief = {token, client, until};
}

void Claims::BelieveNoMore(const std::string& lock, FenceToken token) {
  if (const auto it = beliefs_.find(lock); it != beliefs_.end() && it->second.token == token)
    it->second.until = 0;
}

void Claims::CheckLeaders() const {
  for (const Leader& read : leaders_) {
    const auto& leaders = locks_.at(read.election).leaders;
    const auto after = leaders.upper_bound(read.revision);
    const FenceToken token = after == leaders.begin() ? FenceToken() : std::prev(after)->second;
    SIM_REQUIRE(token == read.token, read.election + ": a read of revision " +
                                         std::to_string(read.revision.value) + " names " +
                                         Text(read.token) + ", the log " + Text(token));
  }
}

void Claims::Check(const std::vector<store::RevisionRef>& log) const {
  CheckLeaders();
  std::map<std::string, std::vector<Revision>> deleted;
  for (const store::RevisionRef& revision : log)
    for (const store::Change& change : revision->changes)
      if (change.type == store::Change::Type::kDelete)
        deleted[change.path].push_back(revision->revision);
  // From the grant (inclusive) to the end of the contender's node (exclusive).
  std::map<FenceToken, std::pair<Revision, Revision>> held;
  for (const Hold& hold : holds_) {
    const auto since = since_.find(hold.token);
    if (since == since_.end())
      continue;  // granted and ended within one slot
    Revision until(UINT64_MAX);
    if (const auto it = deleted.find(hold.key); it != deleted.end())
      for (const Revision r : it->second)
        if (r > since->second) {
          until = r;
          break;
        }
    held[hold.token] = {since->second, until};
  }
  for (const FencedWrite& write : writes_) {
    const auto it = held.find(write.token);
    if (it == held.end())
      continue;
    const auto [since, until] = it->second;
    const bool within = write.revision >= since && write.revision < until;
    const std::string text = write.lock + ": a write fenced by " + Text(write.token) +
                             " (held from revision " + std::to_string(since.value) + " to " +
                             std::to_string(until.value) + ") ";
    // A lease that is past its deadline ends its holds before the contender's node goes, so that a
    // refusal within the hold is right as well.
    if (write.applied)
      SIM_REQUIRE(within, text + "is applied at revision " + std::to_string(write.revision.value));
  }
}

}  // namespace synod::sim
