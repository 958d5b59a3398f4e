#include "tests/sim/fence_client.h"

#include <algorithm>

namespace synod::sim {
namespace {

std::string Text(FenceToken token) { return "token " + std::to_string(token.value); }

FenceToken HighestIn(const machine::Machine& machine, const std::string& path) {
  const auto read = machine.Read(machine::GetFence{path}, machine.time());
  return read ? std::get<machine::FenceResult>(*read).token : FenceToken();
}

}  // namespace

// --- registers
// ------------------------------------------------------------------------------------

void FenceRegisters::OnSlot(Slot slot) {
  for (auto& [path, reg] : registers_) {
    const FenceToken now = HighestIn(world_->observer.machine(), path);
    SIM_REQUIRE(now >= reg.in_log, path + ": fell from " + Text(reg.in_log) + " to " + Text(now) +
                                       " at slot " + std::to_string(slot.value));
    reg.in_log = now;
  }
}

void FenceRegisters::Tell(const std::string& path, FenceToken before, FenceToken token) {
  Register& reg = registers_.at(path);
  SIM_REQUIRE(token >= before,
              path + ": " + Text(token) + " after somebody was told of " + Text(before));
  SIM_REQUIRE(token <= reg.in_log,
              path + ": told of " + Text(token) + ", the log has " + Text(reg.in_log));
  reg.told = std::max(reg.told, token);
}

// --- clients
// --------------------------------------------------------------------------------------

void FenceClient::Next() {
  const std::string path = "/f" + std::to_string(random_.Below(2));
  if (random_.Chance(70))
    Raise(path);
  else
    Read(path);
}

void FenceClient::Raise(const std::string& path) {
  const FenceToken before = registers_->told(path);
  // Around what the others use: some are late.
  const uint64_t lowest = before.value > 3 ? before.value - 3 : 1;
  const FenceToken token(random_.Between(lowest, before.value + 4));
  Change(machine::RaiseFence{path, token}, static_cast<int64_t>(random_.Between(500, 2'000)),
         random_.Chance(50), [this, path, token, before](const ChangeOutcome& outcome) {
           OnRaised(path, token, before, outcome);
           Pause();
         });
}

void FenceClient::OnRaised(const std::string& path,
                           FenceToken token,
                           FenceToken before,
                           const ChangeOutcome& outcome) {
  if (outcome.kind != ChangeOutcome::Kind::kAnswer)
    return;
  if (const auto* raised = std::get_if<machine::FenceAnswer>(&outcome.answer.body)) {
    SIM_REQUIRE(raised->token == token, path + ": another token is answered");
    registers_->Tell(path, before, token);
    ++shared_.stats->raised;
    return;
  }
  const auto& refusal = std::get<machine::Refusal>(outcome.answer.body);
  const Errc code = refusal.error.code;
  SIM_REQUIRE(code == Errc::kFenced || code == Errc::kRequestExpired,
              path + ": a token refused with " + std::string(Name(code)));
  if (code != Errc::kFenced)
    return;
  SIM_REQUIRE(refusal.highest > token, path + ": " + Text(token) + " is refused without a higher");
  registers_->Tell(path, before, *refusal.highest);
  ++shared_.stats->fenced;
}

void FenceClient::Read(const std::string& path) {
  ++shared_.stats->reads;
  node::ReadRequest request;
  request.timeout_ms = static_cast<int64_t>(random_.Between(300, 3'000));
  const FenceToken before = registers_->told(path);
  shared_.port->Read(AnyNode(), request, machine::GetFence{path},
                     [this, path, before](const Reply& reply) {
                       Pause();
                       if (reply.kind != Reply::Kind::kAnswer)
                         return;
                       FenceToken highest;
                       if (reply.read)
                         highest = std::get<machine::FenceResult>(*reply.read).token;
                       else
                         SIM_REQUIRE(reply.read.error().code == Errc::kNotFound,
                                     path + ": an unexpected read error");
                       registers_->Tell(path, before, highest);
                     });
}

}  // namespace synod::sim
