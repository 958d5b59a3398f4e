// Reads of the machine's own state.
#include <algorithm>
#include <charconv>
#include <utility>

#include "src/base/path.h"
#include "src/machine/core.h"

namespace synod::machine {

Result<QueryResult> Machine::Core::Read(const Query& query, ClusterTime now) const {
  // The leader's clock may be read before an entry with it was applied, never the other way round.
  const ClusterTime at = std::max(now, time);
  return std::visit([&](const auto& q) { return ReadOne(q, at); }, query);
}

Result<QueryResult> Machine::Core::ReadOne(const GetNode& query, ClusterTime) const {
  Result<store::NodeRef> node = tree.FindAt(query.path, query.at);
  if (node.has_error())
    return node.error();
  if (*node == nullptr)
    return Error{Errc::kNotFound};
  return QueryResult(NodeResult{{query.path, std::move(*node)}});
}

Result<QueryResult> Machine::Core::ReadOne(const ListNodes& query, ClusterTime) const {
  Result<store::ListResult> listed =
      tree.List(query.path, query.scope, query.limit, query.after, query.at);
  if (listed.has_error())
    return listed.error();
  return QueryResult(ListNodesResult{std::move(listed->nodes), listed->more});
}

Result<QueryResult> Machine::Core::ReadOne(const GetSettings&, ClusterTime) const {
  return QueryResult(SettingsResult{settings, QuotaViews()});
}

Result<QueryResult> Machine::Core::ReadOne(const GetFence& query, ClusterTime) const {
  const std::optional<FenceToken> highest = fences.Find(query.path);
  if (!highest.has_value())
    return Error{Errc::kNotFound};
  return QueryResult(FenceResult{*highest});
}

Result<QueryResult> Machine::Core::ReadOne(const GetLease& query, ClusterTime now) const {
  const session::Lease* lease = leases.FindLive(query.id, now);
  if (lease == nullptr)
    return Error{Errc::kLeaseNotFound};
  return QueryResult(LeaseResult{
      ViewOf(*lease), std::vector<std::string>(lease->paths().begin(), lease->paths().end())});
}

ListLeasesResult Machine::Core::LeasesFor(
    const ListLeases& query,
    ClusterTime now,
    const std::function<bool(const session::Lease&)>& shown) const {
  ListLeasesResult result;
  LeaseId after = query.after;
  while (true) {
    const std::vector<const session::Lease*> some = leases.List(after, query.limit + 1, now);
    for (const session::Lease* lease : some) {
      after = lease->id;
      if (!shown(*lease))
        continue;
      if (result.leases.size() == query.limit) {
        result.more = true;
        return result;
      }
      result.leases.push_back(ViewOf(*lease));
    }
    if (some.size() <= query.limit)
      return result;
  }
}

Result<QueryResult> Machine::Core::ReadOne(const ListLeases& query, ClusterTime now) const {
  return QueryResult(LeasesFor(query, now, [](const session::Lease&) { return true; }));
}

LockResult Machine::Core::LockResultOf(const std::string& path,
                                       const lock::Lock& lock,
                                       ClusterTime now) const {
  LockResult result;
  result.kind = lock.kind;
  result.path = path;
  result.limit = lock.limit;
  result.holders = HoldersOf(path, now, [this](std::string_view p) { return tree.Find(p); });
  for (const auto& [number, waiter] : lock.waiters) {
    const store::NodeRef node = tree.Find(lock::KeyOf({path, number}));
    result.waiters.push_back({waiter.lease, waiter.mode,
                              node == nullptr ? Bytes() : Bytes(node->value.view()),
                              now.value - waiter.since.value});
  }
  if (now < lock.delay_until)
    result.delay_remaining_ms = lock.delay_until.value - now.value;
  return result;
}

Result<QueryResult> Machine::Core::ReadOne(const GetLock& query, ClusterTime now) const {
  const lock::Lock* lock = locks.Find(query.path);
  // A delay that has run out keeps nothing in being, also before an entry has cleared it away.
  const bool is_there = lock != nullptr && (!lock->idle() || now < lock->delay_until);
  if (is_there && lock->kind != query.kind)
    return Error{Errc::kWrongKind};
  if (is_there)
    return QueryResult(LockResultOf(query.path, *lock, now));
  if (query.kind == LockKind::kLock)
    return Error{Errc::kNotFound};
  // An election is always there to be won.
  LockResult nobody;
  nobody.kind = LockKind::kElection;
  nobody.path = query.path;
  return QueryResult(std::move(nobody));
}

Result<QueryResult> Machine::Core::ReadOne(const ListLocks& query, ClusterTime now) const {
  ListLocksResult result;
  const auto& all = locks.locks();
  // A cursor of the client's own may lie before all that has the prefix.
  const bool goes_on = !query.after.empty() && ComparePaths(query.after, query.prefix) >= 0;
  auto it = goes_on ? all.upper_bound(query.after) : all.lower_bound(query.prefix);
  for (; it != all.end() && IsWithin(it->first, query.prefix); ++it) {
    const lock::Lock& lock = it->second;
    if (lock.kind != LockKind::kLock || (lock.idle() && lock.delay_until <= now))
      continue;
    if (result.locks.size() == query.limit) {
      result.more = true;
      break;
    }
    result.locks.push_back(LockResultOf(it->first, lock, now));
  }
  return QueryResult(std::move(result));
}

namespace {

// The number behind `name` in the text that an election's node holds (moves.cc writes it).
uint64_t NumberIn(std::string_view text, std::string_view name) {
  uint64_t n = 0;
  const size_t at = text.find(name);
  if (at != std::string_view::npos)
    std::from_chars(text.data() + at + name.size(), text.data() + text.size(), n);
  return n;
}

}  // namespace

Result<std::optional<Holder>> Machine::LeaderAt(std::string_view election, Revision at) const {
  // The tree takes 0 for now.
  if (at == Revision())
    return std::optional<Holder>();
  const std::string node_path = std::string(kLocksRoot) + std::string(election);
  const Result<store::NodeRef> node = core_->tree.FindAt(node_path, at);
  if (!node)
    return node.error();
  if (*node == nullptr || (*node)->value.empty())
    return std::optional<Holder>();
  const std::string_view text = (*node)->value.view();
  Holder holder;
  holder.token = FenceToken(NumberIn(text, "\"token\":"));
  holder.lease = LeaseId(NumberIn(text, "\"lease\":"));
  holder.since_revision = Revision(NumberIn(text, "\"since_revision\":"));
  static constexpr std::string_view kKey = "\"key\":\"";
  const size_t key = text.find(kKey);
  if (holder.token.value == 0 || key == std::string_view::npos)
    return std::optional<Holder>();
  const std::string_view name = text.substr(key + kKey.size(), text.size() - key - kKey.size() - 2);
  const Result<store::NodeRef> contender = core_->tree.FindAt(JoinPath(node_path, name), at);
  if (!contender)
    return contender.error();
  if (*contender != nullptr)
    holder.value = (*contender)->value.view();
  return std::optional<Holder>(std::move(holder));
}

}  // namespace synod::machine
