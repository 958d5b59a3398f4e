// Four threads count to a hundred together; no count is lost or made twice.
#include <synod/client/counter.h>

#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

using namespace synod::client;

int main() {
  Client client(ParseEndpoints(std::getenv("SYNOD_ENDPOINTS")).value());
  Counter visits(client, "/examples/visits");

  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 25; ++n)
        if (auto sum = visits.Add(1); !sum)
          std::printf("not counted: %s\n", sum.error().detail.c_str());
    });
  }
  for (std::thread& thread : threads) thread.join();
  auto sum = visits.Get();
  std::printf("visits: %ld\n", sum ? long(*sum) : -1);
  return sum && *sum == 100 ? 0 : 1;
}
