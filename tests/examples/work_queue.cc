// Items that are put and taken; the taker waits for them, here with a callback.
#include <synod/client/queue.h>

#include <cstdio>
#include <cstdlib>
#include <future>

using namespace synod::client;

int main() {
  Client client(ParseEndpoints(std::getenv("SYNOD_ENDPOINTS")).value());
  Queue queue(client, "/examples/queue");

  // Nothing is there yet: the callback runs when something is, on the client's thread.
  std::promise<std::string> first;
  queue.Take(std::chrono::seconds(30), [&](synod::Result<std::string> item) {
    first.set_value(item ? *item : item.error().detail);
  });
  for (const char* item : {"a", "b", "c"})
    if (!queue.Put(item))
      return 1;
  std::printf("first: %s\n", first.get_future().get().c_str());
  for (int i = 0; i < 2; ++i) {
    auto item = queue.Take(std::chrono::seconds(30));
    std::printf("then: %s\n", item ? item->c_str() : item.error().detail.c_str());
  }
  auto none = queue.Take(std::chrono::milliseconds(200));
  std::printf("then: %s\n", none ? none->c_str() : "nothing");
  return none ? 1 : 0;
}
