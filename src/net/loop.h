// LoopThread: the rule that a loop's objects belong to its thread, checked.
//
// Contract      The thread of the first event is the loop's for good; Check aborts on any other.
//               What happens before the loop runs (listening, setting peers) is not judged.
// Thread        Check may be called from any; that is its purpose.
#ifndef SYNOD_NET_LOOP_H_
#define SYNOD_NET_LOOP_H_

#include <thread>

#include "src/base/check.h"

namespace synod::net {

class LoopThread {
 public:
  // In an event of the loop.
  void Enter() {
    if (thread_ == std::thread::id())
      thread_ = std::this_thread::get_id();
    Check();
  }
  void Check() const {
    SYNOD_CHECK(thread_ == std::thread::id() || thread_ == std::this_thread::get_id());
  }

 private:
  std::thread::id thread_;
};

}  // namespace synod::net

#endif  // SYNOD_NET_LOOP_H_
