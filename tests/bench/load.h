// What the load programs share.
//
// Contract      Plain functions; those that are not inline are in load.cc.
// Thread        Any.
#ifndef SYNOD_TESTS_BENCH_LOAD_H_
#define SYNOD_TESTS_BENCH_LOAD_H_

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace synod::bench {

inline int64_t NowMicros() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// A connection to "HOST:PORT" (IPv4) whose socket does not block and delays nothing; -1: none.
int Connect(const std::string& endpoint);

// Seconds that the processes have run on a processor.
double CpuSeconds(const std::vector<int>& pids);

// The number right behind the first `name`; 0 without one. The text ends in something else.
inline uint64_t NumberAfter(std::string_view text, std::string_view name) {
  const size_t at = text.find(name);
  return at == std::string_view::npos ? 0
                                      : std::strtoull(text.data() + at + name.size(), nullptr, 10);
}

// A metric without labels; 0 if it is not there.
inline double MetricIn(const std::string& text, const std::string& name) {
  const size_t at = text.find("\n" + name + " ");
  return at == std::string::npos ? 0 : std::strtod(text.c_str() + at + name.size() + 2, nullptr);
}

// Of sorted microseconds, in ms; 0 of none.
template <typename T>
double MsAt(const std::vector<T>& sorted, double part) {
  return sorted.empty()
             ? 0.0
             : static_cast<double>(
                   sorted[static_cast<size_t>(part * static_cast<double>(sorted.size() - 1))]) *
                   1e-3;
}

}  // namespace synod::bench

#endif  // SYNOD_TESTS_BENCH_LOAD_H_
