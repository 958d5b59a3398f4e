// Error codes and Result: how everything that the world can do to us is reported.
//
// Contract      Errc is the API's stable code (docs/api.md, table of errors). Outcome says what is
//               known of *this attempt*: kNotApplied is a promise, kUnknown admits ignorance.
// Not here      The HTTP status of a code (src/api/problem.h); bugs (check.h).
#ifndef SYNOD_BASE_ERROR_H_
#define SYNOD_BASE_ERROR_H_

#include <boost/system/result.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace synod {

// The numbers are part of the log and snapshot format (recorded answers): never reuse one.
enum class Errc : uint8_t {
  kOk = 0,
  kInvalidRequest = 1,
  kInvalidPath = 2,
  kInvalidJson = 3,
  kUnauthenticated = 4,
  kPermissionDenied = 5,
  kNotFound = 6,
  kLeaseNotFound = 7,
  kLockNotHeld = 8,
  kMethodNotAllowed = 9,
  kNotAcceptable = 10,
  kRequestTimeout = 11,
  kLengthRequired = 12,
  kUriTooLong = 13,
  kUnsupportedMediaType = 14,
  kExpectationFailed = 15,
  kRequestHeaderFieldsTooLarge = 16,
  kNotImplemented = 17,
  kHttpVersionNotSupported = 18,
  kNotEmpty = 19,
  kManagedNode = 20,
  kLeasedParent = 21,
  kWrongKind = 22,
  kHeldOtherwise = 23,
  kLimitMismatch = 24,
  kQuotaExceeded = 25,
  kRequestExpired = 26,
  kMembershipRefused = 27,
  kCompacted = 28,
  kPreconditionFailed = 29,
  kFenced = 30,
  kTooLarge = 31,
  kIdempotencyKeyReused = 32,
  kLockUnavailable = 33,
  kOverloaded = 34,
  kRateLimited = 35,
  kNoLeader = 36,
  kNoQuorum = 37,
  kNotReady = 38,
  kStorageFull = 39,
  kShuttingDown = 40,
  kDeadlineExceeded = 41,
  kInternal = 42,
};

inline constexpr int kErrcCount = 43;

// The stable name in snake case ("precondition_failed"), as in the API's `code`.
std::string_view Name(Errc code);

enum class Outcome : uint8_t { kNotApplied = 0, kUnknown = 1 };

struct Error {
  Errc code = Errc::kInternal;
  Outcome outcome = Outcome::kNotApplied;
  std::string detail = {};
};

// A value or an Error; ignoring one is a compile error here (warnings are errors).
template <typename T>
class [[nodiscard]] Result : public boost::system::result<T, Error> {
 public:
  using boost::system::result<T, Error>::result;
};

// For functions that only succeed or fail: `Status ok = Done();`
struct Unit {};
using Status = Result<Unit>;
inline Status Done() { return Status(Unit{}); }

// value() of an error is a bug of ours, not of the world: says so and aborts. Boost.System finds it
// by its name.
[[noreturn]] void throw_exception_from_error(const Error& e, const boost::source_location& where);

}  // namespace synod

#endif  // SYNOD_BASE_ERROR_H_
