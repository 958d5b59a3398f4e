// Holds a lock until it is killed, and prints what it believes whenever that changes.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "src/client/lock.h"

int main(int argc, char** argv) {
  using namespace synod::client;
  if (argc != 4)
    return 2;
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  Client client(ParseEndpoints(argv[1]).value());
  HoldOptions options;
  options.ttl = Milliseconds(std::atoi(argv[3]));
  options.on_lost = [] { std::puts("lost"); };
  Lock lock(client, argv[2], options);
  const synod::Result<Hold> hold = lock.Acquire(std::chrono::seconds(30));
  if (!hold)
    return 1;
  std::printf("held %llu\n", static_cast<unsigned long long>(hold->token()));
  bool believed = true;
  while (true) {
    if (hold->Held() != believed) {
      believed = !believed;
      std::puts(believed ? "believes" : "doubts");
    }
    std::this_thread::sleep_for(Milliseconds(1));
  }
}
