// Phase 2 on both sides, learning and reads.
#include <algorithm>
#include <utility>

#include "consensus/core.h"
#include "src/base/check.h"

namespace synod::consensus {
namespace {

// No absence is that long: at a million slots a second this is twelve days, and a node that was
// away for longer than the log is kept begins with a snapshot anyway.
constexpr uint64_t kSlotJumpMax = uint64_t{1} << 40;

bool IsWellFormed(const Accept& m) {
  Slot previous;
  for (const Proposal& p : m.entries) {
    if (p.slot <= previous)
      return false;
    previous = p.slot;
  }
  return true;
}

}  // namespace

void Replica::Core::On(NodeId from, const Accept& m) {
  if (m.ballot.node != from || !IsWellFormed(m) || !IsPlausible(m.commit) ||
      !election_.Observe(m.ballot)) {
    outbox_.Note("ignored_accept", from.value);
    return;
  }
  if (m.ballot < acceptor_.promised()) {
    // The sender lost an election it has not heard of: our promise tells it at once.
    NackTo(from, m.ballot, NackReason::kStale);
    return;
  }
  if (m.ballot > acceptor_.promised() && KnowsBetter(from, m.config_version)) {
    RefuseStale(from, m.ballot, m.config_version, m.commit);
    return;
  }
  Follow(from, m);
  Votes votes = acceptor_.Vote(m, &log_, &journal_);
  TakeCommit(m);
  if (votes.too_far)
    NackTo(from, m.ballot, NackReason::kTooFarAhead);
  // An empty Accept of a round that was answered only tells the commit: no answer.
  if (votes.ranges.empty() && m.read_seq <= answered_round_)
    return;
  answered_round_ = std::max(answered_round_, m.read_seq);
  const uint64_t lease_ms = std::min(m.lease_ms, config_.lease_ms);
  if (lease_ms > 0)
    lease_.Hold(m.ballot, lease_ms);
  Accepted answer{.ballot = m.ballot,
                  .read_seq = m.read_seq,
                  .learned = log_.learned(),
                  .durable_learned = journal_.durable_learned(),
                  .ranges = std::move(votes.ranges),
                  .lease_ms = lease_ms};
  outbox_.ToAfter(from, std::move(answer), votes.after, journal_);
}

// A claim far above everything known is damage or malice. It would be kept for ever (commit_hint),
// told to others, and keep this node behind in every election.
bool Replica::Core::IsPlausible(Slot claimed) const {
  return claimed <= commit_ || claimed.value - commit_.value <= kSlotJumpMax;
}

void Replica::Core::Follow(NodeId leader, const Accept& m) {
  if (phase_ == Phase::kPreVote)
    phase_ = Phase::kFollower;
  else if (phase_ != Phase::kFollower)
    StepDown("another_leads");
  if (followed_ != m.ballot || election_.leader() != leader) {
    reads_.FailAsked(&outbox_);
    outbox_.Note("follows", leader.value);
  }
  if (followed_ != m.ballot) {
    followed_ = m.ballot;
    followed_commit_ = Slot{};
    answered_round_ = 0;
    learner_.Progressed();
  }
  election_.Heard(leader, now_, m.quorum_age);
}

void Replica::Core::TakeCommit(const Accept& m) {
  commit_ = std::max(commit_, m.commit);
  followed_commit_ = std::max(followed_commit_, m.commit);
  if (log_.AdvanceTo(m.ballot, followed_commit_)) {
    learner_.Progressed();
    TakeConfigs();
  }
  commit_ = std::max(commit_, log_.learned());
  // "The commit covers this slot and I voted there" does not make my vote the chosen value: it was
  // cast in another ballot. The value must be learned.
  if (log_.learned() < followed_commit_ && log_.Find(log_.learned() + 1) != nullptr)
    outbox_.Note("ignored_commit_of_other_ballot", log_.learned().value + 1);
}

void Replica::Core::On(NodeId from, const Accepted& m) {
  if (!leader_.has_value() || m.ballot != leader_->ballot())
    return;
  if (!leader_->OnAccepted(from, m, &log_))
    return;
  if (phase_ == Phase::kFetch) {
    LeadIfFetched();
    return;
  }
  Commit();
  TryEndSwitch();
}

void Replica::Core::Commit() {
  const bool started_before = HasStarted();
  if (!leader_->AdvanceCommit(&log_))
    return;
  commit_ = std::max(commit_, log_.learned());
  if (!started_before && HasStarted())
    outbox_.Note("leader_start_chosen", leader_->start_slot().value);
  TakeConfigs();
  if (log_.learned() == switch_at_ && !takeover_.has_value())
    StartSwitch();
}

void Replica::Core::On(NodeId from, const Nack& m) {
  if (!election_.Observe(m.promised) || !membership_.IsVoter(from))
    return;
  const bool campaigning = takeover_.has_value() && takeover_->ballot() == m.ballot;
  const bool leading = phase_ == Phase::kLead && leader_->ballot() == m.ballot;
  if ((!campaigning && !leading) || m.reason == NackReason::kTooFarAhead)
    return;
  if (m.reason == NackReason::kSticky) {
    // The others may still be a majority.
    if (std::find(refused_by_.begin(), refused_by_.end(), from) == refused_by_.end())
      refused_by_.push_back(from);
    if (refused_by_.size() <= membership_.voters.size() - membership_.Majority())
      return;
  }
  const bool again = leading && m.reason == NackReason::kStale && QuorumFresh() && MayCampaign();
  StepDown("refused");
  // A majority followed a moment ago and still would: take the next round without a pause.
  if (again)
    StartPrepare(Ballot());
}

void Replica::Core::TickLeader() {
  if (!QuorumFresh()) {
    StepDown("lost_quorum");
    return;
  }
  if (IsFetching() && now_ - fetch_progress_at_ >= config_.election_ticks_max) {
    StepDown("fetch_failed");
    return;
  }
  if (transfer_to_.value != 0 && now_ >= transfer_deadline_) {
    outbox_.Note("transfer_failed", transfer_to_.value);
    transfer_to_ = NodeId{};
  }
  if (now_ % config_.heartbeat_ticks != 0)
    return;
  leader_->Heartbeat(now_);
  if (takeover_.has_value())
    PrepareToMissing();
}

void Replica::Core::FlushLeader() {
  // Two rounds at a time: what comes meanwhile shares the next one. By what is held and not by
  // commit_, which rests on what others claim.
  if (MayRead() && reads_.HasWaiting() && reads_.rounds() < 2)
    reads_.StartRound(leader_->StartRound(now_), log_.learned(), stamp_, now_);
  if (transfer_to_.value != 0)
    FlushTransfer();
  if (!leader_.has_value())
    return;
  leader_->Flush(&log_, now_, &outbox_);
  reads_.Confirm(leader_->ConfirmedRound(), leader_->ballot(), &outbox_);
}

void Replica::Core::FlushTransfer() {
  if (leader_->InFlight(log_) > 0 || switch_at_.value != 0 || !HasStarted())
    return;
  const Leader::Peer* target = leader_->Find(transfer_to_);
  SYNOD_CHECK(target != nullptr);
  if (target->learned >= log_.learned()) {
    // From here on this ballot is given up: should the target fail, somebody campaigns anew.
    outbox_.Note("transfer_sent", transfer_to_.value);
    outbox_.To(transfer_to_, TimeoutNow{leader_->ballot(), log_.learned()});
    StepDown("transferred");
  } else if (transfer_asked_ < log_.learned()) {
    transfer_asked_ = log_.learned();
    leader_->StartRound(now_);
  }
}

void Replica::Core::AskForMissing() {
  const bool leads = phase_ == Phase::kLead || phase_ == Phase::kFetch;
  if ((leads && !IsFetching()) || commit_ <= log_.learned() || !learner_.MayAsk(now_))
    return;
  std::optional<NodeId> source = election_.leader();
  if (leads)
    source = takeover_->SourceAbove(log_.learned(), learner_.attempts());
  if (source.has_value() && *source != config_.self)
    learner_.Ask(*source, log_.learned() + 1, now_, &outbox_);
}

void Replica::Core::On(NodeId from, const LearnReq& m) {
  if (membership_.IsMember(from) && m.from.value > 0)
    learner_.Serve(from, m, log_, first_slot_, commit_, &outbox_);
}

void Replica::Core::On(NodeId from, const LearnResp& m) {
  // A leader that is followed may have become a member while this node was away.
  const bool known = membership_.IsMember(from) || election_.leader() == from;
  if (!known || !IsPlausible(m.commit))
    return;
  if (phase_ == Phase::kLead) {
    // A value chosen in one of our slots that is not the one we proposed: a later leader chose it,
    // and our vote counts mean nothing any more.
    for (const Chosen& c : m.entries) {
      const Record* own = log_.Find(c.slot);
      const bool ours = c.slot <= log_.learned() || (IsFetching() && c.slot >= leader_->next()) ||
                        (own != nullptr && own->entry.SameValue(c.entry));
      if (!ours) {
        StepDown("learned_a_foreign_value");
        break;
      }
    }
    // Leaders do not ask, but for what new voters had learned before a switch.
    if (phase_ == Phase::kLead && !IsFetching())
      return;
  }
  const uint64_t taken = learner_.Take(m, acceptor_.promised(), &log_, &journal_);
  if (taken > 0) {
    learner_.Progressed();
    needs_snapshot_.reset();
    fetch_progress_at_ = now_;
    // Votes above the gap that the leader's commit covers become known now.
    log_.AdvanceTo(followed_, followed_commit_);
    if (phase_ == Phase::kLead)
      leader_->SkipTo(log_.learned());
    TakeConfigs();
  } else if (m.entries.empty() && m.first_available > log_.learned() + 1) {
    outbox_.Note("needs_snapshot", m.first_available.value);
    needs_snapshot_ = m.first_available;
  }
  commit_ = std::max(commit_, std::max(m.commit, log_.learned()));
  if (phase_ == Phase::kFetch)
    LeadIfFetched();
  else if (phase_ == Phase::kLead)
    TryEndSwitch();
}

void Replica::Core::On(NodeId from, const ReadIndexReq& m) {
  if (!membership_.IsMember(from))
    return;
  // Before it leads it may still get there: the question waits.
  if (leader_.has_value())
    reads_.AskFor(from, m, now_);
  else
    outbox_.To(from, ReadIndexResp{
                         .boot = m.boot, .id = m.id, .granted = false, .ballot = {}, .index = {}});
}

void Replica::Core::On(NodeId from, const ReadIndexResp& m) {
  if (membership_.IsVoter(from))
    reads_.OnResponse(m, &outbox_);
}

}  // namespace synod::consensus
