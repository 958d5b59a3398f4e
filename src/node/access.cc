#include "src/node/access.h"

#include "src/machine/administration.h"

namespace synod::node {
namespace {

bool NeedsNothing(const AccessRules& rules, const api::Call& call) {
  const auto* plain = std::get_if<api::PlainCall>(&call);
  if (plain == nullptr)
    return false;
  switch (plain->kind) {
    case api::PlainCall::Kind::kLivez:
    case api::PlainCall::Kind::kReadyz:
    case api::PlainCall::Kind::kHealthz:
      return true;
    case api::PlainCall::Kind::kMetrics:
      return rules.metrics_open;
    default:
      return false;
  }
}

}  // namespace

Result<Entrance> JudgeEntrance(const AccessRules& rules,
                               const machine::Machine* machine,
                               const api::Call& call,
                               const auth::Principal& who,
                               ClusterTime now) {
  if (NeedsNothing(rules, call))
    return Entrance::kOpen;
  const bool is_on = machine != nullptr && machine->settings().auth_enabled != 0;
  if (!is_on && rules.required)
    return Error{Errc::kNotReady, Outcome::kNotApplied,
                 "this node serves only while authentication is on, and it is not (yet)"};
  if (!is_on)
    return Entrance::kOpen;
  const Status known = machine->Knows(who, now);
  if (!known && who.nobody())
    return known.error();
  return known ? Entrance::kOpen : Entrance::kAsk;
}

auth::Need NeedOfWatch(const watch::Spec& spec) {
  return auth::NeedOf(auth::Verb::kRead, spec.path);
}

std::optional<auth::Need> NeedHere(const api::Call& call) {
  if (const auto* watch = std::get_if<api::WatchCall>(&call))
    return NeedOfWatch(watch->spec);
  if (const auto* observe = std::get_if<api::ObserveCall>(&call))
    return auth::Need{auth::Verb::kLock, observe->path};
  if (std::holds_alternative<api::MoveLeaderCall>(call) ||
      std::holds_alternative<api::SnapshotCall>(call))
    return auth::Need{auth::Verb::kAdmin, "/"};
  return std::nullopt;
}

bool IsAudited(const api::Call& call) {
  if (std::holds_alternative<api::MoveLeaderCall>(call) ||
      std::holds_alternative<api::SnapshotCall>(call))
    return true;
  const auto* change = std::get_if<api::ChangeCall>(&call);
  return change != nullptr && machine::IsAdministration(change->command.operation);
}

}  // namespace synod::node
