#include "src/offline/describe.h"

#include <variant>

#include "src/machine/members.h"

namespace synod::offline {
namespace {

using machine::LockKind;

std::string Number(uint64_t n) { return std::to_string(n); }

std::string SizeOf(const Bytes& value) { return " " + Number(value.size()) + " bytes"; }

std::string TiedTo(const std::optional<LeaseId>& lease) {
  return lease ? " lease=" + Number(lease->value) : "";
}

std::string Under(const store::Precondition& precondition) {
  using Kind = store::Precondition::Kind;
  switch (precondition.kind) {
    case Kind::kNone:
      return "";
    case Kind::kModRevision:
      return " if mod_revision=" + Number(precondition.number);
    case Kind::kExists:
      return " if it exists";
    case Kind::kAbsent:
      return " if absent";
    case Kind::kVersion:
      return " if version=" + Number(precondition.number);
  }
  return "";
}

template <typename Acquire>
std::string LeaseOrTtl(const Acquire& op) {
  return op.lease.value != 0 ? " lease=" + Number(op.lease.value)
                             : " ttl_ms=" + Number(static_cast<uint64_t>(op.ttl_ms));
}

std::string Member(NodeId id) { return "member " + Number(id.value); }

std::string SettingsText(const auth::SettingValues& values) {
  std::string text;
  for (const auto& [number, value] : values)
    text += " " + std::string(auth::SettingFields()[number].name) + "=" + Number(value);
  return text;
}

std::string QuotaText(const auth::QuotaChange& change) {
  std::string text = " " + change.path;
  if (change.removes())
    return text + " removed";
  for (size_t i = 0; i < change.limits.size(); ++i)
    if (change.limits[i].has_value())
      text += " " + std::string(auth::kQuotaLimits[i].name) + "=" + Number(*change.limits[i]);
  return text;
}

std::string List(const std::vector<NodeId>& ids) {
  std::string text;
  for (const NodeId id : ids) text += (text.empty() ? "" : ",") + Number(id.value);
  return text.empty() ? "none" : text;
}

struct Visitor {
  std::string operator()(const machine::Put& op) const {
    return "put " + op.path + SizeOf(op.value) + TiedTo(op.lease) + Under(op.precondition);
  }
  std::string operator()(const machine::CreateSequential& op) const {
    return "create " + op.prefix + SizeOf(op.value);
  }
  std::string operator()(const machine::Delete& op) const {
    return "delete " + op.path + (op.recursive ? " with all below" : "") + Under(op.precondition);
  }
  std::string operator()(const machine::Txn& op) const {
    return "txn " + Number(op.conditions.size()) + " conditions, " + Number(op.then_ops.size()) +
           " or " + Number(op.else_ops.size()) + " operations";
  }
  std::string operator()(const machine::LeaseGrant& op) const {
    return "lease grant ttl_ms=" + std::to_string(op.ttl_ms);
  }
  std::string operator()(const machine::LeaseKeepAlive& op) const {
    std::string text = "lease keepalive";
    for (const LeaseId id : op.ids) text += " " + Number(id.value);
    return text;
  }
  std::string operator()(const machine::LeaseRevoke& op) const {
    return "lease revoke " + Number(op.id.value);
  }
  std::string operator()(const machine::Acquire& op) const {
    std::string text = op.kind == LockKind::kLock ? "acquire " : "campaign ";
    text += op.path;
    return text + LeaseOrTtl(op) + " wait_ms=" + std::to_string(op.wait_ms);
  }
  std::string operator()(const machine::AcquireAll& op) const {
    std::string text = "acquire";
    for (const machine::AcquireAll::Lock& lock : op.locks) text += " " + lock.path;
    return text + LeaseOrTtl(op) + " wait_ms=" + std::to_string(op.wait_ms);
  }
  std::string operator()(const machine::Release& op) const {
    return (op.kind == LockKind::kLock ? "release " : "resign ") + op.path +
           " token=" + Number(op.token.value);
  }
  std::string operator()(const machine::Proclaim& op) const {
    return "proclaim " + op.path + SizeOf(op.value);
  }
  std::string operator()(const machine::Transfer& op) const {
    return "transfer " + op.path + " to lease " + Number(op.to.value);
  }
  std::string operator()(const machine::Compact& op) const {
    return "compact " + Number(op.revision.value);
  }
  std::string operator()(const machine::ChangeSettings& op) const {
    return "settings" + SettingsText(op.changes);
  }
  std::string operator()(const machine::ChangeQuotas& op) const {
    std::string text = "quotas";
    for (const auth::QuotaChange& change : op.quotas) text += QuotaText(change);
    return text + SettingsText(op.settings);
  }
  std::string operator()(const machine::RaiseFence& op) const {
    return "fence " + op.path + " token=" + Number(op.token.value);
  }
  std::string operator()(const machine::ForgetFence& op) const { return "forget fence " + op.path; }
  std::string operator()(const machine::Disown& op) const {
    return "disown a wait of " + Member(op.waiter.node);
  }
  std::string operator()(const machine::NodeGone& op) const {
    return "gone: a process of " + Member(op.node);
  }
  std::string operator()(const machine::Adopt& op) const {
    return "back: a process of " + Member(op.node);
  }
  std::string operator()(const machine::SetMember& op) const {
    return Member(op.id) + " is " + op.uuid + " " + op.name + " " + op.peer_address;
  }
  std::string operator()(const machine::ChangeMembers& op) const {
    using Kind = machine::ChangeMembers::Kind;
    const std::string refused = op.refused.empty() ? "" : ", refused: " + op.refused;
    switch (op.kind) {
      case Kind::kAdd:
        return "add learner " + op.name + " " + op.peer_address + refused;
      case Kind::kPromote:
        return "promote " + List(op.ids) + refused;
      case Kind::kReplace:
        return "replace " + List(op.ids) + " with " + Number(op.with.value) + refused;
      case Kind::kRemove:
        return "remove " + List(op.ids) + refused;
    }
    return "another change of the members";
  }
  template <typename Other>
  std::string operator()(const Other&) const {
    return "another change";
  }
};

std::string DescribeCommand(std::string_view bytes) {
  const Result<machine::Command> command = machine::DecodeCommand(bytes);
  return command ? Describe(*command) : "malformed: " + command.error().detail;
}

// Who the members are from the next slot on, and what was asked for.
EntryText DescribeConfig(const Bytes& payload) {
  EntryText text;
  text.kind = "config";
  const Result<machine::ConfigEntry> entry = machine::DecodeConfigEntry(payload);
  if (!entry) {
    text.commands.push_back("malformed: " + entry.error().detail);
    return text;
  }
  text.time = entry->time;
  const Membership& m = entry->membership;
  text.commands.push_back("version " + Number(m.version) + " voters " + List(m.voters) +
                          " learners " + List(m.learners));
  if (!entry->command.empty())
    text.commands.push_back(DescribeCommand(entry->command));
  return text;
}

}  // namespace

std::string Describe(const machine::Command& command) {
  std::string text = std::visit(Visitor{}, command.operation);
  for (const machine::Fence& fence : command.fences)
    text += " fence " + fence.path + "=" + Number(fence.token.value);
  if (!command.idempotency_key.empty())
    text += " keyed";
  if (command.not_after.value != 0)
    text += " not_after=" + std::to_string(command.not_after.value);
  return text;
}

EntryText Describe(const consensus::Entry& entry) {
  EntryText text;
  switch (entry.kind) {
    case consensus::EntryKind::kNoop:
      text.kind = "noop";
      return text;
    case consensus::EntryKind::kLeaderStart:
      text.kind = "leader_start";
      return text;
    case consensus::EntryKind::kConfig:
      return DescribeConfig(*entry.payload);
    case consensus::EntryKind::kCommand:
      text.kind = "command";
      break;
  }
  const Result<machine::Batch> batch = machine::DecodeBatch(*entry.payload);
  if (!batch) {
    text.commands.push_back("malformed: " + batch.error().detail);
    return text;
  }
  text.time = batch->time;
  for (const std::string_view bytes : batch->commands)
    text.commands.push_back(DescribeCommand(bytes));
  return text;
}

}  // namespace synod::offline
