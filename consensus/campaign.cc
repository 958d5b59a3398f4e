// Phase 1: pre-vote, promises, fetching what is chosen, and the first proposals of a ballot.
#include <algorithm>
#include <memory>
#include <utility>

#include "consensus/core.h"
#include "src/base/check.h"

namespace synod::consensus {
namespace {

// A node this far behind lets others campaign first: it would have to fetch everything.
constexpr uint64_t kBehindSlots = 1000;

}  // namespace

void Replica::Core::StartPreVote() {
  election_.Restart(now_, commit_.value > log_.learned().value + kBehindSlots);
  if (!MayCampaign()) {
    AskAnyMember();
    return;
  }
  if (lease_.Refuses(config_.self, Ballot()))
    return;
  phase_ = Phase::kPreVote;
  election_.StartPreVote();
  const Ballot ballot = election_.pre_vote_ballot();
  if (election_.Grant(config_.self, ballot, membership_.Majority())) {
    StartPrepare(Ballot());
    return;
  }
  outbox_.Note("pre_vote", ballot.round);
  for (const NodeId voter : membership_.voters) {
    if (voter != config_.self)
      outbox_.To(voter, PreVote{ballot, log_.learned(), membership_.version});
  }
}

void Replica::Core::On(NodeId from, const PreVote& m) {
  if (m.ballot.node != from)
    return;
  if (KnowsBetter(from, m.config_version)) {
    RefuseStale(from, m.ballot, m.config_version, m.learned);
    return;
  }
  // The round of a pre-vote is a wish, not a fact: it is not observed, or two nodes could drive
  // each other's rounds up without end.
  const bool granted =
      m.ballot > acceptor_.promised() && !IsSticky(from) && !lease_.Refuses(from, Ballot());
  outbox_.To(from, PreVoteReply{.ballot = m.ballot,
                                .granted = granted,
                                .promised = acceptor_.promised(),
                                .learned = log_.learned(),
                                .leader = election_.leader().value_or(NodeId{})});
}

void Replica::Core::On(NodeId from, const PreVoteReply& m) {
  if (!election_.Observe(m.promised) || phase_ != Phase::kPreVote || !membership_.IsVoter(from))
    return;
  if (m.granted) {
    if (election_.Grant(from, m.ballot, membership_.Majority()))
      StartPrepare(Ballot());
  } else if (m.ballot == election_.pre_vote_ballot() && m.promised > m.ballot) {
    // On an old round: ask again at once with the next one. Rounds only rise, so this ends.
    StartPreVote();
  }
}

void Replica::Core::StartPrepare(Ballot released) {
  const Ballot ballot = election_.NextBallot();
  election_.Observe(ballot);
  election_.ForgetLeader();
  election_.Restart(now_);
  reads_.FailAsked(&outbox_);
  phase_ = Phase::kPrepare;
  released_ = released;
  refused_by_.clear();
  SYNOD_CHECK(!lease_.Refuses(config_.self, released));
  lease_.End();
  const bool promised = acceptor_.Promise(ballot, &journal_);
  SYNOD_CHECK(promised);
  const Slot from = log_.learned() + 1;
  takeover_.emplace(ballot, from);
  own_promise_ = acceptor_.Report(from, CurrentHardState(), log_, config_.message_bytes_max);
  outbox_.Note("prepare", ballot.round);
  PrepareToMissing();
}

void Replica::Core::PrepareTo(NodeId voter) {
  // Held until the own promise is durable: it is what makes the ballot unique over a restart.
  outbox_.ToAfter(voter,
                  Prepare{takeover_->ballot(), takeover_->from(), membership_.version,
                          !released_.IsZero(), released_},
                  acceptor_.promise_persist(), journal_);
}

void Replica::Core::PrepareToMissing() {
  for (const NodeId voter : membership_.voters) {
    if (voter != config_.self && !takeover_->IsComplete(voter))
      PrepareTo(voter);
  }
}

void Replica::Core::TickCandidate() {
  if (election_.IsDue(now_)) {
    if (phase_ == Phase::kPrepare)
      StepDown("campaign_failed");
    StartPreVote();
    return;
  }
  if (phase_ != Phase::kPrepare || now_ % config_.heartbeat_ticks != 0)
    return;
  PrepareToMissing();
}

void Replica::Core::On(NodeId from, const Prepare& m) {
  if (m.ballot.node != from || !election_.Observe(m.ballot))
    return;
  if (m.ballot < acceptor_.promised()) {
    NackTo(from, m.ballot, NackReason::kStale);
    return;
  }
  // Promising is always safe; but who was removed must not disturb those who are left. The leader
  // of our ballot may be one that hands over.
  if (m.ballot > acceptor_.promised() && KnowsBetter(from, m.config_version)) {
    RefuseStale(from, m.ballot, m.config_version, m.from - 1);
    return;
  }
  if (m.ballot > acceptor_.promised()) {
    if ((!m.transfer && IsSticky(from)) || lease_.Refuses(from, m.released)) {
      NackTo(from, m.ballot, NackReason::kSticky);
      return;
    }
    if (phase_ != Phase::kFollower)
      StepDown("promised_to_another");
    election_.ForgetLeader();
    reads_.FailAsked(&outbox_);
    election_.Restart(now_);
    lease_.End();
    const bool promised = acceptor_.Promise(m.ballot, &journal_);
    SYNOD_CHECK(promised);
  }
  // A duplicate is answered again; parts of both answers fit together, since each names its slots.
  auto parts = acceptor_.Report(m.from, CurrentHardState(), log_, config_.message_bytes_max);
  for (auto& part : parts) outbox_.ToAfter(from, std::move(part), journal_.Barrier(), journal_);
}

void Replica::Core::OnOwnPromiseDurable() {
  if (own_promise_.empty() || !journal_.IsDurable(acceptor_.promise_persist()))
    return;
  for (const auto& part : own_promise_) {
    const bool taken = takeover_->Add(config_.self, part);
    SYNOD_CHECK(taken);
  }
  own_promise_.clear();
  CheckPromises();
}

void Replica::Core::On(NodeId from, const Promise& m) {
  if (!takeover_.has_value() || !membership_.IsVoter(from) || !IsPlausible(m.learned) ||
      !IsPlausible(m.commit_hint))
    return;
  if (!takeover_->Add(from, m))
    return;
  commit_ = std::max(commit_, std::max(m.learned, m.commit_hint));
  if (phase_ == Phase::kPrepare)
    CheckPromises();
  else if (takeover_->IsComplete(from))
    leader_->Promised(from, now_);
  if (phase_ == Phase::kFetch)
    LeadIfFetched();
  else if (phase_ == Phase::kLead)
    TryEndSwitch();
}

void Replica::Core::CheckPromises() {
  if (takeover_->CountComplete(membership_.voters) < membership_.Majority())
    return;
  phase_ = Phase::kFetch;
  fetch_progress_at_ = now_;
  learner_.Progressed();
  leader_.emplace(config_, membership_, takeover_->ballot(), now_);
  for (const NodeId voter : membership_.voters) {
    if (takeover_->IsComplete(voter))
      leader_->Promised(voter, now_);
  }
  LeadIfFetched();
}

void Replica::Core::LeadIfFetched() {
  // What was fetched may have changed who must have promised.
  const size_t promised = takeover_->CountComplete(membership_.voters);
  if (promised >= membership_.Majority() && log_.learned() >= takeover_->chosen_through() &&
      !MustSpreadConfig())
    Lead();
}

void Replica::Core::Lead() {
  const Ballot ballot = takeover_->ballot();
  SYNOD_CHECK(acceptor_.promised() == ballot);
  leader_->Begin(log_.learned() + 1);
  phase_ = Phase::kLead;
  outbox_.Note("became_leader", ballot.round);
  ProposeBound();
}

void Replica::Core::ProposeBound() {
  const Ballot ballot = leader_->ballot();
  const auto empty = std::make_shared<const std::string>();
  const Slot last = std::max(takeover_->highest_vote(), log_.learned());
  SYNOD_CHECK(log_.end() <= last + 1);  // the own votes were among the promises
  switch_at_ = Slot{};
  while (leader_->next() <= last && switch_at_.value == 0) {
    const Slot slot = leader_->next();
    const Entry* bound = takeover_->Bound(slot);
    // Its origin stays: whoever applies it can tell that an older leader proposed it.
    const Entry entry = bound != nullptr ? *bound : Entry{EntryKind::kNoop, ballot, empty};
    // Who votes above it is known once it is chosen: the rest waits for the promises of those.
    if (entry.kind == EntryKind::kConfig)
      switch_at_ = slot;
    leader_->Propose(entry, &log_, &journal_);
  }
  takeover_.reset();
  if (switch_at_.value != 0)
    return;
  const bool started = leader_->start_slot().value != 0;
  const EntryKind kind = started ? EntryKind::kNoop : EntryKind::kLeaderStart;
  const Slot slot = leader_->Propose({kind, ballot, empty}, &log_, &journal_);
  if (!started)
    leader_->set_start_slot(slot);
}

void Replica::Core::StepDown(const char* why) {
  outbox_.Note(phase_ == Phase::kLead ? "stepped_down" : "campaign_ended",
               acceptor_.promised().round);
  outbox_.Note(why, acceptor_.promised().round);
  phase_ = Phase::kFollower;
  takeover_.reset();
  own_promise_.clear();
  leader_.reset();
  transfer_to_ = NodeId{};
  switch_at_ = Slot{};
  reads_.FailAsked(&outbox_);
  election_.ForgetLeader();
  election_.Restart(now_);
}

void Replica::Core::On(NodeId from, const TimeoutNow& m) {
  // Late or repeated: somebody has promised another ballot since.
  if (m.ballot.node != from || m.ballot != acceptor_.promised() || leader_.has_value() ||
      !MayCampaign() || lease_.Refuses(config_.self, m.ballot))
    return;
  outbox_.Note("asked_to_lead", from.value);
  StartPrepare(m.ballot);
}

}  // namespace synod::consensus
