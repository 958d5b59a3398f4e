// LockKind, LockMode: what a lock is used as, and how it is held.
//
// Contract      The numbers are in the log and on disk: never reuse one.
// Source        docs/api.md, sections "Locks" and "Elections".
#ifndef SYNOD_LOCK_TYPES_H_
#define SYNOD_LOCK_TYPES_H_

#include <cstdint>

namespace synod::lock {

enum class LockKind : uint8_t { kLock = 0, kElection = 1 };
enum class LockMode : uint8_t { kExclusive = 0, kShared = 1 };

}  // namespace synod::lock

#endif  // SYNOD_LOCK_TYPES_H_
