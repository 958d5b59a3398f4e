#include "src/node/disk_limits.h"

#include <algorithm>

namespace synod::node {
namespace {

constexpr uint64_t kSoftMax = uint64_t{2} << 30;
constexpr uint64_t kHardMax = uint64_t{512} << 20;

}  // namespace

uint64_t DiskLimits::Soft(uint64_t total) const {
  return soft_bytes != 0 ? soft_bytes : std::min(total / 10, kSoftMax);
}

uint64_t DiskLimits::Hard(uint64_t total) const {
  return hard_bytes != 0 ? hard_bytes : std::min(Soft(total) / 2, kHardMax);
}

DiskLevel LevelOf(const DiskSpace& space, const DiskLimits& limits, DiskLevel before) {
  const auto below = [&](uint64_t limit, DiskLevel level) {
    return space.free < (before >= level ? limit + limit / 8 : limit);
  };
  if (below(limits.Hard(space.total), DiskLevel::kFull))
    return DiskLevel::kFull;
  return below(limits.Soft(space.total), DiskLevel::kLow) ? DiskLevel::kLow : DiskLevel::kOk;
}

}  // namespace synod::node
