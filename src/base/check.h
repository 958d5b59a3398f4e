// SYNOD_CHECK: an assertion that stays on in release builds.
//
// Contract      For bugs only, never for what a peer, a client or a disk sent. Prints expression,
//               values and place to stderr, then aborts: a node that is wrong about itself must
//               stop.
#ifndef SYNOD_BASE_CHECK_H_
#define SYNOD_BASE_CHECK_H_

#include <sstream>
#include <string>

namespace synod::base {

[[noreturn]] void CheckFailed(const char* file, int line, const char* expr, const std::string& why);

template <typename A, typename B>
std::string DescribePair(const A& a, const B& b) {
  std::ostringstream s;
  if constexpr (requires { s << a << b; }) {
    s << a << " vs " << b;
  } else if constexpr (requires { s << a.value << b.value; }) {
    s << a.value << " vs " << b.value;
  }
  return s.str();
}

}  // namespace synod::base

#define SYNOD_CHECK(expr)                                        \
  do {                                                           \
    if (!(expr)) [[unlikely]]                                    \
      ::synod::base::CheckFailed(__FILE__, __LINE__, #expr, ""); \
  } while (0)

#define SYNOD_CHECK_OP_(a, op, b)                                        \
  do {                                                                   \
    if (!((a)op(b))) [[unlikely]]                                        \
      ::synod::base::CheckFailed(__FILE__, __LINE__, #a " " #op " " #b,  \
                                 ::synod::base::DescribePair((a), (b))); \
  } while (0)

#define SYNOD_CHECK_EQ(a, b) SYNOD_CHECK_OP_(a, ==, b)
#define SYNOD_CHECK_NE(a, b) SYNOD_CHECK_OP_(a, !=, b)
#define SYNOD_CHECK_LE(a, b) SYNOD_CHECK_OP_(a, <=, b)
#define SYNOD_CHECK_LT(a, b) SYNOD_CHECK_OP_(a, <, b)
#define SYNOD_CHECK_GE(a, b) SYNOD_CHECK_OP_(a, >=, b)
#define SYNOD_CHECK_GT(a, b) SYNOD_CHECK_OP_(a, >, b)

#endif  // SYNOD_BASE_CHECK_H_
