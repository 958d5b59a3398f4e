// Three workers that begin together and end together, after a sign.
#include <synod/client/barrier.h>
#include <synod/client/counter.h>

#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

using namespace synod::client;

int main() {
  Client client(ParseEndpoints(std::getenv("SYNOD_ENDPOINTS")).value());
  constexpr auto kWait = std::chrono::seconds(30);
  Barrier sign(client, "/examples/sign");
  Counter inside(client, "/examples/inside");
  if (!sign.Set())
    return 1;

  std::vector<std::thread> workers;
  for (int i = 0; i < 3; ++i) {
    workers.emplace_back([&] {
      DoubleBarrier together(client, "/examples/together", 3);
      if (!sign.Wait(kWait) || !together.Enter(kWait) || !inside.Add(1) || !together.Leave(kWait))
        std::puts("a worker gave up");
    });
  }
  std::puts("the sign is given");
  if (!sign.Remove())
    return 1;
  for (std::thread& worker : workers) worker.join();
  auto count = inside.Get();
  std::printf("all left, %ld were inside\n", count ? long(*count) : -1);
  return count && *count == 3 ? 0 : 1;
}
