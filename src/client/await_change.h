// AwaitChange: waits until a watch has shown enough.
//
// Contract      Calls `enough` for every change from `from_revision` on until it says true; then
//               `done`, once. Nothing is left running afterwards.
// Thread        The loop's.
// Errors        kDeadlineExceeded at the deadline; what ends a watch, kCompacted above all.
#ifndef SYNOD_CLIENT_AWAIT_CHANGE_H_
#define SYNOD_CLIENT_AWAIT_CHANGE_H_

#include <functional>
#include <string>

#include "src/client/watch.h"

namespace synod::client {

void AwaitChange(Client& client,
                 const std::string& path,
                 const WatchOptions& options,
                 Clock::time_point deadline,
                 std::function<bool(const Change&)> enough,
                 Callback<Unit> done);

}  // namespace synod::client

#endif  // SYNOD_CLIENT_AWAIT_CHANGE_H_
