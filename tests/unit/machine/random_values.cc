#include "tests/unit/machine/random_values.h"

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "session/lease_table.h"
#include "src/base/path.h"

namespace synod::machine {
namespace {

constexpr uint64_t kBig = uint64_t{1} << 53;

LeaseId RandomLease(Random& r) { return LeaseId(r.Below(r.Chance(50) ? 4 : kBig)); }
FenceToken RandomToken(Random& r) { return FenceToken(r.Below(kBig)); }
LockKind RandomKind(Random& r) { return r.Chance(50) ? LockKind::kLock : LockKind::kElection; }
LockMode RandomMode(Random& r) { return r.Chance(50) ? LockMode::kExclusive : LockMode::kShared; }
int64_t RandomMs(Random& r, uint64_t max) { return static_cast<int64_t>(r.Below(max + 1)); }

std::optional<LeaseId> MaybeLease(Random& r) {
  return r.Chance(50) ? std::nullopt : std::optional(RandomLease(r));
}

store::Precondition RandomPrecondition(Random& r) {
  return {static_cast<store::Precondition::Kind>(r.Below(5)), r.Below(kBig)};
}

TxnOp RandomTxnOp(Random& r) {
  switch (r.Below(5)) {
    case 0:
      return TxnPut{RandomPath(r), RandomBytes(r), MaybeLease(r)};
    case 1:
      return TxnDelete{RandomPath(r), r.Chance(50)};
    case 2:
      return TxnGet{RandomPath(r)};
    case 3:
      return TxnList{RandomPath(r), static_cast<store::ListScope>(r.Below(2)),
                     static_cast<uint32_t>(r.Below(1000)), r.Chance(50)};
    default:
      return TxnCreate{RandomPath(r), RandomBytes(r), MaybeLease(r), r.Chance(50)};
  }
}

Txn RandomTxn(Random& r) {
  Txn txn;
  for (uint64_t i = r.Below(4); i > 0; --i)
    txn.conditions.push_back({RandomPath(r), static_cast<Comparison::Target>(r.Below(8)),
                              static_cast<Comparison::Op>(r.Below(4)), r.Below(kBig),
                              RandomBytes(r)});
  for (uint64_t i = r.Below(5); i > 0; --i) txn.then_ops.push_back(RandomTxnOp(r));
  for (uint64_t i = r.Below(5); i > 0; --i) txn.else_ops.push_back(RandomTxnOp(r));
  return txn;
}

LeaseKeepAlive RandomKeepAlive(Random& r) {
  LeaseKeepAlive op;
  op.bulk = r.Chance(50);
  for (uint64_t i = op.bulk ? r.Below(20) : 1; i > 0; --i) op.ids.push_back(RandomLease(r));
  return op;
}

Acquire RandomAcquire(Random& r) {
  Acquire op;
  op.kind = RandomKind(r);
  op.path = RandomPath(r);
  op.lease = RandomLease(r);
  op.ttl_ms = RandomMs(r, 86'400'000);
  op.mode = RandomMode(r);
  op.limit = static_cast<uint32_t>(r.Between(1, 1000));
  op.wait_ms = RandomMs(r, 86'400'000);
  op.lock_delay_ms = RandomMs(r, 60'000);
  op.value = RandomBytes(r);
  return op;
}

AcquireAll RandomAcquireAll(Random& r) {
  AcquireAll op;
  std::set<std::string> paths;
  for (uint64_t i = r.Between(1, 5); i > 0; --i) paths.insert(RandomPath(r));
  for (const std::string& path : paths) op.locks.push_back({path, RandomMode(r)});
  op.lease = RandomLease(r);
  op.ttl_ms = RandomMs(r, 86'400'000);
  op.wait_ms = RandomMs(r, 86'400'000);
  return op;
}

NodeId RandomNode(Random& r) { return NodeId(static_cast<uint32_t>(r.Between(1, 9))); }

ChangeMembers RandomChange(Random& r) {
  ChangeMembers op;
  op.kind = static_cast<ChangeMembers::Kind>(r.Below(4));
  for (uint64_t i = r.Below(4); i > 0; --i) op.ids.push_back(RandomNode(r));
  op.with = RandomNode(r);
  op.name = RandomBytes(r);
  op.peer_address = RandomBytes(r);
  op.client_url = RandomBytes(r);
  op.refused = RandomBytes(r);
  return op;
}

Membership RandomMembership(Random& r) {
  Membership m;
  m.version = r.Between(1, 1000);
  m.voters.push_back(RandomNode(r));
  m.next_member = m.voters.back() + 1;
  for (uint32_t i = static_cast<uint32_t>(r.Below(6)); i > 0; --i) {
    (r.Chance(50) ? m.voters : m.learners).push_back(m.next_member);
    ++m.next_member;
  }
  return m;
}

store::NodeView RandomView(Random& r, bool with_value) {
  store::NodeState node;
  node.value = store::Value(with_value ? RandomBytes(r) : Bytes());
  node.version = r.Below(kBig);
  node.create_revision = Revision(r.Below(kBig));
  node.mod_revision = Revision(r.Below(kBig));
  node.children_revision = Revision(r.Below(kBig));
  node.num_children = r.Below(kBig);
  node.lease = RandomLease(r);
  return {RandomPath(r), store::Publish(std::move(node))};
}

std::vector<store::NodeView> RandomViews(Random& r, bool with_value) {
  std::vector<store::NodeView> views;
  for (uint64_t i = r.Below(5); i > 0; --i) views.push_back(RandomView(r, with_value));
  return views;
}

Refusal RandomRefusal(Random& r) {
  Refusal refusal;
  refusal.error = {static_cast<Errc>(r.Below(kErrcCount)), static_cast<Outcome>(r.Below(2)),
                   RandomBytes(r)};
  if (r.Chance(30))
    refusal.current = RandomView(r, false);
  for (uint64_t i = r.Below(3); i > 0; --i)
    refusal.holders.push_back({r.Chance(50) ? RandomPath(r) : "", RandomToken(r), RandomLease(r),
                               RandomMode(r), RandomBytes(r), Revision(r.Below(kBig)),
                               RandomMs(r, 1000), RandomMs(r, 1000)});
  if (r.Chance(30))
    refusal.compact_revision = Revision(r.Below(kBig));
  if (r.Chance(30))
    refusal.limit = r.Below(kBig);
  if (r.Chance(30))
    refusal.index = static_cast<uint32_t>(r.Below(128));
  if (r.Chance(30))
    refusal.highest = RandomToken(r);
  return refusal;
}

TxnAnswer RandomTxnAnswer(Random& r) {
  TxnAnswer answer{r.Chance(50), {}};
  for (uint64_t i = r.Below(6); i > 0; --i) {
    switch (r.Below(5)) {
      case 0:
        answer.results.emplace_back(TxnPutAnswer{RandomView(r, false)});
        break;
      case 1:
        answer.results.emplace_back(TxnDeleteAnswer{r.Below(100)});
        break;
      case 2:
        answer.results.emplace_back(
            TxnGetAnswer{r.Chance(50) ? std::nullopt : std::optional(RandomView(r, true))});
        break;
      case 3: {
        const bool keys_only = r.Chance(50);
        answer.results.emplace_back(
            TxnListAnswer{RandomViews(r, !keys_only), r.Chance(50), keys_only});
        break;
      }
      default:
        answer.results.emplace_back(TxnCreateAnswer{RandomView(r, false)});
    }
  }
  return answer;
}

LeaseView RandomLeaseView(Random& r) {
  return {RandomLease(r), RandomMs(r, 1000), ClusterTime(RandomMs(r, kBig)), RandomBytes(r)};
}

auth::SettingValues RandomSettings(Random& r) {
  const std::span<const auth::SettingField> fields = auth::SettingFields();
  auth::SettingValues changes;
  const size_t certain = r.Below(fields.size());
  for (uint32_t i = 0; i < fields.size(); ++i)
    if (i == certain || r.Chance(30))
      changes.emplace_back(i, r.Between(fields[i].lowest, fields[i].highest));
  return changes;
}

auth::Quota RandomQuota(Random& r) {
  auth::Quota quota;
  for (const auth::QuotaLimit& limit : auth::kQuotaLimits)
    quota.*limit.member = r.Chance(50) ? r.Below(auth::kQuotaLimitMax) : 0;
  return quota;
}

std::vector<QuotaView> RandomQuotas(Random& r) {
  std::vector<QuotaView> views;
  for (uint64_t i = r.Below(3); i > 0; --i)
    views.push_back({RandomPath(r), RandomQuota(r), {r.Below(kBig), r.Below(kBig)}});
  return views;
}

std::vector<auth::QuotaChange> RandomQuotaChanges(Random& r) {
  std::map<std::string, auth::QuotaChange, PathLess> changes;
  for (uint64_t i = r.Between(1, 3); i > 0; --i) {
    const std::string path = RandomPath(r);
    auth::QuotaChange& change = changes[path];
    change.path = path;
    for (std::optional<uint64_t>& limit : change.limits)
      limit = r.Chance(50) ? std::optional(r.Below(auth::kQuotaLimitMax)) : std::nullopt;
  }
  std::vector<auth::QuotaChange> ordered;
  for (auto& [path, change] : changes) ordered.push_back(std::move(change));
  return ordered;
}

std::string RandomName(Random& r) { return "name " + std::to_string(r.Below(1000)); }
Bytes RandomTokenHash(Random& r) {
  Bytes hash(auth::kTokenHashBytes, '\0');
  for (char& c : hash) c = static_cast<char>(r.Below(256));
  return hash;
}

auth::Role RandomRole(Random& r) {
  auth::Role role{RandomName(r), {}};
  std::set<std::string, session::PathLess> prefixes;
  for (uint64_t i = r.Below(4); i > 0; --i) prefixes.insert(RandomPath(r));
  for (const std::string& prefix : prefixes)
    role.permissions.push_back({prefix, static_cast<uint8_t>(r.Between(1, auth::kAllVerbs))});
  return role;
}

auth::User RandomUser(Random& r) {
  std::set<std::string> roles;
  for (uint64_t i = r.Below(4); i > 0; --i) roles.insert(RandomName(r));
  return {RandomName(r), {roles.begin(), roles.end()}};
}

AnswerBody RandomDirectoryBody(Random& r, size_t index) {
  switch (index) {
    case 16:
      return RoleAnswer{RandomRole(r), r.Chance(50)};
    case 17:
      return UserAnswer{RandomUser(r), r.Chance(50)};
    case 18:
      return TokenAnswer{{auth::TokenId(r.Below(kBig)), RandomName(r), RandomBytes(r),
                          ClusterTime(RandomMs(r, kBig))}};
    case 19:
      return GoneAnswer{};
    default:
      return QuotasAnswer{RandomSettings(r), RandomQuotas(r)};
  }
}

Operation RandomDirectoryOperation(Random& r, size_t index) {
  switch (index) {
    case 23:
      return SetRole{RandomRole(r)};
    case 24:
      return DropRole{RandomName(r)};
    case 25:
      return SetUser{RandomUser(r)};
    case 26:
      return DropUser{RandomName(r)};
    case 27:
      return MakeToken{RandomName(r), RandomName(r), RandomTokenHash(r), RandomMs(r, kBig)};
    case 28:
      return RevokeToken{auth::TokenId(r.Below(kBig))};
    case 29:
      return SetUpAuth{RandomTokenHash(r)};
    default:
      return ChangeQuotas{RandomQuotaChanges(r), RandomSettings(r)};
  }
}

AnswerBody RandomBody(Random& r, size_t index) {
  switch (index) {
    case 0:
      return RandomRefusal(r);
    case 1: {
      PutAnswer answer{RandomView(r, false), r.Chance(50), r.Chance(50), std::nullopt};
      if (r.Chance(50))
        answer.prev = RandomView(r, true);
      return answer;
    }
    case 2:
      return DeleteAnswer{r.Below(10'000), r.Chance(50), RandomViews(r, true)};
    case 3:
      return RandomTxnAnswer(r);
    case 4:
      return LeaseAnswer{RandomLeaseView(r), r.Chance(50)};
    case 5: {
      KeepAliveAnswer answer;
      for (uint64_t i = r.Below(4); i > 0; --i) answer.leases.push_back(RandomLeaseView(r));
      for (uint64_t i = r.Below(4); i > 0; --i) answer.not_found.push_back(RandomLease(r));
      return answer;
    }
    case 6:
      return RevokeAnswer{};
    case 7:
      return HoldAnswer{
          RandomKind(r), RandomPath(r), RandomToken(r), RandomLease(r),
          RandomMode(r), RandomPath(r), RandomBytes(r), ClusterTime(RandomMs(r, kBig))};
    case 8:
      return ReleaseAnswer{};
    case 9:
      return CompactAnswer{};
    case 10:
      return NodeAnswer{};
    case 11: {
      MembersAnswer answer{{}, RandomMembership(r)};
      for (uint64_t i = r.Below(4); i > 0; --i) answer.ids.push_back(RandomNode(r));
      return answer;
    }
    case 12: {
      HoldsAnswer answer{{}, RandomLease(r), ClusterTime(RandomMs(r, kBig))};
      for (uint64_t i = r.Below(4); i > 0; --i)
        answer.holds.push_back({RandomPath(r), RandomToken(r), RandomMode(r), RandomPath(r)});
      return answer;
    }
    case 13:
      return SettingsAnswer{RandomSettings(r)};
    case 14:
      return FenceAnswer{RandomToken(r)};
    case 15:
      return ForgetFenceAnswer{};
    default:
      return RandomDirectoryBody(r, index);
  }
}

}  // namespace

std::string RandomPath(Random& r) {
  std::string path;
  for (uint64_t i = r.Between(1, 4); i > 0; --i) {
    path += '/';
    for (uint64_t n = r.Between(1, 12); n > 0; --n) path += static_cast<char>('a' + r.Below(26));
  }
  return path;
}

Bytes RandomBytes(Random& r) {
  Bytes bytes;
  for (uint64_t n = r.Below(40); n > 0; --n) bytes += static_cast<char>(r.Below(256));
  return bytes;
}

CheckDigests RandomCheck(Random& r) {
  CheckDigests op;
  op.slot = Slot(r.Below(kBig));
  op.majority = static_cast<uint32_t>(r.Below(5));
  for (uint64_t i = r.Below(4); i > 0; --i)
    op.reports.push_back({NodeId(static_cast<uint32_t>(r.Between(1, 9))), {{r.Next(), r.Next()}}});
  return op;
}

Operation RandomOperation(Random& r, size_t index) {
  switch (index) {
    case 0:
      return Put{RandomPath(r), RandomBytes(r), MaybeLease(r), RandomPrecondition(r), r.Chance(50)};
    case 1:
      return CreateSequential{RandomPath(r) + (r.Chance(50) ? "/" : ""), RandomBytes(r),
                              RandomLease(r)};
    case 2:
      return Delete{RandomPath(r), r.Chance(50), RandomPrecondition(r), r.Chance(50), r.Chance(50)};
    case 3:
      return RandomTxn(r);
    case 4:
      return LeaseGrant{RandomMs(r, 86'400'000), RandomBytes(r)};
    case 5:
      return RandomKeepAlive(r);
    case 6:
      return LeaseRevoke{RandomLease(r)};
    case 7:
      return RandomAcquire(r);
    case 8:
      return Release{RandomKind(r), RandomPath(r), RandomToken(r)};
    case 9:
      return Proclaim{RandomPath(r), RandomToken(r), RandomBytes(r)};
    case 10:
      return Transfer{RandomPath(r), RandomToken(r), RandomLease(r)};
    case 11:
      return Compact{Revision(r.Below(kBig))};
    case 12:
      return Disown{{NodeId(static_cast<uint32_t>(r.Below(9))), r.Next(), r.Below(kBig)}};
    case 13:
      return NodeGone{NodeId(static_cast<uint32_t>(r.Below(9))), r.Next()};
    case 14:
      return Adopt{NodeId(static_cast<uint32_t>(r.Below(9))), r.Next()};
    case 15:
      return SetMember{NodeId(static_cast<uint32_t>(r.Between(1, 9))),
                       RandomBytes(r),
                       RandomBytes(r),
                       RandomBytes(r),
                       RandomBytes(r),
                       static_cast<uint32_t>(r.Between(1, 9))};
    case 16:
      return RandomChange(r);
    case 17:
      return UpdateMember{RandomNode(r), RandomBytes(r), RandomBytes(r), RandomBytes(r)};
    case 18:
      return RandomCheck(r);
    case 19:
      return RandomAcquireAll(r);
    case 20:
      return ChangeSettings{RandomSettings(r)};
    case 21:
      return RaiseFence{RandomPath(r), RandomToken(r)};
    case 22:
      return ForgetFence{RandomPath(r)};
    default:
      return RandomDirectoryOperation(r, index);
  }
}

Command RandomCommand(Random& r, size_t index) {
  Command command;
  command.id = {NodeId(static_cast<uint32_t>(r.Below(9))), r.Next(), r.Below(kBig)};
  if (r.Chance(30))
    command.principal.user = "user" + std::to_string(r.Below(10));
  else if (r.Chance(30))
    command.principal.token_hash = RandomTokenHash(r);
  else
    command.principal.node = r.Chance(30);
  if (r.Chance(50)) {
    command.idempotency_key = "key" + std::to_string(r.Below(1000));
    command.fingerprint = {r.Next(), r.Next()};
  }
  if (r.Chance(30))
    command.not_after = ClusterTime(static_cast<int64_t>(r.Between(1, kBig)));
  for (uint64_t i = r.Chance(30) ? r.Between(1, 3) : 0; i > 0; --i)
    command.fences.push_back({RandomPath(r), RandomToken(r)});
  command.operation = RandomOperation(r, index);
  return command;
}

Answer RandomAnswer(Random& r, size_t index) {
  return {Revision(r.Below(kBig)), ClusterTime(RandomMs(r, kBig)), false, RandomBody(r, index)};
}

}  // namespace synod::machine
