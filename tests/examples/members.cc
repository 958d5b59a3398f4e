// Who is there: members of a group, and a cache that follows them.
#include <synod/client/cache.h>
#include <synod/client/group.h>

#include <cstdio>
#include <cstdlib>
#include <future>

using namespace synod::client;

int main() {
  Client client(ParseEndpoints(std::getenv("SYNOD_ENDPOINTS")).value());
  Group group(client, "/examples/members");
  std::promise<void> left;

  Cache::Options options;
  options.on_event = [&](const Event& event) {
    std::printf("%s %s\n", event.path.c_str(),
                event.type == Event::Type::kPut ? event.node.value.c_str() : "left");
    if (event.type == Event::Type::kDelete && event.path == "/examples/members/one")
      left.set_value();
  };
  // Declared last, it goes first: that the other member leaves at the end is nobody's business.
  synod::Result<Lease> one = synod::Error{}, two = synod::Error{};
  Cache cache(client, "/examples/members", options);
  if (!cache.Ready(std::chrono::seconds(10)))
    return 1;

  one = group.Join("one", "10.0.0.1:80");
  two = group.Join("two", "10.0.0.2:80");
  if (!one || !two)
    return 1;
  auto members = group.Members();
  std::printf("members: %zu\n", members ? members->size() : 0);
  // As if its process had died, only sooner.
  auto gone = one->Revoke();
  left.get_future().wait();
  std::printf("in the cache: %zu\n", cache.All().size());
  return gone && cache.All().size() == 1 ? 0 : 1;
}
