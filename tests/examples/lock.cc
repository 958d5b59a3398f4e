// One at a time: a lock, and a write that only its holder can make.
#include <synod/client/lock.h>

#include <cstdio>
#include <cstdlib>

using namespace synod::client;

int main() {
  Client client(ParseEndpoints(std::getenv("SYNOD_ENDPOINTS")).value());
  HoldOptions options;
  options.value = "example";  // who holds it, for others to see
  options.on_lost = [] { std::puts("lost: stop working"); };
  Lock lock(client, "/examples/lock", options);

  auto hold = lock.Acquire(std::chrono::seconds(10));
  if (!hold) {
    std::printf("not acquired: %s\n", hold.error().detail.c_str());
    return 1;
  }
  std::printf("held: %s\n", hold->Held() ? "yes" : "no");

  // Refused by the cluster if the hold is over when it is applied, however late that is.
  WriteOptions fenced;
  fenced.fences = {hold->fence()};
  auto written = Tree(client).Put("/examples/report", "done", fenced);
  std::printf("written: %s\n", written ? "yes" : "no");

  auto released = hold->Release();
  auto late = Tree(client).Put("/examples/report", "too late", fenced);
  std::printf("released: %s, written after that: %s\n", released ? "yes" : "no",
              late ? "yes" : std::string(synod::Name(late.error().code)).c_str());
  return late ? 1 : 0;
}
