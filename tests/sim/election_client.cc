#include "tests/sim/election_client.h"

#include <utility>

namespace synod::sim {
namespace {

constexpr const char* kElection = "/e0";

// What an answer to a leader may be that leads no more, or whose time was up.
void RequireStale(const ChangeOutcome& outcome, const std::string& what, bool may_lack_target) {
  if (outcome.kind != ChangeOutcome::Kind::kAnswer)
    return;
  const auto* refusal = std::get_if<machine::Refusal>(&outcome.answer.body);
  if (refusal == nullptr)
    return;
  const Errc code = refusal->error.code;
  SIM_REQUIRE(code == Errc::kFenced || code == Errc::kRequestExpired ||
                  (may_lack_target && code == Errc::kLeaseNotFound),
              what + " refused with " + std::string(Name(code)));
}

}  // namespace

void ElectionClient::Next() {
  if (random_.Chance(40))
    Observe();
  else
    Campaign();
}

void ElectionClient::Campaign() {
  ttl_ms_ = static_cast<int64_t>(random_.Between(500, 3'000));
  machine::Acquire campaign;
  campaign.kind = machine::LockKind::kElection;
  campaign.path = kElection;
  campaign.ttl_ms = ttl_ms_;
  campaign.wait_ms = random_.Chance(20) ? 0 : static_cast<int64_t>(random_.Below(4'000));
  campaign.value = UniqueValue("e");
  const int64_t timeout_ms = campaign.wait_ms + static_cast<int64_t>(random_.Between(500, 2'000));
  Change(std::move(campaign), timeout_ms, random_.Chance(40), [this](const ChangeOutcome& outcome) {
    const auto* hold = outcome.kind == ChangeOutcome::Kind::kAnswer
                           ? std::get_if<machine::HoldAnswer>(&outcome.answer.body)
                           : nullptr;
    if (hold == nullptr) {
      Pause();
      return;
    }
    ++shared_.stats->leads;
    lease_ = hold->lease;
    token_ = hold->token;
    claims_->AddHold({kElection, token_, hold->key});
    proclaims_left_ = static_cast<uint32_t>(random_.Below(4));
    Lead();
  });
}

void ElectionClient::Lead() {
  if (proclaims_left_ > 0 && !stopped_) {
    --proclaims_left_;
    Proclaim();
    return;
  }
  const uint64_t dice = stopped_ ? 0 : random_.Below(100);
  if (dice < 50)
    Resign();
  else if (dice < 75)
    HandOver();
  else
    Pause();  // forgotten: its lease ends
}

void ElectionClient::Proclaim() {
  machine::Proclaim proclaim{kElection, token_, UniqueValue("e")};
  const std::string value = proclaim.value;
  Change(std::move(proclaim), 1'500, random_.Chance(40),
         [this, value](const ChangeOutcome& outcome) {
           RequireStale(outcome, "a proclamation", false);
           const bool applied = outcome.kind == ChangeOutcome::Kind::kAnswer && outcome.answer.ok();
           if (applied)
             claims_->AddFencedWrite({kElection, token_, outcome.answer.revision, true});
           world().scheduler.After(static_cast<Time>(random_.Below(200'000)), [this] { Lead(); });
         });
}

void ElectionClient::HandOver() {
  const LeaseId to = candidate_ == LeaseId() ? lease_ + 1'000'000 : candidate_;
  Change(machine::Transfer{kElection, token_, to}, 1'500, random_.Chance(40),
         [this](const ChangeOutcome& outcome) {
           RequireStale(outcome, "a hand-over", true);
           Pause();
         });
}

void ElectionClient::Resign() {
  Change(machine::Release{machine::LockKind::kElection, kElection, token_}, 1'500,
         random_.Chance(40), [this](const ChangeOutcome& outcome) {
           RequireStale(outcome, "a resignation", false);
           Pause();
         });
}

void ElectionClient::Observe() {
  ++shared_.stats->reads;
  node::ReadRequest request;
  request.timeout_ms = static_cast<int64_t>(random_.Between(300, 3'000));
  const Revision floor = shared_.history->floor();
  shared_.port->Read(AnyNode(), request, machine::GetLock{machine::LockKind::kElection, kElection},
                     [this, floor](const Reply& reply) {
                       if (reply.kind == Reply::Kind::kAnswer)
                         OnObserved(reply, floor);
                       Pause();
                     });
}

void ElectionClient::OnObserved(const Reply& reply, Revision floor) {
  SIM_REQUIRE(reply.revision >= floor, "an election read of an old revision");
  shared_.history->Told(reply.revision, now());
  cluster_time_ = std::max(cluster_time_, reply.time);
  if (!reply.read) {
    SIM_REQUIRE(reply.read.error().code == Errc::kNotFound, "an unexpected read error");
    return;
  }
  const auto& election = std::get<machine::LockResult>(*reply.read);
  SIM_REQUIRE(election.holders.size() <= 1, "two leaders in one answer");
  if (!election.holders.empty())
    claims_->AddLeader({kElection, election.holders.front().token, reply.revision});
  candidate_ = election.waiters.empty() ? LeaseId() : election.waiters.back().lease;
}

}  // namespace synod::sim
