// Who may: the judgement of commands and reads while authentication is on.
#include <algorithm>
#include <type_traits>
#include <utility>

#include "src/base/check.h"
#include "src/base/path.h"
#include "src/machine/administration.h"
#include "src/machine/core.h"

namespace synod::machine {
namespace {

using auth::Need;
using auth::NeedOf;
using auth::Verb;

const Need kAdministration{Verb::kAdmin, "/"};

// The path is the request's own.
Error Denied(const Need& need) {
  return {Errc::kPermissionDenied, Outcome::kNotApplied,
          "this needs the verb " + std::string(auth::Name(need.verb)) + " on " + need.path};
}

Error DeniedBesides(const char* what) {
  return {Errc::kPermissionDenied, Outcome::kNotApplied,
          std::string(what) + " outside of what is permitted"};
}

template <typename T, typename... Of>
constexpr bool kIsOneOf = (std::is_same_v<T, Of> || ...);
// Needs the verb admin on everything; the last six are said by nodes alone, which are not asked
// (RunCommand).
template <typename T>
concept Administrative = kIsOneOf<T,
                                  Compact,
                                  ChangeSettings,
                                  ChangeQuotas,
                                  ChangeMembers,
                                  UpdateMember,
                                  SetRole,
                                  DropRole,
                                  SetUser,
                                  DropUser,
                                  MakeToken,
                                  RevokeToken,
                                  GetRoles,
                                  GetUsers,
                                  GetTokens,
                                  Disown,
                                  NodeGone,
                                  Adopt,
                                  SetMember,
                                  CheckDigests,
                                  SetUpAuth>;

// What a command or a read names and must be permitted for it. The rest (parents, leases) is found
// out on the way.
struct NeedsOf {
  std::vector<Need> needs;

  void OnNode(Verb verb, const std::string& path) { needs.push_back(NeedOf(verb, path)); }
  void OnLock(const std::string& path) { needs.push_back({Verb::kLock, path}); }
  // The number in the name is the parent's, whose count it tells and moves on.
  void OnSequence(const std::string& prefix) {
    OnNode(Verb::kWrite, std::string(ParentOf(prefix)));
  }
  void OnChange(const std::string& path, bool want_prev) {
    OnNode(Verb::kWrite, path);
    if (want_prev)
      OnNode(Verb::kRead, path);
  }

  void operator()(const Put& op) { OnChange(op.path, op.want_prev); }
  void operator()(const CreateSequential& op) { OnSequence(op.prefix); }
  void operator()(const Delete& op) {
    if (op.force)
      OnNode(Verb::kAdmin, op.path);
    else
      OnChange(op.path, op.want_prev);
  }
  void operator()(const Txn& op) {
    for (const Comparison& c : op.conditions) {
      if (c.target == Comparison::Target::kFence)
        OnLock(c.path);
      else
        OnNode(Verb::kRead, c.path);
    }
    for (const auto* ops : {&op.then_ops, &op.else_ops})
      for (const TxnOp& step : *ops) std::visit(*this, step);
  }
  void operator()(const TxnPut& op) { OnNode(Verb::kWrite, op.path); }
  void operator()(const TxnDelete& op) { OnNode(Verb::kWrite, op.path); }
  void operator()(const TxnGet& op) { OnNode(Verb::kRead, op.path); }
  void operator()(const TxnList& op) { OnNode(Verb::kRead, op.path); }
  void operator()(const TxnCreate& op) {
    if (op.sequential)
      OnSequence(op.path);
    else
      OnNode(Verb::kWrite, op.path);
  }
  // Leases belong to users, not to paths.
  void operator()(const LeaseGrant&) {}
  void operator()(const LeaseKeepAlive&) {}
  void operator()(const LeaseRevoke&) {}
  void operator()(const Acquire& op) { OnLock(op.path); }
  void operator()(const AcquireAll& op) {
    for (const AcquireAll::Lock& lock : op.locks) OnLock(lock.path);
  }
  void operator()(const Release& op) { OnLock(op.path); }
  void operator()(const Proclaim& op) { OnLock(op.path); }
  void operator()(const Transfer& op) { OnLock(op.path); }
  void operator()(const RaiseFence& op) { OnLock(op.path); }
  void operator()(const ForgetFence& op) { needs.push_back({Verb::kAdmin, op.path}); }
  template <Administrative T>
  void operator()(const T&) {
    needs.push_back(kAdministration);
  }

