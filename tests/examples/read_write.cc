// Many readers or one writer.
#include <synod/client/lock.h>

#include <cstdio>
#include <cstdlib>

using namespace synod::client;

int main() {
  Client client(ParseEndpoints(std::getenv("SYNOD_ENDPOINTS")).value());
  RwLock lock(client, "/examples/read-write");

  auto first = lock.read().Acquire(std::chrono::seconds(10));
  auto second = lock.read().Acquire(std::chrono::seconds(10));
  std::printf("two readers: %s\n", first && second ? "yes" : "no");

  auto writer = lock.write().Acquire(std::chrono::seconds(0));
  std::printf("a writer beside them: %s\n", writer ? "yes" : "no");

  auto gone = first->Release();
  gone = second->Release();
  writer = lock.write().Acquire(std::chrono::seconds(10));
  std::printf("a writer alone: %s\n", writer ? "yes" : "no");
  return writer && gone ? 0 : 1;
}
