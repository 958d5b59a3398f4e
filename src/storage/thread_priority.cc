#include "src/storage/thread_priority.h"

#include <sys/resource.h>
#include <unistd.h>

namespace synod::storage {
namespace {

constexpr int kNice = 10;

}  // namespace

// On Linux the priority is each thread's own: 0 names the calling one, the process's number its
// first.
void GiveWay() {
  const int first = ::getpriority(PRIO_PROCESS, static_cast<id_t>(::getpid()));
  // If the kernel refuses, the node is slower at times: no fault.
  (void)::setpriority(PRIO_PROCESS, 0, first + kNice);
}

}  // namespace synod::storage
