// Random: a seeded generator whose output is the same everywhere and for ever.
//
// Contract      splitmix64 (Steele, Lea, Flood 2014). Not for secrets. The standard library's
//               distributions are banned in pure code: they differ between implementations.
#ifndef SYNOD_BASE_RANDOM_H_
#define SYNOD_BASE_RANDOM_H_

#include <cstdint>

namespace synod {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    state_ += 0x9E3779B97F4A7C15ULL;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  }
  // Uniform in [0, bound); 0 for bound 0. The bias of the modulus is below 2^-40 for our bounds.
  uint64_t Below(uint64_t bound) { return bound == 0 ? 0 : Next() % bound; }
  // Uniform in [low, high].
  uint64_t Between(uint64_t low, uint64_t high) {
    const uint64_t span = high - low + 1;  // 0: all 2^64 numbers
    return low + (span == 0 ? Next() : Below(span));
  }
  // True in `percent` of 100.
  bool Chance(double percent) {
    return static_cast<double>(Next() >> 11) * 0x1.0p-53 * 100.0 < percent;
  }
  // A generator of its own for a part, so that one part's draws do not move another's.
  Random Fork() { return Random(Next()); }

 private:
  uint64_t state_;
};

}  // namespace synod

#endif  // SYNOD_BASE_RANDOM_H_
