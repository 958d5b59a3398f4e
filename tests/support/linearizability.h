// CheckRegister: is a recorded history of one node of the tree linearizable?
//
// Contract      Takes all operations of one path, with the times of call and return, and decides
//               whether some order of them respects both real time and the meaning of a register
//               with preconditions, versions and absence. Operations whose outcome is not known
//               stay open for ever: they may take effect at any time after the call, or never.
// Source        Wing and Gong, "Testing and Verifying Concurrent Objects" (1993); the table of
//               states seen is Lowe, "Testing for linearizability" (2016). Checking path by path is
//               sound: linearizability is local (Herlihy and Wing 1990).
// Not trusted   Revisions are compared for equality where an answer names them, never for order:
//               the order of the history is what is being checked.
// Thread        A function; any.
#ifndef SYNOD_TESTS_SUPPORT_LINEARIZABILITY_H_
#define SYNOD_TESTS_SUPPORT_LINEARIZABILITY_H_

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace synod::sim {

// The value of a node as the model keeps it. `mod_revision` 0: not known (an open write made it).
struct RegisterState {
  bool present = false;
  std::string value;
  uint64_t version = 0;
  uint64_t mod_revision = 0;
  bool operator==(const RegisterState&) const = default;
};

struct RegisterOp {
  enum class Kind : uint8_t { kGet, kPut, kDelete };
  enum class Condition : uint8_t { kNone, kModRevision, kExists, kAbsent, kVersion };
  enum class Outcome : uint8_t {
    kOk,        // a get that found the node, a put or delete that was applied
    kNotFound,  // a get, or a delete without condition, of an absent node
    kRefused,   // the condition did not hold
    kUnknown,   // of a change: may have been applied, now or later, or not
  };
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

  Kind kind = Kind::kGet;
  Condition condition = Condition::kNone;
  uint64_t condition_number = 0;
  std::string value = {};  // put: what is written; get: what was read
  int64_t called = 0;
  int64_t returned = kNever;  // ignored for kUnknown
  Outcome outcome = Outcome::kUnknown;
  // What the answer said of the node after the operation; 0: it did not say.
  uint64_t version = 0;
  uint64_t mod_revision = 0;
};

enum class Verdict : uint8_t {
  kLinearizable,
  kViolation,
  kUndecided,  // more than `steps_max` steps: nothing is claimed
};

struct LinearizabilityResult {
  Verdict verdict = Verdict::kLinearizable;
  uint64_t steps = 0;
  std::string detail;  // of a violation: how far an order exists, and what could not follow
};

LinearizabilityResult CheckRegister(std::span<const RegisterOp> history,
                                    const RegisterState& initial = {},
                                    uint64_t steps_max = 2'000'000);

// The state after `op` if it takes effect in `state` with the outcome that was recorded, or nullopt
// if it cannot.
std::optional<RegisterState> StepRegister(const RegisterState& state, const RegisterOp& op);

std::string Describe(const RegisterOp& op);

}  // namespace synod::sim

#endif  // SYNOD_TESTS_SUPPORT_LINEARIZABILITY_H_
