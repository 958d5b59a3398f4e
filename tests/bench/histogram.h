// Histogram: how long requests took, in buckets of which each is at most 1/64 wider than its start.
//
// Contract      Microseconds, of any size; a percentile is the upper end of its bucket.
// Thread        One.
#ifndef SYNOD_TESTS_BENCH_HISTOGRAM_H_
#define SYNOD_TESTS_BENCH_HISTOGRAM_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace synod::bench {

class Histogram {
 public:
  void Add(uint64_t micros) {
    ++buckets_[IndexOf(micros)];
    ++count_;
    if (micros > max_)
      max_ = micros;
  }
  uint64_t count() const { return count_; }
  double MaxMs() const { return static_cast<double>(max_) * 1e-3; }
  // 0 if there is nothing.
  double MsAt(double part) const {
    uint64_t below = 0;
    const double wanted = part * static_cast<double>(count_);
    for (size_t i = 0; i < buckets_.size(); ++i) {
      below += buckets_[i];
      if (below > 0 && static_cast<double>(below) >= wanted)
        return static_cast<double>(EndOf(i)) * 1e-3;
    }
    return 0;
  }

 private:
  static constexpr size_t kBits = 6;  // exact below 2^7, then 64 buckets for each power of two
  static constexpr size_t kPart = size_t{1} << kBits;

  static size_t IndexOf(uint64_t value) {
    if (value < 2 * kPart)
      return value;
    const size_t shift = static_cast<size_t>(std::bit_width(value)) - kBits - 1;
    return (shift + 1) * kPart + ((value >> shift) - kPart);
  }
  static uint64_t EndOf(size_t index) {
    if (index < 2 * kPart)
      return index;
    const size_t shift = index / kPart - 1;
    return ((kPart + index % kPart + 1) << shift) - 1;
  }

  std::array<uint64_t, (64 - kBits + 1) * kPart> buckets_{};
  uint64_t count_ = 0;
  uint64_t max_ = 0;
};

}  // namespace synod::bench

#endif  // SYNOD_TESTS_BENCH_HISTOGRAM_H_
