// A storage outside of Synod that cannot keep a token: who writes asks a register first. The one
// that was paused while its hold ended is refused there.
#include <synod/client/fence_register.h>
#include <synod/client/lock.h>

#include <cstdio>
#include <cstdlib>
#include <string>

using namespace synod::client;

namespace {

std::string Told(const synod::Result<uint64_t>& raised) {
  return raised ? "yes" : std::string(synod::Name(raised.error().code));
}

}  // namespace

int main() {
  Client client(ParseEndpoints(std::getenv("SYNOD_ENDPOINTS")).value());
  Lock lock(client, "/examples/bucket");
  FenceRegister highest(client, "/examples/bucket");

  auto first = lock.Acquire(std::chrono::seconds(10));
  if (!first)
    return 1;
  const uint64_t first_token = first->token();
  std::printf("first may write: %s\n", Told(highest.Raise(first_token)).c_str());
  // The first one's hold ends, as it would while it is paused, and it does not know it.
  auto ended = first->Release();

  auto second = lock.Acquire(std::chrono::seconds(10));
  if (!second || !ended)
    return 1;
  std::printf("second may write: %s\n", Told(highest.Raise(second->token())).c_str());
  std::printf("first may write, late: %s\n", Told(highest.Raise(first_token)).c_str());
  auto seen = highest.Get();
  std::printf("the second token is the highest: %s\n",
              seen && *seen == second->token() ? "yes" : "no");
  return 0;
}
