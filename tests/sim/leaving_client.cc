#include "tests/sim/leaving_client.h"

#include <utility>

namespace synod::sim {
namespace {

constexpr int64_t kHoursMs = 3'600'000;
constexpr Time kStays = 2 * kHoursMs * kMillisecond;

}  // namespace

// --- the queue -----------------------------------------------------------------------------------

void Places::OnSlot() {
  const machine::Machine& machine = world_->observer.machine();
  if (machine.revision() == last_revision_)
    return;
  last_revision_ = machine.revision();
  for (auto& [value, place] : places_) place.there = false;
  const auto found = machine.Read(machine::GetLock{machine::LockKind::kLock, LeavingClient::kLock},
                                  machine.time());
  if (!found)
    return;
  const auto& lock = std::get<machine::LockResult>(*found);
  for (const machine::Waiter& w : lock.waiters) See(w.value, w.lease, FenceToken());
  for (const machine::Holder& h : lock.holders) See(h.value, h.lease, h.token);
}

void Places::See(const std::string& value, LeaseId lease, FenceToken token) {
  Place& place = places_[value];
  SIM_REQUIRE(!place.denied,
              "request " + value + " has a place, and nobody was told that it may be applied");
  SIM_REQUIRE(place.token == FenceToken() || place.token == token,
              "request " + value + " has the lock, or waits, once more");
  place = {lease, token, true, false, world_->scheduler.now()};
}

LeaseId Places::Find(const std::string& value) const {
  const auto it = places_.find(value);
  return it == places_.end() || !it->second.there ? LeaseId() : it->second.lease;
}

void Places::Deny(const std::string& value) {
  SIM_REQUIRE(!places_.contains(value),
              "request " + value + " had a place, and nobody was told that it may be applied");
  places_[value].denied = true;
}

void Places::ToldGone(const std::string& value, LeaseId had) const {
  const auto it = places_.find(value);
  if (it == places_.end() || it->second.lease != had)
    return;
  const Place& place = it->second;
  const std::string who = "a sender of request " + value + " is told that its place is gone, ";
  SIM_REQUIRE(place.token == FenceToken(), who + "and it was granted");
  SIM_REQUIRE(!place.there, who + "and it is there");
  SIM_REQUIRE(!settled_ || place.last_there < *settled_, who + "which it lost in peace");
}

// --- the client ----------------------------------------------------------------------------------

void LeavingClient::Next() {
  value_ = std::to_string(number_) + "/wait-" + std::to_string(++waits_);
  machine::Acquire acquire;
  acquire.path = kLock;
  acquire.ttl_ms = static_cast<int64_t>(random_.Between(kTtlMsMin, kTtlMsMax));
  acquire.wait_ms = kHoursMs;
  acquire.value = value_;
  command_ = {};
  command_.operation = std::move(acquire);
  command_.principal = Who();
  if (random_.Chance(world().swarm.joins ? 80 : 40)) {
    command_.idempotency_key = value_;
    command_.fingerprint = HashOf(machine::Encode(command_));
  }
  maybe_applied_ = false;
  Wait();
}

void LeavingClient::Wait() {
  ++attempt_;
  place_ = LeaseId();
  one_left_ = refused_ = told_new_ = false;
  token_ = FenceToken();
  if (world().swarm.joins && !command_.idempotency_key.empty() && random_.Chance(70))
    WaitWithTwo();
  else
    Send(random_.Chance(70) ? LeavesWithin(4 * kSecond) : kStays);
}

void LeavingClient::WaitWithTwo() {
  const uint64_t who_leaves = random_.Below(3);
  const Time patience = LeavesWithin(random_.Chance(50) ? 4 * kSecond : 30 * kSecond);
  const Time alone = LeavesWithin(random_.Chance(50) ? 50 * kMillisecond : 3 * kSecond);
  Send(who_leaves == 0 ? patience : kStays);
  world().scheduler.After(alone,
                          [this, attempt = attempt_, left = who_leaves == 1 ? patience : kStays] {
                            Join(attempt, left);
                          });
}

void LeavingClient::Join(uint64_t attempt, Time patience) {
  if (attempt != attempt_ || open_ == 0)
    return;
  place_ = places_->Find(value_);
  shared_.stats->waits_joined += place_ == LeaseId() ? 0 : 1;
  Send(patience);
}

void LeavingClient::Send(Time patience) {
  ++open_;
  shared_.port->Change(
      AnyNode(), command_, kHoursMs + 5'000, [this](const Reply& reply) { OnReply(reply); },
      patience);
}

void LeavingClient::OnReply(const Reply& reply) {
  --open_;
  if (reply.kind == Reply::Kind::kAnswer)
    OnAnswer(reply.answer);
  else if (reply.kind == Reply::Kind::kError)
    OnError(reply);
  if (reply.kind == Reply::Kind::kLost) {
    ++shared_.stats->waits_left;
    one_left_ |= open_ > 0;
    maybe_applied_ = true;
  }
  if (open_ > 0)
    return;
  if (token_ != FenceToken())
    Hold();
  else if (refused_)
    Pause();
  else
    ComeBackOrPause();
}

void LeavingClient::OnAnswer(const machine::Answer& answer) {
  maybe_applied_ = true;
  if (const auto* hold = std::get_if<machine::HoldAnswer>(&answer.body)) {
    SIM_REQUIRE(token_ == FenceToken() || token_ == hold->token,
                "request " + value_ + ": its senders are told of two holds");
    SIM_REQUIRE(!told_new_ || answer.replayed,
                "request " + value_ + ": both senders are told of a new hold");
    token_ = hold->token;
    told_new_ |= !answer.replayed;
    return;
  }
  refused_ = true;
  const Errc code = std::get<machine::Refusal>(answer.body).error.code;
  SIM_REQUIRE(code == Errc::kLeaseNotFound || code == Errc::kRequestExpired ||
                  code == Errc::kOverloaded || code == Errc::kNotReady,
              std::string(kLock) + ": a wait of hours ends with " + std::string(Name(code)));
}

void LeavingClient::OnError(const Reply& reply) {
  maybe_applied_ |= reply.error.outcome == Outcome::kUnknown;
  if (place_ == LeaseId() || reply.error.code != Errc::kNoLeader ||
      reply.error.outcome != Outcome::kUnknown)
    return;
  // Of a node that a snapshot overtook this says less.
  NodeHost& host = *world().hosts[reply.node];
  if (host.running() && host.engine().snapshot_counters().installed == 0)
    places_->ToldGone(value_, place_);
}

void LeavingClient::Hold() {
  ++shared_.stats->holds;
  shared_.stats->places_kept += one_left_ ? 1 : 0;
  // Long ones now and then: somebody who waits may leave in peace too.
  const bool is_long = world().swarm.joins && random_.Chance(30);
  const Time held = static_cast<Time>(random_.Below(is_long ? 16'000 : 1'000)) * kMillisecond;
  world().scheduler.After(held, [this, token = token_] {
    Change(machine::Release{machine::LockKind::kLock, kLock, token}, 1'500, true,
           [this](const ChangeOutcome&) { Pause(); });
  });
}

void LeavingClient::ComeBackOrPause() {
  if (stopped_ || command_.idempotency_key.empty() || random_.Chance(30)) {
    if (!maybe_applied_)
      places_->Deny(value_);
    Pause();
    return;
  }
  const Time away = static_cast<Time>(random_.Below(8'000)) * kMillisecond;
  world().scheduler.After(away, [this] { Wait(); });
}

}  // namespace synod::sim
