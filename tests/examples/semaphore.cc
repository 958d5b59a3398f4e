// At most two at a time.
#include <synod/client/lock.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

using namespace synod::client;

int main() {
  Client client(ParseEndpoints(std::getenv("SYNOD_ENDPOINTS")).value());
  Semaphore licences(client, "/examples/licences", 2);

  std::vector<Hold> held;
  for (int i = 1; i <= 3; ++i) {
    auto hold = licences.Acquire(std::chrono::seconds(0));
    std::printf("licence %d: %s\n", i, hold ? "taken" : "none left");
    if (hold)
      held.push_back(*std::move(hold));
  }
  // A hold that goes out of scope is released.
  held.pop_back();
  auto again = licences.Acquire(std::chrono::seconds(10));
  std::printf("after one came back: %s\n", again ? "taken" : "none left");
  return again ? 0 : 1;
}
