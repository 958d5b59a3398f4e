#include "consensus/replica.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "consensus/core.h"
#include "src/base/check.h"

namespace synod::consensus {

Replica::Core::Core(const Config& config, Recovered disk, Slot applied)
    : config_(config),
      membership_(config.membership),
      held_version_(config.membership_held),
      configs_taken_(applied),
      config_at_(held_version_ > 0 ? applied : Slot()),
      commit_(std::max(disk.hard_state.learned, disk.hard_state.commit_hint)),
      first_slot_(disk.hard_state.first_slot),
      handed_out_(applied),
      awaits_state_(config.awaits_state),
      journal_(disk.hard_state, config.unsynced_bytes_max),
      log_(std::move(disk.entries), disk.hard_state.learned, applied),
      acceptor_(disk.hard_state.promised),
      election_(config, disk.hard_state.promised),
      reads_(config.boot_id ^ config.seed, config.election_ticks_min),
      learner_(config.message_bytes_max, uint64_t{2} * config.heartbeat_ticks),
      lease_(config.lease_before_ms),
      last_seen_(disk.hard_state) {
  SYNOD_CHECK(config.self.value != 0);
  SYNOD_CHECK(config.heartbeat_ticks > 0);
  SYNOD_CHECK(config.window_slots > 0 && config.window_slots < kHoleCap);
  SYNOD_CHECK(!membership_.voters.empty());
  SYNOD_CHECK(held_version_ <= membership_.version);
  TakeConfigs();
  // Nobody to wait for.
  if (membership_.voters.size() == 1 && membership_.IsVoter(config.self))
    election_.DueIn(now_, 1);
}

void Replica::Core::Tick() {
  ++now_;
  switch (phase_) {
    case Phase::kFollower:
      if (election_.IsDue(now_))
        StartPreVote();
      break;
    case Phase::kPreVote:
    case Phase::kPrepare:
      TickCandidate();
      break;
    case Phase::kFetch:
    case Phase::kLead:
      TickLeader();
      break;
  }
  reads_.Expire(now_, &outbox_);
}

void Replica::Core::SetTime(uint64_t now_ms) {
  lease_.SetTime(now_ms);
  if (!leader_.has_value())
    return;
  leader_->SetTime(now_ms);
  // What waits was asked before this moment, and what is held now was chosen before it.
  if (config_.lease_ms > 0 && MayRead() && reads_.HasWaiting() && now_ms < leader_->LeasedUntil())
    reads_.Grant(log_.learned(), stamp_, leader_->ballot(), &outbox_);
}

void Replica::Core::Persisted(PersistId upto) {
  journal_.Persisted(upto);
  if (phase_ == Phase::kPrepare)
    OnOwnPromiseDurable();
  if (phase_ == Phase::kFetch)
    LeadIfFetched();
  if (phase_ == Phase::kLead) {
    leader_->CountOwnVotes(&log_, journal_);
    Commit();
    TryEndSwitch();
  }
}

HardState Replica::Core::CurrentHardState() const {
  return {.promised = acceptor_.promised(),
          .learned = log_.learned(),
          .commit_hint = commit_,
          .first_slot = first_slot_};
}

Output Replica::Core::TakeOutput() {
  if (phase_ == Phase::kLead || phase_ == Phase::kFetch) {
    FlushLeader();
  } else if (const auto leader = election_.leader(); leader && reads_.HasWaiting()) {
    if (auto request = reads_.AskLeader(now_))
      outbox_.To(*leader, *request);
  }
  AskForMissing();
  for (; !awaits_state_ && handed_out_ < log_.learned(); ++handed_out_) {
    const Record* record = log_.Find(handed_out_ + 1);
    SYNOD_CHECK(record != nullptr && record->chosen);
    outbox_.out().committed.push_back({handed_out_ + 1, record->entry});
  }
  if (auto request = journal_.Take(CurrentHardState()))
    outbox_.out().persist.push_back(std::move(*request));
  // What is not durable yet could not be read back from the disk for a peer.
  log_.Evict(std::min(handed_out_, journal_.durable_learned()), config_.cache_bytes);
  CheckSteps();
#ifndef NDEBUG
  CheckInvariants();
#endif
  return outbox_.Take();
}

bool Replica::Core::CanPropose() const {
  return phase_ == Phase::kLead && transfer_to_.value == 0 && switch_at_.value == 0 &&
         leader_->HasRoom(log_) && !journal_.IsFull();
}

bool Replica::Core::CanProposeConfig() const {
  return CanPropose() && leader_->InFlight(log_) == 0 && HasStarted();
}

Result<Slot> Replica::Core::Propose(EntryKind kind, SharedBytes payload) {
  SYNOD_CHECK(payload != nullptr);
  SYNOD_CHECK(kind == EntryKind::kCommand || kind == EntryKind::kConfig);
  if (phase_ != Phase::kLead || transfer_to_.value != 0)
    return Error{.code = Errc::kNoLeader, .detail = "not the leader"};
  if (switch_at_.value != 0)
    return Error{.code = Errc::kOverloaded, .detail = "the membership changes"};
  const Entry entry{kind, leader_->ballot(), std::move(payload)};
  if (kind == EntryKind::kConfig) {
    if (!CanProposeConfig())
      return Error{.code = Errc::kOverloaded, .detail = "open slots lie below"};
    const Result<Membership> next = Membership::OfEntry(*entry.payload);
    SYNOD_CHECK(next.has_value());
    SYNOD_CHECK(next->version == membership_.version + 1);
    switch_at_ = leader_->next();
  }
  if (!leader_->HasRoom(log_) || journal_.IsFull())
    return Error{.code = Errc::kOverloaded, .detail = "too many open slots"};
  return leader_->Propose(entry, &log_, &journal_);
}

void Replica::Core::PeerGone(NodeId peer) {
  if (election_.leader() != peer || phase_ == Phase::kLead || phase_ == Phase::kFetch)
    return;
  outbox_.Note("leader_gone", peer.value);
  election_.LeaderGone(now_);
}

Status Replica::Core::Transfer(NodeId to) {
  if (phase_ != Phase::kLead)
    return Error{.code = Errc::kNoLeader, .detail = "not the leader"};
  if (!membership_.IsVoter(to))
    return Error{.code = Errc::kInvalidRequest, .detail = "the target does not vote"};
  if (to == config_.self)
    return Done();
  // Beginning anew would put the deadline off, and nothing is proposed until then.
  if (transfer_to_.value != 0)
    return Error{.code = Errc::kNotReady, .detail = "leadership is being handed over already"};
  transfer_to_ = to;
  transfer_deadline_ = now_ + config_.election_ticks_max;
  transfer_asked_ = Slot{};
  outbox_.Note("transfer_started", to.value);
  return Done();
}

void Replica::Core::SetMayLead(bool may) {
  may_lead_ = may;
  const bool campaigns = phase_ != Phase::kFollower && phase_ != Phase::kLead;
  if (!may && campaigns)
    StepDown("may_not_lead");
}

void Replica::Core::PersistLearned() {
  if (journal_.requested_learned() < log_.learned())
    journal_.Dirty();
}

void Replica::Core::Truncate(Slot first) {
  SYNOD_CHECK(first <= journal_.durable_learned() + 1);
  SYNOD_CHECK(first <= handed_out_ + 1);
  first_slot_ = std::max(first_slot_, first);
}

// Without a state everything from handed_out_ on is still in memory.
Slot Replica::Core::InstallsAbove() const {
  if (!awaits_state_)
    return log_.learned();
  return handed_out_ == Slot() ? Slot() : handed_out_ - 1;
}

bool Replica::Core::InstallSnapshot(Slot slot, const Membership& membership) {
  if (slot <= InstallsAbove())
    return false;
  awaits_state_ = false;
  // What this node proposed or was about to propose builds on less than the others have chosen.
  if (phase_ == Phase::kPreVote)
    phase_ = Phase::kFollower;
  else if (phase_ != Phase::kFollower)
    StepDown("installs_snapshot");
  if (slot > log_.learned()) {
    log_.SkipTo(slot);
    first_slot_ = slot + 1;
  }
  handed_out_ = slot;
  commit_ = std::max(commit_, slot);
  configs_taken_ = slot;
  config_at_ = slot;
  held_version_ = std::max(held_version_, membership.version);
  if (membership.version > membership_.version)
    membership_ = membership;
  learner_.Progressed();
  needs_snapshot_.reset();
  // Votes above it that the leader's commit covers are known now.
  log_.AdvanceTo(followed_, followed_commit_);
  commit_ = std::max(commit_, log_.learned());
  TakeConfigs();
  journal_.Dirty();
  outbox_.Note("snapshot_installed", slot.value);
  return true;
}

bool Replica::Core::QuorumFresh() const {
  return leader_.has_value() && now_ - leader_->QuorumContact(now_) < config_.election_ticks_min;
}

// Everything that an earlier leader had chosen is held here, and who has to be asked is certain.
bool Replica::Core::MayRead() const {
  return phase_ == Phase::kLead && switch_at_.value == 0 && HasStarted();
}

bool Replica::Core::IsSticky(NodeId candidate) const {
  if (leader_.has_value())
    return QuorumFresh();
  return election_.IsSticky(candidate, now_);
}

void Replica::Core::NackTo(NodeId to, Ballot refused, NackReason reason) {
  outbox_.To(to, Nack{refused, acceptor_.promised(), log_.learned(), reason});
}

// -- the public face

Replica::Replica(const Config& config, Recovered disk, Slot applied)
    : core_(std::make_unique<Core>(config, std::move(disk), applied)) {}
Replica::~Replica() = default;
Replica::Replica(Replica&&) noexcept = default;
Replica& Replica::operator=(Replica&&) noexcept = default;

void Replica::Tick() { core_->Tick(); }
void Replica::SetTime(int64_t now_ms) { core_->SetTime(static_cast<uint64_t>(now_ms)); }

void Replica::Receive(NodeId from, const Message& message) {
  if (from == core_->config_.self || from.value == 0)
    return;
  std::visit([&](const auto& m) { core_->On(from, m); }, message);
}

void Replica::Persisted(PersistId upto) { core_->Persisted(upto); }

Result<Slot> Replica::Propose(EntryKind kind, SharedBytes payload) {
  return core_->Propose(kind, std::move(payload));
}

bool Replica::CanPropose() const { return core_->CanPropose(); }
bool Replica::CanProposeConfig() const { return core_->CanProposeConfig(); }
bool Replica::MembershipChanging() const { return core_->switch_at_.value != 0; }

void Replica::ReadIndex(uint64_t read_id) { core_->reads_.Ask(read_id, core_->now_); }
void Replica::SetStamp(int64_t stamp) { core_->stamp_ = stamp; }
void Replica::PeerGone(NodeId peer) { core_->PeerGone(peer); }
Status Replica::TransferLeadership(NodeId to) { return core_->Transfer(to); }
void Replica::SetMayLead(bool may) { core_->SetMayLead(may); }
void Replica::PersistLearned() { core_->PersistLearned(); }
void Replica::Truncate(Slot first) { core_->Truncate(first); }

bool Replica::InstallSnapshot(Slot slot, const Membership& membership) {
  return core_->InstallSnapshot(slot, membership);
}
Slot Replica::InstallsAbove() const { return core_->InstallsAbove(); }
bool Replica::AwaitsState() const { return core_->awaits_state_; }
std::optional<Slot> Replica::needs_snapshot() const { return core_->needs_snapshot_; }

void Replica::Loaded(const LoadRequest& request, std::vector<Chosen> entries) {
  core_->learner_.Loaded(request, std::move(entries), core_->log_, core_->commit_, &core_->outbox_);
}

Output Replica::TakeOutput() { return core_->TakeOutput(); }

Role Replica::role() const {
  switch (core_->phase_) {
    case Phase::kFollower:
      return Role::kFollower;
    case Phase::kLead:
      return Role::kLeader;
    default:
      return Role::kCandidate;
  }
}

Ballot Replica::ballot() const { return core_->acceptor_.promised(); }

std::optional<NodeId> Replica::leader() const {
  if (IsLeader())
    return core_->config_.self;
  return core_->election_.leader();
}

Slot Replica::commit() const { return core_->commit_; }
Slot Replica::learned() const { return core_->log_.learned(); }
Slot Replica::durable_learned() const { return core_->journal_.durable_learned(); }
Slot Replica::first_slot() const { return core_->first_slot_; }
const Membership& Replica::membership() const { return core_->membership_; }
bool Replica::QuorumFresh() const { return core_->QuorumFresh(); }

std::vector<Replica::PeerProgress> Replica::Progress() const {
  std::vector<PeerProgress> progress;
  if (!IsLeader())
    return progress;
  for (const Leader::Peer& p : core_->leader_->peers()) {
    const uint64_t silent = core_->now_ - p.heard_at;
    progress.push_back({p.id, p.durable_learned, static_cast<uint32_t>(silent)});
  }
  return progress;
}

uint64_t Replica::InFlight() const {
  return IsLeader() ? core_->leader_->InFlight(core_->log_) : 0;
}

void Replica::CheckInvariants() const { core_->CheckInvariants(); }

}  // namespace synod::consensus