  void operator()(const GetNode& q) { OnNode(Verb::kRead, q.path); }
  void operator()(const ListNodes& q) { OnNode(Verb::kRead, q.path); }
  void operator()(const GetLease&) {}
  void operator()(const ListLeases&) {}
  void operator()(const GetLock& q) { OnLock(q.path); }
  void operator()(const ListLocks& q) { OnLock(q.prefix); }
  void operator()(const GetSettings&) {}
  void operator()(const GetFence& q) { OnLock(q.path); }
};

template <typename Variant>
std::vector<Need> NeededFor(const Variant& what) {
  NeedsOf visitor;
  std::visit([&](const auto& w) { visitor(w); }, what);
  return std::move(visitor.needs);
}

}  // namespace

// Asked of every change, so it lists no needs.
bool IsAdministration(const Operation& operation) {
  return std::visit(
      []<typename T>(const T& op) {
        if constexpr (std::is_same_v<T, Delete>)
          return op.force;
        else
          return Administrative<T> || std::is_same_v<T, ForgetFence>;
      },
      operation);
}

Result<std::string> Machine::Core::UserOf(const auth::Principal& who, ClusterTime now) const {
  if (!IsLimited(who))
    return who.user;
  return directory.UserOf(who, now);
}

std::optional<Refusal> Machine::Core::Admit(Call* call) const {
  const Command& command = *call->command;
  Result<std::string> user = UserOf(command.principal, time);
  if (!user)
    return Refuse(user.error());
  call->user = std::move(*user);
  if (!IsLimited(command.principal))
    return std::nullopt;
  for (const Fence& fence : command.fences) {
    if (const Need need{Verb::kLock, fence.path}; !Allows(*call, need))
      return Refuse(Denied(need));
  }
  for (const Need& need : NeededFor(command.operation)) {
    if (!Allows(*call, need))
      return Refuse(Denied(need));
  }
  return std::nullopt;
}

bool Machine::Core::Allows(const Call& call, const Need& need) const {
  return !IsLimited(call.command->principal) || directory.Allows(call.user, need);
}

std::optional<Refusal> Machine::Core::CheckParents(const Call& call,
                                                   const store::Edit& edit,
                                                   std::string_view path) const {
  if (!IsLimited(call.command->principal) || edit.Find(path) != nullptr)
    return std::nullopt;
  // Whether such a parent is absent, or cannot have children, is not to be told apart.
  std::string_view parent = path;
  while (parent != "/") {
    parent = ParentOf(parent);
    if (directory.Allows(call.user, {Verb::kWrite, std::string(parent)}))
      continue;
    const store::NodeRef node = edit.Find(parent);
    if (node == nullptr || node->lease.value != 0)
      return Refuse(DeniedBesides("a new node needs a parent"));
  }
  return std::nullopt;
}

std::optional<Refusal> Machine::Core::CheckEnd(const Call& call,
                                               const session::Lease& lease) const {
  if (!IsLimited(call.command->principal))
    return std::nullopt;
  for (const std::string& path : lease.paths()) {
    if (!Allows(call, NeedOf(Verb::kWrite, path)))
      return Refuse(DeniedBesides("what would end with the lease lies"));
  }
  return std::nullopt;
}

std::optional<Refusal> Machine::Core::CheckEndWith(const Call& call,
                                                   const lock::Place& place) const {
  if (!IsLimited(call.command->principal))
    return std::nullopt;
  const session::Lease* lease = leases.Find(locks.Find(place)->lease);
  SYNOD_CHECK(lease != nullptr);
  const bool ends =
      lease->of_request && locks.PlacesOf(lease->id).size() <= locks.GroupOf(place).size();
  return ends ? CheckEnd(call, *lease) : std::nullopt;
}

// A lease of nobody was made while authentication was off: then it was everybody's, and it is still
// theirs who have a name now. While it is off nobody has one, and leases of users are everybody's.
bool Machine::Core::MayUse(const session::Lease& lease, std::string_view user, bool limited) const {
  if (lease.user.empty() || lease.user == user)
    return true;
  return limited ? directory.Allows(user, kAdministration) : user.empty();
}

bool Machine::Core::MayUse(const session::Lease& lease, const Call& call) const {
  return MayUse(lease, call.user, IsLimited(call.command->principal));
}

Status Machine::Core::Permits(const auth::Principal& who, const Need& need, ClusterTime now) const {
  const Result<std::string> user = UserOf(who, std::max(now, time));
  if (!user)
    return user.error();
  if (IsLimited(who) && !directory.Allows(*user, need))
    return Denied(need);
  return Done();
}

Result<QueryResult> Machine::Core::ReadFor(const auth::Principal& reader,
                                           const Query& query,
                                           ClusterTime now) const {
  const ClusterTime at = std::max(now, time);
  const Result<std::string> user = UserOf(reader, at);
  if (!user)
    return user.error();
  if (!IsLimited(reader))
    return Read(query, now);
  for (const Need& need : NeededFor(query)) {
    if (!directory.Allows(*user, need))
      return Denied(need);
  }
  if (const auto* list = std::get_if<ListLeases>(&query)) {
    const bool all = directory.Allows(*user, kAdministration);  // once, not for each lease
    return QueryResult(LeasesFor(*list, at, [&](const session::Lease& l) {
      return all || l.user.empty() || l.user == *user;
    }));
  }
  if (const auto* get = std::get_if<GetLease>(&query)) {
    const session::Lease* lease = leases.FindLive(get->id, at);
    if (lease != nullptr && !MayUse(*lease, *user, true))
      return Error{Errc::kPermissionDenied, Outcome::kNotApplied, "another user's lease"};
  }
  Result<QueryResult> result = Read(query, now);
  if (SettingsResult* shown = result ? std::get_if<SettingsResult>(&*result) : nullptr)
    HideQuotas(*user, &shown->quotas);
  if (LeaseResult* lease = result ? std::get_if<LeaseResult>(&*result) : nullptr) {
    // His own, or one of nobody; what others tied to it he is not shown.
    std::erase_if(lease->paths, [&](const std::string& path) {
      return std::none_of(std::begin(auth::kVerbs), std::end(auth::kVerbs),
                          [&](Verb verb) { return directory.Allows(*user, NeedOf(verb, path)); });
    });
  }
  return result;
}

}  // namespace synod::machine
