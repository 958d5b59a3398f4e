#include "tests/sim/leaving_client.h"

#include <utility>

namespace synod::sim {
namespace {

constexpr int64_t kHoursMs = 3'600'000;

}  // namespace

void LeavingClient::Next() {
  machine::Acquire acquire;
  acquire.path = kLock;
  acquire.ttl_ms = static_cast<int64_t>(random_.Between(kTtlMsMin, kTtlMsMax));
  acquire.wait_ms = kHoursMs;
  acquire.value = std::to_string(number_);
  command_ = {};
  command_.operation = std::move(acquire);
  command_.principal = Who();
  if (random_.Chance(40)) {
    command_.idempotency_key = std::to_string(number_) + "/wait-" + std::to_string(++waits_);
    command_.fingerprint = HashOf(machine::Encode(command_));
  }
  Wait();
}

void LeavingClient::Wait() {
  Time patience = 2 * kHoursMs * kMillisecond;
  if (random_.Chance(70))
    patience = static_cast<Time>(random_.Below(4 * kSecond));
  shared_.port->Change(
      AnyNode(), command_, kHoursMs + 5'000, [this](const Reply& reply) { OnReply(reply); },
      patience);
}

void LeavingClient::OnReply(const Reply& reply) {
  if (reply.kind != Reply::Kind::kAnswer) {
    shared_.stats->waits_left += reply.kind == Reply::Kind::kLost ? 1 : 0;
    ComeBackOrPause();
    return;
  }
  if (const auto* hold = std::get_if<machine::HoldAnswer>(&reply.answer.body)) {
    Hold(hold->token);
    return;
  }
  const Errc code = std::get<machine::Refusal>(reply.answer.body).error.code;
  SIM_REQUIRE(code == Errc::kLeaseNotFound || code == Errc::kRequestExpired ||
                  code == Errc::kOverloaded || code == Errc::kNotReady,
              std::string(kLock) + ": a wait of hours ends with " + std::string(Name(code)));
  Pause();
}

void LeavingClient::Hold(FenceToken token) {
  ++shared_.stats->holds;
  const Time held = static_cast<Time>(random_.Below(1'000)) * kMillisecond;
  world().scheduler.After(held, [this, token] {
    Change(machine::Release{machine::LockKind::kLock, kLock, token}, 1'500, true,
           [this](const ChangeOutcome&) { Pause(); });
  });
}

void LeavingClient::ComeBackOrPause() {
  if (stopped_ || command_.idempotency_key.empty() || random_.Chance(30)) {
    Pause();
    return;
  }
  const Time away = static_cast<Time>(random_.Below(8'000)) * kMillisecond;
  world().scheduler.After(away, [this] { Wait(); });
}

}  // namespace synod::sim
