// Thousands of clients at once that do next to nothing: idle connections, watchers, and those who
// send their request a byte at a time.
//
// With SYNOD_FULL_SIZE set there are 10 000 idle connections and 5000 watchers (20 000 descriptors
// are needed, here and in the node), else a tenth of that.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/cluster_test_base.h"
#include "tests/integration/crowd.h"

namespace synod::integration {
namespace {

using Clock = std::chrono::steady_clock;

size_t Sized(size_t full) { return std::getenv("SYNOD_FULL_SIZE") != nullptr ? full : full / 10; }

int64_t MsSince(Clock::time_point begin) {
  return std::chrono::duration_cast<Milliseconds>(Clock::now() - begin).count();
}

// A connection that waits for some words among what comes.
class Listener {
 public:
  explicit Listener(uint16_t port) : fd_(ConnectTo(port)) {}
  ~Listener() { ::close(fd_); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  void Send(const std::string& bytes) {
    EXPECT_EQ(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  // Reads until they have come; false at the end of the connection or after half a minute.
  bool Await(const std::string& words) {
    const Clock::time_point begin = Clock::now();
    while (in_.find(words) == std::string::npos) {
      pollfd ready{fd_, POLLIN, 0};
      if (MsSince(begin) > 30'000 || ::poll(&ready, 1, 30'000) <= 0)
        return false;
      std::array<char, 4096> buffer{};
      const ssize_t n = ::recv(fd_, buffer.data(), buffer.size(), 0);
      if (n == 0 || (n < 0 && errno != EAGAIN))
        return false;
      in_.append(buffer.data(), n > 0 ? static_cast<size_t>(n) : 0);
    }
    return true;
  }
  std::string Take() { return std::exchange(in_, {}); }

 private:
  const int fd_;
  std::string in_;
};

using Listeners = std::vector<std::unique_ptr<Listener>>;

size_t CountOf(const std::string& text, const std::string& words) {
  size_t n = 0;
  for (size_t at = text.find(words); at != std::string::npos; at = text.find(words, at + 1)) ++n;
  return n;
}

class ManyClientsTest : public ClusterTest<1> {
 protected:
  static void SetUpTestSuite() {
    RaiseDescriptorLimit();  // the node has it from here
    ClusterTest<1>::SetUpTestSuite();
  }
  static void Connect(size_t n, Listeners* all) {
    for (size_t i = 0; i < n; ++i) all->push_back(std::make_unique<Listener>(port()));
  }
  static uint64_t ResidentMiB() { return cluster().node(1).ResidentBytes() >> 20; }
};

const std::string kGet = "GET /v1/kv/a HTTP/1.1\r\nHost: localhost\r\n\r\n";

TEST_F(ManyClientsTest, IdleConnectionsAndWatchersAreServedTogether) {
  Put("/a", "x");
  const uint64_t before = ResidentMiB();
  const size_t idle_count = Sized(10'000);
  const size_t watch_count = Sized(5000);
  Listeners idle;
  Connect(idle_count, &idle);
  Listeners watchers;
  Connect(watch_count, &watchers);
  const Clock::time_point asked = Clock::now();
  for (const auto& w : watchers)
    w->Send(
        "GET /v1/watch/w?scope=subtree HTTP/1.1\r\nHost: localhost\r\n"
        "Accept: application/x-ndjson\r\n\r\n");
  for (const auto& w : watchers) ASSERT_TRUE(w->Await("\"created\"")) << w->Take();
  const int64_t created_ms = MsSince(asked);
  for (const auto& w : watchers) w->Take();
  // Each change reaches each of them, once and in order.
  const Clock::time_point put = Clock::now();
  Put("/w/first", "x");
  Put("/w/last", "x");
  for (const auto& w : watchers) ASSERT_TRUE(w->Await("/w/last\"")) << w->Take();
  const int64_t delivered_ms = MsSince(put);
  for (const auto& w : watchers) {
    const std::string got = w->Take();
    EXPECT_EQ(CountOf(got, "\"change\""), 2U) << got;
    EXPECT_LT(got.find("/w/first\""), got.find("/w/last\""));
  }
  // Those who were idle are served as well.
  const Clock::time_point woken = Clock::now();
  for (const auto& i : idle) i->Send(kGet);
  for (const auto& i : idle) ASSERT_TRUE(i->Await("\"path\":\"/a\"")) << i->Take();
  std::printf(
      "%zu idle, %zu watchers: created in %ld ms, two changes at all in %ld ms, all idle ones "
      "answered in %ld ms; resident %lu MiB, before %lu\n",
      idle_count, watch_count, created_ms, delivered_ms, MsSince(woken), ResidentMiB(), before);
  EXPECT_LT(ResidentMiB() - before, 400U);
}

// A byte at a time, from as many as there are: others are served, and they are let go.
TEST_F(ManyClientsTest, SlowRequestsHoldUpNobody) {
  Put("/a", "x");
  Listeners slow;
  Connect(Sized(10'000), &slow);
  const std::string head = "GET /v1/kv/a HTTP/1.1\r\n";
  for (const char byte : head) {
    for (const auto& s : slow) s->Send(std::string(1, byte));
    ASSERT_EQ(Http(port(), "GET", "/v1/kv/a").status, 200);
    Put("/a", "y");
  }
  for (const auto& s : slow) ASSERT_TRUE(s->Await("HTTP/1.1 408 ")) << s->Take();
  EXPECT_EQ(Http(port(), "GET", "/v1/kv/a").status, 200);
}

}  // namespace
}  // namespace synod::integration
