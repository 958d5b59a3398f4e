#include "src/node/scrub.h"

namespace synod::node {
namespace {

const std::string kWhatToDo =
    ". This node has all of it in memory and goes on, but could not start again: do not restart "
    "it, and put a new member in its place";

}  // namespace

bool ScrubSchedule::Begin(int64_t now_ms) {
  if (interval_ms_ == 0 || running_)
    return false;
  if (!counting_) {
    counting_ = true;
    since_ms_ = now_ms;
  }
  running_ = now_ms - since_ms_ >= interval_ms_;
  return running_;
}

void ScrubSchedule::Ended(int64_t now_ms) {
  running_ = false;
  since_ms_ = now_ms;
}

void ScrubLog(storage::AcceptorLog& log,
              Slot checkpoint,
              const storage::ReadPause& pause,
              ScrubReport* report) {
  const auto counted = [&](uint64_t bytes) {
    report->bytes += bytes;
    return pause(bytes);
  };
  for (const storage::SegmentDamage& damage : log.Verify(checkpoint, counted)) {
    const char* covered =
        ". The state's checkpoint covers it: this node does not need it, and members that are away "
        "get it elsewhere. Look after the disk";
    report->log_damage.push_back(damage.what + (damage.needed ? kWhatToDo : covered));
  }
}

void ScrubState(storage::StateSnapshot& state,
                const storage::ReadPause& pause,
                ScrubReport* report) {
  bool stopped = false;
  const Status read = state.ForEach([&](std::string_view key, std::string_view value) -> Status {
    const uint64_t bytes = key.size() + value.size();
    report->bytes += bytes;
    stopped = !pause(bytes);
    if (stopped)
      return Error{Errc::kShuttingDown, Outcome::kNotApplied, "the node is stopping"};
    return Done();
  });
  if (!read && !stopped)
    report->state_damage.push_back(read.error().detail + kWhatToDo);
}

}  // namespace synod::node
