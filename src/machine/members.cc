#include "src/machine/members.h"

#include <algorithm>
#include <utility>

#include "src/base/check.h"
#include "src/base/codec.h"
#include "src/machine/core.h"

namespace synod::machine {
namespace {

std::string NameOf(NodeId id) { return "member " + std::to_string(id.value); }

Error Senseless(std::string why) {
  return {Errc::kMembershipRefused, Outcome::kNotApplied, std::move(why)};
}

void Insert(NodeId id, std::vector<NodeId>* ascending) {
  ascending->insert(std::upper_bound(ascending->begin(), ascending->end(), id), id);
}

Status Promote(NodeId id, Membership* m) {
  if (!m->IsLearner(id))
    return Senseless(NameOf(id) + " is a voter already");
  std::erase(m->learners, id);
  Insert(id, &m->voters);
  return Done();
}

Status Change(const ChangeMembers& change, Membership* m) {
  switch (change.kind) {
    case ChangeMembers::Kind::kAdd:
      m->learners.push_back(m->next_member);
      ++m->next_member;
      return Done();
    case ChangeMembers::Kind::kPromote:
      for (const NodeId id : change.ids) {
        if (Status ok = Promote(id, m); !ok)
          return ok;
      }
      return Done();
    case ChangeMembers::Kind::kReplace:
      if (!m->IsVoter(change.ids.front()))
        return Senseless(NameOf(change.ids.front()) + " is no voter: remove it instead");
      std::erase(m->voters, change.ids.front());
      return Promote(change.with, m);
    case ChangeMembers::Kind::kRemove:
      for (const NodeId id : change.ids) {
        std::erase(m->voters, id);
        std::erase(m->learners, id);
      }
      return Done();
  }
  return Done();
}

// The form of the request and the members that it names.
Status CheckNames(const Membership& before, const ChangeMembers& change) {
  using Kind = ChangeMembers::Kind;
  const bool counted = change.kind == Kind::kAdd       ? change.ids.empty()
                       : change.kind == Kind::kReplace ? change.ids.size() == 1
                                                       : !change.ids.empty();
  if (!counted)
    return Error{Errc::kInvalidRequest, Outcome::kNotApplied, "a wrong number of members"};
  std::vector<NodeId> named = change.ids;
  if (change.kind == Kind::kReplace)
    named.push_back(change.with);
  std::sort(named.begin(), named.end());
  if (std::adjacent_find(named.begin(), named.end()) != named.end())
    return Error{Errc::kInvalidRequest, Outcome::kNotApplied, "a member is named twice"};
  for (const NodeId id : named) {
    if (!before.IsMember(id))
      return Error{Errc::kNotFound, Outcome::kNotApplied, "there is no " + NameOf(id)};
  }
  return Done();
}

}  // namespace

Result<Membership> PlanChange(const Membership& before, const ChangeMembers& change) {
  if (Status named = CheckNames(before, change); !named)
    return named.error();
  if (before.version == 0)
    return Senseless("the cluster has only begun");
  Membership after = before;
  ++after.version;
  if (Status changed = Change(change, &after); !changed)
    return changed.error();
  if (after.voters.empty())
    return Senseless("no voter would be left");
  if (after.voters.size() > kVotersMax)
    return Senseless("more than " + std::to_string(kVotersMax) + " voters");
  if (after.learners.size() > kLearnersMax)
    return Senseless("more than " + std::to_string(kLearnersMax) + " learners");
  return after;
}

Bytes EncodeConfigEntry(const Membership& membership,
                        ClusterTime time,
                        std::string_view command,
                        uint32_t machine_version) {
  Bytes out;
  Writer w(&out);
  w.String(membership.Encode());
  w.Varint(machine_version);
  w.Number(time);
  w.String(command);
  return out;
}

uint32_t VersionOfConfigEntry(std::string_view payload) {
  Reader r(payload);
  (void)r.String();
  const uint64_t version = r.Varint();
  return r.ok() && version <= UINT32_MAX ? static_cast<uint32_t>(version) : 0;
}

Result<ConfigEntry> DecodeConfigEntry(std::string_view payload, uint32_t known) {
  Reader r(payload);
  ConfigEntry entry;
  Result<Membership> membership = Membership::Decode(r.String());
  entry.machine_version = VersionOfConfigEntry(payload);
  if (entry.machine_version == 0 || entry.machine_version > known)
    return Error{Errc::kInvalidRequest, Outcome::kNotApplied, "unknown machine version"};
  (void)r.Varint();
  entry.time = r.Number<ClusterTime>();
  entry.command = r.String();
  if (!r.Complete() || !membership || entry.time.value < 0)
    return Error{Errc::kInvalidRequest, Outcome::kNotApplied, "malformed membership entry"};
  entry.membership = std::move(*membership);
  return entry;
}

// What consensus takes for the membership must be the membership here, come what may: the entry is
// judged by its version alone.
void Machine::Core::RunConfig(std::string_view payload) {
  Result<ConfigEntry> entry = DecodeConfigEntry(payload, supports);
  SYNOD_CHECK(entry.has_value());
  out_->effective = entry->membership.version == membership.version + 1;
  if (!out_->effective)
    return;
  RaiseVersion(entry->machine_version);
  time = std::max(time, entry->time);
  EndWhatIsDue();
  changed_from_ = std::exchange(membership, std::move(entry->membership));
  membership_dirty_ = true;
  ForgetOthers();
  if (!entry->command.empty()) {
    Result<Command> command = DecodeCommand(entry->command);
    SYNOD_CHECK(command.has_value());
    RunCommand(&*command);
    ++out_->commands;
  }
  changed_from_.reset();
}

void Machine::Core::ForgetOthers() {
  std::vector<NodeId> gone;
  for (const auto& [id, member] : members) {
    if (!membership.IsMember(id))
      gone.push_back(id);
  }
  for (const NodeId id : gone) {
    if (!members[id].uuid.empty())
      removed_uuids_.insert(members[id].uuid);
    DropMember(id);
  }
  digest_check_dirty_ |=
      std::erase_if(digest_check.diverged, [&](NodeId id) { return !membership.IsMember(id); }) > 0;
}

// A learner whose node was never met, entered under the same name and peer address: to enter it
// again, by its operator, or by the node itself after a crash, is the same wish.
const MemberView* Machine::Core::FindAwaited(const ChangeMembers& change) const {
  if (change.kind != ChangeMembers::Kind::kAdd)
    return nullptr;
  for (const NodeId id : membership.learners) {
    const auto it = members.find(id);
    if (it != members.end() && it->second.uuid.empty() &&
        it->second.peer_address == change.peer_address &&
        (change.name.empty() || it->second.name == change.name))
      return &it->second;
  }
  return nullptr;
}

bool Machine::Core::WouldRun(const Command& command, ClusterTime at) const {
  const auto* change = std::get_if<ChangeMembers>(&command.operation);
  if (!digest_check.agreed || (change != nullptr && FindAwaited(*change) != nullptr))
    return false;
  if (Permits(command.principal, {auth::Verb::kAdmin, "/"}, at).has_error())
    return false;
  if (!command.idempotency_key.empty()) {
    const Bytes key = session::RequestKey(*UserOf(command.principal, at), command.idempotency_key);
    if (idempotency.Find(key, at) != nullptr ||
        idempotency.bytes() >= settings.idempotency_bytes_max)
      return false;
  }
  if (command.not_after.value != 0 &&
      (command.not_after < at || command.not_after > at + settings.idempotency_retention_ms))
    return false;
  return std::all_of(command.fences.begin(), command.fences.end(), [&](const Fence& fence) {
    const std::optional<lock::Place> place = locks.FindHolder(fence.path, fence.token);
    return place.has_value() && leases.FindLive(locks.Find(*place)->lease, at) != nullptr;
  });
}

AnswerBody Machine::Core::Run(Call*, ChangeMembers* op) {
  if (!changed_from_) {
    if (const MemberView* awaited = FindAwaited(*op))
      return MembersAnswer{{awaited->id}, membership};
    // The leader did not admit it.
    const Result<Membership> planned = PlanChange(membership, *op);
    if (!planned)
      return Refuse(planned.error());
    return Refuse(Errc::kMembershipRefused,
                  op->refused.empty() ? "the leader did not admit the change" : op->refused);
  }
  MembersAnswer answer{op->ids, membership};
  if (op->kind == ChangeMembers::Kind::kAdd) {
    for (const NodeId id : membership.learners) {
      if (changed_from_->IsMember(id))
        continue;
      answer.ids.push_back(id);
      const std::string name =
          op->name.empty() ? "node-" + std::to_string(id.value) : std::move(op->name);
      SaveMember({id, {}, name, op->peer_address, op->client_url});
    }
  }
  return answer;
}

AnswerBody Machine::Core::Run(Call*, UpdateMember* op) {
  const auto it = members.find(op->id);
  if (it == members.end())
    return Refuse(Errc::kNotFound, "there is no " + NameOf(op->id));
  MemberView member = it->second;
  if (!op->name.empty())
    member.name = op->name;
  if (!op->peer_address.empty())
    member.peer_address = op->peer_address;
  if (!op->client_url.empty())
    member.client_url = op->client_url;
  SaveMember(std::move(member));
  return MembersAnswer{{op->id}, membership};
}

// An identity is bound to one number, and once: a lost disk is a new member.
AnswerBody Machine::Core::Run(Call*, SetMember* op) {
  const bool known = membership.version == 0 || membership.IsMember(op->id);
  const auto bound = members.find(op->id);
  const bool elsewhere = std::any_of(members.begin(), members.end(), [&](const auto& m) {
    return m.first != op->id && m.second.uuid == op->uuid;
  });
  if (!known || elsewhere || WasRemoved(op->uuid))
    return NodeAnswer{};
  // What a member is called and where it is was said by whoever entered it, and may have been
  // changed since this was proposed.
  MemberView member{op->id, {}, op->name, op->peer_address, op->client_url, 0};
  if (bound != members.end())
    member = bound->second;
  if (!member.uuid.empty() && member.uuid != op->uuid)
    return NodeAnswer{};
  member.uuid = op->uuid;
  member.machine_version = op->machine_version;
  SaveMember(std::move(member));
  return NodeAnswer{};
}

}  // namespace synod::machine
