#include "src/node/admission.h"

#include <algorithm>
#include <string>

namespace synod::node {
namespace {

constexpr std::string_view kTooMuchMemory = "too much memory is held by requests and answers";

Error TooMuch(std::string_view why) {
  return {Errc::kOverloaded, Outcome::kNotApplied, std::string(why)};
}

}  // namespace

void Admission::Waited(int64_t now_us, int64_t waited_us) {
  const int64_t windows = (now_us - window_us_) / kStandingUs;
  if (windows >= 1) {
    // A window in which nothing came had no queue.
    least_before_us_ = windows == 1 ? least_now_us_ : 0;
    window_us_ += windows * kStandingUs;
    least_now_us_ = waited_us;
  }
  least_now_us_ = std::min(least_now_us_, waited_us);
}

int64_t Admission::standing_us(int64_t now_us) const {
  // The present window may only end it: one late request at its start says nothing.
  return now_us - window_us_ >= 2 * kStandingUs ? 0 : std::min(least_now_us_, least_before_us_);
}

bool Admission::IsTooMuch(WorkClass work, uint64_t held_bytes) const {
  const uint64_t eighth = limits_.memory_bytes_max / 8;
  switch (work) {
    case WorkClass::kVital:
      return false;  // the server itself refuses at the whole of it
    case WorkClass::kChange:
      return held_bytes > 7 * eighth;
    case WorkClass::kRead:
      return held_bytes > 6 * eighth;
    case WorkClass::kCatchUp:
      return held_bytes > 4 * eighth;
  }
  return false;
}

std::string_view Admission::WhyNot(WorkClass work, int64_t now_us, uint64_t held_bytes) const {
  const int64_t patience = work == WorkClass::kCatchUp ? 1 : work == WorkClass::kRead ? 2 : 4;
  const uint64_t others = taken_[static_cast<size_t>(work)];
  if (standing_us(now_us) >= patience * limits_.delay_us)
    return "requests come faster than they can be read";
  if (IsTooMuch(work, held_bytes))
    return kTooMuchMemory;
  if (work != WorkClass::kChange && others >= limits_.calls_max)
    return "too many requests of this kind wait at this node";
  if (work == WorkClass::kCatchUp && static_cast<double>(others) * mean_us_ > kBacklogUs)
    return "the lists and streams that wait here would take too long";
  return {};
}

Result<Admission::Ticket> Admission::Take(WorkClass work, int64_t now_us, uint64_t held_bytes) {
  if (work == WorkClass::kVital)
    return Ticket(this, work);
  if (const std::string_view why = WhyNot(work, now_us, held_bytes); !why.empty())
    return TooMuch(why);
  return Ticket(this, work);
}

Status Admission::MayAnswer(WorkClass work, int64_t waited_us, uint64_t held_bytes) {
  if (IsTooMuch(work, held_bytes))
    return TooMuch(kTooMuchMemory);
  if (waited_us > 2 * kBacklogUs)
    return TooMuch("it waited too long for its turn");
  return Done();
}

}  // namespace synod::node
