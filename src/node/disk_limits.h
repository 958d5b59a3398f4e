// DiskLimits: how much of the disk must stay free, and what it means when it does not.
//
// Contract      Below the soft limit nothing that grows the state is taken, below the hard one the
//               node stands aside while the others can do without it (engine.h, SetDisk). A level
//               is left only with an eighth more than its limit, so that nobody swings.
// Thread        Values.
#ifndef SYNOD_NODE_DISK_LIMITS_H_
#define SYNOD_NODE_DISK_LIMITS_H_

#include <cstdint>

#include "src/node/engine.h"

namespace synod::node {

struct DiskLimits {
  uint64_t soft_bytes = 0;  // 0: a tenth of the disk, at most 2 GiB
  uint64_t hard_bytes = 0;  // 0: a half of the soft limit, at most 512 MiB
  uint64_t reserve_bytes = uint64_t{64} << 20;

  uint64_t Soft(uint64_t total) const;
  uint64_t Hard(uint64_t total) const;
};

struct DiskSpace {
  uint64_t free = 0;
  uint64_t total = 0;
};

// The level after `before` that this much space means.
DiskLevel LevelOf(const DiskSpace& space, const DiskLimits& limits, DiskLevel before);

}  // namespace synod::node

#endif  // SYNOD_NODE_DISK_LIMITS_H_
