// Clock: the clock by which a client believes in its leases: CLOCK_BOOTTIME.
//
// Contract      A std::chrono clock that only goes forward and counts the time in which the machine
//               was suspended or the process stopped: a lease does not live longer for its holder's
//               sleep.
// Thread        Any.
#ifndef SYNOD_CLIENT_CLOCK_H_
#define SYNOD_CLIENT_CLOCK_H_

#include <chrono>

namespace synod::client {

struct Clock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<Clock>;
  static constexpr bool is_steady = true;
  static time_point now() noexcept;
};

using Milliseconds = std::chrono::milliseconds;

}  // namespace synod::client

#endif  // SYNOD_CLIENT_CLOCK_H_
