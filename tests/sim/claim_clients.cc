#include "tests/sim/claim_clients.h"

#include <utility>

namespace synod::sim {
namespace {

const machine::Refusal* RefusalOf(const ChangeOutcome& outcome) {
  return outcome.kind == ChangeOutcome::Kind::kAnswer
             ? std::get_if<machine::Refusal>(&outcome.answer.body)
             : nullptr;
}

template <typename Body>
const Body* BodyOf(const ChangeOutcome& outcome) {
  return outcome.kind == ChangeOutcome::Kind::kAnswer ? std::get_if<Body>(&outcome.answer.body)
                                                      : nullptr;
}

}  // namespace

// --- locks
// ----------------------------------------------------------------------------------------

void LockClient::Next() {
  lock_ = "/l" + std::to_string(random_.Below(world().swarm.locks));
  other_lock_.clear();
  if (random_.Chance(25))
    other_lock_ = "/l" + std::to_string(random_.Below(world().swarm.locks));
  if (other_lock_ == lock_)
    other_lock_.clear();
  ttl_ms_ = static_cast<int64_t>(random_.Between(500, 3'000));
  lease_ = LeaseId();
  holds_.clear();
  own_lease_ = random_.Chance(60);
  writes_left_ = static_cast<uint32_t>(random_.Below(5));
  if (own_lease_)
    Grant();
  else
    Acquire();
}

void LockClient::Grant() {
  Change(machine::LeaseGrant{ttl_ms_, "locker"}, 2'000, random_.Chance(50),
         [this](const ChangeOutcome& outcome) {
           const auto* grant = BodyOf<machine::LeaseAnswer>(outcome);
           if (grant == nullptr) {
             Pause();
             return;
           }
           ++shared_.stats->leases;
           lease_ = grant->lease.id;
           if (!outcome.answer.replayed)
             claims_->LeaseAcknowledged(lease_, ttl_ms_, outcome.sent_last);
           Acquire();
         });
}

void LockClient::AcquireBoth(int64_t wait_ms) {
  machine::AcquireAll acquire;
  acquire.locks = {{lock_}, {other_lock_}};
  acquire.lease = lease_;
  acquire.ttl_ms = own_lease_ ? 0 : ttl_ms_;
  acquire.wait_ms = wait_ms;
  Change(std::move(acquire), wait_ms + static_cast<int64_t>(random_.Between(500, 2'000)),
         random_.Chance(40), [this](const ChangeOutcome& outcome) { OnAcquired(outcome); });
}

void LockClient::Acquire() {
  const int64_t wait_ms = random_.Chance(30) ? 0 : static_cast<int64_t>(random_.Below(3'000));
  if (!other_lock_.empty()) {
    AcquireBoth(wait_ms);
    return;
  }
  machine::Acquire acquire;
  acquire.path = lock_;
  acquire.lease = lease_;
  acquire.ttl_ms = own_lease_ ? 0 : ttl_ms_;
  acquire.wait_ms = wait_ms;
  acquire.lock_delay_ms = random_.Chance(20) ? static_cast<int64_t>(random_.Below(500)) : 0;
  acquire.value = std::to_string(number_);
  Change(std::move(acquire), wait_ms + static_cast<int64_t>(random_.Between(500, 2'000)),
         random_.Chance(40), [this](const ChangeOutcome& outcome) { OnAcquired(outcome); });
}

void LockClient::OnAcquired(const ChangeOutcome& outcome) {
  LeaseId lease;
  if (const auto* hold = BodyOf<machine::HoldAnswer>(outcome)) {
    lease = hold->lease;
    holds_.push_back({lock_, hold->token, hold->key});
  } else if (const auto* both = BodyOf<machine::HoldsAnswer>(outcome)) {
    lease = both->lease;
    SIM_REQUIRE(both->holds.size() == 2 && both->holds[0].path == lock_ &&
                    both->holds[1].path == other_lock_,
                lock_ + ": not the locks that were asked for");
    for (const auto& [path, token, mode, key] : both->holds) holds_.push_back({path, token, key});
  } else {
    Forget();
    return;
  }
  shared_.stats->holds += holds_.size();
  SIM_REQUIRE(!own_lease_ || lease == lease_, lock_ + ": a hold on somebody else's lease");
  lease_ = lease;
  for (const Claims::Hold& hold : holds_) claims_->AddHold(hold);
  // A grant that waited, or an old answer, says nothing of how long the lease still has.
  KeepAlive([this] { Continue(); });
}

void LockClient::KeepAlive(std::function<void()> then) {
  Change(machine::LeaseKeepAlive{{lease_}, false}, 1'000, false,
         [this, then = std::move(then)](const ChangeOutcome& outcome) {
           if (const auto* alive = BodyOf<machine::KeepAliveAnswer>(outcome)) {
             SIM_REQUIRE(alive->leases.size() == 1, "a keepalive without its lease");
             claims_->LeaseAcknowledged(lease_, ttl_ms_, outcome.sent_last);
             for (const Claims::Hold& hold : holds_)
               claims_->Believe(hold.lock, hold.token, number_,
                                outcome.sent_last + claims_->ShortestLife(ttl_ms_));
           } else if (const auto* refusal = RefusalOf(outcome)) {
             SIM_REQUIRE(refusal->error.code == Errc::kLeaseNotFound ||
                             refusal->error.code == Errc::kRequestExpired,
                         "a keepalive refused with " + std::string(Name(refusal->error.code)));
           }
           then();
         });
}

void LockClient::WriteFenced() {
  machine::Put put;
  put.path = "/guard" + lock_;
  const FenceToken token = holds_[0].token;
  put.value = std::to_string(token.value) + "/" + std::to_string(number_);
  ChangeFenced(std::move(put), {{lock_, token}}, 1'500, random_.Chance(40),
               [this, token](const ChangeOutcome& outcome) {
                 if (BodyOf<machine::PutAnswer>(outcome) != nullptr) {
                   claims_->AddFencedWrite({lock_, token, outcome.answer.revision, true});
                 } else if (const auto* refusal = RefusalOf(outcome)) {
                   const Errc code = refusal->error.code;
                   SIM_REQUIRE(code == Errc::kFenced || code == Errc::kRequestExpired,
                               "a fenced write refused with " + std::string(Name(code)));
                   if (code == Errc::kFenced)
                     ++shared_.stats->fenced;
                 }
                 world().scheduler.After(static_cast<Time>(random_.Below(200'000)),
                                         [this] { Continue(); });
               });
}

void LockClient::Continue() {
  if (writes_left_ > 0 && !stopped_) {
    --writes_left_;
    if (random_.Chance(30))
      KeepAlive([this] { WriteFenced(); });
    else
      WriteFenced();
    return;
  }
  const uint64_t dice = stopped_ ? 0 : random_.Below(100);
  if (dice < 60) {
    Release();
  } else if (dice < 80) {
    Pause();  // forgotten: it expires
  } else {
    // A long pause of the holder, as of a process that was suspended; then it goes on writing.
    writes_left_ = random_.Chance(50) ? 1 : 0;
    world().scheduler.After(ttl_ms_ * kMillisecond * 3 / 2, [this] {
      if (writes_left_ > 0)
        Continue();
      else
        Release();
    });
  }
}

void LockClient::Release() {
  const Claims::Hold hold = holds_.back();
  holds_.pop_back();
  claims_->BelieveNoMore(hold.lock, hold.token);
  if (!own_lease_ && holds_.empty())  // a lease that belongs to the request ends with its last hold
    claims_->LeaseMayEnd(lease_);
  Change(machine::Release{machine::LockKind::kLock, hold.lock, hold.token}, 1'500,
         random_.Chance(40), [this](const ChangeOutcome& outcome) {
           if (const auto* refusal = RefusalOf(outcome))
             SIM_REQUIRE(refusal->error.code == Errc::kLockNotHeld ||
                             refusal->error.code == Errc::kRequestExpired,
                         "a release refused with " + std::string(Name(refusal->error.code)));
           if (holds_.empty())
             Forget();
           else
             Release();
         });
}

// Nothing is held as far as this client knows: its own lease goes, or is left to expire.
void LockClient::Forget() {
  if (!own_lease_ || random_.Chance(50)) {
    Pause();
    return;
  }
  claims_->LeaseMayEnd(lease_);
  Change(machine::LeaseRevoke{lease_}, 1'500, random_.Chance(40),
         [this](const ChangeOutcome&) { Pause(); });
}

// --- leases
// ---------------------------------------------------------------------------------------

void LeaseClient::Next() {
  ttl_ms_ = static_cast<int64_t>(random_.Between(500, 2'500));
  renewals_left_ = static_cast<uint32_t>(random_.Below(8));
  Change(machine::LeaseGrant{ttl_ms_, "worker"}, 2'000, random_.Chance(50),
         [this](const ChangeOutcome& outcome) {
           const auto* grant = BodyOf<machine::LeaseAnswer>(outcome);
           if (grant == nullptr) {
             Pause();
             return;
           }
           ++shared_.stats->leases;
           lease_ = grant->lease.id;
           if (!outcome.answer.replayed)
             claims_->LeaseAcknowledged(lease_, ttl_ms_, outcome.sent_last);
           Tie();
         });
}

void LeaseClient::Tie() {
  machine::Put put;
  put.path = "/leased/" + std::to_string(number_) + "-" + std::to_string(lease_.value);
  put.value = UniqueValue("l");
  put.lease = lease_;
  Change(std::move(put), 1'500, random_.Chance(40), [this](const ChangeOutcome& outcome) {
    if (const auto* refusal = RefusalOf(outcome))
      SIM_REQUIRE(refusal->error.code == Errc::kLeaseNotFound ||
                      refusal->error.code == Errc::kRequestExpired,
                  "a leased put refused with " + std::string(Name(refusal->error.code)));
    KeepAlive();
  });
}

void LeaseClient::KeepAlive() {
  if (renewals_left_ == 0 || stopped_) {
    End();
    return;
  }
  --renewals_left_;
  const Time rest = static_cast<Time>(random_.Below(static_cast<uint64_t>(ttl_ms_) * 600));
  world().scheduler.After(rest, [this] {
    Change(machine::LeaseKeepAlive{{lease_}, random_.Chance(30)}, 1'000, false,
           [this](const ChangeOutcome& outcome) {
             if (const auto* alive = BodyOf<machine::KeepAliveAnswer>(outcome)) {
               if (!alive->leases.empty())
                 claims_->LeaseAcknowledged(lease_, ttl_ms_, outcome.sent_last);
             }
             KeepAlive();
           });
  });
}

void LeaseClient::End() {
  if (random_.Chance(50)) {
    Pause();
    return;
  }
  claims_->LeaseMayEnd(lease_);
  Change(machine::LeaseRevoke{lease_}, 1'500, random_.Chance(40),
         [this](const ChangeOutcome&) { Pause(); });
}

}  // namespace synod::sim
