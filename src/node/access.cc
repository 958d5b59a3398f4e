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

const auth::SettingValues* SettingsIn(const api::Call& call) {
  const auto* change = std::get_if<api::ChangeCall>(&call);
  if (change == nullptr)
    return nullptr;
  const machine::Operation& operation = change->command.operation;
  if (const auto* settings = std::get_if<machine::ChangeSettings>(&operation))
    return &settings->changes;
  const auto* quotas = std::get_if<machine::ChangeQuotas>(&operation);
  return quotas == nullptr ? nullptr : &quotas->settings;
}

// What the call switches authentication to; nullopt: it leaves it as it is.
std::optional<bool> SwitchedTo(const machine::Machine& machine, const api::Call& call) {
  const auth::SettingValues* changes = SettingsIn(call);
  if (changes == nullptr)
    return std::nullopt;
  const Result<auth::Settings> after = auth::Changed(machine.settings(), *changes);
  if (!after || after->auth_enabled == machine.settings().auth_enabled)
    return std::nullopt;
  return after->auth_enabled != 0;
}

// Switches authentication on and does nothing else. Whoever may ask for that at the other nodes may
// do so here: it takes rights away, and the machine refuses it while there is no administrator.
bool OnlySwitchesOn(const machine::Machine* machine, const api::Call& call) {
  const auto* change = std::get_if<api::ChangeCall>(&call);
  if (machine == nullptr || change == nullptr)
    return false;
  const auto* settings = std::get_if<machine::ChangeSettings>(&change->command.operation);
  return settings != nullptr && settings->changes.size() == 1 && SwitchedTo(*machine, call) == true;
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
  if (!is_on && rules.required && !OnlySwitchesOn(machine, call))
    return AuthMissing();
  if (!is_on)
    return Entrance::kOpen;
  const Status known = machine->Knows(who, now);
  if (!known && who.nobody())
    return known.error();
  if (!known)
    return Entrance::kAsk;
  // After it this node would serve nothing, wherever it was asked for. Who may not ask for it hears
  // that from the machine.
  if (rules.required && SwitchedTo(*machine, call) == false &&
      machine->Permits(who, {auth::Verb::kAdmin, "/"}, now))
    return Error{Errc::kInvalidRequest, Outcome::kNotApplied,
                 "auth.enabled: this node has auth.required (or auth.bootstrap_token_file), and "
                 "would serve nothing: start all nodes without it first"};
  return Entrance::kOpen;
}

Error AuthMissing() {
  return {Errc::kNotReady, Outcome::kNotApplied,
          "this node serves only while authentication is on, and it is not (yet)"};
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
