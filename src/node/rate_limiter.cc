#include "src/node/rate_limiter.h"

#include <algorithm>

namespace synod::node {
namespace {

constexpr int64_t kSweepEveryUs = 1'000'000;
// No client's: no user is called so, and no address reads so.
constexpr const char* kOthers = "";

}  // namespace

void RateLimiter::Fill(Bucket* bucket, int64_t now_us) const {
  // Whoever was away for longer than a full bucket takes need not be counted to the end.
  const int64_t full_us = Full() / per_second_ + 1;
  const int64_t passed_us = std::clamp<int64_t>(now_us - bucket->at_us, 0, full_us);
  bucket->tokens = std::min(Full(), bucket->tokens + passed_us * per_second_);
  bucket->at_us = std::max(bucket->at_us, now_us);
}

RateLimiter::Bucket& RateLimiter::BucketOf(const std::string& client, int64_t now_us) {
  if (const auto it = buckets_.find(client); it != buckets_.end())
    return it->second;
  if (buckets_.size() >= kClientsMax && now_us - swept_us_ >= kSweepEveryUs) {
    swept_us_ = now_us;
    std::erase_if(buckets_, [&](const auto& entry) {
      Bucket bucket = entry.second;
      Fill(&bucket, now_us);
      return bucket.tokens == Full();
    });
  }
  const std::string& name = buckets_.size() >= kClientsMax ? std::string(kOthers) : client;
  return buckets_.try_emplace(name, Bucket{Full(), now_us}).first->second;
}

bool RateLimiter::Take(const std::string& client, int64_t now_us) {
  if (!on())
    return true;
  Bucket& bucket = BucketOf(client, now_us);
  Fill(&bucket, now_us);
  if (bucket.tokens < kToken)
    return false;
  bucket.tokens -= kToken;
  return true;
}

}  // namespace synod::node
