// Changes of the membership: what a chosen entry of that kind means for this replica, and the
// leader's way over it.
//
// The leader proposes such an entry at slot i alone: everything below is chosen, and nothing above
// is proposed. Once it is chosen the leader asks the new voters to promise the same ballot for all
// slots above i. Running phase 1 again in one ballot is safe, since the ballot has proposed nothing
// there; and it is needed, since a new voter may have voted there in an older one. Only when a
// majority of the new voters has promised and holds everything up to i durably does the next entry
// follow: from then on the old members are not needed for anything.
#include <algorithm>
#include <vector>

#include "consensus/core.h"
#include "src/base/check.h"

namespace synod::consensus {

// Looks at what was learned since the last call. The membership of a slot is a function of the
// slots below it, so that all who learned them agree on it.
void Replica::Core::TakeConfigs() {
  const uint64_t before = membership_.version;
  const uint64_t held_before = held_version_;
  while (configs_taken_ < log_.learned()) {
    ++configs_taken_;
    const Record* record = log_.Find(configs_taken_);
    SYNOD_CHECK(record != nullptr);
    if (record->entry.kind != EntryKind::kConfig)
      continue;
    const Result<Membership> next = Membership::OfEntry(*record->entry.payload);
    SYNOD_CHECK(next.has_value());
    if (next->version != held_version_ + 1)
      continue;
    held_version_ = next->version;
    config_at_ = configs_taken_;
    // Else it was told already.
    if (next->version == membership_.version + 1)
      membership_ = *next;
  }
  // The old members may be switched off once a majority of the new ones has this on disk.
  if (held_version_ != held_before)
    journal_.Dirty();
  if (membership_.version == before)
    return;
  outbox_.Note("membership", membership_.version);
  OnMembership();
}

void Replica::Core::OnMembership() {
  if (phase_ == Phase::kLead) {
    reads_.FailAsked(&outbox_);
    if (!membership_.IsVoter(transfer_to_))
      transfer_to_ = NodeId{};
    leader_->Dismiss(membership_, log_, now_, &outbox_);
    leader_->Adopt(membership_, now_);
  } else if (phase_ != Phase::kFollower && !MayCampaign()) {
    StepDown("removed");
  } else if (phase_ == Phase::kPreVote) {
    phase_ = Phase::kFollower;  // its votes were of the old members
  } else if (phase_ == Phase::kFetch) {
    leader_->Adopt(membership_, now_);
  }
}

void Replica::Core::StartSwitch() {
  takeover_.emplace(leader_->ballot(), switch_at_ + 1);
  released_ = Ballot();
  fetch_progress_at_ = now_;
  learner_.Progressed();
  if (!membership_.IsVoter(config_.self))
    return;
  for (const consensus::Promise& part :
       acceptor_.Report(switch_at_ + 1, CurrentHardState(), log_, config_.message_bytes_max)) {
    const bool taken = takeover_->Add(config_.self, part);
    SYNOD_CHECK(taken);
  }
  PrepareToMissing();
}

bool Replica::Core::IsFetching() const {
  if (phase_ == Phase::kLead)
    return takeover_.has_value() && log_.learned() < takeover_->chosen_through();
  return phase_ == Phase::kFetch && log_.learned() < takeover_->chosen_through();
}

// The leader's own first entry is chosen.
bool Replica::Core::HasStarted() const {
  const Slot start = leader_->start_slot();
  return start.value != 0 && log_.learned() >= start;
}

void Replica::Core::TryEndSwitch() {
  if (phase_ != Phase::kLead || !takeover_.has_value() ||
      leader_->MajorityLearned(journal_.durable_learned()) < switch_at_)
    return;
  if (!membership_.IsVoter(config_.self)) {
    HandOver();
    return;
  }
  if (takeover_->CountComplete(membership_.voters) < membership_.Majority() || IsFetching())
    return;
  outbox_.Note("switch_passed", switch_at_.value);
  ProposeBound();
}

// This leader has no vote any more: whoever of the voters is furthest goes on.
void Replica::Core::HandOver() {
  const Leader::Peer* heir = nullptr;
  for (const Leader::Peer& peer : leader_->peers()) {
    if (peer.voter && (heir == nullptr || peer.durable_learned > heir->durable_learned))
      heir = &peer;
  }
  SYNOD_CHECK(heir != nullptr);
  outbox_.To(heir->id, TimeoutNow{leader_->ballot(), log_.learned()});
  StepDown("removed");
}

// A learner that hears no leader may be a voter by now: if all who know that were removed by the
// same entry, nobody else campaigns.
void Replica::Core::AskAnyMember() {
  if (!membership_.IsMember(config_.self) || !learner_.MayAsk(now_))
    return;
  std::vector<NodeId> others = membership_.voters;
  others.insert(others.end(), membership_.learners.begin(), membership_.learners.end());
  std::erase(others, config_.self);
  if (!others.empty())
    learner_.Ask(others[learner_.attempts() % others.size()], log_.learned() + 1, now_, &outbox_);
}

// The leader that chose the newest membership may have died before a majority of its voters held
// it; whoever asked for the change learns that it is done from the next entry. Something above is
// known chosen: then a leader has passed here.
bool Replica::Core::MustSpreadConfig() const {
  return config_at_.value != 0 && config_at_ == log_.learned() &&
         leader_->MajorityLearned(journal_.durable_learned()) < config_at_;
}

bool Replica::Core::MayCampaign() const {
  return may_lead_ && !awaits_state_ && membership_.IsVoter(config_.self) &&
         held_version_ == membership_.version;
}

// The sender has no vote, and knows no membership that is newer than ours.
bool Replica::Core::KnowsBetter(NodeId from, uint64_t config_version) const {
  return config_version <= membership_.version && !membership_.IsVoter(from);
}

// With the refusal goes what the sender has missed: the entry that removed it, in the end.
void Replica::Core::RefuseStale(NodeId to, Ballot refused, uint64_t config_version, Slot learned) {
  outbox_.Note("refused_stale_config", to.value);
  NackTo(to, refused, NackReason::kConfigStale);
  if (config_version == membership_.version)
    return;
  learner_.Serve(to, {.from = learned + 1, .bytes_max = config_.message_bytes_max}, log_,
                 first_slot_, commit_, &outbox_);
}

}  // namespace synod::consensus
