// Two accounts, one transfer: both locks or none, in one step, so that no order can deadlock.
#include <synod/client/counter.h>
#include <synod/client/lock.h>

#include <cstdio>
#include <cstdlib>

using namespace synod::client;

int main() {
  Client client(ParseEndpoints(std::getenv("SYNOD_ENDPOINTS")).value());
  MultiLock accounts(client, {{"/examples/accounts/alice"}, {"/examples/accounts/bob"}});

  auto hold = accounts.Acquire(std::chrono::seconds(10));
  if (!hold) {
    std::printf("not acquired: %s\n", hold.error().detail.c_str());
    return 1;
  }
  // Each write proves both holds.
  auto alice = Counter(client, "/examples/balance/alice").Add(-5, hold->fences());
  auto bob = Counter(client, "/examples/balance/bob").Add(5, hold->fences());
  if (!alice || !bob)
    return 1;
  std::printf("locks: %zu, alice: %ld, bob: %ld\n", hold->fences().size(), long(*alice),
              long(*bob));
  return 0;
}
