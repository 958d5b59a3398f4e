// Crowd: many connections to one node at once, each of which asks again as soon as it is answered.
//
// Contract      Sends one and the same request, which has Content-Length or no body, over every
//               connection, and counts the answers by status. A connection that ends is not made
//               anew: it is counted.
// Thread        Its own runs from the constructor until Stop(); the counters may be read from any.
// Errors        std::runtime_error if the connections cannot be made.
#ifndef SYNOD_TESTS_INTEGRATION_CROWD_H_
#define SYNOD_TESTS_INTEGRATION_CROWD_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace synod::integration {

class Crowd {
 public:
  Crowd(uint16_t port, size_t connections, std::string request);
  ~Crowd();
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  // Ends all connections, and waits for the thread.
  void Stop();

  uint64_t answers() const;
  uint64_t answers(int status) const { return by_status_[static_cast<size_t>(status)]; }
  // Answers of 429 and 503 without Retry-After.
  uint64_t without_retry_after() const { return without_retry_after_; }
  uint64_t ended() const { return ended_; }

 private:
  struct Member {
    int fd = -1;
    std::string in;          // of a head that is not whole yet
    uint64_t body_left = 0;  // of the answer that is being read
  };

  void Run();
  void Ask(const Member& member);
  void OnReadable(Member* member);
  void Take(Member* member, std::string_view bytes);
  // A whole head at the beginning of `in`.
  void OnHead(Member* member, std::string_view head);
  void End(Member* member);

  const std::string request_;
  std::vector<Member> members_;
  int epoll_ = -1;
  std::atomic<bool> stop_{false};
  std::array<std::atomic<uint64_t>, 600> by_status_{};
  std::atomic<uint64_t> without_retry_after_{0};
  std::atomic<uint64_t> ended_{0};
  std::thread thread_;
};

// A connected non-blocking socket; std::runtime_error.
int ConnectTo(uint16_t port);
// As many descriptors as this process may have.
uint64_t RaiseDescriptorLimit();

}  // namespace synod::integration

#endif  // SYNOD_TESTS_INTEGRATION_CROWD_H_
