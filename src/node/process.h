// What the process takes from the world: its clock, its entropy, its environment; and its version.
//
// Contract      The only place that asks for them, besides the log's time stamps.
// Thread        Any.
#ifndef SYNOD_NODE_PROCESS_H_
#define SYNOD_NODE_PROCESS_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace synod::node {

inline constexpr std::string_view kVersion = "0.1.0";

// Milliseconds on a clock that never goes back and counts suspend (CLOCK_BOOTTIME: CLOCK_MONOTONIC
// stands still while the machine sleeps, and a lease must not).
int64_t MonotonicMs();
int64_t MonotonicUs();
// Both go at this rate from now on, in thousandths: for tests of clocks that are slow. Once, before
// anybody has asked for the time.
void SlowClock(int64_t permille);

// From the kernel; ends the process if there is none to be had.
uint64_t Entropy64();

std::map<std::string, std::string> Environment();

// Tells the service manager what became of this process ("READY=1", "STOPPING=1": sd_notify(3)).
// Does nothing if none listens ($NOTIFY_SOCKET).
void NotifyServiceManager(std::string_view state);

// For metrics.
struct ProcessUsage {
  double cpu_seconds = 0;
  uint64_t resident_bytes = 0;
  uint64_t open_descriptors = 0;
  uint64_t descriptors_max = 0;
};
ProcessUsage ReadProcessUsage();

}  // namespace synod::node

#endif  // SYNOD_NODE_PROCESS_H_
