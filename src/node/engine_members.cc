// Changes of the membership: admitted or refused here, by the leader, and proposed alone.
//
// What is decided here stands on everything that this leader has proposed, applied: so it finds the
// membership, the idempotency records and the locks exactly as the entry will. What it refuses goes
// the way of ordinary commands, so that a repeat finds the same answer.
#include <algorithm>
#include <string>
#include <utility>

#include "src/base/check.h"
#include "src/machine/members.h"
#include "src/node/engine_core.h"

namespace synod::node {
namespace {

constexpr uint64_t kBehindMax = 1000;  // slots that a new voter may lack

std::string NameOf(NodeId id) { return "member " + std::to_string(id.value); }

}  // namespace

// True: nothing else may be proposed now.
bool Engine::Core::ProposeMembers() {
  OpenInbox();
  const uint64_t version = machine.membership().version;
  if (version > 0 && member_changes_.empty())
    return false;
  // Behind another change, that of the founders included, it waits: that one passes soon, or this
  // node leads no longer.
  const bool all_applied =
      clock.leading() && replica.InFlight() == 0 && machine.applied() == replica.learned();
  if (!all_applied || !replica.CanProposeConfig())
    return true;
  if (version == 0) {
    Membership founders = replica.membership();
    ++founders.version;
    founders.next_member = std::max(founders.next_member, founders.voters.back() + 1);
    ProposeMembership(founders, FirstSettings());
    return true;
  }
  while (!member_changes_.empty()) {
    const Result<machine::Command> command = machine::DecodeCommand(member_changes_.front());
    const auto& change = std::get<machine::ChangeMembers>(command->operation);
    const Result<Membership> planned = machine::PlanChange(machine.membership(), change);
    const std::string why = planned ? WhyNot(*planned, change) : std::string();
    if (!planned || !why.empty() || !machine.WouldRun(*command, ProposalTime())) {
      RefuseMembers(why);
      continue;
    }
    ProposeMembership(*planned, member_changes_.front());
    inbox_bytes_ -= member_changes_.front().size();
    member_changes_.pop_front();
    return true;
  }
  return false;
}

// What this node's own file says about replicated settings is for a cluster without a past: one
// that begins with the state of another has its settings.
Bytes Engine::Core::FirstSettings() const {
  if ((config.first_settings.empty() && config.first_quotas.empty()) ||
      machine.revision() > Revision())
    return {};
  machine::Command command;
  command.principal = auth::OfNode();
  command.operation = machine::ChangeOf(config.first_settings, config.first_quotas);
  return machine::Encode(command);
}

void Engine::Core::ProposeMembership(const Membership& membership, const Bytes& command) {
  const ClusterTime time = ProposalTime();
  const Result<Slot> slot = replica.Propose(
      consensus::EntryKind::kConfig,
      std::make_shared<const Bytes>(machine::EncodeConfigEntry(membership, time, command)));
  SYNOD_CHECK(slot.has_value());
  ++counters.proposals;
  counters.proposed_commands += command.empty() ? 0 : 1;
  proposed_ms_ = now_ms;
  proposed_time_ = time;
}

// The oldest change goes on as a command that says why it was not admitted; the state machine finds
// by itself what is wrong with the request.
void Engine::Core::RefuseMembers(const std::string& why) {
  const Bytes bytes = std::move(member_changes_.front());
  member_changes_.pop_front();
  inbox_bytes_ -= bytes.size();
  Result<machine::Command> command = machine::DecodeCommand(bytes);
  std::get<machine::ChangeMembers>(command->operation).refused = why;
  inbox_.push_back(machine::Encode(*command));
  inbox_bytes_ += inbox_.back().size();
}

// Why the quorum would be at risk; empty: it is not.
std::string Engine::Core::WhyNot(const Membership& after,
                                 const machine::ChangeMembers& change) const {
  if (change.kind == machine::ChangeMembers::Kind::kAdd) {
    // Who takes a dead one's place may do so at its address.
    for (const machine::MemberView& member : machine.members()) {
      if (!change.peer_address.empty() && member.peer_address == change.peer_address &&
          IsConnected(member.id))
        return NameOf(member.id) + ", which is connected, has the peer address " +
               change.peer_address;
    }
    return {};
  }
  const Membership& before = machine.membership();
  size_t fresh = after.IsVoter(config.self.id) ? 1 : 0;
  for (const consensus::Replica::PeerProgress& peer : replica.Progress()) {
    if (!after.IsVoter(peer.peer))
      continue;
    // A connection that has ended is seen before the silence is.
    const bool heard =
        peer.ticks_silent < config.consensus.election_ticks_min && IsConnected(peer.peer);
    fresh += heard ? 1 : 0;
    if (before.IsVoter(peer.peer))
      continue;
    if (!heard)
      return NameOf(peer.peer) + " does not answer";
    const uint64_t behind =
        replica.learned().value - std::min(replica.learned(), peer.learned).value;
    if (behind > kBehindMax)
      return NameOf(peer.peer) + " is " + std::to_string(behind) + " slots behind, more than " +
             std::to_string(kBehindMax);
  }
  if (after.voters != before.voters && fresh < after.Majority())
    return "only " + std::to_string(fresh) + " of the " + std::to_string(after.voters.size()) +
           " voters that would be left answer, and " + std::to_string(after.Majority()) +
           " are needed";
  return {};
}

// The one who asked hears of it when the old members are not needed any more: nothing above the
// change is proposed before a majority of the new voters holds it. A node that the change removed
// does not see that entry: it goes by what those voters say of themselves.
void Engine::Core::ReleaseAnswers(Slot applying) {
  const bool removed = !machine.membership().IsMember(config.self.id);
  while (!held_answers_.empty() && (held_answers_.front().slot < applying ||
                                    (removed && IsHeldByMajority(held_answers_.front().slot)))) {
    machine::Completion completion = std::move(held_answers_.front().completion);
    held_answers_.pop_front();
    Complete(std::move(completion));
  }
}

// Nothing above a change is proposed before that. One that is learned and not applied yet, as after
// a start, is above what config_at_ says.
bool Engine::Core::MembershipSettled() const {
  return machine.membership().version == replica.membership().version &&
         (replica.learned() > config_at_ || IsHeldByMajority(config_at_));
}

bool Engine::Core::IsHeldByMajority(Slot slot) const {
  const Membership& membership = machine.membership();
  const auto holders =
      std::count_if(membership.voters.begin(), membership.voters.end(), [&](NodeId voter) {
        if (voter == config.self.id)
          return replica.durable_learned() >= slot;
        const auto peer = peers.find(voter);
        return peer != peers.end() && peer->second.durable >= slot;
      });
  return static_cast<size_t>(holders) >= membership.Majority();
}

}  // namespace synod::node
