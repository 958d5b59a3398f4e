#include "tests/sim/operator.h"

#include <algorithm>
#include <string>
#include <utility>

#include "src/machine/members.h"

namespace synod::sim {
namespace {

using machine::ChangeMembers;

constexpr size_t kLearnersAtOnce = 3;

std::vector<NodeId> All(const Membership& m) {
  std::vector<NodeId> all = m.voters;
  all.insert(all.end(), m.learners.begin(), m.learners.end());
  return all;
}

}  // namespace

void Operator::Rest() {
  const auto mean =
      static_cast<uint64_t>(world().swarm.fault_every[static_cast<size_t>(Fault::kChurn)]);
  Later(static_cast<Time>(random_.Between(mean / 4, mean * 7 / 4)));
}

void Operator::Next() {
  const Membership& now = world().observer.machine().membership();
  const bool open = std::any_of(world().hosts.begin(), world().hosts.end(),
                                [](const auto& host) { return host.second->IsLossOpen(); });
  if (now.version == 0 || open) {
    Rest();
    return;
  }
  if (random_.Chance(10)) {
    Readdress(now);
    return;
  }
  const std::optional<ChangeMembers> change = DrawChange(now);
  if (change && IsSafe(now, *change)) {
    world().members_change = true;
    Ask(*change);
  } else {
    Rest();
  }
}

std::optional<ChangeMembers> Operator::DrawChange(const Membership& now) {
  using Kind = ChangeMembers::Kind;
  const uint64_t dice = random_.Below(100);
  if (dice < 35) {
    if (now.next_member.value >= kNodesMax || now.learners.size() >= kLearnersAtOnce)
      return std::nullopt;
    return DrawAddition();
  }
  ChangeMembers change;
  if (dice < 75 && now.learners.empty())
    return std::nullopt;
  if (dice < 60) {
    change.kind = Kind::kPromote;
    change.ids = DrawSome(now.learners, 60);
  } else if (dice < 75) {
    change.kind = Kind::kReplace;
    change.ids = {DrawVictim(now.voters)};
    change.with = DrawSome(now.learners, 0).front();
  } else {
    change.kind = Kind::kRemove;
    change.ids = random_.Chance(60) ? std::vector{DrawVictim(All(now))} : DrawSome(All(now), 40);
  }
  return change;
}

ChangeMembers Operator::DrawAddition() {
  const std::string n = std::to_string(++addresses_);
  ChangeMembers change;
  change.name = "new-" + n;
  change.peer_address = "10.1.0." + n + ":7302";
  change.client_url = "http://10.1.0." + n + ":7301";
  return change;
}

std::vector<NodeId> Operator::DrawSome(std::vector<NodeId> from, double more_percent) {
  std::vector<NodeId> some;
  do {
    const auto at = from.begin() + static_cast<ptrdiff_t>(random_.Below(from.size()));
    some.push_back(*at);
    from.erase(at);
  } while (!from.empty() && random_.Chance(more_percent));
  return some;
}

// A dead one if there is one, more often than not.
NodeId Operator::DrawVictim(const std::vector<NodeId>& from) {
  std::vector<NodeId> dead;
  std::copy_if(from.begin(), from.end(), std::back_inserter(dead), [&](NodeId id) {
    const NodeHost* host = world().Find(id);
    return host == nullptr || host->quarantined() || !host->running();
  });
  return DrawSome(dead.empty() || random_.Chance(40) ? from : dead, 0).front();
}

bool Operator::IsSafe(const Membership& now, const ChangeMembers& change) {
  const Result<Membership> after = machine::PlanChange(now, change);
  return after && world().CountSpoiled(after->voters) <= (after->voters.size() - 1) / 2;
}

void Operator::Ask(const ChangeMembers& change) {
  // Without a key too: the table of answers may be full for as long as the run lasts.
  Change(change, static_cast<int64_t>(random_.Between(500, 4'000)), random_.Chance(50),
         [this, change](const ChangeOutcome& outcome) {
           const bool adds = change.kind == ChangeMembers::Kind::kAdd;
           const auto* done = std::get_if<machine::MembersAnswer>(&outcome.answer.body);
           const auto* refusal = std::get_if<machine::Refusal>(&outcome.answer.body);
           // Late, and an earlier attempt may have added it.
           const bool known =
               outcome.kind == ChangeOutcome::Kind::kAnswer &&
               (!adds || refusal == nullptr || refusal->error.code != Errc::kRequestExpired);
           if (!known) {
             Ask(change);
             return;
           }
           world().members_change = false;
           if (adds && done != nullptr)
             join_(done->ids.front(), done->membership);
           Rest();
         });
}

// What the table says of a member changes; nobody moves.
void Operator::Readdress(const Membership& now) {
  const ChangeMembers address = DrawAddition();
  machine::UpdateMember update;
  update.id = DrawSome(All(now), 0).front();
  update.peer_address = address.peer_address;
  update.client_url = address.client_url;
  Change(update, 2'000, random_.Chance(40), [this](const ChangeOutcome&) { Rest(); });
}

}  // namespace synod::sim
