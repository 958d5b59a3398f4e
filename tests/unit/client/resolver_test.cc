// What becomes of a client while the system's resolver does not answer.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <netdb.h>

#include <condition_variable>
#include <cstring>
#include <mutex>

#include "src/client/client.h"
#include "tests/unit/client/fake_node.h"

namespace synod::client {
namespace {

using std::chrono::milliseconds;

constexpr const char* kSlowName = "slow.test";
constexpr std::chrono::seconds kHang{20};  // as DNS does: much longer than any call here

// Looks kSlowName up until it is released, or for kHang.
class SlowResolver {
 public:
  static SlowResolver& Get() {
    static SlowResolver resolver;
    return resolver;
  }
  int LookUp() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait_for(lock, kHang, [this] { return released_; });
    --waiting_;
    return EAI_AGAIN;
  }
  void Hold() {
    const std::lock_guard lock(mutex_);
    released_ = false;
  }
  void Release() {
    const std::lock_guard lock(mutex_);
    released_ = true;
    changed_.notify_all();
  }
  bool waits() {
    const std::lock_guard lock(mutex_);
    return waiting_ > 0;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int waiting_ = 0;
  bool released_ = true;
};

}  // namespace
}  // namespace synod::client

// In the place of libc's, for the whole test program.
extern "C" int getaddrinfo(const char* name,
                           const char* service,
                           const addrinfo* hints,
                           addrinfo** result) {
  if (name != nullptr && std::strcmp(name, synod::client::kSlowName) == 0)
    return synod::client::SlowResolver::Get().LookUp();
  static const auto real =
      reinterpret_cast<decltype(&getaddrinfo)>(dlsym(RTLD_NEXT, "getaddrinfo"));
  return real(name, service, hints, result);
}

namespace synod::client {
namespace {

class ResolverTest : public testing::Test {
 protected:
  ResolverTest() { SlowResolver::Get().Hold(); }
  ~ResolverTest() override { SlowResolver::Get().Release(); }
  static Call Get(milliseconds timeout, milliseconds attempt_timeout) {
    Call call;
    call.target = "/v1/kv/a";
    call.timeout = timeout;
    call.attempt_timeout = attempt_timeout;
    return call;
  }
};

TEST_F(ResolverTest, ADeadlineHoldsWhileANameIsLookedUp) {
  Client client({{kSlowName, 1}});
  const Result<Answer> answer = client.Send(Get(milliseconds(300), milliseconds(100)));
  EXPECT_TRUE(SlowResolver::Get().waits());
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::kDeadlineExceeded);
  EXPECT_EQ(answer.error().outcome, Outcome::kNotApplied);
  SlowResolver::Get().Release();  // the client's end waits for it
}

TEST_F(ResolverTest, AnAddressNeedsNoResolver) {
  FakeNode node([](const net::HttpRequest&, int) { return Json(200, "{}"); });
  Client client({{kSlowName, 1}, node.endpoint()});
  const Result<Answer> answer = client.Send(Get(milliseconds(5000), milliseconds(100)));
  EXPECT_TRUE(SlowResolver::Get().waits());
  ASSERT_TRUE(answer) << answer.error().detail;
  EXPECT_EQ(answer->reply.status, 200);
  SlowResolver::Get().Release();
}

}  // namespace
}  // namespace synod::client
