// Trace: the fingerprint of a run, its printed form, and how a broken promise ends it.
//
// Contract      Every event of a run is mixed into hash(): equal seeds give equal hashes, or the
//               code under test is not deterministic. Printing does not change the hash.
#ifndef SYNOD_TESTS_SIM_TRACE_H_
#define SYNOD_TESTS_SIM_TRACE_H_

#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>

#include "src/base/hash.h"
#include "tests/sim/scheduler.h"

namespace synod::sim {

// A promise of the system is broken; ends the run.
class Violation : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The text is only built when the condition is false.
#define SIM_REQUIRE(condition, text)       \
  do {                                     \
    if (!(condition)) [[unlikely]]         \
      throw ::synod::sim::Violation(text); \
  } while (0)

class Trace {
 public:
  Trace(const Scheduler* scheduler, bool print) : scheduler_(scheduler), print_(print) {}

  void Note(const char* what, uint64_t node, uint64_t a = 0, uint64_t b = 0) {
    Mix(static_cast<uint64_t>(scheduler_->now()));
    for (const char* c = what; *c != '\0'; ++c) Mix(static_cast<unsigned char>(*c));
    Mix(node);
    Mix(a);
    Mix(b);
    if (print_) [[unlikely]]
      std::printf("%11.6f  n%llu %s %llu %llu\n", static_cast<double>(scheduler_->now()) / 1e6,
                  static_cast<unsigned long long>(node), what, static_cast<unsigned long long>(a),
                  static_cast<unsigned long long>(b));
  }
  void MixBytes(std::string_view bytes) {
    const Hash128 h = HashOf(bytes);
    Mix(h.hi);
  }
  // Only for the reader.
  bool printing() const { return print_; }
  void Print(const std::string& text) const {
    if (print_)
      std::printf("%11.6f  %s\n", static_cast<double>(scheduler_->now()) / 1e6, text.c_str());
  }
  uint64_t hash() const { return hash_; }

 private:
  void Mix(uint64_t v) {
    hash_ = (hash_ ^ v) * 0x9E3779B97F4A7C15ULL;
    hash_ ^= hash_ >> 29;
  }

  const Scheduler* scheduler_;
  bool print_;
  uint64_t hash_ = 0x243F6A8885A308D3ULL;
};

}  // namespace synod::sim

#endif  // SYNOD_TESTS_SIM_TRACE_H_
