// Which threads wait for which.
//
// Contract      A thread that has called GiveWay() gets about a tenth of a processor that the
//               process's first thread wants too: checkpoints and compactions come in bursts and
//               nobody waits for one, while every request waits for the loop and the log.
// Thread        Applies to the calling one.
#ifndef SYNOD_STORAGE_THREAD_PRIORITY_H_
#define SYNOD_STORAGE_THREAD_PRIORITY_H_

namespace synod::storage {

void GiveWay();

}  // namespace synod::storage

#endif  // SYNOD_STORAGE_THREAD_PRIORITY_H_
