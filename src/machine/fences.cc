// Fence registers: what the state machine decides about the tokens of systems outside.
#include <utility>

#include "src/machine/core.h"

namespace synod::machine {

AnswerBody Machine::Core::Run(Call* call, RaiseFence* op) {
  const FenceToken required = fences.Required(op->path);
  if (op->token < required) {
    Refusal fenced = Refuse(Errc::kFenced, "the register has seen a higher token");
    fenced.highest = required;
    return fenced;
  }
  const std::optional<FenceToken> highest = fences.Find(op->path);
  if (highest == op->token)
    return FenceAnswer{op->token};
  if (!highest.has_value())
    if (std::optional<Refusal> full = CheckReserve(lock::FenceTable::SizeOf(op->path)))
      return std::move(*full);
  Move move(this);
  fences.Raise(op->path, op->token);
  return Commit(call, &move, FenceAnswer{op->token});
}

AnswerBody Machine::Core::Run(Call* call, ForgetFence* op) {
  if (!fences.Find(op->path).has_value())
    return Refuse(Errc::kNotFound);
  Move move(this);
  fences.Forget(op->path);
  return Commit(call, &move, ForgetFenceAnswer{});
}

}  // namespace synod::machine
