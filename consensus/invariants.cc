// The invariants of one replica: of its state, and from one output to the next. Those of the whole
// group (one value per slot) are the simulator's.
#include <algorithm>

#include "consensus/core.h"
#include "src/base/check.h"

namespace synod::consensus {

void Replica::Core::CheckSteps() {
  const HardState now = CurrentHardState();
  SYNOD_CHECK(now.promised >= last_seen_.promised);
  SYNOD_CHECK(now.learned >= last_seen_.learned);
  SYNOD_CHECK(now.commit_hint >= last_seen_.commit_hint);
  SYNOD_CHECK(now.first_slot >= last_seen_.first_slot);
  last_seen_ = now;
}

void Replica::Core::CheckInvariants() const {
  // (1) What is learned is known chosen, handed out at most once, and durable at most as far.
  SYNOD_CHECK(log_.learned() <= commit_);
  SYNOD_CHECK(handed_out_ <= log_.learned());
  SYNOD_CHECK(journal_.durable_learned() <= log_.learned());
  // (2) The memory holds everything that is not durable or not handed out; what is below
  // first_slot_ is in the driver's durable state.
  const Slot durable = std::max(journal_.durable_learned(), first_slot_ - 1);
  SYNOD_CHECK(log_.begin() <= std::min(handed_out_, durable) + 1);
  // (3) No vote above the promise; the suffix is bounded.
  SYNOD_CHECK(log_.end().value <= log_.learned().value + 2 * kHoleCap + 1);
  for (Slot s = log_.learned() + 1; s < log_.end(); ++s) {
    const Record* record = log_.Find(s);
    if (record != nullptr)
      SYNOD_CHECK(record->ballot <= acceptor_.promised());
  }
  // (4) Phase and parts agree.
  const bool switching =
      phase_ == Phase::kLead && switch_at_.value != 0 && log_.learned() >= switch_at_;
  SYNOD_CHECK(takeover_.has_value() ==
              (phase_ == Phase::kPrepare || phase_ == Phase::kFetch || switching));
  SYNOD_CHECK(leader_.has_value() == (phase_ == Phase::kFetch || phase_ == Phase::kLead));
  if (takeover_.has_value())
    SYNOD_CHECK(takeover_->ballot() == acceptor_.promised());
  // (5) Every membership in the learned prefix is taken; who campaigns has a vote in the newest,
  // and that is not one that was only told.
  SYNOD_CHECK(configs_taken_ == log_.learned());
  SYNOD_CHECK(held_version_ <= membership_.version);
  if (phase_ == Phase::kPreVote || phase_ == Phase::kPrepare || phase_ == Phase::kFetch)
    SYNOD_CHECK(MayCampaign());
  if (phase_ != Phase::kLead) {
    SYNOD_CHECK(transfer_to_.value == 0);
    SYNOD_CHECK(switch_at_.value == 0);
    return;
  }
  // (6) Nothing is proposed above a membership entry before its switch has passed.
  SYNOD_CHECK(held_version_ == membership_.version);
  if (switch_at_.value != 0)
    SYNOD_CHECK(leader_->next() == std::max(switch_at_, log_.learned()) + 1);
  // (7) A leader holds its promise, and every open slot carries its own vote in its own ballot.
  SYNOD_CHECK(leader_->ballot() == acceptor_.promised());
  SYNOD_CHECK(leader_->base() <= log_.learned() + 1);
  SYNOD_CHECK(switch_at_.value != 0 || leader_->start_slot() >= leader_->base());
  SYNOD_CHECK(switch_at_.value != 0 || leader_->next() == log_.end());
  for (Slot s = log_.learned() + 1; s < leader_->next(); ++s) {
    const Record* record = log_.Find(s);
    SYNOD_CHECK(record != nullptr);
    SYNOD_CHECK(record->ballot == leader_->ballot());
  }
}

}  // namespace synod::consensus
