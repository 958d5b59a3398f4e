// RateLimiter: how many requests a second each client may make: a token bucket a client.
//
// Contract      A pure value. A client has `burst` tokens and gets `per_second` of them a second;
//               a request takes one, or is to be refused. A client whose bucket is full again is
//               forgotten.
// Bounds        kClientsMax buckets; clients beyond share one.
// Thread        Any one.
#ifndef SYNOD_NODE_RATE_LIMITER_H_
#define SYNOD_NODE_RATE_LIMITER_H_

#include <cstdint>
#include <string>
#include <unordered_map>

namespace synod::node {

class RateLimiter {
 public:
  static constexpr size_t kClientsMax = 50'000;

  // 0 a second: no limit. A burst of 0 is that of one second.
  RateLimiter(uint32_t per_second, uint32_t burst)
      : per_second_(per_second), burst_(burst == 0 ? per_second : burst) {}

  bool on() const { return per_second_ != 0; }
  bool Take(const std::string& client, int64_t now_us);

  size_t clients() const { return buckets_.size(); }

 private:
  // In millionths of a token, so that none is lost to rounding.
  struct Bucket {
    int64_t tokens;
    int64_t at_us;
  };
  static constexpr int64_t kToken = 1'000'000;

  int64_t Full() const { return int64_t{burst_} * kToken; }
  void Fill(Bucket* bucket, int64_t now_us) const;
  Bucket& BucketOf(const std::string& client, int64_t now_us);

  const uint32_t per_second_;
  const uint32_t burst_;
  std::unordered_map<std::string, Bucket> buckets_;
  int64_t swept_us_ = 0;
};

}  // namespace synod::node

#endif  // SYNOD_NODE_RATE_LIMITER_H_
